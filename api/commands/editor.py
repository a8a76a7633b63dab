"""A person's editor on a copy of a book's `story.json`, kept until what was written is accepted.

Knows nothing of what makes a story acceptable.
"""

import shlex
import subprocess
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from pydantic import ValidationError

from api.errors import UsageError
from concepts.errors import FableverseError
from story.book import STORY_FILENAME
from story.errors import InvalidRequest
from story.schema import Story


@contextmanager
def written_in_editor(folder: Path, environment: Mapping[str, str]) -> Iterator[Story]:
    """What a person makes of a book's `story.json`; the file itself is not touched.

    The copy lies beside the book's folder, with what it was begun with. It is deleted when the block ends, or when
    nothing was written. When the story is refused, here or by the block, it stays, the error says where, and the next
    call opens it again, unless the book's own was changed.

    Raises:
        UsageError: There is no editor, or it failed; or the story was changed since a refused edit was begun.
        InvalidRequest: What was written is no story.
    """
    place = folder.resolve()
    path = place / STORY_FILENAME
    command, variable = _editor(environment, path)
    copy = place.with_name(f".{place.name}-{STORY_FILENAME}")
    begun_with = copy.with_name(f"{copy.name}.before")
    original = path.read_bytes()
    if not copy.is_file():
        begun_with.write_bytes(original)
        copy.write_bytes(original)
    elif not _holds(begun_with, original):
        raise UsageError(
            f"{str(copy)!r} has an edit that was not accepted, and the story was changed since it was begun. Put what "
            f"you want of it into {str(path)!r}, and delete it."
        )
    is_accepted = False
    try:
        _run([*command, str(copy)], variable)
        yield _read(copy)
        is_accepted = True
    except FableverseError as error:
        if _has_work(copy, original):
            again = "the same command opens it again; delete it to begin anew."
            by_hand = f"put what you want of it into {str(path)!r}, and delete it."
            way_on = again if _holds(path, original) else by_hand
            error.args = (f"{error} What you wrote is kept in {str(copy)!r}: {way_on}",)
        raise
    finally:
        if is_accepted or not _has_work(copy, original):
            copy.unlink(missing_ok=True)
            begun_with.unlink(missing_ok=True)


def _editor(environment: Mapping[str, str], path: Path) -> tuple[list[str], str]:
    """The command, and the variable that it comes from."""
    variable = "VISUAL" if environment.get("VISUAL") else "EDITOR"
    editor = environment.get(variable, "")
    try:
        command = shlex.split(editor)
    except ValueError as error:
        raise UsageError(f"The editor {editor!r} is no command: {error}. Correct {variable}.") from error
    if not command:
        raise UsageError(
            f"No editor is set. Set EDITOR, or say what to change (--page 3 --prompt …), or edit {str(path)!r} by hand."
        )
    return command, variable


def _run(command: list[str], variable: str) -> None:
    editor = shlex.join(command[:-1])
    try:
        done = subprocess.run(command, check=False)
    except OSError as error:
        raise UsageError(f"The editor {editor!r} cannot be started: {error.strerror}. Correct {variable}.") from error
    if done.returncode != 0:
        raise UsageError(f"The editor {editor!r} ended with an error, so nothing is changed.")


def _read(copy: Path) -> Story:
    try:
        return Story.model_validate_json(copy.read_bytes())
    except ValidationError as error:
        raise InvalidRequest(f"What was edited is no story any more, so nothing is changed: {error}") from error


def _has_work(copy: Path, original: bytes) -> bool:
    return copy.is_file() and not _holds(copy, original)


def _holds(path: Path, data: bytes) -> bool:
    return path.is_file() and path.read_bytes() == data
