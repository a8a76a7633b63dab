"""How hard a text is to follow, and which is too hard for a child of some age.

In languages that LIX is used for it is the measure, by `textstat`: words per sentence plus the percentage of words
longer than six letters. Elsewhere it is the length of sentences, and that of words where it is known how long they are
in children's books; where no spaces part words, letters per sentence. Knows nothing of stories.
"""

import re
import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass

from story.languages import primary_language

_STOPS = ".!?…‥。．！？｡؟۔।॥\u0589\u17d4\u104b\u1362"
"""The last four are Armenian, Khmer, Burmese and Ethiopic."""
_OWN_STOPS = "。।\u17d4\u104b"
"""Which a text with one of them has in place of "."."""
_SENTENCE_END = re.compile(f"[{_STOPS}]+")
_SENTENCE_END_OR_GAP = re.compile(rf"[{_STOPS}\s]+")
_WORD = re.compile(r"[^\W\d_]+(?:['’-][^\W\d_]+)*")
_LATIN_WORD = re.compile(r"[A-Za-zÀ-ɏ]+(?:['’-][A-Za-zÀ-ɏ]+)*")
_PAUSE = re.compile(r"\s*(?:[,;:،؛–—]\s+|[，；]\s*)")


@dataclass(frozen=True, kw_only=True)
class ReadingBand:
    """What a text for an age may be at most, on the average of a page."""

    words_per_sentence: float
    letters_per_word: float
    lix: float


# LIX below 25 is said to be a children's book's, 30 easy, 40 a newspaper's. One page is a short sample, so the bands
# leave room above these.
_BANDS: tuple[tuple[int, ReadingBand], ...] = (
    (4, ReadingBand(words_per_sentence=12, letters_per_word=5.6, lix=32)),
    (7, ReadingBand(words_per_sentence=17, letters_per_word=6.0, lix=38)),
    (10, ReadingBand(words_per_sentence=22, letters_per_word=6.6, lix=45)),
)
# How much longer words are than in English stories for the same age. Each language of these three tables has sentences
# for children, and for grown-ups, in tests/story/test_reading.py.
_LIX_FACTOR: Mapping[str, float] = {
    "da": 1.0, "en": 1.0, "fr": 1.0, "nb": 1.0, "nl": 1.0, "nn": 1.0, "no": 1.0, "sv": 1.0,
    "de": 1.12, "es": 1.15, "it": 1.15, "pt": 1.15, "pl": 1.3,
}  # fmt: skip
_LETTERS_FACTOR: Mapping[str, float] = {
    "ar": 1.0, "he": 1.0, "cs": 1.1, "fi": 1.3, "hu": 1.2, "ru": 1.2, "uk": 1.2, "tr": 1.35,
}  # fmt: skip
_LETTERS_IN_UNSPACED_WORD: Mapping[str, float] = {"zh": 2, "ja": 3, "th": 4, "lo": 4, "km": 3.5, "my": 3}
"""Of languages that write no space between words, about; vowels that are combining marks are not counted."""
_GAPS_END_SENTENCES = frozenset({"th", "lo"})


def band_of(age: int) -> ReadingBand:
    """The band of an age in years; children above the last band have the last."""
    return next((band for oldest, band in _BANDS if age <= oldest), _BANDS[-1][1])


def too_hard(text: str, *, age: int, language: str) -> str:
    """Why a text is too hard for a child of that age, in figures; empty when it is not."""
    bare, primary = _without_marks(text), primary_language(language)
    if primary in _LETTERS_IN_UNSPACED_WORD:
        return _long_unspaced(bare, age, primary)
    words = _WORD.findall(bare)
    if not words:
        return ""
    if long := _long_sentences(len(words) / _count(bare, _SENTENCE_END), band_of(age).words_per_sentence, "words", age):
        return long
    return _high_lix(bare, age, primary) if primary in _LIX_FACTOR else _long_words(words, age, primary)


def cut_sentences(text: str) -> str:
    """The text with its long sentences cut at commas and semicolons; a last resort that keeps every word."""
    paragraphs = re.split(r"(\n\s*\n)", text)
    return "".join(part if not part.strip() else _cut(part) for part in paragraphs)


def _without_marks(text: str) -> str:
    """The text without vowel signs and other marks that go with a letter, and joiners: they part no words."""
    composed = unicodedata.normalize("NFC", text)
    return "".join(each for each in composed if unicodedata.category(each) not in ("Mn", "Mc", "Me", "Cf"))


def _count(text: str, end: re.Pattern[str]) -> int:
    """How many sentences a text has, one at least."""
    return max(1, sum(any(map(str.isalpha, part)) for part in end.split(text)))


def _long_unspaced(bare: str, age: int, primary: str) -> str:
    """What is wrong with sentences without spaces; a name in Latin letters counts as one word."""
    per_word = _LETTERS_IN_UNSPACED_WORD[primary]
    names = len(_LATIN_WORD.findall(bare))
    letters = names * per_word + sum(map(str.isalpha, _LATIN_WORD.sub(" ", bare)))
    sentences = _count(bare, _SENTENCE_END_OR_GAP if primary in _GAPS_END_SENTENCES else _SENTENCE_END)
    return _long_sentences(letters / sentences, band_of(age).words_per_sentence * per_word, "letters", age)


def _long_sentences(measured: float, most: float, unit: str, age: int) -> str:
    if measured <= most:
        return ""
    return (
        f"its sentences have {measured:.1f} {unit} on average and at {age} years at most {most:g} are in order; "
        "write shorter sentences"
    )


def _high_lix(bare: str, age: int, primary: str) -> str:
    from textstat import textstat  # loads nltk, so only where a text is measured

    measured, most = textstat.lix(bare), band_of(age).lix * _LIX_FACTOR[primary]
    if measured <= most:
        return ""
    return (
        f"its LIX is {measured:.0f} and at {age} years at most {most:.0f} is in order; "
        "write shorter sentences and shorter words"
    )


def _long_words(words: list[str], age: int, primary: str) -> str:
    """What is wrong with the length of words; nothing in a language of which no length is known."""
    if primary not in _LETTERS_FACTOR:
        return ""
    measured = sum(map(len, words)) / len(words)
    most = band_of(age).letters_per_word * _LETTERS_FACTOR[primary]
    if measured <= most:
        return ""
    return (
        f"its words have {measured:.1f} letters on average and at {age} years at most {most:.1f} are in order; "
        "write shorter words"
    )


def _cut(paragraph: str) -> str:
    stop = next((own for own in _OWN_STOPS if own in paragraph), ".")
    pieces = [piece for piece in _PAUSE.split(paragraph) if piece]
    ended = [piece if _SENTENCE_END.search(piece[-2:]) else f"{piece}{stop}" for piece in pieces]
    return ("" if stop == "。" else " ").join(piece[:1].upper() + piece[1:] for piece in ended)
