"""Ideas are read for who, what, fear, wish and thing; what cannot be read is kept as words or dropped."""

from dataclasses import replace

import pytest

from story.idea import read_idea
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
        ("A child lost her scarf in the forest", {"thing": "her scarf", "is_lost": True, "gender": "she"}),
        ("A fox who is so tired that he falls asleep", {"jobs": ("was so tired that he fell asleep",)}),
        ("A fox is tired so he goes to bed", {"jobs": ("was tired",), "wish": "go to bed"}),
        ("A woman lived in a shoe. She had so many children.", {"jobs": ("lived in a shoe", "had so many children")}),
        ("A fox wearing a crown can't sleep", {"hero": "fox", "wish": "sleep"}),
        ("A girl with long hair wants to fly", {"jobs": ("had long hair",), "wish": "fly"}),
        ("A girl with long hair and she wants to fly", {"jobs": ("had long hair",), "wish": "fly"}),
        ("A fox carries a sack", {"jobs": ("carried a sack",), "wish": ""}),
        ("a robot who found an egg and hugs it", {"gender": None}),
        ("a robot standing tall", {"hero": "robot", "wish": "stand tall"}),
        ("a child jumping rope", {"hero": "child", "wish": "jump rope"}),
        ("a cat sitting still wants to move", {"hero": "cat", "wish": "move"}),
        ("a fox jumping up and down", {"hero": "fox", "wish": "jump up and down"}),
        ("a bear waving goodbye to his friend", {"hero": "bear", "wish": "wave goodbye to his friend"}),
        ("a robot jumping for joy because it's his birthday", {"jobs": (), "wish": "jump for joy", "gender": "he"}),
        ("a bear is happy because it's snowing", {"jobs": ("was happy",), "gender": None}),
        ("a fox who is sad because it's raining wants to play", {"jobs": ("was sad",), "wish": "play"}),
        ("a robot is sad because it is lonely", {"jobs": ("was sad", "was lonely"), "gender": "it"}),
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
    assert read_idea(text.lower()) == read_idea(text)


