"""Both PDF editions, looked into with pikepdf."""

from collections import Counter
from pathlib import Path

import pikepdf
import pytest

from concepts.errors import UnreadablePicture
from concepts.pictures import open_picture
from story.design import Design, PrintSize
from story.schema import Story
from story.templates import Templates
from tests.story.book_samples import a_story, bind, paint, paint_all
from tests.story.tales import LANGUAGES, tale

POINTS_PER_MM = 72 / 25.4
PAINTING = frozenset("f F f* B B* b b* S s Do Tj TJ ' \" sh BI".split())
STANDARD_TAGS = frozenset(
    f"/{name}" for name in "Document Sect Div P H1 H2 Span Figure L LI Lbl LBody NonStruct Link".split()
)


def make(folder: Path, story: Story, edition: str, design: Design | None = None) -> Path:
    pictures = paint_all(story, folder / "pictures")
    return bind(story, pictures, folder, portraits={"rusty": pictures[1]}, design=design, edition=edition)


def box(page: pikepdf.Page, name: str) -> list[float]:
    return [float(corner) for corner in page.obj[name]]


def tags(node: pikepdf.Object) -> list[tuple[str, str]]:
    """Every structure element below, in reading order, with its alternative text."""
    found: list[tuple[str, str]] = []
    if isinstance(node, pikepdf.Dictionary):
        if "/S" in node:
            found.append((str(node.S), str(node.get("/Alt", ""))))
        kids = node.get("/K")
        for kid in kids if isinstance(kids, pikepdf.Array) else [] if kids is None else [kids]:
            found += tags(kid)
    return found


def unmarked(page: pikepdf.Page) -> list[str]:
    """Everything that the page paints and that is neither tagged nor marked as an artifact."""
    depth, found = 0, []
    for _, operator in pikepdf.parse_content_stream(page):
        name = str(operator)
        depth += (name in ("BMC", "BDC")) - (name == "EMC")
        if name in PAINTING and depth == 0:
            found.append(name)
    assert depth == 0
    return found


def painted(page: pikepdf.Page) -> list[str]:
    """All that a page does but marking what it paints."""
    found = [(str(operator), repr(operands)) for operands, operator in pikepdf.parse_content_stream(page)]
    return [f"{operator} {operands}" for operator, operands in found if operator not in ("BMC", "BDC", "EMC")]


def fonts(pdf: pikepdf.Pdf) -> list[pikepdf.Dictionary]:
    objects = [each for each in pdf.objects if isinstance(each, pikepdf.Dictionary)]
    return [each for each in objects if each.get("/Type") == "/FontDescriptor"]


@pytest.mark.parametrize("language", LANGUAGES)
def test_the_reading_pdf_is_tagged_and_says_what_it_is(tmp_path: Path, language: str):
    story = tale(language)
    with pikepdf.open(make(tmp_path, story, "pdf")) as pdf:
        assert pdf.Root.Lang == language
        assert pdf.Root.MarkInfo.Marked is True
        assert pdf.Root.ViewerPreferences.DisplayDocTitle is True
        with pdf.open_metadata() as metadata:
            assert metadata["pdfuaid:part"] == "1"
            assert metadata["dc:title"] == story.title
        elements = tags(pdf.Root.StructTreeRoot)
        assert [alt for kind, alt in elements if kind == "/Figure"] == [scene.alt for scene in story.scenes] + ["Rusty"]
        assert [kind for kind, _ in elements if kind.startswith("/H")] == ["/H1", "/H2", "/H2"]
        direction = pdf.Root.ViewerPreferences.get("/Direction")
        assert direction == ("/R2L" if language == "ar" else None)
        assert "/ParentTree" in pdf.Root.StructTreeRoot
        assert {kind for kind, _ in elements} <= STANDARD_TAGS
        for page in pdf.pages:
            assert page.obj.Tabs == "/S" and "/StructParents" in page.obj
            assert unmarked(page) == []
        texts = [each for each in pdf.objects if isinstance(each, pikepdf.Dictionary) and each.get("/Type") == "/Font"]
        assert all("/ToUnicode" in font for font in texts if font.Subtype != "/CIDFontType2")


def languages(pdf: pikepdf.Pdf) -> dict[str, int]:
    """How often each language is named: by the whole document, and by structure elements."""
    said = [str(each.Lang) for each in pdf.objects if isinstance(each, pikepdf.Dictionary) and "/Lang" in each]
    return dict(Counter(said))


