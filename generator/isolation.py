"""The pictures that the concept isolation loss shows beside a source picture, made once per base model and kept.

They are drawn by the unmodified model from generic captions. Only latents are kept: text encodings depend on the source
caption that shares the prompt. Knows nothing of directions or losses.
"""

import hashlib
import json
import logging
import os
from collections.abc import Sequence
from pathlib import Path

import torch
from filelock import FileLock
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor

from generator.flow import unpack
from generator.isolation_prompts import TWO_PARTS
from generator.loading import FluxModel
from generator.settings import RenderSettings

logger = logging.getLogger(__name__)


def load_isolation_latents(
    model: FluxModel, prompts: Sequence[str], *, settings: RenderSettings, cache_dir: Path | None, seed: int = 0
) -> Tensor:
    """Latents `(N, C, h, w)` in float32 of one picture per prompt.

    Args:
        model: Without token offsets attached.
        prompts: Captions, in the order of the result.
        settings: Of a single picture, not of the two-part one.
        cache_dir: Folder of the files that spare the drawing next time; None draws anew. A process that wants what
            another is drawing waits for it.
        seed: The first picture's; the others count on.
    """
    identity = [model.fingerprint, list(prompts), settings.of_pipeline, seed]
    digest = hashlib.sha256(json.dumps(identity).encode()).hexdigest()
    if cache_dir is None:
        return _draw_all(model, prompts, settings, seed=seed)
    cache_dir.mkdir(parents=True, exist_ok=True)
    path = cache_dir / f"isolation-{digest[:16]}.safetensors"
    with FileLock(path.with_suffix(".lock")):
        latents = _read(path, digest)
        if latents is None:
            latents = _draw_all(model, prompts, settings, seed=seed)
            _write(latents, path, digest)
    return latents


def join_captions(left: str, right: str) -> tuple[str, int, int]:
    """The two-part prompt, and the characters `[start, stop)` in it that are `left`; full stops are taken off."""
    before, between, after = TWO_PARTS
    left, right = left.strip().rstrip("."), right.strip().rstrip(".")
    return f"{before}{left}{between}{right}{after}", len(before), len(before) + len(left)


def _draw_all(model: FluxModel, prompts: Sequence[str], settings: RenderSettings, *, seed: int) -> Tensor:
    return torch.cat([_draw(model, prompt, settings, seed=seed + i) for i, prompt in enumerate(prompts)])


def _draw(model: FluxModel, prompt: str, settings: RenderSettings, *, seed: int) -> Tensor:
    pipeline = model.pipeline
    tokens = pipeline(
        prompt=prompt,
        generator=torch.Generator().manual_seed(seed),
        output_type="latent",
        **settings.of_pipeline,
    ).images
    logger.info("isolation picture prompt=%r seed=%d", prompt, seed)
    return unpack(pipeline, tokens, height=settings.height, width=settings.width).float().cpu()


def _read(path: Path, digest: str) -> Tensor | None:
    """What the file keeps; None where there is no file, or where it is not of this request."""
    if not path.is_file():
        return None
    try:
        with safe_open(path, framework="pt") as file:
            if (file.metadata() or {}).get("digest") == digest and "latents" in file.keys():
                return file.get_tensor("latents")
    except SafetensorError as error:
        logger.warning("isolation pictures unreadable, drawn anew path=%s error=%s", path, error)
    return None


def _write(latents: Tensor, path: Path, digest: str) -> None:
    temporary = path.with_name(path.name + ".part")
    save_file({"latents": latents.contiguous()}, temporary, {"digest": digest})
    os.replace(temporary, path)
