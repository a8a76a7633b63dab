"""Both EPUB editions against EPUBCheck, and fixed pages in a real Chromium."""

import re
import zipfile
from pathlib import Path
from xml.etree import ElementTree

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser

from story.design import Design
from story.schema import Page, Scene, Story
from story.templates import Templates
from tests.publications import complaints_of
from tests.story.book_samples import a_story, bind, paint_all
from tests.story.tales import LANGUAGES, tale

pytest_plugins = ("tests.browser",)

EDITIONS = ("epub", "epub-reflow")
HOSTILE = "\"'><script>alert(1)</script>]]>&amp;&nbsp;{{ 7*7 }}<!--\x0b\x00\ufffe"
SHOWN = "\"'><script>alert(1)</script>]]>&amp;&nbsp;{{ 7*7 }}<!--"
XML = {"opf": "http://www.idpf.org/2007/opf", "h": "http://www.w3.org/1999/xhtml"}
PLACES = """[...document.querySelectorAll("body, img, p, li, dd")].map((each) => {
    const {x, y, width, height} = each.getBoundingClientRect();
    return [x, y, width, height];
})"""
LONG = "Once more the fox went up the stair, and once more he counted every step. "


def make(folder: Path, story: Story, edition: str, design: Design | None = None) -> Path:
    pictures = paint_all(story, folder / "pictures")
    return bind(story, pictures, folder, portraits={"rusty": pictures[1]}, design=design, edition=edition)


def parsed(path: Path, name: str) -> ElementTree.Element:
    with zipfile.ZipFile(path) as archive:
        return ElementTree.fromstring(archive.read(f"EPUB/{name}"))


def metadata(path: Path, name: str) -> list[str]:
    metas = parsed(path, "package.opf").findall("opf:metadata/opf:meta", XML)
    return [meta.text or "" for meta in metas if meta.get("property") == name]


@pytest.mark.parametrize("edition", EDITIONS)
@pytest.mark.parametrize("language", LANGUAGES)
def test_epubcheck_finds_nothing(tmp_path: Path, edition: str, language: str):
    assert complaints_of(make(tmp_path, tale(language), edition)) == []


@pytest.mark.parametrize("layout", Templates().choices("book/layouts", ".html.j2"))
def test_epubcheck_finds_nothing_in_any_layout(tmp_path: Path, layout: str):
    assert complaints_of(make(tmp_path, tale("en", second="ko"), "epub", Design(layout=layout, theme="clean"))) == []


@pytest.mark.parametrize("edition", EDITIONS)
def test_epubcheck_finds_nothing_in_two_languages_with_settings_and_hostile_words(tmp_path: Path, edition: str):
    scene = Scene(prompt=HOSTILE, alt=HOSTILE)
    pages = (Page(text=f"{HOSTILE} {LONG * 30}", second_text="قصير.", scene=scene),)
    story = Story(title=HOSTILE, second_title="عنوان", second_language="ar", cover=scene, pages=pages)
    path = make(tmp_path, story, edition, Design(dyslexia=True, large_print=True))
    assert complaints_of(path) == []
    page = parsed(path, "page-01.xhtml")
    assert [image.get("alt") for image in page.iter(f"{{{XML['h']}}}img")] == [SHOWN]
    with zipfile.ZipFile(path) as archive:
        text = "".join(archive.read(name).decode() for name in archive.namelist() if name.endswith(".xhtml"))
    assert "<script" not in text and "{{ 7*7 }}" in text and 'dir="rtl"' in text


@pytest.mark.parametrize("edition", EDITIONS)
def test_equal_arguments_give_equal_bytes(tmp_path: Path, edition: str):
    first, second = (make(tmp_path / name, a_story(), edition) for name in ("first", "second"))
    assert first.read_bytes() == second.read_bytes()


def test_the_two_editions_are_two_publications_with_the_same_words(tmp_path: Path):
    story = tale("en")
    fixed, flowing = (make(tmp_path, story, edition) for edition in EDITIONS)
    identifiers = [
        next(parsed(path, "package.opf").iter("{http://purl.org/dc/elements/1.1/}identifier")).text
        for path in (fixed, flowing)
    ]
    assert all(re.fullmatch("urn:uuid:[0-9a-f-]{36}", identifier or "") for identifier in identifiers)
    assert identifiers[0] != identifiers[1]
    for path in (fixed, flowing):
        with zipfile.ZipFile(path) as archive:
            assert archive.namelist()[0] == "mimetype" and archive.infolist()[0].compress_type == zipfile.ZIP_STORED
            names = [name for name in archive.namelist() if re.search(r"page-.*\.xhtml", name)]
            words = " ".join("".join(ElementTree.fromstring(archive.read(name)).itertext()) for name in names)
        assert all(" ".join(page.text.split()) in " ".join(words.split()) for page in story.pages)


@pytest.mark.parametrize(("language", "direction"), [("en", "ltr"), ("ar", "rtl")])
def test_pages_turn_and_face_each_other_in_the_language_direction(tmp_path: Path, language: str, direction: str):
    spine = parsed(make(tmp_path, tale(language), "epub"), "package.opf").find("opf:spine", XML)
    assert spine is not None and spine.get("page-progression-direction") == direction
    sides = ["page-spread-left", "page-spread-right"][:: 1 if direction == "ltr" else -1]
    places = [item.get("properties") for item in spine]
    assert places == ["rendition:page-spread-center", *sides * 3, None, None]


