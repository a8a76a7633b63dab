"""The benchmark of nine concepts: its prompts, and what counts as preserved."""

from dataclasses import replace

from benchmarks.bench_nine import POSES, ROLES, lessons, make_prompts, preserved
from concepts.binding import find_word
from pocket.probe import Figure, Reading

WORDS = {
    "luna": "cat", "pip": "robot", "clover": "rabbit", "rusty": "fox", "woolly": "scarf", "hello": "waving",
    "night": "moonlight",
} | {lesson.concept.id: lesson.concept.word for lesson in lessons()}  # fmt: skip


def test_every_prompt_names_nine_different_concepts_once_each() -> None:
    prompts = make_prompts(WORDS, count=20, seed=1, searching=False)
    assert len({nine.prompt for nine in prompts}) == 20
    for nine in prompts:
        assert len(set(nine.ids)) == 9
        assert all(len(find_word(nine.prompt, WORDS[each])) == 1 for each in nine.ids), nine.prompt


def test_no_prompt_that_is_reported_is_one_that_strengths_are_found_on() -> None:
    found_on, reported = (
        [
            {nine.prompt for nine in make_prompts(WORDS, count=20, seed=seed, searching=searching)}
            for seed in range(1, 5)
        ]
        for searching in (True, False)
    )
    assert {len(each) for each in (*found_on, *reported)} == {20}
    assert not set().union(*found_on) & set().union(*reported)
    assert found_on[0] != found_on[1]


def test_lessons_name_their_word_in_their_caption_and_the_colour_of_their_figure() -> None:
    for lesson in lessons():
        (figure,) = lesson.scene.characters
        assert len(find_word(lesson.caption, lesson.concept.word)) == 1
        assert find_word(lesson.caption, figure.look.colour) and find_word(lesson.caption, figure.kind)


def _figure(kind: str, colour: str, **looks: str) -> Figure:
    worn = {"clothing": "none", "clothing_colour": None, "held": "none", "pose": "standing"} | looks
    return Figure(
        kind=kind, colour=colour, pattern="plain", ears="0", tail="0", tint=(0.0,) * 3, accent=(0.0,) * 3,
        clothing_tint=None, build=0.5, **worn,
    )  # fmt: skip


def _reading(*figures: Figure, place: str = "snow", light: str = "moonlight") -> Reading:
    return Reading(figures=figures, place=place, light=light, object="none", layout="0", light_hue=0.5)


def test_a_concept_is_preserved_on_its_own_figure_only() -> None:
    cat = _figure("cat", "blue", clothing="scarf", clothing_colour="green", held="lantern", pose=POSES[0])
    robot = _figure("robot", "green", clothing="hat", clothing_colour="red", pose="sitting")
    ids = ("luna", "woolly", "glow", "hello", "pip", "cap", "sit", "winter", "night")
    sources = dict(zip(ids, map(_reading, (cat, cat, cat, cat, robot, robot, robot, robot, robot)), strict=True))
    assert preserved(ids, _reading(robot, cat), sources) == (True,) * 9
    swapped = _reading(replace(cat, clothing="hat", clothing_colour="red"), replace(robot, colour="blue"), place="town")
    lost = [role for role, kept in zip(ROLES, preserved(ids, swapped, sources), strict=True) if not kept]
    assert lost == ["clothing 1", "character 2", "place"]
    assert preserved(ids, _reading(), sources) == (False,) * 7 + (True,) * 2
