"""Trains the probe on the drawn pictures and says how often it is right on pictures it has not seen."""

import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import torch
from safetensors.torch import save
from torch import Tensor
from torch.nn import functional

from concepts.files import write_whole
from generator.precision import autocast
from pocket.probe import (
    FIGURE_ATTRIBUTES,
    FIGURE_MEASURES,
    NOTHING,
    NUM_SLOTS,
    SCENE_ATTRIBUTES,
    SCENE_MEASURES,
    Probe,
    to_probe_input,
)
from pocket.training.dataset import load_scenes
from pocket.training.muon import build_optimizers, set_learning_rate, update
from pocket.world.schema import Character, Scene

NUM_HELD_OUT = 1000
IGNORED = -100


def _figure_truth(character: Character) -> dict[str, str | None]:
    golden = character.look.pattern == "golden"
    return {
        "kind": character.kind,
        "colour": "gold" if golden else character.look.colour,
        "pattern": character.look.pattern,
        "pose": character.pose,
        "clothing": character.clothing.name if character.clothing else NOTHING,
        "clothing_colour": character.clothing.colour if character.clothing else None,
        "held": character.held.name if character.held else NOTHING,
        "ears": str(character.look.ears),
        "tail": str(character.look.tail),
    }


def _figure_measures(character: Character) -> dict[str, tuple[float, ...] | None]:
    look, clothing = character.look, character.clothing
    return {
        "tint": None if look.pattern == "golden" else look.tint,
        "accent": look.accent,
        "clothing_tint": clothing.tint if clothing else None,
        "build": ((1 + look.build) / 2,),
    }


def truth_of(scenes: list[Scene]) -> dict[str, Tensor]:
    """The right answers: class indices `(N, NUM_SLOTS)` of figures and `(N,)` of scenes, IGNORED where there is nothing
    to read; measures `(N, NUM_SLOTS, size)` and `(N, size)`, not a number where there is nothing to read."""
    truth = {name: torch.full((len(scenes), NUM_SLOTS), IGNORED) for name in FIGURE_ATTRIBUTES}
    truth["kind"][:] = FIGURE_ATTRIBUTES["kind"].index(NOTHING)
    for name, size in FIGURE_MEASURES.items():
        truth[name] = torch.full((len(scenes), NUM_SLOTS, size), float("nan"))
    for i, scene in enumerate(scenes):
        for slot, character in enumerate(scene.characters):
            for name, value in _figure_truth(character).items():
                if value is not None:
                    truth[name][i, slot] = FIGURE_ATTRIBUTES[name].index(value)
            for name, value in _figure_measures(character).items():
                if value is not None:
                    truth[name][i, slot] = torch.tensor(value)
    shown = {
        "place": [s.place for s in scenes],
        "light": [s.light for s in scenes],
        "object": [s.standing_object.name if s.standing_object else NOTHING for s in scenes],
        "layout": [str(s.layout) for s in scenes],
    }
    truth["light_hue"] = torch.tensor([[(1 + s.light_hue) / 2] for s in scenes])
    for name, values in shown.items():
        truth[name] = torch.tensor([SCENE_ATTRIBUTES[name].index(v) for v in values])
    return truth


def _loss(logits: dict[str, Tensor], truth: dict[str, Tensor]) -> Tensor:
    losses = [
        functional.cross_entropy(logits[name].flatten(0, -2), truth[name].flatten(), ignore_index=IGNORED)
        for name in (*FIGURE_ATTRIBUTES, *SCENE_ATTRIBUTES)
    ]
    for name in (*FIGURE_MEASURES, *SCENE_MEASURES):
        known = ~truth[name].isnan()
        if known.any():
            losses.append(4 * functional.l1_loss(logits[name][known], truth[name][known]))
    looked_at = truth["coverage"].sum(-1) > 0
    share = truth["coverage"][looked_at]
    share = share / share.sum(-1, keepdim=True)
    losses.append(-(share * (logits["where"][looked_at] + 1e-6).log()).sum(-1).mean())
    return torch.stack(losses).mean()