def test_metadata_says_how_the_book_can_be_read(tmp_path: Path):
    fixed = make(tmp_path, a_story(), "epub")
    flowing = make(tmp_path, a_story(), "epub-reflow", Design(large_print=True))
    assert metadata(fixed, "rendition:layout") == ["pre-paginated"]
    assert metadata(flowing, "rendition:layout") == ["reflowable"]
    assert metadata(fixed, "dcterms:modified") == ["2026-11-24T12:00:00Z"]
    for path in (fixed, flowing):
        assert metadata(path, "schema:accessMode") == ["textual", "visual"]
        assert metadata(path, "schema:accessibilityHazard") == ["none"]
        assert "alternativeText" in metadata(path, "schema:accessibilityFeature")
    assert "displayTransformability" not in metadata(fixed, "schema:accessibilityFeature")
    assert {"displayTransformability", "largePrint"} <= set(metadata(flowing, "schema:accessibilityFeature"))


def test_every_page_is_in_the_table_of_contents(tmp_path: Path):
    for edition in EDITIONS:
        nav = parsed(make(tmp_path, tale("de"), edition), "nav.xhtml")
        (contents, _) = nav.iter(f"{{{XML['h']}}}nav")
        labels = [link.text for link in contents.iter(f"{{{XML['h']}}}a")]
        assert labels == ["Umschlag", *(f"Seite {number} von 3" for number in (1, 2, 3)), "Die letzte Seite"]


@pytest.mark.parametrize("edition", EDITIONS)
def test_every_entry_of_the_table_of_contents_leads_to_a_heading_that_nobody_sees(
    chromium: Browser, tmp_path: Path, edition: str
):
    story = tale("de")
    path = make(tmp_path, story, edition)
    (contents, _) = parsed(path, "nav.xhtml").iter(f"{{{XML['h']}}}nav")
    links = [(link.get("href") or "", link.text) for link in contents.iter(f"{{{XML['h']}}}a")]
    assert len(links) == 5
    with zipfile.ZipFile(path) as archive:
        archive.extractall(tmp_path / "unpacked")
    page = chromium.new_page(viewport={"width": 1200, "height": 1200})
    for name, label in links:
        page.goto((tmp_path / "unpacked" / "EPUB" / name).as_uri())
        heading = page.locator("h1, h2").first
        assert heading.text_content() == (story.title if name == "cover.xhtml" else label)
        assert page.evaluate("document.documentElement.scrollWidth - innerWidth") <= 0
        results = Axe().run(page, options={"runOnly": ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa"]})
        assert results.violations_count == 0, results.generate_report()
        if name != "cover.xhtml":
            box, places = heading.bounding_box(), page.evaluate(PLACES)
            assert box and box["width"] <= 1 and box["height"] <= 1
            heading.evaluate("heading => heading.remove()")
            assert page.evaluate(PLACES) == places, name
    page.close()


def long_story(text: str, *, language: str, second: str | None) -> Story:
    scene = Scene(prompt="a fox", alt="A fox.")
    page = Page(text=text, second_text=text if second else "", scene=scene)
    title = text[:60]
    return Story(
        title=title,
        language=language,
        second_language=second,
        second_title=title if second else "",
        cover=scene,
        pages=(page,),
    )


WORDS_OF_PAGE = """() => ({
    boxes: [...document.querySelectorAll(".words, .board > *")].map(each => {
        const { top, bottom } = each.getBoundingClientRect();
        return [top, bottom];
    }),
    texts: [...document.querySelectorAll(".text:not(.text + .text)")].map(each => each.innerText),
})"""


@pytest.mark.parametrize(
    ("sentence", "language"),
    [
        (LONG, "en"),
        ("여우는 다시 계단을 올라가며 모든 계단을 세었어요. ", "ko"),
        ("صعد الثعلب الدرج مرة أخرى وعد كل درجة. ", "ar"),
    ],
    ids=["English", "Korean", "Arabic"],
)
@pytest.mark.parametrize("times", [1, 6, 30])
@pytest.mark.parametrize("is_bilingual", [False, True])
def test_words_stay_on_their_page_whatever_their_number(
    chromium: Browser, tmp_path: Path, sentence: str, language: str, times: int, is_bilingual: bool
):
    story = long_story((sentence * times).strip(), language=language, second="fr" if is_bilingual else None)
    designs = (
        Design(),
        Design(layout="picture-above"),
        Design(layout="full-bleed"),
        Design(dyslexia=True, large_print=True),
    )
    for design in designs:
        with zipfile.ZipFile(make(tmp_path, story, "epub", design)) as archive:
            archive.extractall(tmp_path / "unpacked")
            names = [name for name in archive.namelist() if re.search(r"page-.*\.xhtml|cover\.xhtml", name)]
        page = chromium.new_page(viewport={"width": 1200, "height": 1200})
        shown = ""
        for name in names:
            page.goto((tmp_path / "unpacked" / name).as_uri())
            found = page.evaluate(WORDS_OF_PAGE)
            assert all(40 <= top and bottom <= 1150 for top, bottom in found["boxes"]), (name, found["boxes"])
            shown += " ".join(["", *found["texts"]])
        assert " ".join(shown.split()) == " ".join(story.pages[0].text.split())
        page.close()
