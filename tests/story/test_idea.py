"""Ideas are read for who, what, fear, wish and thing; what cannot be read is kept as words or dropped."""

from dataclasses import replace

import pytest

from story.idea import MAX_IDEA_LENGTH, clean_idea, gerund_phrase, past_phrase, read_idea
from story.subject import Actor

CAT = Actor(kind="cat", phrase="cat")
RABBIT = Actor(kind="rabbit", phrase="rabbit")
NAMES, KINDS = ("Rusty", "Fern"), ("fox", "cat", "rabbit", "bear", "robot", "child")


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (
            "a cat who keeps a lighthouse and is afraid of the dark",
            {"kind": "cat", "jobs": ("kept a lighthouse",), "fear": "the dark"},
        ),
        ("A fox learns to swim.", {"kind": "fox", "wish": "swim"}),
        ("a robot that lost its smile", {"kind": "robot", "thing": "its smile", "is_lost": True, "gender": "it"}),
        ("a fox looking for her scarf", {"thing": "her scarf", "is_lost": False, "gender": "she"}),
        ("a kitten is afraid to jump", {"kind": "kitten", "fear": "jumping"}),
        ("a bear who wants to swim but is afraid of water", {"wish": "swim", "fear": "water"}),
        ("a rabbit who dreams of flying", {"wish": "fly"}),
        ("a fox and a rabbit build a boat", {"kind": "fox", "companions": (RABBIT,), "wish": "build a boat"}),
        ("Rusty and Fern go camping", {"name": "Rusty", "companions": (Actor(name="Fern"),), "wish": "go camping"}),
        ("Tell me a story about a bear who can’t sleep!", {"kind": "bear", "wish": "sleep"}),
        ("a child who is afraid of the dark and cannot sleep", {"fear": "the dark", "wish": "sleep", "sleep": "sleep"}),
        ("a fox who couldn't fall asleep because of the wind", {"wish": "fall asleep", "sleep": "fall asleep"}),
        ("a cat who wants to sleepwalk", {"wish": "sleepwalk", "sleep": ""}),
        ("a girl named Mia who wants a dog", {"name": "Mia", "thing": "a dog", "gender": "she"}),
        ("my son Leo who is scared of school", {"name": "Leo", "kind": "boy", "fear": "school", "gender": "he"}),
        ("my daughter Ella wants to fly", {"name": "Ella", "kind": "girl", "gender": "she", "wish": "fly"}),
        ("my dog Max ran away", {"thing": "my dog Max", "is_lost": True, "kind": "", "wish": ""}),
        ("Mia and her cat look for the treasure", {"name": "Mia", "companions": (CAT,), "thing": "the treasure"}),
        ("Grandma Rose and the lost cat", {"name": "Rose", "kind": "grandma", "gender": "she"}),
        ("Emma loses her tooth", {"name": "Emma", "thing": "her tooth", "is_lost": True, "gender": "she"}),
        ("Max the dog wants a bone", {"name": "Max", "kind": "dog", "thing": "a bone", "gender": "he"}),
        ("my friend Tim moves away", {"name": "Tim", "wish": "", "event": "moved away"}),
        ("Emma has a new brother", {"name": "Emma", "wish": "", "jobs": ("had a new brother",)}),
        ("Finn loves dinosaurs", {"name": "Finn", "wish": "", "jobs": ("loved dinosaurs",)}),
        ("Finn and Ida have a picnic", {"name": "Finn", "wish": "have a picnic", "jobs": ()}),
        ("Emma breaks her arm", {"wish": "", "jobs": (), "event": "broke her arm"}),
        ("a fox who breaks everything", {"jobs": ("broke everything",), "event": ""}),
        ("Maya's cat wants to fly", {"kind": "cat", "hero": "cat", "name": ""}),
        ("Emma's birthday", {"topic": "Emma's birthday"}),
        ("a fox who bakes bread and cake", {"jobs": ("baked bread and cake",)}),
        ("two friends build a treehouse", {"kind": "", "wish": "build a treehouse"}),
        ("a fox by the sea", {"kind": "fox", "hero": "fox", "jobs": ("lived by the sea",)}),
        ("a day at the beach", {"topic": "a day at the beach", "kind": ""}),
        ("Friendship", {"topic": "friendship"}),
        ("Ein kleiner Hase, der nicht schlafen kann", {"quote": "Ein kleiner Hase, der nicht schlafen kann"}),
        ("🎉", {"words": ""}),
    ],
    ids=lambda value: value[:24] if isinstance(value, str) else "",
)
def test_an_idea_is_read(text: str, expected: dict[str, object]) -> None:
    idea = read_idea(text, names=NAMES, kinds=KINDS)
    assert {name: getattr(idea, name) for name in expected} == expected


@pytest.mark.parametrize(
    "text",
    [
        "Max the dog wants a bone",
        "Emma loses her tooth",
        "my dog Max ran away",
        "Finn and Ida have a picnic",
        "Mia and her cat look for the treasure",
        "a girl named Rose who wants a dog",
        "grandma Rose and the lost cat",
        "Emma's birthday",
        "Max, the dog, wants a bone",
        "tell me a story about Lily who wants to fly",
    ],
)
def test_an_idea_in_small_letters_is_read_like_one_with_capitals(text: str) -> None:
    small = text.lower()
    assert read_idea(small) == replace(read_idea(text), words=small)


@pytest.mark.parametrize("text", ["a rose who wants to dance", "a bear who picks violet flowers", "a fox and a lily"])
def test_flowers_in_small_letters_stay_flowers(text: str) -> None:
    idea = read_idea(text)
    assert idea.name == "" and not any(actor.name for actor in idea.companions)
    assert idea == replace(read_idea(text.capitalize()), words=text)


def test_cleaning_drops_markup_controls_and_braces_and_shortens_at_a_word() -> None:
    assert clean_idea('<script>a {fox}\x00\n "runs"</script>') == "a fox runs"
    long = clean_idea("seven foxes " * 100)
    assert len(long) <= MAX_IDEA_LENGTH
    assert long.endswith(("seven", "foxes"))


@pytest.mark.parametrize(
    ("base", "past", "ing"),
    [
        ("keep bees", "kept bees", "keeping bees"),
        ("bake", "baked", "baking"),
        ("tidy up", "tidied up", "tidying up"),
        ("hop", "hopped", "hopping"),
        ("be kind", "was kind", "being kind"),
        ("listen", "listened", "listening"),
        ("play", "played", "playing"),
    ],
)
def test_verbs_are_inflected(base: str, past: str, ing: str) -> None:
    assert (past_phrase(base), gerund_phrase(base)) == (past, ing)
