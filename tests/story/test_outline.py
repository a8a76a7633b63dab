"""Outlines as language models write them: what they leave out or write otherwise costs no character and no page."""

import json
from collections.abc import Callable
from typing import Any

import pytest

from story.answers import AltAnswer, TextAnswer, outline_schema, read_items
from story.draft import Outline, Shown
from story.outline import lines_of, read_outline
from story.rules import Rules
from story.safety import SafetyGate
from story.schema import SpokenLine, StoryRequest, WrittenStory
from tests.story.brain import Brain
from tests.story.builders import BANK, LEXICON, MAX_TOKENS, assert_is_proven, card, count_words, sound, writer

REQUEST = StoryRequest(idea="a fox who walks on", catalog=BANK, pages=4)
BRAIN = Brain(REQUEST)
SOUND = sound(BRAIN)


def outline_with(change: Callable[[dict[str, Any]], object]) -> str:
    """A sound outline that was changed."""
    outline = json.loads(BRAIN.answer("OutlineAnswer", []))
    change(outline)
    return json.dumps(outline)


def read(change: Callable[[dict[str, Any]], object]) -> Outline:
    outline = read_outline(outline_with(change), REQUEST, LEXICON)
    assert outline is not None
    return outline


@pytest.mark.parametrize(
    "change",
    [
        lambda outline: [beat.pop("changes") for beat in outline["pages"]],
        lambda outline: [beat.update(changes=None) for beat in outline["pages"]],
        lambda outline: outline["pages"][1].update(changes=["Rusty", {"name": None, "wears": None}]),
        lambda outline: outline["pages"][1].pop("place"),
        lambda outline: outline["characters"][1].update(concept=None, look=None, wears=None),
        lambda outline: outline["characters"][1].update(size="Big", pronoun="She"),
        lambda outline: [outline["characters"][1].pop(key) for key in ("concept", "look", "wears")],
        lambda outline: [beat.update(who=["rusty", " LUNA "]) for beat in outline["pages"]],
        lambda outline: outline["characters"][1].update(name="Luna\n"),
    ],
    ids=["no changes", "changes null", "odd changes", "no place", "null", "case", "left out", "who", "name"],
)
def test_what_is_left_out_or_written_otherwise_costs_nothing(change: Callable[[dict[str, Any]], object]) -> None:
    assert read(change) == read(lambda _: None)
    built, model = writer(outline_with(change), SOUND, SOUND, SOUND)
    assert built.write(REQUEST).warnings == ()
    assert len(model.history) == 4


def test_a_size_and_pronoun_of_its_own_and_a_single_name_are_read() -> None:
    def change(outline: dict[str, Any]) -> None:
        outline["characters"][1] |= {"size": "tiny", "pronoun": "she/her"}
        outline["pages"][0]["who"] = "Rusty"

    outline = read(change)
    assert [(member.name, member.size, member.pronoun) for member in outline.lineup] == [
        ("Rusty", "small", "he"),
        ("Luna", "medium", "they"),
    ]
    assert [member.name for member in outline.beats[1].who] == ["Rusty"]


def test_a_name_may_be_written_in_the_storys_letters_and_the_bank_name_finds_it() -> None:
    def change(outline: dict[str, Any]) -> None:
        outline["characters"][0]["name"] = "러스티"
        outline["pages"][0]["who"] = ["러스티", "Luna"]
        outline["pages"][1] |= {"who": ["rusty"], "changes": [{"name": "Rusty", "wears": "a hat"}]}

    outline = read(change)
    assert [member.name for member in outline.lineup] == ["러스티", "Luna"]
    assert [(member.name, member.concept, member.wears) for member in outline.beats[2].who] == [
        ("러스티", "rusty", "a hat")
    ]
    said = TextAnswer.model_validate({"number": 1, "text": "Hm.", "speech": [{"who": "Rusty", "words": "안녕!"}]})
    assert lines_of(said, outline.lineup) == (SpokenLine(speaker="rusty", text="안녕!"),)


def test_a_change_of_clothes_finds_its_name_in_any_case() -> None:
    outline = read(lambda outline: outline["pages"][1].update(changes=[{"name": "LUNA", "wears": "a hat"}]))
    assert [[member.wears for member in beat.who] for beat in outline.beats[1:]] == [["", ""], *[["", "a hat"]] * 3]


@pytest.mark.parametrize(
    ("character", "settled"),
    [
        ({"wears": "a scarf."}, ("rabbit", "", "a scarf")),
        ({"wears": "wearing a scarf with stars ,"}, ("rabbit", "", "a scarf with stars")),
        ({"look": "a tiny green"}, ("rabbit", "tiny green", "")),
        ({"look": "A small, round and green rabbit."}, ("rabbit", "small round green", "")),
        ({"wears": "in a red coat"}, ("rabbit", "", "a red coat")),
        ({"wears": "with glasses"}, ("rabbit", "", "glasses")),
        ({"look": "a small rabbit with a red hat"}, ("rabbit", "small", "")),
        ({"noun": "the rabbit.", "look": "an"}, ("rabbit", "", "")),
    ],
)
def test_phrases_are_settled_as_prompts_say_them(character: dict[str, Any], settled: tuple[str, str, str]) -> None:
    plain = {"name": "Ben", "concept": "", "noun": "rabbit", "look": "", "wears": ""}
    member = read(lambda outline: outline["characters"][1].update(plain | character)).lineup[1]
    assert (member.word, member.look, member.wears) == settled


