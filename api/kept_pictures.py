"""Pictures of a book that is not finished: kept beside its folder until it is, so that none has to be drawn twice.

A picture is found again by all that decides how it looks. Knows nothing of drawing.
"""

import json
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from hashlib import sha256
from pathlib import Path

from PIL import Image
from pydantic import BaseModel, ConfigDict, ValidationError

from api.book_folder import pictures_place
from api.book_lock import BookLock, LockedModel, LockedPicture, current_versions
from concepts.errors import UnreadablePicture
from concepts.files import write_whole
from concepts.pictures import open_picture
from generator.images import PictureMetadata, save_picture
from generator.plan import Numbers


class _Record(BaseModel):
    """What is to be known of a kept picture that its own file does not say."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    numbers: Numbers | None


@dataclass(frozen=True, kw_only=True)
class KeptPicture:
    """A picture that was drawn before."""

    image: Image.Image
    numbers: Numbers | None
    """In which it was drawn; None is not known."""


class KeptPictures:
    """A folder of pictures that one model draws."""

    def __init__(self, folder: Path, model: LockedModel) -> None:
        """Keep them in a folder, which is made when the first of them is there; `model` is as it is loaded now."""
        self.folder = folder
        self.model = model
        self.taken_over: set[str] = set()
        """Names of those that were there before."""
        self.drawn: set[str] = set()
        """Names of those that were added."""

    def find(self, picture: LockedPicture, lock: BookLock) -> KeptPicture | None:
        """The picture, if it was kept."""
        path = self._path(picture, lock)
        try:
            record = _Record.model_validate_json(path.with_suffix(".json").read_bytes())
            image = open_picture(path)
        except (FileNotFoundError, ValidationError, UnreadablePicture):
            return None
        self.taken_over |= {path.name} - self.drawn
        return KeptPicture(image=image, numbers=record.numbers)

    def add(self, image: Image.Image, picture: LockedPicture, lock: BookLock, *, numbers: Numbers | None) -> None:
        """Keep a picture as soon as it is drawn."""
        path = self._path(picture, lock)
        path.parent.mkdir(parents=True, exist_ok=True)
        write_whole(path.with_suffix(".json"), _Record(numbers=numbers).model_dump_json().encode())
        save_locked(image, picture, lock, path)
        self.drawn.add(path.name)

    @property
    def notes(self) -> tuple[str, ...]:
        """What there is to say of those that were there before: one line, or none."""
        if not self.taken_over:
            return ()
        return (f"{_counted(len(self.taken_over))} drawn before, by a run that was stopped, and not drawn again.",)

    def _path(self, picture: LockedPicture, lock: BookLock) -> Path:
        decisive = {
            "picture": picture.model_dump(mode="json"),
            "strengths": picture.strengths_of(lock.strengths),
            "settings": asdict(lock.settings),
            "fingerprint": self.model.fingerprint,
            "began_in": None if self.model.numbers is None else asdict(self.model.numbers),
            "versions": current_versions(),
        }
        return self.folder / f"{sha256(json.dumps(decisive, sort_keys=True).encode()).hexdigest()}.png"


@contextmanager
def kept_pictures(out_dir: Path, model: LockedModel) -> Iterator[KeptPictures]:
    """The kept pictures of the book in a folder: deleted when the body ends well, and else a note of its error."""
    kept = KeptPictures(pictures_place(out_dir), model)
    try:
        yield kept
    except BaseException as error:
        if count := len(kept.taken_over | kept.drawn):
            error.add_note(f"{_counted(count)} drawn already and kept: the same command goes on from there.")
        raise
    shutil.rmtree(kept.folder, ignore_errors=True)


def save_locked(image: Image.Image, picture: LockedPicture, lock: BookLock, path: Path) -> None:
    """A picture of a lock as a file that says how it was drawn; its folder is made."""
    metadata = PictureMetadata(
        prompt=picture.prompt,
        seed=picture.seed,
        concepts=picture.concepts,
        strengths=picture.strengths_of(lock.strengths),
        settings=lock.settings,
        model=lock.model.name,
        fingerprint=lock.model.fingerprint,
    )
    path.parent.mkdir(exist_ok=True)
    save_picture(image, path, metadata=metadata)


def _counted(number: int) -> str:
    return "1 picture was" if number == 1 else f"{number} pictures were"
