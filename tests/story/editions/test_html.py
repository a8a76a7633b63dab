import base64
import hashlib
import io
import json
import re
import shutil
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from html.parser import HTMLParser
from pathlib import Path

import pytest
from jinja2 import Environment, meta
from PIL import Image, PngImagePlugin
from pydantic import ValidationError

from concepts.errors import UnreadablePicture
from concepts.schema import ConceptCard
from story.book import Sentence
from story.editions.paged import Leaf
from story.editions.view import BookView, CastView, ColophonView, PageView, PictureView, TextView, view_of
from story.errors import BookError
from story.palette import Palette
from story.schema import Page, Scene, Story
from story.templates import TEMPLATES_DIR, Templates
from tests.story.book_samples import COLOPHON, a_story, as_book, bind, make_book, paint, paint_all
from tests.story.tales import tale

HOSTILE = "\"'><script>alert(1)</script><img src=x onerror=alert(2)>&amp;{{ 7*7 }}</style>"
DATA_URI = re.compile(r"data:image/(?:png|webp);base64,[A-Za-z0-9+/=]+")
KINDS = set("page short medium long cover more end colophon blank verso recto any top bottom".split())
"""Values that the documentation of templates names beside fields."""
VOID = {"meta", "img", "path", "link", "br", "input", "base"}


@dataclass
class Element:
    tag: str
    attributes: Mapping[str, str]
    text: str = ""


@dataclass
class Parsed(HTMLParser):
    """Every element of a page in document order with all text inside it."""

    html: str
    elements: list[Element] = field(default_factory=list)
    _open: list[Element] = field(default_factory=list)

    def __post_init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.feed(self.html)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        element = Element(tag, {name: value or "" for name, value in attrs})
        self.elements.append(element)
        if tag not in VOID:
            self._open.append(element)

    def handle_endtag(self, tag: str) -> None:
        if tag not in VOID:
            assert self._open.pop().tag == tag

    def handle_data(self, data: str) -> None:
        for element in self._open:
            element.text += data

    def all(self, tag: str, **attributes: str) -> list[Element]:
        wanted = attributes.items()
        return [e for e in self.elements if e.tag == tag and all(e.attributes.get(k) == v for k, v in wanted)]


def parsed(book: Path) -> Parsed:
    return Parsed(book.read_text(encoding="utf-8"))


def words(text: str) -> str:
    return " ".join(text.split())


def test_book_holds_every_page_in_order_between_cover_and_last_page(tmp_path: Path):
    story = a_story(pages=3)
    sections = parsed(make_book(tmp_path, story)).all("section")
    assert [s.attributes["id"] for s in sections] == ["cover", "page-1", "page-2", "page-3", "cast"]
    assert [s.attributes["aria-label"] for s in sections[1:4]] == ["Page 1 of 3", "Page 2 of 3", "Page 3 of 3"]
    for page, section in zip(story.pages, sections[1:4], strict=True):
        assert words(page.text) in words(section.text)


def test_book_refers_to_nothing_outside_itself(tmp_path: Path):
    book = make_book(tmp_path, a_story())
    elements = parsed(book).elements
    assert not [e for e in elements if {"href", "srcset", "action", "poster", "xlink:href"} & e.attributes.keys()]
    sources = [e.attributes["src"] for e in elements if "src" in e.attributes]
    assert len(sources) == 5 and all(DATA_URI.fullmatch(source) for source in sources)
    rest = DATA_URI.sub("", book.read_text(encoding="utf-8"))
    assert not re.search(r"\b(?:https?|wss?|ftp|file|blob):|//\w|@import", rest)
    assert re.findall(r"url\(([^)]*)\)", rest) == ['""']


def test_every_picture_has_its_alt_text_and_size(tmp_path: Path):
    story = a_story()
    pictures = parsed(make_book(tmp_path, story)).all("img")
    assert [p.attributes["alt"] for p in pictures] == [scene.alt for scene in story.scenes] + [""]
    assert {(p.attributes["width"], p.attributes["height"]) for p in pictures} == {("256", "256")}


