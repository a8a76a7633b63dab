"""Comic pages: panels, and balloons that hide no face and point at who speaks."""

import re
import zipfile
from math import hypot
from pathlib import Path

import pytest
from axe_playwright_python.sync_playwright import Axe
from hypothesis import given, settings
from hypothesis import strategies as st
from playwright.sync_api import Browser

from story.book import Line, Sentence
from story.design import Design
from story.editions.balloons import place_balloons
from story.editions.formats import write_editions
from story.editions.layout import groups_of, layout_of
from story.editions.letters import width_em
from story.editions.view import view_of
from story.languages import Direction
from story.schema import Box
from story.templates import Templates
from tests.publications import complaints_of
from tests.story.comics import comic_book, comic_faces, comic_story

pytest_plugins = ("tests.browser",)

FACES = st.builds(
    lambda left, top, side: Box(left=left, top=top, right=left + side, bottom=top + side),
    st.floats(0, 0.75),
    st.floats(0.1, 0.75),
    st.floats(0.06, 0.24),
)


def a_line(number: int, speaker: str, words: str) -> Line:
    return Line(speaker=speaker, name=speaker.title(), sentence=Sentence(id=f"l{number}", text=words, gap=""))


def overlap(one: Box, other: Box) -> bool:
    return one.left < other.right and other.left < one.right and one.top < other.bottom and other.top < one.bottom


def distance(box: Box, point: tuple[float, float]) -> float:
    x, y = point
    return hypot(max(box.left - x, 0, x - box.right), max(box.top - y, 0, y - box.bottom))


