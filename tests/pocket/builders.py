"""Small scenes and a small training folder, made by hand instead of by training."""

import pickle
import resource
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np

from pocket.training.dataset import SHAPES
from pocket.world.schema import Character, Look, Scene, Thing, sample_scene

PICTURES_PER_SHAPE = 12


def look(colour: str = "orange", pattern: str = "plain") -> Look:
    return Look(colour=colour, tint=(0.9, 0.5, 0.1), pattern=pattern, accent=(1.0, 0.9, 0.8), ears=0, tail=0, build=0.0)


def thing(name: str, colour: str = "blue") -> Thing:
    return Thing(name=name, colour=colour, tint=(0.3, 0.5, 0.8))


def character(
    kind: str = "fox",
    *,
    colour: str = "orange",
    pattern: str = "plain",
    pose: str = "standing",
    clothing: Thing | None = None,
    held: Thing | None = None,
) -> Character:
    return Character(kind=kind, look=look(colour, pattern), pose=pose, clothing=clothing, held=held)


def scene(*characters: Character, place: str = "snow", light: str = "day", boat: Thing | None = None) -> Scene:
    return Scene(characters=characters, place=place, light=light, standing_object=boat)


@contextmanager
def most_bytes_of_a_file(limit: int) -> Iterator[None]:
    """Writing to a file ends where it is so many bytes long, as on a full disk or in a process that is killed."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (limit, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


def write_latent_folder(folder: Path, *, latent_channels: int = 1) -> None:
    """What the transformer's training reads, `PICTURES_PER_SHAPE` pictures of each shape.

    Every latent of picture `i` is the number `i`, so that a batch tells which pictures it holds.
    """
    for shape, (width, height) in SHAPES.items():
        rng = np.random.default_rng(width + height)
        scenes = [sample_scene(rng, width=width, height=height) for _ in range(PICTURES_PER_SHAPE)]
        numbers = np.arange(PICTURES_PER_SHAPE, dtype=np.float16)[:, None, None, None]
        latents = np.broadcast_to(numbers, (PICTURES_PER_SHAPE, latent_channels, height // 16, width // 16))
        coverage = np.zeros((PICTURES_PER_SHAPE, 2, height // 32, width // 32), np.uint8)
        for i, drawn in enumerate(scenes):
            for c in range(len(drawn.characters)):
                coverage[i, c] = rng.integers(128, size=coverage.shape[2:])
        np.save(folder / f"latents-{shape}.npy", latents)
        np.save(folder / f"coverage-{shape}.npy", coverage)
        (folder / f"scenes-{shape}.pkl").write_bytes(pickle.dumps(scenes))
