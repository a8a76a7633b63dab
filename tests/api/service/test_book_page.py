"""A book's page in a real browser, with nobody to draw or bind: what is chosen and typed there is not lost."""

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect

from tests.api.service.book_page import page_of_drawn_book

pytest_plugins = ["tests.browser"]


@pytest.fixture
def page(chromium: Browser, tmp_path: Path) -> Iterator[Page]:
    """Of a book that is drawn and was never bound."""
    with page_of_drawn_book(chromium, tmp_path) as page:
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
