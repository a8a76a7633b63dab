"""A person's own prompts go before the shipped ones, and cannot reach beyond the text they make."""

from pathlib import Path

import pytest

from api.settings import Settings
from api.writers import check_language_model
from story.errors import StoryError
from story.prompts import StoryPrompts
from tests.story.builders import LEXICON, MAX_TOKENS, TEMPLATES

SYSTEM = "You write. {% if lexicon %}It draws {{ lexicon.characters | tojson }}.{% endif %}"
SHIPPED = sorted(path.name for path in (TEMPLATES / "prompts").glob("*.j2"))


def prompts_with(folder: Path, name: str, text: str) -> StoryPrompts:
    (folder / "prompts").mkdir(parents=True, exist_ok=True)
    (folder / "prompts" / name).write_text(text, encoding="utf-8")
    return StoryPrompts(folder, lexicon=LEXICON, max_tokens=MAX_TOKENS)


def test_a_folder_with_a_theme_alone_has_the_shipped_prompts(tmp_path: Path) -> None:
    StoryPrompts(tmp_path, lexicon=LEXICON, max_tokens=MAX_TOKENS).check()
    settings = Settings(llm="openai:x", base_url="http://localhost/v1", templates_dir=tmp_path)
    check_language_model(settings)


def test_ones_own_prompt_stands_before_the_shipped_one(tmp_path: Path) -> None:
    asked = prompts_with(tmp_path, "paraphrases.j2", "Say {{ caption }} otherwise.").for_paraphrases("a fox", [], num=1)
    assert [message.content for message in asked] == ["Say a fox otherwise."]
    prompts_with(tmp_path, "system.j2", SYSTEM).check()


@pytest.mark.parametrize("name", SHIPPED)
@pytest.mark.parametrize(
    ("source", "fault"),
    [
        ("{{ no_such_name }}", "no_such_name"),
        ("{% for %}", "TemplateSyntaxError"),
        ("{{ 1 / 0 }}", "ZeroDivisionError"),
        ("{{ cycler.__init__.__globals__.os.getcwd() }}", "SecurityError"),
    ],
    ids=["unknown name", "broken", "failing", "reaching for the system"],
)
def test_a_faulty_prompt_is_named_before_anything_is_asked(tmp_path: Path, name: str, source: str, fault: str) -> None:
    prompts_with(tmp_path, name, source)
    settings = Settings(llm="openai:x", base_url="http://localhost/v1", templates_dir=tmp_path)
    with pytest.raises(StoryError, match=rf"'{name}' cannot be rendered: .*{fault}"):
        check_language_model(settings)


def test_a_prompt_that_fails_only_where_the_model_draws_little_is_found_too(tmp_path: Path) -> None:
    prompts_with(tmp_path, "system.j2", "{% if lexicon %}{{ no_such_name }}{% endif %}")
    settings = Settings(llm="openai:x", base_url="http://localhost/v1", templates_dir=tmp_path)
    with pytest.raises(StoryError, match="no_such_name"):
        check_language_model(settings)
