"""What concepts cost at FLUX.1's size: its transformer with random weights, nothing downloaded.

    python -m benchmarks.bench_flux_sized                  19 double and 38 single blocks, width 3072, 1024×1024 pixels
    python -m benchmarks.bench_flux_sized --small          one block of each kind and small pictures: does it run?
    python -m benchmarks.bench_flux_sized --compile        with its blocks compiled
    python -m benchmarks.bench_flux_sized --norms-away     with its adaptive norms in the computer's memory
    python -m benchmarks.bench_flux_sized --ways           a whole picture as it is, cached, compiled, and in fp8

Text encoders and autoencoder are toys, so the figures are those of the transformer, where drawing spends its time. Size
alone matters to speed, not what the weights are. Output as in `bench_modulation`, and on a GPU what share of a matrix
product's speed is reached; each picture's seconds go to standard error as they come. `--compile` then changes the
concepts 20 times and counts what that compiles anew.

`--ways` prints a row as soon as it is known. How often FirstBlockCache leaves blocks out does depend on the weights, so
its seconds hold only for the steps in full that its row names. Seconds to compile are true only where nothing of the
kind was compiled before: torch keeps it on disk.
"""

import argparse
import random
import statistics
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import torch
from diffusers import AutoencoderKL, FluxPipeline
from torch._dynamo.utils import counters

from benchmarks.bench_modulation import (
    DENSE,
    PLAIN,
    PROMPT,
    WORDS,
    Draw,
    kinds_of,
    measure,
    peak_memory_mb,
    print_environment,
    random_bank,
    report,
)
from benchmarks.flux_arithmetic import flops_a_step, matrix_flops_a_second, share_of
from benchmarks.flux_parts import flux_transformer
from benchmarks.flux_ways import compare_ways
from concepts.binding import bind_concepts
from generator.flux_renderer import FluxRenderer
from generator.loading import FluxModel, compute_fingerprint
from generator.modulation_table import move_adaptive_norms
from generator.settings import RenderSettings
from tests.generator.tiny import POOLED_DIM, TEXT_DIM, tiny_pipeline

LATENT_CHANNELS = 16
NUM_ROWS = 96
"""Rows of a table where blocks are compiled: more than any picture here needs, so that nothing is compiled again."""
CHANGES = 20
WHOLE_PICTURE = 28
"""Steps that FLUX.1-dev is drawn with."""


def main(argv: Sequence[str] | None = None) -> int:
    options = _parse(argv)
    sys.stdout.reconfigure(line_buffering=True)  # a run that is cut off shows what it had
    side = 64 if options.small else 1024
    settings = RenderSettings(
        num_inference_steps=options.steps or (WHOLE_PICTURE if options.ways else 10),
        guidance_scale=3.5,
        height=side,
        width=side,
        max_sequence_length=512,
    )
    model = random_flux(settings, num_layers=1 if options.small else 19, num_single_layers=1 if options.small else 38)
    best = matrix_flops_a_second(model.pipeline.device)
    with tempfile.TemporaryDirectory() as folder:
        bank = random_bank(model, Path(folder))
        renderer = FluxRenderer(model, bank, num_rows=NUM_ROWS if options.compile or options.ways else 1)
        if options.ways:
            print_environment(model)
            print(f"\n{settings.width}×{settings.height}, {settings.num_inference_steps} steps, 16 concepts\n")
            compare_ways(renderer, settings, best=best)
        else:
            _compare_concepts(renderer, settings, options, best)
    return 0


