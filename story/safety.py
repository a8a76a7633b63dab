"""Keeps what is not for children out: a local word and topic check that is always on, and an endpoint's moderation.

Fails closed: what cannot be judged is not let through. Knows no writer and no picture model. The words are data in
`story/unsafe_words.json`, by reason and language, and so are those that only look like them ("harmless").
"""

import json
import re
import unicodedata
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, Protocol

from concepts.schema import ConceptCard
from story.errors import LanguageModelError, ModerationUnavailable, UnsafeRequest
from story.schema import StoryRequest, WrittenStory

WORDS_PATH = Path(__file__).with_name("unsafe_words.json")
MODERATION_MODEL = "omni-moderation-latest"

_HARMLESS = "harmless"
_LEET = str.maketrans("013457@$!", "oieastasi")
_INVISIBLE = re.compile(r"[\u00ad\u200b-\u200f\u202a-\u202e\u2060-\u2064\ufeff\u064b-\u0652\u0640]")
_SEPARATORS = re.compile(r"[ .\-_*]")
_SPACED = re.compile(r"\b(?:\w[ .\-_*]){2,}\w\b")


class Moderator(Protocol):
    """Whoever judges texts beyond the local check."""

    def reasons(self, texts: Sequence[str]) -> tuple[tuple[str, ...], ...]:
        """For each text the reasons why it is not for children; empty where it is.

        Raises:
            ModerationUnavailable: There is no verdict.
        """
        ...


def unsafe_reasons(text: str) -> tuple[str, ...]:
    """Why a text is not for children by the local check ("violence", "drugs", …); empty when it is.

    Case, accents of letters, invisible characters, digits for letters and letters with spaces between them do not
    hide a word. All languages' words are checked whatever the text's language is said to be.
    """
    readings = _readings(text)
    return tuple(reason for reason, pattern in _patterns() if any(pattern.search(reading) for reading in readings))


@dataclass(frozen=True, kw_only=True)
class SafetyGate:
    """The local check, and the endpoint's where one is given."""

    moderator: Moderator | None = None

    def reasons(self, texts: Sequence[str]) -> tuple[tuple[str, ...], ...]:
        """For each text the reasons why it is blocked, by either check.

        Raises:
            ModerationUnavailable: The endpoint gave no verdict; nothing may be let through then.
        """
        found = [unsafe_reasons(text) for text in texts]
        if self.moderator is None or not texts:
            return tuple(found)
        judged = self.moderator.reasons(texts)
        if len(judged) != len(texts):
            raise ModerationUnavailable(
                f"The moderation endpoint judged {len(judged)} of {len(texts)} texts, so nothing is let through. Try "
                "again."
            )
        return tuple(tuple(dict.fromkeys((*own, *others))) for own, others in zip(found, judged, strict=True))

    def check_words(self, words: Mapping[str, str]) -> None:
        """Let words through that a picture is drawn or learnt by, or not.

        Args:
            words: By what they are, as a sentence begins: "The prompt".

        Raises:
            UnsafeRequest: Some are not for children; the message names them by what they are, and the reasons.
            ModerationUnavailable: As `reasons`.
        """
        for item, reasons in zip(words, self.reasons(list(words.values())), strict=True):
            if reasons:
                raise UnsafeRequest(f"{item} is not for children ({', '.join(reasons)}). Ask for something else.")

    def check_request(self, request: StoryRequest) -> None:
        """Let a request through, or not.

        Raises:
            UnsafeRequest: Idea or a concept's texts are not for children; the message names the reasons.
            ModerationUnavailable: As `reasons`.
        """
        verdicts = self.reasons([request.idea, *map(words_of, request.catalog)])
        items = ["The idea", *(f"The concept {card.id!r}" for card in request.catalog)]
        for item, reasons in zip(items, verdicts, strict=True):
            if reasons:
                raise UnsafeRequest(
                    f"{item} is not for a children's book ({', '.join(reasons)}). Write about something else, or take "
                    "the concept out of the bank."
                )

    def check_story(self, written: WrittenStory) -> WrittenStory:
        """The story itself when all of it may be read by children.

        Raises:
            UnsafeRequest: A part is not for children.
            ModerationUnavailable: As `reasons`.
        """
        story = written.story
        parts = {"The title": f"{story.title}\n{story.second_title}"}
        for number, page in enumerate(story.pages, start=1):
            said = [line.text for line in page.speech]
            parts[f"The text of page {number}"] = "\n".join([page.text, page.second_text, *said])
        for number, scene in enumerate(story.scenes):
            parts[f"The picture of page {number}" if number else "The cover"] = f"{scene.prompt}\n{scene.alt}"
        for part, reasons in zip(parts, self.reasons(list(parts.values())), strict=True):
            if reasons:
                raise UnsafeRequest(
                    f"{part} is not for children ({', '.join(reasons)}), so no book is made of it. Word it otherwise, "
                    "or begin with another idea."
                )
        return written


def words_of(card: ConceptCard) -> str:
    """All words of a concept, as they are judged."""
    return f"{card.name}. {card.word}. {card.caption}"


