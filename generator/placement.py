"""Carries a plan out on a pipeline: where its parts lie, how its weights are kept, what is compiled.

diffusers' own switches, but for learning with weights that are smaller or away (`generator/kept_linear.py`).
Offloading, layerwise casting and compiled blocks are proven beside tables of modulations on a tiny model on the
processor (`tests/generator/test_modulation_beside.py`, `test_placement.py`), torchao's weights and bitsandbytes' layers
too (`test_modulation_packages.py`). On a GPU, with random weights at FLUX.1's size: all in full, and blocks streamed as
on a card of 8 GB, to the same picture (`benchmarks/memory.md`). Computing in fp8 has not finished a picture; nf4, and
learning with weights that are smaller or away, have run on no GPU.
"""

from importlib import import_module
from typing import Any

import torch
from diffusers import BitsAndBytesConfig, FluxPipeline, TorchAoConfig
from diffusers.hooks import apply_group_offloading

from generator.kept_linear import fetch_adaptive_norms, keep_blocks_in
from generator.modulation_table import move_adaptive_norms, norms_aside
from generator.plan import RenderPlan

ADAPTIVE_NORMS = ["norm", "norm1", "norm1_context", "norm_out"]
"""Modules whose linear layers are not made smaller: what concepts change goes through them."""


def quantization_of(plan: RenderPlan, dtype: torch.dtype) -> Any:
    """diffusers' configuration for loading the transformer so; None where its weights are loaded as they are."""
    if plan.numbers.weights == "fp8":
        # Without torchao's settings for the whole process: they try kernels by the dozen, minutes before a picture.
        fp8 = import_module("torchao.quantization").Float8DynamicActivationFloat8WeightConfig(set_inductor_config=False)
        return TorchAoConfig(fp8, modules_to_not_convert=[*ADAPTIVE_NORMS])
    if plan.numbers.weights == "nf4":
        return BitsAndBytesConfig(
            load_in_4bit=True,
            bnb_4bit_quant_type="nf4",
            bnb_4bit_compute_dtype=dtype,
            llm_int8_skip_modules=[*ADAPTIVE_NORMS],
        )
    return None


def place(pipeline: FluxPipeline, plan: RenderPlan, *, away: torch.device | str = "cpu") -> None:
    """Set a pipeline that was loaded by the plan up for its work, for good: for another plan load it anew.

    Where the plan has the adaptive norms away, only `attach_table` then serves the transformer, unless it is for
    learning: then each pass fetches them.

    Args:
        pipeline: Anywhere; bitsandbytes' transformers are on the device, all of them, from loading on.
        plan: What is to be where.
        away: Where adaptive norms lie that are away. Text encoders and blocks that come and go lie in the computer's
            memory.
    """
    device, dtype, transformer = torch.device(plan.device), getattr(torch, plan.numbers.dtype), pipeline.transformer
    if plan.attention != "native":
        transformer.set_attention_backend(plan.attention)
    if plan.numbers.weights == "fp8-stored" and plan.is_for_learning:
        keep_blocks_in(transformer, torch.float8_e4m3fn)
    elif plan.numbers.weights == "fp8-stored":
        transformer.enable_layerwise_casting(storage_dtype=torch.float8_e4m3fn, compute_dtype=dtype)
    if plan.norms == "away" and plan.is_for_learning:
        fetch_adaptive_norms(transformer)
    if plan.norms == "away":
        move_adaptive_norms(transformer, away)
        with norms_aside(transformer):
            _place_transformer(transformer, device, plan)
    else:
        _place_transformer(transformer, device, plan)
    for encoder in (pipeline.text_encoder, pipeline.text_encoder_2):
        if plan.text_encoders == "stay":
            encoder.to(device)
        else:
            apply_group_offloading(encoder, onload_device=device, offload_type="leaf_level")
    pipeline.vae.to(device)
    if plan.compiled:
        # Breaks are allowed: that blocks are whole graphs is proven for weights that are as they were alone.
        transformer.compile_repeated_blocks(fullgraph=False)


def _place_transformer(transformer: Any, device: torch.device, plan: RenderPlan) -> None:
    if plan.blocks == "stay":
        transformer.to(device)
        return
    transformer.enable_group_offload(
        onload_device=device,
        offload_type="block_level",
        num_blocks_per_group=1,
        use_stream=device.type == "cuda",
        low_cpu_mem_usage=plan.pinned == "in passing",
    )