def test_words_of_the_second_language_say_so_and_stay_where_they_are(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    story = tale("en", second="ar")
    marked = make(tmp_path / "marked", story, "pdf")
    monkeypatch.setattr("story.editions.pdf.carry_languages", lambda _: {})
    plain = make(tmp_path / "plain", story, "pdf")
    with pikepdf.open(marked) as pdf, pikepdf.open(plain) as before:
        # The second title, and the second text of each of three pages.
        assert languages(pdf) == {"en": 1, "ar": 4} and languages(before) == {"en": 1}
        kinds = [kind for kind, _ in tags(pdf.Root.StructTreeRoot)]
        assert set(kinds) <= STANDARD_TAGS
        for page, as_before in zip(pdf.pages, before.pages, strict=True):
            assert unmarked(page) == []
            assert painted(page) == painted(as_before)


def test_english_labels_in_a_story_of_another_language_say_so(tmp_path: Path):
    with pikepdf.open(make(tmp_path, tale("en").model_copy(update={"language": "fi"}), "pdf")) as pdf:
        assert languages(pdf)["en"] >= 3


def test_every_page_of_the_story_has_a_bookmark(tmp_path: Path):
    with pikepdf.open(make(tmp_path, tale("en"), "pdf")) as pdf, pdf.open_outline() as outline:
        assert [item.title for item in outline.root] == [
            "Cover", "Page 1 of 3", "Page 2 of 3", "Page 3 of 3", "The last page"
        ]  # fmt: skip
        assert len(pdf.pages) == 1 + 2 * 3 + 2


@pytest.mark.parametrize("edition", ["pdf", "print-pdf"])
@pytest.mark.parametrize("language", LANGUAGES)
def test_all_letters_are_embedded(tmp_path: Path, edition: str, language: str):
    with pikepdf.open(make(tmp_path, tale(language), edition)) as pdf:
        assert fonts(pdf)
        assert all({"/FontFile2", "/FontFile3"} & set(font.keys()) for font in fonts(pdf))


@pytest.mark.parametrize("edition", ["pdf", "print-pdf"])
def test_equal_arguments_give_equal_bytes(tmp_path: Path, edition: str):
    first, second = (make(tmp_path / name, a_story(), edition) for name in ("first", "second"))
    assert first.read_bytes() == second.read_bytes()


@pytest.mark.parametrize(("size", "width", "height"), [("square", 612, 612), ("a4", 595.276, 841.89)])
def test_the_reading_pdf_has_no_bleed(tmp_path: Path, size: PrintSize, width: float, height: float):
    with pikepdf.open(make(tmp_path, a_story(), "pdf", Design(print_size=size))) as pdf:
        for page in pdf.pages:
            assert box(page, "/MediaBox") == pytest.approx([0, 0, width, height], abs=0.01)


@pytest.mark.parametrize("language", ["en", "ar"])
def test_square_pages_have_bleed_on_all_sides_but_the_gutter(tmp_path: Path, language: str):
    with pikepdf.open(make(tmp_path, tale(language), "print-pdf")) as pdf:
        assert len(pdf.pages) == 24
        for number, page in enumerate(pdf.pages, start=1):
            is_right_hand = number % 2 == (1 if language == "en" else 0)
            left = 0 if is_right_hand else 9
            assert box(page, "/MediaBox") == box(page, "/BleedBox") == pytest.approx([0, 0, 621, 630], abs=0.01)
            assert box(page, "/TrimBox") == pytest.approx([left, 9, left + 612, 621], abs=0.01)
            assert "/Annots" not in page
        assert "/Outlines" not in pdf.Root


def test_a4_pages_have_three_millimetres_of_bleed_all_round(tmp_path: Path):
    with pikepdf.open(make(tmp_path, a_story(pages=4), "print-pdf", Design(print_size="a4"))) as pdf:
        assert len(pdf.pages) == 12
        for page in pdf.pages:
            assert box(page, "/MediaBox") == box(page, "/BleedBox")
            corners = [0, 0, 216 * POINTS_PER_MM, 303 * POINTS_PER_MM]
            assert box(page, "/MediaBox") == pytest.approx(corners, abs=0.01)
            trim = [3 * POINTS_PER_MM, 3 * POINTS_PER_MM, 213 * POINTS_PER_MM, 300 * POINTS_PER_MM]
            assert box(page, "/TrimBox") == pytest.approx(trim, abs=0.01)


def drawn(page: pikepdf.Page) -> list[tuple[float, float, int, int]]:
    """Width and height in points and in pixels of every picture that a page draws."""
    found: list[tuple[float, float, int, int]] = []
    matrix, stack = pikepdf.Matrix(), []
    images = {str(name): image for name, image in page.resources.get("/XObject", {}).items()}
    for operands, operator in pikepdf.parse_content_stream(page):
        if str(operator) == "q":
            stack.append(matrix)
        elif str(operator) == "Q":
            matrix = stack.pop()
        elif str(operator) == "cm":
            matrix = pikepdf.Matrix(*(float(value) for value in operands)) @ matrix
        elif str(operator) == "Do" and images[str(operands[0])].get("/Subtype") == "/Image":
            image = images[str(operands[0])]
            found.append((abs(matrix.a), abs(matrix.d), int(image.Width), int(image.Height)))
    return found


def test_pictures_that_are_cut_short_are_refused_after_a_pdf_too(tmp_path: Path):
    make(tmp_path, a_story(pages=1), "pdf")
    picture = paint(tmp_path / "picture.png", height=256)
    picture.write_bytes(picture.read_bytes()[:200])
    with pytest.raises(UnreadablePicture):
        open_picture(picture)


def heights_of_lines(page: pikepdf.Page) -> list[int]:
    """Of every line of letters on a page, in points above its lower edge."""
    found: set[int] = set()
    matrix, stack = pikepdf.Matrix(), []
    for operands, operator in pikepdf.parse_content_stream(page):
        if str(operator) == "q":
            stack.append(matrix)
        elif str(operator) == "Q":
            matrix = stack.pop()
        elif str(operator) in ("cm", "Tm"):
            moved = pikepdf.Matrix(*(float(value) for value in operands)) @ matrix
            matrix = moved if str(operator) == "cm" else matrix
            found |= {round(moved.f)} if str(operator) == "Tm" else set()
    return sorted(found)


def test_every_line_of_a_poem_without_full_stops_is_on_a_page(tmp_path: Path):
    story = a_story(pages=1)
    poem = story.pages[0].model_copy(update={"text": "\n".join(["the fox sang over the hill"] * 40)})
    with pikepdf.open(make(tmp_path, story.model_copy(update={"pages": (poem,)}), "pdf")) as pdf:
        pages = [heights_of_lines(page) for page in list(pdf.pages)[2:-2]]
    # Each page has its number below the lines.
    assert sum(len(heights) - 1 for heights in pages) == 40
    assert all(0 < height < 612 for heights in pages for height in heights)


@pytest.mark.parametrize("layout", Templates().choices("book/layouts", ".html.j2"))
@pytest.mark.parametrize("size", ["square", "a4"])
def test_pictures_have_300_dots_an_inch(tmp_path: Path, layout: str, size: PrintSize):
    story = a_story(pages=2)
    heights = (256, 128, 512)
    pictures = [paint(tmp_path / f"{height}.png", height=height) for height in heights]
    with pikepdf.open(
        bind(story, pictures, tmp_path, design=Design(layout=layout, print_size=size), edition="print-pdf")
    ) as pdf:
        found = [picture for page in pdf.pages for picture in drawn(page)]
    assert [rows / columns for *_, columns, rows in found] == pytest.approx([1, 0.5, 2], abs=0.001)
    for width, height, columns, rows in found:
        assert width > 50 and columns / (width / 72) >= 299.99 and rows / (height / 72) >= 299.99


def test_a_picture_stands_on_a_left_hand_page_beside_its_words(tmp_path: Path):
    story = a_story(pages=2)
    paragraph = "Once more he counted every step of the long, long stair. " * 6
    long = story.pages[0].model_copy(update={"text": "\n".join([paragraph] * 10)})
    story = story.model_copy(update={"pages": (long, story.pages[1])})
    with pikepdf.open(make(tmp_path, story, "print-pdf")) as pdf:
        numbers = [number for number, page in enumerate(pdf.pages, start=1) if drawn(page)]
        assert len(numbers) == 4
        assert numbers[1] % 2 == 0 and numbers[2] % 2 == 0
