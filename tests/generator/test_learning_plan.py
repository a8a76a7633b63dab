"""What learning asks of a machine: sizes by how large a model is, and where its parts lie."""

from dataclasses import replace
from pathlib import Path

import pytest
import torch

from generator.learning_plan import LARGE_SIDE, default_recipe, fitted, leaves_room_to_learn, plan_for_learning
from generator.loading import load_model
from generator.plan import FLUX_1_SIZES, Machine, RenderPlan
from generator.planning import LARGE, plan_rendering
from generator.recipe import LearningRecipe
from generator.settings import FLUX_DEV_SETTINGS
from tests.generator.learning_builders import RECIPE, learn
from tests.generator.test_placement import PLANS
from tests.generator.tiny import TINY_SETTINGS, tiny_model, tiny_pipeline

RECIPE_OF_THE_MODEL = LearningRecipe()


def card(gigabytes: int) -> Machine:
    num_bytes = gigabytes * 10**9
    return Machine(
        gpu="a card", gpu_bytes=num_bytes, free_bytes=num_bytes, capability=(9, 0), ram_bytes=64 * 10**9,
        packages=frozenset({"triton", "flash_attn_interface"}),
    )  # fmt: skip


def plan(machine: Machine, recipe: LearningRecipe = RECIPE_OF_THE_MODEL) -> RenderPlan:
    return plan_for_learning(machine, FLUX_1_SIZES, FLUX_DEV_SETTINGS, recipe)


def test_a_large_model_learns_at_512_pixels_and_computes_activations_twice() -> None:
    recipe = fitted(RECIPE_OF_THE_MODEL, FLUX_DEV_SETTINGS, num_parameters=FLUX_1_SIZES.transformer)
    assert (recipe.height, recipe.width, recipe.gradient_checkpointing) == (LARGE_SIDE, LARGE_SIDE, True)
    assert recipe.max_sequence_length == FLUX_DEV_SETTINGS.max_sequence_length


def test_a_small_model_learns_at_its_own_size_and_keeps_activations() -> None:
    recipe = fitted(RECIPE_OF_THE_MODEL, FLUX_DEV_SETTINGS, num_parameters=LARGE - 1)
    assert (recipe.height, recipe.width, recipe.gradient_checkpointing) == (1024, 1024, False)


def test_what_a_recipe_says_itself_stays() -> None:
    recipe = LearningRecipe(height=768, width=640, gradient_checkpointing=False, direction_sigma_min=0.0)
    filled = fitted(recipe, replace(FLUX_DEV_SETTINGS, direction_sigma_min=0.3), num_parameters=LARGE)
    assert (filled.height, filled.width, filled.gradient_checkpointing, filled.direction_sigma_min) == (
        768, 640, False, 0.0,
    )  # fmt: skip


def test_what_is_learnt_says_what_it_was_learnt_by() -> None:
    recipe = learn(tiny_model()).recipe
    assert (recipe.height, recipe.width) == (TINY_SETTINGS.height, TINY_SETTINGS.width)
    assert recipe.gradient_checkpointing is False


@pytest.mark.parametrize(("gigabytes", "text_encoders"), [(80, "stay"), (40, "leave")])
def test_text_encoders_leave_a_card_that_they_would_fill(gigabytes: int, text_encoders: str) -> None:
    chosen = plan(card(gigabytes))
    assert chosen.text_encoders == text_encoders and chosen.can_learn and chosen.attention == "native"
    assert chosen.peak.most <= 0.95 * gigabytes * 10**9
    assert not any("warning" in reason for reason in chosen.reasons)


@pytest.mark.parametrize(
    ("gigabytes", "norms", "weights"),
    [
        (40, "stay", "plain"),
        (32, "stay", "plain"),
        (25, "away", "plain"),
        (24, "away", "fp8-stored"),
        (16, "away", "fp8-stored"),
    ],
)
def test_large_models_learn_exactly_where_that_fits_and_else_in_fp8(gigabytes: int, norms: str, weights: str) -> None:
    chosen = plan(card(gigabytes), default_recipe(FLUX_1_SIZES.transformer))
    assert (chosen.norms, chosen.numbers.weights, chosen.can_learn) == (norms, weights, True)
    assert chosen.peak.most <= 0.95 * gigabytes * 10**9
    assert not any("warning" in reason for reason in chosen.reasons)


