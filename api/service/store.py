"""Keeps bytes under their own hash, so that putting the same twice is putting it once. Knows not what they mean.

The place is an fsspec URL. In a folder (`file://`) nothing is visible under its hash before it is on disk; elsewhere
the file system's own whole-or-nothing writes are relied on, as object stores have them.
"""

import hashlib
import logging
import os
import re
import secrets
import time
from collections.abc import Container, Iterable
from datetime import UTC
from pathlib import Path
from typing import Self

import fsspec
from fsspec.implementations.local import LocalFileSystem

from api.errors import UsageError
from api.service.errors import DamagedArtifact, NotFound
from concepts.files import write_whole

logger = logging.getLogger(__name__)

_HASH = re.compile(r"[0-9a-f]{64}")
_NEW_DIRNAME = "new"


class ContentStore:
    """Bytes by SHA-256. Safe in several threads and processes at once."""

    def __init__(self, filesystem: fsspec.AbstractFileSystem, root: str) -> None:
        self._filesystem = filesystem
        self._root = root.rstrip("/")

    @classmethod
    def open(cls, url: str) -> Self:
        """The store at a URL; a folder is made where there is none.

        Raises:
            UsageError: It is no URL of fsspec's, or of a kind that needs what is not installed.
        """
        try:
            filesystem, root = fsspec.core.url_to_fs(url)
        except (ValueError, TypeError, ImportError, OSError) as error:  # each kind of file system has its own
            raise UsageError(
                f"The store cannot be used: {error}. Name another with --store, such as file:///srv/store, or install "
                "what it needs."
            ) from error
        if isinstance(filesystem, LocalFileSystem):
            Path(root, _NEW_DIRNAME).mkdir(parents=True, exist_ok=True)
        return cls(filesystem, root)

    def put(self, content: bytes) -> str:
        """Keep bytes and return their hash; they outlive a crash once this returns.

        Raises:
            OSError: The place is full or cannot be written to; nothing is kept then.
        """
        digest = hashlib.sha256(content).hexdigest()
        if isinstance(self._filesystem, LocalFileSystem):
            self._put_in_folder(content, digest)
        else:
            self._filesystem.pipe_file(self._path(digest), content)
        return digest

    def get(self, digest: str) -> bytes:
        """The bytes of a hash, which are proven to have it.

        Raises:
            NotFound: Nothing of that hash was kept.
            DamagedArtifact: What is there has another hash.
        """
        if not _HASH.fullmatch(digest):
            raise NotFound(f"{digest!r} is no SHA-256 hash. Use one that the service gave.")
        try:
            content = bytes(self._filesystem.cat_file(self._path(digest)))  # type: ignore[arg-type]
        except FileNotFoundError as error:
            raise NotFound(f"The store has nothing of hash {digest[:12]}. Make it again.") from error
        if hashlib.sha256(content).hexdigest() != digest:
            raise DamagedArtifact(f"What the store holds for {digest[:12]} is damaged. Make it again by a retry.")
        return content

    def is_writable(self) -> bool:
        """Whether something can be put, tried with bytes that are always the same."""
        try:
            self.put(b"")
        except OSError:
            return False
        return True

    def forget_all_but(self, kept: Container[str], *, older_than_s: float) -> int:
        """Delete what was put longer ago than that and is not among the kept hashes; how many that were.

        Putting bytes again counts as new. A place that does not say when something was put there keeps everything.
        """
        oldest = time.time() - older_than_s
        if isinstance(self._filesystem, LocalFileSystem):
            return self._forget_files(kept, oldest=oldest)
        self._filesystem.invalidate_cache()
        names = [name for name in self._filesystem.find(self._root) if self._is_ours(name)]
        unused = [name for name in names if name.rpartition("/")[2] not in kept]
        try:
            return sum(self._forget_object(name, oldest=oldest) for name in unused)
        except NotImplementedError:
            logger.warning("nothing is deleted: the store does not say when files were put there")
            return 0

    def _is_ours(self, name: str) -> bool:
        """Whether a name could be of something that was put, which may lie beside what others keep there."""
        digest = name.rpartition("/")[2]
        return _HASH.fullmatch(digest) is not None and name.endswith(f"/{digest[:2]}/{digest}")

    def _forget_object(self, name: str, *, oldest: float) -> bool:
        """Delete an object, unless it was put again by now."""
        try:
            put = self._filesystem.modified(name)
            if put.replace(tzinfo=put.tzinfo or UTC).timestamp() >= oldest:
                return False
            self._filesystem.rm_file(name)
        except FileNotFoundError:
            return False
        return True

    def _forget_files(self, kept: Container[str], *, oldest: float) -> int:
        root = Path(self._root)
        for path in (root / _NEW_DIRNAME).iterdir():
            if path.stat().st_mtime < oldest:
                path.unlink(missing_ok=True)
        unused = [path for path in root.glob("??/*") if path.name not in kept and path.stat().st_mtime < oldest]
        return sum(self._forget(path, oldest=oldest) for path in unused)

    def _forget(self, path: Path, *, oldest: float) -> bool:
        """Delete a file, unless it was put again meanwhile."""
        aside = Path(self._root, _NEW_DIRNAME, f"{path.name}-{secrets.token_hex(8)}")
        path.rename(aside)
        if aside.stat().st_mtime >= oldest:
            aside.replace(path)
            return False
        aside.unlink()
        return True

    def _path(self, digest: str) -> str:
        return f"{self._root}/{digest[:2]}/{digest}"

    def _put_in_folder(self, content: bytes, digest: str) -> None:
        path = Path(self._path(digest))
        path.parent.mkdir(exist_ok=True)
        write_whole(path, content, work_dir=Path(self._root, _NEW_DIRNAME))
        for folder in (path.parent, path.parent.parent):
            _sync_folder(folder)


def _sync_folder(folder: Path) -> None:
    """Make the names in a folder outlive a crash of the machine."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def find_damaged(store: ContentStore, digests: Iterable[str]) -> frozenset[str]:
    """Those hashes of which the store has nothing or something else."""
    damaged: set[str] = set()
    for digest in digests:
        try:
            store.get(digest)
        except (NotFound, DamagedArtifact):
            damaged.add(digest)
    return frozenset(damaged)
