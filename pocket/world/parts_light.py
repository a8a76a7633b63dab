"""Light: the sky with its sun or moon, and how each light grades scenery and figures.

Every light is a pair of moods, its ends of hue; a scene's `light_hue` chooses between them. The sky is drawn in its
final colours, scenery and figures are graded by a colour matrix.
"""

from dataclasses import dataclass, fields

from pocket.world.parts_shapes import CREAM, NO_LINE, RGB, ellipse, group, line, linear, mix, path, radial, rect, rgb

FIGURE_STRENGTH = {"day": 0.6, "sunset": 0.42, "moonlight": 0.43, "lamplight": 0.42, "fog": 0.32}


@dataclass(frozen=True, kw_only=True)
class Mood:
    """One light at one hue."""

    sky_top: RGB
    sky_low: RGB
    disc: RGB
    gain: RGB
    lift: RGB
    saturation: float
    air: RGB
    """Colour of fog or glow that lies over the scenery."""


def _mood(sky_top: str, sky_low: str, disc: str, air: str, *, gain: RGB, lift: RGB, saturation: float) -> Mood:
    return Mood(
        sky_top=rgb(sky_top),
        sky_low=rgb(sky_low),
        disc=rgb(disc),
        air=rgb(air),
        gain=gain,
        lift=lift,
        saturation=saturation,
    )


CLOUDS = (
    ((0.25, 34, 1.0), (0.48, 62, 0.6)),
    ((0.72, 36, 1.0), (0.42, 62, 0.6)),
    ((0.42, 30, 0.9), (0.1, 60, 0.7)),
)
_NONE = (0.0, 0.0, 0.0)
MOODS: dict[str, tuple[Mood, Mood]] = {
    "day": (
        _mood("#86c4f0", "#dcf1f8", "#fff3b8", "#ffffff", gain=(0.93, 0.99, 1.07), lift=_NONE, saturation=1.0),
        _mood("#a8d4e2", "#fdf0d2", "#ffe08a", "#ffffff", gain=(1.07, 1.0, 0.88), lift=_NONE, saturation=1.0),
    ),
    "sunset": (
        _mood(
            "#f0a24e", "#ffe08c", "#fff2b0", "#ffb648", gain=(1.02, 0.76, 0.44), lift=(0.06, 0.02, 0), saturation=1.0
        ),
        _mood(
            "#8a5aa8", "#ff9a9a", "#ffd0a8", "#ff6a9a", gain=(0.98, 0.60, 0.72), lift=(0.06, 0, 0.04), saturation=1.0
        ),
    ),
    "moonlight": (
        _mood(
            "#0c2a44", "#2f6f8a", "#eef8f0", "#1a4a6a", gain=(0.20, 0.42, 0.58), lift=(0, 0.02, 0.06), saturation=0.8
        ),
        _mood(
            "#1c1450", "#5a4aa0", "#f6f0ff", "#3a2a80", gain=(0.38, 0.30, 0.66), lift=(0.02, 0, 0.09), saturation=0.8
        ),
    ),
    "lamplight": (
        _mood(
            "#3a2c1e", "#7a5a2a", "#ffe9a0", "#ffcc50", gain=(0.84, 0.64, 0.30), lift=(0.02, 0.01, 0), saturation=0.9
        ),
        _mood(
            "#3e1e34", "#844450", "#ffd0b0", "#ff9a70", gain=(0.86, 0.50, 0.48), lift=(0.02, 0, 0.01), saturation=0.9
        ),
    ),
    "fog": (
        _mood(
            "#d2dde8",
            "#e6edf2",
            "#f6fafc",
            "#dde6ee",
            gain=(0.54, 0.57, 0.60),
            lift=(0.32, 0.34, 0.37),
            saturation=0.45,
        ),
        _mood(
            "#e6dfd4",
            "#f3ece0",
            "#fffaf0",
            "#efe6d8",
            gain=(0.60, 0.57, 0.53),
            lift=(0.36, 0.34, 0.31),
            saturation=0.45,
        ),
    ),
}


def mood_of(light: str, hue: float) -> Mood:
    """The mood of `light` at a hue between -1 and 1."""
    cool, warm = MOODS[light]
    amount = (hue + 1) / 2
    values = {}
    for field in fields(Mood):
        a, b = getattr(cool, field.name), getattr(warm, field.name)
        values[field.name] = a + (b - a) * amount if isinstance(a, float) else mix(a, b, amount)
    return Mood(**values)


def grading_matrix(mood: Mood, strength: float) -> list[float]:
    """The mood as a 4 × 5 colour matrix, row by row, for colours in [0, 1]; a strength of 0 changes nothing."""
    grey = (0.30, 0.59, 0.11)
    rows = []
    for channel in range(3):
        for source in range(3):
            same = 1.0 if source == channel else 0.0
            full = mood.gain[channel] * (mood.saturation * same + (1 - mood.saturation) * grey[source])
            rows.append(same + (full - same) * strength)
        rows += [0.0, mood.lift[channel] * strength]
    return [*rows, 0, 0, 0, 1, 0]


