"""Every edition by the name that `--format` has for it, and how they get onto a disk.

Each file appears whole or not at all. Knows nothing of how an edition is made.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from concepts.files import write_whole
from story.book import BOOK_FILENAME, Book
from story.design import check_design
from story.editions.epub_fixed import epub_fixed_edition
from story.editions.epub_reflow import epub_reflow_edition
from story.editions.html import html_edition
from story.editions.pdf import pdf_edition
from story.editions.print_pdf import print_pdf_edition
from story.errors import BookError
from story.templates import Templates


@dataclass(frozen=True)
class Edition:
    """One way to make a book into a file."""

    filename: str
    make: Callable[[Book, Templates], bytes]


EDITIONS = {
    "html": Edition(BOOK_FILENAME, html_edition),
    "epub": Edition("book.epub", epub_fixed_edition),
    "epub-reflow": Edition("book-reflow.epub", epub_reflow_edition),
    "pdf": Edition("book.pdf", pdf_edition),
    "print-pdf": Edition("book-print.pdf", print_pdf_edition),
}


def check_formats(names: Sequence[str]) -> tuple[str, ...]:
    """The names in the order given, each once.

    Raises:
        BookError: There are none, or one is no format.
    """
    unknown = [name for name in names if name not in EDITIONS]
    if unknown or not names:
        raise BookError(
            f"{', '.join(map(repr, unknown)) or 'Nothing'} is no format of a book: there are {', '.join(EDITIONS)}. "
            "Name one or more of them, joined by commas."
        )
    return tuple(dict.fromkeys(names))


def write_editions(book: Book, formats: Sequence[str], out_dir: Path, *, templates: Templates) -> tuple[Path, ...]:
    """Write the editions into `out_dir` (made when missing); returns their paths in the order of `formats`.

    All are made before the first is written, so that a book that cannot be made leaves the older files as they are.

    Args:
        book: What they are made from.
        formats: Keys of `EDITIONS`.
        out_dir: Other files in it are left alone.
        templates: What they look like.

    Raises:
        BookError: A format, layout or theme is unknown, or an edition cannot be made.
        OSError: A file cannot be written.
    """
    check_design(book.design, templates)
    editions = [EDITIONS[name] for name in check_formats(formats)]
    made = [(out_dir / edition.filename, edition.make(book, templates)) for edition in editions]
    out_dir.mkdir(parents=True, exist_ok=True)
    for path, data in made:
        write_whole(path, data)
    return tuple(path for path, _ in made)
