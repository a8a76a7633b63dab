"""What a method is to the benchmark: it learns numbers from source pictures, and draws prompts with them.

Methods share the model, the pictures, the prompts, the seeds and the number of steps, and nothing else.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Protocol

import torch
from diffusers import FluxPipeline, FluxTransformer2DModel
from PIL import Image
from pydantic import JsonValue
from torch import Tensor

from benchmarks.concepts.cases import BenchSource, Case
from generator.flow import TextEncoding
from generator.isolation_prompts import GENERAL_PROMPTS, prompts_from_lexicon
from generator.loading import FluxModel

Learnt = dict[str, Tensor]
"""All that a method keeps of what it learnt."""


@dataclass(frozen=True, kw_only=True)
class Effort:
    """How long every method learns a picture, or all of a case where it is joint."""

    steps: int = 240
    batch_size: int = 8
    """Noise draws of the picture per step."""
    pairs_batch_size: int = 4
    """Noise draws of what is shown besides: two-part pictures, pictures of the unmodified model."""


FULL_EFFORT = Effort()
QUICK_EFFORT = Effort(steps=80, batch_size=2, pairs_batch_size=1)
EFFORTS = {"full": FULL_EFFORT, "quick": QUICK_EFFORT}
"""By the names that `rates.json` has."""


@dataclass(frozen=True, kw_only=True)
class Workbench:
    """What methods work with."""

    model: FluxModel
    effort: Effort
    cache_dir: Path
    """Keeps the pictures that the unmodified model draws for isolation and prior preservation."""
    seed: int = 0

    @property
    def general_prompts(self) -> tuple[str, ...]:
        """Captions of those pictures."""
        lexicon = self.model.lexicon
        return prompts_from_lexicon(lexicon) if lexicon is not None else GENERAL_PROMPTS


class Method(Protocol):
    """One row of the table; what differs between two rows is said in their files alone."""

    @property
    def name(self) -> str: ...

    @property
    def title(self) -> str:
        """For people."""
        ...

    @property
    def source(self) -> str:
        """The paper, and what is done differently here."""
        ...

    @property
    def rates(self) -> tuple[float, ...]:
        """Learning rates that the search tries; none where nothing is learnt."""
        ...

    @property
    def is_joint(self) -> bool:
        """Whether it learns all pictures of a case at once, instead of each once for all cases."""
        ...

    @property
    def is_guided(self) -> bool:
        """Whether its pictures are guided by concepts, as the model's own settings say."""
        ...

    @property
    def alone(self) -> str:
        """The method that learns the same from one picture, itself where there is no other; what it learnt is used."""
        ...

    def settings(self, bench: Workbench) -> JsonValue:
        """All else that decides what it learns; where this has changed, what was kept is learnt anew."""
        ...

    def learn(self, bench: Workbench, sources: Sequence[BenchSource], *, rate: float) -> Learnt:
        """What one picture teaches, or all pictures of a case where the method is joint."""
        ...

    def draw(self, bench: Workbench, learnt: Sequence[Learnt], case: Case, seeds: Sequence[int]) -> list[Image.Image]:
        """A picture of the case's prompt for each seed; `learnt` is of each of its sources, or one where joint."""
        ...


def draw_prompt(model: FluxModel, prompt: str | TextEncoding, seeds: Sequence[int]) -> list[Image.Image]:
    """One picture per seed, drawn in one batch by diffusers' own pipeline, with whatever hooks the model has on."""
    if isinstance(prompt, str):
        said = {"prompt": prompt, "num_images_per_prompt": len(seeds)}
    else:
        said = {
            "prompt_embeds": prompt.prompt_embeds.expand(len(seeds), -1, -1),
            "pooled_prompt_embeds": prompt.pooled_prompt_embeds.expand(len(seeds), -1),
        }
    return model.pipeline(
        **said,
        generator=[torch.Generator("cpu").manual_seed(seed) for seed in seeds],
        **model.defaults.of_pipeline,
    ).images


def with_transformer(model: FluxModel, transformer: FluxTransformer2DModel) -> FluxModel:
    """The same model with another transformer; the rest is shared."""
    pipeline = FluxPipeline(**{**model.pipeline.components, "transformer": transformer})
    pipeline.set_progress_bar_config(disable=True)
    return replace(model, pipeline=pipeline)
