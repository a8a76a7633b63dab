"""Guidance by concepts: what a guided step gives, which steps are guided, and what is left alone.

Against another path float32 rounds differently, by less than 1e-5.
"""

from typing import Any

import pytest
import torch
from diffusers import FirstBlockCacheConfig
from torch import Tensor

from generator.concept_guidance import guide_by_concepts
from generator.modulation_table import attach_table
from tests.generator.reference import dense, forward_per_token
from tests.generator.tables import NOTHING, SCHEDULE, TWO_PROMPTS, inputs_at, plain, rows_at, run
from tests.generator.tiny import tiny_transformer


def guided_run(transformer: Any, passes: list[dict[str, Any]], *, scale: float, **levels: float) -> list[Tensor]:
    """`levels` are `sigma_min` of the directions and `guided_from` of the guidance."""
    rows, guided_from = rows_at(*TWO_PROMPTS), levels.pop("guided_from", 0.0)
    with (
        torch.no_grad(),
        attach_table(transformer, rows, schedule=lambda: SCHEDULE, **levels) as table,
        guide_by_concepts(transformer, table, scale=scale, sigma_min=guided_from),
    ):
        return [transformer(**inputs)[0] for inputs in passes]


def expected_of(transformer: Any, inputs: dict[str, Any], *, scale: float) -> Tensor:
    """By the dense reference and the plain model."""
    without = plain(transformer, inputs)
    with torch.no_grad():
        shown = forward_per_token(transformer, dense(rows_at(*TWO_PROMPTS)), inputs)
    return without + scale * (shown - without)


@pytest.mark.parametrize("scale", [1.5, 3.0])
def test_a_guided_step_goes_so_many_times_as_far_as_directions_move_it(scale: float) -> None:
    transformer, passes = tiny_transformer(), [inputs_at(step, batch=2) for step in range(len(SCHEDULE))]
    for output, inputs in zip(guided_run(transformer, passes, scale=scale), passes, strict=True):
        torch.testing.assert_close(output, expected_of(transformer, inputs, scale=scale), atol=1e-4, rtol=1e-5)


def test_a_scale_of_one_takes_no_second_pass() -> None:
    transformer, passes = tiny_transformer(), [inputs_at(step, batch=2) for step in range(len(SCHEDULE))]
    seen: list[Tensor] = []
    with transformer.x_embedder.register_forward_pre_hook(lambda module, args: seen.append(args[0])):  # noqa: ARG005
        found = guided_run(transformer, passes, scale=1.0)
    assert len(seen) == len(passes)
    for output, inputs in zip(found, passes, strict=True):
        assert torch.equal(output, run(transformer, inputs, rows_at(*TWO_PROMPTS)))


def test_only_steps_above_both_noise_levels_are_guided_and_take_a_second_pass() -> None:
    transformer, passes = tiny_transformer(), [inputs_at(step, batch=2) for step in (0, 1, 2, 1, 0)]
    seen: list[Tensor] = []
    with transformer.x_embedder.register_forward_pre_hook(lambda module, args: seen.append(args[0])):  # noqa: ARG005
        levels = {"sigma_min": 0.3, "guided_from": 0.7}
        first, second, third, fourth, fifth = guided_run(transformer, passes, scale=2.0, **levels)
    assert len(seen) == len(passes) + 2
    rows = rows_at(*TWO_PROMPTS)
    torch.testing.assert_close(first, expected_of(transformer, passes[0], scale=2.0), atol=1e-4, rtol=1e-5)
    torch.testing.assert_close(second, run(transformer, passes[1], rows), atol=1e-5, rtol=1e-5)
    torch.testing.assert_close(third, plain(transformer, passes[2]), atol=1e-5, rtol=1e-5)
    assert torch.equal(fourth, second)
    assert torch.equal(fifth, first)


def test_where_directions_rest_nothing_is_guided() -> None:
    transformer, inputs = tiny_transformer(), inputs_at(1, batch=2)
    (found,) = guided_run(transformer, [inputs], scale=5.0, sigma_min=0.6)
    torch.testing.assert_close(found, run(transformer, inputs, NOTHING), atol=1e-5, rtol=1e-5)


