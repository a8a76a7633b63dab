"""What is learnt of a picture: numbers out of which the directions of its caption's tokens come.

A table holds a direction per token outright. Concept-Mod, as the paper draws it, is a small network that makes each
direction of what the text encoder says about its token. Both have two parts: one direction for all blocks, learnt from
the start, and what each block adds, learnt from stage 2 on; and both work in the coordinates of `EvenSteps`. Knows
nothing of models, losses or files.

Shape legend: `R` rows (tokens of the caption), `E` width of the text encoder, `L` blocks, `D` width of the modulation.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol

import torch
from torch import Tensor
from torch.nn.functional import gelu, layer_norm, linear

from generator.even_steps import EvenSteps
from generator.recipe import LearningRecipe

Parameters = Mapping[str, Tensor]


class Predictor(Protocol):
    """Makes directions out of learnt numbers."""

    learning_rate: float
    """Adam's at the start of each stage."""

    def start(self) -> tuple[dict[str, Tensor], dict[str, Tensor]]:
        """The numbers before learning, by name, float32 on the CPU: those of both stages, and those that stage 2 adds.

        With them every direction is zero: the model as it is.
        """
        ...

    def directions(self, parameters: Parameters, words: Tensor) -> Tensor:
        """`(R, L, D)`, or `(R, 1, D)` where `parameters` lacks those of stage 2.

        `words` is the text encoder's output for the caption's tokens, `(R, E)`, rows of zeros where a text lacks a
        token of the caption; it has no gradient.
        """
        ...


@dataclass(frozen=True)
class DirectionTable:
    """A direction per token, whatever the text encoder says."""

    num_rows: int
    even_steps: EvenSteps
    learning_rate: float

    def start(self) -> tuple[dict[str, Tensor], dict[str, Tensor]]:
        num_blocks, dim, _ = self.even_steps.of_blocks_LDD.shape
        shared = torch.zeros(self.num_rows, dim)
        return {"shared": shared}, {"per_block": torch.zeros(self.num_rows, num_blocks, dim)}

    def directions(self, parameters: Parameters, words: Tensor) -> Tensor:
        del words
        shared = self.even_steps.share(parameters["shared"])
        if "per_block" not in parameters:
            return shared
        return shared + self.even_steps.for_blocks(parameters["per_block"])


@dataclass(frozen=True)
class ConceptMod:
    """A network of two layers on each token alone, and from stage 2 on a second with an output per block.

    Each last layer starts at zero. The input is normalised, because text encoders differ in scale.
    Source: TokenVerse (arXiv:2501.12224), which states neither input nor width.
    """

    text_dim: int
    even_steps: EvenSteps
    width: int
    seed: int
    learning_rate: float

    def start(self) -> tuple[dict[str, Tensor], dict[str, Tensor]]:
        generator = torch.Generator().manual_seed(self.seed)
        num_blocks = len(self.even_steps.of_blocks_LDD)
        return self._head("shared", 1, generator), self._head("per_block", num_blocks, generator)

    def directions(self, parameters: Parameters, words: Tensor) -> Tensor:
        normalised = layer_norm(words, words.shape[-1:])
        shared = self.even_steps.share(self._run("shared", parameters, normalised))
        if "per_block.last.weight" not in parameters:
            return shared
        of_blocks = self._run("per_block", parameters, normalised)
        return shared + self.even_steps.for_blocks(of_blocks.unflatten(-1, (-1, self._dim)))

    @property
    def _dim(self) -> int:
        return len(self.even_steps.shared_DD)

    def _head(self, name: str, num_outputs: int, generator: torch.Generator) -> dict[str, Tensor]:
        limit = 1 / math.sqrt(self.text_dim)
        return {
            f"{name}.first.weight": (torch.rand(self.width, self.text_dim, generator=generator) * 2 - 1) * limit,
            f"{name}.first.bias": torch.zeros(self.width),
            f"{name}.last.weight": torch.zeros(num_outputs * self._dim, self.width),
            f"{name}.last.bias": torch.zeros(num_outputs * self._dim),
        }

    def _run(self, name: str, parameters: Parameters, words: Tensor) -> Tensor:
        """`(R, D or L·D)`."""
        hidden = gelu(linear(words, parameters[f"{name}.first.weight"], parameters[f"{name}.first.bias"]))
        return linear(hidden, parameters[f"{name}.last.weight"], parameters[f"{name}.last.bias"])


def make_predictor(recipe: LearningRecipe, *, num_rows: int, text_dim: int, even_steps: EvenSteps) -> Predictor:
    """The predictor that a recipe asks for."""
    if recipe.directions == "table":
        return DirectionTable(num_rows, even_steps, learning_rate=recipe.learning_rate)
    return ConceptMod(
        text_dim,
        even_steps,
        width=recipe.concept_mod_width,
        seed=recipe.seed,
        learning_rate=recipe.concept_mod_learning_rate,
    )