def test_a_speaker_is_found_in_any_case() -> None:
    lineup = read(lambda outline: outline["characters"][1].update(name="Ben", concept="", noun="rabbit")).lineup
    said = [{"who": "RUSTY", "words": "Hm."}, {"who": "ben", "words": "Ha!"}, {"who": "Ann", "words": None}, None]
    answer = TextAnswer.model_validate({"number": 1, "text": "They met.", "speech": said})
    assert lines_of(answer, lineup) == (SpokenLine(speaker="rusty", text="Hm."), SpokenLine(speaker="Ben", text="Ha!"))


LONG_TITLE = "Rusty and the Cat and the Sea and the Wind and the Moon and the Lighthouse, which stood far away " * 2


def written_after(change: Callable[[dict[str, Any]], object], request: StoryRequest = REQUEST) -> WrittenStory:
    """The story of a model that never mends its outline, and whose prompts leave the place to it."""
    brain = Brain(request)
    brain.changes["scenes"] = {"prompt": "a fox sitting and a cat standing", "concepts": ["rusty", "luna"]}
    outline = brain.outline(range(1, 5))
    change(outline)
    raw, answer = json.dumps(outline), sound(brain)
    written = writer(raw, raw, raw, *[answer] * 6)[0].write(request)
    assert_is_proven(written, request)
    return written


def test_a_title_that_stays_too_long_is_cut_at_a_word() -> None:
    request = REQUEST.model_copy(update={"language": "ko", "second_language": "en"})
    written = written_after(lambda outline: outline.update(second_title=LONG_TITLE), request)
    assert written.story.second_title == "Rusty and the Cat and the Sea and the Wind and the Moon and the Lighthouse"
    assert "the second title has" in written.warnings[0]
    written = written_after(lambda outline: outline.update(title=LONG_TITLE))
    assert written.story.title == "Rusty and the Cat and the Sea and the Wind and the Moon and the Lighthouse"


def test_a_title_in_another_language_becomes_the_heros_name() -> None:
    request = REQUEST.model_copy(update={"language": "ko"})
    assert written_after(lambda outline: outline.update(title="Sea"), request).story.title == "여우"


@pytest.mark.parametrize(
    "change",
    [
        lambda outline: [page.update(place="눈") for page in outline["pages"]],
        lambda outline: outline["pages"][1].update(place="in the 눈 바다"),
        lambda outline: outline["characters"][0].update(wears="빨간 목도리"),
        lambda outline: outline["pages"][1].update(changes=[{"name": "Rusty", "wears": "목도리"}]),
        lambda outline: outline["characters"][1].update(concept="", noun="rabbit", look="작은"),
        lambda outline: outline["characters"][1].update(concept="", noun="토끼"),
        lambda outline: outline["pages"][1].update(place="in the <b>sea</b>"),
    ],
    ids=["place", "half a place", "clothes", "other clothes", "look", "noun", "markup"],
)
def test_what_stays_in_other_letters_or_with_markup_comes_into_no_prompt(
    change: Callable[[dict[str, Any]], object],
) -> None:
    written = written_after(change)
    assert "The outline was mended" in written.warnings[0]
    assert all(scene.prompt.isascii() and "<" not in scene.prompt for scene in written.story.scenes)


def test_the_banks_own_words_may_be_in_any_letters() -> None:
    catalog = (*BANK, card("yeou", "여우", "character"))
    request = REQUEST.model_copy(update={"catalog": catalog})
    rules = Rules(request=request, lexicon=LEXICON, gate=SafetyGate(), count_tokens=count_words, max_tokens=MAX_TOKENS)
    assert rules.scene(Shown(prompt="a 여우 sitting in the snow", concepts=("yeou",)), None) == []
    (message,) = rules.scene(Shown(prompt="a 여우 sitting in the 눈", concepts=("yeou",)), None)
    assert "letters that are not Latin" in message


def test_providers_are_told_that_everything_has_to_come() -> None:
    schema = outline_schema(REQUEST).model_json_schema()
    for shape in (schema, *schema["$defs"].values()):
        assert shape["required"] == [*shape["properties"]]
        assert shape["additionalProperties"] is False
        assert not [name for name, field in shape["properties"].items() if "default" in field]


def test_an_answer_is_read_while_it_comes_after_thoughts_with_braces() -> None:
    raw = '<think>{who} or {"pages": []}?</think>{"pages": [{"number": 1, "alt": "A fox."}, {"number": 2, "al'
    assert read_items(raw, AltAnswer, is_whole=False) == [AltAnswer(number=1, alt="A fox.")]
    assert read_items(raw.partition("</think>")[0], AltAnswer, is_whole=False) == []
