"""Captions say what is true of the scene, nothing that has no word, and mark every word that names something."""

import re
from dataclasses import replace

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from pocket.world import schema
from pocket.world.captions import (
    FILLER_WORDS,
    LIGHT_WORDS,
    PLAIN,
    Caption,
    Style,
    join_two_parts,
    write_caption,
)
from pocket.world.schema import Scene, sample_scene
from tests.pocket.builders import character, scene, thing

SEEDS = st.integers(0, 2**32 - 1)
WORLD_WORDS = {
    *schema.CHARACTERS,
    *schema.COLOURS,
    *schema.PATTERNS,
    *schema.POSES,
    *schema.CLOTHING,
    *schema.HELD_OBJECTS,
    *schema.OBJECTS,
    *schema.PLACES,
    *LIGHT_WORDS.values(),
}
EVERYDAY = Style()
many_seeds = settings(max_examples=60, deadline=None)


def _scene(seed: int) -> Scene:
    return sample_scene(np.random.default_rng(seed))


def _caption(shown: Scene, seed: int, style: Style = EVERYDAY) -> Caption:
    return write_caption(shown, np.random.default_rng((seed, 1)), style)


def _truth(shown: Scene) -> dict[tuple[str, int], str]:
    """Every word that may name something in a caption of this scene, by role and index."""
    truth = {("place", -1): shown.place, ("light", -1): LIGHT_WORDS[shown.light]}
    if shown.standing_object is not None:
        truth |= {("object", -1): "boat", ("object_colour", -1): shown.standing_object.colour}
    for i, figure in enumerate(shown.characters):
        truth |= {("kind", i): figure.kind, ("pose", i): figure.pose}
        if figure.look.pattern != "plain":
            truth["pattern", i] = figure.look.pattern
        if figure.look.pattern != "golden":
            truth["colour", i] = figure.look.colour
        for role, part in (("clothing", figure.clothing), ("held", figure.held)):
            if part is not None:
                truth[role, i] = part.name
                if part.name in schema.COLOURED_THINGS:
                    truth[f"{role}_colour", i] = part.colour
    return truth


def _named(caption: Caption) -> dict[tuple[str, int], str]:
    named = {(role, index): caption.text[start:stop] for role, index, start, stop in caption.words}
    assert len(named) == len(caption.words), "a part is named twice"
    return named


@many_seeds
@given(SEEDS)
def test_every_marked_word_is_exactly_the_word_and_true(seed: int) -> None:
    shown = _scene(seed)
    assert _named(_caption(shown, seed)).items() <= _truth(shown).items()


@many_seeds
@given(SEEDS)
def test_no_word_of_the_world_stands_in_a_caption_unmarked(seed: int) -> None:
    caption = _caption(_scene(seed), seed)
    marked = {(start, stop) for _, _, start, stop in caption.words}
    spans = {match.span() for match in re.finditer(r"\w+", caption.text) if match.group() in WORLD_WORDS}
    assert spans == marked


@many_seeds
@given(SEEDS)
def test_looks_without_a_word_change_no_caption(seed: int) -> None:
    shown = _scene(seed)
    figures = tuple(
        replace(
            figure,
            look=replace(figure.look, tint=(0.1, 0.2, 0.3), accent=(0.4, 0.5, 0.6), ears=7, tail=8, build=0.123),
            mirrored=not figure.mirrored,
            x=0.31,
            scale=0.77,
        )
        for figure in shown.characters
    )
    other = replace(shown, characters=figures, layout=9, light_hue=0.456)
    assert _caption(other, seed).text == _caption(shown, seed).text


def test_golden_figures_have_no_colour_word_and_others_do() -> None:
    golden = scene(character("bear", colour="green", pattern="golden"))
    assert _caption(golden, 0, PLAIN).text == "a golden bear standing in the snow in daylight"
    for seed in range(30):
        assert "green" not in _caption(golden, seed).text
    assert "green striped bear" in _caption(scene(character("bear", colour="green", pattern="striped")), 0, PLAIN).text