def train_probe(folder: Path, out: Path, *, minutes: float, batch_size: int, seed: int, device: str) -> None:
    """Train for a while and write the probe as float16; does nothing when `out` is there."""
    if out.exists():
        return
    torch.manual_seed(seed)
    pictures = np.load(folder / "pictures-square.npy", mmap_mode="r")
    truth = truth_of(load_scenes(folder, "square"))
    truth["coverage"] = torch.from_numpy(np.load(folder / "coverage-square.npy")).flatten(2).float() / 255
    probe = Probe().to(device=device, memory_format=torch.channels_last)
    for line in _fit(probe, pictures, truth, minutes=minutes, batch_size=batch_size, seed=seed):
        print(line, flush=True)
    out.parent.mkdir(parents=True, exist_ok=True)
    write_whole(out, save({name: value.half().contiguous() for name, value in probe.state_dict().items()}))
    accuracies = accuracy(probe, pictures[-NUM_HELD_OUT:], {n: v[-NUM_HELD_OUT:] for n, v in truth.items()})
    print("probe, held-out accuracy:", " ".join(f"{n} {a:.3f}" for n, a in accuracies.items()), flush=True)


def _fit(
    probe: Probe, pictures: np.ndarray, truth: dict[str, Tensor], *, minutes: float, batch_size: int, seed: int
) -> Iterator[str]:
    device = next(probe.parameters()).device
    rng = np.random.default_rng(seed)
    optimizers = build_optimizers(probe, 2e-3)
    start, step, done = time.monotonic(), 0, 0.0
    while done < 1:
        done = min(1.0, (time.monotonic() - start) / (60 * minutes))
        set_learning_rate(optimizers, 2e-3 * min(1.0, (step + 1) / 50) * min(1.0, 1.5 * (1 - done) + 1e-3))
        rows = np.sort(rng.choice(len(pictures) - NUM_HELD_OUT, batch_size, replace=False))
        batch = _soften(to_probe_input(np.asarray(pictures[rows])).to(device))
        with autocast(str(device)):
            logits = probe(batch.contiguous(memory_format=torch.channels_last))
        loss = _loss(
            {n: v.float() for n, v in logits.items()},
            {n: v[torch.from_numpy(rows)].to(device) for n, v in truth.items()},
        )
        update(optimizers, loss)
        if step % 100 == 0 or done == 1:
            yield f"probe {step} ({done:.0%}) loss {loss.item():.4f}"
        step += 1


def _soften(batch: Tensor) -> Tensor:
    """Blur some of the pictures and add a little noise: drawn pictures are sharp and clean, rendered ones are not."""
    factor = int(torch.randint(1, 4, ()))
    small = functional.interpolate(batch, scale_factor=1 / factor, mode="area")
    blurred = functional.interpolate(small, size=batch.shape[-2:], mode="bilinear")
    amount = torch.rand(len(batch), 1, 1, 1, device=batch.device)
    noise = torch.randn_like(batch) * torch.rand(len(batch), 1, 1, 1, device=batch.device) * 0.1
    return batch + amount * (blurred - batch) + noise


@torch.no_grad()
def accuracy(probe: Probe, pictures: np.ndarray, truth: dict[str, Tensor]) -> dict[str, float]:
    """Share of right readings per attribute over pictures `(N, 256, 256, 3)`, where there is something to read."""
    device = next(probe.parameters()).device
    logits: dict[str, list[Tensor]] = {}
    for i in range(0, len(pictures), 100):
        for name, value in probe(to_probe_input(np.asarray(pictures[i : i + 100])).to(device)).items():
            logits.setdefault(name, []).append(value.cpu())
    accuracies = {}
    for name in (*FIGURE_ATTRIBUTES, *SCENE_ATTRIBUTES):
        known = truth[name] != IGNORED
        accuracies[name] = (torch.cat(logits[name]).argmax(-1) == truth[name])[known].float().mean().item()
    return accuracies
