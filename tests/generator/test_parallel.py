"""Concepts where diffusers shares a transformer between processes: two of them, by gloo, on one CPU.

Against another path float32 rounds differently, by less than 1e-5.
"""

from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import torch
from diffusers.models._modeling_parallel import ContextParallelInput
from torch import Tensor, distributed, nn
from torch.distributed.tensor import DTensor
from torch.multiprocessing.spawn import spawn

from generator.context_parallel import is_parallel, own_tokens
from generator.errors import ModulationError, UnsupportedModel
from generator.modulation_table import attach_table
from tests.generator.parallel import (
    NUM_PROCESSES,
    OF_SEQUENCE,
    OF_WEIGHTS,
    POSITIONS,
    Prepare,
    split_sequence,
    split_weights,
    whole,
)
from tests.generator.reference import dense, forward_per_token
from tests.generator.tables import SCHEDULE, TEXT_LEN, inputs_at, plain, rows_at, run
from tests.generator.tiny import tiny_transformer

DRAWN: dict[tuple[str, str], tuple[Prepare, Callable[[Prepare], Tensor]]] = {
    **{("sequence", name): (split_sequence, draw) for name, draw in OF_SEQUENCE.items()},
    **{("weights", name): (split_weights, draw) for name, draw in OF_WEIGHTS.items()},
}
"""By what is split, and the case."""


def draw_in_a_process(rank: int, folder: Path) -> None:
    """All of `DRAWN`, what is refused, and what a process has of the weights, into a file of this process."""
    torch.set_num_threads(1)
    distributed.init_process_group(
        "gloo", init_method=f"file://{folder / 'store'}", rank=rank, world_size=NUM_PROCESSES
    )
    found: dict[Any, Any] = {key: draw(split) for key, (split, draw) in DRAWN.items()}
    ring = split_sequence(tiny_transformer(), ring_degree=NUM_PROCESSES)
    found["ring"] = [own_tokens(ring, text_len) for text_len in (6, 7)]
    found["refused"] = [refusal_of_another_plan(), refusal_of_splitting_too_late()]
    found["share"] = share_of_weights(split_weights(tiny_transformer()))
    torch.save(found, folder / f"{rank}.pt")
    distributed.destroy_process_group()


def refusal_of_another_plan() -> str:
    """One that splits the image alone."""
    plan = {"": {"hidden_states": ContextParallelInput(split_dim=1, expected_dims=3)}}
    transformer = split_sequence(tiny_transformer(), plan=plan)
    with pytest.raises(UnsupportedModel) as caught:
        run(transformer, inputs_at(1), rows_at((1, 2)))
    return str(caught.value)


def refusal_of_splitting_too_late() -> str:
    transformer = tiny_transformer()
    with attach_table(transformer, rows_at((1, 2)), schedule=lambda: SCHEDULE):
        split_sequence(transformer)
        with pytest.raises(ModulationError) as caught:
            plain(transformer, inputs_at(1))
    return str(caught.value)


def share_of_weights(transformer: nn.Module) -> dict[str, float]:
    """How much of each weight this process has."""
    return {
        name: weight.to_local().numel() / weight.numel() if isinstance(weight, DTensor) else 1.0
        for name, weight in transformer.named_parameters()
    }


@pytest.fixture(scope="module")
def found(tmp_path_factory: pytest.TempPathFactory) -> list[dict[Any, Any]]:
    """What each process drew; they compute together, so all is drawn in one go."""
    folder = tmp_path_factory.mktemp("parallel")
    spawn(draw_in_a_process, args=(folder,), nprocs=NUM_PROCESSES)
    return [torch.load(folder / f"{rank}.pt", weights_only=False) for rank in range(NUM_PROCESSES)]


@cache
def drawn_whole(draw: Callable[[Prepare], Tensor]) -> Tensor:
    return draw(whole)


@pytest.mark.parametrize("key", DRAWN, ids="-".join)
def test_processes_that_share_a_transformer_each_draw_what_it_draws_whole(
    key: tuple[str, str], found: list[dict[Any, Any]]
) -> None:
    for of_process in found:
        torch.testing.assert_close(of_process[key], drawn_whole(DRAWN[key][1]), atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize("split", ["sequence", "weights"])
@pytest.mark.parametrize("name", POSITIONS)
def test_concepts_of_a_transformer_that_is_shared_are_as_in_the_dense_reference(
    name: str, split: str, found: list[dict[Any, Any]]
) -> None:
    transformer, rows = tiny_transformer(), rows_at(*POSITIONS[name])
    inputs = inputs_at(1, batch=len(rows.positions))
    with torch.no_grad():
        expected = forward_per_token(transformer, dense(rows), inputs)
    assert (expected - plain(transformer, inputs)).abs().max() > 1e-3, "the offsets must show"
    for of_process in found:
        torch.testing.assert_close(of_process[split, name], expected, atol=1e-5, rtol=1e-5)


def test_each_process_has_half_of_attention_and_feed_forward_and_all_adaptive_norms(
    found: list[dict[Any, Any]],
) -> None:
    for of_process in found:
        share = of_process["share"]
        assert share["transformer_blocks.0.attn.to_q.weight"] == 0.5
        assert share["transformer_blocks.1.ff_context.net.2.weight"] == 0.5
        assert share["single_transformer_blocks.0.proj_out.weight"] == 0.5
        assert {share[name] for name in share if ".linear." in name} == {1.0}


def test_rings_split_the_text_in_the_same_way(found: list[dict[Any, Any]]) -> None:
    assert [of_process["ring"] for of_process in found] == [[range(3), range(4)], [range(3, 6), range(4, 7)]]


def test_what_cannot_be_told_whose_tokens_it_is_for_is_refused(found: list[dict[Any, Any]]) -> None:
    for of_process in found:
        of_plan, of_time = of_process["refused"]
        assert "without a `cp_plan` of your own" in of_plan
        assert "called with a batch of 1 and 3 text tokens" in of_time


def test_nothing_is_split_where_context_parallel_is_not_enabled() -> None:
    transformer = tiny_transformer()
    assert own_tokens(transformer, TEXT_LEN) == range(TEXT_LEN)
    assert not is_parallel(transformer)
