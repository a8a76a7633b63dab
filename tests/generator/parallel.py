"""What is drawn by one process and by two that share a transformer, and the two ways of sharing it.

By its sequence (diffusers' context parallel) or by its weights (its tensor parallel). `enable_parallelism`, which does
either, wants an accelerator; here the same parts of diffusers are put together by hand. Attention by Ulysses; that of
rings wants a GPU's kernels, but splits the text in the same way.
"""

from collections.abc import Callable
from contextlib import nullcontext
from dataclasses import replace
from typing import Any

import torch
from diffusers.hooks.context_parallel import apply_context_parallel
from diffusers.hooks.tensor_parallel import _resolve_tp_plan, _styles
from diffusers.models._modeling_parallel import ContextParallelConfig, ParallelConfig, TensorParallelConfig
from torch import Tensor, distributed
from torch._dynamo.utils import counters
from torch.distributed.device_mesh import init_device_mesh
from torch.distributed.tensor.parallel import parallelize_module

from generator.concept_guidance import guide_by_concepts
from generator.context_parallel import is_parallel
from generator.directions import DirectionBinding, TokenRows, build_token_rows
from generator.families import FLUX2
from generator.modulation import attach, attach_to_all
from generator.modulation_table import attach_table
from tests.generator.families.cases import CASES
from tests.generator.reference import sparse
from tests.generator.tables import NOTHING, SCHEDULE, TEXT_LEN, TWO_PROMPTS, binding, inputs_at, plain, rows_at, run
from tests.generator.test_modulation_beside import CACHES, denoise
from tests.generator.test_modulation_beside import SCHEDULE as OF_TEN_STEPS
from tests.generator.tiny import DIM, NUM_BLOCKS, tiny_transformer

NUM_PROCESSES = 2
Prepare = Callable[..., Any]
"""Makes a transformer ready: leaves it as it is, or shares it between processes; a sequence's options go with it."""
POSITIONS = {
    "first-part": ((1, 2),),
    "second-part": ((5, 3),),
    "both-parts": ((4, 2, 3),),
    "all-tokens": ((0, 1, 2, 3, 4, 5),),
    "two-prompts-in-a-batch": TWO_PROMPTS,
}
"""Of six tokens, of which each process has three where the sequence is split."""


def whole(transformer: Any, **options: Any) -> Any:
    del options
    return transformer


def split_sequence(transformer: Any, *, plan: Any = None, **options: Any) -> Any:
    config = ContextParallelConfig(**(options or {"ulysses_degree": NUM_PROCESSES}))
    mesh = init_device_mesh("cpu", config.mesh_shape, mesh_dim_names=config.mesh_dim_names)
    parallel = _set_up(transformer, ParallelConfig(context_parallel_config=config), mesh)
    for processor in transformer.attn_processors.values():
        processor._parallel_config = parallel
    apply_context_parallel(transformer, config, plan or transformer._cp_plan)
    return transformer


def split_weights(transformer: Any, **options: Any) -> Any:
    del options
    mesh = init_device_mesh("cpu", (NUM_PROCESSES,), mesh_dim_names=("tp",))
    _set_up(transformer, ParallelConfig(tensor_parallel_config=TensorParallelConfig(tp_degree=NUM_PROCESSES)), mesh)
    for module, plan in _resolve_tp_plan(transformer, transformer._tp_plan):
        parallelize_module(module, mesh, _styles(plan))
    return transformer


def _set_up(transformer: Any, parallel: ParallelConfig, mesh: Any) -> ParallelConfig:
    parallel.setup(distributed.get_rank(), distributed.get_world_size(), torch.device("cpu"), mesh=mesh)
    transformer._parallel_config = parallel
    return parallel


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


