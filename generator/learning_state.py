"""What learning has reached after a step, as one immutable value, and its checkpoint file.

A step makes a new state from the old one, so an interruption at any moment leaves a whole state behind. Knows nothing
of models, losses or captions.

Shape legend: `R` rows (tokens of the caption), `L` blocks, `D` width of the modulation.
"""

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, Self

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor

from generator.recipe import LearningError

CHECKPOINT_FORMAT = "fableverse-learning-1"
_MEAN_DECAY, _SQUARE_DECAY, _EPSILON = 0.9, 0.999, 1e-8


@dataclass(frozen=True)
class AdamTable:
    """A table of numbers with the running moments that Adam keeps of its gradient; all of one shape, float32."""

    value: Tensor
    mean: Tensor
    square: Tensor

    @classmethod
    def zeros(cls, *shape: int, device: torch.device) -> Self:
        """A table that changes nothing, before its first update."""
        return cls(*(torch.zeros(shape, device=device) for _ in range(3)))

    def updated(self, gradient: Tensor, *, count: int, learning_rate: float) -> Self:
        """The table after its `count`-th update (from 1). Source: Adam (arXiv:1412.6980), its defaults."""
        mean = _MEAN_DECAY * self.mean + (1 - _MEAN_DECAY) * gradient
        square = _SQUARE_DECAY * self.square + (1 - _SQUARE_DECAY) * gradient**2
        unbiased_mean = mean / (1 - _MEAN_DECAY**count)
        unbiased_square = square / (1 - _SQUARE_DECAY**count)
        return type(self)(
            self.value - learning_rate * unbiased_mean / (unbiased_square.sqrt() + _EPSILON), mean, square
        )


@dataclass(frozen=True)
class LearningState:
    """Directions and optimiser moments after `step` steps."""

    shared: AdamTable
    """`(R, D)`: a direction per token for all blocks; learns in both stages."""
    per_block: AdamTable
    """`(R, L, D)`: what each block adds; learns in stage 2."""
    step: int
    stage1_steps: int

    @classmethod
    def start(cls, *, num_rows: int, num_blocks: int, dim: int, stage1_steps: int, device: torch.device) -> Self:
        """All directions zero: the model as it is."""
        shared = AdamTable.zeros(num_rows, dim, device=device)
        per_block = AdamTable.zeros(num_rows, num_blocks, dim, device=device)
        return cls(shared=shared, per_block=per_block, step=0, stage1_steps=stage1_steps)

    @property
    def stage(self) -> Literal[1, 2]:
        """The stage that the next step belongs to."""
        return 1 if self.step < self.stage1_steps else 2

    def tables(self) -> tuple[Tensor, ...]:
        """The tables that the next step learns: `(R, D)`, and in stage 2 also `(R, L, D)`."""
        return (self.shared.value,) if self.stage == 1 else (self.shared.value, self.per_block.value)

    def directions(self) -> Tensor:
        """`(R, L, D)`, or `(R, 1, D)` while the per-block table has not begun."""
        if self.step <= self.stage1_steps:
            return self.shared.value[:, None]
        return self.shared.value[:, None] + self.per_block.value

    def updated(self, gradients: tuple[Tensor, ...], *, learning_rate: float) -> Self:
        """The state one step later; `gradients` in the order of `tables()`."""
        step = self.step + 1
        shared = self.shared.updated(gradients[0], count=step, learning_rate=learning_rate)
        per_block = self.per_block
        if self.stage == 2:
            count = step - self.stage1_steps
            per_block = per_block.updated(gradients[1], count=count, learning_rate=learning_rate)
        return type(self)(shared=shared, per_block=per_block, step=step, stage1_steps=self.stage1_steps)


def save_checkpoint(state: LearningState, path: Path, *, task: str) -> None:
    """Write the state at once or not at all; `task` identifies what is being learnt and how."""
    temporary = path.with_name(path.name + ".part")
    path.parent.mkdir(parents=True, exist_ok=True)
    metadata = {"format": CHECKPOINT_FORMAT, "task": task, "step": str(state.step)}
    save_file({name: tensor.cpu().contiguous() for name, tensor in _tensors(state).items()}, temporary, metadata)
    os.replace(temporary, path)


def load_checkpoint(start: LearningState, path: Path, *, task: str) -> LearningState:
    """The state in a checkpoint of the same task; `start` gives shapes and device.

    Raises:
        LearningError: The file is damaged, foreign, or belongs to another task.
    """
    expected = _tensors(start)
    try:
        with safe_open(path, framework="pt") as file:
            metadata = file.metadata() or {}
            tensors = {name: file.get_tensor(name) for name in file.keys()}
    except (OSError, SafetensorError) as error:
        raise LearningError(
            f"{str(path)!r} cannot be read as a checkpoint: {error}. Delete it to start anew."
        ) from error
    if metadata.get("format") != CHECKPOINT_FORMAT or metadata.get("task") != task:
        raise LearningError(
            f"{str(path)!r} is a checkpoint of something else: picture, caption, concepts, recipe and model must be "
            "those it was begun with. Delete it to start anew, or name another file."
        )
    sound = tensors.keys() == expected.keys() and all(
        tensors[name].shape == expected[name].shape and tensors[name].isfinite().all() for name in expected
    )
    step = metadata.get("step", "")
    if not (sound and step.isdecimal()):
        raise LearningError(f"{str(path)!r} is a damaged checkpoint: names, shapes or values are off. Delete it.")
    device = start.shared.value.device
    moved = {name: tensor.to(device=device, dtype=torch.float32) for name, tensor in tensors.items()}
    tables = {
        table: AdamTable(*(moved[f"{table}.{part}"] for part in ("value", "mean", "square")))
        for table in ("shared", "per_block")
    }
    return LearningState(**tables, step=int(step), stage1_steps=start.stage1_steps)


def _tensors(state: LearningState) -> dict[str, Tensor]:
    return {
        f"{name}.{part}": getattr(table, part)
        for name, table in (("shared", state.shared), ("per_block", state.per_block))
        for part in ("value", "mean", "square")
    }
