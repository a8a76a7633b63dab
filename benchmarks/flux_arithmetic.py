"""How much a pass of FLUX.1's transformer computes, and how much its device can at best."""

import torch
from diffusers import FluxTransformer2DModel

from generator.modulation import count_blocks
from generator.settings import RenderSettings

MATRIX_SIDE = 8192


def flops_a_step(transformer: FluxTransformer2DModel, settings: RenderSettings) -> float:
    """Multiplications and additions of one pass: the blocks' linear layers and their attention."""
    num_tokens = settings.max_sequence_length + (settings.height // 16) * (settings.width // 16)
    return count_blocks(transformer) * (
        24 * transformer.inner_dim**2 * num_tokens + 4 * transformer.inner_dim * num_tokens**2
    )


def matrix_flops_a_second(device: torch.device, *, products: int = 20) -> float | None:
    """What products of two square matrices of `MATRIX_SIDE` in bfloat16 reach; None where there is no GPU."""
    if device.type != "cuda":
        return None
    left, right = (torch.randn(MATRIX_SIDE, MATRIX_SIDE, device=device, dtype=torch.bfloat16) for _ in range(2))
    out = torch.empty_like(left)
    start, stop = torch.cuda.Event(enable_timing=True), torch.cuda.Event(enable_timing=True)
    for _ in range(5):
        torch.mm(left, right, out=out)
    start.record()
    for _ in range(products):
        torch.mm(left, right, out=out)
    stop.record()
    torch.cuda.synchronize(device)
    return 2 * MATRIX_SIDE**3 * products / (start.elapsed_time(stop) / 1000)


def share_of(flops_a_second: float, best: float | None) -> str:
    """In words; nothing where the best is not known."""
    return f", {flops_a_second / best:.0%} of a bfloat16 {MATRIX_SIDE}³ product's {best / 1e12:.0f}" if best else ""
