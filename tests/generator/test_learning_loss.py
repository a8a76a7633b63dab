"""The losses of learning against independent computations, on a tiny random transformer."""

from contextlib import AbstractContextManager

import pytest
import torch
from diffusers import FluxPipeline, FluxTransformer2DModel
from torch import Tensor
from torch.nn.functional import mse_loss

from generator.caption_tokens import Placement
from generator.directions import TokenRows
from generator.even_steps import EvenSteps
from generator.flow import TextEncoding, add_noise, predict_velocity
from generator.learning_loss import Example, Learner, NoisyBatch, TwoPartExample, flow_loss, isolation_loss
from generator.modulation import attach
from generator.predictors import DirectionTable
from tests.generator.reference import sparse
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
    return Example(encoding, PLACEMENT, torch.zeros(NUM_ROWS, TEXT_DIM))


@pytest.fixture
def two_part(example: Example) -> TwoPartExample:
    return TwoPartExample(example, _noise(1, 1, 4, 6, seed=3))


def _batch(width: int) -> NoisyBatch:
    return NoisyBatch(_noise(1, 1, 4, 6, seed=4), _noise(BATCH, 1, 4, width, seed=5), torch.tensor([0.9, 0.3]))


def _tables(scale: float) -> dict[str, Tensor]:
    return {
        "shared": scale * _noise(NUM_ROWS, DIM, seed=6),
        "per_block": scale * _noise(NUM_ROWS, NUM_BLOCKS, DIM, seed=7),
    }


def _learner(transformer: FluxTransformer2DModel) -> Learner:
    return Learner(transformer, DirectionTable(NUM_ROWS, EvenSteps.of(transformer), learning_rate=0.1))


def _laid_out(transformer: FluxTransformer2DModel, tables: dict[str, Tensor]) -> TokenRows:
    """What the tables stand for on the words of `PLACEMENT`, by way of offsets of all tokens."""
    steps = EvenSteps.of(transformer)
    directions = steps.share(tables["shared"]) + steps.for_blocks(tables["per_block"])
    offsets = torch.zeros(1, NUM_BLOCKS, TEXT_LEN, DIM)
    for position, row in zip(PLACEMENT.positions, PLACEMENT.rows, strict=True):
        offsets[0, :, position] = directions[row]
    return sparse(offsets, space="activated")


def _unpacked(velocity: Tensor, width: int) -> Tensor:
    """Velocity on the latent grid, `(B, C, 4, width)`."""
    return FluxPipeline._unpack_latents(velocity, 16, 4 * width, 4)


def test_flow_loss_without_directions_is_that_of_the_model_alone(example: Example):
    transformer, batch = tiny_transformer(), _batch(6)
    found = flow_loss(_learner(transformer), example, batch, _tables(0.0))
    noisy = torch.cat(
        [(1 - s) * batch.latents + s * n for s, n in zip(batch.sigmas, batch.noise[:, None], strict=True)]
    )
    velocity = _unpacked(predict_velocity(transformer, noisy, batch.sigmas, example.encoding), 6)
    assert found.loss == pytest.approx(mse_loss(velocity, batch.noise - batch.latents).item(), rel=1e-4)
    assert {name: tuple(gradient.shape) for name, gradient in found.gradients.items()} == {
        "shared": (NUM_ROWS, DIM),
        "per_block": (NUM_ROWS, NUM_BLOCKS, DIM),
    }


def test_flow_loss_falls_along_its_gradient(example: Example):
    transformer, batch, tables = tiny_transformer(), _batch(6), _tables(0.1)
    found = flow_loss(_learner(transformer), example, batch, tables)
    moved = {name: table - 0.1 * found.gradients[name] for name, table in tables.items()}
    assert flow_loss(_learner(transformer), example, batch, moved).loss < found.loss


def test_isolation_loss_is_zero_without_directions(two_part: TwoPartExample):
    assert isolation_loss(_learner(tiny_transformer()), two_part, _batch(12), _tables(0.0)).loss == pytest.approx(
        0, abs=1e-10
    )


