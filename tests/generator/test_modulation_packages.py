"""A table beside packages that are no dependency of ours: skipped where they are not installed.

`pip install --constraint constraints.txt torchao cache-dit` gets the versions that these were run with.
"""

from types import ModuleType
from typing import Any

import pytest
import torch
from diffusers import FluxTransformer2DModel
from torch import Tensor, nn

from generator.placement import ADAPTIVE_NORMS
from tests.generator.reference import dense, forward_per_token
from tests.generator.tables import inputs_at, plain, rows_at, run
from tests.generator.test_modulation_beside import both_ways, nothing
from tests.generator.tiny import tiny_transformer


def package(name: str) -> ModuleType:
    reason = f"{name.partition('.')[0].replace('_', '-')} is not installed"
    return pytest.importorskip(name, reason=reason, exc_type=ModuleNotFoundError)


@pytest.fixture(scope="module")
def alone() -> Tensor:
    """Ten steps with a table and nothing beside it."""
    return both_ways(nothing)[0]


def made_smaller(transformer: FluxTransformer2DModel, config: Any) -> None:
    """By torchao, as `TorchAoConfig` does it on loading: all linear layers but those of the adaptive norms."""

    def is_converted(module: nn.Module, name: str) -> bool:
        return isinstance(module, nn.Linear) and not set(name.split(".")) & set(ADAPTIVE_NORMS)

    package("torchao.quantization").quantize_(transformer, config, filter_fn=is_converted)
    block = transformer.transformer_blocks[0]
    assert type(block.ff.net[2].weight) is not nn.Parameter
    assert type(block.norm1_context.linear.weight) is nn.Parameter


@pytest.mark.parametrize("name", ["Int8WeightOnlyConfig", "Float8WeightOnlyConfig"], ids=["int8", "fp8"])
def test_weights_that_torchao_made_smaller_give_what_per_token_modulation_gives_by_them(name: str) -> None:
    config = getattr(package("torchao.quantization"), name)()
    transformer, rows = tiny_transformer(), rows_at((1, 2))
    made_smaller(transformer, config)
    for step in range(3):
        inputs = inputs_at(step)
        with torch.no_grad():
            expected = forward_per_token(transformer, dense(rows), inputs)
        assert (expected - plain(transformer, inputs)).abs().max() > 1e-3, "the offsets must show"
        torch.testing.assert_close(run(transformer, inputs, rows), expected, atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize("name", ["Int8WeightOnlyConfig", "Float8WeightOnlyConfig"], ids=["int8", "fp8"])
def test_weights_that_torchao_made_smaller_draw_the_same_with_and_without_a_table(name: str, alone: Tensor) -> None:
    config = getattr(package("torchao.quantization"), name)()
    with_table, without = both_ways(lambda transformer: made_smaller(transformer, config))
    assert (with_table - alone).abs().max() > 1e-4, "eight bits must show"
    torch.testing.assert_close(with_table, without, atol=1e-5, rtol=1e-5)


def cached(transformer: FluxTransformer2DModel, threshold: float) -> None:
    """By cache-dit, which leaves all blocks but the first out of steps in which that changes little."""
    cache_dit = package("cache_dit")
    config = cache_dit.DBCacheConfig(
        Fn_compute_blocks=1, Bn_compute_blocks=0, max_warmup_steps=2, residual_diff_threshold=threshold
    )
    cache_dit.enable_cache(transformer, cache_config=config)


def test_cache_dit_leaves_out_the_same_beside_a_table(alone: Tensor) -> None:
    with_table, without = both_ways(lambda transformer: cached(transformer, 10.0))
    assert (with_table - alone).abs().max() > 1e-4, "the cache must leave something out"
    torch.testing.assert_close(with_table, without, atol=1e-5, rtol=1e-5)


def test_cache_dit_changes_nothing_where_it_leaves_nothing_out(alone: Tensor) -> None:
    with_table, without = both_ways(lambda transformer: cached(transformer, 0.0))
    for output in (with_table, without):
        torch.testing.assert_close(output, alone, atol=1e-5, rtol=1e-5)
