"""The prompt alone: what the model draws of its words without having seen the pictures. The floor of the table."""

from collections.abc import Sequence
from dataclasses import dataclass

from PIL import Image

from benchmarks.concepts.cases import BenchSource
from benchmarks.concepts.protocol import Learnt, Workbench, draw_prompt
from concepts.schema import BoundPrompt


@dataclass(frozen=True)
class Prompt:
    """Learns nothing."""

    name: str = "prompt"
    title: str = "Plain prompt"
    source: str = "None."
    rates: tuple[float, ...] = ()
    is_joint: bool = False
    alone: str = "prompt"

    def learn(self, bench: Workbench, sources: Sequence[BenchSource], *, rate: float) -> Learnt:
        del bench, sources, rate
        return {}

    def draw(
        self, bench: Workbench, learnt: Sequence[Learnt], prompt: BoundPrompt, seeds: Sequence[int]
    ) -> list[Image.Image]:
        del learnt
        return draw_prompt(bench.model, prompt.prompt, seeds)
