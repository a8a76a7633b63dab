"""Heads of the six kinds, around their own centre (0, 0): about 92 units wide and 76 high, ears above.

Eyes, nose and cheeks sit a little to the right, so that a mirrored figure looks the other way.
"""

from collections.abc import Callable
from dataclasses import dataclass

from pocket.world.parts_shapes import (
    CREAM,
    INK,
    NO_LINE,
    RGB,
    WHITE,
    darker,
    ellipse,
    group,
    line,
    mix,
    path,
    rect,
    rgb,
)
from pocket.world.schema import Look

EYE: RGB = (0.17, 0.12, 0.19)
BLUSH: RGB = (0.98, 0.50, 0.50)
STEEL: RGB = (0.66, 0.69, 0.76)
SCREEN: RGB = (0.20, 0.22, 0.33)
GLOW: RGB = (0.80, 1.0, 0.95)
SKINS = tuple(rgb(text) for text in ("#ffdcc0", "#e8b088", "#b87a54", "#8a5638"))
HAIRS = tuple(rgb(text) for text in ("#6a3a22", "#3a2a2a", "#c8853a"))


@dataclass(frozen=True, kw_only=True)
class Coat:
    """How a figure is coloured: `fur` may be a gradient, `plain` and `light` are always colours."""

    fur: RGB | str
    plain: RGB
    light: RGB
    spots: RGB | None


def skin_of(look: Look) -> RGB:
    return SKINS[(look.ears + 2 * look.tail) % len(SKINS)]


def hair_of(look: Look) -> RGB:
    return mix(HAIRS[look.ears], darker(look.accent, 0.4), 0.35)


def face(*, closed: bool, y: float = 3, apart: float = 18, blush: float = 31) -> str:
    """Eyes with their highlights and the cheeks."""
    parts = [ellipse(3 + s * blush, y + 13, 7.5, 5, BLUSH, NO_LINE + ' opacity="0.6"') for s in (-1, 1)]
    for x in (4 - apart, 4 + apart):
        if closed:
            parts.append(line(f"M{x - 8},{y} q8,8 16,0", INK, 3.4))
            continue
        parts.append(ellipse(x, y, 7.6, 9.6, EYE, NO_LINE))
        parts.append(ellipse(x - 2.4, y - 3.6, 3, 3.4, WHITE, NO_LINE))
        parts.append(ellipse(x + 2.6, y + 4, 1.5, 1.5, WHITE, NO_LINE + ' opacity="0.8"'))
    return "".join(parts)


def _smile(x: float, y: float, size: float = 6) -> str:
    return line(f"M{x - size},{y} q{size / 2},{size * 0.8} {size},0 q{size / 2},{size * 0.8} {size},0", INK, 2.4)


def _spots(coat: Coat, places: tuple[tuple[float, float, float], ...]) -> str:
    if coat.spots is None:
        return ""
    return "".join(ellipse(x, y, r, r * 0.9, coat.spots, NO_LINE) for x, y, r in places)


def _both(shape: Callable[[int], str]) -> str:
    return shape(-1) + shape(1)


