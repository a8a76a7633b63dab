"""Words of any length stay on their pages of a fixed size, whole, in the column or balloon that is theirs."""

import re
import zipfile
from pathlib import Path
from xml.etree import ElementTree

import pytest
from hypothesis import given
from hypothesis import strategies as st
from playwright.sync_api import Browser

from concepts.schema import ConceptCard
from story.book import Sentence
from story.design import Design
from story.editions.fit import Room, Words, large_size_of, part_words, size_of
from story.editions.letters import count_lines, width_em, words_em
from story.editions.parting import parted, parted_text
from story.editions.view import TextView
from story.schema import Page, Scene, Story
from tests.story.book_samples import a_story, bind, paint_all

pytest_plugins = ("tests.browser",)

SENTENCE = "Once more the fox went up the stair, and once more he counted every step. "
POEM = "\n".join(["The wind blew over the hill and the fox sang"] * 40)
UNENDING = ("the fox went up the stair and once more he counted " * 60).strip()
THAI = ("เมื่อคืนนี้สุนัขจิ้งจอกตัวน้อยเดินขึ้นบันไดไปที่ประภาคารเพื่อดูดวงจันทร์ " * 20).strip()
NO_SPACE = "狐は灯台の階段をのぼり" * 90
LONG_WORD = "A" + "a" * 60 + "h! Oh dear."
PLACES = """() => {
    const found = [], walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
    while (walker.nextNode()) {
        const parent = walker.currentNode.parentElement;
        if (!walker.currentNode.textContent.trim() || parent.closest(".unseen")) continue;
        const column = (parent.closest(".text, .balloon, .cast li") ?? document.body).getBoundingClientRect();
        const range = document.createRange();
        range.selectNodeContents(walker.currentNode);
        for (const box of range.getClientRects())
            found.push([box.left - column.left, box.top, column.right - box.right, 1200 - box.bottom]);
    }
    return found;
}"""


def a_text(words: str, language: str = "en") -> TextView:
    return TextView(
        language=language, direction="ltr", paragraphs=((Sentence(id="p1-s1", text=words, gap=""),),), length="medium"
    )


def told(text: str, *, language: str = "en", second: str | None = None, second_text: str = "") -> Story:
    scene = Scene(prompt="a fox", alt="A fox.")
    page = Page(text=text, second_text=second_text, scene=scene)
    return Story(
        title="A", language=language, second_title="B" if second else "", second_language=second, cover=scene,
        pages=(page,),
    )  # fmt: skip


def leaves(path: Path, folder: Path, pattern: str) -> list[Path]:
    """The documents of an EPUB whose names match, in reading order."""
    with zipfile.ZipFile(path) as archive:
        archive.extractall(folder)
        package = ElementTree.fromstring(archive.read("EPUB/package.opf"))
    names = [item.get("idref") or "" for item in package.iter("{http://www.idpf.org/2007/opf}itemref")]
    return [folder / "EPUB" / f"{name}.xhtml" for name in names if re.match(pattern, name)]


def words_shown(chromium: Browser, documents: list[Path], selector: str) -> str:
    """Their words, after checking that all stand within their columns and leaves."""
    page, shown = chromium.new_page(viewport={"width": 1200, "height": 1200}), ""
    for document in documents:
        page.goto(document.as_uri())
        for place in page.evaluate(PLACES):
            assert min(place) >= -1.5, (document.name, place)
        shown += " " + " ".join(page.locator(selector).all_text_contents())
    page.close()
    return shown


@pytest.mark.parametrize(
    ("text", "language"),
    [(POEM, "en"), (UNENDING, "en"), (THAI, "th"), (NO_SPACE, "ja"), (LONG_WORD, "en"), (SENTENCE.upper() * 14, "en")],
    ids=["poem", "no full stop", "Thai", "no space", "long word", "capitals"],
)
@pytest.mark.parametrize(
    "design",
    [Design(), Design(layout="picture-above", theme="contrast"), Design(layout="full-bleed", large_print=True)],
    ids=["spread", "picture above", "full bleed, large"],
)
def test_no_word_is_lost_however_long_a_sentence(
    chromium: Browser, tmp_path: Path, text: str, language: str, design: Design
):
    story = told(text.strip(), language=language)
    path = bind(story, paint_all(story, tmp_path), tmp_path, design=design, edition="epub")
    shown = words_shown(chromium, leaves(path, tmp_path / "unpacked", "page"), ".text p")
    assert "".join(shown.split()) == "".join(text.split())


@pytest.mark.parametrize(
    ("text", "language", "second", "second_text"),
    [
        ("Die Schmetterlingswiese leuchtet.", "de", "en", "The meadow shines brightly."),
        ("Die Donaudampfschifffahrtsgesellschaft fährt.", "de", "ko", "여우는 노래했어요."),
        ("Hush.", "en", "de", "Die Zauberwaldgeschichten der Schmetterlingswiese."),
    ],
)
@pytest.mark.parametrize("large_print", [False, True])
@pytest.mark.parametrize("layout", ["spread", "comic"])
def test_long_words_stay_beside_the_other_language(
    chromium: Browser, tmp_path: Path, text: str, language: str, second: str, second_text: str, large_print: bool,
    layout: str,
):  # fmt: skip
    story = told(text, language=language, second=second, second_text=second_text)
    design = Design(large_print=large_print, layout=layout)
    path = bind(story, paint_all(story, tmp_path), tmp_path, design=design, edition="epub")
    shown = words_shown(chromium, leaves(path, tmp_path / "unpacked", "page"), ".text p")
    assert {*text.split(), *second_text.split()} <= {*shown.split()}


