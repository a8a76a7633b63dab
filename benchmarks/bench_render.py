"""How long a picture with concepts takes beside the same prompt through a plain `FluxPipeline`, in one run.

    python -m benchmarks.bench_render

Two concepts per prompt, with random directions for every block: their values do not matter to speed. Plain and
modulated pictures of one prompt are drawn one after the other, first the one, next time the other first, so that
whatever else the machine does falls on both. Prints an environment card and a table; the last line is JSON.
"""

import argparse
import json
import os
import platform
import resource
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import diffusers
import torch
from PIL import Image

from concepts.bank import ConceptBank, hash_direction
from concepts.binding import bind_concepts
from concepts.schema import BoundPrompt, Concept
from generator.directions import save_direction
from generator.flux_renderer import FluxRenderer
from generator.loading import FluxModel, load_model
from generator.settings import RenderSettings
from generator.tokens import find_token_spans

PROMPTS = (
    "a fox waving in the snow under a lantern",
    "a fox reading in the forest, a lantern beside it",
    "a fox sailing on the sea with a lantern at night",
)
WORDS = ("fox", "lantern")


@dataclass(frozen=True)
class Timings:
    """Seconds per picture, in the order drawn; equal indices are the same prompt and seed."""

    plain_s: list[float]
    concepts_s: list[float]

    def ratio(self) -> float:
        """Median over the pairs of time with concepts to time without."""
        return statistics.median(ours / plain for ours, plain in zip(self.concepts_s, self.plain_s, strict=True))


def main(argv: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.bench_render", description=__doc__.splitlines()[0])
    parser.add_argument("--model", default="pocket", help="'pocket', a folder or a hub id (default: %(default)s)")
    parser.add_argument("--repeat", type=int, default=5, help="pictures per prompt and kind (default: %(default)s)")
    parser.add_argument("--steps", type=int, help="denoising steps (default: the model's)")
    options = parser.parse_args(argv)
    if options.repeat < 1:
        parser.error("--repeat must be at least 1")
    model = load_model(options.model)
    settings = replace(model.defaults, num_inference_steps=options.steps or model.defaults.num_inference_steps)
    with tempfile.TemporaryDirectory() as folder:
        bank = random_bank(model, Path(folder))
        bound = [bind_concepts(prompt, bank.list()) for prompt in PROMPTS]
        timings = measure(FluxRenderer(model, bank), bound, settings, repeat=options.repeat)
    report(model, settings, timings)
    return 0


def random_bank(model: FluxModel, folder: Path) -> ConceptBank:
    """A bank with one concept per word of `WORDS`, each with a random direction of its own for every block."""
    bank = ConceptBank(folder / "bank")
    direction_path, picture_path = folder / "direction.safetensors", folder / "picture.png"
    Image.new("RGB", (16, 16)).save(picture_path)
    generator = torch.Generator().manual_seed(0)
    for word in WORDS:
        alone = BoundPrompt.model_validate(
            {"prompt": f"a {word}", "mentions": [{"concept_id": word, "start": 2, "stop": 2 + len(word)}]}
        )
        (span,) = find_token_spans(alone, model.pipeline.tokenizer_2, max_sequence_length=32)
        direction = torch.randn(span.num_tokens, model.num_blocks, model.dim, generator=generator) / 10
        save_direction(direction, direction_path)
        concept = Concept(
            id=word,
            word=word,
            kind="object",
            caption=alone.prompt,
            base_model=model.fingerprint,
            base_model_name=model.name,
            direction_sha256=hash_direction(direction_path),
            recipe={},
        )
        bank.add(concept, source=picture_path, direction=direction_path, preview=picture_path)
    return bank


def measure(renderer: FluxRenderer, bound: Sequence[BoundPrompt], settings: RenderSettings, *, repeat: int) -> Timings:
    timings = Timings(plain_s=[], concepts_s=[])
    for round_index in range(-1, repeat):  # round -1 warms up
        for prompt_index, prompt in enumerate(bound):
            seed = 100 * max(round_index, 0) + prompt_index
            draws: list[tuple[list[float], Callable[[], object]]] = [
                (timings.plain_s, lambda prompt=prompt, seed=seed: draw_plain(renderer.model, prompt, settings, seed)),
                (
                    timings.concepts_s,
                    lambda prompt=prompt, seed=seed: renderer.render(prompt, seed=seed, settings=settings),
                ),
            ]
            for seconds, draw in draws if (round_index + prompt_index) % 2 else draws[::-1]:
                elapsed_s = clock(draw)
                if round_index >= 0:
                    seconds.append(elapsed_s)
    return timings


def draw_plain(model: FluxModel, prompt: BoundPrompt, settings: RenderSettings, seed: int) -> Image.Image:
    """What a person without this project writes."""
    return model.pipeline(
        prompt=prompt.prompt, generator=torch.Generator("cpu").manual_seed(seed), **asdict(settings)
    ).images[0]


def clock(draw: Callable[[], object]) -> float:
    """Seconds; a picture is on the CPU when it is returned, so the device has finished."""
    start = time.perf_counter()
    draw()
    return time.perf_counter() - start


def environment(model: FluxModel) -> dict[str, str | int | float]:
    device = model.pipeline.device
    name = torch.cuda.get_device_name(device) if device.type == "cuda" else platform.processor() or platform.machine()
    return {
        "model": model.name,
        "device": f"{device.type} ({name})",
        "dtype": str(model.pipeline.transformer.dtype).removeprefix("torch."),
        "cores": os.cpu_count() or 0,
        "torch_threads": torch.get_num_threads(),
        "load_average": round(os.getloadavg()[0], 1),
        "python": platform.python_version(),
        "torch": torch.__version__,
        "diffusers": diffusers.__version__,
    }


def peak_memory_mb(device: torch.device) -> float:
    """Of the GPU where one is used, else of the process."""
    if device.type == "cuda":
        return torch.cuda.max_memory_allocated(device) / 2**20
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**10


def report(model: FluxModel, settings: RenderSettings, timings: Timings) -> None:
    card = environment(model)
    for key, value in card.items():
        print(f"{key:14} {value}")
    print(
        f"\n{len(timings.plain_s)} pictures each, {settings.width}×{settings.height}, "
        f"{settings.num_inference_steps} steps, {len(WORDS)} concepts\n"
    )
    print(f"{'':14}{'median s':>10}{'fastest s':>11}{'slowest s':>11}")
    for name, seconds in (("plain", timings.plain_s), ("with concepts", timings.concepts_s)):
        print(f"{name:14}{statistics.median(seconds):10.3f}{min(seconds):11.3f}{max(seconds):11.3f}")
    memory_mb = peak_memory_mb(model.pipeline.device)
    print(f"\nratio {timings.ratio():.3f} (median of pairs), peak memory {memory_mb:.0f} MB")
    result = {
        "benchmark": "render",
        "environment": card,
        "settings": asdict(settings),
        "pictures": len(timings.plain_s),
        "plain_median_s": round(statistics.median(timings.plain_s), 4),
        "concepts_median_s": round(statistics.median(timings.concepts_s), 4),
        "ratio": round(timings.ratio(), 4),
        "peak_memory_mb": round(memory_mb, 1),
    }
    print(json.dumps(result, ensure_ascii=False))


if __name__ == "__main__":
    sys.exit(main())
