"""A table beside packages that are no dependency of ours: skipped where they are not installed.

`pip install --constraint constraints.txt torchao bitsandbytes cache-dit` gets the versions that these were run with.
"""

from collections.abc import Callable
from types import ModuleType
from typing import Any

import pytest
import torch
from accelerate.utils.modeling import set_module_tensor_to_device
from diffusers.models.transformers.transformer_flux import FluxTransformer2DModel
from diffusers.quantizers.auto import DiffusersAutoQuantizer
from diffusers.quantizers.quantization_config import BitsAndBytesConfig
from torch import Tensor, nn

from generator.modulation import attach
from generator.placement import ADAPTIVE_NORMS, quantization_of
from generator.plan import Numbers, Peak, RenderPlan
from tests.generator.reference import dense, forward_per_token, sparse
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


def by_torchao(transformer: FluxTransformer2DModel, name: str) -> None:
    """As `TorchAoConfig` does it on loading: all linear layers but those of the adaptive norms."""

    def is_converted(module: nn.Module, name: str) -> bool:
        return isinstance(module, nn.Linear) and not set(name.split(".")) & set(ADAPTIVE_NORMS)

    quantization = package("torchao.quantization")
    quantization.quantize_(transformer, getattr(quantization, name)(), filter_fn=is_converted)


def by_bitsandbytes(transformer: FluxTransformer2DModel, make_config: Callable[[], Any]) -> None:
    """As diffusers does it on loading, by the same parts of it; loading itself is refused without a GPU."""
    package("bitsandbytes")
    quantizer: Any = DiffusersAutoQuantizer.from_config(make_config(), pre_quantized=False)
    weights = dict(transformer.named_parameters())
    quantizer.preprocess_model(transformer, device_map=None)
    replaced = [name for name, weight in transformer.named_parameters() if weight.is_meta]
    for name in replaced:
        if quantizer.check_if_quantized_param(transformer, weights[name], name, {}):
            quantizer.create_quantized_param(transformer, weights[name], name, torch.device("cpu"), {})
        else:
            set_module_tensor_to_device(transformer, name, "cpu", weights[name])


NF4 = RenderPlan(
    device="cpu",
    numbers=Numbers(dtype="float32", weights="nf4"),
    peak=Peak(encoding=0, denoising=0, decoding=0),
    reasons=(),
)


def nf4_of_the_plan() -> Any:
    return quantization_of(NF4, torch.float32)


def int8_of_bitsandbytes() -> BitsAndBytesConfig:
    return BitsAndBytesConfig(load_in_8bit=True, llm_int8_skip_modules=[*ADAPTIVE_NORMS])


SMALLER: dict[str, Callable[[FluxTransformer2DModel], None]] = {
    "torchao-int8": lambda transformer: by_torchao(transformer, "Int8WeightOnlyConfig"),
    "torchao-fp8": lambda transformer: by_torchao(transformer, "Float8WeightOnlyConfig"),
    "bitsandbytes-nf4": lambda transformer: by_bitsandbytes(transformer, nf4_of_the_plan),
    "bitsandbytes-int8": lambda transformer: by_bitsandbytes(transformer, int8_of_bitsandbytes),
}


def made_smaller(transformer: FluxTransformer2DModel, name: str) -> None:
    SMALLER[name](transformer)
    block: Any = transformer.transformer_blocks[0]
    assert type(block.ff.net[2].weight) is not nn.Parameter
    assert type(block.norm1_context.linear.weight) is nn.Parameter


@pytest.mark.parametrize("name", SMALLER)
def test_weights_that_were_made_smaller_give_what_per_token_modulation_gives_by_them(name: str) -> None:
    transformer, rows = tiny_transformer(), rows_at((1, 2))
    made_smaller(transformer, name)
    for step in range(3):
        inputs = inputs_at(step)
        with torch.no_grad():
            expected = forward_per_token(transformer, dense(rows), inputs)
        assert (expected - plain(transformer, inputs)).abs().max() > 1e-3, "the offsets must show"
        torch.testing.assert_close(run(transformer, inputs, rows), expected, atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize("name", SMALLER)
def test_weights_that_were_made_smaller_draw_the_same_with_and_without_a_table(name: str, alone: Tensor) -> None:
    with_table, without = both_ways(lambda transformer: made_smaller(transformer, name))
    assert (with_table - alone).abs().max() > 1e-4, "fewer bits must show"
    torch.testing.assert_close(with_table, without, atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize("name", ["bitsandbytes-nf4", "bitsandbytes-int8"])
def test_offsets_are_learnt_through_weights_that_bitsandbytes_made_smaller(name: str) -> None:
    transformer, inputs = tiny_transformer(), inputs_at(1)
    made_smaller(transformer, name)
    offsets, same = (dense(rows_at((1, 2))).requires_grad_() for _ in range(2))
    with attach(transformer, sparse(offsets)):
        transformer(**inputs)[0].square().sum().backward()
    forward_per_token(transformer, same, inputs).square().sum().backward()
    assert offsets.grad is not None
    assert offsets.grad.abs().max() > 1e-3
    torch.testing.assert_close(offsets.grad, same.grad, atol=1e-5, rtol=1e-5)


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
