"""Concepts where diffusers splits the sequence between processes: two of them, by gloo, on one CPU.

Against another path float32 rounds differently, by less than 1e-5. Attention by Ulysses; that of rings wants a GPU's
kernels, but splits the text in the same way.
"""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from diffusers import ContextParallelConfig
from diffusers.hooks import apply_context_parallel
from diffusers.models._modeling_parallel import ContextParallelInput, ParallelConfig
from torch import Tensor, distributed, multiprocessing
from torch._dynamo.utils import counters
from torch.distributed.device_mesh import init_device_mesh

from generator.concept_guidance import guide_by_concepts
from generator.context_parallel import is_parallel, own_tokens
from generator.directions import TokenRows
from generator.errors import ModulationError, UnsupportedModel
from generator.families import FLUX2
from generator.modulation import attach, attach_to_all
from generator.modulation_table import attach_table
from tests.generator.families.cases import CASES
from tests.generator.reference import dense, forward_per_token
from tests.generator.tables import NOTHING, SCHEDULE, TEXT_LEN, TWO_PROMPTS, inputs_at, plain, rows_at, run
from tests.generator.tiny import DIM, tiny_transformer

NUM_PROCESSES = 2
Prepare = Callable[..., Any]
"""Makes a transformer ready: leaves it as it is, or splits it between processes, whose options go with it."""
POSITIONS = {
    "first-part": ((1, 2),),
    "second-part": ((5, 3),),
    "both-parts": ((4, 2, 3),),
    "all-tokens": ((0, 1, 2, 3, 4, 5),),
    "two-prompts-in-a-batch": TWO_PROMPTS,
}
"""Of six tokens, of which each process has three."""


def split_between_processes(transformer: Any, *, plan: Any = None, **options: Any) -> Any:
    """What `enable_parallelism` does, which wants an accelerator: the same parts of diffusers put together by hand."""
    config = ContextParallelConfig(**(options or {"ulysses_degree": NUM_PROCESSES}))
    mesh = init_device_mesh("cpu", config.mesh_shape, mesh_dim_names=config.mesh_dim_names)
    parallel = ParallelConfig(context_parallel_config=config)
    parallel.setup(distributed.get_rank(), distributed.get_world_size(), torch.device("cpu"), mesh=mesh)
    for processor in transformer.attn_processors.values():
        processor._parallel_config = parallel
    transformer._parallel_config = parallel
    apply_context_parallel(transformer, config, plan or transformer._cp_plan)
    return transformer


def whole(transformer: Any, **options: Any) -> Any:
    del options
    return transformer


def with_table(prepare: Prepare, rows: TokenRows) -> Tensor:
    return run(prepare(tiny_transformer()), inputs_at(1, batch=len(rows.positions)), rows)


def in_blocks(prepare: Prepare, blocks: slice) -> Tensor:
    """With offsets in some blocks alone, of tokens of both parts."""
    rows = rows_at((2, 3))
    offsets = torch.zeros_like(rows.offsets)
    offsets[:, blocks] = rows.offsets[:, blocks]
    return with_table(prepare, replace(rows, offsets=offsets))


def behind_silu(prepare: Prepare) -> Tensor:
    rows = rows_at((2, 3))
    return with_table(prepare, replace(rows, offsets=torch.zeros_like(rows.offsets), activated=rows.offsets))


def parts_of_unlike_size(prepare: Prepare) -> Tensor:
    """Five tokens of text, of which the first process has three."""
    transformer = prepare(tiny_transformer(), ulysses_degree=NUM_PROCESSES, ulysses_anything=True)
    inputs = inputs_at(1)
    shorter = {name: inputs[name][..., :5, :] for name in ("encoder_hidden_states", "txt_ids")}
    return run(transformer, {**inputs, **shorter}, replace(rows_at((3, 2)), text_len=5))


def guided_and_moved_as_a_whole(prepare: Prepare) -> Tensor:
    """Guidance's second pass, an offset for all tokens, and a step at which offsets rest."""
    transformer, rows = prepare(tiny_transformer()), rows_at((2, 3))
    moved = torch.randn(1, DIM, generator=torch.Generator().manual_seed(5))
    with (
        torch.no_grad(),
        attach_to_all(transformer, moved),
        attach_table(transformer, rows, schedule=lambda: SCHEDULE, sigma_min=0.3) as table,
        guide_by_concepts(transformer, table, scale=2.0),
    ):
        return torch.stack([transformer(**inputs_at(step))[0] for step in range(3)])


def computed_in_the_pass(prepare: Prepare, name: str) -> Tensor:
    """By `attach`, which serves all families; one token of the second part, so that the first part has none."""
    case = CASES[name]
    transformer = prepare(case.make_transformer())
    offsets = torch.zeros(1, case.num_blocks, TEXT_LEN, DIM)
    offsets[:, :, 4] = torch.randn(1, case.num_blocks, DIM, generator=torch.Generator().manual_seed(1))
    inputs = case.make_inputs(1)
    if case.family is FLUX2:  # whose plan expects ids of each item, as its pipeline gives them
        inputs |= {ids: inputs[ids][None] for ids in ("img_ids", "txt_ids")}
    with torch.no_grad(), attach(transformer, offsets):
        return transformer(**inputs)[0]


def learnt_offsets(prepare: Prepare) -> Tensor:
    """The gradient of offsets, each process its own tokens', added together."""
    offsets = (torch.randn(1, 1, TEXT_LEN, DIM, generator=torch.Generator().manual_seed(1))).requires_grad_()
    transformer = prepare(tiny_transformer())
    with attach(transformer, offsets):
        transformer(**inputs_at(1))[0].square().sum().backward()
    if distributed.is_initialized():
        distributed.all_reduce(offsets.grad)
    return offsets.grad