def fox_head(look: Look, coat: Coat, closed: bool) -> str:
    tips = ((40, -72, 8), (56, -60, 4), (38, -66, 16))[look.ears]
    tip_x, tip_y, soft = tips

    def ear(s: int) -> str:
        outer = (
            f"M{s * 8},-30 Q{s * (tip_x - soft)},{tip_y + 6} {s * tip_x},{tip_y} Q{s * (tip_x + 7)},-40 {s * 46},-10Z"
        )
        dx, dy = tip_x * 0.45 + 17, tip_y * 0.45 - 14
        inner = f"M{s * 20},-28 L{s * dx:.1f},{dy - 6:.1f} L{s * 38},-20Z"
        return path(outer, coat.fur) + path(inner, coat.light, NO_LINE)

    shape = (
        "M-45,-4 C-44,-28 -24,-37 0,-37 C24,-37 44,-28 45,-4 C45,6 49,12 56,18 C44,21 38,25 30,30 "
        "C20,37 9,41 0,41 C-9,41 -20,37 -30,30 C-38,25 -44,21 -56,18 C-49,12 -45,6 -45,-4Z"
    )
    white = (
        "M-54,18 C-44,9 -34,8 -24,12 C-12,16 -2,14 4,2 C10,14 18,16 26,12 C36,8 44,9 54,18 C44,21 38,25 30,30 "
        "C20,37 9,40 0,40 C-9,40 -20,37 -30,30 C-38,25 -44,21 -54,18Z"
    )
    nose = ellipse(4, 18, 7, 5.4, EYE, NO_LINE) + _smile(4, 26)
    spots = _spots(coat, ((-20, -21, 11), (25, -20, 10)))
    return _both(ear) + path(shape, coat.fur) + spots + path(white, CREAM, NO_LINE) + face(closed=closed, y=0) + nose


def cat_head(look: Look, coat: Coat, closed: bool) -> str:
    tip_x, tip_y = ((42, -68), (50, -58), (35, -72))[look.ears]

    def ear(s: int) -> str:
        outer = f"M{s * 6},-30 L{s * tip_x},{tip_y} L{s * 46},-6Z"
        inner = f"M{s * 19},-29 L{s * (tip_x - 2)},{tip_y + 13} L{s * 40},-17Z"
        return path(outer, coat.fur) + path(inner, coat.light, NO_LINE)

    def whiskers(s: int) -> str:
        return line(f"M{4 + s * 28},18 L{4 + s * 57},12 M{4 + s * 28},25 L{4 + s * 56},29", INK, 3)

    stripes = line("M0,-34 v11 M-11,-33 l1,8 M11,-33 l-1,8", darker(coat.plain, 0.3), 3.6)
    muzzle = ellipse(4, 22, 17, 12, CREAM, NO_LINE)
    nose = path("M-1,14 h10 l-5,6z", (0.92, 0.42, 0.48), NO_LINE) + _smile(4, 22)
    head = ellipse(0, 0, 46, 37, coat.fur) + _spots(coat, ((-27, -17, 11), (28, -18, 10)))
    return _both(ear) + head + stripes + muzzle + face(closed=closed) + nose + _both(whiskers)


def rabbit_head(look: Look, coat: Coat, closed: bool) -> str:
    turns = ((-8, 8), (-20, 20), (-10, 34))[look.ears]

    def ear(x: float, turn: float) -> str:
        shape = ellipse(0, -30, 11.5, 33, coat.fur) + ellipse(0, -28, 5.5, 24, coat.light, NO_LINE)
        return group(shape, f"translate({x},-27) rotate({turn})")

    muzzle = ellipse(4, 21, 16, 12, CREAM, NO_LINE)
    teeth = rect(0, 25, 8, 6, WHITE, 'rx="1.5" stroke-width="1.3"')
    nose = ellipse(4, 16, 5.5, 4, (0.94, 0.48, 0.54), NO_LINE) + _smile(4, 22)
    head = ellipse(0, 1, 42, 37, coat.fur) + _spots(coat, ((-22, -18, 11), (26, -17, 10)))
    return ear(-18, turns[0]) + ear(18, turns[1]) + head + muzzle + face(closed=closed) + teeth + nose


def bear_head(look: Look, coat: Coat, closed: bool) -> str:
    x, y, size = ((38, -28, 18), (43, -20, 20), (33, -34, 16))[look.ears]

    def ear(s: int) -> str:
        return ellipse(s * x, y, size, size, coat.fur) + ellipse(
            s * x, y, size * 0.58, size * 0.58, coat.light, NO_LINE
        )

    muzzle = ellipse(4, 19, 25, 18, CREAM, 'stroke-width="1.6"')
    nose = ellipse(4, 12, 11, 8, EYE, NO_LINE) + line("M4,18 v5", INK, 2.4) + _smile(4, 24)
    head = ellipse(0, 0, 48, 39, coat.fur) + _spots(coat, ((-27, -19, 11), (29, -19, 10)))
    return _both(ear) + head + face(closed=closed, y=-3, apart=20, blush=36) + muzzle + nose


