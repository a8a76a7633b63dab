"""The environment is read into settings, and what it cannot mean is refused."""

import re
from pathlib import Path

import pytest

from api.errors import InvalidConfiguration
from api.settings import Settings
from api.writers import make_writer
from story.writer import LanguageModelWriter

README = Path(__file__).resolve().parents[2] / "README.md"


def test_every_variable_arrives_in_its_setting() -> None:
    environment = {
        "FABLEVERSE_BANK": "concepts/mine",
        "FABLEVERSE_MODEL": "black-forest-labs/FLUX.1-dev",
        "FABLEVERSE_LLM": "openai:gpt-5-mini",
        "FABLEVERSE_BASE_URL": "http://localhost:8000/v1",
        "FABLEVERSE_TEMPLATES": "my-templates",
        "HOME": "/root",
    }
    assert Settings.from_environment(environment) == Settings(
        bank_dir=Path("concepts/mine"),
        model="black-forest-labs/FLUX.1-dev",
        llm="openai:gpt-5-mini",
        base_url="http://localhost:8000/v1",
        templates_dir=Path("my-templates"),
    )


def test_the_key_reaches_the_language_model_and_is_never_shown() -> None:
    settings = Settings.from_environment({"OPENAI_API_KEY": "sk-secret", "FABLEVERSE_LLM": "openai:local"})
    writer, _ = make_writer(settings, max_tokens=64)
    assert isinstance(writer, LanguageModelWriter) and writer.model.api_key == "sk-secret"
    assert "sk-secret" not in repr(settings)


def test_empty_variables_count_as_unset() -> None:
    assert Settings.from_environment({"FABLEVERSE_MODEL": "", "FABLEVERSE_LLM": " "}) == Settings()


def test_a_misspelt_variable_is_refused_by_name() -> None:
    with pytest.raises(InvalidConfiguration, match="FABLEVERSE_MODELL.*FABLEVERSE_MODEL"):
        Settings.from_environment({"FABLEVERSE_MODELL": "pocket"})


def test_the_default_templates_are_there_whatever_the_current_directory() -> None:
    assert (Settings().templates_dir / "book" / "book.html.j2").is_file()


def test_the_readme_names_every_variable() -> None:
    documented = set(re.findall(r"`(FABLEVERSE_\w+)`", README.read_text(encoding="utf-8")))
    source = (Path(__file__).resolve().parents[2] / "api" / "settings.py").read_text(encoding="utf-8")
    assert documented == set(re.findall(r"FABLEVERSE_\w+(?=:)", source))