class OpenAIModerator:
    """OpenAI's moderation endpoint, or another server's at the same path.

    Raises:
        LanguageModelError: There is neither a key nor another server.
    """

    def __init__(self, *, base_url: str | None, api_key: str | None, timeout_s: float = 30.0) -> None:
        if not (api_key or base_url):
            raise LanguageModelError(
                "OpenAI's moderation of texts needs a key. Set OPENAI_API_KEY, or set moderation to 'off' to rely on "
                "the local check alone."
            )
        self.base_url = base_url
        self.api_key = api_key
        self.timeout_s = timeout_s

    def reasons(self, texts: Sequence[str]) -> tuple[tuple[str, ...], ...]:
        """The categories that the endpoint flags, for each text.

        Raises:
            ModerationUnavailable: No verdict came; also where the server has no such endpoint.
        """
        from openai import OpenAI, OpenAIError

        try:
            client = OpenAI(
                base_url=self.base_url, api_key=self.api_key or "not-needed", timeout=self.timeout_s, max_retries=1
            )
            answer = client.moderations.create(model=MODERATION_MODEL, input=list(texts))
            if not answer.results:  # some servers answer 200 to whatever they do not know
                raise ValueError("it may have no such endpoint, since its answer holds no results")
            return tuple(_flagged(result) for result in answer.results)
        except (OpenAIError, ValueError, TypeError, AttributeError) as error:
            raise self._unavailable(error) from error

    def _unavailable(self, error: Exception) -> ModerationUnavailable:
        return ModerationUnavailable(
            f"The moderation endpoint at {self.base_url or 'OpenAI'} gave no verdict, so nothing is let through: "
            f"{str(error)[:200]}. Try again, or set moderation to 'off' to rely on the local check alone."
        )


def _flagged(result: Any) -> tuple[str, ...]:
    if not result.flagged:
        return ()
    named = tuple(
        name.replace("/", ", ") for name, is_so in result.categories.model_dump(by_alias=True).items() if is_so
    )
    return named or ("flagged by moderation",)


def _readings(text: str) -> tuple[str, ...]:
    """The text as a reader may take it, without what is harmless: plain, with digits as letters, with spaced letters
    joined."""
    composed = unicodedata.normalize("NFKC", text)
    plain = unicodedata.normalize("NFC", _INVISIBLE.sub("", composed).casefold())
    bare = _bare(plain)
    joined = _SPACED.sub(lambda match: _SEPARATORS.sub("", match[0]), bare)
    # The first of the letters may be a word by itself: "a m u r d e r".
    but_first = _SPACED.sub(lambda match: match[0][:2] + _SEPARATORS.sub("", match[0][2:]), bare)
    # What is harmless goes before marks become letters, or "Folter!" ends in another one.
    readings = [_harmless().sub(" ", reading) for reading in dict.fromkeys((plain, bare, joined, but_first))]
    return tuple(dict.fromkeys((*readings, *(reading.translate(_LEET) for reading in readings))))


def _bare(text: str) -> str:
    """The text with its letters' accents left out."""
    stripped = "".join(c for c in unicodedata.normalize("NFD", text) if not unicodedata.combining(c))
    return unicodedata.normalize("NFC", stripped)


@cache
def _words() -> Mapping[str, Mapping[str, Sequence[str]]]:
    return json.loads(WORDS_PATH.read_text(encoding="utf-8"))


@cache
def _patterns() -> tuple[tuple[str, re.Pattern[str]], ...]:
    """For each reason one expression over the words of all languages."""
    return tuple(
        (reason, re.compile("|".join(_expression(w, language) for language, its in by_language.items() for w in its)))
        for reason, by_language in _words().items()
        if reason != _HARMLESS
    )


@cache
def _harmless() -> re.Pattern[str]:
    """What only looks unsafe, such as "had drunk"; also as it reads without accents."""
    by_language = _words()[_HARMLESS].items()
    spelled = [(spelling, language) for language, its in by_language for w in its for spelling in (w, _bare(w))]
    return re.compile("|".join(_expression(spelling, language) for spelling, language in spelled))


def _expression(word: str, language: str) -> str:
    """A word or words as an expression.

    Words are whole; an asterisk stands for any ending, an ellipsis for up to four words. Korean and Arabic
    join particles to words, so there a word may have any ending, in Korean any beginning too and in Arabic a joined
    article or preposition; an equals sign at either end keeps that end whole.
    """
    stem = word.strip("*=").casefold()
    parts = [r"\s+".join(map(re.escape, part.split())).replace(r"\*", r"\w*") for part in stem.split("…")]
    body = r"\W+(?:\w+\W+){0,4}?".join(parts)
    before, after = r"(?<!\w)", r"(?!\w)"
    if language == "ko" and not word.startswith("="):
        before = ""
    elif language == "ar":
        before += "(?:وال|بال|ال|و|ب|ل)?"
    if word.endswith("*") or (language in ("ko", "ar") and not word.endswith("=")):
        after = ""
    return f"{before}(?:{body}){after}"
