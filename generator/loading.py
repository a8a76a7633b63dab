"""Loads a Flux pipeline, Pocket or FLUX.1 or any other, from a diffusers folder or hub id, and says which it is.

The only file of this package that knows that there are several models, and the only one that may use the network.
Runs no code that comes with a model.
"""

import hashlib
import json
import logging
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import diffusers.utils.logging
import torch
import transformers.utils.logging
from diffusers import FluxPipeline, FluxTransformer2DModel
from huggingface_hub.errors import HfHubHTTPError, HFValidationError
from pydantic import BaseModel, ConfigDict, Field, ValidationError
from safetensors import SafetensorError

import generator.autoencoder  # noqa: F401
from concepts.errors import DamagedLexicon
from concepts.lexicon import Lexicon
from generator.errors import DamagedModel, InvalidSettings, ModelNotFound, UnsupportedModel
from generator.families import FAMILIES, family_of
from generator.families.family import Family
from generator.families.flux1 import FLUX1
from generator.modulation import count_blocks
from generator.settings import FLUX_DEV_SETTINGS, RenderSettings

# diffusers takes the classes that a model folder names only from modules that are imported already, so that naming a
# module cannot run it; importing generator.autoencoder is what lets Pocket's folder name that class.
POCKET = "pocket"
POCKET_FOLDER = Path(__file__).parent.parent / "pocket" / "model"
INDEX_FILE = "model_index.json"
CARD_FILE = "fableverse.json"
LOADABLE = ("FluxPipeline", "FluxKontextPipeline")
"""Pipelines whose folders hold the parts of a `FluxPipeline`, which is what they are loaded as."""
WEIGHTS_OF = ("transformer", "text_encoder", "text_encoder_2", "vae")
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
    lexicon: Lexicon | None = None
    """The words it draws, when its folder publishes them; None is a model that draws anything."""

    @property
    def family(self) -> Family:
        """The architecture, to which directions belong."""
        return family_of(self.pipeline.transformer)

    @property
    def num_blocks(self) -> int:
        """Blocks with a modulation of their own, double- and single-stream."""
        return count_blocks(self.pipeline.transformer)

    @property
    def dim(self) -> int:
        """Width of the modulation vector."""
        return self.pipeline.transformer.inner_dim


class _ModelCard(BaseModel):
    """What a model folder's `fableverse.json` says."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str = Field(min_length=1)
    num_inference_steps: int
    guidance_scale: float
    height: int
    width: int
    max_sequence_length: int
    lexicon: str | None = None
    """Path of the model's lexicon from its folder."""


