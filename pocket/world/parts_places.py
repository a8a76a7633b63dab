"""Scenery of the six places in three layouts each; fills a picture of any width between 192 and 512 units.

The ground's edge is at y = 200 of 256. The sky is not drawn here; a bedroom leaves it open in its window.
"""

from collections.abc import Callable

from pocket.world.parts_shapes import CREAM, RGB, WHITE, darker, ellipse, group, line, path, rect, rgb

GROUND = 200


def light_spot(place: str, light: str, layout: int, width: float) -> tuple[float, float]:
    """Where the sun or moon stands; low at sunset, in the window of a bedroom."""
    if place == "bedroom":
        return _window(layout, width)[0] + 8, 74
    x = width * (0.84, 0.16, 0.8)[layout]
    if place == "forest":
        return width * (0.75, 0.73, 0.68)[layout], 72 if light == "sunset" else 38
    low = {"meadow": 122, "beach": 128, "snow": 118, "town": 82}[place]
    return (x, low) if light == "sunset" else (x, 40)


def _hill(width: float, base: float, height: float, waves: float, phase: float, colour: RGB) -> str:
    """A band of hills whose `waves` bumps rise `height` above `base`."""
    step = width / waves
    x = -step * phase
    data = f"M{x:.1f},256 V{base:.1f}"
    while x < width:
        data += f" q{step / 2:.1f},{-2 * height:.1f} {step:.1f},0"
        x += step
    return path(data + " V256Z", colour)


def _pine(x: float, base: float, size: float, colour: RGB, snow: bool = False) -> str:
    parts = rect(-4, -12, 8, 14, rgb("#7a5a48"))
    for i, (top, wide) in enumerate(((-44, 27), (-66, 22), (-86, 16))):
        parts += path(f"M{-wide},{top + 34} L0,{top - 6} L{wide},{top + 34}Z", darker(colour, 0.12 - 0.06 * i))
        if snow:
            half = wide * 0.5
            cap = f"M{-half},{top + 14} L0,{top - 6} L{half},{top + 14} Q0,{top + 6} {-half},{top + 14}Z"
            parts += path(cap, WHITE)
    return group(parts, f"translate({x:.1f},{base:.1f}) scale({size})")


def _flower(x: float, y: float, colour: RGB) -> str:
    petals = "".join(ellipse(dx, dy, 3.2, 3.2, colour) for dx, dy in ((-3.4, 0), (3.4, 0), (0, -3.4), (0, 3.4)))
    stem = line("M0,2 V12", rgb("#5c8a4a"), 2)
    return group(stem + petals + ellipse(0, 0, 2.4, 2.4, rgb("#f6d878")), f"translate({x:.1f},{y:.1f})")


def _meadow(width: float, layout: int) -> str:
    shift = (0.2, 0.55, 0.8)[layout]
    tree_x = width * (0.14, 0.88, 0.1)[layout]
    parts = [_hill(width, 150, 20, width / 150, shift, rgb("#b9d6ae"))]
    parts.append(_hill(width, 176, 18, width / 190, 1 - shift, rgb("#9cc98c")))
    parts += [rect(tree_x - 5, 146, 10, 34, rgb("#8a6a52")), ellipse(tree_x, 130, 27, 30, rgb("#7fb574"))]
    parts += [_hill(width, GROUND + 2, 5, width / 260, shift, rgb("#86bb72"))]
    petals = (rgb("#f3e6ee"), rgb("#f0c4cf"), rgb("#f3e2a8"))
    for i in range(round(width / 22)):
        x = (i * 0.618 + 0.1 * layout) % 1 * width
        parts.append(_flower(x, 212 + (i * 0.47 + layout * 0.2) % 1 * 34, petals[(i + layout) % 3]))
    return "".join(parts)


def _forest(width: float, layout: int) -> str:
    parts = [_hill(width, 168, 12, width / 120, 0.3 * layout, rgb("#9dbda4"))]
    count = round(width / 40)
    for i in range(count):
        x = (i + 0.5 + 0.2 * layout) * width / count
        parts.append(_pine(x, 190, 0.86 + 0.17 * ((i * 7 + layout * 3) % 4), rgb("#7fa68c")))
    parts.append(rect(0, GROUND - 12, width, 70, rgb("#5f8a64")))
    for x, size in zip((0.04, 0.97, 0.19, 0.87)[: 2 + layout], (1.1, 1.0, 0.62, 0.62), strict=False):
        parts.append(_trunk(x * width, size))
    parts.append(_hill(width, GROUND + 2, 4, width / 140, 0.3 * layout, rgb("#4f7a56")))
    for i in range(round(width / 46)):
        x = (i * 0.618 + 0.27 * layout + 0.1) % 1 * width
        y = 216 + (i * 0.53) % 1 * 32
        cap = rgb("#c9806a") if i % 2 else rgb("#cfae72")
        parts.append(rect(x - 2, y, 4, 7, CREAM) + path(f"M{x - 7:.1f},{y:.1f} q7,-11 14,0z", cap))
    return "".join(parts)


