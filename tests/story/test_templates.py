"""A person's own templates go before the shipped ones, and cannot reach beyond the page they make."""

from pathlib import Path

import pytest

from story.design import Design
from story.errors import BookError
from story.templates import TEMPLATES_DIR, Templates
from tests.story.book_samples import a_story, bind, paint_all


def write(folder: Path, name: str, text: str) -> None:
    (folder / name).parent.mkdir(parents=True, exist_ok=True)
    (folder / name).write_text(text, encoding="utf-8")


def test_a_folder_of_ones_own_needs_only_what_differs(tmp_path: Path) -> None:
    write(tmp_path / "mine", "book/themes/sea.css", ":root { --paper: #def; --letters: sans-serif; }")
    write(tmp_path / "mine", "book/layouts/caption.css", ".layout-caption { color: inherit; }")
    layout = (
        '{% set sides = ["all"] %}{% set words = [84, 20] %}'
        '{% macro content(side, pages, book, leaf) %}<p class="mine">{{ pages[0].picture.alt }}</p>{% endmacro %}'
    )
    write(tmp_path / "mine", "book/layouts/caption.html.j2", layout)
    story = a_story(pages=1)
    design = Design(layout="caption", theme="sea")
    book = bind(story, paint_all(story, tmp_path), tmp_path, design=design, templates_dir=tmp_path / "mine")
    html = book.read_text(encoding="utf-8")
    assert '<p class="mine">A fox on step 1 of a stair.</p>' in html
    assert "--paper: #def" in html and ".layout-caption" in html


def test_choices_are_the_shipped_ones_and_ones_own(tmp_path: Path) -> None:
    write(tmp_path, "book/themes/sea.css", "")
    shipped = Templates().choices("book/themes", ".css")
    assert Templates(tmp_path).choices("book/themes", ".css") == tuple(sorted([*shipped, "sea"]))


@pytest.mark.parametrize(
    ("source", "fault"),
    [
        ("{{ no_such_name }}", "no_such_name"),
        ("{% for %}", "TemplateSyntaxError"),
        ("{{ ''.__class__.__mro__ }}", "SecurityError"),
        ("{{ cycler.__init__.__globals__.os.popen('id').read() }}", "SecurityError"),
        ("{% include '../../etc/passwd' %}", "TemplateNotFound"),
    ],
    ids=["unknown name", "broken", "reaching for classes", "reaching for the shell", "reaching for files"],
)
def test_a_template_that_cannot_be_used_is_named(tmp_path: Path, source: str, fault: str) -> None:
    write(tmp_path, "book/mine.j2", source)
    with pytest.raises(BookError, match=rf"'book/mine\.j2' cannot be rendered: {fault}|{fault}"):
        Templates(tmp_path).render("book/mine.j2")


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(BookError, match=r"There is no 'book/no\.css'"):
        Templates(tmp_path).text("book/no.css")
    assert Templates(tmp_path).data("book/grain.png") == (TEMPLATES_DIR / "book" / "grain.png").read_bytes()
