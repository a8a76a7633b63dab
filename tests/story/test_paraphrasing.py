"""Other captions for a picture by a language model: what is kept of its answers, and what becomes of the rest."""

import json

import pytest

from story.costs import Price
from story.errors import BudgetExceeded, LanguageModelError, LanguageModelUnreachable, UnsafeRequest
from story.llm import Scripted, ScriptedLanguageModel
from story.paraphrasing import ENOUGH, NUM_PARAPHRASES, Paraphraser, SourceCaption, find_fault
from story.prompts import StoryPrompts
from story.safety import SafetyGate
from tests.story.builders import TEMPLATES, count_words
from tests.story.test_injection import ATTEMPTS

MAX_TOKENS = 16
PROMPTS = StoryPrompts(TEMPLATES, lexicon=None, max_tokens=MAX_TOKENS)
CAPTION = SourceCaption(
    text="A fox wearing a scarf in the snow.", words=("fox", "scarf"), foreign=("snow", "hat", "red", "fox cub")
)
SOUND = (
    "in the snow a fox wears a scarf",
    "a picture of a fox with a scarf in the snow",
    "a fox dressed in a scarf, in the snow",
    "a scarf is worn by a fox in the snow",
    "in the snow there is a fox in a scarf",
    "a drawing of a fox in the snow wearing a scarf",
    "a fox in the snow, wearing a scarf",
    "here, in the snow, a fox is wearing a scarf",
)


def answer(*captions: object) -> str:
    return json.dumps({"captions": captions})


def paraphraser(
    *answers: Scripted, price: Price | None = None, budget_usd: float | None = None, told: list[int] | None = None
) -> tuple[Paraphraser, ScriptedLanguageModel]:
    model = ScriptedLanguageModel(answers)
    made = Paraphraser(
        model,
        prompts=PROMPTS,
        gate=SafetyGate(),
        count_tokens=count_words,
        max_tokens=MAX_TOKENS,
        price=price,
        budget_usd=budget_usd,
        on_captions=None if told is None else told.append,
    )
    return made, model


def test_captions_that_keep_the_words_are_taken_and_asked_for_once() -> None:
    told: list[int] = []
    made, model = paraphraser(answer(*SOUND), told=told)
    assert made.write(CAPTION) == SOUND
    assert len(model.history) == 1 and len(SOUND) == NUM_PARAPHRASES
    assert told[0] == 0 and told == sorted(told) and told[-1] == len(SOUND)


def test_no_more_are_taken_than_were_asked_for_and_stops_and_line_breaks_are_mended() -> None:
    more = [f"a fox with a scarf in the snow, seen {number} times" for number in ("two", "three")]
    made, _ = paraphraser(answer("In the snow\n a fox wears a scarf.", *SOUND[1:], *more))
    assert made.write(CAPTION) == ("In the snow a fox wears a scarf", *SOUND[1:])


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("in the snow a fox", "'scarf' 0 times"),
        ("a fox and a fox wearing a scarf in the snow", "'fox' 2 times"),
        ("foxes wearing a scarf in the snow", "'fox' 0 times"),
        ("a Fox wearing a scarf in the snow", "'Fox' where the caption has 'fox'"),
        ("a fox wearing a red scarf in the snow", "adds 'red'"),
        ("a fox wearing a scarf and a hat in the snow", "adds 'hat'"),
        ("a fox wearing a scarf in the snow on the snow", "adds 'snow'"),
        ("a fox cub wearing a scarf in the snow", "adds 'fox cub'"),
        ("a **fox** wearing a scarf in the snow", "markup"),
        ("<b>a fox</b> wearing a scarf", "markup"),
        ("a fox\u202e wearing a scarf", "markup"),
        (" … ", "empty"),
        ("a fox wearing a scarf in the snow" + " through and on" * 3, "18 tokens and 16 fit"),
        ("a fox wearing a scarf", "leaves out 'snow'"),
        ("in the snow: a fox's scarf", ""),
    ],
)
def test_what_cannot_stand_in_for_a_caption_is_told_why(text: str, fault: str) -> None:
    found = find_fault(text, CAPTION, count_tokens=count_words, max_tokens=MAX_TOKENS)
    assert fault in found and bool(fault) == bool(found)


