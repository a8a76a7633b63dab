"""Small SVG building blocks: colours as text, and shapes as elements. Knows nothing of what they depict.

Coordinates are units of the picture (its height is 256 units) or of the group they stand in; y grows downwards.
"""

RGB = tuple[float, float, float]

INK: RGB = (0.29, 0.19, 0.22)
CREAM: RGB = (1.0, 0.965, 0.91)
WHITE: RGB = (1.0, 1.0, 1.0)
OUTLINE = 2.4


def mix(first: RGB, second: RGB, amount: float) -> RGB:
    """`first` for an amount of 0, `second` for 1."""
    return tuple(a + (b - a) * amount for a, b in zip(first, second, strict=True))


def darker(colour: RGB, amount: float) -> RGB:
    return mix(colour, (0.16, 0.08, 0.16), amount)


def css(colour: RGB) -> str:
    return "#" + "".join(f"{min(255, max(0, round(v * 255))):02x}" for v in colour)


def rgb(text: str) -> RGB:
    """The colour of `#rrggbb`."""
    return tuple(int(text[i : i + 2], 16) / 255 for i in (1, 3, 5))


def _fill(fill: RGB | str) -> str:
    return fill if isinstance(fill, str) else css(fill)


def ellipse(x: float, y: float, rx: float, ry: float, fill: RGB | str, extra: str = "") -> str:
    return f'<ellipse cx="{x:.1f}" cy="{y:.1f}" rx="{rx:.1f}" ry="{ry:.1f}" fill="{_fill(fill)}" {extra}/>'


def rect(x: float, y: float, width: float, height: float, fill: RGB | str, extra: str = "") -> str:
    return f'<rect x="{x:.1f}" y="{y:.1f}" width="{width:.1f}" height="{height:.1f}" fill="{_fill(fill)}" {extra}/>'


def path(data: str, fill: RGB | str, extra: str = "") -> str:
    return f'<path d="{data}" fill="{_fill(fill)}" {extra}/>'


def line(data: str, colour: RGB | str, width: float, extra: str = "") -> str:
    """A line without filling; its ends are round."""
    return (
        f'<path d="{data}" fill="none" stroke="{_fill(colour)}" stroke-width="{width:.1f}" '
        f'stroke-linecap="round" stroke-linejoin="round" {extra}/>'
    )


def tube(data: str, colour: RGB | str, width: float) -> str:
    """A thick line with an outline: limbs and thin tails."""
    return line(data, INK, width + 2 * OUTLINE) + line(data, colour, width)


def group(content: str, transform: str = "", extra: str = "") -> str:
    return f'<g transform="{transform}" {extra}>{content}</g>' if transform else f"<g {extra}>{content}</g>"


def outlined(content: str) -> str:
    """A group whose shapes have the one soft dark outline of all figures, unless they say `stroke="none"`."""
    return group(content, extra=f'stroke="{css(INK)}" stroke-width="{OUTLINE}" stroke-linejoin="round"')


def linear(name: str, stops: list[tuple[float, RGB, float]], ends: str, extra: str = "") -> str:
    """A linear gradient; a stop is (offset, colour, opacity), `ends` the x1, y1, x2, y2 attributes."""
    return f'<linearGradient id="{name}" {ends} {extra}>{_stops(stops)}</linearGradient>'


def radial(name: str, stops: list[tuple[float, RGB, float]], ends: str) -> str:
    """A radial gradient; `ends` are the cx, cy, r attributes."""
    return f'<radialGradient id="{name}" {ends}>{_stops(stops)}</radialGradient>'


def _stops(stops: list[tuple[float, RGB, float]]) -> str:
    return "".join(f'<stop offset="{o:.3f}" stop-color="{css(c)}" stop-opacity="{a:.3f}"/>' for o, c, a in stops)


NO_LINE = 'stroke="none"'
