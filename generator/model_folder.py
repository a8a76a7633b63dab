"""Where the files of a model lie on this machine, and what they say of themselves. Needs no torch and no network."""

import json
from collections.abc import Mapping
from pathlib import Path

from huggingface_hub import try_to_load_from_cache
from huggingface_hub.errors import HFValidationError
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from concepts.errors import DamagedLexicon
from concepts.lexicon import Lexicon
from generator.errors import DamagedModel, InvalidSettings
from generator.settings import RenderSettings, settings_by_guidance

POCKET = "pocket"
POCKET_FOLDER = Path(__file__).parent.parent / "pocket" / "model"
INDEX_FILE = "model_index.json"
CARD_FILE = "fableverse.json"
SINGLE_FILE_SUFFIX = ".safetensors"


class _ModelCard(BaseModel):
    """What a model folder's `fableverse.json` says."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str = Field(min_length=1)
    num_inference_steps: int
    guidance_scale: float
    height: int
    width: int
    max_sequence_length: int
    direction_sigma_min: float = 0.0
    concept_guidance_scale: float = 1.0
    concept_guidance_sigma_min: float = 0.8
    lexicon: str | None = None
    """Path of the model's lexicon from its folder."""


def find_folder(model: str | Path, *, revision: str | None = None) -> Path | None:
    """The diffusers folder with a model's parts: Pocket's, the named one, the one that a single file lies in, or what
    has been downloaded of a hub id; None where there is none yet."""
    if model == POCKET:
        return POCKET_FOLDER
    path = Path(model).expanduser()
    folder = path.parent if is_single_file(path) else path
    if (folder / INDEX_FILE).is_file():
        return folder
    if path.exists():
        return None
    try:
        index = try_to_load_from_cache(str(model), INDEX_FILE, revision=revision)
    except HFValidationError:
        return None
    return Path(index).parent if isinstance(index, str) else None


def is_single_file(path: Path) -> bool:
    """Whether a path is a file of weights, not a folder."""
    return path.suffix == SINGLE_FILE_SUFFIX and path.is_file()


def read_card(folder: Path) -> tuple[str, RenderSettings, Lexicon | None]:
    """A model's name, the settings that suit it, and its lexicon if it publishes one.

    Raises:
        DamagedModel: There is a card, and it cannot be used.
    """
    path = folder / CARD_FILE
    if not path.is_file():
        return folder.resolve().name, _settings_by_config(folder), None
    try:
        card = _ModelCard.model_validate(read_json(path))
        lexicon = None if card.lexicon is None else Lexicon.load(folder / card.lexicon)
        return card.name, RenderSettings(**card.model_dump(exclude={"name", "lexicon"})), lexicon
    except (ValidationError, InvalidSettings, DamagedLexicon) as error:
        raise DamagedModel(
            f"{str(path)!r} does not describe the model: {error} "
            "Correct the file, or delete it to draw with FLUX.1's settings."
        ) from error


def _settings_by_config(folder: Path) -> RenderSettings:
    path = folder / "transformer" / "config.json"
    config = read_json(path) if path.is_file() else {"guidance_embeds": True}
    return settings_by_guidance(guidance_embeds=bool(config.get("guidance_embeds")))


def read_json(path: Path) -> Mapping[str, object]:
    """A model's file that is one JSON object.

    Raises:
        DamagedModel: It is none.
    """
    try:
        content = json.loads(path.read_bytes())
    except ValueError as error:
        raise DamagedModel(f"{str(path)!r} is no JSON ({error}). Restore the file, or get the model again.") from error
    if not isinstance(content, dict):
        raise DamagedModel(f"{str(path)!r} is no JSON object. Restore the file, or get the model again.")
    return content
