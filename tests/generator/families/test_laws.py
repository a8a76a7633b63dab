"""The laws of per-token modulation, on a tiny transformer of every family, of diffusers' own classes.

`torch.equal` compares two runs of one code path; against another path (upstream, the reference) float32 rounds
differently, by less than 2e-6 at this size.
"""

from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch._dynamo.utils import counters
from torch.nn.functional import silu

from generator.modulation import attach
from tests.generator.families.cases import CASES, TEXT_LEN, Case
from tests.generator.reference import sparse
from tests.generator.tiny import DIM


@pytest.fixture(params=CASES.values(), ids=CASES.keys())
def case(request: pytest.FixtureRequest) -> Case:
    return request.param


def offsets_on(case: Case, *positions: int, batch: int = 1, num_blocks: int | None = None, seed: int = 1) -> Tensor:
    blocks = num_blocks or case.num_blocks
    offsets = torch.zeros(batch, blocks, TEXT_LEN, DIM)
    generator = torch.Generator().manual_seed(seed)
    offsets[:, :, list(positions)] = torch.randn(batch, blocks, len(positions), DIM, generator=generator)
    return offsets


def run(transformer: Any, inputs: dict[str, Any], offsets: Tensor, **options: Any) -> Tensor:
    with torch.no_grad(), attach(transformer, sparse(offsets, **options)):
        return transformer(**inputs)[0]


def plain(transformer: Any, inputs: dict[str, Any]) -> Tensor:
    with torch.no_grad():
        return transformer(**inputs)[0]


def test_law_1_no_concept_is_the_plain_model(case: Case) -> None:
    transformer, inputs = case.make_transformer(), case.make_inputs(2)
    nothing = torch.zeros(1, 1, TEXT_LEN, DIM)
    assert torch.equal(run(transformer, inputs, nothing), plain(transformer, inputs))


def test_law_1_zeros_on_the_rows_of_a_concept_are_the_plain_model(case: Case) -> None:
    transformer, inputs = case.make_transformer(), case.make_inputs(2)
    modulated = run(transformer, inputs, torch.zeros(1, 1, TEXT_LEN, DIM), rows=(1, 4))
    torch.testing.assert_close(modulated, plain(transformer, inputs), atol=2e-6, rtol=1e-5)


def test_law_2_the_same_offset_on_every_text_token_is_upstream_with_shifted_temb(case: Case) -> None:
    """In the double-stream blocks, where upstream modulates the text by itself; it is given `temb + offset` there."""
    transformer, inputs = case.make_transformer(), case.make_inputs(2)
    offset = torch.randn(DIM, generator=torch.Generator().manual_seed(3))
    offsets = torch.zeros(1, case.num_blocks, TEXT_LEN, DIM)
    offsets[:, : case.num_double] = offset

    def shift(module: nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any]) -> tuple[Any, ...]:
        del module
        if "emb" in kwargs:
            return args, {**kwargs, "emb": kwargs["emb"] + offset}
        return (*args[:-1], args[-1] + offset), kwargs

    ours = run(transformer, inputs, offsets)
    unshifted = plain(transformer, inputs)
    for module in case.text_modulations(transformer):
        module.register_forward_pre_hook(shift, with_kwargs=True)
    expected = plain(transformer, inputs)
    assert (expected - unshifted).abs().max() > 1e-3, "the offset must show"
    torch.testing.assert_close(ours, expected, atol=2e-6, rtol=1e-5)


@pytest.mark.parametrize("per_block", [False, True], ids=["shared", "per-block"])
@pytest.mark.parametrize("positions", [(1, 2), (0, 5), tuple(range(TEXT_LEN))], ids=["inner", "edges", "all"])
def test_different_offsets_per_token_equal_the_reference(
    case: Case, positions: tuple[int, ...], per_block: bool
) -> None:
    transformer, inputs = case.make_transformer(), case.make_inputs(2)
    offsets = offsets_on(case, *positions, batch=2, num_blocks=None if per_block else 1)
    with torch.no_grad():
        expected = case.reference(transformer, offsets.expand(2, case.num_blocks, TEXT_LEN, DIM), inputs)
    assert (expected - plain(transformer, inputs)).abs().max() > 1e-3, "the offsets must show"
    torch.testing.assert_close(run(transformer, inputs, offsets), expected, atol=2e-6, rtol=1e-5)


