"""What `attach` does beyond the laws: gradients, negative passes, cost, refusals."""

from typing import Any

import pytest
import torch
from torch import Tensor, nn

from generator.directions import Space, TokenRows
from generator.errors import ModulationError, UnsupportedModel
from generator.modulation import attach, attach_to_all, count_blocks
from tests.generator.reference import forward_per_token, sparse
from tests.generator.tiny import DIM, NUM_BLOCKS, TINY_SETTINGS, tiny_inputs, tiny_pipeline, tiny_transformer

TEXT_LEN = 6


def random_offsets(*shape: int, requires_grad: bool = False) -> Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(2)).requires_grad_(requires_grad)


def gradient(offsets: Tensor, output: Tensor) -> Tensor:
    weights = torch.randn(output.shape, generator=torch.Generator().manual_seed(9))
    return torch.autograd.grad((output * weights).sum(), offsets)[0]


def test_gradients_equal_those_of_the_reference_in_every_block() -> None:
    transformer, inputs = tiny_transformer(), tiny_inputs(batch=2)
    offsets = random_offsets(2, NUM_BLOCKS, TEXT_LEN, DIM, requires_grad=True)
    with attach(transformer, sparse(offsets)):
        ours = gradient(offsets, transformer(**inputs)[0])
    expected = gradient(offsets, forward_per_token(transformer, offsets, inputs))
    assert (expected.abs().amax(dim=(0, 2, 3)) > 1e-5).all(), "the loss must depend on every block"
    torch.testing.assert_close(ours, expected, atol=1e-6, rtol=1e-4)


def test_gradients_are_the_same_under_gradient_checkpointing() -> None:
    transformer, inputs = tiny_transformer(), tiny_inputs(batch=2)
    offsets = random_offsets(1, 1, TEXT_LEN, DIM, requires_grad=True)
    with attach(transformer, sparse(offsets)):
        stored = gradient(offsets, transformer(**inputs)[0])
        transformer.enable_gradient_checkpointing()
        recomputed = gradient(offsets, transformer(**inputs)[0])
    torch.testing.assert_close(recomputed, stored)


def test_zero_offsets_that_are_learnt_have_gradients_on_all_tokens() -> None:
    transformer, inputs = tiny_transformer(), tiny_inputs()
    offsets = torch.zeros(1, 1, TEXT_LEN, DIM, requires_grad=True)
    with attach(transformer, sparse(offsets)):
        found = gradient(offsets, transformer(**inputs)[0])
    assert (found.abs().amax(dim=3) > 0).all()


def test_unsorted_rows_give_each_token_its_own_offset() -> None:
    transformer, inputs = tiny_transformer(), tiny_inputs()
    offsets = torch.zeros(1, 1, TEXT_LEN, DIM)
    offsets[:, :, [1, 4]] = random_offsets(1, 1, 2, DIM)
    with torch.no_grad():
        with attach(transformer, sparse(offsets)):
            found = transformer(**inputs)[0]
        with attach(transformer, sparse(offsets, rows=(4, 1))):
            named = transformer(**inputs)[0]
    torch.testing.assert_close(named, found, atol=2e-6, rtol=1e-5)


def test_learnt_offsets_are_read_anew_in_each_pass() -> None:
    transformer, inputs = tiny_transformer(), tiny_inputs()
    offsets = torch.zeros(1, 1, TEXT_LEN, DIM, requires_grad=True)
    with attach(transformer, sparse(offsets)):
        first = transformer(**inputs)[0]
        first.sum().backward()
        with torch.no_grad():
            offsets += 1
        second = transformer(**inputs)[0]
        second.sum().backward()
    assert (second - first).abs().max() > 1e-3