def _parse(argv: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.bench_flux_sized", description=__doc__.splitlines()[0])
    parser.add_argument("--small", action="store_true", help="one block of each kind, to see that it runs")
    parser.add_argument("--rounds", type=int, default=4, help="pictures of each kind (default: %(default)s)")
    parser.add_argument("--steps", type=int, help=f"denoising steps (default: 10, with --ways {WHOLE_PICTURE})")
    parser.add_argument("--compile", action="store_true", help="compile the transformer's blocks")
    parser.add_argument("--norms-away", action="store_true", help="keep the adaptive norms off the GPU")
    parser.add_argument("--ways", action="store_true", help="a whole picture as it is, cached, compiled and in fp8")
    options = parser.parse_args(argv)
    if options.ways and (options.compile or options.norms_away):
        parser.error("--ways is a run of its own: without --compile and --norms-away")
    return options


def _compare_concepts(
    renderer: FluxRenderer, settings: RenderSettings, options: argparse.Namespace, best: float | None
) -> None:
    """What more and more concepts cost, beside a plain `FluxPipeline`."""
    model, transformer = renderer.model, renderer.model.pipeline.transformer
    kinds = {kind: _told(kind, draw) for kind, draw in kinds_of(renderer, settings).items()}
    if options.norms_away:
        move_adaptive_norms(transformer, "cpu")
        del kinds[PLAIN], kinds[DENSE]
    if options.compile:
        transformer.compile_repeated_blocks(fullgraph=True)
    timings = measure(kinds, rounds=options.rounds)
    peaks_mb = {kind: peak_memory_mb(model.pipeline.device, draw) for kind, draw in kinds.items()}
    report(model, settings, timings, peaks_mb)
    name, first = next(iter(timings.items()))
    flops = flops_a_step(transformer, settings)
    flops_a_second = flops * settings.num_inference_steps / statistics.median(first.wall_s)
    reached = f"{flops_a_second / 1e12:.3g} TFLOP/s{share_of(flops_a_second, best)}"
    print(f"{flops / 1e12:.3g} TFLOP a step, {reached} ({name})")
    if options.compile:
        print(f"\nblocks were compiled {counters['stats']['unique_graphs']} times")
        again = _compiled_again(renderer, settings)
        print(f"{CHANGES} changes of concepts compiled them {again} times more")


def _told(kind: str, draw: Draw) -> Draw:
    """Draws as `draw`, and tells at once what each picture took."""

    def draw_and_tell(seed: int) -> None:
        start = time.perf_counter()
        draw(seed)
        print(f"{kind}: {time.perf_counter() - start:.2f} s", file=sys.stderr, flush=True)

    return draw_and_tell


def _compiled_again(renderer: FluxRenderer, settings: RenderSettings) -> int:
    """How often `CHANGES` pictures with other concepts each, and with none, made blocks be compiled."""
    chance = random.Random(0)
    few_steps = replace(settings, num_inference_steps=min(2, settings.num_inference_steps))
    before = counters["stats"]["unique_graphs"]
    for change in range(CHANGES):
        words = chance.sample(WORDS, change % (len(WORDS) + 1))
        bound = bind_concepts(PROMPT, [renderer.bank.get(word) for word in words])
        renderer.render(bound, seed=change, settings=few_steps)
    return counters["stats"]["unique_graphs"] - before


def random_flux(settings: RenderSettings, *, num_layers: int, num_single_layers: int) -> FluxModel:
    """FLUX.1's blocks with random weights, on the GPU in bfloat16 where there is one."""
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    dtype = torch.bfloat16 if device.type == "cuda" else torch.float32
    torch.manual_seed(0)
    transformer = flux_transformer(
        device,
        dtype,
        num_layers=num_layers,
        num_single_layers=num_single_layers,
        text_dim=TEXT_DIM,
        pooled_dim=POOLED_DIM,
    )
    toys = tiny_pipeline().components
    pipeline = FluxPipeline(**{**toys, "transformer": transformer, "vae": _toy_autoencoder()})
    pipeline.set_progress_bar_config(disable=True)
    pipeline.to(device, dtype)
    fingerprint = compute_fingerprint(transformer)
    return FluxModel(pipeline=pipeline, name="random FLUX.1", fingerprint=fingerprint, defaults=settings)


def _toy_autoencoder() -> AutoencoderKL:
    """As many channels and as coarse as FLUX.1's, but narrow."""
    return AutoencoderKL(
        down_block_types=("DownEncoderBlock2D",) * 4,
        up_block_types=("UpDecoderBlock2D",) * 4,
        block_out_channels=(4, 4, 4, 4),
        norm_num_groups=2,
        latent_channels=LATENT_CHANNELS,
        use_quant_conv=False,
        use_post_quant_conv=False,
        shift_factor=0.0,
        scaling_factor=1.0,
    ).eval()


if __name__ == "__main__":
    sys.exit(main())
