"""What the environment sets: read once at the start into one frozen value.

Knows nothing of the command line, which has the last word; needs neither pydantic nor torch, so `--help` is quick.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Self

from api.errors import InvalidConfiguration

ROOT = Path(__file__).resolve().parent.parent
POCKET = "pocket"
POCKET_DIR = ROOT / "pocket"
LEXICON_PATH = POCKET_DIR / "lexicon.json"
SAMPLE_BANK_DIR = POCKET_DIR / "bank"

_PREFIX = "FABLEVERSE_"
_KNOWN = ("BANK", "MODEL", "LLM", "BASE_URL", "TEMPLATES")


@dataclass(frozen=True, kw_only=True)
class Settings:
    """Where things are and which models are used unless the command line says otherwise."""

    bank_dir: Path = Path("bank")
    """FABLEVERSE_BANK: the folder of concepts; the sample bank is copied there on first use."""
    model: str = POCKET
    """FABLEVERSE_MODEL: "pocket", a diffusers folder, or the id of a Flux model on the Hugging Face hub."""
    llm: str | None = None
    """FABLEVERSE_LLM: a chat model as "provider:name"; unset is the built-in storyteller."""
    base_url: str | None = None
    """FABLEVERSE_BASE_URL: address of an OpenAI-compatible endpoint; unset is the provider's own."""
    openai_api_key: str | None = field(default=None, repr=False)
    """OPENAI_API_KEY: for "openai:" models, behind `base_url` too; unset is none."""
    templates_dir: Path = ROOT / "templates"
    """FABLEVERSE_TEMPLATES: the folder of the templates for prompts and books."""

    @classmethod
    def from_environment(cls, environment: Mapping[str, str]) -> Self:
        """The settings in variables whose names begin with FABLEVERSE_; an empty variable counts as unset.

        Raises:
            InvalidConfiguration: A variable of that prefix is none of the known ones.
        """
        given = {
            variable.removeprefix(_PREFIX): text
            for variable, text in environment.items()
            if variable.startswith(_PREFIX) and text.strip()
        }
        for name in given:
            if name not in _KNOWN:
                raise InvalidConfiguration(
                    f"The environment variable {_PREFIX + name!r} is unknown: there are "
                    f"{', '.join(_PREFIX + known for known in _KNOWN)}. Correct its name or unset it."
                )
        default = cls()
        return cls(
            bank_dir=Path(given.get("BANK", default.bank_dir)),
            model=given.get("MODEL", default.model),
            llm=given.get("LLM"),
            base_url=given.get("BASE_URL"),
            openai_api_key=environment.get("OPENAI_API_KEY") or None,
            templates_dir=Path(given.get("TEMPLATES", default.templates_dir)),
        )
