"""Loads a Flux pipeline, Pocket or FLUX.1 or any other, from a diffusers folder or hub id, and says which it is.

The only file of this package that knows that there are several models, and the only one that may use the network.
Runs no code that comes with a model.
"""

import hashlib
import json
import logging
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import diffusers.utils.logging
import torch
import transformers.utils.logging
from diffusers import FluxPipeline, FluxTransformer2DModel
from huggingface_hub import hf_hub_download, resolve_revision
from huggingface_hub.errors import HfHubHTTPError, HFValidationError, RevisionResolutionError
from safetensors import SafetensorError

import generator.autoencoder  # noqa: F401
from concepts.lexicon import Lexicon
from generator.errors import DamagedModel, ModelNotFound, UnsupportedModel
from generator.families import family_of
from generator.families.family import Family
from generator.memory import said_of_memory
from generator.model_checks import check_draws_from_text, check_folder, check_pipeline_class
from generator.model_folder import (
    INDEX_FILE,
    POCKET,
    POCKET_FOLDER,
    SINGLE_FILE_SUFFIX,
    find_folder,
    is_single_file,
    read_card,
    read_json,
)
from generator.model_sizes import read_shapes
from generator.modulation import count_blocks
from generator.placement import place, quantization_of
from generator.plan import RenderPlan
from generator.settings import RenderSettings, settings_by_guidance
from generator.step_preview import PreviewDecoder, fit_preview_decoder
from generator.text_encodings import TextEncodings

# diffusers takes the classes that a model folder names only from modules that are imported already, so that naming a
# module cannot run it; importing generator.autoencoder is what lets Pocket's folder name that class.
FLUX_1_DEV, FLUX_1_SCHNELL = "black-forest-labs/FLUX.1-dev", "black-forest-labs/FLUX.1-schnell"
SAMPLES_PER_TENSOR = 16


@dataclass(frozen=True)
class FluxModel:
    """A loaded pipeline and what identifies it. Not for several threads at once: a pipeline holds state."""

    pipeline: FluxPipeline
    name: str
    """For people."""
    fingerprint: str
    """SHA-256 over the transformer's config and a fixed sample of its weights, in lower-case hex."""
    defaults: RenderSettings
    """Settings that suit the model."""
    revision: str | None = None
    """The commit of what came from the hub; None where all was on this machine."""
    lexicon: Lexicon | None = None
    """The words it draws, when its folder publishes them; None is a model that draws anything."""
    num_rows: int = 0
    """Rows that tables of modulations have at least, as the model was set up for drawing."""
    shares_tables: bool = False
    """Whether tables of a book's pages are computed in one go, as each fetches the adaptive norms."""
    cache_threshold: float = 0.0
    """Below which change of the first block the others are left out of a drawing's step."""

    @property
    def family(self) -> Family:
        """The architecture, to which directions belong."""
        return family_of(self.pipeline.transformer)

    @cached_property
    def text_encodings(self) -> TextEncodings:
        """What reads prompts."""
        return TextEncodings(self.pipeline)

    @cached_property
    def preview_decoder(self) -> PreviewDecoder:
        """What shows latents without decoding them."""
        return fit_preview_decoder(self.pipeline.vae, scale=self.pipeline.vae_scale_factor)

    @property
    def num_blocks(self) -> int:
        """Blocks with a modulation of their own, double- and single-stream."""
        return count_blocks(self.pipeline.transformer)

    @property
    def num_parameters(self) -> int:
        """Of the transformer."""
        return sum(weight.numel() for weight in self.pipeline.transformer.parameters())

    @property
    def dim(self) -> int:
        """Width of the modulation vector."""
        return self.pipeline.transformer.inner_dim


@dataclass(frozen=True, kw_only=True)
class _Source:
    """Where the parts of a model come from."""

    named: str
    """As it was asked for."""
    base: str | Path
    """A diffusers folder or a hub id, with all parts but for a transformer of its own."""
    transformer: Path | None = None
    """A single file with the transformer."""
    revision: str | None = None
    """Of a hub id; once it is pinned, a commit."""