@pytest.mark.parametrize("text", ["a rose who wants to dance", "a bear who picks violet flowers", "a fox and a lily"])
def test_flowers_in_small_letters_stay_flowers(text: str) -> None:
    idea = read_idea(text)
    assert idea.name == "" and not any(actor.name for actor in idea.companions)
    assert idea == replace(read_idea(text.capitalize()), words=text)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (
            "Felix is a small fox. He wants to fly.",
            {"name": "Felix", "hero": "small fox", "wish": "fly", "gender": "he"},
        ),
        ("felix is a fox. he wants to fly.", {"name": "Felix", "kind": "fox", "wish": "fly"}),
        ("A bear who fears water! His friend the cat helps him.", {"fear": "water", "companions": (CAT,), "jobs": ()}),
        (
            "A rabbit lives in the forest. One day she loses her hat. Can she find it?",
            {"kind": "rabbit", "jobs": ("lived in the forest",), "thing": "her hat", "is_lost": True, "gender": "she"},
        ),
        (
            "There was a fox. His name was Rusty. He kept bees.",
            {"kind": "fox", "name": "Rusty", "jobs": ("kept bees",)},
        ),
        ("My son Leo is 3 years old. He's afraid of dogs.", {"name": "Leo", "jobs": (), "fear": "dogs"}),
        (
            "Write a story about a rabbit. The rabbit is called Flip. Flip is afraid of the dark.",
            {"kind": "rabbit", "name": "Flip", "fear": "the dark", "companions": ()},
        ),
        (
            "There is a bear. The bear's name is Bruno. Bruno cannot sleep.",
            {"kind": "bear", "name": "Bruno", "gender": "he", "wish": "sleep", "companions": ()},
        ),
        ("A dragon has a cold. The dragon can't fly.", {"kind": "dragon", "jobs": ("had a cold",), "wish": "fly"}),
        ("A bear is sad. A cat moves in. They build a boat.", {"companions": (CAT,), "wish": "build a boat"}),
        ("Mia has a brother. He wants to fly.", {"name": "Mia", "gender": "she", "wish": ""}),
        ("A fox finds an egg. She wants to keep it.", {"wish": "find an egg", "jobs": ()}),
        ("A cat keeps a lighthouse. It is dark.", {"jobs": (), "wish": "keep a lighthouse"}),
        ("Mr. Brown and Dr. Fox go camping. It rains.", {"name": "Mr Brown", "wish": "go camping"}),
        ("Winter is coming. A bear wants to sleep. Mum says no.", {"kind": "bear", "wish": "sleep", "companions": ()}),
        ("A rabbit loses her hat. She asks an owl. She loves owls.", {"thing": "her hat", "jobs": ("loved owls",)}),
        ("A fox is shy. One day she saw a wolf.", {"event": "saw a wolf", "jobs": ("was shy",), "wish": ""}),
        (
            "A fox and a cat. They are neighbours. The fox can't cook.",
            {"companions": (CAT,), "jobs": (), "wish": "cook"},
        ),
        ("She is a cat who wants to fly.", {"kind": "cat", "gender": "she", "wish": "fly"}),
        ("All the foxes laugh. A bear is sad.", {"kind": "bear", "name": ""}),
        ("The Lost Mitten - a rabbit finds a mitten", {"kind": "rabbit", "hero": "rabbit", "wish": "find a mitten"}),
        ("Friendship. The story should be funny.", {"topic": "friendship", "kind": ""}),
        ("Ein Hase kann nicht schlafen. Er sucht den Mond.", {"quote": "Ein Hase kann nicht schlafen"}),
    ],
    ids=lambda value: value[:24] if isinstance(value, str) else "",
)
def test_of_several_sentences_those_about_the_hero_are_read(text: str, expected: dict[str, object]) -> None:
    idea = read_idea(text, names=NAMES, kinds=KINDS)
    assert {name: getattr(idea, name) for name in expected} == expected


@pytest.mark.parametrize(
    "asked",
    [
        "{}",
        "Once upon a time there was {}",
        "Once upon a time, in a small village, {}",
        "There was {}",
        "There once was {}",
        "Once there lived {}",
        "A long time ago there lived {}",
        "I want a story about {}",
        "I'd like to hear a bedtime story about {}",
        "write me a story: {}",
        "Could you please make up a funny story for my son about {}?",
        "Please tell me a story. It is about {}",
        "How {}",
    ],
)
@pytest.mark.parametrize("told", ["a fox who wants to fly", "a fox who wanted to fly", "a fox who could not fly"])
def test_however_a_story_is_asked_for_or_begun_its_hero_and_wish_are_read(asked: str, told: str) -> None:
    idea = read_idea(asked.format(told), names=NAMES, kinds=KINDS)
    assert (idea.kind, idea.hero, idea.wish) == ("fox", "fox", "fly")
    assert idea.words == told


@pytest.mark.parametrize(
    ("text", "kind", "wish", "event"),
    [
        ("how the leopard got his spots", "leopard", "get his spots", ""),
        ("How the fox learned to sing", "fox", "sing", ""),
        ("the day the moon fell asleep", "moon", "", "fell asleep"),
        ("The night when the dragon ran away", "dragon", "", "ran away"),
    ],
)
def test_a_title_that_tells_what_happened_is_about_whom_it_happened_to(
    text: str, kind: str, wish: str, event: str
) -> None:
    idea = read_idea(text, names=NAMES, kinds=KINDS)
    assert (idea.kind, idea.hero, idea.wish, idea.event) == (kind, kind, wish, event)


