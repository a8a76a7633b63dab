"""Makes the sample bank: draws its source pictures and learns their concepts with the `learn` command itself.

    python -m pocket.sample_bank

Looks are chosen, not drawn by lot. A caption leaves out the looks of what is learnt and names those of what is not: a
pose is learnt from a figure whose colour the caption says, so that the colour is not taken for a part of the pose.
"""

import argparse
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image

from pocket.world import drawing, schema
from pocket.world.schema import Character, Look, Scene, Thing

FABLEVERSE = Path(sys.executable).with_name("fableverse")


@dataclass(frozen=True)
class Source:
    """A picture to learn from, its caption and the concepts in it (`id=word:kind`)."""

    name: str
    scene: Scene
    caption: str
    concepts: tuple[str, ...]


def _tint(colour: str) -> schema.RGB:
    return schema.tint_near(colour, np.random.default_rng(len(colour)))


def _look(colour: str, accent: schema.RGB, *, pattern: str = "plain", ears: int, tail: int, build: float) -> Look:
    return Look(colour=colour, tint=_tint(colour), pattern=pattern, accent=accent, ears=ears, tail=tail, build=build)


def _thing(name: str, colour: str) -> Thing:
    return Thing(name=name, colour=colour, tint=_tint(colour))


def _scene(
    kind: str, look: Look, pose: str, place: str, *, clothing: Thing | None = None, light: str = "day", hue: float = 0.0
) -> Scene:
    figure = Character(kind=kind, look=look, pose=pose, clothing=clothing)
    return Scene(characters=(figure,), place=place, light=light, light_hue=hue)


SOURCES = (
    Source(
        "rusty",
        _scene(
            "fox",
            _look("orange", (0.98, 0.90, 0.70), ears=0, tail=0, build=0.2),
            "standing",
            "meadow",
            clothing=_thing("scarf", "green"),
        ),
        "a fox wearing a scarf standing in the meadow in daylight",
        ("rusty=fox:character", "woolly=scarf:clothing"),
    ),
    Source(
        "luna",
        _scene("cat", _look("blue", (0.95, 0.80, 0.86), ears=1, tail=1, build=-0.3), "sitting", "beach"),
        "a cat sitting on the beach in daylight",
        ("luna=cat:character",),
    ),
    Source(
        "night",
        _scene(
            "bear",
            _look("white", (0.95, 0.85, 0.80), ears=1, tail=0, build=0.0),
            "standing",
            "meadow",
            light="moonlight",
            hue=0.9,
        ),
        "a white bear standing in the meadow in the moonlight",
        ("night=moonlight:lighting",),
    ),
    Source(
        "pip",
        _scene("robot", _look("green", (0.98, 0.93, 0.62), ears=2, tail=0, build=0.5), "waving", "town"),
        "a robot waving in the town in daylight",
        ("pip=robot:character",),
    ),
    Source(
        "hello",
        _scene("bear", _look("yellow", (1.0, 0.95, 0.85), ears=0, tail=0, build=0.0), "waving", "snow"),
        "a yellow bear waving in the snow in daylight",
        ("hello=waving:pose",),
    ),
    Source(
        "clover",
        _scene("rabbit", _look("pink", (1.0, 0.94, 0.90), ears=1, tail=2, build=0.0), "standing", "forest"),
        "a rabbit standing in the forest in daylight",
        ("clover=rabbit:character",),
    ),
    Source(
        "stripes",
        _scene(
            "bear",
            _look("purple", (1.0, 0.92, 0.60), pattern="striped", ears=0, tail=0, build=0.3),
            "standing",
            "snow",
        ),
        "a purple striped bear standing in the snow in daylight",
        ("stripes=striped:material",),
    ),
)


def main() -> None:
    """Draw every source picture into a folder and learn from each in turn."""
    parser = argparse.ArgumentParser(prog="python -m pocket.sample_bank", description=main.__doc__)
    parser.add_argument("names", nargs="*", help="pictures to learn from; by default all")
    parser.add_argument("--bank", type=Path, default=Path(__file__).parent / "bank")
    parser.add_argument("--pictures", type=Path, default=Path("training-data") / "sources")
    parser.add_argument("--model", default="pocket")
    parser.add_argument("--steps", default=None, help="steps of learning, as the learn command takes them")
    args = parser.parse_args()
    args.pictures.mkdir(parents=True, exist_ok=True)
    args.bank.mkdir(parents=True, exist_ok=True)
    for source in SOURCES:
        if args.names and source.name not in args.names:
            continue
        picture = args.pictures / f"{source.name}.png"
        Image.fromarray(drawing.draw_scene(source.scene)).save(picture)
        command = [str(FABLEVERSE), "learn", str(picture), "--caption", source.caption, "--replace"]
        command += ["--bank", str(args.bank), "--model", args.model]
        for concept in source.concepts:
            command += ["--concept", concept]
        if args.steps is not None:
            command += ["--steps", args.steps]
        subprocess.run(command, check=True)


if __name__ == "__main__":
    main()