def test_a_pattern_stands_before_or_after_the_colour() -> None:
    striped = scene(character("bear", colour="green", pattern="striped"))
    texts = [_caption(striped, seed, Style(colour=1.0, pattern=1.0)).text for seed in range(40)]
    after = sum("green striped bear" in text for text in texts)
    assert sum("striped green bear" in text for text in texts) == 40 - after
    assert 10 <= after <= 30


@many_seeds
@given(SEEDS)
def test_articles_agree_with_the_next_word(seed: int) -> None:
    text = _caption(_scene(seed), seed, Style(filler=0.5)).text
    assert not re.search(r"\ba [aeiou]|\ban [^aeiou]", text), text


def test_a_caption_that_needs_an_has_it() -> None:
    shown = scene(character("fox", held=thing("umbrella", "orange")))
    assert _caption(shown, 0, PLAIN).text == (
        "an orange fox holding an orange umbrella standing in the snow in daylight"
    )


@many_seeds
@given(SEEDS)
def test_plain_names_everything_that_has_a_word(seed: int) -> None:
    shown = _scene(seed)
    caption = _caption(shown, seed, PLAIN)
    assert _named(caption) == _truth(shown)
    assert not set(caption.text.split()) & set(FILLER_WORDS)


@many_seeds
@given(SEEDS)
def test_kind_and_pose_stand_in_every_paraphrase_from_left_to_right(seed: int) -> None:
    shown = _scene(seed)
    named = _named(_caption(shown, seed))
    kinds = [word for (role, _), word in named.items() if role == "kind"]
    assert kinds == [figure.kind for figure in shown.characters]
    assert all(("pose", i) in named for i in range(len(shown.characters)))


def test_paraphrases_differ_and_leave_colours_out_at_times() -> None:
    shown = scene(character("fox", colour="blue", clothing=thing("hat", "red")))
    captions = [_caption(shown, seed) for seed in range(60)]
    assert len({caption.text for caption in captions}) > 20
    assert 20 < sum(caption.has("colour", 0) for caption in captions) < 55


def test_two_parts_keep_their_spans_and_count_the_right_part_on() -> None:
    left = scene(character("fox"), character("cat", colour="white"), place="snow", light="day")
    right = scene(character("bear", colour="red"), place="beach", light="fog", boat=thing("boat", "pink"))
    joined = join_two_parts(_caption(left, 1, PLAIN), _caption(right, 2, PLAIN))
    assert joined.text == (
        "A picture divided into two parts. The left part is an orange fox standing and a white cat standing in the "
        "snow in daylight. The right part is a red bear standing beside a pink boat on the beach in the fog."
    )
    assert _named(joined) == {
        ("colour", 0): "orange",
        ("kind", 0): "fox",
        ("pose", 0): "standing",
        ("colour", 1): "white",
        ("kind", 1): "cat",
        ("pose", 1): "standing",
        ("place", -1): "snow",
        ("light", -1): "daylight",
        ("colour", 2): "red",
        ("kind", 2): "bear",
        ("pose", 2): "standing",
        ("object", -2): "boat",
        ("object_colour", -2): "pink",
        ("place", -2): "beach",
        ("light", -2): "fog",
    }


@many_seeds
@given(SEEDS, SEEDS)
def test_joining_moves_every_span_with_its_word(left_seed: int, right_seed: int) -> None:
    left, right = _caption(_scene(left_seed), left_seed), _caption(_scene(right_seed), right_seed)
    joined = join_two_parts(left, right)
    before = [part.text[start:stop] for part in (left, right) for _, _, start, stop in part.words]
    assert [joined.text[start:stop] for _, _, start, stop in joined.words] == before
    assert [role for role, *_ in joined.words] == [role for part in (left, right) for role, *_ in part.words]
