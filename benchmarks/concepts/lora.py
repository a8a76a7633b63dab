"""Low-rank adapters on a copy of the transformer; the model itself is never touched."""

import copy
from collections.abc import Sequence

import torch
from diffusers import FluxTransformer2DModel
from peft import LoraConfig, get_peft_model_state_dict, set_peft_model_state_dict
from torch import Tensor

from benchmarks.concepts.protocol import Learnt, with_transformer
from generator.loading import FluxModel

RANK = 8
TARGETS = ["to_q", "to_k", "to_v", "to_out.0", "add_q_proj", "add_k_proj", "add_v_proj", "to_add_out"]
"""Every linear map of attention. Source: diffusers' DreamBooth LoRA example for Flux."""
PREFIX = "lora."


def with_new_lora(model: FluxModel, *, seed: int) -> tuple[FluxModel, list[Tensor]]:
    """The model with a fresh adapter, which changes nothing yet, and the adapter's weights to be learnt."""
    transformer = _copy(model.pipeline.transformer)
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        transformer.add_adapter(_config(), adapter_name="learnt")
    return with_transformer(model, transformer), [p for p in transformer.parameters() if p.requires_grad]


def take_lora(model: FluxModel) -> Learnt:
    """The adapter's weights."""
    weights = get_peft_model_state_dict(model.pipeline.transformer, adapter_name="learnt")
    return {PREFIX + name: weight.detach().clone() for name, weight in weights.items()}


def with_loras(model: FluxModel, learnt: Sequence[Learnt]) -> FluxModel:
    """The model with the sum of all adapters."""
    transformer = _copy(model.pipeline.transformer)
    names = [f"learnt{index}" for index in range(len(learnt))]
    for name, each in zip(names, learnt, strict=True):
        weights = {key.removeprefix(PREFIX): weight for key, weight in each.items() if key.startswith(PREFIX)}
        transformer.add_adapter(_config(), adapter_name=name)
        set_peft_model_state_dict(transformer, weights, adapter_name=name)
    transformer.set_adapters(names, weights=[1.0] * len(names))
    return with_transformer(model, transformer.requires_grad_(False))


def _config() -> LoraConfig:
    return LoraConfig(r=RANK, lora_alpha=RANK, init_lora_weights="gaussian", target_modules=TARGETS)


def _copy(transformer: FluxTransformer2DModel) -> FluxTransformer2DModel:
    return copy.deepcopy(transformer).requires_grad_(False)
