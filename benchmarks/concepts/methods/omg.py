"""OMG: a first picture says where the concepts are, a second is drawn with each concept's adapter in its place alone.

Source: OMG (arXiv:2403.10983), concept noise blending with DreamBooth adapters of single pictures. Different here:
regions come from the first picture's attention to the concepts' words instead of a segmentation model, and the layout
is kept by the same noise and prompt, without injected attention.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from PIL import Image
from pydantic import JsonValue
from torch import Tensor, nn

from benchmarks.concepts.attention import recorded_attention
from benchmarks.concepts.cases import BenchSource, Case
from benchmarks.concepts.fitting import Texts, token_spans
from benchmarks.concepts.lora import with_loras
from benchmarks.concepts.methods.dreambooth import DREAMBOOTH, DreamBooth, identified
from benchmarks.concepts.protocol import Learnt, Workbench, draw_prompt

REGION = 0.5
"""Share of a word's strongest attention from which on an image token is of its region."""


@dataclass(frozen=True, kw_only=True)
class Omg:
    name: str = "omg"
    title: str = "OMG"
    source: str = "OMG (arXiv:2403.10983), regions from attention."
    dreambooth: DreamBooth = DREAMBOOTH[0]
    is_joint: bool = False
    is_guided: bool = False

    @property
    def alone(self) -> str:
        return self.dreambooth.alone

    @property
    def rates(self) -> tuple[float, ...]:
        return self.dreambooth.rates

    def settings(self, bench: Workbench) -> JsonValue:
        return self.dreambooth.settings(bench)

    def learn(self, bench: Workbench, sources: Sequence[BenchSource], *, rate: float) -> Learnt:
        return self.dreambooth.learn(bench, sources, rate=rate)

    def draw(self, bench: Workbench, learnt: Sequence[Learnt], case: Case, seeds: Sequence[int]) -> list[Image.Image]:
        regions = _regions(bench, case, seeds)
        experts: list[tuple[nn.Module, Tensor, Tensor]] = []
        for source, own in zip(case.sources, learnt, strict=True):
            text = Texts(bench.model).encode(identified(case.prompt, sources=[source])).prompt_embeds
            ids = [concept.id for concept in source.concepts if concept.id in regions]
            region = torch.stack([regions[name] for name in ids]).amax(0)
            experts.append((with_loras(bench.model, [own]).pipeline.transformer, text, region))

        def blend(transformer: nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any], output: Any) -> Any:
            del transformer
            (velocity,) = output
            for expert, text, region in experts:
                words = text.expand(len(velocity), -1, -1)
                (own,) = expert(*args, **kwargs | {"encoder_hidden_states": words})
                velocity = torch.where(region[..., None], own, velocity)
            return (velocity,)

        handle = bench.model.pipeline.transformer.register_forward_hook(blend, with_kwargs=True)
        try:
            return draw_prompt(bench.model, case.prompt.prompt, seeds)
        finally:
            handle.remove()


def _regions(bench: Workbench, case: Case, seeds: Sequence[int]) -> dict[str, Tensor]:
    """For each concept, the image tokens `(B, I)` that attend to its word while the plain prompt is drawn."""
    model = bench.model
    with torch.no_grad(), recorded_attention(model.pipeline.transformer) as maps:
        draw_prompt(model, case.prompt.prompt, seeds)
        mean = torch.stack(maps[len(maps) // 2 :]).mean(0)
    regions: dict[str, Tensor] = {}
    for name, span in token_spans(model, case.prompt).items():
        own = mean[:, :, list(span)].mean(-1)
        low = own.amin(1, keepdim=True)
        regions[name] = (own - low) >= REGION * (own.amax(1, keepdim=True) - low)
    return regions
