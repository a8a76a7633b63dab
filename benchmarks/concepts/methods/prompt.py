"""The prompt alone: what the model draws of its words without having seen the pictures. The floor of the table."""

from collections.abc import Sequence
from dataclasses import dataclass

from PIL import Image
from pydantic import JsonValue

from benchmarks.concepts.cases import BenchSource, Case
from benchmarks.concepts.protocol import Effort, Learnt, Workbench, draw_prompt


@dataclass(frozen=True)
class Prompt:
    """Learns nothing."""

    name: str = "prompt"
    title: str = "Plain prompt"
    source: str = "learns nothing."
    rates: tuple[float, ...] = ()
    is_joint: bool = False
    alone: str = "prompt"

    def settings(self, effort: Effort) -> JsonValue:
        del effort
        return None

    def learn(self, bench: Workbench, sources: Sequence[BenchSource], *, rate: float) -> Learnt:
        del bench, sources, rate
        return {}

    def draw(self, bench: Workbench, learnt: Sequence[Learnt], case: Case, seeds: Sequence[int]) -> list[Image.Image]:
        del learnt
        return draw_prompt(bench.model, case.prompt.prompt, seeds)