@pytest.mark.parametrize(
    ("text", "job"),
    [
        ("a fox who never gives up", "never gave up"),
        ("a girl who never says thank you", "never said thank you"),
        ("a bear who never wants to sleep", "never wanted to sleep"),
        ("a bear who never loses her hat", "never lost her hat"),
        ("Rusty the fox never wants to sleep", "never wanted to sleep"),
        ("a cat who is never afraid of dogs", "was never afraid of dogs"),
        ("a cat who isn't afraid of dogs", "was not afraid of dogs"),
        ("a dog who doesn't bark", "did not bark"),
        ("the wolves who only ate vegetables", "only ate vegetables"),
        ("a fox who won't stop talking", "would not stop talking"),
    ],
)
def test_what_is_denied_stays_denied_and_is_no_wish_fear_or_thing(text: str, job: str) -> None:
    idea = read_idea(text, names=NAMES, kinds=KINDS)
    assert (idea.jobs, idea.wish, idea.fear, idea.thing) == ((job,), "", "", "")


@pytest.mark.parametrize(
    ("text", "wish"),
    [
        ("a girl who wants to be an astronaut and fly to Mars", "be an astronaut and fly to Mars"),
        ("a fox who wants to run, jump and play", "run and jump and play"),
        ("two foxes build a treehouse and sleep in it", "build a treehouse and sleep in it"),
        ("a fox who dreams of travelling", "travel"),
        ("a fox who wants to fly and keeps bees", "fly"),
        ("a fox who can't fly and doesn't tell anybody", "fly"),
        ("my brother and I build a rocket", "build a rocket"),
        ("my name is Lila and I want to sing", "sing"),
        ("a fox and two beavers build a dam and have a party", "build a dam and have a party"),
        ("a fox was walking home when he heard a noise", "walk home"),
    ],
)
def test_bare_verbs_go_on_with_a_wish(text: str, wish: str) -> None:
    assert read_idea(text, names=NAMES, kinds=KINDS).wish == wish


@pytest.mark.parametrize(
    ("text", "read"),
    [
        ("a bear who is afraid of water and his friend the cat helps him", {"fear": "water"}),
        ("a bear who is sad because his friend moved away", {"jobs": ("was sad",)}),
        ("a bear who loves cake and her painted shoes", {"jobs": ("loved cake and her painted shoes",)}),
        ("a bear who keeps bees and a dog that sings", {"jobs": ("kept bees and a dog that sang",)}),
        ("a boy called Tim whose old dog ran away", {"name": "Tim", "thing": "his old dog", "is_lost": True}),
        ("Emma's cat is missing", {"thing": "Emma's cat", "is_lost": True, "event": ""}),
        ("Zoe and Max's adventure", {"topic": "Zoe and Max's adventure"}),
    ],
)
def test_what_others_do_is_not_told_of_the_hero(text: str, read: dict[str, object]) -> None:
    idea = read_idea(text, names=NAMES, kinds=KINDS)
    assert {name: getattr(idea, name) for name in read} == read


def test_a_long_idea_ends_with_a_clause_that_is_whole() -> None:
    idea = read_idea("a fox who is afraid of the dark " + "and wants to find the long way home to her mother " * 20)
    assert (idea.fear, idea.wish) == ("the dark", "find the long way home to her mother")
    assert idea.words.endswith("to her mother")


@pytest.mark.parametrize(
    ("text", "read"),
    [
        ("Pip and the lost key", {"name": "Pip", "thing": "the lost key", "is_lost": False, "companions": ()}),
        ("Emma and the lost puppy", {"name": "Emma", "thing": "the lost puppy", "companions": ()}),
        ("Emma and the moon", {"name": "Emma", "topic": "the moon", "companions": ()}),
        ("the sun and the moon", {"kind": "", "topic": "the sun and the moon", "companions": ()}),
        ("Emma and the lost cat", {"name": "Emma", "thing": "", "companions": (replace(CAT, phrase="lost cat"),)}),
    ],
)
def test_a_thing_is_no_companion(text: str, read: dict[str, object]) -> None:
    idea = read_idea(text, names=NAMES, kinds=KINDS)
    assert {name: getattr(idea, name) for name in read} == read
