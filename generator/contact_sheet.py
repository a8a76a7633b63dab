"""A contact sheet: pictures side by side, each with what was added to it, as in Fig. 13 of TokenVerse.

Knows Pillow, and nothing of models or concepts.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

from PIL import Image, ImageDraw, ImageFont, ImageOps

PANELS_A_ROW = 5
MARGIN = 12
_GAP = 4
_PAPER, _INK = (255, 255, 255), (40, 40, 40)


@dataclass(frozen=True)
class Panel:
    """One picture of the sheet, of the same size as all others."""

    picture: Image.Image
    sources: tuple[Image.Image, ...]
    """Pictures shown small above it: those that what is new in it was learnt from."""
    label: str
    """Written below it, in as many lines as it needs."""


def contact_sheet(panels: Sequence[Panel]) -> Image.Image:
    """All panels from left to right and from top to bottom, RGB on white; at least one panel."""
    width, height = panels[0].picture.size
    most_sources = max(1, *(len(panel.sources) for panel in panels))
    thumb = min(width // 3, (width + _GAP) // most_sources - _GAP)
    font = ImageFont.load_default(max(11, width // 14))
    labels = [_wrap(panel.label, font, width) for panel in panels]
    line_height = math.ceil(font.size * 1.3)
    label_height = line_height * max(len(lines) for lines in labels)
    cell_width, cell_height = width + MARGIN, thumb + MARGIN // 2 + height + label_height + 2 * MARGIN
    columns = min(len(panels), PANELS_A_ROW)
    rows = math.ceil(len(panels) / columns)
    sheet = Image.new("RGB", (columns * cell_width + MARGIN, rows * cell_height + MARGIN), _PAPER)
    draw = ImageDraw.Draw(sheet)
    for index, (panel, lines) in enumerate(zip(panels, labels, strict=True)):
        left, top = MARGIN + index % columns * cell_width, MARGIN + index // columns * cell_height
        for place, source in enumerate(panel.sources):
            sheet.paste(ImageOps.fit(source.convert("RGB"), (thumb, thumb)), (left + place * (thumb + _GAP), top))
        below = top + thumb + MARGIN // 2
        sheet.paste(panel.picture, (left, below))
        for number, line in enumerate(lines):
            draw.text((left, below + height + 4 + number * line_height), line, fill=_INK, font=font)
    return sheet


def _wrap(text: str, font: ImageFont.FreeTypeFont | ImageFont.ImageFont, width: int) -> list[str]:
    """The text in lines no wider than `width` pixels, but at least one word in each."""
    lines: list[str] = []
    for word in text.split():
        longer = f"{lines[-1]} {word}" if lines else word
        if lines and font.getlength(longer) <= width:
            lines[-1] = longer
        else:
            lines.append(word)
    return lines or [""]
