"""What is known of languages: tags, writing direction, names.

Knows nothing of stories. Tags are BCP 47 ("en", "de", "ar", "zh-Hant"); where a table has no entry for a language the
functions say so, and callers do without.
"""

import re
import unicodedata
from collections.abc import Iterable, Mapping
from typing import Literal

Direction = Literal["ltr", "rtl"]

NAMES: Mapping[str, str] = {
    "ar": "Arabic", "de": "German", "en": "English", "es": "Spanish", "fr": "French", "he": "Hebrew", "hi": "Hindi",
    "it": "Italian", "ja": "Japanese", "ko": "Korean", "nl": "Dutch", "pl": "Polish", "pt": "Portuguese",
    "ru": "Russian", "sv": "Swedish", "tr": "Turkish", "uk": "Ukrainian", "zh": "Chinese",
}  # fmt: skip
_SCRIPTS: Mapping[str, tuple[str, ...]] = {
    "ar": ("ARABIC",), "fa": ("ARABIC",), "ur": ("ARABIC",), "he": ("HEBREW",), "ru": ("CYRILLIC",),
    "uk": ("CYRILLIC",), "bg": ("CYRILLIC",), "el": ("GREEK",), "hi": ("DEVANAGARI",), "th": ("THAI",),
    "ko": ("HANGUL",), "ja": ("HIRAGANA", "KATAKANA", "CJK"), "zh": ("CJK",),
}  # fmt: skip
# Words that are frequent in one of these languages and rare or absent in the others.
_FREQUENT: Mapping[str, frozenset[str]] = {
    "en": frozenset(
        "the and of to was were he him she it his her they with that this you on at is had have for from into not said"
        " but then there when what who could would".split()
    ),
    "de": frozenset("der die das und ein eine einen dem den ist war er sie es mit nicht sich im auf zu ich".split()),
    "fr": frozenset("le la les et un une des est était il elle dans pour avec sur ne pas que du ses au".split()),
    "es": frozenset("el los las y un una es era en con por para que su se no del al muy pero".split()),
    "it": frozenset("il lo gli e un una è era nel con per che non si di della sua suo al".split()),
    "nl": frozenset("de het een en was hij zij met niet van op te dat zijn haar er naar maar".split()),
    "pt": frozenset("o os as e um uma é era em com por para que não se do da seu sua ao".split()),
}
# Words of the lists above that are frequent in this language as well: they count for it, and against no other.
_SHARED: Mapping[str, frozenset[str]] = {
    "en": frozenset("as do no".split()),
    "de": frozenset("des du was".split()),
    "fr": frozenset("de en es on se te y".split()),
    "es": frozenset("da de e he la les lo o si te".split()),
    "it": frozenset("da del la le ne no o se su te".split()),
    "nl": frozenset("die had is of".split()),
    "pt": frozenset("de no si te".split()),
}
# Of languages without a list here, those with many of the words above; only English is told from them.
_ALIKE = frozenset("af ast ca co da eo fo fur fy gl gsw ia is la lb lmo nb nds nn no oc rm ro sc sv".split())
_MIN_SHARE = 0.7
_MIN_WORDS = 6
"""Shorter texts, such as titles, are judged by their script alone."""
_DOMINANT_SHARE = 0.25
_DOMINANT_WORDS = 3
"""Different ones, since a single word may be frequent in two languages that have nothing in common."""
_LATIN_LETTERS = "A-Za-zÀ-ɏ"

TAG_PATTERN = r"[A-Za-z]{2,3}(-[A-Za-z0-9]{2,8})*"
_TAG = re.compile(TAG_PATTERN)
_RTL_LANGUAGES = frozenset("ar arc ckb dv fa he iw ji ps sd syr ug ur yi".split())
_RTL_SCRIPTS = frozenset("adlm arab hebr mand nkoo rohg syrc thaa".split())


def check_language(tag: str) -> str:
    """The tag itself.

    Raises:
        ValueError: It has not the form of a BCP 47 tag.
    """
    if not _TAG.fullmatch(tag):
        raise ValueError(f"{tag!r} is no language tag: write one such as 'en', 'de', 'ko', 'ar' or 'zh-Hant'")
    return tag


def primary_language(tag: str) -> str:
    """The language without script and region, in lower case: "de-AT" is "de"."""
    return tag.lower().split("-")[0]


def direction_of(tag: str) -> Direction:
    """Which way a language is written: by its script where the tag names one, else by the language."""
    primary, *rest = tag.lower().split("-")
    scripts = [part for part in rest if len(part) == 4 and part.isalpha()]
    is_rtl = scripts[0] in _RTL_SCRIPTS if scripts else primary in _RTL_LANGUAGES
    return "rtl" if is_rtl else "ltr"


def name_of(tag: str) -> str:
    """The language's English name, with the tag; the tag alone where it is not known here."""
    name = NAMES.get(primary_language(tag))
    return f"{name} ({tag})" if name else tag


def is_in_language(text: str, tag: str, *, names: Iterable[str] = ()) -> bool:
    """Whether a text can be in that language: by its script, and by words that are frequent in some languages.

    A text in a language whose frequent words no table knows is believed unless those of another clearly dominate.

    Args:
        names: Left out of what is judged, since names keep their letters in every language.
    """
    told, primary = _without(text, names), primary_language(tag)
    return _is_in_script(told, primary) and _has_words_of(told, primary)


def has_letters_beside(text: str, tag: str, *, names: Iterable[str] = ()) -> bool:
    """Whether a text has, beside these names, any letter of a script that the language is not written in."""
    scripts, letters = _scripts_of(primary_language(tag)), filter(str.isalpha, _without(text, names))
    return bool(scripts) and not all(_is_of(letter, scripts) for letter in letters)


def _without(text: str, names: Iterable[str]) -> str:
    """The text without these names, also where endings of another script follow at once: "Rusty가"."""
    longest_first = sorted({name for name in names if name.strip()}, key=len, reverse=True)
    if not longest_first:
        return text
    any_name = "|".join(map(re.escape, longest_first))
    return re.sub(rf"(?<![{_LATIN_LETTERS}])(?:{any_name})(?![{_LATIN_LETTERS}])", " ", text, flags=re.IGNORECASE)


def _scripts_of(primary: str) -> tuple[str, ...]:
    """How names of the language's letters begin in Unicode; empty where it is not known."""
    return _SCRIPTS.get(primary, ("LATIN",) if primary in _FREQUENT or primary in NAMES else ())


def _is_of(letter: str, scripts: tuple[str, ...]) -> bool:
    return unicodedata.name(letter, "").startswith(scripts)


def _is_in_script(text: str, primary: str) -> bool:
    scripts, letters = _scripts_of(primary), [character for character in text if character.isalpha()]
    return not scripts or sum(_is_of(letter, scripts) for letter in letters) >= _MIN_SHARE * len(letters)


def _has_words_of(text: str, primary: str) -> bool:
    words = re.findall(r"[^\W\d_]+", text.lower())
    if len(words) < _MIN_WORDS:
        return True
    if primary in _FREQUENT:
        own = sum(word in _FREQUENT[primary] or word in _SHARED[primary] for word in words)
        return own >= max(sum(word in frequent for word in words) for frequent in _FREQUENT.values())
    others = ("en",) if primary in _ALIKE else _FREQUENT
    return not any(_dominate(_FREQUENT[other], words) for other in others)


def _dominate(frequent: frozenset[str], words: list[str]) -> bool:
    said = [word for word in words if word in frequent]
    return len(said) >= _DOMINANT_SHARE * len(words) and len({*said}) >= _DOMINANT_WORDS
