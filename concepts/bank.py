"""Keeps concepts in a plain folder that a person can read, copy, share and put under version control.

    bank/rusty/concept.json             what the concept is (`Concept`)
    bank/rusty/direction.safetensors    what was learnt; its bytes are hashed, not understood, here
    bank/rusty/source.png               the picture it was learnt from
    bank/rusty/preview.png              a picture drawn with it

Names that begin with a dot belong to writes under way and are no concepts; nor are folders without any of the files.
Knows nothing of tensors or models.
"""

import difflib
import hashlib
import os
import secrets
import shutil
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from functools import lru_cache, partial
from io import BytesIO
from pathlib import Path
from typing import TypeVar

from PIL import Image

from concepts.errors import ConceptError, ConceptExists, DamagedConcept, UnknownConcept
from concepts.files import write_whole
from concepts.folder import (
    CONCEPT,
    DIRECTION,
    PREVIEW,
    SOURCE,
    check_files,
    check_only_concept,
    is_concept,
    read_concept,
)
from concepts.pictures import open_picture
from concepts.schema import Concept, ConceptCard, check_concept_id

SETTLED_NS = 3_000_000_000
"""How long a file has been left alone before its hash is remembered: longer than a tick of any file system's clock."""
HASHES_KEPT = 1024
ABANDONED_S = 3600.0
"""How old what a write or a removal left is before the next one takes it for a killed one's."""
READS = 5
"""How often a concept is read whose folder is replaced while it is read."""

_Read = TypeVar("_Read")


