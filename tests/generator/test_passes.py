"""Which pass runs: what those who watch a transformer are told and in which order, and what is left after them."""

from contextlib import ExitStack
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from generator.passes import UNGUIDED_PASS, is_watched, watch_passes
from tests.generator.tiny import tiny_inputs, tiny_transformer

INPUTS = tiny_inputs()
OTHER_TEXT = INPUTS["encoder_hidden_states"] + 1


def are_negative(*passes: tuple[str | None, dict[str, Any]]) -> list[bool]:
    """What is told of passes, each with its name and what differs from `INPUTS`."""
    transformer, told = tiny_transformer(), []
    with torch.no_grad(), watch_passes(transformer, "test", lambda running: told.append(running.is_negative)):
        for name, changes in passes:
            with ExitStack() as stack:
                if name is not None:
                    stack.enter_context(transformer.cache_context(name))
                transformer(**{**INPUTS, **changes})
    return told


def other_text() -> dict[str, Tensor]:
    return {"encoder_hidden_states": OTHER_TEXT}


def test_without_names_another_text_for_the_picture_and_timestep_just_run_is_the_negative_prompt() -> None:
    later = {"hidden_states": INPUTS["hidden_states"] + 1, "timestep": INPUTS["timestep"] / 2}
    steps = [(None, {}), (None, other_text()), (None, later), (None, {**later, **other_text()})]
    assert are_negative(*steps) == [False, True, False, True]


def test_a_timestep_is_known_by_its_value_as_pipelines_compute_it_for_each_pass() -> None:
    anew = {**other_text(), "timestep": INPUTS["timestep"].clone()}
    assert are_negative((None, {}), (None, anew)) == [False, True]


@pytest.mark.parametrize(
    "changes",
    [{"hidden_states": INPUTS["hidden_states"].clone()}, {"timestep": INPUTS["timestep"] / 2}],
    ids=["picture", "timestep"],
)
def test_another_text_for_another_picture_or_timestep_is_another_prompt(changes: dict[str, Tensor]) -> None:
    assert are_negative((None, {}), (None, {**other_text(), **changes})) == [False, False]


def test_a_prompt_after_one_that_is_gone_is_no_negative_prompt() -> None:
    passes = ((None, {"encoder_hidden_states": OTHER_TEXT + number}) for number in range(2))
    transformer, told = tiny_transformer(), []
    with torch.no_grad(), watch_passes(transformer, "test", lambda running: told.append(running.is_negative)):
        for _, changes in passes:
            transformer(**{**INPUTS, **changes})
            del changes
    assert told == [False, False]


@pytest.mark.parametrize(
    ("name", "expected"), [("cond", [False, False]), ("uncond", [False, True]), (UNGUIDED_PASS, [False, False])]
)
def test_a_name_says_more_than_what_a_pass_is_given(name: str, expected: list[bool]) -> None:
    assert are_negative((None, {}), (name, other_text())) == expected


def test_guidance_between_the_prompt_and_the_negative_prompt_hides_neither() -> None:
    assert are_negative((None, {}), (UNGUIDED_PASS, {}), (None, other_text())) == [False, False, True]


@pytest.mark.parametrize("first_leaves_first", [True, False], ids=["first-leaves-first", "last-leaves-first"])
def test_who_watches_first_is_told_first_and_nothing_is_left_behind(first_leaves_first: bool) -> None:
    transformer, told = tiny_transformer(), []
    attributes = set(vars(transformer))
    stacks = {name: ExitStack() for name in ("first", "second")}
    for name, stack in stacks.items():
        stack.enter_context(watch_passes(transformer, name, lambda running, name=name: told.append(name)))  # noqa: ARG005
    with torch.no_grad():
        transformer(**INPUTS)
        assert told == ["first", "second"]
        leaving = list(stacks) if first_leaves_first else list(stacks)[::-1]
        for name in leaving:
            assert is_watched(transformer, name)
            stacks[name].close()
            assert not is_watched(transformer, name)
        transformer(**INPUTS)
    assert told == ["first", "second"]
    assert set(vars(transformer)) == attributes
    assert not is_watched(nn.Linear(1, 1), "first")
