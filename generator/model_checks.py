"""Whether a model is one that draws from text alone, and a folder is whole: what a person is told of one that is not.

All but `check_draws_from_text` look at small files, before gigabytes are read or downloaded.
"""

from collections.abc import Mapping
from pathlib import Path

from diffusers import FluxTransformer2DModel

from generator.errors import DamagedModel, ModelNotFound, UnsupportedModel
from generator.families import FAMILIES
from generator.families.flux1 import FLUX1
from generator.model_folder import INDEX_FILE, read_json

LOADABLE = ("FluxPipeline", "FluxKontextPipeline")
"""Pipelines whose folders hold the parts of a `FluxPipeline`, which is what they are loaded as."""
WEIGHTS_OF = ("transformer", "text_encoder", "text_encoder_2", "vae")


def check_folder(folder: Path, *, needs_transformer: bool) -> None:
    """Name what is missing before diffusers reads gigabytes and fails with a message about something else.

    Args:
        folder: Where a model is to be.
        needs_transformer: Whether its transformer is there too, not in a file of its own.

    Raises:
        ModelNotFound: It holds no model.
        UnsupportedModel: One that is no pipeline of FLUX.1.
        DamagedModel: Files are missing.
    """
    index_path = folder / INDEX_FILE
    if not index_path.is_file():
        raise ModelNotFound(
            f"The folder {str(folder)!r} holds no model: a diffusers model has a file {INDEX_FILE!r} at its top. "
            "Name the folder that has it."
        )
    index = read_json(index_path)
    check_pipeline_class(index, str(folder))
    components = {name for name, value in index.items() if isinstance(value, list) and value[0] is not None}
    missing = [name for name in sorted(components) if not (folder / name).is_dir()]
    for name in WEIGHTS_OF if needs_transformer else WEIGHTS_OF[1:]:
        if name not in missing:
            missing += _missing_weights(folder / name)
    if missing:
        raise DamagedModel(
            f"The model in {str(folder)!r} is not whole: {', '.join(missing)} missing. "
            "Finish its download, or restore the folder."
        )


def check_pipeline_class(index: Mapping[str, object], named: str) -> None:
    """Refuse a model of which `model_index.json` says that it is another pipeline.

    Args:
        index: What that file says.
        named: The model, as a person knows it.

    Raises:
        UnsupportedModel: It is none of `LOADABLE`.
    """
    class_name = index.get("_class_name")
    if class_name not in LOADABLE:
        only_attached = ", ".join(family.title for family in FAMILIES if family is not FLUX1)
        raise UnsupportedModel(
            f"{named!r} is a {class_name}; drawing and learning need one of {', '.join(LOADABLE)}. "
            f"To transformers of {only_attached} directions can be attached from Python, by "
            "generator.modulation.attach. Name a FLUX.1 model that draws from text alone: dev, schnell or Kontext."
        )


def check_draws_from_text(transformer: FluxTransformer2DModel, named: str) -> None:
    """Refuse a transformer that reads more than the picture that it draws.

    Args:
        transformer: As it was loaded.
        named: The model, as a person knows it.

    Raises:
        UnsupportedModel: Its latents have other channels than its velocities.
    """
    read, drawn = transformer.config.in_channels, transformer.out_channels
    if read != drawn:
        raise UnsupportedModel(
            f"{named!r} reads {read} channels and draws {drawn}: the others are for a picture and a mask, or for "
            "edges or depths, as in FLUX.1 Fill, Canny and Depth, and here models draw from text alone. "
            "Name FLUX.1 dev, schnell or Kontext, or a model made of one of these."
        )


def _missing_weights(component: Path) -> list[str]:
    """Weight files that a component's folder should have and has not, relative to the model."""
    indices = sorted(component.glob("*.safetensors.index.json"))
    if not indices:
        return [] if any(component.glob("*.safetensors")) else [f"{component.name}/*.safetensors"]
    names = set(read_json(indices[0]).get("weight_map", {}).values())
    return [f"{component.name}/{name}" for name in sorted(names) if not (component / name).is_file()]
