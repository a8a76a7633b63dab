"""The colours of a book, taken from the hue of its cover picture.

Every colour has a fixed luminance, so text stays readable whatever the picture is. Knows nothing of HTML.
"""

import colorsys
from dataclasses import dataclass

from PIL import Image

_HUE_BINS = 36
_PLAIN_HUE = 0.58
_FOIL = "#f4e6bf"


@dataclass(frozen=True)
class Palette:
    """CSS colours, each `#rrggbb`."""

    cloth: str
    """The cover's boards: dark enough for `foil` to reach a contrast of 7 to 1."""
    cloth_deep: str
    """The boards in shadow."""
    foil: str
    """The title on the cover."""
    accent_on_light: str
    """Ornaments on paper by day: at least 4.5 to 1."""
    accent_on_dark: str
    """Ornaments on paper by night: at least 4.5 to 1."""


def palette_of(picture: Image.Image) -> Palette:
    """The palette whose hue is the picture's most colourful one; a grey picture gives a slate blue."""
    hue, tint = _leading_hue(picture)
    return Palette(
        cloth=_colour(hue, 0.48 * tint, 0.045),
        cloth_deep=_colour(hue, 0.5 * tint, 0.018),
        foil=_FOIL,
        accent_on_light=_colour(hue, 0.55 * tint, 0.115),
        accent_on_dark=_colour(hue, 0.5 * tint, 0.42),
    )


def _leading_hue(picture: Image.Image) -> tuple[float, float]:
    small = picture.convert("RGB").resize((48, 48), Image.Resampling.BOX)
    weights = [0.0] * _HUE_BINS
    pixels = small.tobytes()
    for red, green, blue in zip(pixels[0::3], pixels[1::3], pixels[2::3], strict=True):
        hue, saturation, value = colorsys.rgb_to_hsv(red / 255, green / 255, blue / 255)
        weights[int(hue * _HUE_BINS) % _HUE_BINS] += saturation * value
    if sum(weights) < 0.04 * 48 * 48:
        return _PLAIN_HUE, 0.5
    smooth = [weights[i - 1] + 2 * weights[i] + weights[(i + 1) % _HUE_BINS] for i in range(_HUE_BINS)]
    return (smooth.index(max(smooth)) + 0.5) / _HUE_BINS, 1.0


def _colour(hue: float, saturation: float, luminance: float) -> str:
    dark, light = 0.0, 1.0
    for _ in range(24):
        middle = (dark + light) / 2
        if _luminance(colorsys.hls_to_rgb(hue, middle, saturation)) < luminance:
            dark = middle
        else:
            light = middle
    return "#" + "".join(f"{round(255 * channel):02x}" for channel in colorsys.hls_to_rgb(hue, dark, saturation))


def _luminance(rgb: tuple[float, float, float]) -> float:
    red, green, blue = (c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in rgb)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue
