"""What learning has reached after a step, as one immutable value, and its checkpoint file.

A step makes a new state from the old one, so an interruption at any moment leaves a whole state behind. Knows nothing
of models, losses or captions, nor of what the numbers mean (`generator/predictors.py` does).
"""

import logging
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, Self

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from torch import Tensor

from concepts.files import write_whole
from generator.recipe import LearningError

logger = logging.getLogger(__name__)

CHECKPOINT_FORMAT = "fableverse-learning-4"
_ANY_FORMAT = "fableverse-learning-"
_PARTS = ("value", "mean", "square")
_MEAN_DECAY, _SQUARE_DECAY, _EPSILON = 0.9, 0.999, 1e-8


@dataclass(frozen=True)
class AdamTensor:
    """Numbers with the running moments that Adam keeps of their gradient; all of one shape, float32."""

    value: Tensor
    mean: Tensor
    square: Tensor

    @classmethod
    def start(cls, value: Tensor, device: torch.device) -> Self:
        """Before the first update."""
        value = value.to(device=device, dtype=torch.float32)
        return cls(value, torch.zeros_like(value), torch.zeros_like(value))

    def updated(self, gradient: Tensor, *, count: int, learning_rate: float, weight_decay: float) -> Self:
        """The numbers after their `count`-th update (from 1), by AdamW less what noise explains.

        Adam goes as far where gradients only fluctuate as where they agree, so that half of what was learnt depended on
        the seed. Here a step is multiplied by `1 - noise / mean²`, or 0 where that is negative: `noise` is the variance
        that the running mean would have of gradients whose true mean is zero.

        Source: AdamW (arXiv:1711.05101) with Adam's defaults; the factor is the positive part of James and Stein's
        estimate of a mean, for each number alone.
        """
        mean = _MEAN_DECAY * self.mean + (1 - _MEAN_DECAY) * gradient
        square = _SQUARE_DECAY * self.square + (1 - _SQUARE_DECAY) * gradient**2
        unbiased_mean = mean / (1 - _MEAN_DECAY**count)
        unbiased_square = square / (1 - _SQUARE_DECAY**count)
        share_of_noise = (1 - _MEAN_DECAY) / (1 + _MEAN_DECAY) * (1 + _MEAN_DECAY**count) / (1 - _MEAN_DECAY**count)
        certainty = (1 - share_of_noise * unbiased_square / (unbiased_mean**2 + _EPSILON**2)).clamp(min=0)
        step = certainty * unbiased_mean / (unbiased_square.sqrt() + _EPSILON)
        return type(self)(self.value * (1 - learning_rate * weight_decay) - learning_rate * step, mean, square)


@dataclass(frozen=True)
class LearningState:
    """Learnt numbers and optimiser moments after `step` steps."""

    from_start: Mapping[str, AdamTensor]
    """Learns in both stages."""
    from_stage2: Mapping[str, AdamTensor]
    """Learns in stage 2."""
    step: int
    stage1_steps: int

    @classmethod
    def start(
        cls,
        from_start: Mapping[str, Tensor],
        from_stage2: Mapping[str, Tensor],
        *,
        stage1_steps: int,
        device: torch.device,
    ) -> Self:
        """Before the first step, with the numbers that learning begins with."""
        groups = (
            {name: AdamTensor.start(value, device) for name, value in g.items()} for g in (from_start, from_stage2)
        )
        return cls(*groups, step=0, stage1_steps=stage1_steps)

    @property
    def stage(self) -> Literal[1, 2]:
        """The stage that the next step belongs to."""
        return 1 if self.step < self.stage1_steps else 2

    def parameters(self) -> dict[str, Tensor]:
        """The numbers that the next step learns, by name."""
        return self._values(with_stage2=self.stage == 2)

    def learnt(self) -> dict[str, Tensor]:
        """The numbers that have learnt, by name: without those of stage 2 while it has not begun."""
        return self._values(with_stage2=self.step > self.stage1_steps)

    def updated(self, gradients: Mapping[str, Tensor], *, learning_rate: float, weight_decay: float) -> Self:
        """The state one step later; a gradient for each of `parameters()`."""
        step = self.step + 1
        groups = ((self.from_start, step), (self.from_stage2, step - self.stage1_steps))
        from_start, from_stage2 = (
            {
                name: tensor.updated(
                    gradients[name], count=count, learning_rate=learning_rate, weight_decay=weight_decay
                )
                if name in gradients
                else tensor
                for name, tensor in group.items()
            }
            for group, count in groups
        )
        return type(self)(from_start, from_stage2, step=step, stage1_steps=self.stage1_steps)

    def _values(self, *, with_stage2: bool) -> dict[str, Tensor]:
        tensors = {**self.from_start, **self.from_stage2} if with_stage2 else self.from_start
        return {name: tensor.value for name, tensor in tensors.items()}


def save_checkpoint(state: LearningState, path: Path, *, task: str) -> None:
    """Write the state at once or not at all; `task` identifies what is being learnt and how."""
    metadata = {"format": CHECKPOINT_FORMAT, "task": task, "step": str(state.step)}
    tensors = {name: tensor.cpu().contiguous() for name, tensor in _tensors(state).items()}
    path.parent.mkdir(parents=True, exist_ok=True)
    write_whole(path, save(tensors, metadata))


def load_checkpoint(start: LearningState, path: Path, *, task: str) -> LearningState:
    """The state in a checkpoint of the same task; `start` gives shapes and device.

    It is `start` itself where the checkpoint is of another version, whose numbers mean something else.

    Raises:
        LearningError: The file is damaged, foreign, or belongs to another task.
    """
    expected = _tensors(start)
    try:
        with safe_open(path, framework="pt") as file:
            metadata = file.metadata() or {}
            # Cloned, because products of what lies in a file, where it is not aligned, round differently.
            tensors = {name: file.get_tensor(name).clone() for name in file.keys()}
    except (OSError, SafetensorError) as error:
        raise LearningError(
            f"{str(path)!r} cannot be read as a checkpoint: {error}. Delete it to start anew."
        ) from error
    written_as = metadata.get("format", "")
    if not written_as.startswith(_ANY_FORMAT) or metadata.get("task") != task:
        raise LearningError(
            f"{str(path)!r} is a checkpoint of something else: picture, caption, concepts, recipe and model must be "
            "those it was begun with. Delete it to start anew, or name another file."
        )
    if written_as != CHECKPOINT_FORMAT:
        logger.warning("learning begins anew: %s was written by another version (%s)", path, written_as)
        return start
    sound = tensors.keys() == expected.keys() and all(
        tensors[name].shape == expected[name].shape and tensors[name].isfinite().all() for name in expected
    )
    step = metadata.get("step", "")
    if not (sound and step.isdecimal()):
        raise LearningError(f"{str(path)!r} is a damaged checkpoint: names, shapes or values are off. Delete it.")

    def group(started: Mapping[str, AdamTensor]) -> dict[str, AdamTensor]:
        device = next(iter(started.values())).value.device
        parts = {
            name: [tensors[f"{name}.{part}"].to(device=device, dtype=torch.float32) for part in _PARTS]
            for name in started
        }
        return {name: AdamTensor(*own) for name, own in parts.items()}

    return LearningState(
        group(start.from_start), group(start.from_stage2), step=int(step), stage1_steps=start.stage1_steps
    )


def _tensors(state: LearningState) -> dict[str, Tensor]:
    return {
        f"{name}.{part}": getattr(tensor, part)
        for name, tensor in (*state.from_start.items(), *state.from_stage2.items())
        for part in _PARTS
    }