@pytest.mark.parametrize("per_block", [False, True], ids=["shared", "per-block"])
def test_what_is_added_behind_silu_equals_the_reference_with_the_same_before_it(case: Case, per_block: bool) -> None:
    """At one noise level: an offset of temb, as what it makes of temb's activation."""
    transformer, inputs = case.make_transformer(), case.make_inputs(2)
    offsets = offsets_on(case, 1, 2, batch=2, num_blocks=None if per_block else 1)
    seen: list[Tensor] = []
    embedder = transformer.get_submodule(case.family.embedder)
    handle = embedder.register_forward_hook(lambda module, args, temb: seen.append(temb))  # noqa: ARG005
    unmodulated = plain(transformer, inputs)
    handle.remove()
    temb = seen[0][:, None, None]
    with torch.no_grad():
        expected = case.reference(transformer, offsets.expand(2, case.num_blocks, TEXT_LEN, DIM), inputs)
    assert (expected - unmodulated).abs().max() > 1e-3, "the offsets must show"
    with torch.no_grad(), attach(transformer, sparse(silu(temb + offsets) - silu(temb), space="activated")):
        ours = transformer(**inputs)[0]
    torch.testing.assert_close(ours, expected, atol=2e-6, rtol=1e-5)


def first_attention_inputs(transformer: Any, inputs: dict[str, Any], offsets: Tensor) -> tuple[Tensor, Tensor]:
    """The text's and the image's rows as the first block hands them to attention."""
    seen: list[tuple[Tensor, Tensor]] = []

    def record(module: nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
        del module, args
        seen.append((kwargs["encoder_hidden_states"].clone(), kwargs["hidden_states"].clone()))

    with torch.no_grad(), attach(transformer, sparse(offsets, rows=(1, 2))):
        handle = transformer.transformer_blocks[0].attn.register_forward_pre_hook(record, with_kwargs=True)
        transformer(**inputs)
        handle.remove()
    return seen[0]


def test_law_3_an_offset_changes_its_own_tokens_before_attention_and_no_other_bit(case: Case) -> None:
    transformer, inputs = case.make_transformer(), case.make_inputs(2)
    with_offset, image_with_offset = first_attention_inputs(transformer, inputs, offsets_on(case, 1, 2))
    without, image_without = first_attention_inputs(transformer, inputs, torch.zeros(1, 1, TEXT_LEN, DIM))
    others = [0, *range(3, TEXT_LEN)]
    assert torch.equal(image_with_offset, image_without)
    assert torch.equal(with_offset[:, others], without[:, others])
    changed = (with_offset - without)[:, 1:3].abs().amax(dim=2)
    assert (changed > 1e-3).all(), f"tokens 1 and 2 change by {changed.tolist()}"


def test_law_3_an_offset_changes_its_own_tokens_in_the_feed_forward_and_no_other_bit(case: Case) -> None:
    transformer, inputs = case.make_transformer(), case.make_inputs(2)
    hidden = torch.randn(2, TEXT_LEN, DIM, generator=torch.Generator().manual_seed(4))
    norm, mlp = (transformer.transformer_blocks[0].get_submodule(name) for name in case.text_mlp)
    results = []
    for offsets in (offsets_on(case, 1, 2), torch.zeros(1, 1, TEXT_LEN, DIM)):
        with torch.no_grad(), attach(transformer, sparse(offsets, rows=(1, 2))):
            transformer(**inputs)
            norm(hidden)
            results.append(mlp(hidden.clone()))
    with_offset, without = results
    others = [0, *range(3, TEXT_LEN)]
    assert torch.equal(with_offset[:, others], without[:, others])
    changed = (with_offset - without)[:, 1:3].abs().amax(dim=2)
    assert (changed > 1e-3).all(), f"tokens 1 and 2 change by {changed.tolist()}"


@pytest.mark.parametrize("raises", [True, False], ids=["body-raises", "body-returns"])
def test_law_4_nothing_is_left_behind(case: Case, raises: bool) -> None:
    transformer, inputs = case.make_transformer(), case.make_inputs(1)
    before = plain(transformer, inputs)
    weights = {name: weight.clone() for name, weight in transformer.state_dict().items()}
    attributes, description = set(vars(transformer)), repr(transformer)
    try:
        with attach(transformer, sparse(offsets_on(case, 1, 2))):
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


def test_law_5_the_order_in_which_offsets_are_added_does_not_matter(case: Case) -> None:
    transformer, inputs = case.make_transformer(), case.make_inputs(1)
    three = [offsets_on(case, *positions, seed=seed) for seed, positions in enumerate([(1, 2), (2, 3), (2, 5)])]
    forwards = run(transformer, inputs, three[0] + three[1] + three[2])
    backwards = run(transformer, inputs, three[2] + three[1] + three[0])
    torch.testing.assert_close(forwards, backwards, atol=2e-6, rtol=1e-5)


def test_law_6_two_runs_give_the_same_bits(case: Case) -> None:
    transformer, inputs = case.make_transformer(), case.make_inputs(1)
    offsets = offsets_on(case, 1, 2)
    assert torch.equal(run(transformer, inputs, offsets), run(transformer, inputs, offsets))


def test_law_7_a_batch_equals_its_items_alone(case: Case) -> None:
    transformer, inputs = case.make_transformer(), case.make_inputs(2)
    offsets = torch.cat([offsets_on(case, 1, 2, seed=1), offsets_on(case, 4, seed=2)])
    together = run(transformer, inputs, offsets)
    for item in range(2):
        one = {
            name: value if name in case.unbatched or value is None else value[item : item + 1]
            for name, value in inputs.items()
        }
        alone = run(transformer, one, offsets[item : item + 1])
        torch.testing.assert_close(together[item : item + 1], alone, atol=2e-6, rtol=1e-5)


def gradient(offsets: Tensor, output: Tensor) -> Tensor:
    weights = torch.randn(output.shape, generator=torch.Generator().manual_seed(9))
    return torch.autograd.grad((output * weights).sum(), offsets)[0]


@pytest.mark.parametrize("checkpointing", [False, True], ids=["stored", "checkpointed"])
def test_gradients_equal_those_of_the_reference_in_every_block(case: Case, checkpointing: bool) -> None:
    transformer, inputs = case.make_transformer(), case.make_inputs(2)
    offsets = offsets_on(case, *range(TEXT_LEN), batch=2).requires_grad_()
    expected = gradient(offsets, case.reference(transformer, offsets, inputs))
    if checkpointing:
        transformer.enable_gradient_checkpointing()
    other_noise = {**inputs, "timestep": inputs["timestep"] / 2}
    with attach(transformer, sparse(offsets)):
        output = transformer(**inputs)[0]
        transformer(**other_noise)  # what it leaves behind must not enter the first pass's gradient
        ours = gradient(offsets, output)
    assert (expected.abs().amax(dim=(0, 2, 3)) > 1e-5).all(), "the loss must depend on every block"
    torch.testing.assert_close(ours, expected, atol=1e-6, rtol=1e-4)


def test_only_tokens_with_an_offset_are_computed_beyond_the_base_row(case: Case) -> None:
    transformer, inputs = case.make_transformer(), case.make_inputs(2)
    shapes: list[tuple[int, ...]] = []
    for module in case.text_modulations(transformer):
        for linear in (part for part in module.modules() if isinstance(part, nn.Linear)):
            linear.register_forward_pre_hook(lambda _, args: shapes.append(tuple(args[0].shape)))
    offsets = torch.zeros(2, 1, TEXT_LEN, DIM)
    offsets[0, :, 1], offsets[1, :, 4] = 1, 1
    with torch.no_grad(), attach(transformer, sparse(offsets)):
        transformer(**inputs)
    assert shapes.count((2, 2, DIM)) == case.num_double
    assert set(shapes) == {(2, DIM), (2, 2, DIM)}


def test_offsets_act_on_compiled_blocks_that_have_run_without_them_and_compile_nothing(case: Case) -> None:
    transformer, inputs = case.make_transformer(), case.make_inputs(2)
    before, both = plain(transformer, inputs), [offsets_on(case, *positions) for positions in ((1, 2), (4,))]
    expected = [run(transformer, inputs, offsets) for offsets in both]
    torch._dynamo.reset()
    counters.clear()
    blocks = case.family.blocks(transformer)
    for block in blocks:
        block.compile(fullgraph=True, backend="eager")
    compiled = [block._compiled_call_impl for block in blocks]
    torch.testing.assert_close(plain(transformer, inputs), before, atol=2e-6, rtol=1e-5)
    num_graphs = counters["stats"]["unique_graphs"]
    for offsets, wanted in zip(both, expected, strict=True):
        assert (wanted - before).abs().max() > 1e-3, "the offsets must show"
        torch.testing.assert_close(run(transformer, inputs, offsets), wanted, atol=2e-6, rtol=1e-5)
    assert [block._compiled_call_impl for block in blocks] == compiled
    torch.testing.assert_close(plain(transformer, inputs), before, atol=2e-6, rtol=1e-5)
    assert counters["stats"]["unique_graphs"] == num_graphs > 0
