"""What was cast and what the idea says of looks is in the pictures, and whatever is not is told."""

import re

import pytest

from concepts.schema import ConceptCard
from story.schema import Story, StoryRequest, WrittenStory
from tests.story.builders import BANK, BOLT, BRUNO, LUNA, RUBY, RUSTY, SCARF, STRIPES, WAVE, card, storyteller

UMBRELLA = card("rainy", "umbrella", "object")
VASE = card("ming", "vase", "object")
CRAYON = card("crayon", "crayon", "style")
HARBOUR = card("harbour", "harbour", "place")
THINGS = (UMBRELLA, VASE, CRAYON, HARBOUR)
SEEDS = range(12)


def write(
    idea: str, *, cast: tuple[ConceptCard, ...] = (), seed: int = 0, pages: int = 8, speech: bool = False
) -> WrittenStory:
    bank = (*BANK, *(each for each in cast if each not in BANK))
    request = StoryRequest(idea=idea, cast=cast, catalog=bank, seed=seed, pages=pages, speech=speech)
    return storyteller().write(request)


def tell(idea: str, *, cast: tuple[ConceptCard, ...] = (), seed: int = 0, speech: bool = False) -> Story:
    return write(idea, cast=cast, seed=seed, speech=speech).story


def prompts_of(story: Story) -> list[str]:
    return [scene.prompt for scene in story.scenes]


def text_of(story: Story) -> str:
    return "\n".join([story.title, *(page.text for page in story.pages)])


@pytest.mark.parametrize(
    "idea", ["a fox who cannot sleep", "a fox who wants to fly", "a fox who is afraid of the dark"]
)
def test_a_cast_pattern_is_worn_on_every_page(idea: str) -> None:
    for seed in SEEDS:
        written = write(idea, cast=(RUSTY, STRIPES), seed=seed)
        assert all("a striped fox" in prompt for prompt in prompts_of(written.story))
        assert all(STRIPES.id in scene.concepts for scene in written.story.scenes)
        assert "pot of paint" not in text_of(written.story)
        assert "striped fox" in text_of(written.story)
        assert written.warnings == ()


def test_a_pattern_of_the_idea_stands_between_colour_and_kind() -> None:
    prompts = prompts_of(tell("an orange spotted rabbit who wants to fly"))
    assert all("an orange spotted rabbit" in prompt for prompt in prompts)
    assert all("a golden rabbit" in prompt for prompt in prompts_of(tell("a golden rabbit who wants to fly")))


@pytest.mark.parametrize("idea", ["a fox who cannot sleep", "a fox who wants to fly", "a fox"])
def test_who_of_the_cast_comes_by_at_the_end_is_seen_there(idea: str) -> None:
    for seed in SEEDS:
        written = write(idea, cast=(RUSTY, LUNA, BRUNO), seed=seed, pages=4 + seed)
        last = next(page for page in reversed(written.story.pages) if "Bruno came by" in page.text)
        assert {RUSTY.id, BRUNO.id} <= set(last.scene.concepts)
        assert "Bruno" in last.scene.alt
        assert written.warnings == ()


def test_a_cast_that_no_picture_has_room_for_is_told() -> None:
    assert write("a fox", cast=(RUSTY, LUNA, BRUNO, BOLT)).warnings == ("Bolt was cast, but is in no picture.",)
    assert write("two friends", cast=(RUSTY, RUBY)).warnings == ("Ruby was cast, but is in no picture.",)


def test_what_is_cast_to_hold_to_stand_there_and_to_draw_in_is_drawn() -> None:
    for seed in SEEDS:
        written = write("a fox who wants to fly", cast=(RUSTY, *THINGS), seed=seed)
        prompts = prompts_of(written.story)
        assert written.warnings == ()
        assert all("in crayon style" in prompt for prompt in prompts)
        assert sum("holding an umbrella" in prompt for prompt in prompts) >= 2
        assert sum("beside a vase in the harbour" in prompt for prompt in prompts) >= 2
        assert re.search(r"an umbrella", text_of(written.story)) and "a vase" in text_of(written.story)


def test_a_boat_of_the_text_is_no_vase() -> None:
    boats = 0
    for seed in range(30):
        for page in tell("a fox", cast=(RUSTY, VASE), seed=seed).pages:
            if re.search(r"built a boat|an old boat", page.text):
                boats += 1
                assert "beside a boat" in page.scene.prompt
    assert boats >= 3


@pytest.mark.parametrize(
    ("idea", "worn"),
    [
        ("a fox with a blue hat who wants to fly", r"wearing a (blue hat)"),
        ("a cat wearing glasses who cannot read", r"wearing (\w+ glasses)"),
    ],
)
def test_what_the_idea_puts_on_the_hero_is_worn_in_one_colour_in_text_and_pictures(idea: str, worn: str) -> None:
    colours: set[str] = set()
    for seed in SEEDS:
        story = tell(idea, seed=seed)
        ((garment,),) = {tuple(set(re.findall(worn, prompt))) for prompt in prompts_of(story)}
        assert garment in text_of(story)
        assert not any("scarf" in words for words in (text_of(story), *prompts_of(story)))
        assert not re.search(r"[Gg]lasses [Ww]ho|wear glasses|had a blue hat", text_of(story))
        colours.add(garment)
    assert len(colours) == 1 if "blue" in idea else len(colours) > 1


