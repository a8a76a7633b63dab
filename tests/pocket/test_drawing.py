"""The drawn world shows what its ground truth says, in every shape of picture."""

import colorsys
from dataclasses import replace

import numpy as np
import pytest

from pocket.world.drawing import character_masks, draw_scene, scene_svg
from pocket.world.schema import (
    CHARACTERS,
    CLOTHING,
    COLOUR_HSV,
    COLOURS,
    HELD_OBJECTS,
    LIGHTS,
    PATTERNS,
    PLACES,
    POSES,
    RGB,
    Character,
    Look,
    Scene,
    Thing,
    sample_scene,
    tint_near,
)


def _anchor(colour: str) -> RGB:
    hue, saturation, value = COLOUR_HSV[colour]
    return colorsys.hsv_to_rgb(hue / 360, saturation, value)


def _character(kind: str, *, colour: str = "orange", pattern: str = "plain", pose: str = "standing") -> Character:
    accent = (1.0, 0.95, 0.85)
    look = Look(colour=colour, tint=_anchor(colour), pattern=pattern, accent=accent, ears=0, tail=0, build=0.0)
    return Character(kind=kind, look=look, pose=pose)


def _scene(*characters: Character, place: str = "meadow", light: str = "day") -> Scene:
    return Scene(characters=characters, place=place, light=light)


def _difference(first: Scene, second: Scene) -> float:
    """Mean absolute difference of the two pictures, in grey levels."""
    return float(np.abs(draw_scene(first).astype(np.int16) - draw_scene(second)).mean())


def test_the_same_scene_draws_the_same_bytes() -> None:
    for seed in range(4):
        scenes = [sample_scene(np.random.default_rng(seed)) for _ in range(2)]
        assert draw_scene(scenes[0]).tobytes() == draw_scene(scenes[1]).tobytes()
        assert scene_svg(scenes[0]) == scene_svg(scenes[1])


def test_red_is_the_first_channel() -> None:
    scene = _scene(_character("robot", colour="red"))
    red, _, blue = draw_scene(scene)[character_masks(scene)[0] > 0.9].mean(axis=0)
    assert red > blue + 60


@pytest.mark.parametrize("kind", CHARACTERS)
def test_every_pose_and_pattern_of_a_kind_looks_different(kind: str) -> None:
    poses = [_scene(_character(kind, pose=pose)) for pose in POSES]
    patterns = [_scene(_character(kind, pattern=pattern)) for pattern in PATTERNS]
    for variants in (poses, patterns):
        for i, first in enumerate(variants):
            assert all(_difference(first, second) > 0.4 for second in variants[:i])


@pytest.mark.parametrize("kind", CHARACTERS)
def test_every_thing_worn_or_held_changes_the_picture_in_every_pose(kind: str) -> None:
    for pose in POSES:
        bare = _character(kind, pose=pose)
        for name in CLOTHING:
            thing = Thing(name=name, colour="blue", tint=_anchor("blue"))
            assert _difference(_scene(bare), _scene(replace(bare, clothing=thing))) > 0.3, (pose, name)
        for name in HELD_OBJECTS if pose != "sleeping" else ():
            thing = Thing(name=name, colour="green", tint=_anchor("green"))
            assert _difference(_scene(bare), _scene(replace(bare, held=thing))) > 0.8, (pose, name)


def test_places_layouts_lights_and_hues_all_show() -> None:
    base = _scene(_character("cat"))
    places = [replace(base, place=place, layout=layout) for place in PLACES for layout in range(3)]
    lights = [replace(base, light=light, light_hue=hue) for light in LIGHTS for hue in (-1.0, 1.0)]
    for variants in (places, lights):
        for i, first in enumerate(variants):
            assert all(_difference(first, second) > 2.0 for second in variants[:i])


def test_the_boat_stands_beside_the_figure() -> None:
    bare = _scene(_character("bear"))
    with_boat = replace(bare, standing_object=Thing(name="boat", colour="blue", tint=_anchor("blue")))
    changed = np.abs(draw_scene(with_boat).astype(np.int16) - draw_scene(bare)).sum(axis=2) > 30
    assert changed.mean() > 0.04
    assert changed[:, :128].mean() < 0.005


@pytest.mark.parametrize(("width", "height"), [(192, 256), (256, 256), (384, 256), (512, 256), (128, 128)])
def test_pictures_of_any_shape_are_filled(width: int, height: int) -> None:
    for index, place in enumerate(PLACES):
        scene = replace(_scene(_character("fox")), place=place, layout=index % 3, width=width, height=height)
        picture = draw_scene(scene)
        assert picture.shape == (height, width, 3)
        assert picture.dtype == np.uint8
        assert picture[:, [0, -1]].mean(axis=(0, 2)).min() > 40
        assert character_masks(scene).shape == (1, height, width)


def test_masks_cover_the_figures_and_hardly_overlap() -> None:
    for seed in range(12):
        scene = sample_scene(np.random.default_rng(seed), num_characters=2)
        masks = character_masks(scene)
        assert masks.dtype == np.float32
        assert 0 <= masks.min() <= masks.max() <= 1
        alone = [character_masks(replace(scene, characters=(c,)))[0] for c in scene.characters]
        for mask in masks:
            assert 0.06 < mask.mean() < 0.32
        assert np.minimum(*alone).mean() < 0.02
        assert np.all(masks.sum(axis=0) <= 1 + 1e-5)


def test_a_mirrored_figure_is_the_mirrored_mask() -> None:
    fox = _character("fox", pose="waving")
    mask = character_masks(_scene(fox))[0]
    mirrored = character_masks(_scene(replace(fox, mirrored=True)))[0]
    assert np.abs(mask[:, ::-1] - mirrored).mean() < 0.002
    assert np.abs(mask - mirrored).mean() > 0.02


@pytest.mark.parametrize("light", LIGHTS)
def test_colours_can_be_told_apart_in_every_light(light: str) -> None:
    rng = np.random.default_rng(0)

    def mean_colour(tint: RGB) -> np.ndarray:
        robot = _character("robot")
        scene = _scene(replace(robot, look=replace(robot.look, tint=tint)), light=light)
        return draw_scene(scene)[character_masks(scene)[0] > 0.9].mean(axis=0)

    anchors = np.stack([mean_colour(_anchor(colour)) for colour in COLOURS])
    for index, colour in enumerate(COLOURS):
        for _ in range(3):
            distances = np.linalg.norm(anchors - mean_colour(tint_near(colour, rng)), axis=1)
            assert int(distances.argmin()) == index, colour
    gaps = np.linalg.norm(anchors[:, None] - anchors[None], axis=2) + 1e3 * np.eye(len(COLOURS))
    assert gaps.min() > 12