def test_a_word_inside_a_longer_one_that_is_known_is_the_captions_own() -> None:
    caption = SourceCaption(text="a straw hat on a cat", words=("hat",), foreign=("straw hat", "cat"))
    assert not find_fault("a cat wears a straw hat", caption, count_tokens=count_words, max_tokens=MAX_TOKENS)


def test_the_caption_itself_and_repetitions_are_left_out() -> None:
    made, model = paraphraser(answer("a fox wearing a scarf in the snow!", *SOUND[:4], SOUND[0].upper(), SOUND[1]))
    assert made.write(CAPTION) == SOUND[:4]
    assert len(model.history) == 1, f"{ENOUGH} are enough"


def test_where_few_can_be_used_it_is_asked_once_more_and_told_what_was_wrong() -> None:
    made, model = paraphraser(answer(*SOUND[:2], "a vixen in the snow"), answer(SOUND[0], *SOUND[2:4]))
    assert made.write(CAPTION) == SOUND[:4]
    asked, again = model.history
    assert again[: len(asked)] == asked
    assert json.loads(again[-2].content)["captions"][-1] == "a vixen in the snow"
    assert '"a vixen in the snow": "it says \\u0027fox\\u0027 0 times' in again[-1].content
    assert f"Write {NUM_PARAPHRASES - 2} captions" in again[-1].content


def test_an_answer_that_cannot_be_read_is_named_and_nothing_is_made_up() -> None:
    made, model = paraphraser("I would rather not.", answer())
    assert made.write(CAPTION) == ()
    assert "It could not be read: " in model.history[1][-1].content
    assert model.history[1][-2].content == "(no answer)"


@pytest.mark.parametrize(
    "raw",
    [
        f"Here they are:\n```json\n{answer(*SOUND)}\n```",
        f"<think>Let me see.</think>{answer(*SOUND)}",
        answer(*SOUND).removesuffix("]}"),
        json.dumps({"captions": [7, *SOUND, None, {"a": 1}], "evil": True}),
    ],
    ids=["fenced", "thought about", "cut off", "mixed"],
)
def test_what_can_be_read_of_an_answer_is_taken(raw: str) -> None:
    assert paraphraser(raw)[0].write(CAPTION) == SOUND


def test_a_model_that_stops_answering_loses_nothing_it_said() -> None:
    made, _ = paraphraser(answer(SOUND[0]), LanguageModelUnreachable("gone"))
    assert made.write(CAPTION) == SOUND[:1]
    with pytest.raises(LanguageModelUnreachable, match="gone"):
        paraphraser(LanguageModelUnreachable("gone"))[0].write(CAPTION)
    with pytest.raises(LanguageModelError, match="refused"):
        paraphraser(answer("a cat"), LanguageModelError("refused"))[0].write(CAPTION)


def test_a_budget_holds_for_all_captions_together() -> None:
    price = Price(input_usd=1, output_usd=100)
    made, model = paraphraser(answer(*SOUND), answer(*SOUND), price=price, budget_usd=0.485)
    assert made.write(CAPTION) == SOUND
    with pytest.raises(BudgetExceeded):
        made.write(CAPTION)
    assert len(model.history) == 1


def test_nothing_that_is_not_for_children_is_asked_or_kept() -> None:
    made, model = paraphraser()
    with pytest.raises(UnsafeRequest, match="no language model is asked"):
        made.write(SourceCaption(text="a naked fox", words=("fox",)))
    assert model.history == []
    made, _ = paraphraser(answer("a naked fox wearing a scarf in the snow", *SOUND[:4]))
    assert made.write(CAPTION) == SOUND[:4]


@pytest.mark.parametrize("attempt", ATTEMPTS)
def test_a_caption_is_a_quoted_string_and_nothing_else(attempt: str) -> None:
    plain = PROMPTS.for_paraphrases("a fox", ("fox",), num=NUM_PARAPHRASES)[0].content.split("\n")
    asked = PROMPTS.for_paraphrases(attempt, ("fox",), num=NUM_PARAPHRASES)[0].content.split("\n")
    differing = [line for line, other in zip(asked, plain, strict=True) if line != other]
    assert [json.loads(line) for line in differing] == [attempt]
    refused = PROMPTS.for_paraphrases_again([], written="", refused={attempt: attempt}, problem=attempt, num=1)
    assert "<" not in refused[-1].content