def test_isolation_loss_compares_the_right_half_alone(two_part: TwoPartExample):
    transformer, batch, tables = tiny_transformer(), _batch(12), _tables(1.0)
    encoding = two_part.prompt.encoding
    noisy = add_noise(torch.cat([batch.latents, two_part.other_latents], dim=3), batch.noise, batch.sigmas)
    rows = _laid_out(transformer, tables)
    with torch.no_grad():
        plain = _unpacked(predict_velocity(transformer, noisy, batch.sigmas, encoding), 12)
        with attach(transformer, rows):
            changed = _unpacked(predict_velocity(transformer, noisy, batch.sigmas, encoding), 12)
    expected = mse_loss(changed[..., 6:], plain[..., 6:]).item()
    assert expected != pytest.approx(mse_loss(changed[..., :6], plain[..., :6]).item(), rel=1e-3)
    assert isolation_loss(_learner(transformer), two_part, batch, tables).loss == pytest.approx(expected, rel=1e-4)


def test_isolation_loss_compares_the_left_half_alone_when_the_source_is_on_the_right(example: Example):
    transformer, tables = tiny_transformer(), _tables(1.0)
    batch, other = _batch(12), _noise(1, 1, 4, 6, seed=3)
    encoding = example.encoding
    noisy = add_noise(torch.cat([other, batch.latents], dim=3), batch.noise, batch.sigmas)
    rows = _laid_out(transformer, tables)
    with torch.no_grad():
        plain = _unpacked(predict_velocity(transformer, noisy, batch.sigmas, encoding), 12)
        with attach(transformer, rows):
            changed = _unpacked(predict_velocity(transformer, noisy, batch.sigmas, encoding), 12)
    expected = mse_loss(changed[..., :6], plain[..., :6]).item()
    right = TwoPartExample(example, other, source_is_left=False)
    assert isolation_loss(_learner(transformer), right, batch, tables).loss == pytest.approx(expected, rel=1e-4)


def test_the_sources_weight_pulls_its_part_towards_its_picture(example: Example):
    transformer, tables, batch = tiny_transformer(), _tables(0.1), _batch(12)
    right = TwoPartExample(example, _noise(1, 1, 4, 6, seed=3), source_is_left=False)

    def towards_source(parameters: dict[str, Tensor]) -> float:
        both = torch.cat([right.other_latents, batch.latents], dim=3)
        noisy = add_noise(both, batch.noise, batch.sigmas)
        rows = _laid_out(transformer, parameters)
        with torch.no_grad(), attach(transformer, rows):
            velocity = _unpacked(predict_velocity(transformer, noisy, batch.sigmas, example.encoding), 12)
        return mse_loss(velocity[..., 6:], (batch.noise - both)[..., 6:]).item()

    found = isolation_loss(_learner(transformer), right, batch, tables, source_weight=100.0)
    moved = {name: table - 0.001 * found.gradients[name] for name, table in tables.items()}
    assert towards_source(moved) < towards_source(tables)


@pytest.mark.parametrize("names", [["shared"], ["shared", "per_block"]], ids=["stage 1", "stage 2"])
def test_only_rows_of_words_in_the_prompt_get_a_gradient(two_part: TwoPartExample, names: list[str]):
    tables = {name: _tables(1.0)[name] for name in names}
    found = isolation_loss(_learner(tiny_transformer()), two_part, _batch(12), tables)
    assert [*found.gradients] == names
    for gradient in found.gradients.values():
        assert not gradient[UNPLACED_ROW].any()
        assert all(gradient[row].any() for row in PLACEMENT.rows)


class DenseLearner(Learner):
    """Lays directions out over all tokens, each of which has a modulation of its own."""

    def with_directions(self, directions: Tensor, example: Example) -> AbstractContextManager[None]:
        placement = example.placement
        nothing = directions.new_zeros(1, directions.shape[1], TEXT_LEN, DIM)
        of_words = directions[[*placement.rows]].transpose(0, 1)[None]
        everywhere = nothing.index_copy(2, torch.tensor(placement.positions), of_words)
        return attach(self.transformer, sparse(everywhere, rows=range(TEXT_LEN), space="activated"))


def test_directions_on_their_words_alone_have_the_gradients_of_directions_laid_over_all_tokens(
    two_part: TwoPartExample,
):
    transformer, tables = tiny_transformer(), _tables(1.0)
    few = _learner(transformer)
    everywhere = DenseLearner(transformer, few.predictor)
    pairs = [
        [flow_loss(learner, two_part.prompt, _batch(6), tables) for learner in (few, everywhere)],
        [isolation_loss(learner, two_part, _batch(12), tables) for learner in (few, everywhere)],
    ]
    for found, expected in pairs:
        assert found.loss == pytest.approx(expected.loss, rel=1e-6)
        for name, gradient in expected.gradients.items():
            assert gradient.any()
            torch.testing.assert_close(found.gradients[name], gradient, atol=1e-6, rtol=1e-5)
