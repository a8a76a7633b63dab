"""What characters say, apart from the texts: by a language model, and by the storyteller."""

import json
from collections.abc import Sequence
from typing import Any

import pytest

from story.answers import texts_schema
from story.dialogue import part_speech
from story.llm import Scripted
from story.schema import SpokenLine, StoryRequest
from tests.story.brain import Brain, asked_numbers
from tests.story.builders import BANK, assert_is_proven, sound, storyteller, writer

REQUEST = StoryRequest(idea="a fox who walks on", catalog=BANK, pages=4, speech=True)
BRAIN = Brain(REQUEST)
SOUND = sound(BRAIN)
LINES = [{"who": "Rusty", "words": "“It is cold.”"}, {"who": "Luna", "words": "Run, then."}]


def saying(lines: Sequence[dict[str, str]]) -> Scripted:
    """Sound texts whose second page says these lines."""

    def answer(schema: dict[str, Any]) -> str:
        data = json.loads(BRAIN.answer(schema["title"], asked_numbers(schema)))
        for item in data["pages"]:
            item["speech"] = lines if item["number"] == 2 else []
        return json.dumps(data)

    return answer


def test_a_language_model_writes_lines_of_those_in_the_picture() -> None:
    built, model = writer(SOUND, saying(LINES), SOUND, SOUND)
    written = built.write(REQUEST)
    assert_is_proven(written, REQUEST)
    assert written.story.pages[1].speech == (
        SpokenLine(speaker="rusty", text="It is cold."),
        SpokenLine(speaker="luna", text="Run, then."),
    )
    assert "The book is a comic" in model.history[1][-1].content


@pytest.mark.parametrize(
    ("lines", "named"),
    [
        ([{"who": "Mole", "words": "Hello."}], "is not in the picture"),
        ([{"who": "Rusty", "words": "Hello. " * 20}], "at most 90 are in order"),
        ([{"who": "Rusty", "words": "I will kill you."}], "not for children"),
        ([{"who": "Rusty", "words": "<i>Hello</i>"}], "markup"),
        ([{"who": "Rusty", "words": "Der Fuchs ging mit der Katze in den Schnee."}], "not in English"),
        ([*LINES, *LINES], "at most 2 are in order"),
    ],
)
def test_lines_that_may_not_stand_go_back_and_are_left_out_in_the_end(lines: list[dict[str, str]], named: str) -> None:
    built, model = writer(SOUND, saying(lines), saying(lines), saying(lines), SOUND, SOUND)
    written = built.write(REQUEST)
    assert_is_proven(written, REQUEST)
    assert named in model.history[2][-1].content
    assert written.story.pages[1].speech == ()
    assert written.story.pages[1].text == BRAIN.text(2)["text"]
    assert len(written.warnings) == 1


def test_lines_are_asked_for_only_where_they_are_wanted() -> None:
    plain = REQUEST.model_copy(update={"speech": False})
    assert "speech" not in json.dumps(texts_schema(plain, [1]).model_json_schema())
    built, model = writer(SOUND, saying(LINES), SOUND, SOUND)
    assert built.write(plain).story.pages[1].speech == ()
    assert "comic" not in model.history[1][-1].content


def test_the_storyteller_takes_speech_out_of_its_texts() -> None:
    spoken = [
        page
        for seed in range(12)
        for page in storyteller().write(REQUEST.model_copy(update={"pages": 8, "seed": seed})).story.pages
        if page.speech
    ]
    assert len(spoken) >= 12
    for page in spoken:
        assert page.text.strip() and not page.text.rstrip().endswith("said")
        assert {line.speaker for line in page.speech} <= {*page.scene.concepts, "Rusty"}
        assert all(line.text[-1] in ".!?" and "“" not in line.text for line in page.speech)


def test_without_comics_its_texts_stay_whole() -> None:
    story = storyteller().write(REQUEST.model_copy(update={"speech": False})).story
    assert not any(page.speech for page in story.pages)


@pytest.mark.parametrize(
    ("text", "left", "said"),
    [
        ("It was far.\n\n“Was it?” asked Pip.\n\n“Just far enough,” said Luna.", "It was far.",
         [("pip", "Was it?"), ("luna", "Just far enough.")]),
        ("So.\n\n“Well,” said Pip, “that is not how I do it.”", "So.", [("pip", "Well, that is not how I do it.")]),
        ("So.\n\n“Slowly,” said Pip. “You lift.”", "So.", [("pip", "Slowly. You lift.")]),
        ("So.\n\n“No,” said Pip, and ran.", None, []),
        ("So.\n\n“No,” said the crow.", None, []),
        ("So.\n\n“No,” said Pip.\n\nAnd ran.", None, []),
        ("“No,” said Pip.", None, []),
    ],
)  # fmt: skip
def test_only_speech_that_ends_a_page_is_taken(text: str, left: str | None, said: list[tuple[str, str]]) -> None:
    parted, lines = part_speech(text, {"Pip": "pip", "Luna": "luna"})
    assert parted == (text if left is None else left)
    assert [(line.speaker, line.text) for line in lines] == said
