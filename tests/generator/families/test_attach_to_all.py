"""The space M: one offset for all tokens of a model, on a tiny transformer of every family."""

from typing import Any

import pytest
import torch
from torch import Tensor

from generator.errors import ModulationError
from generator.families import FLUX2
from generator.modulation import attach, attach_to_all
from tests.generator.families.cases import CASES, TEXT_LEN, Case
from tests.generator.reference import sparse
from tests.generator.tiny import DIM


@pytest.fixture(params=CASES.values(), ids=CASES.keys())
def case(request: pytest.FixtureRequest) -> Case:
    return request.param


def offset_of(batch: int = 1) -> Tensor:
    return torch.randn(batch, DIM, generator=torch.Generator().manual_seed(3))


def plain(transformer: Any, inputs: dict[str, Any]) -> Tensor:
    with torch.no_grad():
        return transformer(**inputs)[0]


def test_all_tokens_are_upstream_with_a_shifted_temb(case: Case) -> None:
    """The offset is put into the last bias of the embedder, which adds it to temb in upstream's own code."""
    transformer, inputs, offset = case.make_transformer(), case.make_inputs(2), offset_of()
    before = plain(transformer, inputs)
    with torch.no_grad(), attach_to_all(transformer, offset):
        ours = transformer(**inputs)[0]
    last = transformer.get_submodule(case.family.embedder).timestep_embedder.linear_2
    last.bias = torch.nn.Parameter(offset[0] + (0 if last.bias is None else last.bias))
    expected = plain(transformer, inputs)
    assert (expected - before).abs().max() > 1e-3, "the offset must show"
    torch.testing.assert_close(ours, expected, atol=2e-6, rtol=1e-5)


def test_it_goes_together_with_offsets_of_tokens_in_either_order(case: Case) -> None:
    transformer, inputs, offset = case.make_transformer(), case.make_inputs(2), offset_of()
    token_offsets = torch.zeros(1, 1, TEXT_LEN, DIM)
    token_offsets[:, :, 2] = offset_of(2)[1]
    with torch.no_grad():
        with attach(transformer, sparse(token_offsets)), attach_to_all(transformer, offset):
            one = transformer(**inputs)[0]
        with attach_to_all(transformer, offset), attach(transformer, sparse(token_offsets)):
            other = transformer(**inputs)[0]
        with attach_to_all(transformer, offset):
            alone = transformer(**inputs)[0]
    assert torch.equal(one, other)
    assert (one - alone).abs().max() > 1e-4


def test_nothing_is_left_behind(case: Case) -> None:
    transformer, inputs = case.make_transformer(), case.make_inputs(1)
    before, attributes = plain(transformer, inputs), set(vars(transformer))
    with pytest.raises(KeyboardInterrupt), attach_to_all(transformer, offset_of()):
        transformer(**inputs)
        raise KeyboardInterrupt
    assert torch.equal(plain(transformer, inputs), before)
    assert set(vars(transformer)) == attributes
    assert not any(module._forward_hooks or module._forward_pre_hooks for module in transformer.modules())


def test_gradients_reach_the_offset(case: Case) -> None:
    transformer, inputs = case.make_transformer(), case.make_inputs(2)
    offset = torch.zeros(1, DIM, requires_grad=True)
    with attach_to_all(transformer, offset):
        (found,) = torch.autograd.grad(transformer(**inputs)[0].square().sum(), offset)
    assert found.abs().max() > 1e-4


@pytest.mark.parametrize("name", ["flux1-dev", "flux2-klein", "qwen-image"])
def test_a_negative_prompts_pass_never_sees_the_offset(name: str) -> None:
    case = CASES[name]
    transformer, inputs = case.make_transformer(), case.make_inputs(1)
    with transformer.cache_context("uncond"):
        before = plain(transformer, inputs)
    with (
        torch.no_grad(),
        attach_to_all(transformer, offset_of()),
        attach(transformer, sparse(torch.ones(1, 1, TEXT_LEN, DIM))),
    ):
        with transformer.cache_context("uncond"):
            negative = transformer(**inputs)[0]
        positive = transformer(**inputs)[0]
    assert torch.equal(negative, before)
    assert (positive - before).abs().max() > 1e-3


def test_a_batch_may_have_an_offset_for_each_item(case: Case) -> None:
    transformer, inputs = case.make_transformer(), case.make_inputs(2)
    offset = torch.cat([torch.zeros(1, DIM), offset_of()])
    before = plain(transformer, inputs)
    with torch.no_grad(), attach_to_all(transformer, offset):
        after = transformer(**inputs)[0]
    assert torch.equal(after[0], before[0])
    assert (after[1] - before[1]).abs().max() > 1e-3


@pytest.mark.parametrize(
    ("offset", "message"),
    [
        (torch.ones(DIM), "(batch, 32)"),
        (torch.ones(1, DIM + 1), "(1, 33)"),
        (torch.ones(1, DIM, dtype=torch.long), "int64"),
    ],
    ids=["rank", "width", "integers"],
)
def test_an_offset_that_does_not_fit_is_refused(case: Case, offset: Tensor, message: str) -> None:
    with pytest.raises(ModulationError) as raised, attach_to_all(case.make_transformer(), offset):
        pass
    assert message in str(raised.value)


def test_another_batch_is_refused_in_the_pass_and_attaching_twice_at_once(case: Case) -> None:
    transformer, inputs = case.make_transformer(), case.make_inputs(2)
    with pytest.raises(ModulationError, match="batch of 3"), attach_to_all(transformer, offset_of(3)):
        transformer(**inputs)
    with (
        attach_to_all(transformer, offset_of()),
        pytest.raises(ModulationError, match="Add the offsets together"),
        attach_to_all(transformer, offset_of()),
    ):
        pass


def test_flux2_with_cached_reference_keys_is_refused() -> None:
    case = CASES["flux2-klein"]
    assert case.family is FLUX2
    transformer, inputs = case.make_transformer(), case.make_inputs(1)
    token_offsets = torch.ones(1, 1, TEXT_LEN, DIM)
    with (
        torch.no_grad(),
        attach(transformer, sparse(token_offsets)),
        pytest.raises(ModulationError, match="cached keys"),
    ):
        transformer(**inputs, kv_cache_mode="extract", num_ref_tokens=1)