def sky(light: str, mood: Mood, width: float, *, spot: tuple[float, float], layout: int) -> str:
    """The sky of the whole picture, with clouds, the sun or moon at `spot` and stars at night."""
    stops = [(0.0, mood.sky_top, 1.0), (0.72, mood.sky_low, 1.0), (1.0, mood.sky_low, 1.0)]
    parts = [
        linear("sky", stops, 'x1="0" y1="0" x2="0" y2="256"', 'gradientUnits="userSpaceOnUse"'),
        rect(0, 0, width, 256, "url(#sky)"),
    ]
    x, y = spot
    if light == "day":
        parts += [ellipse(x, y, 30, 30, mood.disc, 'opacity="0.45"'), ellipse(x, y, 19, 19, mood.disc)]
    elif light == "sunset":
        parts += [ellipse(x, y, 48, 48, mood.disc, 'opacity="0.35"'), ellipse(x, y, 32, 32, mood.disc)]
    elif light == "moonlight":
        parts += [_star(i, width) for i in range(max(8, round(width / 20)))]
        shade = mix(mood.disc, mood.sky_low, 0.25)
        parts += [ellipse(x, y, 33, 33, mood.disc, 'opacity="0.22"'), ellipse(x, y, 22, 22, mood.disc)]
        parts += [
            ellipse(x - 7, y - 5, 5, 5, shade),
            ellipse(x + 8, y + 4, 4, 4, shade),
            ellipse(x - 2, y + 10, 3, 3, shade),
        ]
    elif light == "fog":
        parts.append(ellipse(x, y, 20, 20, mood.disc, 'opacity="0.7"'))
    if light != "lamplight":
        cloud = mix(mood.sky_low, mood.disc if light == "sunset" else CREAM, 0.2 if light == "moonlight" else 0.6)
        for i, (cloud_x, cloud_y, size) in enumerate(CLOUDS[layout]):
            parts.append(_cloud(cloud_x * width, cloud_y, size + 0.1 * i, cloud))
    return "".join(parts)


def _cloud(x: float, y: float, size: float, colour: RGB) -> str:
    puffs = ellipse(0, 0, 26, 10, colour) + ellipse(-10, -7, 12, 10, colour) + ellipse(8, -9, 15, 12, colour)
    return group(puffs, f"translate({x:.1f},{y:.1f}) scale({size})", 'opacity="0.8"')


def _star(index: int, width: float) -> str:
    x = (index * 0.381966 + 0.07) % 1 * width
    y = 10 + (index * 0.618 + 0.2) % 1 * 96
    size = 1.2 + index % 3 * 0.5
    return ellipse(x, y, size, size, CREAM, 'opacity="0.85"')


def air(light: str, mood: Mood, width: float, *, indoors: bool) -> str:
    """What the light lays over the scenery but behind the figures: fog, glow, lamps on a string."""
    centre = f'cx="{width / 2:.1f}" cy="150" r="{max(150, width * 0.6):.1f}" gradientUnits="userSpaceOnUse"'
    down = 'x1="0" y1="0" x2="0" y2="256" gradientUnits="userSpaceOnUse"'
    if light == "fog":
        thick = 0.3 if indoors else 0.72
        fog = linear("air", [(0, mood.air, thick), (0.6, mood.air, thick * 0.75), (1, mood.air, 0.08)], down)
    elif light == "sunset":
        fog = linear("air", [(0, mood.air, 0.0), (0.6, mood.air, 0.26), (1, mood.air, 0.05)], down)
    elif light == "moonlight":
        fog = linear("air", [(0, mood.air, 0.35), (0.7, mood.air, 0.0), (1, mood.air, 0.4)], down)
    elif light == "lamplight":
        dark = (0.09, 0.04, 0.08)
        fog = radial("air", [(0, mood.air, 0.5), (0.45, mood.air, 0.16), (0.6, dark, 0.12), (1, dark, 0.75)], centre)
    else:
        return ""
    lamps = _lamp_string(mood, width) if light == "lamplight" and not indoors else ""
    return fog + rect(0, 0, width, 256, "url(#air)") + lamps


def _lamp_string(mood: Mood, width: float) -> str:
    count = max(3, round(width / 60))
    step = width / count
    cord = "M0,12" + "".join(f" Q{(i + 0.5) * step:.1f},38 {(i + 1) * step:.1f},12" for i in range(count))
    parts = [line(cord, (0.2, 0.1, 0.12), 2)]
    for i in range(count):
        x = (i + 0.5) * step
        parts += [ellipse(x, 34, 20, 20, mood.disc, 'opacity="0.25"'), ellipse(x, 34, 8.5, 10.5, mood.disc, NO_LINE)]
        parts.append(path(f"M{x - 5:.1f},25 h10 v-5 h-10z", (0.2, 0.1, 0.12)))
    return "".join(parts)
