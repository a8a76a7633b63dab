"""What plans keep on a GPU while FLUX.1-dev draws, counted without one and without weights.

    python -m benchmarks.bench_memory            1024×1024 pixels, 28 steps, 8 tokens of concepts, bfloat16

FLUX.1-dev's parts are made at full size on the meta device and run: encoding, a denoising step, decoding. Counted are
weights where the plan has them, tables, and every tensor that is alive; attention as if fused. Not counted is what CUDA
and its libraries take themselves, for which plans expect `OVERHEAD_BYTES` and, while decoding, `uncounted_bytes`.
Prints a table and, as the last line, JSON.
"""

import json
import sys
from dataclasses import asdict, dataclass
from typing import Any

import torch
from torch import nn

from benchmarks.flux_parts import DTYPE, FluxParts, flux_parts
from benchmarks.live_bytes import count_live_bytes
from generator.model_sizes import Shapes, sizes_of
from generator.plan import FLUX_1_SIZES, Machine, ModelSizes, Peak, RenderPlan, Wish
from generator.planning import ROWS_OF_CONCEPTS, plan_rendering, resident_bytes, streamed_bytes, table_values
from generator.settings import FLUX_DEV_SETTINGS

CARD = Machine(
    gpu="a card of 80 GB", gpu_bytes=80 * 10**9, free_bytes=80 * 10**9, capability=(8, 9), ram_bytes=128 * 10**9
)


@dataclass(frozen=True, kw_only=True)
class Activations:
    """Bytes alive beside weights that stay, at most."""

    encoding: int
    encoding_by_leaves: int
    """With each layer's weights while it computes."""
    denoising: int
    decoding: int


def main() -> int:
    parts = flux_parts()
    counted = count_activations(parts)
    rows = []
    for memory, profile in (
        ("full", "quality"),
        ("24GB", "quality"),
        ("12GB", "fast"),
        ("8GB", "quality"),
        ("8GB", "fast"),
    ):
        plan = plan_rendering(CARD, FLUX_1_SIZES, FLUX_DEV_SETTINGS, Wish(memory=memory, profile=profile))[0]
        rows.append((memory, profile, plan, counted_peak(plan, counted)))
    print("| --memory | --profile | plan | encoding | denoising | decoding | expected peak |")
    print("|---|---|---|---|---|---|---|")
    for memory, profile, plan, peak in rows:
        told = " | ".join(f"{part / 1e9:.2f} GB" for part in (peak.encoding, peak.denoising, peak.decoding))
        what = plan.summary().partition(" on cuda")[0]
        print(f"| {memory} | {profile} | {what} | {told} | {plan.peak.most / 1e9:.1f} GB |")
    print(json.dumps({"activations": asdict(counted), "sizes": asdict(sizes_of_parts(parts))}))
    return 0


def sizes_of_parts(parts: FluxParts) -> ModelSizes:
    """As they are read from weight files."""
    sizes = sizes_of(_shapes(parts.transformer), [_shapes(parts.clip), _shapes(parts.t5), _shapes(parts.vae)])
    assert sizes is not None
    return sizes


def _shapes(module: nn.Module) -> Shapes:
    return {name: tuple(weight.shape) for name, weight in module.named_parameters()}


def count_activations(parts: FluxParts) -> Activations:
    """By running each part once, for one picture of FLUX.1-dev's own settings."""
    t5, vae = parts.t5, parts.vae
    leaves = [module for module in t5.modules() if isinstance(module, nn.Linear | nn.Embedding)]
    num_latents = FLUX_DEV_SETTINGS.height // 8

    def encode() -> Any:
        return t5(torch.zeros(1, FLUX_DEV_SETTINGS.max_sequence_length, dtype=torch.long))

    return Activations(
        encoding=count_live_bytes(encode, t5),
        encoding_by_leaves=count_live_bytes(encode, t5, streamed=leaves),
        denoising=count_live_bytes(lambda: parts.transformer(**pass_inputs()), parts.transformer),
        decoding=count_live_bytes(lambda: vae.decode(torch.empty(1, 16, num_latents, num_latents, dtype=DTYPE)), vae),
    )


def pass_inputs() -> dict[str, Any]:
    """What the transformer is given for one picture of FLUX.1-dev's own settings."""
    num_tokens, text_len = (
        FLUX_DEV_SETTINGS.height * FLUX_DEV_SETTINGS.width // 256,
        FLUX_DEV_SETTINGS.max_sequence_length,
    )
    return {
        "hidden_states": torch.empty(1, num_tokens, 64, dtype=DTYPE),
        "encoder_hidden_states": torch.empty(1, text_len, 4096, dtype=DTYPE),
        "pooled_projections": torch.empty(1, 768, dtype=DTYPE),
        "timestep": torch.empty(1, dtype=DTYPE),
        "img_ids": torch.empty(num_tokens, 3, dtype=DTYPE),
        "txt_ids": torch.empty(text_len, 3, dtype=DTYPE),
        "guidance": torch.empty(1),
    }


def counted_peak(plan: RenderPlan, counted: Activations) -> Peak:
    """Bytes on the device under a plan, without what CUDA takes itself."""
    num_rows = max(plan.num_rows, ROWS_OF_CONCEPTS)
    table = table_values(FLUX_1_SIZES, FLUX_DEV_SETTINGS, num_rows=num_rows) * DTYPE.itemsize
    resident = resident_bytes(plan, FLUX_1_SIZES)
    if plan.text_encoders == "stay":
        resident += FLUX_1_SIZES.text_encoders * DTYPE.itemsize
    of_encoding = counted.encoding if plan.text_encoders == "stay" else counted.encoding_by_leaves
    return Peak(
        encoding=resident + of_encoding,
        denoising=resident + table + streamed_bytes(plan, FLUX_1_SIZES) + counted.denoising,
        decoding=resident + table + counted.decoding,
    )


if __name__ == "__main__":
    sys.exit(main())
