"""What is asked of concept learning and what it tells on the way: plain values, without torch.

Knows nothing of how learning works; `generator/learning.py` does.
"""

from dataclasses import dataclass
from typing import Literal

from PIL import Image
from pydantic import BaseModel, ConfigDict, Field

from concepts.schema import ConceptId, ConceptKind, ConceptWord
from generator.errors import GeneratorError


class LearningError(GeneratorError):
    """Raised by learning when texts, recipe or checkpoint do not fit each other; change what the message names."""


class ConceptRequest(BaseModel):
    """One concept to learn: the id it gets in the bank, the word of the caption that names it, and its kind."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    id: ConceptId
    word: ConceptWord
    kind: ConceptKind


@dataclass(frozen=True, kw_only=True)
class SourcePicture:
    """One picture to learn from."""

    picture: Image.Image
    caption: str
    """What it shows; names each concept that is in it once, by its word."""
    paraphrases: tuple[str, ...] | None = None
    """Other captions that name the concepts by the same words; None makes them from templates."""


class LearningRecipe(BaseModel):
    """How long, at which size and with which weights directions are learnt.

    Source: TokenVerse (arXiv:2501.12224) for the two stages, their noise levels and the isolation loss. The paper does
    not state learning rate, batch size and isolation weight. The defaults are those of small models, see
    `default_recipe` for large ones: steps that Pocket takes two CPU cores two to three minutes for; at 11.6 million
    parameters a step is 23 GFLOP, and 26 more when it has the isolation loss.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    stage1_steps: int = Field(default=40, ge=0)
    """Steps that learn one direction per caption token, shared by all blocks (paper: 800)."""
    stage2_steps: int = Field(default=200, ge=0)
    """Steps that learn offsets per block as well (paper: 600)."""
    directions: Literal["table", "concept_mod"] = "table"
    """What is learnt: a table with a direction for each token, or the paper's Concept-Mod, a network that makes them
    out of the text encoder's output."""
    learning_rate: float = Field(default=0.3, gt=0)
    """AdamW's (less what noise explains, see `AdamTensor`) for the table, in the coordinates of `EvenSteps`, at the
    start of each stage; it falls to zero along half a cosine."""
    concept_mod_learning_rate: float = Field(default=0.001, gt=0)
    """The same for Concept-Mod. Good on Pocket (see docs/LOG.md), but not searched for."""
    concept_mod_width: int = Field(default=1024, ge=1)
    """Hidden units of each of Concept-Mod's two heads. The paper does not state it."""
    weight_decay: float = Field(default=0.05, ge=0)
    """AdamW's: a step takes this share, times the learning rate, of every learnt number away. What gradients do not
    hold in place is noise, and blurs what is drawn (see docs/LOG.md). The paper does not state it."""
    batch_size: int = Field(default=8, ge=1)
    """Noise draws of the picture per step."""
    stage1_high_noise_share: float = Field(default=0.92, ge=0, le=1)
    """Share of stage 1's draws at noise levels above `noise_split` (paper: 0.92)."""
    stage2_high_noise_share: float = Field(default=0.7, ge=0, le=1)
    """The same of stage 2's (paper: 0.08). Pocket's six blocks need offsets of their own at high noise too, where
    colours and lights are settled (see docs/LOG.md)."""
    noise_split: float = Field(default=0.8, gt=0, lt=1)
    """Noise level (sigma) that parts high from low."""
    direction_sigma_min: float | None = Field(default=None, ge=0, lt=1)
    """Lowest noise level that is learnt at; None is the model's default, below which drawing has no directions. Steps
    below would be taken from the levels that decide how a picture looks. The paper has 0."""
    concepts_alone_fraction: float = Field(default=0.9, ge=0, le=1)
    """Probability that a step has directions on the concept words only, which are all that is exported; without such
    steps the caption's other words share in the look, and it fades where they are missing. Not in the paper."""
    one_alone_fraction: float = Field(default=0.5, ge=0, le=1)
    """Share of those steps that have directions on one concept alone, or on a figure with what it wears, where the
    picture shows more; without such steps what one looks like is shared by the words of the others, and fades without
    them. Not in the paper."""
    isolation_fraction: float = Field(default=0.8, ge=0, le=1)
    """Probability that a step has the concept isolation loss (paper: 0.5); 0 needs no isolation pictures."""
    companion_share: float = Field(default=0.4, ge=0, le=1)
    """Share of those steps whose second picture stands within one frame of normal width: the middle halves of the
    source and of a companion at the same place, under a caption that names both, as stories do. What the caption names
    has to stand in the source's middle half, as Pocket's figures do: nothing looks whether it does. Not in the paper;
    without it a look fades beside a second figure (see docs/LOG.md). No such step where a concept is named in the
    caption's phrases of place and light, which belong to both halves, nor where the caption names several things."""
    isolation_weight: float = Field(default=1.0, ge=0)
    """Factor of the concept isolation loss."""
    two_part_source_weight: float = Field(default=3.0, ge=0)
    """Weight, beside the isolation loss, of flow matching on the source picture's half of the two-part picture; beside
    a companion it is 1. The paper leaves open whether there is such a term."""
    isolation_batch_size: int = Field(default=4, ge=1)
    """Noise draws of the isolation loss; one costs about three of `batch_size`."""
    joint_fraction: float = Field(default=0.0, ge=0, le=1)
    """Probability that a step learns from two source pictures side by side under a merged caption, so that concepts
    that would blend learn to stand beside each other. Needs several pictures. The paper does not state its share."""
    height: int | None = Field(default=None, gt=0)
    """Pixels; None is the model's default, or 512 where that is more and the model has a billion parameters."""
    width: int | None = Field(default=None, gt=0)
    """Pixels; None as for the height. Isolation works at twice this width."""
    max_sequence_length: int | None = Field(default=None, gt=0)
    """Text tokens after padding; None is the model's default."""
    flip: bool = True
    """Learn from the mirrored picture too, unless mirroring would change what the caption says."""
    gradient_checkpointing: bool | None = None
    """Compute activations twice instead of keeping them: slower, for models that fill the memory. None is that for
    models from a billion parameters on."""
    seed: int = Field(default=0, ge=0)
    """Everything random follows from it."""
    checkpoint_every: int = Field(default=50, ge=1)
    """Steps between two checkpoints, where a checkpoint file is named."""

    @property
    def num_steps(self) -> int:
        """Steps of both stages."""
        return self.stage1_steps + self.stage2_steps


@dataclass(frozen=True, kw_only=True)
class LearningProgress:
    """State of learning after a step."""

    stage: Literal[1, 2]
    step: int
    """Steps done in both stages together."""
    num_steps: int
    """Steps of both stages together."""
    loss: float
    """Flow-matching loss of this step, without isolation."""
    isolation_loss: float | None
    """Concept isolation loss of this step, unweighted; None on a step without it."""
    seconds_left: float
    """Estimate from the steps of this run."""


@dataclass(frozen=True, kw_only=True)
class NoiseLevelLoss:
    """Flow-matching loss on the source picture at one noise level, on the same noise for all three."""

    sigma: float
    """Noise level in [0, 1]."""
    plain: float
    """Caption without directions."""
    concepts: float
    """Directions on the concept words alone: what is exported."""
    all_words: float
    """Directions on every word of the caption."""
