"""A table beside what diffusers and torch offer for speed and memory: each leaves the result what it is without one.

`attach` computes modulations in the pass itself, so what a table gives beside a cache or an adapter must be what
`attach` gives beside it, to the rounding of float32.
"""

from collections.abc import Callable
from typing import Any

import pytest
import torch
from diffusers import FirstBlockCacheConfig, FluxTransformer2DModel, MagCacheConfig, TaylorSeerCacheConfig
from peft import LoraConfig
from torch import Tensor
from torch._dynamo.utils import counters

from generator.concept_guidance import guide_by_concepts
from generator.directions import TokenRows, build_token_rows
from generator.errors import ModulationError
from generator.modulation import attach
from generator.modulation_table import attach_table
from tests.generator.tables import NOTHING, TEXT_LEN, binding, inputs_at, plain, rows_at, run
from tests.generator.tables import SCHEDULE as OF_INPUTS
from tests.generator.tiny import DIM, NUM_BLOCKS, tiny_transformer

SCHEDULE = torch.linspace(1000, 100, 10)
ROWS = rows_at((1, 2))


def denoise(transformer: Any, attachment: Any) -> Tensor:
    """What ten steps of Euler's method make of noise."""
    inputs = inputs_at(0)
    sigmas = [*(SCHEDULE / 1000), torch.zeros(())]
    with torch.no_grad(), attachment:
        for sigma, next_sigma in zip(sigmas, sigmas[1:], strict=False):
            with transformer.cache_context("cond"):
                velocity = transformer(**{**inputs, "timestep": sigma.expand(1)})[0]
            inputs["hidden_states"] = inputs["hidden_states"] + (next_sigma - sigma) * velocity
    return inputs["hidden_states"]


def both_ways(prepare: Callable[[FluxTransformer2DModel], None]) -> tuple[Tensor, Tensor]:
    """With a table and without one, on two transformers that were prepared alike."""
    results = []
    for attached in (
        lambda transformer: attach_table(transformer, ROWS, schedule=lambda: SCHEDULE),
        lambda transformer: attach(transformer, ROWS),
    ):
        transformer = tiny_transformer()
        prepare(transformer)
        results.append(denoise(transformer, attached(transformer)))
    return results[0], results[1]


def nothing(transformer: FluxTransformer2DModel) -> None:
    del transformer


@pytest.fixture(scope="module")
def alone() -> Tensor:
    with_table, without = both_ways(nothing)
    torch.testing.assert_close(with_table, without, atol=1e-5, rtol=1e-5)
    return with_table


CACHES = {
    "first-block": FirstBlockCacheConfig(threshold=0.5),
    "taylorseer": TaylorSeerCacheConfig(
        cache_interval=2, disable_cache_before_step=3, taylor_factors_dtype=torch.float32
    ),
    "magcache": MagCacheConfig(threshold=1.0, num_inference_steps=10, retention_ratio=0.2, mag_ratios=torch.ones(10)),
}


@pytest.mark.parametrize("config", CACHES.values(), ids=CACHES.keys())
def test_caches_leave_out_the_same_beside_a_table(config: Any, alone: Tensor) -> None:
    with_table, without = both_ways(lambda transformer: transformer.enable_cache(config))
    assert (with_table - alone).abs().max() > 1e-4, "the cache must leave something out"
    torch.testing.assert_close(with_table, without, atol=1e-5, rtol=1e-5)


def test_a_cache_that_leaves_nothing_out_changes_nothing(alone: Tensor) -> None:
    with_table, _ = both_ways(lambda transformer: transformer.enable_cache(FirstBlockCacheConfig(threshold=0.0)))
    assert torch.equal(with_table, alone)


@pytest.mark.parametrize("offload_type", ["block_level", "leaf_level"])
def test_offloading_by_groups_changes_nothing(offload_type: str, alone: Tensor) -> None:
    def prepare(transformer: FluxTransformer2DModel) -> None:
        options = {"num_blocks_per_group": 1} if offload_type == "block_level" else {}
        transformer.enable_group_offload(
            onload_device=torch.device("cpu"), offload_device=torch.device("cpu"), offload_type=offload_type, **options
        )

    assert torch.equal(both_ways(prepare)[0], alone)


def test_weights_stored_in_eight_bits_give_the_same_with_and_without_a_table(alone: Tensor) -> None:
    def prepare(transformer: FluxTransformer2DModel) -> None:
        transformer.enable_layerwise_casting(storage_dtype=torch.float8_e4m3fn, compute_dtype=torch.float32)
        assert transformer.transformer_blocks[0].ff.net[2].weight.dtype == torch.float8_e4m3fn
        assert transformer.transformer_blocks[0].norm1_context.linear.weight.dtype == torch.float32

    with_table, without = both_ways(prepare)
    assert (with_table - alone).abs().max() > 1e-4, "eight bits must show"
    torch.testing.assert_close(with_table, without, atol=1e-5, rtol=1e-5)


def add_lora(transformer: FluxTransformer2DModel) -> None:
    """On attention and on the adaptive norms, with weights that show."""
    transformer.add_adapter(LoraConfig(r=2, target_modules=["to_q", "norm.linear", "norm1_context.linear"]))
    generator = torch.Generator().manual_seed(3)
    with torch.no_grad():
        for name, weight in transformer.named_parameters():
            if "lora_B" in name:
                weight.copy_(torch.randn(weight.shape, generator=generator))


