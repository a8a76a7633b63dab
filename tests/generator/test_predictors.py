"""What directions are made of: the table, and Concept-Mod against torch's own layers."""

from dataclasses import replace

import pytest
import torch
from torch import Tensor, nn

from generator.even_steps import EvenSteps
from generator.predictors import ConceptMod, DirectionTable, Predictor

ROWS, TEXT_DIM, BLOCKS, DIM, WIDTH = 3, 5, 4, 6, 7
STEPS = EvenSteps(torch.eye(DIM), torch.eye(DIM).expand(BLOCKS, DIM, DIM))
"""Coordinates that are directions already."""
DOUBLED = EvenSteps(2 * torch.eye(DIM), torch.arange(1.0, BLOCKS + 1)[:, None, None] * torch.eye(DIM))
TABLE = DirectionTable(ROWS, STEPS, learning_rate=0.1)
CONCEPT_MOD = ConceptMod(TEXT_DIM, STEPS, width=WIDTH, seed=0, learning_rate=0.1)


def words() -> Tensor:
    return torch.randn(ROWS, TEXT_DIM, generator=torch.Generator().manual_seed(1))


def noisy(parameters: dict[str, Tensor]) -> dict[str, Tensor]:
    generator = torch.Generator().manual_seed(2)
    return {name: value + torch.randn(value.shape, generator=generator) for name, value in parameters.items()}


@pytest.mark.parametrize("predictor", [TABLE, CONCEPT_MOD], ids=["table", "concept-mod"])
def test_learning_begins_at_the_model_as_it_is(predictor: Predictor) -> None:
    from_start, from_stage2 = predictor.start()
    assert not predictor.directions(from_start, words()).any()
    assert predictor.directions(from_start, words()).shape == (ROWS, 1, DIM)
    both = predictor.directions({**from_start, **from_stage2}, words())
    assert both.shape == (ROWS, BLOCKS, DIM)
    assert not both.any()


@pytest.mark.parametrize("predictor", [TABLE, CONCEPT_MOD], ids=["table", "concept-mod"])
def test_what_blocks_add_comes_on_top_of_what_they_share(predictor: Predictor) -> None:
    from_start, from_stage2 = (noisy(group) for group in predictor.start())
    zeros = {name: torch.zeros_like(value) for name, value in from_start.items()}
    shared = predictor.directions(from_start, words())
    added = predictor.directions({**zeros, **from_stage2}, words())
    torch.testing.assert_close(predictor.directions({**from_start, **from_stage2}, words()), shared + added)
    assert not torch.equal(added[:, 0], added[:, 1])


@pytest.mark.parametrize("plain", [TABLE, CONCEPT_MOD], ids=["table", "concept-mod"])
def test_what_is_learnt_is_in_the_coordinates_of_even_steps(plain: DirectionTable | ConceptMod) -> None:
    from_start, from_stage2 = (noisy(group) for group in plain.start())
    stretched = replace(plain, even_steps=DOUBLED)
    shared = plain.directions(from_start, words())
    added = plain.directions({**from_start, **from_stage2}, words()) - shared
    expected = 2 * shared + torch.arange(1.0, BLOCKS + 1)[:, None] * added
    torch.testing.assert_close(stretched.directions(from_start, words()), 2 * shared)
    torch.testing.assert_close(stretched.directions({**from_start, **from_stage2}, words()), expected)


def test_concept_mod_is_two_layers_on_each_token_alone() -> None:
    parameters = noisy(CONCEPT_MOD.start()[0])
    first, last = nn.Linear(TEXT_DIM, WIDTH), nn.Linear(WIDTH, DIM)
    with torch.no_grad():
        first.weight.copy_(parameters["shared.first.weight"])
        first.bias.copy_(parameters["shared.first.bias"])
        last.weight.copy_(parameters["shared.last.weight"])
        last.bias.copy_(parameters["shared.last.bias"])
        network = nn.Sequential(nn.LayerNorm(TEXT_DIM, elementwise_affine=False), first, nn.GELU(), last)
        expected = network(words())
    torch.testing.assert_close(CONCEPT_MOD.directions(parameters, words())[:, 0], expected)
    alone = CONCEPT_MOD.directions(parameters, words()[1:2])
    torch.testing.assert_close(alone, CONCEPT_MOD.directions(parameters, words())[1:2])


def test_zeros_in_the_last_layer_leave_it_a_gradient_and_the_first_none() -> None:
    parameters = {name: value.requires_grad_() for name, value in CONCEPT_MOD.start()[0].items()}
    CONCEPT_MOD.directions(parameters, words()).sum().backward()
    gradients = {name: value.grad.abs().max().item() for name, value in parameters.items() if value.grad is not None}
    assert gradients["shared.last.weight"] > 0
    assert gradients["shared.last.bias"] > 0
    assert gradients["shared.first.weight"] == 0


def test_a_seed_gives_one_network_and_another_seed_another() -> None:
    again = ConceptMod(TEXT_DIM, STEPS, width=WIDTH, seed=0, learning_rate=0.1)
    other = ConceptMod(TEXT_DIM, STEPS, width=WIDTH, seed=1, learning_rate=0.1)
    name = "shared.first.weight"
    assert torch.equal(again.start()[0][name], CONCEPT_MOD.start()[0][name])
    assert not torch.equal(other.start()[0][name], CONCEPT_MOD.start()[0][name])