def picture_after_picture(prepare: Prepare) -> Tensor:
    """Of one transformer, whose concepts appear, move and vanish; the last without anything attached."""
    transformer, inputs = prepare(tiny_transformer()), inputs_at(1)
    drawn = [run(transformer, inputs, rows) for rows in (NOTHING, rows_at((1, 2)), rows_at((4,)), NOTHING)]
    return torch.stack([*drawn, plain(transformer, inputs)])


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
    with torch.no_grad(), attach(transformer, sparse(offsets)):
        return transformer(**inputs)[0]


def learnt_offsets(prepare: Prepare) -> Tensor:
    """The gradient of offsets; where the sequence is split each process has its own tokens', added together here."""
    offsets = (torch.randn(1, 1, TEXT_LEN, DIM, generator=torch.Generator().manual_seed(1))).requires_grad_()
    transformer = prepare(tiny_transformer())
    with attach(transformer, sparse(offsets)):
        transformer(**inputs_at(1))[0].square().sum().backward()
    if is_parallel(transformer):
        distributed.all_reduce(offsets.grad)
    assert offsets.grad is not None
    return offsets.grad


def cached(prepare: Prepare, name: str) -> Tensor:
    """Ten steps, of which a cache of diffusers leaves blocks out, without a table and with one."""
    drawn: list[Tensor] = []
    for rows in (None, rows_at((2, 3))):
        transformer = prepare(tiny_transformer())
        transformer.enable_cache(CACHES[name])
        tabled = nullcontext() if rows is None else attach_table(transformer, rows, schedule=lambda: OF_TEN_STEPS)
        drawn.append(denoise(transformer, tabled))
    return torch.stack(drawn)


def compiled(prepare: Prepare) -> Tensor:
    """What was drawn while concepts change, appear and vanish; there must be as many graphs after each."""
    transformer = prepare(tiny_transformer())
    transformer.compile_repeated_blocks(fullgraph=True, backend="eager")
    torch._dynamo.reset()
    counters.clear()
    drawn, graphs = [], []
    for bindings in ([binding(1, 3, 1.0)], [], [binding(3, 5, -2.0)], [binding(2, 4, 3.0)]):
        drawn.append(run(transformer, inputs_at(1), of_one_size(bindings)))
        graphs.append(counters["stats"]["unique_graphs"])
    assert len(set(graphs)) == 1, f"other concepts must compile nothing, but there are {graphs} graphs"
    return torch.stack(drawn)


def of_one_size(bindings: list[DirectionBinding]) -> TokenRows:
    return build_token_rows([bindings], num_blocks=NUM_BLOCKS, text_len=TEXT_LEN, dim=DIM, num_rows=2)


_OF_BOTH: dict[str, Callable[[Prepare], Tensor]] = {
    "plain": lambda prepare: plain(prepare(tiny_transformer()), inputs_at(1)),
    "no-concept": lambda prepare: with_table(prepare, NOTHING),
    **{
        name: lambda prepare, positions=positions: with_table(prepare, rows_at(*positions))
        for name, positions in POSITIONS.items()
    },
    "double-stream-blocks": lambda prepare: in_blocks(prepare, slice(0, 2)),
    "single-stream-blocks": lambda prepare: in_blocks(prepare, slice(2, 4)),
    "behind-silu": behind_silu,
    "picture-after-picture": picture_after_picture,
    "guided": guided_and_moved_as_a_whole,
    "compiled": compiled,
    "learnt": learnt_offsets,
    **{
        f"attach-{name}": lambda prepare, name=name: computed_in_the_pass(prepare, name)
        for name in ("flux1-dev", "flux2-dev", "qwen-image")
    },
    "taylorseer": lambda prepare: cached(prepare, "taylorseer"),
    "magcache": lambda prepare: cached(prepare, "magcache"),
}
OF_SEQUENCE = {**_OF_BOTH, "parts-of-unlike-size": parts_of_unlike_size}
"""Without FirstBlockCache: diffusers has each process decide by its own part, and when one leaves blocks out that the
other computes, the other waits for ever, with or without anything of ours."""
OF_WEIGHTS = {**_OF_BOTH, "first-block": lambda prepare: cached(prepare, "first-block")}
