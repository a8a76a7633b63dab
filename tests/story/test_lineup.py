"""What is settled of characters and places is in every prompt once, whoever said it."""

import json

import pytest

from story.llm import ScriptedLanguageModel
from story.schema import StoryRequest
from tests.story.brain import Brain
from tests.story.builders import BANK, LEXICON, sound, writer, writer_with

REQUEST = StoryRequest(idea="a fox who walks on", catalog=BANK, pages=4)
BRAIN = Brain(REQUEST)
SOUND = sound(BRAIN)


def test_the_line_up_is_carried_into_every_prompt() -> None:
    brain = Brain(REQUEST)
    outline = brain.outline([1, 2, 3, 4])
    outline["characters"][0]["wears"] = "a scarf"
    outline["characters"][1] |= {"name": "Ben", "concept": "", "noun": "rabbit", "look": "blue"}
    for beat in outline["pages"]:
        beat["who"] = ["Rusty", "Ben"]
    outline["pages"][2]["changes"] = [{"name": "Rusty", "wears": ""}]
    scenes = json.dumps(
        {
            "pages": [
                {"number": 0, "prompt": "a fox waving", "concepts": ["rusty", "big-wave"]},
                *(
                    {"number": n, "prompt": "a fox sitting and a rabbit standing at sunset", "concepts": ["rusty"]}
                    for n in range(1, 5)
                ),
            ]
        }
    )
    built, model = writer(json.dumps(outline), SOUND, scenes, SOUND)
    story = built.write(REQUEST).story
    assert len(model.history) == 4
    assert story.cover.prompt == "a fox wearing a scarf waving in the snow"
    dressed = "a small fox wearing a scarf sitting and a big blue rabbit standing in the snow at sunset"
    plain = "a small fox sitting and a big blue rabbit standing in the snow at sunset"
    assert [page.scene.prompt for page in story.pages] == [dressed, dressed, plain, plain]
    assert [page.scene.concepts for page in story.pages] == [("rusty", "red-scarf")] * 2 + [("rusty",)] * 2


@pytest.mark.parametrize(
    ("wears", "said", "prompt"),
    [
        ("a scarf.", "wearing a scarf ", "a fox wearing a scarf sitting in the snow"),
        ("a scarf with stars", "wearing a scarf ", "a fox wearing a scarf sitting in the snow"),
        ("a red scarf and a hat", "in a scarf ", "a fox in a scarf sitting in the snow"),
        ("a crown of leaves", "wearing a crown ", "a fox wearing a crown sitting in the snow"),
        ("a scarf with stars", "", "a fox wearing a scarf with stars sitting in the snow"),
        ("a cap.", "", "a fox wearing a cap sitting in the snow"),
    ],
)
def test_clothes_that_a_prompt_says_are_not_said_again(wears: str, said: str, prompt: str) -> None:
    outline = BRAIN.outline([1, 2, 3, 4])
    outline["characters"] = [outline["characters"][0] | {"wears": wears}]
    for beat in outline["pages"]:
        beat["who"] = ["Rusty"]
    concepts = ["rusty", "red-scarf"] if "scarf" in said else ["rusty"]
    shown = {"prompt": f"a fox {said}sitting in the snow", "concepts": concepts}
    scenes = json.dumps({"pages": [{"number": number, **shown} for number in range(5)]})
    built, model = writer(json.dumps(outline), SOUND, scenes, SOUND)
    written = built.write(REQUEST)
    assert (written.warnings, len(model.history)) == ((), 4)
    assert {scene.prompt for scene in written.story.scenes} == {prompt}


@pytest.mark.parametrize("place", ["in the old castle", "in the snow"])
def test_of_a_picture_model_that_publishes_no_lexicon_nothing_is_taken_for_granted(place: str) -> None:
    outline = BRAIN.outline([1, 2, 3, 4])
    for beat in outline["pages"]:
        beat["place"] = place
    said = f"a fox wearing a hat and a cat {place.replace('old', 'dark')} or forest"
    scenes = {"pages": [{"number": 0, "prompt": "a fox", "concepts": ["rusty"]}]}
    scenes["pages"] += [{"number": n, "prompt": said, "concepts": ["rusty", "luna"]} for n in range(1, 5)]
    model = ScriptedLanguageModel([json.dumps(outline), SOUND, json.dumps(scenes), SOUND])
    written = writer_with(model, lexicon=None).write(REQUEST)
    assert (written.warnings, len(model.history)) == ((), 4)
    prompts = [scene.prompt for scene in written.story.scenes]
    dressed = said.replace("a fox", "a small fox").replace("a cat", "a big cat")
    assert prompts == [f"a fox {place}", *[dressed] * 4]
    assert "It can draw nothing but this" not in model.history[0][0].content


def test_a_picture_that_stays_wrong_is_plain_with_any_picture_model() -> None:
    wrong = json.dumps({"pages": []})
    model = ScriptedLanguageModel([SOUND, SOUND, wrong, wrong, wrong, SOUND])
    written = writer_with(model, lexicon=None).write(REQUEST)
    assert written.story.pages[0].scene.prompt == "a small fox standing and a big cat sitting in the snow"


def test_a_language_model_is_told_what_the_picture_model_can_draw() -> None:
    built, model = writer(SOUND, SOUND, SOUND, SOUND)
    built.write(REQUEST)
    told = model.history[0][0].content
    assert f"It can draw nothing but this:\n- characters: {', '.join(LEXICON.characters)}\n" in told
    assert "fog\n\nWhat the person typed" in told
