"""What configuration file and environment set: read once at the start into one frozen value.

Flags have the last word, then the environment, then `fableverse.toml`. Knows nothing of the command line; needs
neither pydantic nor torch, so `--help` is quick.
"""

import tomllib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Self

from api.errors import InvalidConfiguration
from generator.plan import MEMORIES, PROFILES, Memory, Numbers, Profile

ROOT = Path(__file__).resolve().parent.parent
POCKET = "pocket"
POCKET_DIR = ROOT / "pocket"
LEXICON_PATH = POCKET_DIR / "lexicon.json"
SAMPLE_BANK_DIR = POCKET_DIR / "bank"

CONFIG_FILENAME = "fableverse.toml"

_PREFIX = "FABLEVERSE_"
_CONFIG_VARIABLE = f"{_PREFIX}CONFIG"
MODERATION_CHOICES = ("auto", "on", "off")


@dataclass(frozen=True, kw_only=True)
class WantedModel:
    """Which picture model, and how it is to be drawn with."""

    source: str = POCKET
    revision: str | None = None
    profile: Profile = "quality"
    memory: Memory = "auto"
    concept_guidance: float | None = None
    """Instead of the model's own `concept_guidance_scale`."""
    numbers: Numbers | None = None
    """What pictures that are to be drawn again were first drawn in."""


@dataclass(frozen=True, kw_only=True)
class Settings:
    """Where things are and which models are used unless the command line says otherwise."""

    bank_dir: Path = Path("bank")
    """FABLEVERSE_BANK: the folder of concepts; the sample bank is copied there on first use."""
    model: str = POCKET
    """FABLEVERSE_MODEL: "pocket", a diffusers folder, a .safetensors file with a transformer, or the id of a Flux model
    on the Hugging Face hub."""
    revision: str | None = None
    """FABLEVERSE_REVISION: commit, tag or branch of a model on the hub; unset is its newest."""
    profile: Profile = "quality"
    """FABLEVERSE_PROFILE: "quality" draws in full; "fast" and "draft" leave out what shows least."""
    memory: Memory = "auto"
    """FABLEVERSE_MEMORY: how much of a GPU's memory is used; "auto" is what is free, "full" is all of it."""
    concept_guidance: float | None = None
    """FABLEVERSE_CONCEPT_GUIDANCE: strengthens what concepts do in a picture's first steps, each of which then takes
    two passes; 1 is off, unset is the model's own."""
    llm: str | None = None
    """FABLEVERSE_LLM: "provider:name" of a chat model, "local:" and a transformers model's folder or hub id; unset is
    the built-in storyteller, and templates for captions that are learnt from."""
    base_url: str | None = None
    """FABLEVERSE_BASE_URL: address of an OpenAI-compatible endpoint; unset is the provider's own."""
    openai_api_key: str | None = field(default=None, repr=False)
    """OPENAI_API_KEY: for "openai:" models, behind `base_url` too; unset is none."""
    timeout_s: float = 600.0
    """FABLEVERSE_TIMEOUT: seconds for one call to the language model, its attempts and the whole answer."""
    budget_usd: float | None = None
    """FABLEVERSE_BUDGET: US dollars that one story, or the rewording of captions for one learning, may cost at most;
    unset is no limit."""
    input_price: float | None = None
    """FABLEVERSE_INPUT_PRICE: US dollars for a million tokens in; unset is the list price where it is known."""
    output_price: float | None = None
    """FABLEVERSE_OUTPUT_PRICE: US dollars for a million tokens out; unset is the list price where it is known."""
    moderation: str = "auto"
    """FABLEVERSE_MODERATION: "auto" asks OpenAI's moderation where OpenAI itself writes, "on" whoever writes, and where
    "openai:" models are behind a `base_url` that server's; "off" relies on the local check, which is always on."""
    cluster: str | None = None
    """FABLEVERSE_CLUSTER: HOST:PORT of a Ray cluster that `fableverse serve` draws and learns on; unset is here."""
    templates_dir: Path = ROOT / "templates"
    """FABLEVERSE_TEMPLATES: the folder of the templates for prompts and books."""

    config_path: Path | None = None
    """FABLEVERSE_CONFIG: the configuration file; unset is `fableverse.toml` in the current folder, if it is there."""

    @property
    def wanted_model(self) -> WantedModel:
        """The model that draws, unless a lock names another."""
        return WantedModel(
            source=self.model,
            revision=self.revision,
            profile=self.profile,
            memory=self.memory,
            concept_guidance=self.concept_guidance,
        )

    @classmethod
    def read(cls, environment: Mapping[str, str], *, folder: Path) -> Self:
        """The settings in `fableverse.toml` and in variables that begin with FABLEVERSE_, which overrule the file.

        An empty variable counts as unset.

        Args:
            folder: Where the file is looked for unless FABLEVERSE_CONFIG names one.

        Raises:
            InvalidConfiguration: A name is unknown, or a value has not the right form; or the file that
                FABLEVERSE_CONFIG names is not there.
        """
        given = {
            variable.removeprefix(_PREFIX).lower(): text
            for variable, text in environment.items()
            if variable.startswith(_PREFIX) and text.strip()
        }
        config_path = _config_path(given.pop("config", None), folder)
        values = _read_file(config_path) if config_path is not None else {}
        for name, text in given.items():
            if name not in _PARSERS:
                known = ", ".join([*(_PREFIX + known.upper() for known in _PARSERS), _CONFIG_VARIABLE])
                raise InvalidConfiguration(
                    f"The environment variable {_PREFIX + name.upper()!r} is unknown: there are {known}. Correct its "
                    "name or unset it."
                )
            values[name] = text
        sources = {name: _PREFIX + name.upper() if name in given else f"{name} in {config_path}" for name in values}
        parsed = {_FIELDS[name]: _parse(_PARSERS[name], value, source=sources[name]) for name, value in values.items()}
        return cls(**parsed, openai_api_key=environment.get("OPENAI_API_KEY") or None, config_path=config_path)


