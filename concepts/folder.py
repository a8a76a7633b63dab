"""One concept's folder: which files it has, and what is wrong with them.

A concept's folder is one that has any of the four files. It is whole when it has them all, as ordinary files.
"""

import stat
from pathlib import Path

from pydantic import ValidationError

from concepts.errors import ConceptError, DamagedConcept, ForeignFiles
from concepts.schema import Concept

CONCEPT = "concept.json"
DIRECTION = "direction.safetensors"
SOURCE = "source.png"
PREVIEW = "preview.png"
FILES = (CONCEPT, DIRECTION, SOURCE, PREVIEW)
_OF_SYSTEMS = frozenset((".DS_Store", "Thumbs.db", "desktop.ini"))
"""What macOS and Windows put into folders that somebody looks at; nobody misses it."""


def _mode(path: Path) -> int:
    """`st_mode` of what has this path, a link's own; 0 where nothing has it."""
    try:
        return path.lstat().st_mode
    except (FileNotFoundError, NotADirectoryError):
        return 0


def is_concept(place: Path) -> bool:
    """Whether it is a concept's folder, damaged or not: one that has any of the four files."""
    return place.is_dir() and any(_mode(place / name) for name in FILES)


def check_only_concept(place: Path) -> None:
    """Raises `ForeignFiles` if more than a concept would be deleted with a folder; of a link nothing would."""
    if not place.is_dir() or place.is_symlink():
        return
    foreign = sorted({path.name for path in place.iterdir()}.difference(FILES, _OF_SYSTEMS))
    if foreign:
        raise ForeignFiles(
            f"The folder {place.name!r} in the bank holds {', '.join(map(repr, foreign))}, which would be deleted "
            f"with it: a concept's folder holds {', '.join(FILES)}. Move the rest elsewhere first."
        )


def check_files(place: Path) -> None:
    """Raises `DamagedConcept` unless the concept's four files are ordinary files inside its ordinary folder."""
    for path in (place, *(place / name for name in FILES)):
        mode = _mode(path)
        if stat.S_ISLNK(mode):
            raise DamagedConcept(
                f"{str(path)!r} is a link: a concept's folder and files are never links, so that a shared bank cannot "
                "reach outside itself. Put the file itself there, or remove the concept."
            )
        if path != place and not stat.S_ISREG(mode):
            raise DamagedConcept(
                f"{str(path)!r} is missing: a concept's folder holds {', '.join(FILES)}. "
                "Restore the file, or remove the concept and learn it again."
            )


def read_concept(place: Path, concept_id: str | None) -> Concept:
    """The concept in a folder; with an id given, the file must name the same one."""
    check_files(place)
    path = place / CONCEPT
    try:
        concept = Concept.model_validate_json(path.read_bytes())
    except (ValidationError, ConceptError) as error:
        raise DamagedConcept(
            f"{str(path)!r} does not describe a concept: {error} Correct the file, or remove the concept."
        ) from error
    if concept_id is not None and concept.id != concept_id:
        raise DamagedConcept(
            f"{str(path)!r} names the concept {concept.id!r}, but its folder is {concept_id!r}: the two are the same. "
            "Rename the folder, or add it as a concept from elsewhere."
        )
    return concept
