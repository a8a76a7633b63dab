"""How hard a text is to follow, and which is too hard for a child of some age.

In languages of Latin script the measure is LIX, by `textstat`: words per sentence plus the percentage of words longer
than six letters. Elsewhere it is the length of sentences and words alone. Knows nothing of stories.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass

from story.languages import primary_language

_LATIN = frozenset("da de en es fi fr it nl no pl pt sv".split())
_SENTENCE_END = re.compile(r"[.!?…。！？؟।]+")


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
# German joins nouns, Korean and Arabic join particles to words.
_LONGER_WORDS: Mapping[str, float] = {"de": 1.12, "fi": 1.3}


def band_of(age: int) -> ReadingBand:
    """The band of an age in years; children above the last band have the last."""
    return next((band for oldest, band in _BANDS if age <= oldest), _BANDS[-1][1])


def too_hard(text: str, *, age: int, language: str) -> str:
    """Why a text is too hard for a child of that age, in figures; empty when it is not."""
    words = re.findall(r"[^\W\d_]+(?:['’-][^\W\d_]+)*", text)
    if not words:
        return ""
    band, primary = band_of(age), primary_language(language)
    sentences = max(1, len([part for part in _SENTENCE_END.split(text) if part.strip(" \n\"'“”«»")]))
    per_sentence = len(words) / sentences
    if per_sentence > band.words_per_sentence:
        return (
            f"its sentences have {per_sentence:.1f} words on average and at {age} years at most "
            f"{band.words_per_sentence:g} are in order; write shorter sentences"
        )
    if primary in _LATIN:
        from textstat import textstat  # loads nltk, so only where a text is measured

        measured, most = textstat.lix(text), band.lix * _LONGER_WORDS.get(primary, 1.0)
        if measured > most:
            return (
                f"its LIX is {measured:.0f} and at {age} years at most {most:.0f} is in order; "
                "write shorter sentences and shorter words"
            )
        return ""
    per_word = sum(map(len, words)) / len(words)
    if per_word > band.letters_per_word:
        return (
            f"its words have {per_word:.1f} letters on average and at {age} years at most {band.letters_per_word:g} "
            "are in order; write shorter words"
        )
    return ""


def cut_sentences(text: str) -> str:
    """The text with its long sentences cut at commas and semicolons; a last resort that keeps every word."""
    paragraphs = re.split(r"(\n\s*\n)", text)
    return "".join(part if not part.strip() else _cut(part) for part in paragraphs)


def _cut(paragraph: str) -> str:
    pieces = re.split(r"\s*[,;:،；，؛–—]\s+", paragraph)
    ended = [piece if _SENTENCE_END.search(piece[-2:]) else f"{piece}." for piece in pieces if piece]
    return " ".join(piece[:1].upper() + piece[1:] for piece in ended)
