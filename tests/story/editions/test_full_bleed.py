"""A picture that fills its page is still seen, whatever letters and screen its words have."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page

from story.design import Design
from tests.story.book_samples import a_story, bind, paint_all
from tests.story.tales import tale

pytest_plugins = ("tests.browser",)

DESKTOP, PHONE, PHONE_ON_ITS_SIDE, TABLET = (1280, 860), (390, 844), (844, 390), (820, 1180)
MANY_WORDS = "The fox went up the stair, and he counted every step. " * 9
MANY_PARAGRAPHS = "\n\n".join(["“Who lights the sea tonight?” asked the wind."] * 5)
SEEN_AND_COVERED = """() => {
    const picture = document.querySelector("#page-1 .ground").getBoundingClientRect();
    const panel = document.querySelector("#page-1 .panel").getBoundingClientRect();
    const width = Math.min(picture.right, panel.right) - Math.max(picture.left, panel.left);
    const height = Math.min(picture.bottom, panel.bottom) - Math.max(picture.top, panel.top);
    const covered = Math.max(0, width) * Math.max(0, height) / (picture.width * picture.height);
    const cropped = Math.min(picture.width, picture.height) / Math.max(picture.width, picture.height);
    return [cropped, covered];
}"""


@pytest.fixture
def page(chromium: Browser) -> Iterator[Page]:
    context = chromium.new_context(reduced_motion="reduce")
    yield context.new_page()
    context.close()


def a_book(folder: Path, *, text: str | None = None, second: str | None = None, design: Design | None = None) -> str:
    story = a_story(pages=1) if text else tale("en", second=second)
    if text:
        story = story.model_copy(update={"pages": (story.pages[0].model_copy(update={"text": text}),)})
    looks = (design or Design()).model_copy(update={"layout": "full-bleed"})
    return f"{bind(story, paint_all(story, folder), folder, design=looks).as_uri()}#page-1"


def seen_and_covered(page: Page, book: str, size: tuple[int, int]) -> tuple[float, float]:
    """How much of a square picture the page leaves of it, and how much of that the words cover."""
    page.set_viewport_size({"width": size[0], "height": size[1]})
    page.goto("about:blank")
    page.goto(book)
    assert page.evaluate("document.documentElement.scrollWidth - innerWidth") <= 0
    seen, covered = page.evaluate(SEEN_AND_COVERED)
    return seen, covered


@pytest.mark.parametrize("size", [DESKTOP, TABLET])
def test_a_few_words_stand_on_the_picture(page: Page, tmp_path: Path, size: tuple[int, int]) -> None:
    _, covered = seen_and_covered(page, a_book(tmp_path), size)
    assert 0.05 < covered < 0.4


@pytest.mark.parametrize("size", [DESKTOP, TABLET, PHONE, PHONE_ON_ITS_SIDE])
@pytest.mark.parametrize("looks", [{"large_print": True}, {"dyslexia": True}, {"large_print": True, "dyslexia": True}])
def test_large_or_wide_letters_leave_the_picture_free(
    page: Page, tmp_path: Path, size: tuple[int, int], looks: dict[str, bool]
) -> None:
    seen, covered = seen_and_covered(page, a_book(tmp_path, design=Design().model_copy(update=looks)), size)
    assert covered == 0
    assert seen > 0.75


@pytest.mark.parametrize("size", [DESKTOP, TABLET, PHONE, PHONE_ON_ITS_SIDE])
@pytest.mark.parametrize("text", [MANY_WORDS, MANY_PARAGRAPHS], ids=["words", "paragraphs"])
def test_many_words_leave_the_picture_free(page: Page, tmp_path: Path, size: tuple[int, int], text: str) -> None:
    seen, covered = seen_and_covered(page, a_book(tmp_path, text=text), size)
    assert covered == 0
    assert seen > 0.75


@pytest.mark.parametrize("size", [PHONE, PHONE_ON_ITS_SIDE])
@pytest.mark.parametrize("second", [None, "ar"])
def test_a_phones_words_never_stand_on_the_picture(
    page: Page, tmp_path: Path, size: tuple[int, int], second: str | None
) -> None:
    assert seen_and_covered(page, a_book(tmp_path, second=second), size)[1] == 0


def test_a_reader_who_asks_for_large_letters_gets_the_picture_free(page: Page, tmp_path: Path) -> None:
    assert seen_and_covered(page, a_book(tmp_path), DESKTOP)[1] > 0
    page.get_by_role("button", name="Large print").click()
    assert page.evaluate(SEEN_AND_COVERED)[1] == 0