def test_what_leaves_the_card_needs_room_in_the_computer() -> None:
    tight = replace(card(24), ram_bytes=16 * 10**9)
    assert "warning: learning takes about 14.8 GB" in plan(tight, default_recipe(FLUX_1_SIZES.transformer)).reasons[-1]


@pytest.mark.parametrize("quick", [False, True])
def test_large_models_learn_by_nothing_that_only_pockets_recipe_has(quick: bool) -> None:
    recipe = default_recipe(LARGE, quick=quick)
    of_pocket = (
        recipe.companion_share, recipe.two_part_source_weight, recipe.concepts_alone_fraction,
        recipe.one_alone_fraction, recipe.weight_decay, recipe.direction_sigma_min,
    )  # fmt: skip
    assert not any(of_pocket)
    assert (recipe.isolation_fraction, recipe.isolation_weight) == (0.5, 1.0)
    assert (recipe.stage1_high_noise_share, recipe.stage2_high_noise_share) == (0.92, 0.08)
    small = default_recipe(LARGE - 1, quick=quick)
    assert small.companion_share > 0 and small.direction_sigma_min is None


def test_large_models_learn_beside_no_companions() -> None:
    """Which the same picture and caption have by Pocket's recipe: two more pictures."""
    short = {"stage1_steps": 1, "stage2_steps": 1, "max_sequence_length": 100}
    for num_parameters, num_pictures in ((LARGE, 2), (LARGE - 1, 4)):
        prepared: list[tuple[int, int]] = []
        learn(
            tiny_model(),
            recipe=default_recipe(num_parameters).model_copy(update=short),
            caption="a fox waves in the snow",
            on_prepare=lambda *progress, prepared=prepared: prepared.append(progress),
        )
        assert prepared[-1] == (num_pictures, num_pictures)


def test_a_card_that_is_too_small_is_said_before_anything_is_loaded() -> None:
    chosen = plan(card(12))
    assert (chosen.text_encoders, chosen.numbers.weights, chosen.can_learn) == ("leave", "fp8-stored", True)
    assert "warning: learning takes about 19." in chosen.reasons[-1]


@pytest.mark.parametrize(("gigabytes", "leaves_room"), [(80, True), (40, False)])
def test_a_model_that_draws_with_everything_on_the_card_may_leave_no_room_to_learn(
    gigabytes: int, leaves_room: bool
) -> None:
    machine = replace(card(gigabytes), packages=frozenset[str]())
    drawing = plan_rendering(machine, FLUX_1_SIZES, FLUX_DEV_SETTINGS)[0]
    assert drawing.can_learn and drawing.text_encoders == "stay"
    assert leaves_room_to_learn(drawing, FLUX_DEV_SETTINGS, RECIPE_OF_THE_MODEL) is leaves_room


def test_activations_that_are_kept_take_several_times_as_much() -> None:
    peaks = [plan(card(200), LearningRecipe(gradient_checkpointing=kept)).peak.denoising for kept in (True, False)]
    assert peaks[1] - peaks[0] > 50 * 10**9


def test_the_processor_learns_in_float32_where_that_fits() -> None:
    dtypes = [plan(Machine(ram_bytes=gigabytes * 10**9)).numbers.dtype for gigabytes in (128, 64)]
    assert dtypes == ["float32", "bfloat16"]


def test_learning_is_the_same_where_text_encoders_leave(tmp_path: Path) -> None:
    tiny_pipeline().save_pretrained(tmp_path)
    size = {"height": TINY_SETTINGS.height, "width": TINY_SETTINGS.width, "isolation_fraction": 0.0}
    in_full, leaving = (
        learn(
            load_model(tmp_path, plan=replace(PLANS["text-leaves"], text_encoders=where)),
            recipe=RECIPE.model_copy(update=size),
        )
        for where in ("stay", "leave")
    )
    assert torch.equal(in_full.direction("fox").vectors, leaving.direction("fox").vectors)