def _trunk(x: float, size: float) -> str:
    bark = rgb("#7d5f4e")
    shape = path("M-16,206 C-10,150 -12,80 -14,-10 H14 C12,80 10,150 18,206 Q0,198 -16,206Z", bark)
    marks = line("M-4,60 v22 M5,100 v26 M-5,140 v18", darker(bark, 0.25), 3)
    leaves = (
        ellipse(0, 4, 52, 34, rgb("#5d8f66"))
        + ellipse(-26, 22, 26, 20, rgb("#5d8f66"))
        + ellipse(24, 24, 28, 20, rgb("#68996e"))
    )
    return group(shape + marks + leaves, f"translate({x:.1f},0) scale({size:.2f},1)")


def _beach(width: float, layout: int) -> str:
    side = (1, -1, 1)[layout]
    tower_x = width * (0.15, 0.85, 0.22)[layout]
    parts = [rect(0, 142, width, 60, rgb("#86c0cd"))]
    parts.append(rect(0, 142, width, 10, rgb("#a5d2d8")))
    for i in range(round(width / 34)):
        x = (i * 0.618 + 0.2 * layout) % 1 * width
        parts.append(line(f"M{x:.1f},{160 + i * 0.37 % 1 * 30:.1f} q5,-4 10,0 q5,-4 10,0", rgb("#d9eef0"), 2.2))
    parts.append(group(_headland_with_lighthouse(), f"translate({tower_x:.1f},0) scale({side},1)"))
    parts.append(
        path(
            f"M0,{GROUND} Q{width * 0.25:.1f},{GROUND - 9} {width * 0.5:.1f},{GROUND} T{width:.1f},{GROUND} V256 H0Z",
            rgb("#eedcae"),
        )
    )
    parts.append(
        line(
            f"M0,{GROUND} Q{width * 0.25:.1f},{GROUND - 9} {width * 0.5:.1f},{GROUND} T{width:.1f},{GROUND}",
            rgb("#f5f2e6"),
            5,
        )
    )
    for i in range(round(width / 60)):
        x = (i * 0.618 + 0.31 * layout + 0.2) % 1 * width
        shell = (rgb("#e6b9a6"), rgb("#f2ead8"))[i % 2]
        parts.append(path(f"M{x - 6:.1f},{244 - i % 2 * 16} q6,-12 12,0z", shell))
    return "".join(parts)


def _headland_with_lighthouse() -> str:
    red = rgb("#d07468")
    land = path("M-70,160 C-60,136 -20,128 10,132 C34,136 46,150 56,160Z", rgb("#96b48a"))
    tower = path("M-15,136 L-10,60 H10 L15,136Z", CREAM)
    bands = path("M-11.2,78 L-12.6,98 H12.6 L11.2,78Z M-13.8,116 L-15,136 H15 L13.8,116Z", red)
    top = (
        rect(-13, 54, 26, 7, rgb("#7c6a70")) + rect(-8, 38, 16, 17, rgb("#f8e9a8")) + path("M-12,39 L0,24 L12,39Z", red)
    )
    return land + tower + bands + top


def _snow(width: float, layout: int) -> str:
    shift = (0.1, 0.5, 0.75)[layout]
    parts = [_hill(width, 152, 26, width / 170, shift, rgb("#d3dfec"))]
    for i in range(round(width / 52)):
        x = ((i * 0.618 + 0.12 + 0.3 * layout) % 1) * width
        parts.append(_pine(x, 178 + i % 2 * 10, 0.85 + 0.3 * (i % 3 == layout), rgb("#86a79f"), snow=True))
    parts.append(_hill(width, 186, 10, width / 210, 1 - shift, rgb("#e3ecf4")))
    parts.append(_hill(width, GROUND + 3, 5, width / 280, shift, rgb("#f4f8fb")))
    return "".join(parts)


def weather(place: str, layout: int, width: float) -> str:
    """What falls from the sky, bright in every light: snowflakes in the snow, nothing elsewhere."""
    if place != "snow":
        return ""
    parts = []
    for i in range(round(width / 11)):
        x = (i * 0.5698403 + 0.17 * layout) % 1 * width
        y = (i * 0.7548777 + 0.3 * layout) % 1 * 196 + 6
        parts.append(ellipse(x, y, 2.8 + i % 3, 2.8 + i % 3, WHITE, 'opacity="0.9"'))
    return "".join(parts)


def _house(x: float, wide: float, tall: float, wall: RGB, style: int) -> str:
    top = GROUND - tall
    roof = (rgb("#a8756c"), rgb("#7f8aa0"), rgb("#9a7f66"))[style % 3]
    peak = 34 if style % 2 else 22
    parts = rect(x, top, wide, tall + 2, wall) + path(
        f"M{x - 4:.1f},{top} L{x + wide / 2:.1f},{top - peak} L{x + wide + 4:.1f},{top}Z", roof
    )
    pane = rgb("#f3e7b8") if style % 2 else rgb("#c9dde6")
    for row in range(2):
        for column in range(2):
            wx, wy = x + wide * (0.16 + 0.42 * column), top + 12 + row * 32
            parts += rect(wx, wy, wide * 0.26, 19, pane, 'stroke="#8a6a60" stroke-width="2"')
    door = rect(x + wide * 0.38, GROUND - 26, wide * 0.26, 28, darker(wall, 0.45), 'rx="4"')
    return parts + door


