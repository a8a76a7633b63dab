"""Where in a picture the model looks for a word: what a small thing's direction is learnt from.

Nobody marks anything: the attention of the model's own image tokens to the word's, while it sees the picture through
noise, says it. Knows nothing of losses or of what is learnt.

Shape legend: `C` latent channels, `h`, `w` latent grid, `I` image tokens (`h/2 * w/2`), `T` text tokens.
"""

from collections.abc import Mapping, Sequence

import torch
from diffusers import FluxTransformer2DModel
from torch import Tensor

from concepts.schema import ConceptKind
from generator.attention import recorded_attention
from generator.flow import TextEncoding, add_noise, predict_velocity

LOCAL_KINDS: frozenset[ConceptKind] = frozenset({"clothing", "object"})
"""Concepts that fill a small place of their pictures. Characters learnt from their places alone fade beside others, and
for poses the model does not look in limbs (see docs/LOG.md)."""
SEEN_AT_SIGMAS = (0.4, 0.6, 0.8)
"""Noise levels at which the model looks at the picture."""
_LOOKS = 4
"""Noise draws at each of them."""
_SEED = 7


@torch.no_grad()
def find_word_regions(
    transformer: FluxTransformer2DModel,
    latents: Tensor,
    encoding: TextEncoding,
    words: Mapping[str, Sequence[int]],
) -> dict[str, Tensor]:
    """How much the model looks for each word at each place of a picture, from 0 to 1 at the most.

    Args:
        transformer: With nothing attached, its blocks not compiled.
        latents: The picture's, `(1, C, h, w)`.
        encoding: Of a text that says what the picture shows.
        words: By any name, the positions of a word's tokens.

    Returns:
        By the same names, `(1, 1, h, w)` in float32: the mean over noise levels, double-stream blocks and heads of the
        attention of a place's image token to the word's tokens, scaled to fill 0 to 1; equal for the four latents of a
        token. Ones where attention is the same everywhere.
    """
    generator = torch.Generator().manual_seed(_SEED)
    positions = [position for tokens in words.values() for position in tokens]
    with recorded_attention(transformer, tokens=positions) as maps:
        for level in SEEN_AT_SIGMAS:
            for noise in torch.randn(_LOOKS, *latents.shape[1:], generator=generator).to(latents.device).split(1):
                sigmas = torch.tensor([level], device=latents.device)
                predict_velocity(transformer, add_noise(latents, noise, sigmas), sigmas, encoding)
    of_words = (
        torch.stack([attention[0].float() for attention in maps])
        .mean(0)
        .split([len(tokens) for tokens in words.values()], dim=1)
    )
    return {name: _as_region(each.sum(1), latents) for name, each in zip(words, of_words, strict=True)}


def _as_region(attention: Tensor, latents: Tensor) -> Tensor:
    """`(I,)` as `(1, 1, h, w)`, scaled to fill 0 to 1."""
    low, high = attention.min(), attention.max()
    scaled = (attention - low) / (high - low) if high > low else torch.ones_like(attention)
    grid = scaled.reshape(1, 1, latents.shape[2] // 2, latents.shape[3] // 2)
    return grid.repeat_interleave(2, 2).repeat_interleave(2, 3)