def load_model(
    model: str | Path = POCKET,
    *,
    revision: str | None = None,
    plan: RenderPlan | None = None,
    device: torch.device | str | None = None,
    dtype: torch.dtype | None = None,
) -> FluxModel:
    """A Flux model, ready to draw and to learn with; its progress bars are off.

    Args:
        model: `"pocket"`, a diffusers folder, a hub id such as `black-forest-labs/FLUX.1-dev`, which diffusers looks up
            in its cache and then on the network, or a `.safetensors` file with a transformer. The other parts come from
            the diffusers folder that the file lies in, else from FLUX.1-dev or FLUX.1-schnell, whichever it is.
        revision: Commit, tag or branch of what comes from the hub; by default its newest. All parts are of the commit
            that this is now, which the model names.
        plan: How it is set up for drawing. Without one everything is on one device, in full.
        device: Without a plan, where it runs; by default the GPU if there is one.
        dtype: Without a plan, of weights and computation; by default bfloat16 on a GPU and float32 on the CPU.

    Raises:
        UnsupportedModel: The model is none of FLUX.1, or one that draws from a picture only, such as Fill, Depth and
            Canny.
        ModelNotFound: There is no such folder, file or hub id, or it is no Flux model.
        DamagedModel: Files of the model are missing or cannot be read.
    """
    if plan is not None:
        device, dtype = torch.device(plan.device), getattr(torch, plan.numbers.dtype)
    device = torch.device(device if device is not None else "cuda" if torch.cuda.is_available() else "cpu")
    dtype = dtype or (torch.float32 if device.type == "cpu" else torch.bfloat16)
    source = _find(model, revision)
    folder = source.base if isinstance(source.base, Path) else None
    name, defaults, lexicon = (source.named, None, None) if folder is None else read_card(folder)
    quantization = quantization_of(plan, dtype) if plan is not None else None
    with _told_of(source), _quiet():
        source = _pinned(source)
        pipeline, fingerprint = _load(source, dtype, quantization)
        check_draws_from_text(pipeline.transformer, source.named)
    pipeline.set_progress_bar_config(disable=True)
    if plan is None:
        pipeline.to(device)
    else:
        place(pipeline, plan)
    return FluxModel(
        pipeline=pipeline,
        name=name if source.transformer is None else source.transformer.stem,
        fingerprint=fingerprint,
        defaults=defaults or settings_by_guidance(guidance_embeds=pipeline.transformer.config.guidance_embeds),
        revision=source.revision,
        lexicon=lexicon,
        num_rows=0 if plan is None else plan.num_rows,
        shares_tables=plan is not None and plan.norms == "away",
        cache_threshold=0.0 if plan is None else plan.numbers.cache_threshold,
    )