def load_model(
    model: str | Path = POCKET, *, device: torch.device | str | None = None, dtype: torch.dtype | None = None
) -> FluxModel:
    """A Flux model, ready to draw and to learn with; its progress bars are off.

    Args:
        model: `"pocket"`, a diffusers folder, or a hub id such as `black-forest-labs/FLUX.1-dev`, which diffusers
            looks up in its cache and then on the network.
        device: Where it runs; by default the GPU if there is one.
        dtype: Of weights and computation; by default bfloat16 on a GPU and float32 on the CPU.

    Raises:
        UnsupportedModel: The folder's model is none of FLUX.1.
        ModelNotFound: There is no such folder or hub id, or it is no Flux model.
        DamagedModel: Files of the model are missing or cannot be read.
    """
    device = torch.device(device if device is not None else "cuda" if torch.cuda.is_available() else "cpu")
    dtype = dtype or (torch.float32 if device.type == "cpu" else torch.bfloat16)
    folder = POCKET_FOLDER if model == POCKET else Path(model).expanduser()
    if model == POCKET and not folder.is_dir():
        raise ModelNotFound(
            f"The pocket model is missing: its place is {str(folder)!r}. Restore the folder from the repository."
        )
    if folder.is_dir():
        _check_folder(folder)
        pipeline = _load_folder(folder, dtype)
        name, defaults, lexicon = _read_card(folder)
    else:
        pipeline = _load_hub_id(str(model), dtype)
        name, defaults, lexicon = str(model), FLUX_DEV_SETTINGS, None
    pipeline.set_progress_bar_config(disable=True)
    fingerprint = compute_fingerprint(pipeline.transformer)
    return FluxModel(
        pipeline=pipeline.to(device), name=name, fingerprint=fingerprint, defaults=defaults, lexicon=lexicon
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


def _load_folder(folder: Path, dtype: torch.dtype) -> FluxPipeline:
    try:
        with _quiet():
            return FluxPipeline.from_pretrained(folder, dtype=dtype, use_safetensors=True)
    except (OSError, ValueError, KeyError, TypeError, AttributeError, RuntimeError, SafetensorError) as error:
        raise DamagedModel(
            f"The model in {str(folder)!r} cannot be loaded ({error}). It must be a whole diffusers folder saved by "
            "FluxPipeline.save_pretrained; restore it or download it again."
        ) from error


def _load_hub_id(hub_id: str, dtype: torch.dtype) -> FluxPipeline:
    parts = hub_id.split("/")
    if len(parts) != 2 or not all(parts) or parts[0] in (".", "..", "~"):
        raise ModelNotFound(
            f"There is no model {hub_id!r}: it is neither {POCKET!r} nor a folder nor a hub id such as "
            "'black-forest-labs/FLUX.1-dev'. Check the spelling."
        )
    try:
        with _quiet():
            return FluxPipeline.from_pretrained(hub_id, dtype=dtype, use_safetensors=True)
    except (HfHubHTTPError, HFValidationError, OSError) as error:
        raise ModelNotFound(
            f"The model {hub_id!r} is neither a folder nor can it be had from the Hugging Face hub ({error}). "
            "Check the spelling and the network; for a gated model accept its licence and run `hf auth login`."
        ) from error
    except (ValueError, KeyError, TypeError, RuntimeError, SafetensorError) as error:
        raise DamagedModel(
            f"The model {hub_id!r} was found but cannot be loaded ({error}). It must be a FluxPipeline with "
            "safetensors; if it is, its download is damaged: delete it from the Hugging Face cache and try again."
        ) from error


def _check_folder(folder: Path) -> None:
    """Name what is missing before diffusers reads gigabytes and fails with a message about something else."""
    index_path = folder / INDEX_FILE
    if not index_path.is_file():
        raise ModelNotFound(
            f"The folder {str(folder)!r} holds no model: a diffusers model has a file {INDEX_FILE!r} at its top. "
            "Name the folder that has it."
        )
    index = _read_json(index_path)
    class_name = index.get("_class_name")
    if class_name not in LOADABLE:
        only_attached = ", ".join(family.title for family in FAMILIES if family is not FLUX1)
        raise UnsupportedModel(
            f"{str(folder)!r} is a {class_name}; drawing and learning need one of {', '.join(LOADABLE)}. "
            f"To transformers of {only_attached} directions can be attached from Python, by "
            "generator.modulation.attach. Name a FLUX.1 model."
        )
    components = {name for name, value in index.items() if isinstance(value, list) and value[0] is not None}
    missing = [name for name in sorted(components) if not (folder / name).is_dir()]
    for name in WEIGHTS_OF:
        if name not in missing:
            missing += _missing_weights(folder / name)
    if missing:
        raise DamagedModel(
            f"The model in {str(folder)!r} is not whole: {', '.join(missing)} missing. "
            "Finish its download, or restore the folder."
        )


def _missing_weights(component: Path) -> list[str]:
    """Weight files that a component's folder should have and has not, relative to the model."""
    indices = sorted(component.glob("*.safetensors.index.json"))
    if not indices:
        return [] if any(component.glob("*.safetensors")) else [f"{component.name}/*.safetensors"]
    names = set(_read_json(indices[0]).get("weight_map", {}).values())
    return [f"{component.name}/{name}" for name in sorted(names) if not (component / name).is_file()]


def _read_card(folder: Path) -> tuple[str, RenderSettings, Lexicon | None]:
    path = folder / CARD_FILE
    if not path.is_file():
        return folder.resolve().name, FLUX_DEV_SETTINGS, None
    try:
        card = _ModelCard.model_validate(_read_json(path))
        lexicon = None if card.lexicon is None else Lexicon.load(folder / card.lexicon)
        return card.name, RenderSettings(**card.model_dump(exclude={"name", "lexicon"})), lexicon
    except (ValidationError, InvalidSettings, DamagedLexicon) as error:
        raise DamagedModel(
            f"{str(path)!r} does not describe the model: {error} "
            "Correct the file, or delete it to draw with FLUX.1's settings."
        ) from error


def _read_json(path: Path) -> Mapping[str, object]:
    try:
        content = json.loads(path.read_bytes())
    except ValueError as error:
        raise DamagedModel(f"{str(path)!r} is no JSON ({error}). Restore the file, or get the model again.") from error
    if not isinstance(content, dict):
        raise DamagedModel(f"{str(path)!r} is no JSON object. Restore the file, or get the model again.")
    return content


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
