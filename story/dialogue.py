"""Takes what somebody says out of a page's text, so that it can stand in a balloon. Knows the arcs' English only."""

import re
from collections.abc import Mapping

from story.schema import SpokenLine

_QUOTED = re.compile(r"“([^”]*)”")
_SAYS = r"(?:said|asked|called|sang|whispered)"


def part_speech(text: str, speakers: Mapping[str, str]) -> tuple[str, tuple[SpokenLine, ...]]:
    """The text without the speech that it ends with, and that speech.

    Only whole paragraphs at the end that are nothing but words and who says them are taken, so that what is left is
    still read in order before the balloons; the first paragraph always stays.

    Args:
        text: Paragraphs with speech between “ and ”.
        speakers: Concept id or name of those who may have balloons, by the name in the text.
    """
    paragraphs = text.split("\n\n")
    lines: list[SpokenLine] = []
    while len(paragraphs) > 1 and (line := _line_of(paragraphs[-1], speakers)):
        lines.insert(0, line)
        paragraphs.pop()
    return "\n\n".join(paragraphs), tuple(lines)


def _line_of(paragraph: str, speakers: Mapping[str, str]) -> SpokenLine | None:
    quotes = _QUOTED.findall(paragraph)
    between = _QUOTED.sub("", paragraph)
    said = re.fullmatch(rf"\W*{_SAYS} ([^\W\d_][\w ]*?)([.,]?)\s*\.?\s*", between)
    if not quotes or said is None or said[1] not in speakers:
        return None
    first, *rest = quotes
    goes_on = bool(rest) and said[2] == ","
    words = " ".join([first if goes_on or not first.endswith(",") else f"{first[:-1]}.", *rest])
    return SpokenLine(speaker=speakers[said[1]], text=words)