def _config_path(named: str | None, folder: Path) -> Path | None:
    if named is None:
        usual = folder / CONFIG_FILENAME
        return usual if usual.is_file() else None
    path = _parse(_path, named, source=_CONFIG_VARIABLE)
    if not path.is_file():
        raise InvalidConfiguration(
            f"{_CONFIG_VARIABLE} names {named!r}, and there is no such file. Correct it or unset it."
        )
    return path


def _read_file(path: Path) -> dict[str, Any]:
    try:
        values = tomllib.loads(path.read_text(encoding="utf-8"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise InvalidConfiguration(f"{str(path)!r} is no TOML file: {error}. Correct it.") from error
    unknown = sorted(values.keys() - _PARSERS.keys())
    if unknown:
        hint = " Keys come from the environment only." if any("key" in name for name in unknown) else ""
        raise InvalidConfiguration(
            f"{str(path)!r} sets {', '.join(map(repr, unknown))}: it may set {', '.join(_PARSERS)}.{hint} Correct it."
        )
    return values


def _parse(parse: Callable[[object], Any], value: object, *, source: str) -> Any:
    try:
        return parse(value)
    except ValueError as error:
        raise InvalidConfiguration(f"{source} is {value!r}: {error}. Correct it.") from error


def _text(value: object) -> str:
    if not isinstance(value, str) or not value.strip():
        raise ValueError("it has to be text")
    return value.strip()


def _path(value: object) -> Path:
    """A path; one that begins with "~" is in a home folder."""
    try:
        return Path(_text(value)).expanduser()
    except RuntimeError as error:
        raise ValueError("nobody's home folder is known by that name") from error


def _amount(value: object) -> float:
    """A number that is not negative."""
    try:
        number = float(value) if isinstance(value, str | int | float) and not isinstance(value, bool) else -1.0
    except ValueError:
        number = -1.0
    if not 0 <= number < float("inf"):
        raise ValueError("it has to be a number and not negative")
    return number


def _seconds(value: object) -> float:
    number = _amount(value)
    if number == 0:
        raise ValueError("it has to be more than nothing")
    return number


def _concept_guidance(value: object) -> float:
    scale = _amount(value)
    if scale < 1:
        raise ValueError("it has to be a number from 1 on")
    return scale


def _one_of(choices: Sequence[str]) -> Callable[[object], str]:
    def parse(value: object) -> str:
        if value not in choices:
            raise ValueError(f"it has to be one of {', '.join(choices)}")
        return str(value)

    return parse


_PARSERS: Mapping[str, Callable[[object], Any]] = {
    "bank": _path,
    "model": _text,
    "revision": _text,
    "profile": _one_of(PROFILES),
    "memory": _one_of(MEMORIES),
    "concept_guidance": _concept_guidance,
    "llm": _text,
    "base_url": _text,
    "timeout": _seconds,
    "budget": _amount,
    "input_price": _amount,
    "output_price": _amount,
    "cluster": _text,
    "moderation": _one_of(MODERATION_CHOICES),
    "templates": _path,
}
_FIELDS: Mapping[str, str] = {name: name for name in _PARSERS} | {
    "bank": "bank_dir", "timeout": "timeout_s", "budget": "budget_usd", "templates": "templates_dir",
}  # fmt: skip
