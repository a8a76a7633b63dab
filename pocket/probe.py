"""Reads back what a picture of the world shows: a small classifier, trained on drawn pictures, shipped with Pocket.

It knows pictures only, no prompts: the benchmark and the tests compare what it reads with what was asked. Figures are
read in two slots, from left to right; the second is empty when there is one figure.
"""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from safetensors.torch import load_file
from torch import Tensor, nn

from pocket.world import schema

PROBE_PATH = Path(__file__).parent / "probe" / "probe.safetensors"
NUM_SLOTS = 2
NOTHING = "none"

FIGURE_ATTRIBUTES: dict[str, tuple[str, ...]] = {
    "kind": (NOTHING, *schema.CHARACTERS),
    "colour": (*schema.COLOURS, "gold"),
    "pattern": schema.PATTERNS,
    "pose": schema.POSES,
    "clothing": (NOTHING, *schema.CLOTHING),
    "clothing_colour": schema.COLOURS,
    "held": (NOTHING, *schema.HELD_OBJECTS),
    "ears": ("0", "1", "2"),
    "tail": ("0", "1", "2"),
}
SCENE_ATTRIBUTES: dict[str, tuple[str, ...]] = {
    "place": schema.PLACES,
    "light": schema.LIGHTS,
    "object": (NOTHING, *schema.OBJECTS),
    "layout": ("0", "1", "2"),
}
FIGURE_MEASURES = {"tint": 3, "accent": 3, "clothing_tint": 3, "build": 1}
"""Numbers that are read of a figure, each in [0, 1]."""
SCENE_MEASURES = {"light_hue": 1}


@dataclass(frozen=True)
class Figure:
    """What the probe reads of one figure."""

    kind: str
    colour: str
    pattern: str
    pose: str
    clothing: str
    clothing_colour: str | None
    """None where nothing is worn."""
    held: str
    ears: str
    tail: str
    tint: tuple[float, ...]
    """Colour of the figure as if unlit, sRGB in [0, 1]."""
    accent: tuple[float, ...]
    """Colour of its belly or markings as if unlit, sRGB in [0, 1]."""
    clothing_tint: tuple[float, ...] | None
    """Colour of what it wears as if unlit, sRGB in [0, 1]; None where nothing is worn."""
    build: float
    """From 0 (slim) to 1 (round)."""


@dataclass(frozen=True)
class Reading:
    """What the probe reads of a picture."""

    figures: tuple[Figure, ...]
    """From left to right."""
    place: str
    light: str
    object: str
    layout: str
    light_hue: float
    """Shift of the light's grading, from 0 to 1."""

    def find_figure(self, kind: str, place: int) -> Figure | None:
        """The first figure of a kind; where there is none, the one in a place, counted from 0 at the left."""
        found = next((figure for figure in self.figures if figure.kind == kind), None)
        return found or (self.figures[place] if place < len(self.figures) else None)


class _Residual(nn.Module):
    def __init__(self, channels: int) -> None:
        super().__init__()
        self.body = nn.Sequential(
            nn.GroupNorm(8, channels), nn.SiLU(), nn.Conv2d(channels, channels, 3, padding=1),
            nn.GroupNorm(8, channels), nn.SiLU(), nn.Conv2d(channels, channels, 3, padding=1),
        )  # fmt: skip

    def forward(self, hidden_states: Tensor) -> Tensor:
        return hidden_states + self.body(hidden_states)


