"""Editions are rehearsed with a small book, so that what cannot be made is told before anything is drawn."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from story.design import Design
from story.editions.formats import EDITIONS
from story.editions.rehearsal import rehearse
from story.errors import BookError
from story.templates import TEMPLATES_DIR, Templates

LAYOUTS = Templates().choices("book/layouts", ".html.j2")


@pytest.mark.parametrize("layout", LAYOUTS)
def test_all_that_is_shipped_can_be_made(layout: str) -> None:
    rehearse([*EDITIONS], Design(layout=layout), Templates(), language="de", second_language="ar")


@pytest.mark.parametrize(
    ("template", "edition"),
    [
        ("book/book.html.j2", "html"),
        ("book/paged/pdf.html.j2", "print-pdf"),
        ("book/layouts/comic.html.j2", "epub"),
    ],
)
def test_a_template_of_ones_own_that_fails_is_named(tmp_path: Path, template: str, edition: str) -> None:
    own = tmp_path / template
    own.parent.mkdir(parents=True)
    own.write_text((TEMPLATES_DIR / template).read_text(encoding="utf-8") + "{{ speling }}", encoding="utf-8")
    with pytest.raises(BookError, match=rf"{template}.*speling"):
        rehearse([edition], Design(layout="comic"), Templates(tmp_path))


def test_the_libraries_of_pdf_are_asked_for_where_one_is_wanted(without_pango: dict[str, str]) -> None:
    code = (
        "from story.design import Design\nfrom story.editions.rehearsal import rehearse\n"
        "from story.templates import Templates\nimport sys\nrehearse(sys.argv[1].split(','), Design(), Templates())"
    )

    def rehearsed(formats: str) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-c", code, formats]
        return subprocess.run(command, env=os.environ | without_pango, capture_output=True, text=True, check=False)

    assert rehearsed("html,epub").returncode == 0
    for formats in ("html,pdf", "print-pdf"):
        assert "BookError: A PDF needs the Pango library" in rehearsed(formats).stderr
