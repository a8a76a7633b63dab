"""What is known of languages: tags, writing direction, names.

Knows nothing of stories. Tags are BCP 47 ("en", "de", "ar", "zh-Hant"); where a table has no entry for a language the
functions say so, and callers do without.
"""

import re
import unicodedata
from collections.abc import Mapping
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
    "en": frozenset("the and of to was he she it his her they with that you on at is had for said but".split()),
    "de": frozenset("der die das und ein eine einen dem den ist war er sie es mit nicht sich im auf zu ich".split()),
    "fr": frozenset("le la les et un une des est était il elle dans pour avec sur ne pas que du ses au".split()),
    "es": frozenset("el los las y un una es era en con por para que su se no del al muy pero".split()),
    "it": frozenset("il lo gli e un una è era nel con per che non si di della sua suo al".split()),
    "nl": frozenset("de het een en was hij zij met niet van op te dat zijn haar er naar maar".split()),
    "pt": frozenset("o os as e um uma é era em com por para que não se do da seu sua ao".split()),
}
_MIN_SHARE = 0.7
_MIN_WORDS = 6
"""Shorter texts, such as titles, are judged by their script alone."""

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


def is_in_language(text: str, tag: str) -> bool:
    """Whether a text can be in that language: by its script, and for some of Latin script by its frequent words.

    A text without letters, or in a language that no table knows, is believed.
    """
    letters = [character for character in text if character.isalpha()]
    if not letters:
        return True
    primary = primary_language(tag)
    scripts = _SCRIPTS.get(primary, ("LATIN",) if primary in _FREQUENT or primary in NAMES else ())
    if scripts:
        written = sum(unicodedata.name(letter, "").startswith(scripts) for letter in letters)
        if written < _MIN_SHARE * len(letters):
            return False
    if primary not in _FREQUENT:
        return True
    words = re.findall(r"[^\W\d_]+", text.lower())
    if len(words) < _MIN_WORDS:
        return True
    votes = {language: sum(word in frequent for word in words) for language, frequent in _FREQUENT.items()}
    return votes[primary] == max(votes.values())
