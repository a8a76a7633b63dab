"""Variations of a concept picture's caption that keep its words, and whether the picture may be mirrored.

Works on text alone: knows nothing of tokens, models or pictures.
"""

import re
from collections.abc import Collection, Iterable

from concepts.binding import find_word
from concepts.schema import ConceptKind

PREFIXES = ("a picture of", "an illustration of", "a drawing of")

_PREPOSITION = r"\b(?:in|on|at|under|by|near)\b"
_SCENE_PHRASE = re.compile(rf"{_PREPOSITION}(?: the| a| an)?(?: [^\W\d_]+){{1,2}}$", re.IGNORECASE)
_LEADING_ARTICLE = re.compile(r"(?:An?|The)(?= )")
_SIDED_WORDS = frozenset("left right text letter letters lettering word words writing written sign reads".split())
_JOINING_WORDS = frozenset("and beside next between".split())
_WORD = re.compile(r"[^\W_]+(?:['’-][^\W_]+)*")


def paraphrase(caption: str, words: Collection[str]) -> tuple[str, ...]:
    """The caption itself first, then rewordings in which every one of `words` occurs as often as in the caption.

    Prefixes ("a picture of …") are added, and up to two phrases of place and light at the end are moved to the front
    or swapped; no word of the caption is dropped or changed. The same caption always gives the same tuple.
    """
    core = _core(caption)
    kept = [caption]
    for order in (core, *_reordered(core)):
        prefixes = () if re.match(_PREPOSITION, order, re.IGNORECASE) else PREFIXES
        for text in (order, *(f"{prefix} {order}" for prefix in prefixes)):
            if text not in (core, *kept) and keeps_words(text, caption, words):
                kept.append(text)
    return tuple(kept)


def split_scene(caption: str) -> tuple[str, str]:
    """A caption without up to two phrases of place and light at its end, and those phrases, which may be none."""
    head, last = _split_scene_phrase(_core(caption))
    subject, second_last = _split_scene_phrase(head)
    return subject, f"{second_last} {last}".strip()


def keeps_words(text: str, caption: str, words: Iterable[str]) -> bool:
    """Whether each of `words` occurs in `text` as often as in `caption`, as whole words and in any case."""
    return all(len(find_word(text, word)) == len(find_word(caption, word)) for word in words)


def may_mirror(caption: str, kinds: Iterable[ConceptKind]) -> bool:
    """Whether the mirrored picture still shows what the caption says.

    It does not when a concept is a pose, and when the caption speaks of lettering, quotes text, or says left or right;
    nor when it names several things, which models draw from left to right in the order in which they are named.
    """
    has_quote = any(mark in caption for mark in '"“”«»')
    is_sided = has_quote or bool(_words(caption) & _SIDED_WORDS)
    return "pose" not in set(kinds) and not is_sided and not names_several(caption)


def names_several(caption: str) -> bool:
    """Whether the caption has a word that joins several things, so that one may stand beside another."""
    return bool(_words(caption) & _JOINING_WORDS)


def _words(text: str) -> set[str]:
    return {match.group().casefold() for match in _WORD.finditer(text)}


def _core(caption: str) -> str:
    """The caption as it reads within a sentence."""
    return _LEADING_ARTICLE.sub(lambda match: match.group().lower(), caption.strip().rstrip("."), count=1)


def _reordered(caption: str) -> list[str]:
    """Orders of "a fox in the snow in the moonlight" that say the same."""
    head, last = _split_scene_phrase(caption)
    if not last:
        return []
    orders = [f"{last} {head}"]
    first_part, second_last = _split_scene_phrase(head)
    if second_last:
        orders += [f"{first_part} {last} {second_last}", f"{second_last} {first_part} {last}"]
    return orders


def _split_scene_phrase(text: str) -> tuple[str, str]:
    """Text before its last phrase of place or light, and that phrase; the phrase is empty when there is none."""
    match = _SCENE_PHRASE.search(text)
    head = text[: match.start()].rstrip(" ,") if match else ""
    return (head, match.group()) if match and head else (text, "")
