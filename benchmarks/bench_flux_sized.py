"""What concepts cost at FLUX.1's size: its transformer with random weights, nothing downloaded.

    python -m benchmarks.bench_flux_sized                  19 double and 38 single blocks, width 3072, 1024×1024 pixels
    python -m benchmarks.bench_flux_sized --small          one block of each kind and small pictures: does it run?
    python -m benchmarks.bench_flux_sized --compile        with its blocks compiled
    python -m benchmarks.bench_flux_sized --norms-away     with its adaptive norms in the computer's memory

Text encoders and autoencoder are toys, so the figures are those of the transformer, where drawing spends its time. Size
alone matters to speed, not what the weights are. Output as in `bench_modulation`.
"""

import argparse
import statistics
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

import torch
from diffusers import AutoencoderKL, FluxPipeline, FluxTransformer2DModel
from torch._dynamo.utils import counters

from benchmarks.bench_modulation import DENSE, PLAIN, kinds_of, measure, peak_memory_mb, report
from generator.loading import FluxModel, compute_fingerprint
from generator.modulation import count_blocks
from generator.modulation_table import move_adaptive_norms
from generator.settings import RenderSettings
from tests.generator.tiny import POOLED_DIM, TEXT_DIM, tiny_pipeline

LATENT_CHANNELS = 16
NUM_ROWS = 96
"""Rows of a table where blocks are compiled: more than any picture here needs, so that nothing is compiled again."""


def main(argv: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.bench_flux_sized", description=__doc__.splitlines()[0])
    parser.add_argument("--small", action="store_true", help="one block of each kind, to see that it runs")
    parser.add_argument("--rounds", type=int, default=4, help="pictures of each kind (default: %(default)s)")
    parser.add_argument("--steps", type=int, default=10, help="denoising steps (default: %(default)s)")
    parser.add_argument("--compile", action="store_true", help="compile the transformer's blocks")
    parser.add_argument("--norms-away", action="store_true", help="keep the adaptive norms off the GPU")
    options = parser.parse_args(argv)
    side = 64 if options.small else 1024
    settings = RenderSettings(
        num_inference_steps=options.steps, guidance_scale=3.5, height=side, width=side, max_sequence_length=512
    )
    model = random_flux(settings, num_layers=1 if options.small else 19, num_single_layers=1 if options.small else 38)
    with tempfile.TemporaryDirectory() as folder:
        kinds = kinds_of(model, settings, Path(folder), num_rows=NUM_ROWS if options.compile else 1)
        transformer = model.pipeline.transformer
        if options.norms_away:
            move_adaptive_norms(transformer, "cpu")
            del kinds[PLAIN], kinds[DENSE]
        if options.compile:
            transformer.compile_repeated_blocks(fullgraph=True)
        timings = measure(kinds, rounds=options.rounds)
        peaks_mb = {kind: peak_memory_mb(model.pipeline.device, draw) for kind, draw in kinds.items()}
    report(model, settings, timings, peaks_mb)
    if options.compile:
        print(f"\nblocks were compiled {counters['stats']['unique_graphs']} times")
    name, first = next(iter(timings.items()))
    tera_a_step = flops_a_step(transformer, settings) / 1e12
    seconds_a_step = statistics.median(first.wall_s) / settings.num_inference_steps
    print(f"{tera_a_step:.1f} TFLOP a step, {tera_a_step / seconds_a_step:.0f} TFLOP/s ({name})")
    return 0


def flops_a_step(transformer: FluxTransformer2DModel, settings: RenderSettings) -> float:
    """Multiplications and additions of one pass: the blocks' linear layers and their attention."""
    num_tokens = settings.max_sequence_length + (settings.height // 16) * (settings.width // 16)
    return count_blocks(transformer) * (
        24 * transformer.inner_dim**2 * num_tokens + 4 * transformer.inner_dim * num_tokens**2
    )


def random_flux(settings: RenderSettings, *, num_layers: int, num_single_layers: int) -> FluxModel:
    """FLUX.1's blocks with random weights, on the GPU in bfloat16 where there is one."""
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    dtype = torch.bfloat16 if device.type == "cuda" else torch.float32
    transformer = _random_transformer(num_layers, num_single_layers, device=device, dtype=dtype)
    toys = tiny_pipeline().components
    pipeline = FluxPipeline(**{**toys, "transformer": transformer, "vae": _toy_autoencoder()})
    pipeline.set_progress_bar_config(disable=True)
    pipeline.to(device, dtype)
    fingerprint = compute_fingerprint(transformer)
    return FluxModel(pipeline=pipeline, name="random FLUX.1", fingerprint=fingerprint, defaults=settings)


def _random_transformer(
    num_layers: int, num_single_layers: int, *, device: torch.device, dtype: torch.dtype
) -> FluxTransformer2DModel:
    """Made on its device in its dtype at once, so that no second copy of it needs room."""
    default_dtype = torch.get_default_dtype()
    torch.manual_seed(0)
    torch.set_default_dtype(dtype)
    try:
        with device:
            return FluxTransformer2DModel(
                in_channels=4 * LATENT_CHANNELS,
                num_layers=num_layers,
                num_single_layers=num_single_layers,
                attention_head_dim=128,
                num_attention_heads=24,
                joint_attention_dim=TEXT_DIM,
                pooled_projection_dim=POOLED_DIM,
                guidance_embeds=True,
                axes_dims_rope=(16, 56, 56),
            ).eval()
    finally:
        torch.set_default_dtype(default_dtype)


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