def test_a_negative_prompt_is_left_alone() -> None:
    transformer, inputs = tiny_transformer(), inputs_at(0, batch=2)
    with (
        torch.no_grad(),
        attach_table(transformer, rows_at(*TWO_PROMPTS), schedule=lambda: SCHEDULE) as table,
        guide_by_concepts(transformer, table, scale=2.0),
    ):
        with transformer.cache_context("cond"):
            guided = transformer(**inputs)[0]
        with transformer.cache_context("uncond"):
            negative = transformer(**inputs)[0]
    torch.testing.assert_close(guided, expected_of(transformer, inputs, scale=2.0), atol=1e-4, rtol=1e-5)
    torch.testing.assert_close(negative, plain(transformer, inputs), atol=1e-5, rtol=1e-5)


def test_passes_with_and_without_directions_have_caches_of_their_own() -> None:
    """So large a threshold leaves out all but the first blocks of every step after the first."""
    transformer, passes = tiny_transformer(), [inputs_at(step, batch=2) for step in range(len(SCHEDULE))]
    exact = guided_run(transformer, passes, scale=2.0)
    transformer.enable_cache(FirstBlockCacheConfig(threshold=1e6))
    rows = rows_at(*TWO_PROMPTS)
    with (
        torch.no_grad(),
        attach_table(transformer, rows, schedule=lambda: SCHEDULE) as table,
        guide_by_concepts(transformer, table, scale=2.0),
    ):
        found = []
        for inputs in passes:
            with transformer.cache_context("cond"):
                found.append(transformer(**inputs)[0])
    transformer.disable_cache()
    torch.testing.assert_close(found[0], exact[0], atol=1e-5, rtol=1e-5)
    shown, without = run_cached(transformer, passes, rows), run_cached(transformer, passes, NOTHING)
    for output, one, other in zip(found, shown, without, strict=True):
        torch.testing.assert_close(output, other + 2 * (one - other), atol=1e-4, rtol=1e-5)
    assert (found[1] - exact[1]).abs().max() > 1e-3, "blocks must have been left out"


def run_cached(transformer: Any, passes: list[dict[str, Any]], rows: Any) -> list[Tensor]:
    transformer.enable_cache(FirstBlockCacheConfig(threshold=1e6))
    outputs = []
    with torch.no_grad(), attach_table(transformer, rows, schedule=lambda: SCHEDULE):
        for inputs in passes:
            with transformer.cache_context("cond"):
                outputs.append(transformer(**inputs)[0])
    transformer.disable_cache()
    return outputs


def test_the_norms_themselves_are_not_touched_once_there_is_a_table() -> None:
    transformer, given = tiny_transformer(), inputs_at(0, batch=2)
    passes = [{**given, "timestep": (at / 1000).expand(2)} for at in SCHEDULE]
    expected = guided_run(transformer, passes, scale=2.0)
    with (
        torch.no_grad(),
        attach_table(transformer, rows_at(*TWO_PROMPTS), schedule=lambda: SCHEDULE) as table,
        guide_by_concepts(transformer, table, scale=2.0),
    ):
        transformer(**passes[0])
        for layer in table.layers:
            layer.weight.fill_(float("nan"))
        found = [transformer(**inputs)[0] for inputs in passes]
    for output, wanted in zip(found, expected, strict=True):
        assert torch.equal(output, wanted)


@pytest.mark.parametrize("raises", [True, False], ids=["body-raises", "body-returns"])
def test_nothing_is_left_behind(raises: bool) -> None:
    transformer, inputs = tiny_transformer(), inputs_at(0)
    before, attributes = plain(transformer, inputs), set(vars(transformer))
    try:
        with attach_table(transformer, rows_at((1, 2)), schedule=lambda: SCHEDULE) as table:
            with guide_by_concepts(transformer, table, scale=2.0):
                if raises:
                    raise KeyError
    except KeyError:
        pass
    assert not transformer._forward_hooks
    assert set(vars(transformer)) == attributes
    assert torch.equal(plain(transformer, inputs), before)