def test_works_in_bfloat16_with_offsets_in_float32() -> None:
    """Against the reference in bfloat16, from which rounding to 8 bits may differ, but much less than offsets show."""
    transformer = tiny_transformer().to(torch.bfloat16)
    inputs = {
        name: value.bfloat16() if torch.is_tensor(value) and name not in ("img_ids", "txt_ids") else value
        for name, value in tiny_inputs().items()
    }
    offsets = torch.zeros(1, NUM_BLOCKS, TEXT_LEN, DIM)
    offsets[:, :, 2:4] = random_offsets(1, NUM_BLOCKS, 2, DIM)
    with torch.no_grad():
        expected = forward_per_token(transformer, offsets.bfloat16(), inputs)
        plain = transformer(**inputs)[0]
        with attach(transformer, sparse(offsets)):
            found = transformer(**inputs)[0]
    assert found.dtype == torch.bfloat16
    error, effect = (found - expected).abs().max().item(), (plain - expected).abs().max().item()
    assert error < effect / 4, f"differs by {error} where the offsets show by {effect}"


def test_only_tokens_with_an_offset_are_computed_beyond_the_base_row() -> None:
    transformer, inputs = tiny_transformer(), tiny_inputs(batch=2)
    shapes: list[tuple[int, ...]] = []

    def record(module: nn.Module, args: tuple[Tensor, ...]) -> None:
        del module
        shapes.append(tuple(args[0].shape))

    for block in transformer.transformer_blocks:
        block.norm1_context.linear.register_forward_pre_hook(record)
    for block in transformer.single_transformer_blocks:
        block.norm.linear.register_forward_pre_hook(record)
    offsets = torch.zeros(2, 1, TEXT_LEN, DIM)
    offsets[0, :, 1], offsets[1, :, 4] = 1, 1
    with torch.no_grad(), attach(transformer, sparse(offsets)):
        transformer(**inputs)
    assert shapes == [(2, DIM), (2, 2, DIM)] * NUM_BLOCKS


def test_a_negative_prompt_never_sees_an_offset() -> None:
    """One step of a real pipeline: the negative pass is plain Flux bit for bit, the positive one is not."""
    pipeline = tiny_pipeline()
    outputs: dict[str, list[Tensor]] = {"plain": [], "attached": []}

    def draw(kind: str) -> None:
        hook = pipeline.transformer.register_forward_hook(
            lambda module, args, output: outputs[kind].append(output[0].clone())  # noqa: ARG005
        )
        pipeline(
            prompt="a fox",
            negative_prompt="snow",
            true_cfg_scale=4.0,
            num_inference_steps=1,
            height=TINY_SETTINGS.height,
            width=TINY_SETTINGS.width,
            max_sequence_length=TEXT_LEN,
            generator=torch.Generator().manual_seed(0),
            output_type="latent",
        )
        hook.remove()

    draw("plain")
    with attach(pipeline.transformer, sparse(random_offsets(1, 1, TEXT_LEN, DIM))):
        draw("attached")
    (positive, negative), (positive_attached, negative_attached) = outputs["plain"], outputs["attached"]
    assert torch.equal(negative_attached, negative)
    assert (positive_attached - positive).abs().max() > 1e-3


def test_offsets_apply_again_after_a_negative_pass() -> None:
    transformer, inputs = tiny_transformer(), tiny_inputs()
    with torch.no_grad(), attach(transformer, sparse(random_offsets(1, 1, TEXT_LEN, DIM))):
        before = transformer(**inputs)[0]
        with transformer.cache_context("uncond"):
            negative = transformer(**inputs)[0]
        after = transformer(**inputs)[0]
    assert not torch.equal(negative, before)
    assert torch.equal(after, before)


def test_attaching_twice_is_refused_and_the_first_stays_attached() -> None:
    transformer, inputs = tiny_transformer(), tiny_inputs()
    offsets = random_offsets(1, 1, TEXT_LEN, DIM)
    with torch.no_grad(), attach(transformer, sparse(offsets)):
        before = transformer(**inputs)[0]
        with pytest.raises(ModulationError, match="Add the offsets together"), attach(transformer, sparse(offsets)):
            pass
        assert torch.equal(transformer(**inputs)[0], before)