def test_hostile_words_stay_text(tmp_path: Path):
    scene = Scene(prompt=HOSTILE, alt=HOSTILE)
    story = Story(title=HOSTILE, cover=scene, pages=(Page(text=HOSTILE, scene=scene),))
    card = ConceptCard(id="rusty", name=HOSTILE, word="fox", kind="character", caption=HOSTILE)
    pictures = paint_all(story, tmp_path)
    page = parsed(bind(story, pictures, tmp_path, cast=[card], colophon={HOSTILE: HOSTILE}))
    assert len(page.all("script")) == 1 and len(page.all("style")) == 1 and len(page.all("img")) == 2
    assert [e.text for e in (*page.all("title"), *page.all("h1"), *page.all("dt"), *page.all("dd"))] == [HOSTILE] * 4
    assert page.all("p", **{"class": "title title-long"})[0].text == HOSTILE
    assert words(HOSTILE) in words(page.all("section", id="page-1")[0].text)
    assert [e.attributes["alt"] for e in page.all("img")] == [HOSTILE, HOSTILE]
    assert page.all("span", **{"class": "name"})[0].text == HOSTILE
    assert not [e for e in page.elements if any(name.startswith("on") for name in e.attributes)]


def test_the_page_names_its_language_and_a_hostile_one_is_no_language(tmp_path: Path):
    page = parsed(make_book(tmp_path, a_story(language="de-AT")))
    assert page.all("html")[0].attributes == {"lang": "de-AT", "dir": "ltr"}
    with pytest.raises(ValidationError, match="no language tag"):
        a_story(language='en" onload="alert(1)')


def test_policy_allows_the_one_script_by_its_hash_and_nothing_from_a_network(tmp_path: Path):
    page = parsed(make_book(tmp_path, a_story()))
    (script,) = page.all("script")
    digest = base64.b64encode(hashlib.sha256(script.text.encode()).digest()).decode()
    (policy,) = page.all("meta", **{"http-equiv": "Content-Security-Policy"})
    assert policy.attributes["content"].split("; ") == [
        "default-src 'none'",
        "img-src data:",
        "style-src 'unsafe-inline'",
        f"script-src 'sha256-{digest}'",
        "base-uri 'none'",
        "form-action 'none'",
    ]


def test_equal_arguments_give_equal_bytes(tmp_path: Path):
    story = a_story()
    one, other = make_book(tmp_path / "one", story), make_book(tmp_path / "other", story)
    assert one.read_bytes() == other.read_bytes()
    again = make_book(tmp_path / "one", story)
    assert again.read_bytes() == other.read_bytes()


def test_what_a_picture_file_says_of_itself_stays_out_of_the_book(tmp_path: Path):
    story = a_story(pages=1)
    pictures = paint_all(story, tmp_path)
    plain = bind(story, pictures, tmp_path / "plain")
    notes = PngImagePlugin.PngInfo()
    notes.add_text("prompt", "a secret prompt")
    Image.open(pictures[0]).save(pictures[0], pnginfo=notes)
    noted = bind(story, pictures, tmp_path / "noted")
    assert plain.read_bytes() == noted.read_bytes()


