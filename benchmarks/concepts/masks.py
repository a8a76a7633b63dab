"""Where a source picture shows a concept, by the world: what segmentation models tell the baselines elsewhere."""

from dataclasses import replace

import numpy as np
import torch
from torch import Tensor

from benchmarks.concepts.cases import BenchConcept, BenchSource
from pocket.world.drawing import character_masks, draw_scene

CHANGED = 12
"""Difference of a pixel, of 255, from which on something is drawn there."""


def concept_mask(source: BenchSource, concept: BenchConcept, grid: tuple[int, int]) -> Tensor:
    """How much of each image token the concept covers, `(I,)` in [0, 1], row by row of a grid of (rows, columns).

    Clothes are where the picture without them differs; a light is everywhere; all else is its figure.
    """
    scene = source.scene
    if concept.kind == "lighting":
        pixels = np.ones((scene.height, scene.width), np.float32)
    elif concept.kind == "clothing":
        bare = [replace(c, clothing=None) if i == concept.figure else c for i, c in enumerate(scene.characters)]
        without = draw_scene(replace(scene, characters=tuple(bare))).astype(np.int16)
        pixels = (np.abs(draw_scene(scene) - without).max(-1) > CHANGED).astype(np.float32)
    else:
        pixels = character_masks(scene)[concept.figure]
    return torch.nn.functional.adaptive_avg_pool2d(torch.from_numpy(pixels)[None], grid).flatten()