@pytest.mark.parametrize(
    ("offsets", "message"),
    [
        (torch.ones(1, 3, 2, DIM), "4 blocks or 1"),
        (torch.ones(1, 1, 2, DIM + 1), "K, 32"),
        (torch.ones(1, 2, DIM), r"\(1, 2, 32\)"),
        (torch.ones(0, 1, 2, DIM), "batch"),
        (torch.ones(2, 1, 2, DIM), r"positions of shape \(1, 2\)"),
        (torch.ones(1, 1, 3, DIM), r"positions of shape \(1, 2\)"),
        (torch.ones(1, 1, 2, DIM, dtype=torch.long), "int64"),
    ],
    ids=["blocks", "dim", "rank", "empty-batch", "batch", "rows", "integers"],
)
@pytest.mark.parametrize("space", ["temb", "activated"])
def test_rows_that_do_not_fit_the_transformer_are_refused(offsets: Tensor, message: str, space: Space) -> None:
    positions, fitting = torch.tensor([[1, 4]]), torch.ones(1, 1, 2, DIM)
    both = (offsets, None) if space == "temb" else (fitting, offsets)
    rows = TokenRows(positions, both[0], TEXT_LEN, activated=both[1])
    with pytest.raises(ModulationError, match=message), attach(tiny_transformer(), rows):
        pass


@pytest.mark.parametrize(
    ("batch", "text_len", "message"),
    [(3, TEXT_LEN, "batch of 3"), (1, TEXT_LEN + 1, "7 text tokens")],
    ids=["batch", "text-length"],
)
def test_offsets_that_do_not_fit_the_inputs_are_refused_in_the_first_pass(
    batch: int, text_len: int, message: str
) -> None:
    transformer, inputs = tiny_transformer(), tiny_inputs(batch=2)
    with (
        pytest.raises(ModulationError, match=message),
        attach(transformer, sparse(torch.ones(batch, 1, text_len, DIM))),
    ):
        transformer(**inputs)
    transformer(**inputs)


@pytest.mark.parametrize("positions", [(1, 1), (0, TEXT_LEN), (-1, 0)], ids=["twice", "beyond", "negative"])
def test_rows_at_no_token_positions_are_refused(positions: tuple[int, int]) -> None:
    rows = TokenRows(torch.tensor([positions]), torch.ones(1, 1, 2, DIM), TEXT_LEN)
    with pytest.raises(ModulationError, match="token positions"), attach(tiny_transformer(), rows):
        pass


def test_another_kind_of_model_is_refused() -> None:
    wrong: Any = nn.Linear(2, 2)
    families = r"FLUX\.1 .*FLUX\.2 .*Stable Diffusion 3 and 3\.5 .*Qwen-Image"
    for attachment in (attach(wrong, sparse(torch.ones(1, 1, 1, 2))), attach_to_all(wrong, torch.ones(1, 2))):
        with pytest.raises(UnsupportedModel, match=f"Linear has no place.*{families}"), attachment:
            pass


def test_blocks_are_double_stream_then_single_stream() -> None:
    """An offset on the last block only must be that of the last single-stream block."""
    transformer, inputs = tiny_transformer(), tiny_inputs()
    assert count_blocks(transformer) == NUM_BLOCKS
    offsets = torch.zeros(1, NUM_BLOCKS, TEXT_LEN, DIM)
    offsets[:, -1] = random_offsets(1, TEXT_LEN, DIM)
    outputs: list[Tensor] = []
    last = transformer.single_transformer_blocks[-1]
    handle = last.register_forward_pre_hook(
        lambda module, args, kwargs: outputs.append(kwargs["hidden_states"].clone()),  # noqa: ARG005
        with_kwargs=True,
    )
    with torch.no_grad():
        plain = transformer(**inputs)[0]
        with attach(transformer, sparse(offsets)):
            modulated = transformer(**inputs)[0]
    handle.remove()
    torch.testing.assert_close(outputs[1], outputs[0], atol=2e-6, rtol=1e-5)
    assert (modulated - plain).abs().max() > 1e-4
