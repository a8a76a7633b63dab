"""The tables of learning: the optimiser against torch's, and the checkpoint file."""

from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

from generator.learning_state import CHECKPOINT_FORMAT, AdamTensor, LearningState, load_checkpoint, save_checkpoint
from generator.recipe import LearningError

TASK = "of this test"


def _start() -> LearningState:
    from_start, from_stage2 = {"shared": torch.zeros(2, 4)}, {"per_block": torch.zeros(2, 3, 4)}
    return LearningState.start(from_start, from_stage2, stage1_steps=2, device=torch.device("cpu"))


def _after(num_steps: int) -> LearningState:
    state = _start()
    generator = torch.Generator().manual_seed(0)
    for _ in range(num_steps):
        gradients = {name: torch.randn(each.shape, generator=generator) for name, each in state.parameters().items()}
        state = state.updated(gradients, learning_rate=0.1, weight_decay=0.0)
    return state


def _tensors(state: LearningState) -> dict[str, torch.Tensor]:
    groups = (*state.from_start.items(), *state.from_stage2.items())
    return {f"{name}.{part}": getattr(each, part) for name, each in groups for part in ("value", "mean", "square")}


def test_updates_are_those_of_torchs_adamw_times_how_certain_each_is():
    """With the noise's share as the sum of the squared weights that the running mean gives to single gradients."""
    table = AdamTensor.start(torch.ones(2, 40), torch.device("cpu"))
    parameter = torch.nn.Parameter(torch.zeros(2, 40))
    optimizer = torch.optim.AdamW([parameter], lr=0.1, weight_decay=0.0)
    generator, gradients = torch.Generator().manual_seed(0), []
    for count in range(1, 9):
        gradients.append(torch.randn(2, 40, generator=generator) + 0.5)
        weights = 0.1 * 0.9 ** torch.arange(count - 1, -1, -1.0) / (1 - 0.9**count)
        weights_of_squares = 0.001 * 0.999 ** torch.arange(count - 1, -1, -1.0) / (1 - 0.999**count)
        mean = torch.einsum("t,tij->ij", weights, torch.stack(gradients))
        square = torch.einsum("t,tij->ij", weights_of_squares, torch.stack(gradients) ** 2)
        certainty = (1 - (weights**2).sum() * square / mean**2).clamp(min=0)
        before = parameter.detach().clone()
        parameter.grad = gradients[-1]
        optimizer.step()
        expected = table.value * (1 - 0.1 * 0.5) + certainty * (parameter.detach() - before)
        table = table.updated(gradients[-1], count=count, learning_rate=0.1, weight_decay=0.5)
        torch.testing.assert_close(table.value, expected, atol=1e-6, rtol=1e-4)
    assert 0.2 < certainty.eq(0).float().mean() < 0.8


def test_what_only_fluctuates_goes_nowhere_near_as_far_as_what_agrees():
    table = AdamTensor.start(torch.zeros(2, 1000), torch.device("cpu"))
    parameter = torch.nn.Parameter(torch.zeros(2, 1000))
    optimizer = torch.optim.Adam([parameter], lr=0.1)
    generator, means = torch.Generator().manual_seed(0), torch.tensor([[0.0], [2.0]])
    for count in range(1, 201):
        parameter.grad = torch.randn(2, 1000, generator=generator) + means
        optimizer.step()
        table = table.updated(parameter.grad, count=count, learning_rate=0.1, weight_decay=0.0)
    noise, signal = (table.value.square().mean(1) / parameter.detach().square().mean(1)).sqrt().tolist()
    assert noise < 0.7
    assert signal > 0.85


def test_what_learns_from_stage_2_on_begins_there():
    assert _after(1).stage == 1
    assert _after(2).stage == 2
    assert [*_after(1).parameters()] == ["shared"]
    assert [*_after(2).parameters()] == ["shared", "per_block"]
    assert [*_after(2).learnt()] == ["shared"]
    assert not _after(2).parameters()["per_block"].any()
    assert _after(3).learnt()["per_block"].abs().max() < 1e-6, "one gradient alone may be noise"
    learnt = _after(5).learnt()
    assert learnt["per_block"].any()
    assert not torch.equal(learnt["shared"], _after(4).learnt()["shared"])


def test_a_checkpoint_gives_back_the_state(tmp_path: Path):
    state, path = _after(3), tmp_path / "state.safetensors"
    save_checkpoint(state, path, task=TASK)
    loaded = load_checkpoint(_start(), path, task=TASK)
    assert (loaded.step, loaded.stage) == (3, 2)
    for name, tensor in _tensors(state).items():
        assert torch.equal(_tensors(loaded)[name], tensor), name


def test_a_checkpoint_of_another_task_is_refused(tmp_path: Path):
    path = tmp_path / "state.safetensors"
    save_checkpoint(_after(1), path, task="another")
    with pytest.raises(LearningError, match="something else"):
        load_checkpoint(_start(), path, task=TASK)


@pytest.mark.parametrize("task", [TASK, "another"])
def test_a_checkpoint_of_another_version_is_begun_anew_if_it_is_of_the_task(tmp_path: Path, task: str):
    path, start = tmp_path / "state.safetensors", _start()
    save_file(_tensors(_after(3)), path, {"format": "fableverse-learning-3", "task": task, "step": "3"})
    if task == TASK:
        assert load_checkpoint(start, path, task=TASK) is start
    else:
        with pytest.raises(LearningError, match="something else"):
            load_checkpoint(start, path, task=TASK)


def test_a_broken_checkpoint_is_refused(tmp_path: Path):
    path = tmp_path / "state.safetensors"
    save_checkpoint(_after(1), path, task=TASK)
    path.write_bytes(path.read_bytes()[:-1])
    with pytest.raises(LearningError, match="cannot be read"):
        load_checkpoint(_start(), path, task=TASK)


@pytest.mark.parametrize("fault", ["shape", "name", "value", "step"])
def test_a_checkpoint_with_foreign_content_is_refused(tmp_path: Path, fault: str):
    state, path = _after(1), tmp_path / "state.safetensors"
    tensors = {name: tensor.clone() for name, tensor in _tensors(state).items()}
    metadata = {"format": CHECKPOINT_FORMAT, "task": TASK, "step": "1"}
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