@pytest.mark.parametrize("given", [0, 3, 5])
def test_wrong_number_of_pictures_is_refused(tmp_path: Path, given: int):
    pictures = [paint(tmp_path / "picture.png")] * given
    with pytest.raises(BookError, match=f"{given} pictures.*Give 4"):
        bind(a_story(pages=3), pictures, tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_a_damaged_picture_leaves_the_older_book_as_it_was(tmp_path: Path):
    story = a_story()
    before = make_book(tmp_path, story).read_bytes()
    pictures = paint_all(story, tmp_path / "pictures")
    pictures[2].write_bytes(pictures[2].read_bytes()[:200])
    with pytest.raises(UnreadablePicture, match="scene-2"):
        bind(a_story(title="Another"), pictures, tmp_path)
    assert (tmp_path / "book.html").read_bytes() == before


def test_a_file_that_cannot_be_put_in_place_leaves_no_half_written_one(tmp_path: Path):
    (tmp_path / "book.html" / "in-the-way").mkdir(parents=True)
    with pytest.raises(OSError):
        make_book(tmp_path, a_story())
    assert sorted(path.name for path in tmp_path.iterdir()) == ["book.html", "pictures"]


def test_a_picture_travels_in_the_smaller_of_two_formats_and_looks_the_same(tmp_path: Path):
    story = a_story(pages=1)
    smooth, textured = paint(tmp_path / "smooth.png"), tmp_path / "textured.png"
    with Image.open(smooth) as picture:
        noise = Image.frombytes("L", picture.size, bytes((i * 7919 // 13) % 23 for i in range(picture.width**2)))
        Image.blend(picture, noise.convert("RGB"), 0.15).save(textured)
    page = parsed(bind(story, [smooth, textured], tmp_path, cast=(), colophon={}))
    uris = [picture.attributes["src"] for picture in page.all("img")]
    assert [uri.split(";")[0] for uri in uris] == ["data:image/png", "data:image/webp"]
    with Image.open(io.BytesIO(base64.b64decode(uris[1].split(",")[1]))) as shown, Image.open(textured) as original:
        assert shown.size == original.size
        differences = [abs(a - b) for a, b in zip(shown.convert("RGB").tobytes(), original.tobytes(), strict=True)]
    assert sum(differences) / len(differences) < 3


@pytest.mark.parametrize(
    ("language", "direction"),
    [
        ("en", "ltr"),
        ("he", "rtl"),
        ("ar-EG", "rtl"),
        ("AR", "rtl"),
        ("az", "ltr"),
        ("az-Arab", "rtl"),
        ("ur-Latn-PK", "ltr"),
        ("ara", "ltr"),
    ],
)
def test_reading_direction_follows_the_script_of_the_language(tmp_path: Path, language: str, direction: str):
    html = parsed(make_book(tmp_path, a_story(pages=1, language=language))).all("html")[0]
    assert html.attributes == {"lang": language, "dir": direction}


@pytest.mark.parametrize(
    ("language", "label", "spoken"), [("fr-CA", "Page 1 sur 3", "fr"), ("fi", "Page 1 of 3", "en")]
)
def test_the_books_own_words_are_in_its_language_or_english(tmp_path: Path, language: str, label: str, spoken: str):
    page = parsed(make_book(tmp_path, a_story(language=language)))
    assert page.all("section", id="page-1")[0].attributes["aria-label"] == label
    assert page.all("nav")[0].attributes["lang"] == spoken


def test_both_titles_are_on_the_cover_and_told_in_their_language(tmp_path: Path):
    story = tale("en", second="ar")
    page = parsed(bind(story, paint_all(story, tmp_path), tmp_path))
    cover = page.all("section", id="cover")[0]
    assert words(cover.text) == f"{story.title} {story.second_title} Fableverse"
    shown, told = page.all("span", lang="ar")[0], page.all("p", lang="ar")[0]
    assert shown.text == told.text == story.second_title and shown.attributes["dir"] == told.attributes["dir"] == "rtl"
    assert words(page.all("header")[0].text) == f"{story.title} {story.second_title}"


def test_every_language_has_every_label():
    known = json.loads((TEMPLATES_DIR / "book" / "labels.json").read_text(encoding="utf-8"))
    for language, labels in known.items():
        assert labels.keys() == known["en"].keys(), language
        assert "{number}" in labels["page"] and "{count}" in labels["page"], language


def test_last_page_names_the_cast_in_order_and_how_the_book_was_made(tmp_path: Path):
    page = parsed(make_book(tmp_path, a_story()))
    assert [words(e.text) for e in page.all("li")] == ["Rusty fox", "Night Sky moonlight"]
    assert [e.text for e in page.all("dt")] == list(COLOPHON)
    assert [e.text for e in page.all("dd")] == list(COLOPHON.values())


def test_how_a_book_was_made_is_told_in_its_language_and_english_says_so(tmp_path: Path):
    story = tale("ko")
    colophon = {"Idea": "여우", "Written by": "the built-in storyteller", "Seed": "7", "Printer": "Luna"}
    page = parsed(bind(story, paint_all(story, tmp_path), tmp_path, colophon=colophon))
    lines = [(e.text, e.attributes.get("lang")) for e in (*page.all("dt"), *page.all("dd"))]
    assert lines == [
        ("아이디어", "ko"), ("글", "ko"), ("시드", "ko"), ("Printer", None),
        ("여우", None), ("the built-in storyteller", "en"), ("7", None), ("Luna", None),
    ]  # fmt: skip
    assert [(e.text, e.attributes["lang"]) for e in page.all("span", **{"class": "word"})] == [
        ("fox", "en"), ("moonlight", "en")
    ]  # fmt: skip


def test_labels_that_a_folder_of_ones_own_lacks_stay_english(tmp_path: Path):
    templates = tmp_path / "templates"
    (templates / "book").mkdir(parents=True)
    known = json.loads((TEMPLATES_DIR / "book" / "labels.json").read_text(encoding="utf-8"))
    del known["ko"]["seed"]
    (templates / "book" / "labels.json").write_text(json.dumps(known), encoding="utf-8")
    story = tale("ko")
    page = parsed(bind(story, paint_all(story, tmp_path), tmp_path, colophon={"Seed": "7"}, templates_dir=templates))
    assert [(e.text, e.attributes["lang"]) for e in page.all("dt")] == [("Seed", "en")]


def test_a_book_without_a_cast_has_no_empty_list(tmp_path: Path):
    story = a_story(pages=1)
    page = parsed(bind(story, paint_all(story, tmp_path), tmp_path, cast=(), colophon={}))
    assert not page.all("ul")
    assert "The End" in page.all("section", id="cast")[0].text


def test_blank_lines_part_paragraphs_and_length_sets_the_size_of_type(tmp_path: Path):
    scene = Scene(prompt="a fox", alt="A fox.")
    texts = ("One.\n \n\nTwo,\nstill two.", "word " * 40, "word " * 100)
    story = Story(title="T", cover=scene, pages=tuple(Page(text=text, scene=scene) for text in texts))
    book = as_book(story, paint_all(story, tmp_path), cast=(), colophon={})
    pages = view_of(book, Templates(), address=lambda picture: picture.name).pages
    assert [["".join(s.text + s.gap for s in p) for p in page.texts[0].paragraphs] for page in pages][0] == [
        "One.",
        "Two,\nstill two.",
    ]
    assert [page.texts[0].length for page in pages] == ["short", "medium", "long"]


def test_a_name_the_template_is_not_given_is_an_error(tmp_path: Path):
    templates = shutil.copytree(TEMPLATES_DIR, tmp_path / "templates")
    template = templates / "book" / "book.html.j2"
    template.write_text(template.read_text(encoding="utf-8") + "{{ no_such_name }}", encoding="utf-8")
    story = a_story(pages=1)
    with pytest.raises(BookError, match="no_such_name"):
        bind(story, paint_all(story, tmp_path), tmp_path, cast=(), colophon={}, templates_dir=templates)
    assert not (tmp_path / "book.html").exists()


def documented(heading: str) -> dict[str, str]:
    readme = (TEMPLATES_DIR / "README.md").read_text(encoding="utf-8")
    section = readme.split(f"### {heading}\n")[1].split("\n#")[0]
    return dict(re.findall(r"^\| `(\w+)` \| (.*) \|$", section, flags=re.MULTILINE))


@pytest.mark.parametrize(
    "name",
    [
        "book/book.html.j2",
        "book/epub/reflow.xhtml.j2",
        "book/epub/fixed.xhtml.j2",
        "book/epub/package.opf.j2",
        "book/epub/nav.xhtml.j2",
        "book/paged/pdf.html.j2",
    ],
)
def test_documented_variables_are_the_used_ones(name: str):
    source = (TEMPLATES_DIR / name).read_text(encoding="utf-8")
    used = meta.find_undeclared_variables(Environment(autoescape=True).parse(source))
    assert documented(name).keys() == used - {"book"}


def test_documented_book_is_the_given_one():
    assert documented("The variable `book`").keys() == {f.name for f in fields(BookView)}


@pytest.mark.parametrize(
    ("variable", "view"),
    [
        ("palette", Palette),
        ("cover", PictureView),
        ("pages", PageView),
        ("cast", CastView),
        ("colophon", ColophonView),
    ],
)
def test_documented_fields_are_the_given_ones(variable: str, view: type):
    named = set(re.findall(r"`([a-z_]+)`", documented("The variable `book`")[variable]))
    assert named - KINDS == {f.name for f in fields(view)} - KINDS


@pytest.mark.parametrize(("start", "view"), [("A text is", TextView), ("A sentence is", Sentence), ("A leaf is", Leaf)])
def test_documented_parts_of_a_page_are_the_given_ones(start: str, view: type):
    readme = (TEMPLATES_DIR / "README.md").read_text("utf-8")
    (line,) = re.findall(rf"^{start} .*$", readme, flags=re.MULTILINE)
    assert set(re.findall(r"`(\w+)`", line)) - KINDS == {f.name for f in fields(view)} - KINDS
