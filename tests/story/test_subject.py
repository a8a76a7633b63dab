"""Who an idea is about: names are told from nouns, and of several characters none is lost."""

from itertools import permutations

import pytest

from story.idea import Idea, read_idea
from story.subject import Actor, begins_with_name

KINDS = ("fox", "cat", "rabbit", "bear", "robot", "child")
GIVEN = ("Max", "Emma", "Rose", "Minka", "Ottoline", "Bello", "Jonas", "Hopscotch")


def read(text: str) -> Idea:
    return read_idea(text, names=("Rusty", "Luna"), kinds=KINDS)


@pytest.mark.parametrize("name", GIVEN)
@pytest.mark.parametrize(
    ("words", "kind"),
    [
        ("{} loses her tooth", ""),
        ("{} can't sleep", ""),
        ("{} is afraid of thunder", ""),
        ("{}, who is afraid of the dark", ""),
        ("a story about {} who wants to fly", ""),
        ("How {} learned to swim", ""),
        ("{} and her cat look for the treasure", ""),
        ("{} and Leo build a treehouse", ""),
        ("{} and the bear", ""),
        ("{} the dog wants a bone", "dog"),
        ("{} the small brave dragon wants a bone", "dragon"),
        ("{}, a small fox, wants to dance", "fox"),
        ("my dog {} wants a bone", "dog"),
        ("my hamster {} learns to swim", "hamster"),
        ("our old neighbour {} is afraid of dogs", "neighbour"),
        ("the parrot {} who wants to sing", "parrot"),
        ("a kitten {} who wants to sing", "kitten"),
        ("Grandma {} and the lost cat", "grandma"),
        ("Princess {} wants a dragon", "princess"),
        ("my daughters {} and Mia want to fly", "girl"),
        ("my little sister {} wants to fly", "girl"),
        ("my friend {} wants to fly", ""),
    ],
)
def test_a_name_is_a_name_wherever_it_stands_and_never_a_kind(words: str, kind: str, name: str) -> None:
    idea = read(words.format(name))
    assert (idea.name, idea.kind) == (name, kind)
    assert name.lower() not in idea.hero.split()


@pytest.mark.parametrize(
    "text",
    [
        "Friendship is magic",
        "Sharing is caring",
        "Dogs like bones",
        "Dinosaurs loved pizza",
        "Robots build a city",
        "Under the sea",
        "Help the bear",
        "Halloween in the forest",
        "Monster under the bed",
        "Cats and dogs",
        "How the moon got its light",
        "Fox wants to fly",
        "A Viking who wants to sail",
        "Paris in spring",
        "Winter is coming",
        "Emma's birthday",
        "RUSTY AND THE CAT",
    ],
)
def test_what_only_begins_an_idea_is_no_name(text: str) -> None:
    assert not begins_with_name(text.split(" "), known=frozenset(KINDS))


@pytest.mark.parametrize("adjective", ["brave", "little", "green"])
def test_a_noun_with_a_capital_behind_its_adjective_is_a_kind(adjective: str) -> None:
    idea = read(f"a {adjective} Viking who wants to sail")
    assert (idea.kind, idea.hero, idea.name) == ("viking", f"{adjective} viking", "")


@pytest.mark.parametrize(
    "words", ["a {}, a {} and a {} go camping", "a {}, a {}, and a {} go camping", "{}, {} and {} go camping"]
)
def test_of_three_characters_none_is_lost(words: str) -> None:
    for kinds in permutations(("fox", "cat", "bear")):
        idea = read(words.format(*kinds))
        assert (idea.kind, *(actor.kind for actor in idea.companions)) == kinds
        assert idea.wish == "go camping"


def test_names_and_kinds_are_listed_together() -> None:
    idea = read("Anna, Ben, a small dragon and their dog Bo find a map")
    assert idea.name == "Anna"
    assert idea.companions == (
        Actor(name="Ben", gender="he"),
        Actor(kind="dragon", phrase="small dragon"),
        Actor(kind="dog", phrase="dog", name="Bo"),
    )
    assert idea.wish == "find a map"


