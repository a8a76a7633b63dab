"""The pictures that the concept isolation loss shows beside a source picture, made once per base model and kept.

They are drawn by the unmodified model from generic captions. Only latents are kept: text encodings depend on the source
caption that shares the prompt. Knows nothing of directions or losses.
"""

import hashlib
import json
import logging
from collections.abc import Callable, Sequence
from pathlib import Path

import torch
from filelock import FileLock
from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from torch import Tensor

from concepts.files import write_whole
from generator.flow import unpack
from generator.isolation_files import isolation_path
from generator.isolation_prompts import TWO_PARTS
from generator.loading import FluxModel
from generator.settings import RenderSettings

logger = logging.getLogger(__name__)

OnPicture = Callable[[], None]
"""Called after each picture is drawn or read; whatever it raises interrupts, and what was drawn is kept."""


def load_isolation_latents(
    model: FluxModel,
    prompts: Sequence[str],
    *,
    settings: RenderSettings,
    cache_dir: Path | None,
    seed: int = 0,
    on_picture: OnPicture | None = None,
) -> Tensor:
    """Latents `(N, C, h, w)` in float32 of one picture per prompt.

    Args:
        model: Without token offsets attached.
        prompts: Captions, in the order of the result.
        settings: Of a single picture, not of the two-part one.
        cache_dir: Folder of files, one per picture, that spare the drawing next time; None draws anew. A process that
            wants the picture that another is drawing waits for it.
        seed: The first picture's; the others count on.
        on_picture: Told of each picture.
    """
    latents: list[Tensor] = []
    for number, prompt in enumerate(prompts):
        latents.append(_load(model, prompt, settings, seed=seed + number, cache_dir=cache_dir))
        if on_picture is not None:
            on_picture()
    return torch.cat(latents)


def join_captions(left: str, right: str) -> tuple[str, int, int]:
    """The two-part prompt, and the characters `[start, stop)` in it that are `left`; full stops are taken off."""
    before, between, after = TWO_PARTS
    left, right = left.strip().rstrip("."), right.strip().rstrip(".")
    return f"{before}{left}{between}{right}{after}", len(before), len(before) + len(left)


def _load(model: FluxModel, prompt: str, settings: RenderSettings, *, seed: int, cache_dir: Path | None) -> Tensor:
    if cache_dir is None:
        return _draw(model, prompt, settings, seed=seed)
    cache_dir.mkdir(parents=True, exist_ok=True)
    identity = [model.fingerprint, prompt, settings.of_pipeline, seed]
    digest = hashlib.sha256(json.dumps(identity).encode()).hexdigest()
    path = isolation_path(cache_dir, digest)
    with FileLock(path.with_suffix(".lock")):
        latents = _read(path, digest)
        if latents is None:
            latents = _draw(model, prompt, settings, seed=seed)
            write_whole(path, save({"latents": latents.contiguous()}, {"digest": digest}))
        else:
            path.touch()  # it is of use, so it stays
    return latents


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
        logger.warning("isolation picture unreadable, drawn anew path=%s error=%s", path, error)
    return None
