"""What stands in for a page's words that stayed out of order: the model's own as far as they can be used."""

import pytest

from story.draft import Beat, Text
from story.rules import Rules
from story.safety import SafetyGate
from story.schema import SpokenLine, StoryRequest
from story.splice import plain_text
from tests.story.brain import Brain
from tests.story.builders import (
    BANK,
    LEXICON,
    MAX_TOKENS,
    assert_is_proven,
    count_words,
    sound,
    writer,
)  # fmt: skip

GERMAN, ARABIC = "Rusty ging los. Der Wind war kalt.", "مشى الثعلب. كان الهواء باردا."
EIGHTY_WORDS = "Der Wind war kalt und der Schnee war tief. " * 20


def plain(
    text: str, second_text: str = "", *, languages: tuple[str, str | None] = ("de", "ar"), beat: str = ""
) -> Text:
    """What becomes of a page, which has to be in order."""
    request = StoryRequest(idea="a fox", catalog=BANK, pages=4, language=languages[0], second_language=languages[1])
    rules = Rules(request=request, lexicon=LEXICON, gate=SafetyGate(), count_tokens=count_words, max_tokens=MAX_TOKENS)
    told = Text(text=text, second_text=second_text, speech=(SpokenLine(speaker="nobody", text="Oh."),))
    spliced = plain_text(told, Beat(beat=beat, who=(), place=""), rules)
    assert spliced is not None
    assert rules.text(spliced, Beat(beat="", who=(), place="")) == []
    return spliced


@pytest.mark.parametrize(
    ("sides", "languages"),
    [
        ((GERMAN.replace(". ", ".\n\n"), ARABIC), ("de", "ar")),
        ((GERMAN, ARABIC.replace(". ", ".\n\n")), ("de", "ar")),
        (("狐狸走了。\n\n风很冷。", "The fox went on. The wind was cold."), ("zh", "en")),
    ],
)
def test_texts_with_unequal_paragraphs_become_one_paragraph_each(
    sides: tuple[str, str], languages: tuple[str, str]
) -> None:
    spliced = plain(*sides, languages=languages)
    joined = tuple(side.replace("。\n\n", "。").replace("\n\n", " ") for side in sides)
    assert (spliced.text, spliced.second_text) == joined


def test_texts_that_are_too_hard_as_well_have_their_sentences_cut() -> None:
    hard = (
        "Rusty ging los, und der Wind war kalt, und der Schnee war tief, und Luna lief neben ihm her.\n\n"
        "Da war es spät, und der Mond kam, und der Fuchs war müde, und die Katze war es auch."
    )
    assert plain(hard, ARABIC).text.startswith("Rusty ging los. Und der Wind war kalt. Und der Schnee")


def test_of_a_page_that_ends_badly_both_sides_keep_as_many_sentences() -> None:
    spliced = plain(f"{GERMAN} <b>Fett!</b>", f"{ARABIC} مشى الثعلب.")
    assert (spliced.text, spliced.second_text) == (GERMAN, ARABIC)
    spliced = plain(GERMAN, f"{ARABIC} <b>.")
    assert (spliced.text, spliced.second_text) == (GERMAN, ARABIC)
    spliced = plain(f"{GERMAN} {EIGHTY_WORDS}", ARABIC)
    assert (spliced.text, spliced.second_text) == (GERMAN, ARABIC)


def test_the_outlines_sentence_comes_before_a_shortened_text() -> None:
    text = f"{GERMAN} <b>Fett!</b>"
    assert plain(text, languages=("de", None), beat="Rusty geht zu dem Meer.").text == "Rusty geht zu dem Meer."
    assert plain(text, languages=("de", None)).text == GERMAN


def test_a_bilingual_page_whose_paragraphs_stay_unequal_costs_no_book() -> None:
    request = StoryRequest(idea="a fox", catalog=BANK, pages=4, language="de", second_language="ar")
    brain = Brain(request)
    brain.changes["texts"] = {"text": GERMAN.replace(". ", ".\n\n"), "second_text": ARABIC}
    answer = sound(brain)
    written = writer(answer, answer, answer, answer, answer, answer)[0].write(request)
    assert_is_proven(written, request)
    assert [page.text for page in written.story.pages] == [GERMAN] * 4
    assert all("was simplified: the two texts have not the same number" in warning for warning in written.warnings)