def test_a_lora_is_in_the_table_and_leaves_with_its_adapter(alone: Tensor) -> None:
    with_table, without = both_ways(add_lora)
    assert (with_table - alone).abs().max() > 1e-3, "the LoRA must show"
    torch.testing.assert_close(with_table, without, atol=1e-5, rtol=1e-5)

    def switched_off(transformer: FluxTransformer2DModel) -> None:
        add_lora(transformer)
        transformer.disable_adapters()

    torch.testing.assert_close(both_ways(switched_off)[0], alone, atol=1e-5, rtol=1e-5)


def test_a_lora_on_the_norms_that_a_pass_scales_is_refused() -> None:
    transformer = tiny_transformer()
    add_lora(transformer)
    with pytest.raises(ModulationError, match="set_adapters"):
        run(transformer, {**inputs_at(0), "joint_attention_kwargs": {"scale": 0.5}}, ROWS)


def test_compiled_blocks_are_compiled_once_while_concepts_change_appear_and_vanish() -> None:
    """Both kinds of blocks, each as one whole graph; single-stream blocks twice, as the first gets other strides."""
    inputs = inputs_at(0)
    bindings = [[] if change % 3 == 0 else [binding(change % 4, change % 4 + 2, change)] for change in range(21)]
    rows = [
        build_token_rows([each], num_blocks=NUM_BLOCKS, text_len=TEXT_LEN, dim=DIM, num_rows=3) for each in bindings
    ]
    transformer = tiny_transformer()
    expected = [run(transformer, inputs, each) for each in rows]
    transformer.compile_repeated_blocks(fullgraph=True, backend="eager")
    torch._dynamo.reset()
    counters.clear()
    torch.testing.assert_close(run(transformer, inputs, rows[0]), expected[0], atol=1e-5, rtol=1e-5)
    assert counters["stats"]["unique_graphs"] == 3
    for each, wanted in zip(rows[1:], expected[1:], strict=True):
        torch.testing.assert_close(run(transformer, inputs, each), wanted, atol=1e-5, rtol=1e-5)
    assert counters["stats"]["unique_graphs"] == 3, "20 changes of concepts must compile nothing"


def test_compiled_blocks_have_the_concepts_of_each_pass_whatever_ran_before_it() -> None:
    """Dynamo does not look for hooks, so blocks that ran without them must be told from blocks that have them."""
    transformer, inputs = tiny_transformer(), inputs_at(0)
    of_passes = [None, rows_at((1, 2)), NOTHING, None, rows_at((4, 3)), NOTHING, rows_at((0, 5))]

    def draw(rows: TokenRows | None) -> Tensor:
        return plain(transformer, inputs) if rows is None else run(transformer, inputs, rows)

    expected = [draw(rows) for rows in of_passes]
    for first in (0, 1):
        torch._dynamo.reset()
        transformer.compile_repeated_blocks(fullgraph=True, backend="eager")
        for rows, wanted in zip(of_passes[first:], expected[first:], strict=True):
            torch.testing.assert_close(draw(rows), wanted, atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize(
    ("sigma_min", "scale", "expected"),
    [(0.5, 1.0, [3, 5, 5, 5, 5, 5]), (0.0, 2.0, [5, 5, 5, 5, 5, 5])],
    ids=["steps-at-which-directions-rest", "guidance"],
)
def test_passes_without_directions_are_compiled_once_too(sigma_min: float, scale: float, expected: list[int]) -> None:
    transformer, passes = tiny_transformer(), [inputs_at(0), inputs_at(2)]
    transformer.compile_repeated_blocks(fullgraph=True, backend="eager")
    torch._dynamo.reset()
    counters.clear()
    counts: list[int] = []
    for positions in ((1, 2), (0, 3), (4, 1)):
        rows = rows_at(positions)
        with (
            torch.no_grad(),
            attach_table(transformer, rows, schedule=lambda: OF_INPUTS, sigma_min=sigma_min) as table,
            guide_by_concepts(transformer, table, scale=scale),
        ):
            for inputs in passes:
                transformer(**inputs)
                counts.append(counters["stats"]["unique_graphs"])
    assert counts == expected


def test_compiled_blocks_of_which_some_are_left_out_are_compiled_once_whatever_is_drawn() -> None:
    """As the renderer draws by the profile "fast": FirstBlockCache comes and goes with each picture."""

    def draw(transformer: FluxTransformer2DModel, positions: tuple[int, ...]) -> Tensor:
        transformer.enable_cache(CACHES["first-block"])
        rows = rows_at(positions)
        drawn = denoise(transformer, attach_table(transformer, rows, schedule=lambda: SCHEDULE))
        transformer.disable_cache()
        return drawn

    pictures = [(1, 2), (4, 3), (0, 5)]
    expected = [draw(tiny_transformer(), positions) for positions in pictures]
    transformer = tiny_transformer()
    transformer.compile_repeated_blocks(fullgraph=False, backend="eager")
    torch._dynamo.reset()
    counters.clear()
    counts: list[int] = []
    for positions, wanted in zip(pictures, expected, strict=True):
        torch.testing.assert_close(draw(transformer, positions), wanted, atol=1e-5, rtol=1e-5)
        counts.append(counters["stats"]["unique_graphs"])
    assert counts[0] > 0
    assert len(set(counts)) == 1, "other pictures must compile nothing"