@settings(max_examples=25, deadline=None)
@given(
    faces=st.lists(FACES, min_size=1, max_size=3),
    said=st.lists(st.tuples(st.integers(0, 3), st.integers(3, 70)), max_size=3),
    direction=st.sampled_from(["ltr", "rtl"]),
)
def test_no_balloon_hides_a_face_or_another_and_each_points_at_its_speaker(
    faces: list[Box], said: list[tuple[int, int]], direction: Direction
):
    named = [(str(number), box) for number, box in enumerate(faces)]
    lines = [
        a_line(index, str(speaker), "words " * (letters // 6 + 1)) for index, (speaker, letters) in enumerate(said)
    ]
    placed, left_over = place_balloons(lines, named, height=1.0, direction=direction)
    assert [balloon.line for balloon in placed] + list(left_over) == lines
    for index, balloon in enumerate(placed):
        box, face = balloon.box, dict(named)[balloon.line.speaker]
        assert 0 <= box.left and box.right <= 1 and 0 <= box.top and box.bottom <= 1
        assert not any(overlap(box, other) for other in faces)
        assert not any(overlap(box, other.box) for other in placed[:index])
        assert distance(face, balloon.tail[2]) < 0.03
        for other in (each for speaker, each in named if speaker != balloon.line.speaker):
            assert distance(other, balloon.tail[2]) > 0
        if index:
            before = placed[index - 1].box
            beside = box.left >= before.right if direction == "ltr" else box.right <= before.left
            assert box.top >= before.bottom or (beside and box.top >= before.top)


def test_most_lines_of_a_usual_picture_find_a_place():
    lines = [a_line(1, "rusty", "Good evening, Luna! Is your lamp lit?"), a_line(2, "luna", "Not yet.")]
    faces = [(face.concept, face.box) for face in comic_faces(1)]
    placed, left_over = place_balloons(lines, faces, height=1.0, direction="ltr")
    assert len(placed) == 2 and not left_over


@pytest.mark.parametrize(
    ("pages", "panels", "sizes"),
    [(1, 4, [1]), (4, 4, [4]), (5, 4, [2, 3]), (8, 4, [4, 4]), (9, 6, [4, 5]), (6, 6, [6]), (7, 2, [1, 2, 2, 2])],
)
def test_panels_are_shared_out_evenly(tmp_path: Path, pages: int, panels: int, sizes: list[int]):
    book = comic_book(tmp_path, comic_story(pages=pages), design=Design(layout="comic", panels=panels))
    view = view_of(book, Templates(), address=lambda picture: picture.name)
    groups = groups_of(view, layout_of(book.design, Templates()))
    assert [len(group.pages) for group in groups] == sizes
    assert [page.number for group in groups for page in group.pages] == list(range(1, pages + 1))


@pytest.mark.parametrize(
    ("pages", "panels", "sizes"), [(4, 4, [2, 2]), (5, 6, [1, 2, 2]), (4, 3, [2, 2]), (3, 2, [1, 1, 1])]
)
def test_panels_are_fewer_and_larger_in_large_print(tmp_path: Path, pages: int, panels: int, sizes: list[int]):
    design = Design(layout="comic", panels=panels, large_print=True)
    book = comic_book(tmp_path, comic_story(pages=pages), design=design)
    view = view_of(book, Templates(), address=lambda picture: picture.name)
    groups = groups_of(view, layout_of(book.design, Templates()))
    assert [len(group.pages) for group in groups] == sizes


def fixed_epub(folder: Path, design: Design, *, knows_faces: bool = True) -> zipfile.ZipFile:
    book = comic_book(folder / "pictures", comic_story(pages=4), design=design, knows_faces=knows_faces)
    (path,) = write_editions(book, ["epub"], folder, templates=Templates())
    return zipfile.ZipFile(path)


def test_balloons_grow_in_large_print(tmp_path: Path):
    sizes: list[list[float]] = []
    for large_print in (False, True):
        with fixed_epub(tmp_path, Design(layout="comic", large_print=large_print)) as archive:
            pages = [archive.read(name).decode() for name in archive.namelist() if re.search(r"page-.*xhtml", name)]
        sizes.append([float(size) for page in pages for size in re.findall(r'font-size: ([\d.]+)rem"><span', page)])
    assert len(sizes[0]) == len(sizes[1]) >= 6
    assert all(large >= 1.5 * usual for usual, large in zip(*sizes, strict=True))


@pytest.mark.parametrize("knows_faces", [True, False])
def test_a_comic_is_large_print_only_without_balloons(tmp_path: Path, knows_faces: bool):
    with fixed_epub(tmp_path, Design(layout="comic", large_print=True), knows_faces=knows_faces) as archive:
        assert (">largePrint<" in archive.read("EPUB/package.opf").decode()) is not knows_faces


def test_a_word_too_long_for_any_balloon_has_none():
    faces = [("rusty", Box(left=0.35, top=0.5, right=0.65, bottom=0.8))]
    for word, has_balloon in (("Zauberwaldgeschichten!", True), ("H" + "m" * 60, False)):
        placed, left_over = place_balloons([a_line(1, "rusty", word)], faces, height=1.0, direction="ltr")
        assert len(placed) == has_balloon and len(left_over) == (not has_balloon)
        for balloon in placed:
            width = balloon.box.right - balloon.box.left
            assert width_em(word) * balloon.size <= width - balloon.size


@pytest.mark.parametrize("width", [1280, 390])
def test_balloons_stand_on_their_picture_and_hold_their_words(chromium: Browser, tmp_path: Path, width: int):
    book = comic_book(tmp_path / "pictures", comic_story(pages=4))
    (path,) = write_editions(book, ["html"], tmp_path, templates=Templates())
    page = chromium.new_page(viewport={"width": width, "height": 800}, reduced_motion="reduce")
    page.goto(f"{path.as_uri()}#page-1")
    assert page.locator(".balloon").count() >= 6
    for number, panel in enumerate(page.locator(".comic-panel").all(), start=1):
        picture = panel.locator("img").bounding_box()
        assert picture
        for balloon in panel.locator(".balloon").all():
            outer, words = balloon.bounding_box(), balloon.locator(".balloon-words").bounding_box()
            assert outer and words
            assert words["height"] <= outer["height"] and words["width"] <= outer["width"]
            shown = Box(
                left=(outer["x"] - picture["x"]) / picture["width"],
                top=(outer["y"] - picture["y"]) / picture["width"],
                right=(outer["x"] + outer["width"] - picture["x"]) / picture["width"],
                bottom=(outer["y"] + outer["height"] - picture["y"]) / picture["width"],
            )
            assert not any(overlap(shown, face.box) for face in comic_faces(number))
    for scheme in ("light", "dark"):
        page.emulate_media(color_scheme="dark" if scheme == "dark" else "light")
        results = Axe().run(page)
        assert results.violations_count == 0, results.generate_report()
    page.close()


def test_every_line_is_in_every_edition_with_and_without_faces(tmp_path: Path):
    story = comic_story(pages=4)
    for knows_faces in (True, False):
        for layout in ("comic", "spread"):
            book = comic_book(tmp_path, story, design=Design(layout=layout), knows_faces=knows_faces)
            (path,) = write_editions(book, ["html"], tmp_path, templates=Templates())
            html = path.read_text(encoding="utf-8")
            assert all(spoken.text in html for page in story.pages for spoken in page.speech)
            assert ('class="balloon"' in html) is (knows_faces and layout == "comic")


def test_epubcheck_finds_nothing_in_a_comic_with_balloons(tmp_path: Path):
    book = comic_book(tmp_path / "pictures", comic_story(pages=5), design=Design(layout="comic", panels=6))
    for edition in ("epub", "epub-reflow"):
        (path,) = write_editions(book, [edition], tmp_path, templates=Templates())
        assert complaints_of(path) == []
