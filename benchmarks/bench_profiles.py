"""What faster ways of drawing cost: speed, likeness to the exact picture and loss of concept preservation, on Pocket.

    python -m benchmarks.bench_profiles            three heroes of the sample bank, two seeds a scene

Scenes are those of three books by the built-in storyteller, each with its hero as a concept. Every way draws them from
the same noise. CP is the hero's, by the probe (`benchmarks/concepts/scores.py`); its loss is the mean over pictures
of what the exact picture has and the faster one has not, with a bootstrap interval of 95 %. `fast` draws Pocket as
`quality` does, so what it does to large models is done to Pocket here: FirstBlockCache, and on cards that full weights
do not fit these kept in fp8. At the threshold that large models have, Pocket leaves nothing out, so it has one of its
own (`LEAVES_OUT_AS_MUCH`). Beside profiles stand pictures that are not guided by concepts. A profile that loses more
than `LARGEST_LOSS` ends the run with exit status 1. Last comes JSON.
"""

import argparse
import json
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
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
LARGEST_LOSS = 1.0
"""Percent of CP that a profile may lose."""
LEAVES_OUT_AS_MUCH = 0.25
"""Threshold at which Pocket leaves out the blocks of half of its steps and is 1.54 times as fast or more. FLUX.1-dev is
1.55 times as fast at the profiles' own 0.08 (ParaAttention's figure), at which Pocket leaves nothing out."""


@dataclass(frozen=True)
class Way:
    """One way of drawing."""

    name: str
    settings: RenderSettings
    cache_threshold: float = 0.0
    is_in_fp8: bool = False
    """Whether weights are kept in fp8, all but adaptive norms, and computed with as the model computes."""
    is_profile: bool = False
    """Whether a profile draws so, and may not lose more than `LARGEST_LOSS`."""


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
    ways = ways_of(model.defaults)
    drawn = {way: _draw(bank, tasks, way) for way in ways}
    kept = {way: _preservation(pictures, tasks, sources) for way, (pictures, _) in drawn.items()}
    rows = [_row(way, drawn[way], kept[way], *drawn[ways[0]], kept[ways[0]]) for way in ways]
    environment = print_environment(model)
    print(f"\n{len(tasks)} pictures each\n")
    print_table([*rows[0]], rows)
    print(json.dumps({"benchmark": "profiles", **environment, "pictures": len(tasks), "ways": rows}))
    too_lossy = [way.name for way in ways if way.is_profile and percent_lost(kept[ways[0]], kept[way]) > LARGEST_LOSS]
    if too_lossy:
        print(f"More than {LARGEST_LOSS:g} % of CP is lost by: {', '.join(too_lossy)}", file=sys.stderr)
    return int(bool(too_lossy))


def ways_of(defaults: RenderSettings) -> list[Way]:
    """The exact one first."""
    unguided = settings_of("quality", defaults, concept_guidance=1.0)
    small, cached = "fast on a small card (fp8", f"FirstBlockCache {LEAVES_OUT_AS_MUCH:g})"
    return [
        Way("quality", defaults, is_profile=True),
        Way(f"fast ({cached}", defaults, LEAVES_OUT_AS_MUCH, is_profile=True),
        Way(f"{small}, {cached}", defaults, LEAVES_OUT_AS_MUCH, is_in_fp8=True, is_profile=True),
        Way(f"{small}, blocks streamed)", defaults, is_in_fp8=True, is_profile=True),
        Way("draft, steps alone", settings_of("draft", defaults), is_profile=True),
        Way("quality, not guided by concepts", unguided),
    ]


def percent_lost(exact: np.ndarray, kept: np.ndarray) -> float:
    """Of the exact pictures' CP, the share that is lost; negative is a gain."""
    return float(100 * (exact - kept).mean() / exact.mean())


def _tasks(bank: ConceptBank, seed: int) -> Iterator[Task]:
    for idea, hero in BOOKS:
        for index, scene in enumerate(hero_scenes(idea, hero, bank, seed=1)):
            bound = bind_concepts(scene.prompt, [bank.get(concept_id) for concept_id in scene.concepts])
            yield Task(PictureOrder(bound=bound, seed=1000 * seed + index), hero)


def _read_sources(bank: ConceptBank) -> list[Reading]:
    return read_pictures(load_probe(), [Image.open(bank.source_path(hero)) for _, hero in BOOKS])


def _draw(bank: ConceptBank, tasks: Sequence[Task], way: Way) -> tuple[list[Image.Image], list[float]]:
    """The pictures, one at a time, and the processor seconds that each took."""
    model = replace(load_model(), cache_threshold=way.cache_threshold)
    if way.is_in_fp8:
        transformer = model.pipeline.transformer
        transformer.enable_layerwise_casting(storage_dtype=torch.float8_e4m3fn, compute_dtype=transformer.dtype)
    renderer = FluxRenderer(model, bank)
    pictures, seconds = [], []
    for task in tasks:
        started = time.process_time()
        pictures.append(renderer.render(task.order.bound, seed=task.order.seed, settings=way.settings))
        seconds.append(time.process_time() - started)
    return pictures, seconds


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
