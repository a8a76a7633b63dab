"""The training pictures are those of the scenes beside them, and unseen combinations stay unseen."""

import os
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from pocket.training.dataset import SHAPES, draw_dataset, load_scenes
from pocket.world.drawing import character_masks, draw_scene
from pocket.world.schema import combination_is_held_out

NUM_DRAWN = 12
SHAPE = "cover"


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Eleven covers asked for, drawn in chunks of four."""
    folder = tmp_path_factory.mktemp("drawn") / "new"
    draw_dataset(folder, shape=SHAPE, num_pictures=11, seed=3, chunk_size=4)
    return folder


def test_whole_chunks_are_drawn_and_no_two_scenes_are_the_same(folder: Path) -> None:
    scenes = load_scenes(folder, SHAPE)
    assert len(set(scenes)) == len(scenes) == NUM_DRAWN
    width, height = SHAPES[SHAPE]
    assert np.load(folder / f"pictures-{SHAPE}.npy").shape == (NUM_DRAWN, height, width, 3)
    assert {len(scene.characters) for scene in scenes} == {1, 2}
    as_first = [replace(scene, characters=(figure,)) for scene in scenes for figure in scene.characters]
    assert not any(combination_is_held_out(scene) for scene in as_first)


def test_pictures_and_coverage_belong_to_the_scenes_in_their_order(folder: Path) -> None:
    scenes = load_scenes(folder, SHAPE)
    pictures, coverage = (np.load(folder / f"{name}-{SHAPE}.npy") for name in ("pictures", "coverage"))
    width, height = SHAPES[SHAPE]
    assert coverage.shape == (NUM_DRAWN, 2, height // 32, width // 32)
    for i in (0, 5, NUM_DRAWN - 1):
        assert np.array_equal(pictures[i], draw_scene(scenes[i]))
        masks = character_masks(scenes[i])
        for c, mask in enumerate(masks):
            row, column = np.unravel_index(coverage[i, c].argmax(), coverage.shape[2:])
            cell = mask[32 * row : 32 * row + 32, 32 * column : 32 * column + 32]
            assert coverage[i, c, row, column] == pytest.approx(255 * cell.mean(), abs=0.51)
            assert coverage[i, c].mean() == pytest.approx(255 * mask.mean(), abs=0.51)
        assert not coverage[i, len(masks) :].any()


def test_what_is_drawn_is_not_drawn_again(folder: Path) -> None:
    before = {path.name: os.stat(path).st_mtime_ns for path in folder.iterdir()}
    draw_dataset(folder, shape=SHAPE, num_pictures=40, seed=4, chunk_size=4)
    assert {path.name: os.stat(path).st_mtime_ns for path in folder.iterdir()} == before
    assert sorted(before) == [f"coverage-{SHAPE}.npy", f"pictures-{SHAPE}.npy", f"scenes-{SHAPE}.pkl"]
