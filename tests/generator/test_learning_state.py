"""The tables of learning: the optimiser against torch's, and the checkpoint file."""

from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

from generator.learning_state import AdamTable, LearningState, load_checkpoint, save_checkpoint
from generator.recipe import LearningError

TASK = "of this test"


def _start() -> LearningState:
    return LearningState.start(num_rows=2, num_blocks=3, dim=4, stage1_steps=2, device=torch.device("cpu"))


def _after(num_steps: int) -> LearningState:
    state = _start()
    generator = torch.Generator().manual_seed(0)
    for _ in range(num_steps):
        gradients = tuple(torch.randn(table.shape, generator=generator) for table in state.tables())
        state = state.updated(gradients, learning_rate=0.1)
    return state


def test_updates_are_those_of_torchs_adam():
    table = AdamTable.zeros(2, 4, device=torch.device("cpu"))
    parameter = torch.nn.Parameter(torch.zeros(2, 4))
    optimizer = torch.optim.Adam([parameter], lr=0.1)
    generator = torch.Generator().manual_seed(0)
    for count in range(1, 6):
        parameter.grad = torch.randn(2, 4, generator=generator)
        optimizer.step()
        table = table.updated(parameter.grad, count=count, learning_rate=0.1)
    torch.testing.assert_close(table.value, parameter.detach())


def test_the_per_block_table_begins_in_stage_2():
    assert _after(1).stage == 1
    assert _after(2).stage == 2
    assert not _after(2).per_block.value.any()
    assert _after(2).directions().shape == (2, 1, 4)
    assert _after(3).per_block.value.any()
    torch.testing.assert_close(_after(3).per_block.value.abs(), torch.full((2, 3, 4), 0.1))  # Adam's first step
    assert torch.equal(_after(3).directions(), _after(3).shared.value[:, None] + _after(3).per_block.value)
    assert not torch.equal(_after(3).shared.value, _after(2).shared.value)


def test_a_checkpoint_gives_back_the_state(tmp_path: Path):
    state, path = _after(3), tmp_path / "state.safetensors"
    save_checkpoint(state, path, task=TASK)
    loaded = load_checkpoint(_start(), path, task=TASK)
    assert (loaded.step, loaded.stage) == (3, 2)
    for name in ("shared", "per_block"):
        for part in ("value", "mean", "square"):
            assert torch.equal(getattr(getattr(loaded, name), part), getattr(getattr(state, name), part)), (name, part)


def test_a_checkpoint_of_another_task_is_refused(tmp_path: Path):
    path = tmp_path / "state.safetensors"
    save_checkpoint(_after(1), path, task="another")
    with pytest.raises(LearningError, match="something else"):
        load_checkpoint(_start(), path, task=TASK)


def test_a_broken_checkpoint_is_refused(tmp_path: Path):
    path = tmp_path / "state.safetensors"
    save_checkpoint(_after(1), path, task=TASK)
    path.write_bytes(path.read_bytes()[:-1])
    with pytest.raises(LearningError, match="cannot be read"):
        load_checkpoint(_start(), path, task=TASK)


@pytest.mark.parametrize("fault", ["shape", "name", "value", "step"])
def test_a_checkpoint_with_foreign_content_is_refused(tmp_path: Path, fault: str):
    state, path = _after(1), tmp_path / "state.safetensors"
    tensors = {
        f"{name}.{part}": getattr(getattr(state, name), part).clone()
        for name in ("shared", "per_block")
        for part in ("value", "mean", "square")
    }
    metadata = {"format": "fableverse-learning-1", "task": TASK, "step": "1"}
    if fault == "shape":
        tensors["shared.mean"] = torch.zeros(2, 5)
    if fault == "name":
        tensors["extra"] = torch.zeros(1)
    if fault == "value":
        tensors["per_block.value"][0, 0, 0] = float("nan")
    if fault == "step":
        metadata["step"] = "-1"
    save_file(tensors, path, metadata)
    with pytest.raises(LearningError, match="damaged"):
        load_checkpoint(_start(), path, task=TASK)
