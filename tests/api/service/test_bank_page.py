"""The bank's page in a real browser, with nobody to learn: what is typed for a concept stays as it was typed."""

import json
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, FilePayload, Page, expect

from api.service.app import create_app
from api.service.settings import ServiceSettings
from api.settings import SAMPLE_BANK_DIR, Settings
from tests.api.service.serving import serving

pytest_plugins = ["tests.browser"]


@pytest.fixture
def page(chromium: Browser, tmp_path: Path) -> Iterator[Page]:
    base = Settings(bank_dir=tmp_path / "bank")
    app = create_app(ServiceSettings(data_dir=tmp_path / "data", drawing_workers=0, text_workers=0, base=base))
    with serving(app) as port, chromium.new_context(base_url=f"http://127.0.0.1:{port}") as context:
        context.set_default_timeout(30_000)
        page = context.new_page()
        page.goto("/bank")
        yield page


def test_what_is_typed_for_a_word_stays_whatever_else_is_chosen(page: Page) -> None:
    page.locator("#learn > summary").click()
    page.locator("#caption").fill("a fox wearing a scarf")
    page.locator(".chip", has_text="fox").click()
    page.locator("#id-1-fox").fill("rufus")
    page.locator("#word-1-fox").fill("young fox")
    page.locator("#kind-1-fox").select_option("object")
    page.locator(".chip", has_text="scarf").click()
    expect(page.locator("#id-1-scarf")).to_have_value("scarf")
    page.locator("#caption").fill("a red fox and a scarf")
    expect(page.locator(".chip", has_text="red")).to_be_visible()
    shown = [page.locator(f"#{name}-1-fox").input_value() for name in ("id", "word", "kind")]
    assert shown == ["rufus", "young fox", "object"]
    expect(page.locator("#id-1-scarf")).to_have_value("scarf")


def test_the_same_word_twice_is_two_choices(page: Page) -> None:
    page.locator("#learn > summary").click()
    page.locator("#caption").fill("a fox and a fox")
    page.locator(".chip", has_text="fox").last.click()
    expect(page.locator("#id-2-fox")).to_have_value("fox-2")
    expect(page.locator("#id-1-fox")).to_have_count(0)


def test_a_caption_may_be_long_in_any_script(page: Page) -> None:
    page.locator("#learn > summary").click()
    page.locator("#caption").fill("여우 " * 600)
    expect(page.locator(".chip")).to_have_count(600)


@pytest.mark.parametrize("name", ["cards", "words"])
def test_any_concept_has_a_page(page: Page, tmp_path: Path, name: str) -> None:
    folder = tmp_path / "bank" / name
    shutil.copytree(SAMPLE_BANK_DIR / "luna", folder)
    record = json.loads((folder / "concept.json").read_text())
    (folder / "concept.json").write_text(json.dumps(record | {"id": name}))
    page.goto(f"/bank/{name}")
    expect(page.get_by_role("heading", name=name.title())).to_be_visible()


def test_too_many_steps_are_told_in_plain_words(page: Page) -> None:
    picture = (SAMPLE_BANK_DIR / "luna" / "source.png").read_bytes()
    upload: FilePayload = {"name": "cat.png", "mimeType": "image/png", "buffer": picture}
    named = {"caption": "a cat", "chosen": "1-cat", "id-1-cat": "tom", "word-1-cat": "cat", "kind-1-cat": "character"}
    answer = page.request.post("/bank", multipart={**named, "steps": "9999", "picture": upload})
    assert answer.status == 422 and "steps: Input should be less than or equal to 5000" in answer.text()
    assert "pydantic" not in answer.text() and "9999" not in answer.text()