class ConceptBank:
    """The concepts in one folder; made by anyone who knows the folder, which need not exist yet.

    It holds no open file and remembers nothing but hashes of files that stay as they are, so several may look at one
    folder. A write builds the concept's folder beside its place and renames it there: whoever reads sees the concept as
    it was or as it is now, and so does the next reader after a crash. Writers are not kept apart from each other: let
    one write at a time.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def list(self) -> tuple[Concept, ...]:
        """All whole concepts by id; none if the folder does not exist. Directions are not read.

        Raises:
            DamagedConcept: The bank is no folder.
        """
        return self._survey()[0]

    def damaged(self) -> Mapping[str, DamagedConcept]:
        """What is wrong with the concepts that `list` leaves out, by id, or by the folder's name where that is none.

        Raises:
            DamagedConcept: The bank is no folder.
        """
        return self._survey()[1]

    def ids(self) -> tuple[str, ...]:
        """Ids of all concepts, sorted, damaged ones and names that are no ids too; nothing is read.

        Raises:
            DamagedConcept: The bank is no folder.
        """
        # A listing during a rename may have neither name, so two must agree.
        names = self._names()
        for _ in range(READS):
            before, names = names, self._names()
            if names == before:
                break
        return tuple(sorted(names))

    def get(self, concept_id: str) -> Concept:
        """One concept, its direction's bytes, as they were when its file last changed, compared with their hash.

        Raises:
            InvalidConcept: The id is no slug.
            UnknownConcept: The bank has no such concept; the message lists similar ids.
            DamagedConcept: A file is missing, is a link, or is not what it was when the concept was added.
        """

        def read() -> Concept:
            place = self._known_place(concept_id)
            concept = read_concept(place, concept_id)
            _check_direction(concept, place / DIRECTION, _remembered_hash(place / DIRECTION))
            return concept

        return self._undisturbed(check_concept_id(concept_id), read)

    def catalog(self, *, base_model: str | None = None) -> tuple[ConceptCard, ...]:
        """What a language model may see of the bank, by id; errors as in `list`.

        Args:
            base_model: Fingerprint of the model that the concepts were learnt on; None is any.
        """
        return tuple(concept.card() for concept in self.list() if base_model in (None, concept.base_model))

    def add(self, concept: Concept, *, source: Path, direction: Path, preview: Path, replace: bool = False) -> None:
        """Keep a concept and copies of its files; when anything fails the bank stays as it was.

        Pictures are stored as PNG, whatever they were, without metadata such as the place where a photo was taken.

        Raises:
            ConceptExists, ForeignFiles: As in `check_free`.
            DamagedConcept: The direction's bytes do not have the hash that the concept names.
            UnreadablePicture: The source or the preview is no usable picture.
            OSError: The direction cannot be read, or the bank cannot be written.
        """
        self.check_free(concept.id, replace=replace)
        direction_bytes = direction.read_bytes()
        _check_direction(concept, direction, hashlib.sha256(direction_bytes).hexdigest())
        pictures = {SOURCE: open_picture(source), PREVIEW: open_picture(preview)}
        self._write(concept, direction_bytes, pictures)

    def add_folder(self, path: Path, *, replace: bool = False) -> Concept:
        """Take in a concept's folder from another bank, whatever that folder is called, and return the concept.

        Raises:
            ConceptExists, ForeignFiles: As in `check_free`.
            DamagedConcept: The folder is no whole concept, or its direction is not the one that was added.
            UnreadablePicture: One of its pictures is unusable.
        """
        concept = read_concept(path, None)
        files = {"source": path / SOURCE, "direction": path / DIRECTION, "preview": path / PREVIEW}
        self.add(concept, **files, replace=replace)
        return concept

    def check_free(self, concept_id: str, *, replace: bool = False) -> None:
        """Look whether `add` could put a concept into its place.

        Raises:
            ConceptExists: The bank has this id and `replace` is false.
            ForeignFiles: What stands there holds more than a concept.
        """
        place = self._place(concept_id)
        is_taken = is_concept(place) if place.is_dir() else place.exists() or place.is_symlink()
        if is_taken and not replace:
            raise ConceptExists(
                f"The bank already has a concept {concept_id!r}, and ids are unique. "
                "Choose another id, or replace it on purpose."
            )
        check_only_concept(place)

    def remove(self, concept_id: str) -> None:
        """Forget a concept and delete its files, damaged or not.

        Raises:
            InvalidConcept: The id is no slug.
            UnknownConcept: The bank has no such concept.
            ForeignFiles: Its folder holds more than a concept.
        """
        self.check_removal(concept_id)
        self._finish_interrupted(concept_id)
        place = self.folder / concept_id
        if place.is_symlink():
            place.unlink()
            return
        doomed = self.folder / f".removed-{concept_id}-{secrets.token_hex(4)}"
        place.rename(doomed)
        os.utime(doomed)
        shutil.rmtree(doomed)
        self._clear_abandoned()

    def check_removal(self, concept_id: str) -> None:
        """Look whether a concept can be removed; errors as in `remove`."""
        check_only_concept(self._known_place(concept_id))

    def direction_path(self, concept_id: str) -> Path:
        """The concept's `direction.safetensors`; errors as in `get`, but the bytes are not hashed."""
        return self._file(concept_id, DIRECTION)

    def source_path(self, concept_id: str) -> Path:
        """The picture the concept was learnt from, a PNG; errors as in `direction_path`."""
        return self._file(concept_id, SOURCE)

    def preview_path(self, concept_id: str) -> Path:
        """A picture drawn with the concept, a PNG; errors as in `direction_path`."""
        return self._file(concept_id, PREVIEW)

    def _names(self) -> set[str]:
        if not self.folder.exists():
            return set()
        if not self.folder.is_dir():
            raise DamagedConcept(
                f"The bank {str(self.folder)!r} is a file, but a bank is a folder of concepts. Name another place for "
                "it, or move the file away."
            )
        names = {entry.name.removeprefix(".old-") for entry in self.folder.iterdir() if is_concept(entry)}
        return {name for name in names if not name.startswith(".")}

    def _survey(self) -> tuple[tuple[Concept, ...], Mapping[str, DamagedConcept]]:
        whole: list[Concept] = []
        damaged: dict[str, DamagedConcept] = {}
        for concept_id in self.ids():
            try:
                whole.append(self._undisturbed(concept_id, partial(self._read, concept_id)))
            except UnknownConcept:  # removed since
                continue
            except DamagedConcept as error:
                damaged[concept_id] = error
        return tuple(whole), damaged

    def _read(self, concept_id: str) -> Concept:
        return read_concept(self._present(concept_id), concept_id)

    def _file(self, concept_id: str, name: str) -> Path:
        def find() -> Path:
            place = self._known_place(concept_id)
            check_files(place)
            return place / name

        return self._undisturbed(check_concept_id(concept_id), find)

    def _undisturbed(self, concept_id: str, read: Callable[[], _Read]) -> _Read:
        """What is read of a concept's folder, read again where it failed while the folder was replaced."""
        for _ in range(READS - 1):
            before = self._version(concept_id)
            try:
                return read()
            except (ConceptError, FileNotFoundError):
                if self._version(concept_id) == before:
                    raise
        return read()

    def _version(self, concept_id: str) -> tuple[tuple[int, int] | None, ...]:
        """Which folders stand in the concept's place and beside it; others whenever it was replaced."""
        return tuple(_identity(path) for path in (self.folder / concept_id, self._old(concept_id)))

    def _place(self, concept_id: str) -> Path:
        """Where the concept is: its folder, or the one set aside when a crash cut its replacement short."""
        place, old = self.folder / concept_id, self._old(concept_id)
        return old if old.is_dir() and not place.is_dir() else place

    def _old(self, concept_id: str) -> Path:
        return self.folder / f".old-{concept_id}"

    def _known_place(self, concept_id: str) -> Path:
        return self._present(check_concept_id(concept_id))

    def _present(self, concept_id: str) -> Path:
        place = self._place(concept_id)
        if not is_concept(place):
            raise UnknownConcept(f"The bank has no concept {concept_id!r}: {self._advice(concept_id)}")
        return place

    def _advice(self, concept_id: str) -> str:
        ids = self.ids()
        if not ids:
            return "the bank is empty. Learn or add a concept first."
        similar = difflib.get_close_matches(concept_id, ids)
        return f"did you mean {' or '.join(similar)}?" if similar else f"it has {', '.join(ids)}."

    def _write(self, concept: Concept, direction_bytes: bytes, pictures: Mapping[str, Image.Image]) -> None:
        new = self.folder / f".new-{concept.id}-{secrets.token_hex(4)}"
        new.mkdir(parents=True)
        try:
            write_whole(new / CONCEPT, f"{concept.model_dump_json(indent=2)}\n".encode())
            write_whole(new / DIRECTION, direction_bytes)
            for name, picture in pictures.items():
                content = BytesIO()
                picture.save(content, format="PNG")
                write_whole(new / name, content.getvalue())
            self._swap_in(new, concept.id)
        finally:
            shutil.rmtree(new, ignore_errors=True)
        self._clear_abandoned()

    def _clear_abandoned(self) -> None:
        """Delete what writes and removals left that were killed."""
        for path in [*self.folder.glob(".new-*"), *self.folder.glob(".removed-*")]:
            with suppress(FileNotFoundError):  # another writer was as quick
                if time.time() - path.stat().st_mtime > ABANDONED_S:
                    shutil.rmtree(path, ignore_errors=True)

    def _swap_in(self, new: Path, concept_id: str) -> None:
        """Rename `new` to the concept's place; a folder in that place is set aside until the new one stands there."""
        self._finish_interrupted(concept_id)
        place, old = self.folder / concept_id, self._old(concept_id)
        if place.is_symlink():
            place.unlink()
        if place.exists():
            place.rename(old)
        try:
            new.rename(place)
        finally:
            self._finish_interrupted(concept_id)

    def _finish_interrupted(self, concept_id: str) -> None:
        """Leave only one folder for the concept: the one in its place, else the one that was set aside."""
        place, old = self.folder / concept_id, self._old(concept_id)
        if not old.is_dir():
            return
        if place.exists():
            shutil.rmtree(old)
        else:
            old.rename(place)