def robot_head(look: Look, coat: Coat, closed: bool) -> str:
    bulb = mix(look.accent, (1.0, 0.6, 0.2), 0.35)
    mast = (
        line("M0,-34 V-54", INK, 5) + ellipse(0, -58, 8, 8, bulb),
        line("M0,-34 L-16,-54 M0,-34 L16,-54", INK, 5) + _both(lambda s: ellipse(s * 17, -56, 6.5, 6.5, bulb)),
        line("M0,-34 L4,-42 L-4,-47 L2,-56", INK, 4.4) + rect(-7, -66, 18, 11, bulb, 'rx="3"'),
    )[look.ears]
    bolts = rect(-54, -10, 12, 24, STEEL, 'rx="4"') + rect(42, -10, 12, 24, STEEL, 'rx="4"')
    head = rect(-46, -36, 92, 74, coat.fur, 'rx="9"')
    plate = rect(-31, -20, 70, 47, SCREEN, 'rx="8" stroke-width="1.8"')
    rivets = "".join(ellipse(x, y, 2.2, 2.2, INK, NO_LINE) for x in (-38, 0, 38) for y in (-28,))
    eyes = "".join(
        line(f"M{4 + s * 18 - 9},-1 q9,9 18,0", GLOW, 5) if closed else ellipse(4 + s * 18, -3, 9, 11, GLOW, NO_LINE)
        for s in (-1, 1)
    )
    mouth = line("M-6,15 h20", GLOW, 5)
    spots = _spots(coat, ((-30, -27, 9), (32, -24, 9), (-34, 26, 8), (36, 28, 8)))
    return mast + bolts + head + spots + rivets + plate + eyes + mouth


def child_head(look: Look, coat: Coat, closed: bool) -> str:
    skin, hair = skin_of(look), hair_of(look)
    back = (
        ellipse(0, -8, 46, 38, hair),
        _both(lambda s: ellipse(s * 44, -26, 17, 17, hair) + rect(s * 33 - 4, -28, 8, 9, coat.plain, 'rx="3"'))
        + ellipse(0, -8, 45, 37, hair),
        path("M-46,-4 C-50,-52 50,-52 46,-4 L52,36 Q40,44 26,34 L-26,34 Q-40,44 -52,36Z", hair),
    )[look.ears]
    ears = _both(lambda s: ellipse(s * 41, 6, 7, 8, skin))
    fringe = (
        "M-42,2 C-46,-50 46,-52 42,2 C34,-4 30,-12 26,-18 C10,-10 -14,-10 -24,-16 C-30,-10 -36,-4 -42,2Z",
        "M-42,0 C-44,-48 44,-48 42,0 C36,-14 22,-22 6,-24 C-8,-16 -32,-12 -42,0Z",
        "M-42,2 C-44,-48 44,-48 42,2 C40,-8 38,-12 36,-14 L-36,-14 C-38,-12 -40,-8 -42,2Z",
    )[look.ears]
    nose = line("M3,14 q3,3 5,0", darker(skin, 0.35), 2.4)
    mouth = line("M-4,22 q8,8 16,0", INK, 2.6)
    head = ellipse(0, 2, 41, 36, skin)
    return back + ears + head + path(fringe, hair) + face(closed=closed, y=5, apart=17, blush=28) + nose + mouth


HEADS: dict[str, Callable[[Look, Coat, bool], str]] = {
    "fox": fox_head,
    "cat": cat_head,
    "rabbit": rabbit_head,
    "bear": bear_head,
    "robot": robot_head,
    "child": child_head,
}
