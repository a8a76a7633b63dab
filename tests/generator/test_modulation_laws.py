"""The laws of per-token modulation, on a tiny transformer of diffusers' own class.

`torch.equal` compares two runs of one code path; against another path (upstream, the reference) float32 rounds
differently, by less than 2e-6 at this size.
"""

from collections.abc import Callable
from typing import Any

import pytest
import torch
from diffusers import FluxTransformer2DModel
from torch import Tensor

from generator.modulation import attach
from tests.generator.reference import forward_per_token
from tests.generator.tiny import DIM, NUM_BLOCKS, tiny_inputs, tiny_transformer

TEXT_LEN = 6


@pytest.fixture(params=[True, False], ids=["guidance", "no-guidance"])
def model(request: pytest.FixtureRequest) -> tuple[FluxTransformer2DModel, dict[str, Any]]:
    guidance = request.param
    return tiny_transformer(guidance_embeds=guidance), tiny_inputs(batch=2, guidance=guidance)


def offsets_on(*positions: int, batch: int = 1, num_blocks: int = NUM_BLOCKS, seed: int = 1) -> Tensor:
    offsets = torch.zeros(batch, num_blocks, TEXT_LEN, DIM)
    generator = torch.Generator().manual_seed(seed)
    offsets[:, :, list(positions)] = torch.randn(batch, num_blocks, len(positions), DIM, generator=generator)
    return offsets


def run(transformer: FluxTransformer2DModel, inputs: dict[str, Any], offsets: Tensor, **options: Tensor) -> Tensor:
    with torch.no_grad(), attach(transformer, offsets, **options):
        return transformer(**inputs)[0]


def plain(transformer: FluxTransformer2DModel, inputs: dict[str, Any]) -> Tensor:
    with torch.no_grad():
        return transformer(**inputs)[0]


def test_law_1_no_concept_is_plain_flux(model: tuple[FluxTransformer2DModel, dict[str, Any]]) -> None:
    transformer, inputs = model
    assert torch.equal(run(transformer, inputs, torch.zeros(1, 1, TEXT_LEN, DIM)), plain(transformer, inputs))


def test_law_1_zeros_on_the_rows_of_a_concept_are_plain_flux(
    model: tuple[FluxTransformer2DModel, dict[str, Any]],
) -> None:
    transformer, inputs = model
    modulated = run(transformer, inputs, torch.zeros(1, 1, TEXT_LEN, DIM), rows=torch.tensor([1, 4]))
    torch.testing.assert_close(modulated, plain(transformer, inputs), atol=2e-6, rtol=1e-5)


def test_law_2_the_same_offset_on_every_text_token_is_upstream_with_shifted_temb(
    model: tuple[FluxTransformer2DModel, dict[str, Any]],
) -> None:
    """Upstream's own text norms, in both kinds of block, given `temb + offset`."""
    transformer, inputs = model
    offset = torch.randn(DIM, generator=torch.Generator().manual_seed(3))
    hidden = torch.randn(2, TEXT_LEN, DIM, generator=torch.Generator().manual_seed(4))
    temb = torch.randn(2, DIM, generator=torch.Generator().manual_seed(5))
    double, single = transformer.transformer_blocks[1].norm1_context, transformer.single_transformer_blocks[0].norm
    with torch.no_grad():
        expected = double(hidden, emb=temb + offset)[0], single(hidden, emb=temb + offset)[0]
        with attach(transformer, offset.expand(1, 1, TEXT_LEN, DIM)):
            transformer(**inputs)
            ours = double(hidden, emb=temb)[0], single(hidden, emb=temb)[0]
    torch.testing.assert_close(ours, expected, atol=2e-6, rtol=1e-5)


@pytest.mark.parametrize("num_blocks", [1, NUM_BLOCKS], ids=["shared", "per-block"])
@pytest.mark.parametrize("positions", [(1, 2), (0, 5), tuple(range(TEXT_LEN))], ids=["inner", "edges", "all"])
def test_different_offsets_per_token_equal_the_reference(
    model: tuple[FluxTransformer2DModel, dict[str, Any]], positions: tuple[int, ...], num_blocks: int
) -> None:
    transformer, inputs = model
    offsets = offsets_on(*positions, batch=2, num_blocks=num_blocks)
    with torch.no_grad():
        expected = forward_per_token(transformer, offsets.expand(2, NUM_BLOCKS, TEXT_LEN, DIM), inputs)
    assert (expected - plain(transformer, inputs)).abs().max() > 1e-3, "the offsets must show"
    torch.testing.assert_close(run(transformer, inputs, offsets), expected, atol=2e-6, rtol=1e-5)


