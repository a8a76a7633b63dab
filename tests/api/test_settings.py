"""Configuration file and environment are read into settings, and what they cannot mean is refused."""

import re
from pathlib import Path

import pytest

from api.errors import InvalidConfiguration, UsageError
from api.settings import LEXICON_PATH, Settings
from api.writers import check_language_model, make_writer, open_gate, price_of
from concepts.lexicon import Lexicon
from story.costs import Price
from story.errors import LanguageModelError
from story.langchain_model import LangchainLanguageModel
from story.safety import OpenAIModerator
from story.writer import GatedStoryteller, LanguageModelWriter

README = Path(__file__).resolve().parents[2] / "README.md"
HERE = Path("/nowhere")


def test_every_variable_arrives_in_its_setting() -> None:
    environment = {
        "FABLEVERSE_BANK": "concepts/mine",
        "FABLEVERSE_MODEL": "black-forest-labs/FLUX.1-dev",
        "FABLEVERSE_LLM": "openai:gpt-5-mini",
        "FABLEVERSE_BASE_URL": "http://localhost:8000/v1",
        "FABLEVERSE_TIMEOUT": "90",
        "FABLEVERSE_BUDGET": "0.5",
        "FABLEVERSE_INPUT_PRICE": "0.25",
        "FABLEVERSE_OUTPUT_PRICE": "2",
        "FABLEVERSE_MODERATION": "on",
        "FABLEVERSE_CLUSTER": "10.0.0.1:6379",
        "FABLEVERSE_REVISION": "v1",
        "FABLEVERSE_PROFILE": "draft",
        "FABLEVERSE_MEMORY": "8GB",
        "FABLEVERSE_CONCEPT_GUIDANCE": "1.5",
        "FABLEVERSE_TEMPLATES": "my-templates",
        "HOME": "/root",
    }
    assert Settings.read(environment, folder=HERE) == Settings(
        bank_dir=Path("concepts/mine"),
        model="black-forest-labs/FLUX.1-dev",
        llm="openai:gpt-5-mini",
        base_url="http://localhost:8000/v1",
        timeout_s=90,
        budget_usd=0.5,
        input_price=0.25,
        output_price=2,
        moderation="on",
        cluster="10.0.0.1:6379",
        templates_dir=Path("my-templates"),
        revision="v1",
        profile="draft",
        memory="8GB",
        concept_guidance=1.5,
    )


def test_the_file_sets_what_the_environment_does_not(tmp_path: Path) -> None:
    file = tmp_path / "fableverse.toml"
    file.write_text('llm = "openai:local"\nbase_url = "http://localhost:1/v1"\nbudget = 1\nbank = "mine"\n')
    settings = Settings.read({"FABLEVERSE_BANK": "yours"}, folder=tmp_path)
    assert settings == Settings(
        llm="openai:local",
        base_url="http://localhost:1/v1",
        budget_usd=1.0,
        bank_dir=Path("yours"),
        config_path=file,
    )
    assert Settings.read({"FABLEVERSE_CONFIG": str(file)}, folder=HERE).llm == "openai:local"


def test_a_path_may_begin_with_the_home_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    home = tmp_path / "home"
    monkeypatch.setenv("HOME", str(home))
    (tmp_path / "fableverse.toml").write_text('bank = "~/concepts"\n')
    settings = Settings.read({"FABLEVERSE_TEMPLATES": "~/templates"}, folder=tmp_path)
    assert (settings.bank_dir, settings.templates_dir) == (home / "concepts", home / "templates")
    home.mkdir()
    (home / "mine.toml").write_text('llm = "openai:local"\n')
    assert Settings.read({"FABLEVERSE_CONFIG": "~/mine.toml"}, folder=HERE).llm == "openai:local"
    with pytest.raises(InvalidConfiguration, match="FABLEVERSE_BANK is '~no-such-person/x': .*home folder"):
        Settings.read({"FABLEVERSE_BANK": "~no-such-person/x"}, folder=HERE)


@pytest.mark.parametrize(
    ("text", "named"),
    [
        ("llm = ", "no TOML file"),
        ('modell = "pocket"', "'modell'.*it may set bank, model"),
        ('openai_api_key = "sk-1"', "Keys come from the environment only"),
        ("llm = 3", "llm in .*is 3: it has to be text"),
        ('memory = "9GB"', "memory in .*one of auto, 8GB"),
        ("budget = -1", "budget in .*not negative"),
        ("budget = true", "budget in .*number"),
        ('moderation = "maybe"', "auto, on, off"),
        ("timeout = 0", "more than nothing"),
        ("concept_guidance = 0.5", "concept_guidance in .*from 1 on"),
    ],
)
def test_a_file_that_cannot_be_used_is_refused_by_name(tmp_path: Path, text: str, named: str) -> None:
    (tmp_path / "fableverse.toml").write_text(text)
    with pytest.raises(InvalidConfiguration, match=named):
        Settings.read({}, folder=tmp_path)


def test_a_file_that_is_named_has_to_be_there(tmp_path: Path) -> None:
    with pytest.raises(InvalidConfiguration, match="no such file"):
        Settings.read({"FABLEVERSE_CONFIG": str(tmp_path / "no.toml")}, folder=tmp_path)


