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
        ("two bears wearing red scarves who build a boat", "two bears who build a boat", Props(garment="red scarf")),
        ("a fox in a hat, a cat and a bear", "a fox, a cat and a bear", Props(garment="hat")),
        ("a fox with a hat and a cat go camping", "a fox and a cat go camping", Props(garment="hat")),
        ("a boy in a green hat and his dog", "a boy and his dog", Props(garment="green hat")),
        ("a robot with a red umbrella and a hat", "a robot", Props(garment="hat", held="red umbrella")),
        ("a robot with a lantern that lost its smile", "a robot that lost its smile", Props(held="lantern")),
        ("a bear with a scarf named Otto", "a bear named Otto", Props(garment="scarf")),
        ("a rabbit in the meadow in the moonlight", "a rabbit", Props(place="meadow", light="moonlight")),
        ("a sleeping bear in the snow", "a bear", Props(pose="sleeping", place="snow")),
        ("a little jumping fox who sings", "a little fox who sings", Props(pose="jumping")),
        ("A bear wearing glasses never sleeps", "A bear never sleeps", Props(garment="glasses")),
        ("A fox with a red hat never sleeps", "A fox never sleeps", Props(garment="red hat")),
        ("A bear wears glasses and never sleeps", "A bear never sleeps", Props(garment="glasses")),
        (
            "a boy named Ben wearing a striped hat can't sleep",
            "a boy named Ben can't sleep",
            Props(garment="striped hat"),
        ),
        (
            "A child who always wears a hat and never takes it off",
            "A child who never takes the hat off",
            Props(garment="hat"),
        ),
        ("A girl wearing glasses who hates them", "A girl who hates the glasses", Props(garment="glasses")),
        ("A fox with a red hat who lost it in the snow", "A fox who lost the red hat", Props(garment="red hat")),
        ("A bear wearing glasses who broke them", "A bear who broke the glasses", Props(garment="glasses")),
        ("a bear in a hat who finds an egg and keeps it", "a bear who finds an egg and keeps it", Props(garment="hat")),
        ("Rusty wears a red hat because it makes him brave", "Rusty", Props(garment="red hat")),
        ("a bear in a yellow hat and glasses", "a bear", Props(garment="yellow hat", beyond=("glasses",))),
        ("The fox wears a hat and the bear carries an umbrella", "The fox and the bear", Props(garment="hat")),
        ("The fox wears a hat and the bear sings", "The fox and the bear", Props(garment="hat")),
        (
            "My cat Luna wears a red hat and my dog Max wears a scarf",
            "My cat Luna and my dog Max",
            Props(garment="red hat"),
        ),
        (
            "A fox with glasses and a bear with an umbrella go to town",
            "A fox and a bear go to town",
            Props(garment="glasses"),
        ),
        (
            "Mia is a girl with a red hat. She lost her umbrella.",
            "Mia is a girl. She lost her umbrella.",
            Props(garment="red hat"),
        ),
        (
            "Mia is a girl with a red hat and she wants to fly",
            "Mia is a girl. She wants to fly",
            Props(garment="red hat"),
        ),
        ("A fox in the snow. He wears a hat.", "A fox", Props(garment="hat", place="snow")),
        (
            "A bear. He wore glasses. He never slept.",
            "A bear. He never slept.",
            Props(garment="glasses"),
        ),
        (
            "A bear named Bruno. He wears a red hat. He lost his umbrella.",
            "A bear named Bruno. He lost his umbrella.",
            Props(garment="red hat"),
        ),
        ("Felix is a small fox with a lantern who sings", "Felix is a small fox who sings", Props(held="lantern")),
        ("Otto is a bear in the snow who cannot sleep", "Otto is a bear who cannot sleep", Props(place="snow")),
        (
            "A rabbit. The rabbit is called Flip. Flip wears glasses.",
            "A rabbit. The rabbit is called Flip.",
            Props(garment="glasses"),
        ),
        (
            "A fox has a hat. She holds an umbrella and a scarf.",
            "A fox",
            Props(garment="hat", held="umbrella", beyond=("scarf",)),
        ),
        ("A robot with a lantern and he can fly", "A robot who can fly", Props(held="lantern")),
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
    assert idea.words == text.removesuffix(".")


@pytest.mark.parametrize(
    ("text", "thing"),
    [
        ("Mia has a red hat. One day the wind blew it away.", "his red hat"),
        ("Lily has a yellow umbrella. One day the umbrella flies away.", "his yellow umbrella"),
        ("Lily has a yellow umbrella. One day she loses it in the snow.", "his yellow umbrella"),
        ("Rusty has glasses. He cannot see without them. He loses them in the snow.", "his glasses"),
        ("a fox with an umbrella. The umbrella was stolen.", "his umbrella"),
        ("A robot with a lantern lost his lantern in the forest", "his lantern"),
        ("My dog Max, who wears a red hat, ran away", "my dog Max"),
        ("Mia has a red hat. She never loses it.", ""),
        ("Mia has a red hat. One day she gives it away.", ""),
        ("Mia has a red hat. One day the balloon flies away.", ""),
    ],
)
def test_what_is_worn_or_held_may_be_lost(text: str, thing: str) -> None:
    idea = read(text)
    assert (idea.thing, idea.is_lost) == (thing, thing != "")


def test_who_seeks_somebody_does_not_wear_their_clothes() -> None:
    assert read("My dog Max, who wears a red hat, ran away").props == Props()


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
        "A fox never wears hats",
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
    [
        ("her lost red hat", "red hat"),
        ("her hat in the snow", "hat"),
        ("a hat", "hat"),
        ("the hat shop", ""),
        ("his umbrella", ""),
        ("", ""),
    ],
)
def test_what_is_sought_may_be_something_to_wear(thing: str, noun: str) -> None:
    assert named_prop(thing, WORDS.clothing, WORDS) == noun
