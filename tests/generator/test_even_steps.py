"""Coordinates in which all steps change a modulation equally much, on tiny transformers."""

import pytest
import torch

from generator.errors import UnsupportedModel
from generator.even_steps import LEAST_STRETCH, EvenSteps
from generator.families import family_of
from tests.generator.families.cases import CASES
from tests.generator.tiny import DIM, NUM_BLOCKS, tiny_transformer


def text_weights() -> list[torch.Tensor]:
    """As bfloat16 has them, as which they count."""
    transformer = tiny_transformer()
    tabled = family_of(transformer).tabled
    assert tabled is not None
    return [norm.linear.weight.detach().bfloat16().float() for norm in tabled.of_text(transformer)]


def test_a_step_of_a_block_changes_its_modulation_by_one_whatever_the_direction() -> None:
    steps = EvenSteps.of(tiny_transformer())
    directions = steps.for_blocks(torch.eye(DIM)[:, None].expand(DIM, NUM_BLOCKS, DIM))
    assert directions.shape == (DIM, NUM_BLOCKS, DIM)
    for index, weight in enumerate(text_weights()):
        changes = directions[:, index] @ weight.T
        torch.testing.assert_close(changes @ changes.T, torch.eye(DIM), atol=1e-4, rtol=0)
        stretches = torch.linalg.svdvals(weight)
        assert stretches[0] > 2 * stretches[-1], "the layer itself must stretch unevenly"


def test_a_step_of_all_blocks_changes_their_modulations_together_by_one() -> None:
    directions = EvenSteps.of(tiny_transformer()).share(torch.eye(DIM))
    assert directions.shape == (DIM, 1, DIM)
    changes = torch.cat([directions[:, 0] @ weight.T for weight in text_weights()], dim=1)
    torch.testing.assert_close(changes @ changes.T, torch.eye(DIM), atol=1e-4, rtol=0)


def test_a_model_has_the_same_coordinates_in_float32_and_in_bfloat16() -> None:
    plain, rounded = (EvenSteps.of(tiny_transformer().to(dtype)) for dtype in (torch.float32, torch.bfloat16))
    assert torch.equal(plain.shared_DD, rounded.shared_DD)
    assert torch.equal(plain.of_blocks_LDD, rounded.of_blocks_LDD)


def test_the_signs_of_axes_do_not_depend_on_how_they_were_found() -> None:
    steps = EvenSteps.of(tiny_transformer())
    for axes in (steps.shared_DD, *steps.of_blocks_LDD):
        assert (axes.gather(1, axes.abs().argmax(dim=1, keepdim=True)) > 0).all()


def test_an_axis_that_a_layer_ignores_has_finite_directions() -> None:
    transformer = tiny_transformer()
    with torch.no_grad():
        transformer.transformer_blocks[0].norm1_context.linear.weight[:, 3] = 0
    greatest = torch.linalg.svdvals(transformer.transformer_blocks[0].norm1_context.linear.weight)[0]
    directions = EvenSteps.of(transformer).for_blocks(torch.eye(DIM)[:, None].expand(DIM, NUM_BLOCKS, DIM))
    torch.testing.assert_close(directions[:, 0].norm(dim=1).max(), 1 / (LEAST_STRETCH * greatest), rtol=1e-3, atol=0)


def test_a_family_without_norms_in_its_blocks_is_refused() -> None:
    with pytest.raises(UnsupportedModel, match="FLUX.2"):
        EvenSteps.of(CASES["flux2-dev"].make_transformer())
