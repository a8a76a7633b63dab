"""What faster ways of drawing cost: speed, likeness to the exact picture and loss of concept preservation, on Pocket.

    python -m benchmarks.bench_profiles            three heroes of the sample bank, two seeds a scene

Scenes are those of three books by the built-in storyteller, each with its hero as a concept. Every way draws them from
the same noise. CP is the hero's, by the probe (`benchmarks/concepts/scores.py`); its loss is the mean over pictures
of what the exact picture has and the faster one has not, with a bootstrap interval of 95 %. Beside profiles stands
FirstBlockCache, which profiles use for large models alone, and pictures that are not guided by concepts; `fast` draws
Pocket as `quality` does. Last comes JSON.
"""

import argparse
import json
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np
from diffusers import FirstBlockCacheConfig
from numpy.lib.stride_tricks import sliding_window_view
from PIL import Image

from api.settings import SAMPLE_BANK_DIR
from benchmarks.bench_modulation import print_environment, print_table
from benchmarks.bench_recurrence import BOOKS, hero_scenes
from benchmarks.concepts.cases import BenchConcept
from benchmarks.concepts.scores import preservation
from concepts.bank import ConceptBank
from concepts.binding import bind_concepts
from generator.flux_renderer import FluxRenderer
from generator.loading import load_model
from generator.planning import settings_of
from generator.renderer import PictureOrder
from generator.settings import RenderSettings
from pocket.probe import Reading, load_probe, read_pictures

WINDOW = 7
"""Pixels a side of SSIM's windows."""
RESAMPLES = 2000


@dataclass(frozen=True)
class Way:
    """One way of drawing."""

    name: str
    settings: RenderSettings
    cache_threshold: float = 0.0


@dataclass(frozen=True)
class Task:
    """A picture to draw, and the source that its hero is compared with."""

    order: PictureOrder
    hero: str


def main(argv: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.bench_profiles", description=__doc__.splitlines()[0])
    parser.add_argument("--seeds", type=int, default=2, help="pictures of each scene (default: %(default)s)")
    options = parser.parse_args(argv)
    bank, model = ConceptBank(SAMPLE_BANK_DIR), load_model()
    tasks = [task for seed in range(options.seeds) for task in _tasks(bank, seed)]
    sources = dict(zip((hero for _, hero in BOOKS), _read_sources(bank), strict=True))
    exact = Way("quality", model.defaults)
    ways = [exact, Way("draft", settings_of("draft", model.defaults))]
    ways.append(Way("quality, not guided by concepts", settings_of("quality", model.defaults, concept_guidance=1.0)))
    ways += [Way(f"quality, FirstBlockCache {threshold}", model.defaults, threshold) for threshold in (0.05, 0.1, 0.2)]
    renderer = FluxRenderer(model, bank)
    drawn = {way: _draw(renderer, tasks, way) for way in ways}
    kept = {way: _preservation(pictures, tasks, sources) for way, (pictures, _) in drawn.items()}
    rows = [_row(way, drawn[way], kept[way], *drawn[exact], kept[exact]) for way in ways]
    environment = print_environment(model)
    print(f"\n{len(tasks)} pictures each\n")
    print_table([*rows[0]], rows)
    print(json.dumps({"benchmark": "profiles", **environment, "pictures": len(tasks), "ways": rows}))
    return 0


def _tasks(bank: ConceptBank, seed: int) -> Iterator[Task]:
    for idea, hero in BOOKS:
        for index, scene in enumerate(hero_scenes(idea, hero, bank, seed=1)):
            bound = bind_concepts(scene.prompt, [bank.get(concept_id) for concept_id in scene.concepts])
            yield Task(PictureOrder(bound=bound, seed=1000 * seed + index), hero)


def _read_sources(bank: ConceptBank) -> list[Reading]:
    return read_pictures(load_probe(), [Image.open(bank.source_path(hero)) for _, hero in BOOKS])


def _draw(renderer: FluxRenderer, tasks: Sequence[Task], way: Way) -> tuple[list[Image.Image], list[float]]:
    """The pictures, one at a time, and the processor seconds that each took."""
    pictures, seconds = [], []
    with _cached(renderer.model.pipeline.transformer, way.cache_threshold):
        for task in tasks:
            started = time.process_time()
            pictures.append(renderer.render(task.order.bound, seed=task.order.seed, settings=way.settings))
            seconds.append(time.process_time() - started)
    return pictures, seconds


@contextmanager
def _cached(transformer: Any, threshold: float) -> Iterator[None]:
    if not threshold:
        yield
        return
    transformer.enable_cache(FirstBlockCacheConfig(threshold=threshold))
    try:
        yield
    finally:
        transformer.disable_cache()


def _preservation(pictures: list[Image.Image], tasks: Sequence[Task], sources: dict[str, Reading]) -> np.ndarray:
    """CP of each picture's hero."""
    concept = BenchConcept(id="hero", word="hero", kind="character", figure=0)
    found = []
    for task, reading in zip(tasks, read_pictures(load_probe(), pictures), strict=True):
        source = sources[task.hero]
        alike = [figure for figure in reading.figures if figure.kind == source.figures[0].kind]
        found.append(preservation(concept, source, (alike or [*reading.figures, None])[0], reading))
    return np.array(found)


def _row(
    way: Way,
    drawn: tuple[list[Image.Image], list[float]],
    kept: np.ndarray,
    exact: list[Image.Image],
    exact_seconds: list[float],
    exact_kept: np.ndarray,
) -> dict[str, str | float]:
    pictures, seconds = drawn
    losses = exact_kept - kept
    resampled = np.random.default_rng(0).choice(losses, (RESAMPLES, len(losses))).mean(axis=1)
    low, high = np.quantile(resampled, (0.025, 0.975))
    share = 100 / exact_kept.mean()
    return {
        "way": way.name,
        "CPU s": round(float(np.median(seconds)), 3),
        "times as fast": round(float(np.median(exact_seconds) / np.median(seconds)), 2),
        "PSNR": round(float(np.mean([psnr(*pair) for pair in zip(pictures, exact, strict=True)])), 1),
        "SSIM": round(float(np.mean([ssim(*pair) for pair in zip(pictures, exact, strict=True)])), 3),
        "CP": round(float(kept.mean()), 3),
        "loss of CP in %": f"{losses.mean() * share:.1f} ({low * share:.1f} to {high * share:.1f})",
    }


def psnr(left: Image.Image, right: Image.Image) -> float:
    """Peak signal to noise in dB, at most 99, which stands for equal pictures."""
    error = np.mean((np.asarray(left, np.float64) - np.asarray(right, np.float64)) ** 2)
    return 99.0 if error == 0 else min(99.0, float(10 * np.log10(255**2 / error)))


def ssim(left: Image.Image, right: Image.Image) -> float:
    """Structural similarity of brightness, over all windows of `WINDOW` pixels; 1 for equal pictures."""
    first, second = (
        sliding_window_view(np.asarray(each.convert("L"), np.float64), (WINDOW, WINDOW)) for each in (left, right)
    )
    means = [windows.mean(axis=(2, 3)) for windows in (first, second)]
    variances = [windows.var(axis=(2, 3)) for windows in (first, second)]
    covariance = (first * second).mean(axis=(2, 3)) - means[0] * means[1]
    small, smaller = (0.01 * 255) ** 2, (0.03 * 255) ** 2
    brightness = (2 * means[0] * means[1] + small) / (means[0] ** 2 + means[1] ** 2 + small)
    structure = (2 * covariance + smaller) / (variances[0] + variances[1] + smaller)
    return float((brightness * structure).mean())


if __name__ == "__main__":
    sys.exit(main())
