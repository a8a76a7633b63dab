"""What concepts cost at FLUX.1's size: its transformer with random weights, nothing downloaded.

    python -m benchmarks.bench_flux_sized                  19 double and 38 single blocks, width 3072, 1024×1024 pixels
    python -m benchmarks.bench_flux_sized --small          one block of each kind and small pictures: does it run?

Text encoders and autoencoder are toys, so the figures are those of the transformer, where drawing spends its time. Size
alone matters to speed, not what the weights are. Output as in `bench_render`.
"""

import argparse
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

import torch
from diffusers import AutoencoderKL, FluxPipeline, FluxTransformer2DModel

from benchmarks.bench_render import PROMPTS, measure, random_bank, report
from concepts.binding import bind_concepts
from generator.flux_renderer import FluxRenderer
from generator.loading import FluxModel, compute_fingerprint
from generator.settings import RenderSettings
from tests.generator.tiny import POOLED_DIM, TEXT_DIM, tiny_pipeline

LATENT_CHANNELS = 16


def main(argv: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.bench_flux_sized", description=__doc__.splitlines()[0])
    parser.add_argument("--small", action="store_true", help="one block of each kind, to see that it runs")
    parser.add_argument("--repeat", type=int, default=2, help="pictures per prompt and kind (default: %(default)s)")
    parser.add_argument("--steps", type=int, default=10, help="denoising steps (default: %(default)s)")
    options = parser.parse_args(argv)
    side = 64 if options.small else 1024
    settings = RenderSettings(
        num_inference_steps=options.steps, guidance_scale=3.5, height=side, width=side, max_sequence_length=512
    )
    model = random_flux(settings, num_layers=1 if options.small else 19, num_single_layers=1 if options.small else 38)
    with tempfile.TemporaryDirectory() as folder:
        bank = random_bank(model, Path(folder))
        bound = [bind_concepts(prompt, bank.list()) for prompt in PROMPTS]
        timings = measure(FluxRenderer(model, bank), bound, settings, repeat=options.repeat)
    report(model, settings, timings)
    return 0


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
