"""Draws a scene as a picture-book illustration, and tells where each of its figures is.

Sky, scenery, figures and shine are separate SVG layers: scenery and figures are graded by the light, figures more
gently, so that their colours can be named in every light.
"""

import numpy as np
import skia

from pocket.world.parts_characters import figure, glow, held_before, held_behind, shadow
from pocket.world.parts_light import FIGURE_STRENGTH, air, grading_matrix, mood_of, sky
from pocket.world.parts_places import light_spot, scenery, weather
from pocket.world.parts_shapes import group, outlined
from pocket.world.parts_things import boat
from pocket.world.schema import Scene

UNITS = 256
"""Height of every picture in SVG units."""


def scene_svg(scene: Scene) -> str:
    """The whole scene as one SVG document, 256 units high, before the light grades it."""
    return _document(scene, _sky(scene) + _scenery(scene) + _figures(scene) + _shine(scene))


def draw_scene(scene: Scene) -> np.ndarray:
    """Draw the lit scene: uint8 of shape (height, width, 3), sRGB."""
    mood = mood_of(scene.light, scene.light_hue)
    pixels = np.zeros((scene.height, scene.width, 4), np.uint8)
    canvas = _canvas(pixels)
    _render(canvas, scene, _sky(scene))
    _render(canvas, scene, _scenery(scene), grading=grading_matrix(mood, 1.0))
    _render(canvas, scene, _air(scene))
    _render(canvas, scene, _figures(scene), grading=grading_matrix(mood, FIGURE_STRENGTH[scene.light]))
    _render(canvas, scene, _shine(scene))
    return np.ascontiguousarray(pixels[:, :, :3])


def character_masks(scene: Scene) -> np.ndarray:
    """Where each figure with its clothes is seen: float32 of shape (characters, height, width) in [0, 1].

    What a figure holds is not part of it; later figures hide earlier ones.
    """
    masks = np.zeros((len(scene.characters), scene.height, scene.width), np.float32)
    for index, character in enumerate(scene.characters):
        pixels = np.zeros((scene.height, scene.width, 4), np.uint8)
        _render(_canvas(pixels), scene, figure(character, _width(scene), f"coat{index}"))
        masks[index] = pixels[:, :, 3] / np.float32(255)
        masks[:index] *= 1 - masks[index]
    return masks


def _width(scene: Scene) -> float:
    return UNITS * scene.width / scene.height


def _canvas(pixels: np.ndarray) -> skia.Canvas:
    surface = skia.Surface(pixels, colorType=skia.kRGBA_8888_ColorType, alphaType=skia.kPremul_AlphaType)
    return surface.getCanvas()


def _document(scene: Scene, content: str) -> str:
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{scene.width}" height="{scene.height}" '
        f'viewBox="0 0 {_width(scene):.3f} {UNITS}" preserveAspectRatio="none">{content}</svg>'
    )


def _render(canvas: skia.Canvas, scene: Scene, content: str, *, grading: list[float] | None = None) -> None:
    if not content:
        return
    stream = skia.MemoryStream.MakeCopy(_document(scene, content).encode())
    document = skia.SVGDOM.MakeFromStream(stream)
    if grading is None:
        document.render(canvas)
        return
    canvas.saveLayer(None, skia.Paint(ColorFilter=skia.ColorFilters.Matrix(grading)))
    document.render(canvas)
    canvas.restore()


def _sky(scene: Scene) -> str:
    width = _width(scene)
    spot = light_spot(scene.place, scene.light, scene.layout, width)
    return sky(scene.light, mood_of(scene.light, scene.light_hue), width, spot=spot, layout=scene.layout)


def _scenery(scene: Scene) -> str:
    width = _width(scene)
    return scenery(scene.place, scene.layout, width) + "".join(shadow(c, width) for c in scene.characters)


def _air(scene: Scene) -> str:
    mood, width = mood_of(scene.light, scene.light_hue), _width(scene)
    return air(scene.light, mood, width, indoors=scene.place == "bedroom") + weather(scene.place, scene.layout, width)


def _figures(scene: Scene) -> str:
    width = _width(scene)
    parts = [_standing_object(scene)]
    for index, character in enumerate(scene.characters):
        parts += [
            held_behind(character, width),
            figure(character, width, f"coat{index}"),
            held_before(character, width),
        ]
    return "".join(parts)


def _standing_object(scene: Scene) -> str:
    if scene.standing_object is None:
        return ""
    width = _width(scene)
    centre = sum(c.x for c in scene.characters) / len(scene.characters) * width
    reach = min(104.0, width / 2 - 46)
    x = centre + reach if centre <= width / 2 else centre - reach
    return group(outlined(boat(scene.standing_object.tint)), f"translate({x:.1f},219)")


def _shine(scene: Scene) -> str:
    return "".join(glow(c, _width(scene), f"glow{i}") for i, c in enumerate(scene.characters))