def seed_bank(bank_dir: Path, sample_dir: Path) -> bool:
    """Give a person who has no bank yet a copy of the sample bank; whether that was done.

    A `bank_dir` that exists, even an empty one, is left alone. The copy appears whole or not at all.

    Raises:
        DamagedConcept: There is no sample bank.
    """
    if bank_dir.exists():
        return False
    if not sample_dir.is_dir():
        raise DamagedConcept(f"The sample bank {str(sample_dir)!r} is missing: restore the folder from the repository.")
    bank_dir.parent.mkdir(parents=True, exist_ok=True)
    new = bank_dir.parent / f".{bank_dir.name}-{secrets.token_hex(4)}"
    try:
        shutil.copytree(sample_dir, new, symlinks=True)
        try:
            new.rename(bank_dir)
        except OSError:
            if bank_dir.is_dir():  # another process was as quick
                return False
            raise
    finally:
        shutil.rmtree(new, ignore_errors=True)
    return True


def hash_direction(path: Path) -> str:
    """SHA-256 of a direction file's bytes in lower-case hex, as `Concept.direction_sha256` wants it."""
    return hashlib.sha256(path.read_bytes()).hexdigest()


def _identity(path: Path) -> tuple[int, int] | None:
    try:
        found = os.stat(path)
    except (FileNotFoundError, NotADirectoryError):
        return None
    return found.st_ino, found.st_ctime_ns


def _check_direction(concept: Concept, path: Path, sha256: str) -> None:
    """The direction must have the hash that the concept names."""
    if sha256 != concept.direction_sha256:
        raise DamagedConcept(
            f"{str(path)!r} is not the direction that concept {concept.id!r} was saved with: its SHA-256 differs from "
            "direction_sha256. Restore the file, or remove the concept and learn it again."
        )


def _remembered_hash(path: Path) -> str:
    """SHA-256 of a direction, computed once for a file that has since been left alone: every page needs it.

    A file that was changed a moment ago may change again within the same tick of its clock, so it is read each time.
    """
    state = path.stat()
    if time.time_ns() - state.st_mtime_ns < SETTLED_NS:
        return hash_direction(path)
    return _hash_of_state(path, state.st_ino, state.st_size, state.st_mtime_ns, state.st_ctime_ns)


@lru_cache(maxsize=HASHES_KEPT)
def _hash_of_state(path: Path, *state: int) -> str:
    del state
    return hash_direction(path)
