"""What a screen reader is told when a page of `book.html` is turned by its button, in a real Chromium."""

from pathlib import Path

from playwright.sync_api import Browser, expect

from story.editions.formats import write_editions
from story.templates import Templates
from tests.story.book_samples import bind, paint_all
from tests.story.comics import comic_book, comic_story
from tests.story.tales import tale

pytest_plugins = ("tests.browser",)


def test_turning_by_button_speaks_all_panels_and_balloons_in_reading_order(chromium: Browser, tmp_path: Path):
    story = comic_story(pages=3)
    story = story.model_copy(update={"pages": (story.pages[0], story.pages[2])})
    book = comic_book(tmp_path / "pictures", story)
    (path,) = write_editions(book, ["html"], tmp_path, templates=Templates())
    page = chromium.new_page(reduced_motion="reduce")
    page.goto(path.as_uri())
    page.get_by_role("button", name="Next page").click()
    expect(page.get_by_role("status")).to_have_text(
        "Pages 1 to 2 of 2. On the hill above the sea two friends met. Rusty: Good evening, Luna! Is your lamp lit? "
        "Luna: Not yet. I cannot find a match. Rusty had an idea. Rusty: Here, take my lantern."
    )
    page.close()


def test_turning_by_button_speaks_each_language_as_itself(chromium: Browser, tmp_path: Path):
    story = tale("ko", second="ar")
    page = chromium.new_page(reduced_motion="reduce")
    page.goto(bind(story, paint_all(story, tmp_path), tmp_path).as_uri())
    page.locator(".forward").click()
    told = page.get_by_role("status").locator("span").all()
    assert [part.get_attribute("lang") for part in told] == ["ko", "ko", "ar"]
    spoken = [" ".join(text.split()) for text in (story.pages[0].text, story.pages[0].second_text)]
    assert [part.text_content() for part in told] == ["3쪽 중 1쪽", *spoken]
    page.close()
