"""Writes the trained parts as a diffusers folder that is loaded like FLUX.1's, and reads them back to train on."""

import json
from pathlib import Path

import torch
from diffusers import FlowMatchEulerDiscreteScheduler, FluxPipeline, FluxTransformer2DModel

from generator.autoencoder import PatchAutoencoder
from pocket.training.text import MAX_SEQUENCE_LENGTH, TextEncoders

CARD = {
    "name": "pocket",
    "num_inference_steps": 16,
    "guidance_scale": 2.5,
    "height": 256,
    "width": 256,
    "max_sequence_length": MAX_SEQUENCE_LENGTH,
    "direction_sigma_min": 0.3,
    "concept_guidance_scale": 1.5,
    "concept_guidance_sigma_min": 0.8,
    "lexicon": "../lexicon.json",
}
MAX_SHARD_SIZE = "15MB"


def read_parts(folder: Path, *, device: str) -> tuple[TextEncoders, PatchAutoencoder, FluxTransformer2DModel]:
    """The parts of an exported model in float32, its transformer ready to be trained."""
    pipeline = FluxPipeline.from_pretrained(folder, dtype=torch.float32, local_files_only=True).to(device)
    encoders = TextEncoders(
        text_encoder=pipeline.text_encoder,
        tokenizer=pipeline.tokenizer,
        text_encoder_2=pipeline.text_encoder_2,
        tokenizer_2=pipeline.tokenizer_2,
    )
    return encoders, pipeline.vae, pipeline.transformer


def export_pipeline(
    out: Path, *, transformer: FluxTransformer2DModel, autoencoder: PatchAutoencoder, encoders: TextEncoders
) -> None:
    """Save as float16 safetensors in shards of at most 15 MB, with the model card's defaults beside them."""
    pipeline = FluxPipeline(
        scheduler=FlowMatchEulerDiscreteScheduler(shift=1.0),
        vae=autoencoder,
        text_encoder=encoders.text_encoder,
        tokenizer=encoders.tokenizer,
        text_encoder_2=encoders.text_encoder_2,
        tokenizer_2=encoders.tokenizer_2,
        transformer=transformer,
    ).to("cpu", torch.float16)
    pipeline.save_pretrained(out, safe_serialization=True, max_shard_size=MAX_SHARD_SIZE)
    for path in out.glob("*/config.json"):  # diffusers says there where parts that were read came from
        config = json.loads(path.read_text())
        config.pop("_name_or_path", None)
        path.write_text(json.dumps(config, indent=2) + "\n")
    (out / "fableverse.json").write_text(json.dumps(CARD, indent=2) + "\n")
