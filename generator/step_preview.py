"""Shows how a picture stands after a denoising step, without the decoder: one linear map from latents to few pixels.

The map is fitted once per model, to pictures of coloured tiles that its autoencoder encodes, so it needs no weights of
its own and suits whichever autoencoder there is. Knows nothing of prompts or pipelines' loops.

Shape legend: `C` latent channels, `h`, `w` latent grid, `k` preview pixels along a side of one latent.
"""

import math
from dataclasses import dataclass
from itertools import product

import torch
from diffusers import AutoencoderKL
from PIL import Image
from torch import Tensor
from torch.nn.functional import avg_pool2d, interpolate, pad, pixel_shuffle, pixel_unshuffle

from generator.autoencoder import PatchAutoencoder

CELL = 4
"""Pixels of the picture along a side of one pixel of its preview: a 1024×1024 picture is shown at 256×256."""
_CHART_SIZE = 256
_TILES = (2, 4, 8, 16)
"""Tiles along a side of the pictures that the map is fitted to."""
_RIDGE = 1e-3
"""Keeps the fit stable where latent channels say nothing of coloured tiles."""


@dataclass(frozen=True)
class PreviewDecoder:
    """A linear map from latents to the pixels of a preview."""

    weight: Tensor
    """`(C + 1, 3·k²)` float32 on the CPU; the last row is the constant part."""

    def decode(self, latents: Tensor) -> Image.Image:
        """The preview, `w·k` × `h·k` pixels, of latents `(C, h, w)`, scaled as the transformer has them."""
        parts = (_with_constant(latents.float().cpu()) @ self.weight).permute(2, 0, 1)
        pixels = pixel_shuffle(parts, math.isqrt(len(parts) // 3))
        return Image.fromarray((pixels.clamp(0, 1) * 255).round().byte().permute(1, 2, 0).numpy())


@torch.no_grad()
def fit_preview_decoder(vae: AutoencoderKL | PatchAutoencoder, *, scale: int) -> PreviewDecoder:
    """The map that tells best, by least squares, what latents of coloured tiles look like.

    Args:
        vae: Where it is; 8 pictures of 256×256 pixels are encoded.
        scale: Pixels of a picture along a side of one latent, a multiple of `CELL`.
    """
    charts = _charts()
    encoded = vae.encode((charts * 2 - 1).to(device=vae.device, dtype=vae.dtype)).latent_dist.mode().float().cpu()
    latents = (encoded - vae.config.shift_factor) * vae.config.scaling_factor
    small = avg_pool2d(charts, CELL)
    known = torch.cat([_with_constant(each) for each in latents]).flatten(0, 1)
    wanted = pixel_unshuffle(small, scale // CELL).permute(0, 2, 3, 1).flatten(0, 2)
    gram = known.T @ known + _RIDGE * len(known) * torch.eye(known.shape[1])
    return PreviewDecoder(torch.linalg.solve(gram, known.T @ wanted))


def expected_latents(before: Tensor, after: Tensor, *, sigma_before: float, sigma_after: float) -> Tensor:
    """Where a flow is heading: the clean latents by the velocity of one step, of any shape.

    Exact for the Euler steps of flow matching: `x₀ = x - sigma·v`, where v is what the step moved along.
    """
    velocity = (after - before) / (sigma_after - sigma_before)
    return after - sigma_after * velocity


def _with_constant(latents: Tensor) -> Tensor:
    """`(C, h, w)` to `(h, w, C + 1)`, with a channel of ones."""
    return pad(latents, (0, 0, 0, 0, 0, 1), value=1.0).permute(1, 2, 0)


def _charts() -> Tensor:
    """Pictures of coloured tiles, sharp and blurred into each other, `(8, 3, 256, 256)` in [0, 1]."""
    generator = torch.Generator().manual_seed(0)
    size = (_CHART_SIZE, _CHART_SIZE)
    charts = [
        interpolate(torch.rand(1, 3, tiles, tiles, generator=generator), size=size, mode=mode)
        for mode, tiles in product(("nearest", "bicubic"), _TILES)
    ]
    return torch.cat(charts).clamp(0, 1)
