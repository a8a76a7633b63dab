"""Scenes drawn by lot keep the world's rules, and the published lexicon is the world's vocabulary."""

import colorsys
import itertools
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from concepts.lexicon import Lexicon
from pocket.world import captions, schema
from pocket.world.schema import (
    COLOUR_HSV,
    COLOURS,
    Scene,
    combination_is_held_out,
    sample_scene,
    shows_held_out,
    tint_near,
)
from tests.pocket.builders import character, scene

LEXICON = Path(__file__).parents[2] / "pocket" / "lexicon.json"


def _scenes(count: int) -> list[Scene]:
    return [sample_scene(np.random.default_rng(seed)) for seed in range(count)]


def test_a_tenth_of_all_combinations_is_held_out() -> None:
    combinations = itertools.product(schema.CHARACTERS, COLOURS, schema.POSES, schema.PLACES)
    held_out = [
        combination_is_held_out(scene(character(kind, colour=colour, pose=pose), place=place))
        for kind, colour, pose, place in combinations
    ]
    assert len(held_out) == 6 * 8 * 5 * 6
    assert 0.08 < np.mean(held_out) < 0.125


def test_a_scene_shows_what_is_held_out_whichever_figure_it_is() -> None:
    pairs = [each for each in _scenes(400) if len(each.characters) == 2]
    only_right = [each for each in pairs if shows_held_out(each) and not combination_is_held_out(each)]
    assert only_right
    for each in only_right:
        assert combination_is_held_out(replace(each, characters=each.characters[::-1]))


@pytest.mark.parametrize("colour", COLOURS)
def test_a_tint_stays_nearest_to_the_colour_that_names_it(colour: str) -> None:
    rng = np.random.default_rng(0)
    anchors = {name: colorsys.hsv_to_rgb(h / 360, s, v) for name, (h, s, v) in COLOUR_HSV.items()}
    tints = [tint_near(colour, rng) for _ in range(100)]
    for tint in tints:
        assert min(anchors, key=lambda name: np.linalg.norm(np.subtract(tint, anchors[name]))) == colour
    assert len(set(tints)) > 90


def test_two_figures_are_of_two_kinds_and_stand_from_left_to_right() -> None:
    pairs = [shown.characters for shown in _scenes(200) if len(shown.characters) == 2]
    assert 30 < len(pairs) < 90
    for left, right in pairs:
        assert left.kind != right.kind
        assert left.x < right.x - 0.3


def test_sleepers_hold_nothing_and_boats_stand_beside_single_figures() -> None:
    scenes = _scenes(300)
    figures = [figure for shown in scenes for figure in shown.characters]
    assert any(figure.held for figure in figures)
    assert not any(figure.held for figure in figures if figure.pose == "sleeping")
    with_boat = [shown for shown in scenes if shown.standing_object is not None]
    assert with_boat
    assert all(len(shown.characters) == 1 for shown in with_boat)


def test_the_lexicon_is_the_worlds_vocabulary_worded_as_captions_word_it() -> None:
    lexicon = Lexicon.load(LEXICON)
    assert lexicon.characters == schema.CHARACTERS
    assert lexicon.colours == COLOURS
    assert lexicon.clothing == schema.CLOTHING
    assert lexicon.held_objects == schema.HELD_OBJECTS
    assert lexicon.objects == schema.OBJECTS
    assert ("plain", *lexicon.patterns) == schema.PATTERNS
    assert lexicon.poses == {pose: pose for pose in schema.POSES}
    assert lexicon.places == captions.PLACE_PHRASES
    assert lexicon.lights == captions.LIGHT_PHRASES
