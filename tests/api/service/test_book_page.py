"""A book's page in a real browser, with nobody to draw or bind: what is chosen and typed there is not lost."""

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect

from api.service.app import create_app
from api.service.settings import LOCAL_OWNER, ServiceSettings
from api.settings import Settings
from story.schema import Story
from tests.api.service.desk import EXAMPLE, a_desk
from tests.api.service.idle import idle_services
from tests.api.service.serving import serving

pytest_plugins = ["tests.browser"]


@pytest.fixture
def page(chromium: Browser, tmp_path: Path) -> Iterator[Page]:
    """The page of a book that is drawn and was never bound."""
    desk = a_desk(tmp_path, Story.model_validate_json((EXAMPLE / "story.json").read_bytes()), owner=LOCAL_OWNER)
    services = idle_services(desk.settings, desk.database)
    (job,) = services.jobs.list(LOCAL_OWNER, limit=1)
    services.jobs.succeed(job.id, {}, also=lambda _: None)
    desk.database.close()
    base = Settings(bank_dir=tmp_path / "banks" / LOCAL_OWNER)
    app = create_app(ServiceSettings(data_dir=tmp_path, drawing_workers=0, text_workers=0, base=base))
    with serving(app) as port, chromium.new_context(base_url=f"http://127.0.0.1:{port}") as context:
        context.set_default_timeout(30_000)
        page = context.new_page()
        page.goto(f"/books/{desk.book_id}")
        yield page


def test_what_is_chosen_for_binding_stays_whatever_else_happens(page: Page) -> None:
    page.locator("#look-theme").select_option("contrast")
    page.locator("#editions").get_by_label("PDF for the press").check()
    page.locator("#text-p1").fill("Rusty lay awake.")
    page.locator("#text-p1").blur()
    expect(page.locator("#undo")).to_be_enabled()
    page.locator("#edit-p2 > summary").click()
    page.locator("#prompt-p2").fill("a fox sitting in the snow")
    page.locator("#save-p2").click()
    expect(page.locator("#missing")).to_have_text("Draws 1 missing picture first.")
    page.locator("#draw-p2").click()
    page.get_by_role("button", name="Call off").click()
    expect(page.locator("#status")).to_contain_text("called off.")
    page.locator("#undo").click()
    expect(page.locator("#missing")).to_be_empty()
    expect(page.locator("#look-theme")).to_have_value("contrast")
    expect(page.locator("#editions").get_by_label("PDF for the press")).to_be_checked()
    expect(page.locator("#bind")).to_be_visible()


def test_the_form_for_binding_is_there_once_it_is_of_use(page: Page) -> None:
    page.locator("#bind").click()
    expect(page.locator("#status")).to_contain_text(re.compile("Waiting for its turn|Binding the book"))
    expect(page.locator("#bind")).to_be_hidden()
    page.get_by_role("button", name="Call off").click()
    expect(page.locator("#bind")).to_be_visible()


@pytest.mark.parametrize(("field", "label"), [("#text-p1", "Words of Page 1"), ("#title", "Title")])
def test_emptied_words_are_not_saved_and_the_page_says_so(page: Page, field: str, label: str) -> None:
    page.locator(field).fill("")
    page.locator(field).blur()
    expect(page.locator("#notice")).to_contain_text(f"{label}: ")
    expect(page.locator("#notice")).to_contain_text("This is not saved.")
    page.locator(field).fill("Rusty lay awake.")
    page.locator(field).blur()
    expect(page.locator("#notice")).to_be_empty()
    expect(page.locator("#undo")).to_be_enabled()


def test_a_prompt_leaves_the_description_that_another_window_saved_meanwhile(page: Page) -> None:
    other = page.context.new_page()
    other.goto(page.url)
    for each, field, words in ((other, "alt", "A fox, awake."), (page, "prompt", "a fox sitting in the snow")):
        each.locator("#edit-p2 > summary").click()
        each.locator(f"#{field}-p2").fill(words)
        each.locator("#save-p2").click()
        expect(each.locator("#undo")).to_contain_text("picture of a page")
    page.reload()
    expect(page.locator("#alt-p2")).to_have_value("A fox, awake.")
    expect(page.locator("#prompt-p2")).to_have_value("a fox sitting in the snow")


def test_what_is_sent_empty_is_refused(page: Page) -> None:
    for place, name in {"pages/p1": "text", "title": "title", "pages/p2": "prompt"}.items():
        answer = page.request.post(f"{page.url}/{place}", form={name: ""}, headers={"HX-Request": "true"})
        assert answer.status == 422 and f"Nothing is written as {name}" in answer.text()
    answer = page.request.post(f"{page.url}/pages/{'p' * 17}", form={"text": "x"}, headers={"HX-Request": "true"})
    assert answer.status == 422 and "page_id" in answer.text()
