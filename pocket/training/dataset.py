"""The training pictures: drawn once, in parallel, and kept as files of `training-data/`.

`pictures-SHAPE.npy` are uint8 pictures `(N, height, width, 3)`, `coverage-SHAPE.npy` how much of each 32-pixel cell
each of up to two characters covers `(N, 2, height/32, width/32)` in [0, 255], and `scenes-SHAPE.pkl` the scenes.
"""

import os
import pickle
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from pathlib import Path

import numpy as np

from pocket.world import drawing, schema

CHUNK_SIZE = 200
"""Pictures that one process draws at a time; another number gives other pictures."""
SHAPES = {"square": (256, 256), "cover": (256, 320), "spread": (384, 256)}
"""Width and height of the three kinds of picture."""


def _draw_chunk(
    chunk: int, *, shape: str, seed: int, chunk_size: int
) -> tuple[np.ndarray, np.ndarray, list[schema.Scene]]:
    width, height = SHAPES[shape]
    rng = np.random.default_rng((seed, chunk, width, height))
    pictures = np.empty((chunk_size, height, width, 3), np.uint8)
    coverage = np.zeros((chunk_size, 2, height // 32, width // 32), np.uint8)
    scenes = []
    while len(scenes) < chunk_size:
        scene = schema.sample_scene(rng, width=width, height=height)
        if schema.shows_held_out(scene):
            continue
        i = len(scenes)
        pictures[i] = drawing.draw_scene(scene)
        masks = drawing.character_masks(scene)
        cells = masks.reshape(len(masks), height // 32, 32, width // 32, 32).mean(axis=(2, 4))
        coverage[i, : len(masks)] = np.round(255 * cells)
        scenes.append(scene)
    return pictures, coverage, scenes


def draw_dataset(folder: Path, *, shape: str, num_pictures: int, seed: int, chunk_size: int = CHUNK_SIZE) -> None:
    """Draw `num_pictures` (rounded up to whole chunks) of one shape into `folder`; does nothing when they are there."""
    folder.mkdir(parents=True, exist_ok=True)
    if (folder / f"scenes-{shape}.pkl").exists():
        return
    num_chunks = -(-num_pictures // chunk_size)
    width, height = SHAPES[shape]
    pictures = np.lib.format.open_memmap(
        folder / f"pictures-{shape}.npy", "w+", np.uint8, (num_chunks * chunk_size, height, width, 3)
    )
    coverage = np.zeros((num_chunks * chunk_size, 2, height // 32, width // 32), np.uint8)
    scenes: list[schema.Scene] = []
    draw_chunk = partial(_draw_chunk, shape=shape, seed=seed, chunk_size=chunk_size)
    with ProcessPoolExecutor(os.cpu_count()) as pool:
        for c, chunk in enumerate(pool.map(draw_chunk, range(num_chunks))):
            rows = slice(c * chunk_size, (c + 1) * chunk_size)
            pictures[rows], coverage[rows] = chunk[0], chunk[1]
            scenes += chunk[2]
    pictures.flush()
    np.save(folder / f"coverage-{shape}.npy", coverage)
    temporary = folder / f"scenes-{shape}.pkl.part"
    temporary.write_bytes(pickle.dumps(scenes))
    temporary.rename(folder / f"scenes-{shape}.pkl")


def load_scenes(folder: Path, shape: str) -> list[schema.Scene]:
    """The scenes of one shape, in the order of the pictures."""
    return pickle.loads((folder / f"scenes-{shape}.pkl").read_bytes())