def test_a_cast_garment_is_worn_instead_of_the_ideas_and_so_is_one_of_the_same_word() -> None:
    for idea, cast in (("a fox with a blue hat", (RUSTY, SCARF)), ("a fox in a purple scarf", ())):
        written = write(idea, cast=cast)
        assert all("wearing a scarf" in prompt for prompt in prompts_of(written.story) if "sleeping" not in prompt)
        assert "'blue hat'" in written.warnings[0] or "'purple scarf'" in written.warnings[0]


def test_what_is_not_drawn_is_told_with_a_reason_only_where_another_stands_in_for_it() -> None:
    written = write("a bear with an umbrella who cannot sleep", pages=5)
    assert written.warnings == ("No picture shows the idea's 'umbrella'.",)
    assert write("a bear in a yellow hat and glasses").warnings == ("No picture shows the idea's 'glasses'.",)


@pytest.mark.parametrize(
    ("idea", "has"),
    [
        ("a bear who lost his umbrella", "holding an umbrella"),
        ("a bear who lost his lantern", "holding a lantern"),
        ("a fox looking for her scarf", "wearing a scarf"),
        ("a fox who lost her pink hat", "wearing a pink hat"),
        ("a fox who lost her pink hat in the snow", "wearing a pink hat"),
        ("a fox with a pink hat who lost it in the snow", "wearing a pink hat"),
        ("Lily has a yellow umbrella. One day the umbrella flies away.", "holding a yellow umbrella"),
        ("Mia has a pink hat. One day the wind blew it away.", "wearing a pink hat"),
    ],
)
def test_what_is_lost_is_seen_once_it_is_found_and_not_before(idea: str, has: str) -> None:
    for seed in SEEDS:
        story = tell(idea, seed=seed)
        shown = [has in page.scene.prompt for page in story.pages]
        assert any(shown[-2:]) and not any(shown[:-2])
        assert has not in story.cover.prompt
        assert not re.search(r"by the scarf|without \w+ scarf", text_of(story)) or "holding" in has


def test_a_place_a_light_and_a_pose_of_the_idea_are_those_of_the_pictures() -> None:
    for seed in SEEDS:
        story = tell("a rabbit jumping in the town at sunset", seed=seed)
        assert " jumping " in story.cover.prompt
        assert "in the town at sunset" in story.cover.prompt
        assert "in the town" in story.pages[0].scene.prompt
        assert "lived in the sunset" not in text_of(story)
        asleep = tell("a sleeping bear in the snow", seed=seed)
        assert re.search(r"bear sleeping .*in the snow", asleep.cover.prompt)
        assert not re.search("sleeping bear|lived in the snow", text_of(asleep))


def test_two_of_a_kind_are_drawn_beside_each_other_where_neither_is_a_concept() -> None:
    for seed in SEEDS:
        story = tell("a mother rabbit and her bunny", seed=seed)
        pairs = [re.findall(r"(\w+) (?:striped )?rabbit", scene.prompt) for scene in story.scenes]
        assert max(map(len, pairs)) == 2
        assert all(len({*pair}) == len(pair) for pair in pairs)
        assert "bunny" in text_of(story)
        children = tell("Max and Lily want to fly", seed=seed)
        assert sum(prompt.count("a child") == 2 for prompt in prompts_of(children)) >= 2


def test_a_companion_of_the_heros_own_word_keeps_its_kind_and_is_told_to_be_undrawn() -> None:
    for seed in SEEDS:
        written = write("a cat and her kitten", seed=seed)
        assert "kitten" in text_of(written.story)
        assert not re.search(r"child|rabbit", " ".join([text_of(written.story), *prompts_of(written.story)]))
        (warning,) = written.warnings
        assert "is in no picture: the word 'cat' draws somebody else of the bank" in warning


def test_somebodys_own_companion_is_no_stranger() -> None:
    for seed in SEEDS:
        assert not re.search(
            r"always wanted a friend|wanted somebody to play", text_of(tell("a cat and her kitten", seed=seed))
        )


def test_a_companion_that_nobody_can_draw_is_told_to_be_undrawn() -> None:
    for seed in SEEDS:
        (warning,) = write("Max, Lily and their dog Biscuit find a map", seed=seed).warnings
        assert warning == "Biscuit is in no picture: neither the bank nor the picture model knows a dog."


def test_of_a_kind_that_the_bank_has_once_only_one_is_drawn() -> None:
    for seed in SEEDS:
        (warning,) = write("a fox, a cat and a robot go camping", cast=(BOLT,), seed=seed).warnings
        assert "is in no picture: the word 'robot' draws somebody else of the bank" in warning


def test_a_third_of_the_idea_is_in_a_picture() -> None:
    for seed in SEEDS:
        written = write("a fox, a cat and a bear go camping", seed=seed)
        assert any(BRUNO.id in scene.concepts for scene in written.story.scenes)
        assert written.warnings == ()


@pytest.mark.parametrize("idea", ["a cat and her kitten", "Max, Lily and their dog Biscuit", "a fox, a cat and a bear"])
def test_in_comics_only_those_of_the_picture_speak(idea: str) -> None:
    lines = 0
    for seed in SEEDS:
        for page in tell(idea, seed=seed, speech=True).pages:
            for line in page.speech:
                name = line.speaker.capitalize()
                assert name in page.scene.alt
                lines += 1
    assert lines >= 12


def test_a_cast_pose_still_comes_before_the_ideas() -> None:
    prompts = prompts_of(tell("a jumping fox", cast=(RUSTY, WAVE)))
    assert any(" waving " in prompt for prompt in prompts)
    assert not any(" jumping " in prompt for prompt in prompts)