def through_double(transformer: FluxTransformer2DModel, hidden: Tensor, temb: Tensor) -> list[Tensor]:
    """Modulated input of attention, and gated output of the feed-forward, of a double-stream block's text."""
    block = transformer.transformer_blocks[0]
    modulated = block.norm1_context(hidden, emb=temb)[0]
    block.norm2_context(hidden)
    return [modulated, block.ff_context(hidden.clone())]


def through_single(transformer: FluxTransformer2DModel, hidden: Tensor, temb: Tensor) -> list[Tensor]:
    block = transformer.single_transformer_blocks[0]
    modulated = block.norm(hidden, emb=temb)[0]
    return [modulated, block.proj_out(hidden.repeat(1, 1, 5))]


@pytest.mark.parametrize("through", [through_double, through_single], ids=["double", "single"])
def test_law_3_an_offset_changes_its_own_tokens_and_no_other_bit(
    through: Callable[[FluxTransformer2DModel, Tensor, Tensor], list[Tensor]],
) -> None:
    transformer, inputs = tiny_transformer(), tiny_inputs(batch=2)
    hidden = torch.randn(2, TEXT_LEN + 3, DIM, generator=torch.Generator().manual_seed(4))
    temb = torch.randn(2, DIM, generator=torch.Generator().manual_seed(5))
    results = []
    for offsets in (offsets_on(1, 2), torch.zeros(1, 1, TEXT_LEN, DIM)):
        with torch.no_grad(), attach(transformer, offsets, rows=torch.tensor([1, 2])):
            transformer(**inputs)
            results.append(through(transformer, hidden, temb))
    others = [0, *range(3, TEXT_LEN + 3)]
    for with_offset, without in zip(*results, strict=True):
        assert torch.equal(with_offset[:, others], without[:, others])
        changed = (with_offset - without)[:, 1:3].abs().amax(dim=2)
        assert (changed > 1e-3).all(), f"tokens 1 and 2 change by {changed.tolist()}"


@pytest.mark.parametrize("used_before", [True, False], ids=["registry-existed", "fresh"])
@pytest.mark.parametrize("raises", [True, False], ids=["body-raises", "body-returns"])
def test_law_4_nothing_is_left_behind(raises: bool, used_before: bool) -> None:
    transformer, inputs = tiny_transformer(), tiny_inputs()
    if used_before:
        with transformer.cache_context("cond"):
            transformer(**inputs)
    before = plain(transformer, inputs)
    weights = {name: weight.clone() for name, weight in transformer.state_dict().items()}
    attributes, description = set(vars(transformer)), repr(transformer)
    try:
        with attach(transformer, offsets_on(1, 2)):
            transformer(**inputs)
            if raises:
                raise KeyboardInterrupt
    except KeyboardInterrupt:
        assert raises
    assert torch.equal(plain(transformer, inputs), before)
    assert set(vars(transformer)) == attributes
    assert repr(transformer) == description
    for module in transformer.modules():
        assert not module._forward_hooks
        assert not module._forward_pre_hooks
    assert transformer.state_dict().keys() == weights.keys()
    for name, weight in transformer.state_dict().items():
        assert torch.equal(weight, weights[name]), name


def test_law_5_the_order_in_which_offsets_are_added_does_not_matter() -> None:
    transformer, inputs = tiny_transformer(), tiny_inputs()
    three = [offsets_on(*positions, seed=seed) for seed, positions in enumerate([(1, 2), (2, 3), (2, 5)])]
    forwards = run(transformer, inputs, three[0] + three[1] + three[2])
    backwards = run(transformer, inputs, three[2] + three[1] + three[0])
    torch.testing.assert_close(forwards, backwards, atol=2e-6, rtol=1e-5)


def test_law_6_two_runs_give_the_same_bits() -> None:
    transformer, inputs = tiny_transformer(), tiny_inputs()
    assert torch.equal(run(transformer, inputs, offsets_on(1, 2)), run(transformer, inputs, offsets_on(1, 2)))


def test_law_7_a_batch_equals_its_items_alone(model: tuple[FluxTransformer2DModel, dict[str, Any]]) -> None:
    transformer, inputs = model
    offsets = torch.cat([offsets_on(1, 2, seed=1), offsets_on(4, seed=2)])
    together = run(transformer, inputs, offsets)
    for item in range(2):
        one = {
            name: value[item : item + 1] if name not in ("img_ids", "txt_ids") and torch.is_tensor(value) else value
            for name, value in inputs.items()
        }
        alone = run(transformer, one, offsets[item : item + 1])
        torch.testing.assert_close(together[item : item + 1], alone, atol=2e-6, rtol=1e-5)
