"""What is known of languages: tags, writing direction, names.

Knows nothing of stories. Tags are BCP 47 ("en", "de", "ar", "zh-Hant"); where a table has no entry for a language the
functions say so, and callers do without.
"""

import re
from typing import Literal

Direction = Literal["ltr", "rtl"]

_TAG = re.compile(r"[A-Za-z]{2,3}(?:-[A-Za-z0-9]{2,8})*")
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
