"""What scripts other than Latin ask of the styles of all editions for screens."""

import re
import zipfile
from pathlib import Path

import pytest
from playwright.sync_api import Browser

from story.design import Design
from story.schema import Page, Scene, Story
from tests.story.book_samples import bind, paint_all

pytest_plugins = ("tests.browser",)

EDITIONS = ("html", "epub", "epub-reflow")
TEXTS = {
    "en": "The fox went up the stair.",
    "ar": "صعد الثعلب الدرج.",
    "fa": "روباه از پله‌ها بالا رفت.",
    "ur": "لومڑی سیڑھیاں چڑھ گئی۔",
    "ko": "여우는 다시 계단을 올라가며 모든 계단을 세었어요.",
    "ja": "きつねはもういちど階段をのぼり、すべての段を数えました。",
}


def styles_of_words(chromium: Browser, folder: Path, edition: str, languages: list[str], prop: str) -> list[str]:
    """A property, as Chromium computes it, of the words of a page in each language."""
    scene = Scene(prompt="a fox", alt="A fox.")
    first, *others = languages
    second = others[0] if others else None
    words = Page(text=TEXTS[first], second_text=TEXTS[second] if second else "", scene=scene)
    story = Story(
        title="A", language=first, second_title="B" if second else "", second_language=second, cover=scene,
        pages=(words,),
    )  # fmt: skip
    path = bind(story, paint_all(story, folder), folder, design=Design(dyslexia=True), edition=edition)
    if edition != "html":
        with zipfile.ZipFile(path) as archive:
            archive.extractall(folder / "unpacked")
            path = folder / "unpacked" / min(name for name in archive.namelist() if re.search(r"page-01.*xhtml", name))
    page = chromium.new_page()
    page.goto(path.as_uri() + "#page-1")
    values = page.evaluate(
        "property => [...document.querySelectorAll('.text p')].map(each => getComputedStyle(each)[property])", prop
    )
    page.close()
    return values


@pytest.mark.parametrize("edition", EDITIONS)
@pytest.mark.parametrize("language", ["ar", "fa", "ur"])
def test_joined_letters_are_never_spaced(chromium: Browser, tmp_path: Path, edition: str, language: str):
    for number, languages in enumerate(([language], ["en", language], [language, "en"])):
        spacings = styles_of_words(chromium, tmp_path / str(number), edition, languages, "letterSpacing")
        for spoken, spacing in zip(languages, spacings, strict=True):
            assert (spacing in ("normal", "0px")) is (spoken == language), languages


@pytest.mark.parametrize("edition", EDITIONS)
def test_korean_words_stay_whole_and_japanese_lines_are_filled(chromium: Browser, tmp_path: Path, edition: str):
    assert styles_of_words(chromium, tmp_path, edition, ["ko", "ja"], "wordBreak") == ["keep-all", "normal"]
