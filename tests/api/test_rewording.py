"""Captions reworded for learning: when the language model is asked, what it is told, and what an interruption keeps."""

from pathlib import Path
from typing import Any

import pytest

from api.rewording import Rewordings, kept_path, reword, reword_once
from api.settings import Settings
from generator.recipe import ConceptRequest
from story.schema import StoryRequest
from tests.api.builders import plain_bank
from tests.story.brain import PARAPHRASES
from tests.story.builders import BANK, LEXICON
from tests.story.misbehaving_server import Behaviour, MisbehavingServer, misbehaving

FOX = ConceptRequest(id="rufus", word="fox", kind="character")
HAT = ConceptRequest(id="topper", word="hat", kind="clothing")
FOXES = "a fox in the snow"
REQUEST = StoryRequest(idea="a fox", catalog=BANK, pages=4)
OURS: Rewordings = (("in the snow a fox",), None)
NONE = (None, None)


def settings_for(server: MisbehavingServer, **changes: Any) -> Settings:
    return Settings(llm="openai:tiny", base_url=server.address, moderation="off", **changes)


def reworded(settings: Settings, folder: Path, *captions: str) -> tuple[Rewordings, list[str]]:
    """What comes of captions, and what is told of it."""
    warnings: list[str] = []
    made = reword(
        captions,
        (FOX, HAT),
        settings=settings,
        bank=plain_bank(folder),
        lexicon=LEXICON,
        max_tokens=48,
        warn=warnings.append,
    )
    return made, warnings


def test_every_caption_is_asked_for_by_its_own_words(tmp_path: Path) -> None:
    with misbehaving(REQUEST) as server:
        made, warnings = reworded(settings_for(server), tmp_path, FOXES, "a hat")
    asked = [request["messages"][0]["content"] for request in server.requests]
    assert made == (PARAPHRASES, None)
    assert (f'"{FOXES}"' in asked[0], '["fox"]' in asked[0]) == (True, True)
    assert [('"a hat"' in each, '["hat"]' in each) for each in asked[1:]] == [(True, True)] * 2, "asked once more"
    assert len(warnings) == 1 and "openai:tiny" in warnings[0]


def test_what_is_known_elsewhere_is_not_added(tmp_path: Path) -> None:
    hats = [text.replace("fox", "fox with a hat") for text in PARAPHRASES]
    reds = [text.replace("fox", "red fox") for text in PARAPHRASES]
    with misbehaving(REQUEST) as server:
        server.brain.paraphrases = (*hats[:4], *reds[4:7], PARAPHRASES[7])
        assert reworded(settings_for(server), tmp_path, FOXES)[0] == (PARAPHRASES[7:],)


def test_without_a_language_model_nothing_is_asked(tmp_path: Path) -> None:
    assert reworded(Settings(), tmp_path, FOXES, "a hat") == (NONE, [])


@pytest.mark.parametrize("behaviour", ["failing", "refusing", "wrong-schema", "empty"])
def test_a_language_model_that_fails_leaves_captions_to_templates(tmp_path: Path, behaviour: Behaviour) -> None:
    with misbehaving(REQUEST, lambda: behaviour) as server:
        made, warnings = reworded(settings_for(server), tmp_path, FOXES)
    assert made == (None,) and len(warnings) == 1 and "emplates reword" in warnings[0]


@pytest.mark.parametrize(
    "changes",
    [
        {"llm": "nonsense"},
        {"llm": "openai:tiny", "base_url": None},
        {"budget_usd": 1.0},
        {"templates_dir": Path("/no")},
    ],
    ids=["no name", "no key", "no price", "no template"],
)
def test_one_that_cannot_be_asked_at_all_is_told_of_and_no_more(tmp_path: Path, changes: dict[str, Any]) -> None:
    given: dict[str, Any] = {"llm": "openai:tiny", "base_url": "http://127.0.0.1:9/v1", "moderation": "off"}
    made, warnings = reworded(Settings(**{**given, **changes}), tmp_path, FOXES, "a hat")
    assert made == NONE and len(warnings) == 1


class Asked:
    """A language model's stand-in that counts how often it is asked."""

    def __init__(self, answer: Rewordings) -> None:
        self.answer = answer
        self.times = 0

    def __call__(self) -> Rewordings:
        self.times += 1
        return self.answer


def once(checkpoint: Path, asked: Asked, writer: str | None = "a") -> Rewordings:
    return reword_once(checkpoint, [FOXES, "a hat"], writer=writer, ask=asked)


def test_what_was_answered_is_kept_and_used_again(tmp_path: Path) -> None:
    checkpoint, asked = tmp_path / "work" / "0a.safetensors", Asked(OURS)
    assert once(checkpoint, asked) == once(checkpoint, asked) == OURS
    checkpoint.write_bytes(b"begun")
    assert once(checkpoint, asked) == once(checkpoint, asked, "b") == once(checkpoint, asked, None) == OURS
    assert asked.times == 1, "learning goes on with what it was begun with, whoever would be asked now"


def test_another_language_model_or_none_is_no_reason_to_keep_it_where_nothing_is_learnt_yet(tmp_path: Path) -> None:
    checkpoint, asked = tmp_path / "0a.safetensors", Asked(OURS)
    once(checkpoint, asked)
    assert once(checkpoint, Asked((None, ("b",))), "b") == (None, ("b",))
    assert once(checkpoint, asked, None) == NONE and not kept_path(checkpoint).exists()
    checkpoint.write_bytes(b"begun")
    assert once(checkpoint, asked) == NONE, "it was begun with templates"
    assert asked.times == 1


def test_templates_are_not_kept_so_that_it_is_asked_again(tmp_path: Path) -> None:
    checkpoint = tmp_path / "0a.safetensors"
    assert once(checkpoint, Asked(NONE)) == NONE
    assert once(checkpoint, Asked(OURS)) == OURS


def test_a_damaged_file_is_none(tmp_path: Path) -> None:
    checkpoint = tmp_path / "0a.safetensors"
    kept_path(checkpoint).write_text('{"writer": "a"')
    assert once(checkpoint, Asked(OURS)) == OURS