def test_a_budget_needs_a_price() -> None:
    with pytest.raises(UsageError, match="what 'openai:mine' costs is not known"):
        price_of(Settings(llm="openai:mine", budget_usd=1.0))
    with pytest.raises(UsageError, match="both parts"):
        price_of(Settings(llm="openai:mine", input_price=1.0))
    assert price_of(Settings(llm="openai:gpt-5-mini")) == Price(input_usd=0.25, output_usd=2.0)
    assert price_of(Settings(llm="openai:gpt-5-mini", base_url="http://localhost/v1")) is None
    assert price_of(Settings(llm="openai:x", input_price=0, output_price=0)) == Price(input_usd=0, output_usd=0)


@pytest.mark.parametrize(
    ("llm", "base_url", "moderation", "asked_at"),
    [
        (None, None, "auto", "nowhere"),
        ("openai:gpt-5-mini", None, "auto", None),
        ("openai:gpt-5-mini", "https://eu.api.openai.com/v1", "auto", "https://eu.api.openai.com/v1"),
        ("openai:local", "http://localhost/v1", "auto", "nowhere"),
        ("openai:x", "https://not-openai.com/v1", "auto", "nowhere"),
        ("openai:local", "http://localhost/v1", "on", "http://localhost/v1"),
        ("ollama:x", None, "auto", "nowhere"),
        ("ollama:x", "http://localhost/v1", "on", None),
        (None, None, "on", None),
        ("openai:gpt-5-mini", None, "off", "nowhere"),
    ],
)
def test_moderation_is_asked_where_openai_writes_or_it_is_demanded(
    llm: str | None, base_url: str | None, moderation: str, asked_at: str | None
) -> None:
    moderator = open_gate(Settings(llm=llm, base_url=base_url, moderation=moderation, openai_api_key="sk-1")).moderator
    assert moderator is None or isinstance(moderator, OpenAIModerator)
    assert ("nowhere" if moderator is None else moderator.base_url) == asked_at


def test_an_edit_needs_no_local_server_that_may_be_off() -> None:
    gate = open_gate(Settings(llm="openai:local", base_url="http://127.0.0.1:9/v1"))
    assert gate.reasons(["a fox", "a murder"]) == ((), ("violence",))


def test_the_storyteller_is_moderated_too_where_that_is_demanded() -> None:
    writer, _ = make_writer(Settings(moderation="on", openai_api_key="sk-1"), lexicon=None, max_tokens=64)
    assert isinstance(writer, GatedStoryteller) and isinstance(writer.gate.moderator, OpenAIModerator)
    writer, _ = make_writer(Settings(openai_api_key="sk-1"), lexicon=None, max_tokens=64)
    assert writer.gate.moderator is None


def test_a_key_that_is_needed_is_asked_for() -> None:
    with pytest.raises(LanguageModelError, match="'openai:gpt-5-mini' needs a key. Set OPENAI_API_KEY"):
        check_language_model(Settings(llm="openai:gpt-5-mini", moderation="off"))
    with pytest.raises(LanguageModelError, match="moderation of texts needs a key. Set OPENAI_API_KEY"):
        check_language_model(Settings(llm="ollama:x", moderation="on"))
    with pytest.raises(LanguageModelError, match="moderation of texts needs a key. Set OPENAI_API_KEY"):
        check_language_model(Settings(moderation="on"))
    for settings in (Settings(), Settings(llm="local:x"), Settings(llm="openai:x", base_url="http://localhost/v1")):
        check_language_model(settings)


def test_a_language_model_is_told_of_the_model_that_draws_and_the_storyteller_keeps_to_pocket() -> None:
    pocket = Lexicon.load(LEXICON_PATH)
    for lexicon in (None, pocket.model_copy(update={"characters": ("owl",)})):
        writer, _ = make_writer(Settings(llm="ollama:x"), lexicon=lexicon, max_tokens=64)
        assert isinstance(writer, LanguageModelWriter)
        assert (writer.prompts.lexicon, writer.storyteller.lexicon) == (lexicon, pocket)


def test_the_key_reaches_the_language_model_and_is_never_shown() -> None:
    environment = {"OPENAI_API_KEY": "sk-secret", "FABLEVERSE_LLM": "openai:local"}
    settings = Settings.read(environment, folder=HERE)
    writer, _ = make_writer(settings, lexicon=None, max_tokens=64)
    assert isinstance(writer, LanguageModelWriter) and isinstance(writer.model, LangchainLanguageModel)
    assert writer.model.api_key == "sk-secret"
    assert "sk-secret" not in repr(settings)


def test_empty_variables_count_as_unset() -> None:
    assert Settings.read({"FABLEVERSE_MODEL": "", "FABLEVERSE_LLM": " "}, folder=HERE) == Settings()


def test_a_misspelt_variable_is_refused_by_name() -> None:
    with pytest.raises(InvalidConfiguration, match="FABLEVERSE_MODELL.*FABLEVERSE_MODEL"):
        Settings.read({"FABLEVERSE_MODELL": "pocket"}, folder=HERE)


def test_the_default_templates_are_there_whatever_the_current_directory() -> None:
    assert (Settings().templates_dir / "book" / "book.html.j2").is_file()


def test_the_readme_names_every_variable() -> None:
    documented = set(re.findall(r"`(FABLEVERSE_\w+)`", README.read_text(encoding="utf-8")))
    source = (Path(__file__).resolve().parents[2] / "api" / "settings.py").read_text(encoding="utf-8")
    assert documented == set(re.findall(r"FABLEVERSE_\w+(?=:)", source))
