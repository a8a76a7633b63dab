import colorsys

import pytest
from PIL import Image

from story.palette import palette_of

PAPER_BY_DAY, PAPER_BY_NIGHT = "#efe5cd", "#221d18"


def luminance(colour: str) -> float:
    channels = [int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)]
    red, green, blue = (c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in channels)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def contrast(one: str, other: str) -> float:
    lighter, darker = sorted((luminance(one), luminance(other)), reverse=True)
    return (lighter + 0.05) / (darker + 0.05)


def flat(hue: float, saturation: float = 0.8, value: float = 0.8) -> Image.Image:
    red, green, blue = (round(255 * channel) for channel in colorsys.hsv_to_rgb(hue, saturation, value))
    return Image.new("RGB", (64, 48), (red, green, blue))


@pytest.mark.parametrize("hue", [i / 12 for i in range(12)])
def test_text_is_readable_whatever_the_hue_of_the_cover(hue: float):
    palette = palette_of(flat(hue))
    assert contrast(palette.foil, palette.cloth) >= 7
    assert contrast(palette.accent_on_light, PAPER_BY_DAY) >= 4.5
    assert contrast(palette.accent_on_dark, PAPER_BY_NIGHT) >= 4.5


@pytest.mark.parametrize("hue", [i / 12 for i in range(12)])
def test_cloth_has_the_hue_of_the_cover(hue: float):
    cloth = palette_of(flat(hue)).cloth
    found, _, _ = colorsys.rgb_to_hsv(*(int(cloth[i : i + 2], 16) / 255 for i in (1, 3, 5)))
    assert min(abs(found - hue), 1 - abs(found - hue)) < 0.05, cloth


@pytest.mark.parametrize("value", [0.0, 0.5, 1.0])
def test_a_grey_cover_gives_a_quiet_blue(value: float):
    cloth = palette_of(flat(0.0, saturation=0.0, value=value)).cloth
    red, _, blue = (int(cloth[i : i + 2], 16) for i in (1, 3, 5))
    assert red < blue < 3 * red