@pytest.mark.parametrize("text", ["a fox, who is lonely", "a fox, the king of the forest, wants to fly"])
def test_a_comma_that_lists_nobody_ends_the_subject(text: str) -> None:
    assert (read(text).kind, read(text).companions) == ("fox", ())


@pytest.mark.parametrize("gone", ["ran away", "has run away", "is lost", "got lost", "went missing"])
def test_what_is_somebodys_own_and_gone_is_looked_for(gone: str) -> None:
    idea = read(f"my dog Max {gone}")
    assert (idea.thing, idea.is_lost, idea.wish) == ("my dog Max", True, "")


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("a bear named Mr Brown", "Mr Brown"),
        ("a bear called mr brown who sings", "Mr Brown"),
        ("a knight called Sir Lancelot who fights a dragon", "Sir Lancelot"),
        ("a bear called Winnie the Pooh who loves honey", "Winnie the Pooh"),
        ("a cat, who is called Bo, and who sings", "Bo"),
        ("Winnie the Pooh loves honey", "Winnie the Pooh"),
        ("a girl named Summer", "Summer"),
    ],
)
def test_a_name_has_all_its_words(text: str, name: str) -> None:
    assert read(text).name == name


@pytest.mark.parametrize("text", ["Can a fox be friends with a rabbit?", "Help the bear find his way home"])
def test_questions_and_requests_have_no_hero(text: str) -> None:
    assert (read(text).kind, read(text).quote) == ("", text.strip("?"))


def test_an_unknown_verb_behind_its_noun_is_no_noun() -> None:
    assert read("a dinosaur hatches in a kitchen").hero == "dinosaur"
    assert read("a princess in a tower").hero == "princess"


def test_what_is_said_behind_a_name_is_read() -> None:
    assert read("a knight called Sir Lancelot who fights a dragon").jobs == ("fought a dragon",)
    assert read("a bear named Mr. Brown who wants to fly").wish == "fly"


def test_somebody_who_calls_is_not_called_so() -> None:
    assert (read("a fox called his friend").name, read("a fox called for help").name) == ("", "")


def test_a_companion_may_be_named_as_the_hero_is() -> None:
    idea = read("a girl named Alice and a boy named Bob who find a dragon egg")
    assert (idea.name, idea.kind, idea.wish) == ("Alice", "girl", "find a dragon egg")
    assert idea.companions == (Actor(kind="boy", phrase="boy", name="Bob", gender="he"),)


@pytest.mark.parametrize(
    ("text", "gender"),
    [
        ("a fox named Ruby", "she"),
        ("a fox called Max", "he"),
        ("a girl named Max", "she"),
        ("a bear named Mr Brown", "he"),
        ("a cat called Captain Rose", "she"),
        ("There was a fox. Its name was Ruby.", "she"),
        ("a cat and a girl called Mia", None),
    ],
)
def test_a_common_name_says_whose_it_is(text: str, gender: str | None) -> None:
    assert read(text).gender == gender


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        ("a family of bears", "bear"),
        ("two foxes", "fox"),
        ("two wolves", "wolf"),
        ("three witches", "witch"),
        ("the elves who bake", "elf"),
    ],
)
def test_of_several_of_a_kind_the_hero_is_one(text: str, kind: str) -> None:
    assert (read(text).kind, read(text).hero) == (kind, kind)


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        ("Felix is a small fox", "fox"),
        ("Felix is a dragon who wants to fly", "dragon"),
        ("Felix is a hamster", "hamster"),
        ("Felix is a good swimmer", ""),
        ("Felix is a singer", ""),
        ("Felix is a big brother now", ""),
    ],
)
def test_what_a_name_is_said_to_be_is_its_kind_where_it_is_one(text: str, kind: str) -> None:
    assert (read(text).name, read(text).kind) == ("Felix", kind)
