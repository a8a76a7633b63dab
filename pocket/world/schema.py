"""What a picture of the world shows: the ground truth that drawing, captions, training and the probe share.

Pure values, no drawing and no words of captions. Colours are sRGB triples in [0, 1]; lengths are fractions of the
picture's height unless a field says otherwise.
"""

import colorsys
import hashlib
from dataclasses import dataclass

import numpy as np

CHARACTERS = ("fox", "cat", "rabbit", "bear", "robot", "child")
CLOTHING = ("scarf", "hat", "glasses")
HELD_OBJECTS = ("lantern", "umbrella")
OBJECTS = ("boat",)
POSES = ("standing", "sitting", "waving", "jumping", "sleeping")
PLACES = ("meadow", "forest", "beach", "snow", "town", "bedroom")
LIGHTS = ("day", "sunset", "moonlight", "lamplight", "fog")
PATTERNS = ("plain", "striped", "spotted", "golden")

# Anchor hues in degrees, saturation and value; a look's tint lies near its named anchor.
COLOUR_HSV = {
    "red": (2, 0.80, 0.84),
    "orange": (28, 0.84, 0.96),
    "yellow": (50, 0.78, 0.98),
    "green": (118, 0.58, 0.68),
    "blue": (214, 0.68, 0.84),
    "purple": (272, 0.52, 0.74),
    "pink": (335, 0.40, 0.98),
    "white": (40, 0.05, 0.97),
}
COLOURS = tuple(COLOUR_HSV)
COLOURED_THINGS = ("scarf", "hat", "umbrella", "boat")

RGB = tuple[float, float, float]


@dataclass(frozen=True, kw_only=True)
class Look:
    """The looks of a character; only `colour` and `pattern` have words, the rest is never named in a caption."""

    colour: str
    tint: RGB
    """The colour as drawn: the named colour with its own small shift of hue."""
    pattern: str
    accent: RGB
    """Colour of belly, inner ears, stripes or spots (hair for the child)."""
    ears: int
    """Ear shape (antenna for the robot, hair for the child): 0, 1 or 2."""
    tail: int
    """Tail shape (or none where the kind has none): 0, 1 or 2."""
    build: float
    """From -1 (slim) to 1 (round)."""


@dataclass(frozen=True, kw_only=True)
class Thing:
    """A piece of clothing, a held object or an object that stands beside the character."""

    name: str
    colour: str
    tint: RGB


@dataclass(frozen=True, kw_only=True)
class Character:
    """One figure with everything it wears and holds."""

    kind: str
    look: Look
    pose: str
    clothing: Thing | None = None
    held: Thing | None = None
    mirrored: bool = False
    """Faces left instead of right: never named."""
    x: float = 0.5
    """Centre of the figure as a fraction of the picture's width."""
    scale: float = 1.0
    """1 is a figure about 0.62 of the picture's height when standing."""


@dataclass(frozen=True, kw_only=True)
class Scene:
    """Everything that one picture shows; the same scene always draws the same picture."""

    characters: tuple[Character, ...]
    """From left to right, which is also the order in which captions name them."""
    place: str
    light: str
    standing_object: Thing | None = None
    """Stands on the ground beside the character (on the side with more room)."""
    layout: int = 0
    """Variant of the place's scenery: 0, 1 or 2."""
    light_hue: float = 0.0
    """Shift of the light's grading, -1 to 1: never named."""
    width: int = 256
    height: int = 256


def combination_is_held_out(scene: Scene) -> bool:
    """Whether the first figure is of the tenth of attribute combinations that training never draws."""
    return _is_held_out(scene.characters[0], scene)


def shows_held_out(scene: Scene) -> bool:
    """Whether any figure is of one of these combinations, so that training must not draw the scene."""
    return any(_is_held_out(figure, scene) for figure in scene.characters)


def _is_held_out(figure: Character, scene: Scene) -> bool:
    key = f"{figure.kind} {figure.look.colour} {figure.pose} {scene.place}"
    return hashlib.sha256(key.encode()).digest()[0] < 26


def tint_near(colour: str, rng: np.random.Generator) -> RGB:
    """A tint that a person would call `colour`, with a small shift of hue, saturation and value."""
    hue, saturation, value = COLOUR_HSV[colour]
    hue = (hue + rng.uniform(-7, 7)) % 360
    saturation = np.clip(saturation * rng.uniform(0.92, 1.08), 0, 1)
    value = np.clip(value * rng.uniform(0.95, 1.04), 0, 1)
    return colorsys.hsv_to_rgb(hue / 360, float(saturation), float(value))


def _thing(name: str, rng: np.random.Generator) -> Thing:
    colour = str(rng.choice(COLOURS))
    return Thing(name=name, colour=colour, tint=tint_near(colour, rng))


def sample_look(rng: np.random.Generator, *, colour: str | None = None) -> Look:
    """Draw a look at random."""
    colour = colour or str(rng.choice(COLOURS))
    accent_colour = str(rng.choice([c for c in COLOURS if c != colour]))
    pale = np.array(tint_near(accent_colour, rng)) * 0.6 + 0.4
    return Look(
        colour=colour,
        tint=tint_near(colour, rng),
        pattern=str(rng.choice(PATTERNS, p=(0.64, 0.12, 0.12, 0.12))),
        accent=tuple(float(v) for v in pale),
        ears=int(rng.integers(3)),
        tail=int(rng.integers(3)),
        build=float(rng.uniform(-1, 1)),
    )


def sample_character(rng: np.random.Generator, *, x: float = 0.5, scale: float = 1.0, plain: bool = False) -> Character:
    """Draw a character at random; `plain` wears and holds nothing."""
    clothing = None if plain or rng.random() < 0.4 else _thing(str(rng.choice(CLOTHING)), rng)
    pose = str(rng.choice(POSES))
    can_hold = not plain and pose != "sleeping"
    held = _thing(str(rng.choice(HELD_OBJECTS)), rng) if can_hold and rng.random() < 0.25 else None
    return Character(
        kind=str(rng.choice(CHARACTERS)),
        look=sample_look(rng),
        pose=pose,
        clothing=clothing,
        held=held,
        mirrored=bool(rng.random() < 0.5),
        x=float(np.clip(x + rng.uniform(-0.025, 0.025), 0.1, 0.9)),
        scale=float(scale * rng.uniform(0.96, 1.04)),
    )


def sample_scene(
    rng: np.random.Generator, *, num_characters: int | None = None, width: int = 256, height: int = 256
) -> Scene:
    """Draw a scene at random, one or two characters; two are of different kinds."""
    if num_characters is None:
        num_characters = 2 if rng.random() < 0.3 else 1
    if num_characters == 1:
        characters = [sample_character(rng, x=0.5, scale=1.0)]
    else:
        spread = 0.24 if width <= height else 0.2
        characters = [
            sample_character(rng, x=0.5 - spread, scale=0.9),
            sample_character(rng, x=0.5 + spread, scale=0.9),
        ]
        while characters[1].kind == characters[0].kind:
            characters[1] = sample_character(rng, x=0.5 + spread, scale=0.9)
    standing = _thing("boat", rng) if num_characters == 1 and rng.random() < 0.12 else None
    return Scene(
        characters=tuple(characters),
        place=str(rng.choice(PLACES)),
        light=str(rng.choice(LIGHTS)),
        standing_object=standing,
        layout=int(rng.integers(3)),
        light_hue=float(rng.uniform(-1, 1)),
        width=width,
        height=height,
    )