def _town(width: float, layout: int) -> str:
    walls = (rgb("#e6b8a2"), rgb("#f0dcae"), rgb("#b5cfc4"), rgb("#c3bbd8"), rgb("#e8c4c8"))
    count = max(3, round(width / 62))
    step = width / (count - 0.4)
    parts = [_hill(width, 150, 16, width / 150, 0.3 * layout, rgb("#b7cbb6"))]
    for i in range(count):
        tall = 84 + 16 * ((i * 2 + layout) % 3)
        parts.append(
            _house((i - 0.2 - 0.12 * layout) * step + 2, step - 4, tall, walls[(i + 2 * layout) % 5], i + layout)
        )
    parts.append(rect(0, GROUND, width, 56, rgb("#c4b9ae")))
    parts.append(rect(0, GROUND, width, 6, rgb("#dcd3c6")))
    for row in range(3):
        for i in range(round(width / 30) + 1):
            parts.append(ellipse((i + 0.5 * (row % 2)) * 30, 216 + row * 15, 12, 5, rgb("#b3a79d")))
    return "".join(parts)


def _window(layout: int, width: float) -> tuple[float, float]:
    """Centre and half width of the bedroom's window."""
    return width * (0.82, 0.18, 0.8)[layout], min(40.0, width * 0.16)


def _bedroom(width: float, layout: int) -> str:
    wall = (rgb("#e3cdbf"), rgb("#c4d3cf"), rgb("#d3c8dc"))[layout]
    x, half = _window(layout, width)
    hole = f"M{x - half:.1f},34 H{x + half:.1f} V124 H{x - half:.1f}Z"
    parts = [path(f"M0,0 H{width:.1f} V{GROUND} H0Z {hole}", wall, 'fill-rule="evenodd"')]
    stripe = darker(wall, 0.06)
    for i in range(round(width / 24)):
        sx = i * 24 + 6
        if not x - half - 12 < sx < x + half + 2:
            parts.append(rect(sx, 0, 9, GROUND, stripe))
    frame = rgb("#f3e9dc")
    parts.append(line(hole + f" M{x:.1f},34 V124 M{x - half:.1f},79 H{x + half:.1f}", frame, 5))
    parts.append(
        path(
            f"M{x - half - 12:.1f},28 h{half * 0.8:.1f} q-2,50 {-half * 0.55:.1f},98 h{-half * 0.3:.1f}z",
            rgb("#cf9f9a"),
        )
    )
    parts.append(
        path(
            f"M{x + half + 12:.1f},28 h{-half * 0.8:.1f} q2,50 {half * 0.55:.1f},98 h{half * 0.3:.1f}z", rgb("#cf9f9a")
        )
    )
    parts.append(rect(0, GROUND - 7, width, 8, frame) + rect(0, GROUND, width, 56, rgb("#b98f6f")))
    for i in range(1, 4):
        parts.append(line(f"M0,{GROUND + i * 15} H{width:.1f}", rgb("#a98062"), 2))
    parts.append(ellipse(width / 2, 230, min(112, width * 0.42), 20, rgb("#a9b9c4")))
    parts.append(ellipse(width / 2, 230, min(92, width * 0.35), 15, rgb("#c6d2d6")))
    bed_x = width - x
    side = 1 if bed_x > width / 2 else -1
    parts.append(_bed(bed_x, side, width) + _lamp(width * 0.5 - side * -6 if width > 230 else width / 2))
    return "".join(parts)


def _bed(x: float, side: int, width: float) -> str:
    """A bed that runs out of the picture on one side, headboard towards the edge."""
    wood, cover = rgb("#9a7356"), rgb("#8fa8bd")
    long = min(96, width * 0.34)
    parts = rect(24, 118, 14, 84, wood, 'rx="5"') + rect(-long + 30, 162, long, 40, wood, 'rx="4"')
    parts += path(f"M{-long + 28:.1f},186 V166 Q{-long + 30:.1f},152 {-long + 46:.1f},152 H24 V186Z", cover)
    parts += ellipse(12, 148, 20, 11, CREAM)
    return group(parts, f"translate({x:.1f},0) scale({side},1)")


def _lamp(x: float) -> str:
    """A hanging lamp with a warm shade."""
    return line(f"M{x:.1f},0 V20", rgb("#7c6a60"), 2.4) + path(f"M{x - 10:.1f},20 h20 l12,18 h-44z", rgb("#f0cf8a"))


PLACES: dict[str, Callable[[float, int], str]] = {
    "meadow": _meadow,
    "forest": _forest,
    "beach": _beach,
    "snow": _snow,
    "town": _town,
    "bedroom": _bedroom,
}


def scenery(place: str, layout: int, width: float) -> str:
    """Everything of a place but its sky."""
    return PLACES[place](width, layout)