class Probe(nn.Module):
    """Convolutional classifier of square pictures `(B, 3, 128, 128)` in [-1, 1].

    `forward` gives logits: of a figure's attributes `(B, NUM_SLOTS, num_classes)`, of the scene's `(B, num_classes)`;
    measures in [0, 1]: of a figure `(B, NUM_SLOTS, size)`, of the scene `(B, size)`; and `where` `(B, NUM_SLOTS, 64)`,
    how much it looks at each 8×8 cell.
    """

    def __init__(self, width: int = 160) -> None:
        super().__init__()
        self.trunk = nn.Sequential(
            nn.Conv2d(3, 64, 4, stride=4), _Residual(64),
            nn.Conv2d(64, 128, 3, stride=2, padding=1), _Residual(128),
            nn.Conv2d(128, width, 3, stride=2, padding=1), _Residual(width), _Residual(width),
            nn.GroupNorm(8, width), nn.SiLU(),
        )  # fmt: skip
        self.position = nn.Parameter(torch.randn(1, width, 8, 8) * 0.02)
        self.where = nn.Conv2d(width, NUM_SLOTS * 2, 1)
        self.figure_hidden = nn.Sequential(nn.Linear(2 * width, 2 * width), nn.SiLU())
        self.figure_heads = nn.ModuleDict({n: nn.Linear(2 * width, len(v)) for n, v in FIGURE_ATTRIBUTES.items()})
        self.figure_measures = nn.ModuleDict({n: nn.Linear(2 * width, size) for n, size in FIGURE_MEASURES.items()})
        self.scene_hidden = nn.Sequential(nn.Linear(2 * width, width), nn.SiLU())
        self.scene_heads = nn.ModuleDict({n: nn.Linear(width, len(v)) for n, v in SCENE_ATTRIBUTES.items()})
        self.scene_measures = nn.ModuleDict({n: nn.Linear(width, size) for n, size in SCENE_MEASURES.items()})

    def forward(self, pictures: Tensor) -> dict[str, Tensor]:
        cells = self.trunk(pictures) + self.position
        weights = self.where(cells).flatten(2).softmax(dim=-1)
        figures = torch.einsum("bsn,bcn->bsc", weights, cells.flatten(2)).reshape(len(cells), NUM_SLOTS, -1)
        figures = self.figure_hidden(figures)
        scene = self.scene_hidden(torch.cat([cells.mean((2, 3)), cells.amax((2, 3))], dim=-1))
        answers = {name: head(figures) for name, head in self.figure_heads.items()}
        answers |= {name: head(figures).sigmoid() for name, head in self.figure_measures.items()}
        answers |= {name: head(scene) for name, head in self.scene_heads.items()}
        answers |= {name: head(scene).sigmoid() for name, head in self.scene_measures.items()}
        return answers | {"where": weights[:, ::2]}


def to_probe_input(pictures: np.ndarray) -> Tensor:
    """uint8 `(B, 256, 256, 3)` to `(B, 3, 128, 128)` in [-1, 1], by means of 2×2 pixels."""
    tensor = torch.from_numpy(pictures).permute(0, 3, 1, 2).float()
    return nn.functional.avg_pool2d(tensor, 2).div(127.5).sub(1)


def load_probe(path: Path = PROBE_PATH) -> Probe:
    """The shipped probe, for reading."""
    probe = Probe()
    probe.load_state_dict({name: value.float() for name, value in load_file(path).items()})
    return probe.eval().requires_grad_(False)


@torch.no_grad()
def read_pictures(probe: Probe, pictures: list[Image.Image]) -> list[Reading]:
    """What the probe sees in each picture; pictures are resized to 256×256 first."""
    resized = [np.asarray(p.convert("RGB").resize((256, 256), Image.Resampling.BICUBIC)) for p in pictures]
    return readings_of(probe(to_probe_input(np.stack(resized))))


def readings_of(answers: dict[str, Tensor]) -> list[Reading]:
    """What a batch of the probe's answers says."""
    best = {name: answers[name].argmax(-1).tolist() for name in (*FIGURE_ATTRIBUTES, *SCENE_ATTRIBUTES)}
    measures = {name: answers[name].tolist() for name in (*FIGURE_MEASURES, *SCENE_MEASURES)}
    return [_reading(best, measures, i) for i in range(len(answers["where"]))]


def _reading(best: dict[str, list], measures: dict[str, list], i: int) -> Reading:
    figures = []
    for slot in range(NUM_SLOTS):
        read = {name: values[best[name][i][slot]] for name, values in FIGURE_ATTRIBUTES.items()}
        if read["kind"] == NOTHING:
            continue
        worn = read["clothing"] != NOTHING
        figures.append(
            Figure(
                **read | {"clothing_colour": read["clothing_colour"] if worn else None},
                tint=tuple(measures["tint"][i][slot]),
                accent=tuple(measures["accent"][i][slot]),
                clothing_tint=tuple(measures["clothing_tint"][i][slot]) if worn else None,
                build=measures["build"][i][slot][0],
            )
        )
    scene = {name: values[best[name][i]] for name, values in SCENE_ATTRIBUTES.items()}
    return Reading(figures=tuple(figures), **scene, light_hue=measures["light_hue"][i][0])
