"""Clothes, things, poses, places and lights of an idea are read as looks, and never as deeds, wishes or homes."""

import pytest

from story.idea import Idea, read_idea
from story.idea_props import Props, PropWords, named_prop
from tests.story.builders import BANK, LEXICON, card

WORDS = PropWords.of(LEXICON, BANK)


def read(text: str, words: PropWords = WORDS) -> Idea:
    return read_idea(text, names=("Rusty", "Luna"), kinds=LEXICON.characters, drawn=words)


@pytest.mark.parametrize(
    ("text", "left", "props"),
    [
        ("a fox with a blue hat who wants to fly", "a fox who wants to fly", Props(garment="blue hat")),
        ("a fox wearing glasses", "a fox", Props(garment="glasses")),
        ("a cat wearing glasses who cannot read", "a cat who cannot read", Props(garment="glasses")),
        ("a bear in a red scarf", "a bear", Props(garment="red scarf")),
        ("a cat who wears glasses and cannot read", "a cat who cannot read", Props(garment="glasses")),
        ("Emma wears glasses and is afraid of school", "Emma is afraid of school", Props(garment="glasses")),
        ("a fox who always wears a big blue hat", "a fox", Props(garment="big blue hat")),
        ("two bears in red hats build a boat", "two bears build a boat", Props(garment="red hat")),
        ("a fox in a hat, a cat and a bear", "a fox, a cat and a bear", Props(garment="hat")),
        ("a fox with a hat and a cat go camping", "a fox and a cat go camping", Props(garment="hat")),
        ("a boy in a green hat and his dog", "a boy and his dog", Props(garment="green hat")),
        ("a robot with a red umbrella and a hat", "a robot", Props(garment="hat", held="red umbrella")),
        ("a robot with a lantern that lost its smile", "a robot that lost its smile", Props(held="lantern")),
        ("a bear with a scarf named Otto", "a bear named Otto", Props(garment="scarf")),
        ("a rabbit in the meadow in the moonlight", "a rabbit", Props(place="meadow", light="moonlight")),
        ("a sleeping bear in the snow", "a bear", Props(pose="sleeping", place="snow")),
        ("a little jumping fox who sings", "a little fox who sings", Props(pose="jumping")),
        ("A sleeping bear in the snow", "A bear", Props(pose="sleeping", place="snow")),
        (
            "a fox wearing a scarf standing beside a boat on the beach at sunset",
            "a fox",
            Props(garment="scarf", pose="standing", thing="boat", place="beach", light="sunset"),
        ),
    ],
)
def test_what_pictures_show_is_taken_off_an_idea(text: str, left: str, props: Props) -> None:
    idea, plain = read(text), read(left)
    assert idea.props == props
    assert (idea.kind, idea.hero, idea.name, idea.companions) == (plain.kind, plain.hero, plain.name, plain.companions)
    assert (idea.jobs, idea.wish, idea.fear, idea.thing) == (plain.jobs, plain.wish, plain.fear, plain.thing)
    assert idea.words == text


@pytest.mark.parametrize(
    "text",
    [
        "a fox who finds a hat in the snow",
        "a fox with a hat that talks",
        "a fox with a hat too big for his head",
        "a fox with a blue hat and a big nose",
        "a fox and a cat with a hat",
        "a cat in a hat shop",
        "a rabbit sleeping all day",
        "a robot standing tall",
        "a child jumping rope",
        "a cat sitting still wants to move",
        "a fox jumping up and down",
        "a bear waving goodbye to his friend",
        "the owl in the snow",
        "a day on the beach",
        "friendship in the snow",
        "a cat who keeps a lighthouse and is afraid of the dark",
        "a bear who lost his umbrella",
    ],
)
def test_what_belongs_to_the_story_stays_in_it(text: str) -> None:
    assert read(text) == read(text, PropWords())


def test_a_garment_of_the_bank_is_known_by_its_own_word() -> None:
    words = PropWords.of(LEXICON, (*BANK, card("sunny", "straw hat", "clothing")))
    assert read("a fox in a straw hat", words).props == Props(garment="straw hat")


@pytest.mark.parametrize(
    ("thing", "noun"),
    [("her lost red hat", "red hat"), ("a hat", "hat"), ("the hat shop", ""), ("his umbrella", ""), ("", "")],
)
def test_what_is_sought_may_be_something_to_wear(thing: str, noun: str) -> None:
    assert named_prop(thing, WORDS.clothing, WORDS) == noun