def test_what_goes_on_in_the_second_language_alone_says_which_it_is(tmp_path: Path):
    story = told("Oh.", second="ar", second_text="صعد الثعلب الدرج مرة أخرى وعد كل درجة. " * 60)
    path = bind(story, paint_all(story, tmp_path), tmp_path, edition="epub")
    *_, last = leaves(path, tmp_path / "unpacked", "page-01-more")
    assert 'lang="ar" xml:lang="ar" dir="rtl"' in last.read_text(encoding="utf-8")


@pytest.mark.parametrize("large_print", [False, True])
@pytest.mark.parametrize("num_members", [4, 13, 30])
def test_the_last_leaves_hold_a_large_cast_and_a_long_idea(
    chromium: Browser, tmp_path: Path, num_members: int, large_print: bool
):
    story, idea = a_story(pages=1), ("a fox who sails to the moon and meets a cat there " * 40).strip()
    cast = [
        ConceptCard(id=f"c{number}", name=f"Bartholomew {number}", word="fox", kind="character", caption="a fox")
        for number in range(num_members)
    ]
    pictures = paint_all(story, tmp_path)
    path = bind(
        story,
        pictures,
        tmp_path,
        cast=cast,
        colophon={"Idea": idea, "Seed": "7"},
        portraits={member.id: pictures[0] for member in cast},
        design=Design(large_print=large_print),
        edition="epub",
    )
    documents = leaves(path, tmp_path / "unpacked", "end|colophon")
    shown = words_shown(chromium, documents, ".name, dd")
    names = " ".join(f"Bartholomew {number}" for number in range(num_members))
    assert " ".join(shown.split()) == f"{names} {idea} 7"


def text_sizes(path: Path) -> set[str]:
    with zipfile.ZipFile(path) as archive:
        pages = [archive.read(name).decode() for name in archive.namelist() if "/page-" in name and "xhtml" in name]
    return {size for page in pages for size in re.findall(r"--text: ([\d.]+)rem", page)}


@pytest.mark.parametrize("layout", ["spread", "picture-above", "full-bleed", "comic"])
@pytest.mark.parametrize("times", [1, 3, 8])
def test_large_letters_are_half_as_large_again_and_22_points_at_least(tmp_path: Path, layout: str, times: int):
    story = told((SENTENCE * times).strip())
    pictures = paint_all(story, tmp_path)
    sizes = []
    for large_print in (False, True):
        design = Design(layout=layout, large_print=large_print)
        (size,) = text_sizes(bind(story, pictures, tmp_path, design=design, edition="epub"))
        sizes.append(float(size))
    assert sizes[1] == pytest.approx(max(1.5 * sizes[0], 3.6), abs=0.02)


def test_letters_are_no_larger_than_their_longest_word_allows():
    words = Words((a_text("A lighthousekeeper."), a_text("Oh.", "de")), Room(84, 78), Room(84, 78))
    size = size_of([words], dyslexia=False)
    large = large_size_of(size, [words], dyslexia=False)
    assert 2.4 < size < large < 1.5 * size
    assert large * max(words_em("lighthousekeeper.")) <= 38


def test_a_recorded_sentence_that_is_parted_is_played_once():
    sentence = Sentence(id="p1-s1", text=UNENDING, gap="", is_recorded=True)
    text = TextView(language="en", direction="ltr", paragraphs=((sentence,),), length="long")
    pieces = part_words(Words((text,), Room(84, 20), Room(84, 78)), 2.4, dyslexia=False)
    parts = [sentence for (piece,) in pieces for paragraph in piece.paragraphs for sentence in paragraph]
    assert len(parts) > 2 and [part.is_recorded for part in parts] == [True] + [False] * (len(parts) - 1)


@pytest.mark.parametrize(
    ("text", "most", "head"),
    [
        ("short", 9, "short"),
        ("one line\nand more of it", 15, "one line"),
        ("one two three", 9, "one two"),
        ("unbroken", 3, "unb"),
        ("e\u0301e\u0301e\u0301", 3, "e\u0301"),
        ("x", 0, "x"),
    ],
)
def test_a_text_is_parted_at_a_line_then_a_space_then_a_letter(text: str, most: int, head: str):
    first, rest = parted_text(text, lambda part: len(part) <= most)
    assert first == head and "".join((first + rest).split()) == "".join(text.split())


@given(st.lists(st.text("ab é\n.").map(str.strip).filter(bool), min_size=1), st.integers(1, 9), st.integers(1, 30))
def test_pieces_lose_no_letter_and_fit(texts: list[str], first: int, others: int):
    paragraph = [Sentence(id=str(number), text=text, gap=" ") for number, text in enumerate(texts)]

    def length(paragraphs: object) -> int:
        assert isinstance(paragraphs, tuple | list)
        return sum(len(sentence.text) for each in paragraphs for sentence in each)

    pieces = parted([paragraph], lambda each, number: length(each) <= (others if number else first))
    assert all(length(piece) <= (others if number else first) for number, piece in enumerate(pieces))
    shown = "".join(sentence.text for piece in pieces for each in piece for sentence in each)
    assert "".join(shown.split()) == "".join("".join(texts).split())


def test_lines_are_counted_word_by_word():
    assert count_lines("", 10) == 1
    assert count_lines("one\n\ntwo", 10) == 3
    assert count_lines("aaaa aaaa", width_em("aaaa aaa")) == 2
    assert count_lines("a" * 25, width_em("a" * 10)) == 3
    assert count_lines("狐" * 25, 10) == 3
