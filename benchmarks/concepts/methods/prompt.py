"""Prompts alone, without having seen the pictures: the case's own, which is the floor of the table, and one that says
all looks in words.

Nobody has these words for a picture of their own, and looks go beyond them. But what the model does not draw when it is
told, a method that only steers it will hardly make it draw.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from PIL import Image
from pydantic import JsonValue

from benchmarks.concepts.cases import BenchSource, Case, describe
from benchmarks.concepts.protocol import Learnt, Workbench, draw_prompt


@dataclass(frozen=True, kw_only=True)
class Prompt:
    """Learns nothing."""

    name: str
    title: str
    source: str
    alone: str
    prompt_of: Callable[[Case], str]
    rates: tuple[float, ...] = ()
    is_joint: bool = False
    is_guided: bool = False

    def settings(self, bench: Workbench) -> JsonValue:
        del bench
        return None

    def learn(self, bench: Workbench, sources: Sequence[BenchSource], *, rate: float) -> Learnt:
        del bench, sources, rate
        return {}

    def draw(self, bench: Workbench, learnt: Sequence[Learnt], case: Case, seeds: Sequence[int]) -> list[Image.Image]:
        del learnt
        return draw_prompt(bench.model, self.prompt_of(case), seeds)


PROMPT = Prompt(
    name="prompt",
    alone="prompt",
    title="Plain prompt",
    source="learns nothing.",
    prompt_of=lambda case: case.prompt.prompt,
)
IN_WORDS = Prompt(
    name="in_words",
    alone="in_words",
    title="Told in words",
    source="learns nothing; its prompt says the looks.",
    prompt_of=lambda case: describe(case.wanted),
)
"""No row of the table, but a measure for all."""