def compiled(prepare: Prepare) -> Tensor:
    """What was drawn while concepts change, appear and vanish, and how many graphs there were after each."""
    transformer = prepare(tiny_transformer())
    transformer.compile_repeated_blocks(fullgraph=True, backend="eager")
    torch._dynamo.reset()
    counters.clear()
    drawn, graphs = [], []
    for positions in ((1, 2), (4, 3), (0, 5), (2, 3)):
        drawn.append(run(transformer, inputs_at(1), rows_at(positions)))
        graphs.append(counters["stats"]["unique_graphs"])
    assert len(set(graphs)) == 1, f"other concepts must compile nothing, but there are {graphs} graphs"
    return torch.stack(drawn)


DRAWN: dict[str, Callable[[Prepare], Tensor]] = {
    "plain": lambda prepare: plain(prepare(tiny_transformer()), inputs_at(1)),
    "no-concept": lambda prepare: with_table(prepare, NOTHING),
    **{
        name: lambda prepare, positions=positions: with_table(prepare, rows_at(*positions))
        for name, positions in POSITIONS.items()
    },
    "double-stream-blocks": lambda prepare: in_blocks(prepare, slice(0, 2)),
    "single-stream-blocks": lambda prepare: in_blocks(prepare, slice(2, 4)),
    "behind-silu": behind_silu,
    "parts-of-unlike-size": parts_of_unlike_size,
    "guided": guided_and_moved_as_a_whole,
    "compiled": compiled,
    "learnt": learnt_offsets,
    **{
        f"attach-{name}": lambda prepare, name=name: computed_in_the_pass(prepare, name)
        for name in ("flux1-dev", "flux2-dev", "qwen-image")
    },
}


def draw_in_a_process(rank: int, folder: Path) -> None:
    """All of `DRAWN` and what is refused, into a file of this process."""
    torch.set_num_threads(1)
    distributed.init_process_group(
        "gloo", init_method=f"file://{folder / 'store'}", rank=rank, world_size=NUM_PROCESSES
    )
    found: dict[str, Any] = {name: draw(split_between_processes) for name, draw in DRAWN.items()}
    ring = split_between_processes(tiny_transformer(), ring_degree=NUM_PROCESSES)
    found["ring"] = [own_tokens(ring, text_len) for text_len in (6, 7)]
    found["refused"] = [refusal_of_another_plan(), refusal_of_splitting_too_late()]
    torch.save(found, folder / f"{rank}.pt")
    distributed.destroy_process_group()


def refusal_of_another_plan() -> str:
    """One that splits the image alone."""
    plan = {"": {"hidden_states": ContextParallelInput(split_dim=1, expected_dims=3)}}
    transformer = split_between_processes(tiny_transformer(), plan=plan)
    with pytest.raises(UnsupportedModel) as caught:
        run(transformer, inputs_at(1), rows_at((1, 2)))
    return str(caught.value)


def refusal_of_splitting_too_late() -> str:
    transformer = tiny_transformer()
    with attach_table(transformer, rows_at((1, 2)), schedule=lambda: SCHEDULE):
        split_between_processes(transformer)
        with pytest.raises(ModulationError) as caught:
            plain(transformer, inputs_at(1))
    return str(caught.value)


@pytest.fixture(scope="module")
def found(tmp_path_factory: pytest.TempPathFactory) -> list[dict[str, Any]]:
    """What each process drew; they compute together, so all is drawn in one go."""
    folder = tmp_path_factory.mktemp("context-parallel")
    multiprocessing.spawn(draw_in_a_process, args=(folder,), nprocs=NUM_PROCESSES)
    return [torch.load(folder / f"{rank}.pt", weights_only=False) for rank in range(NUM_PROCESSES)]


@pytest.mark.parametrize("name", DRAWN)
def test_a_sequence_that_is_split_gives_every_process_what_it_gives_whole(
    name: str, found: list[dict[str, Any]]
) -> None:
    expected = DRAWN[name](whole)
    for of_process in found:
        torch.testing.assert_close(of_process[name], expected, atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize("name", POSITIONS)
def test_concepts_of_a_sequence_that_is_split_are_as_in_the_dense_reference(
    name: str, found: list[dict[str, Any]]
) -> None:
    transformer, rows = tiny_transformer(), rows_at(*POSITIONS[name])
    inputs = inputs_at(1, batch=len(rows.positions))
    with torch.no_grad():
        expected = forward_per_token(transformer, dense(rows), inputs)
    assert (expected - plain(transformer, inputs)).abs().max() > 1e-3, "the offsets must show"
    for of_process in found:
        torch.testing.assert_close(of_process[name], expected, atol=1e-5, rtol=1e-5)


def test_rings_split_the_text_in_the_same_way(found: list[dict[str, Any]]) -> None:
    assert [of_process["ring"] for of_process in found] == [[range(3), range(4)], [range(3, 6), range(4, 7)]]


def test_what_cannot_be_told_whose_tokens_it_is_for_is_refused(found: list[dict[str, Any]]) -> None:
    for of_process in found:
        of_plan, of_time = of_process["refused"]
        assert "without a `cp_plan` of your own" in of_plan
        assert "called with a batch of 1 and 3 text tokens" in of_time


def test_nothing_is_split_where_context_parallel_is_not_enabled() -> None:
    transformer = tiny_transformer()
    assert own_tokens(transformer, TEXT_LEN) == range(TEXT_LEN)
    assert not is_parallel(transformer)