@torch.no_grad()
def compute_fingerprint(transformer: FluxTransformer2DModel) -> str:
    """SHA-256, in lower-case hex, over the config and up to 16 values of each weight tensor.

    Values count as bfloat16, so a model has one fingerprint in float32 and in bfloat16, on any device; reading a
    sample takes well under a second for FLUX.1's 12 billion parameters.
    """
    config = {key: value for key, value in transformer.config.items() if not key.startswith("_")}
    digest = hashlib.sha256(json.dumps(config, sort_keys=True, default=list).encode())
    for name, weight in sorted(transformer.state_dict().items()):
        values, last = weight.reshape(-1), weight.numel() - 1
        positions = [last * index // (SAMPLES_PER_TENSOR - 1) for index in range(SAMPLES_PER_TENSOR)]
        sample = values[torch.tensor(positions, device=values.device)].to(torch.bfloat16).cpu()
        digest.update(f"{name} {tuple(weight.shape)}".encode())
        digest.update(sample.view(torch.int16).numpy().tobytes())
    return digest.hexdigest()


def _find(model: str | Path, revision: str | None) -> _Source:
    """Where a model's parts come from; what is a folder here has been checked to be whole."""
    named, path = str(model), POCKET_FOLDER if model == POCKET else Path(model).expanduser()
    if model == POCKET and not path.is_dir():
        raise ModelNotFound(
            f"The pocket model is missing: its place is {str(path)!r}. Restore the folder from the repository."
        )
    source = _Source(named=named, base=path)
    if is_single_file(path):
        source = _Source(named=named, base=_base_of(path), transformer=path)
    elif path.is_file():
        raise ModelNotFound(
            f"{named!r} is a file but no {SINGLE_FILE_SUFFIX} file, and models are loaded from no others, which may "
            "hold code. Name a diffusers folder, a hub id or such a file."
        )
    elif not path.is_dir():
        source = _Source(named=named, base=_hub_id(named), revision=revision)
    if isinstance(source.base, str):
        return replace(source, revision=revision)
    if revision is not None:
        raise ModelNotFound(
            f"A revision ({revision!r}) is of a model on the hub, and {named!r} is on this machine. Leave it out."
        )
    check_folder(source.base, needs_transformer=source.transformer is None)
    return source


def _pinned(source: _Source) -> _Source:
    """The source at the commit that its revision is now, which has been found to be a pipeline that can be loaded.

    The hub is asked once which commit it is, and by diffusers then no more.
    """
    if isinstance(source.base, Path):
        return source
    try:
        commit = resolve_revision(source.base, revision=source.revision).resolved
    except HfHubHTTPError:  # not given out, as to who is not logged in: diffusers takes what was downloaded then
        folder = find_folder(source.base, revision=source.revision)
        if folder is None:
            raise
        commit = folder.name
    index = read_json(Path(hf_hub_download(source.base, INDEX_FILE, revision=commit)))
    check_pipeline_class(index, source.base)
    return replace(source, revision=commit)


def _hub_id(named: str) -> str:
    parts = named.split("/")
    if len(parts) != 2 or not all(parts) or parts[0] in (".", "..", "~"):
        raise ModelNotFound(
            f"There is no model {named!r}: it is neither {POCKET!r} nor a folder nor a hub id such as {FLUX_1_DEV!r}. "
            "Check the spelling."
        )
    return named


def _base_of(path: Path) -> str | Path:
    """What the other parts of a pipeline are taken from: the folder of a transformer's file, or what it was made of."""
    try:
        names = {name.removeprefix("model.diffusion_model.") for name, _ in read_shapes(path)}
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise DamagedModel(f"{str(path)!r} is no safetensors file ({error}). Get the file again.") from error
    if not any(name.startswith(("double_blocks.", "transformer_blocks.")) for name in names):
        raise UnsupportedModel(
            f"{str(path)!r} holds no transformer of FLUX.1: of {len(names)} tensors none is of a double-stream block. "
            "Name a file with one, or a diffusers folder."
        )
    if (path.parent / INDEX_FILE).is_file():
        return path.parent
    is_guided = any(name.startswith(("guidance_in.", "time_text_embed.guidance_embedder.")) for name in names)
    return FLUX_1_DEV if is_guided else FLUX_1_SCHNELL


def _load(source: _Source, dtype: torch.dtype, quantization: Any) -> tuple[FluxPipeline, str]:
    """The pipeline in the computer's memory, and its fingerprint, which is that of weights in full."""
    options: dict[str, Any] = {"dtype": dtype, "use_safetensors": True, "revision": source.revision}
    if source.transformer is None and quantization is None:
        pipeline = FluxPipeline.from_pretrained(source.base, **options)
        return pipeline, compute_fingerprint(pipeline.transformer)
    transformer = _load_transformer(source, options)
    fingerprint = compute_fingerprint(transformer)
    if quantization is not None:
        del transformer
        transformer = _load_transformer(source, {**options, "quantization_config": quantization})
    return FluxPipeline.from_pretrained(source.base, transformer=transformer, **options), fingerprint


def _load_transformer(source: _Source, options: dict[str, Any]) -> FluxTransformer2DModel:
    if source.transformer is None:
        return FluxTransformer2DModel.from_pretrained(source.base, subfolder="transformer", **options)
    of_file = {name: value for name, value in options.items() if name not in ("use_safetensors", "revision")}
    return FluxTransformer2DModel.from_single_file(
        str(source.transformer),
        config=str(source.base),
        config_revision=source.revision,
        subfolder="transformer",
        **of_file,
    )


@contextmanager
def _told_of(source: _Source) -> Iterator[None]:
    """What goes wrong while loading, as errors of ours."""
    of_hub = (OSError, HFValidationError, RevisionResolutionError)
    told = (*of_hub, ValueError, LookupError, TypeError, AttributeError, RuntimeError, SafetensorError)
    try:
        yield
    except told as error:
        if said_of_memory(error) is not None:  # a fault of the machine, not of the model: a smaller plan may do
            raise
        if isinstance(source.base, str) and isinstance(error, of_hub):
            raise ModelNotFound(
                f"The model {source.base!r} is neither a folder nor can it be had from the Hugging Face hub ({error}). "
                "Check the spelling, the revision and the network; for a gated model accept its licence and run "
                "`hf auth login`."
            ) from error
        raise _damaged(source, error) from error


def _damaged(source: _Source, error: Exception) -> DamagedModel:
    if source.transformer is not None:
        return DamagedModel(
            f"The file {source.named!r} cannot be loaded as FLUX.1's transformer ({error}). It must be whole, with "
            f"the other parts from {str(source.base)!r}; get it again, or name a diffusers folder."
        )
    if isinstance(source.base, Path):
        return DamagedModel(
            f"The model in {str(source.base)!r} cannot be loaded ({error}). It must be a whole diffusers folder saved "
            "by FluxPipeline.save_pretrained; restore it or download it again."
        )
    return DamagedModel(
        f"The model {source.base!r} was found but cannot be loaded ({error}). It must be a FluxPipeline with "
        "safetensors; if it is, its download is damaged: delete it from the Hugging Face cache and try again."
    )


@contextmanager
def _quiet() -> Iterator[None]:
    """No progress bars on stderr while loading, nor diffusers' note that an autoencoder is not FLUX.1's own."""
    libraries = (diffusers.utils.logging, transformers.utils.logging)
    shown = [library.is_progress_bar_enabled() for library in libraries]
    verbosity = diffusers.utils.logging.get_verbosity()
    diffusers.utils.logging.set_verbosity(max(verbosity, logging.ERROR))
    for library in libraries:
        library.disable_progress_bar()
    try:
        yield
    finally:
        diffusers.utils.logging.set_verbosity(verbosity)
        for library, was_shown in zip(libraries, shown, strict=True):
            if was_shown:
                library.enable_progress_bar()
