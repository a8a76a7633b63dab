"""The losses of learning against independent computations, on a tiny random transformer."""

import pytest
import torch
from diffusers import FluxPipeline
from torch import Tensor
from torch.nn.functional import mse_loss

from generator.caption_tokens import Placement
from generator.flow import TextEncoding, add_noise, predict_velocity
from generator.learning_loss import Example, NoisyBatch, TwoPartExample, flow_loss, isolation_loss, lay_out
from generator.modulation import attach
from tests.generator.tiny import DIM, NUM_BLOCKS, POOLED_DIM, TEXT_DIM, tiny_transformer

TEXT_LEN = 6
PLACEMENT = Placement(positions=(1, 4), rows=(2, 0))
NUM_ROWS = 3
UNPLACED_ROW = 1
BATCH = 2


def _noise(*shape: int, seed: int) -> Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed))


@pytest.fixture
def example() -> Example:
    encoding = TextEncoding(_noise(1, TEXT_LEN, TEXT_DIM, seed=1), _noise(1, POOLED_DIM, seed=2), torch.zeros(6, 3))
    return Example(encoding, PLACEMENT)


@pytest.fixture
def two_part(example: Example) -> TwoPartExample:
    return TwoPartExample(example, _noise(1, 1, 4, 6, seed=3))


def _batch(width: int) -> NoisyBatch:
    return NoisyBatch(_noise(1, 1, 4, 6, seed=4), _noise(BATCH, 1, 4, width, seed=5), torch.tensor([0.9, 0.3]))


def _tables(scale: float) -> tuple[Tensor, Tensor]:
    return scale * _noise(NUM_ROWS, DIM, seed=6), scale * _noise(NUM_ROWS, NUM_BLOCKS, DIM, seed=7)


def _unpacked(velocity: Tensor, width: int) -> Tensor:
    """Velocity on the latent grid, `(B, C, 4, width)`."""
    return FluxPipeline._unpack_latents(velocity, 16, 4 * width, 4)


def test_rows_are_laid_on_their_tokens_and_nowhere_else():
    directions = _noise(NUM_ROWS, NUM_BLOCKS, DIM, seed=8)
    offsets, rows = lay_out(directions, PLACEMENT, text_len=TEXT_LEN)
    assert offsets.shape == (1, NUM_BLOCKS, TEXT_LEN, DIM)
    assert rows.tolist() == [1, 4]
    assert torch.equal(offsets[0, :, 1], directions[2])
    assert torch.equal(offsets[0, :, 4], directions[0])
    assert not offsets[0, :, [0, 2, 3, 5]].any()


def test_flow_loss_without_directions_is_that_of_the_model_alone(example: Example):
    transformer, batch = tiny_transformer(), _batch(6)
    found = flow_loss(transformer, example, batch, _tables(0.0))
    noisy = torch.cat(
        [(1 - s) * batch.latents + s * n for s, n in zip(batch.sigmas, batch.noise[:, None], strict=True)]
    )
    velocity = _unpacked(predict_velocity(transformer, noisy, batch.sigmas, example.encoding), 6)
    assert found.loss == pytest.approx(mse_loss(velocity, batch.noise - batch.latents).item(), rel=1e-4)
    assert [gradient.shape for gradient in found.gradients] == [(NUM_ROWS, DIM), (NUM_ROWS, NUM_BLOCKS, DIM)]


def test_flow_loss_falls_along_its_gradient(example: Example):
    transformer, batch, tables = tiny_transformer(), _batch(6), _tables(0.1)
    found = flow_loss(transformer, example, batch, tables)
    moved = tuple(table - 0.1 * gradient for table, gradient in zip(tables, found.gradients, strict=True))
    assert flow_loss(transformer, example, batch, moved).loss < found.loss


def test_isolation_loss_is_zero_without_directions(two_part: TwoPartExample):
    assert isolation_loss(tiny_transformer(), two_part, _batch(12), _tables(0.0)).loss == pytest.approx(0, abs=1e-10)


def test_isolation_loss_compares_the_right_half_alone(two_part: TwoPartExample):
    transformer, batch, tables = tiny_transformer(), _batch(12), _tables(1.0)
    encoding = two_part.prompt.encoding
    noisy = add_noise(torch.cat([batch.latents, two_part.right_latents], dim=3), batch.noise, batch.sigmas)
    offsets, rows = lay_out(tables[0][:, None] + tables[1], PLACEMENT, text_len=TEXT_LEN)
    with torch.no_grad():
        plain = _unpacked(predict_velocity(transformer, noisy, batch.sigmas, encoding), 12)
        with attach(transformer, offsets, rows=rows):
            changed = _unpacked(predict_velocity(transformer, noisy, batch.sigmas, encoding), 12)
    expected = mse_loss(changed[..., 6:], plain[..., 6:]).item()
    assert expected != pytest.approx(mse_loss(changed[..., :6], plain[..., :6]).item(), rel=1e-3)
    assert isolation_loss(transformer, two_part, batch, tables).loss == pytest.approx(expected, rel=1e-4)


@pytest.mark.parametrize("num_tables", [1, 2], ids=["stage 1", "stage 2"])
def test_only_rows_of_words_in_the_prompt_get_a_gradient(two_part: TwoPartExample, num_tables: int):
    tables = _tables(1.0)[:num_tables]
    found = isolation_loss(tiny_transformer(), two_part, _batch(12), tables)
    assert len(found.gradients) == num_tables
    for gradient in found.gradients:
        assert not gradient[UNPLACED_ROW].any()
        assert all(gradient[row].any() for row in PLACEMENT.rows)
