"""`fableverse export`: a finished book becomes more editions."""

from collections.abc import Mapping, Sequence
from pathlib import Path

from api.binding import export_book
from api.outcome import Outcome
from api.settings import Settings


def export_editions(
    folder: Path, *, formats: Sequence[str], changes: Mapping[str, object], out_dir: Path | None, settings: Settings
) -> Outcome:
    """The editions of the book in `folder`, written into it or into `out_dir`; nothing is drawn.

    Args:
        folder: A book's.
        formats: Which editions.
        changes: Fields of `Design` that differ from the book's own.
        out_dir: Where they go instead of into the folder.
        settings: Whose templates are used.
    """
    paths = export_book(folder, formats=formats, changes=changes, templates_dir=settings.templates_dir, out_dir=out_dir)
    editions = [str(path) for path in paths]
    return Outcome(lines=tuple(editions), data={"editions": list(editions)})
