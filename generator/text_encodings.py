"""What text encoders make of the prompts of several pictures: read in one go, and kept for those that are drawn later.

Where the encoders are brought to the device for each call, as on small cards, that is once a book instead of once a
page. Knows nothing of concepts.
"""

from collections import OrderedDict
from collections.abc import Sequence

import torch
from diffusers import FluxPipeline
from torch import Tensor

from generator.errors import InvalidSettings

PROMPTS_AT_ONCE = 16
"""For T5 a prompt of 512 tokens is 62 MB of what it computes."""
BOOKS_KEPT = 4
"""At FLUX.1's size a book of 17 pictures is 71 MB of the computer's memory."""

Encodings = dict[str, Tensor]
"""Arguments of `FluxPipeline`, a row for each prompt: `prompt_embeds` `(B, T, ·)`, `pooled_prompt_embeds` `(B, ·)`."""


class TextEncodings:
    """Encodes prompts with a pipeline's text encoders, and remembers those of the last few books."""

    def __init__(self, pipeline: FluxPipeline) -> None:
        self._pipeline = pipeline
        self._kept: OrderedDict[tuple[int, tuple[str, ...]], Encodings] = OrderedDict()
        """On the CPU, by length and prompts; the last used is the last."""

    @torch.no_grad()
    def of_all(self, prompts: Sequence[str], *, max_sequence_length: int) -> Encodings:
        """Those of all prompts, on the pipeline's device; the encoders work."""
        parts = [
            self._pipeline.encode_prompt(
                prompt=[*prompts[start : start + PROMPTS_AT_ONCE]],
                prompt_2=None,
                max_sequence_length=max_sequence_length,
            )
            for start in range(0, len(prompts), PROMPTS_AT_ONCE)
        ]
        return {
            "prompt_embeds": torch.cat([part[0] for part in parts]),
            "pooled_prompt_embeds": torch.cat([part[1] for part in parts]),
        }

    def of_one(self, prompt: str, *, read_with: Sequence[str], max_sequence_length: int) -> Encodings:
        """That of one prompt, on the pipeline's device.

        How other prompts are read along with it moves its numbers by their rounding, so what it is read with is given
        by the caller and does not depend on what was drawn before.

        Args:
            prompt: To be drawn.
            read_with: All prompts of its book, itself among them; the encoders work unless they did for just these, in
                this order, not long ago. Empty reads it alone, and keeps nothing.
            max_sequence_length: Tokens that T5 reads.

        Raises:
            InvalidSettings: The prompt is not among those.
        """
        if not read_with:
            return self.of_all([prompt], max_sequence_length=max_sequence_length)
        if prompt not in read_with:
            raise InvalidSettings(f"{prompt!r} is not among the prompts that it is to be read with. Put it there.")
        row, device = read_with.index(prompt), self._pipeline._execution_device
        key = max_sequence_length, tuple(read_with)
        if key not in self._kept:
            read = self.of_all(read_with, max_sequence_length=max_sequence_length)
            self._kept[key] = {name: rows.cpu() for name, rows in read.items()}
        self._kept.move_to_end(key)
        while len(self._kept) > BOOKS_KEPT:
            self._kept.popitem(last=False)
        return {name: rows[row : row + 1].to(device) for name, rows in self._kept[key].items()}
