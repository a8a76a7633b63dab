"""The store keeps what it is given, proves what it gives back, and leaves nothing half written."""

import hashlib
from pathlib import Path

import pytest

from api.service.errors import DamagedArtifact, NotFound
from api.service.store import ContentStore, find_damaged


@pytest.mark.parametrize("url", ["file://{}", "memory://{}"])
def test_bytes_come_back_under_their_hash(tmp_path: Path, url: str) -> None:
    store = ContentStore.open(url.format(tmp_path / "store"))
    digest = store.put(b"a picture")
    assert digest == hashlib.sha256(b"a picture").hexdigest()
    assert store.put(b"a picture") == digest
    assert store.get(digest) == b"a picture"


@pytest.mark.parametrize("digest", ["0" * 64, "../../etc/passwd", "A" * 64, ""])
def test_what_is_not_there_is_not_found(tmp_path: Path, digest: str) -> None:
    with pytest.raises(NotFound):
        ContentStore.open(f"file://{tmp_path}").get(digest)


def test_damage_is_noticed_and_mended_by_putting_again(tmp_path: Path) -> None:
    store = ContentStore.open(f"file://{tmp_path}")
    digest = store.put(b"a picture")
    (tmp_path / digest[:2] / digest).write_bytes(b"a pictur")
    with pytest.raises(DamagedArtifact, match=digest[:12]):
        store.get(digest)
    assert find_damaged(store, [digest, "0" * 64]) == {digest, "0" * 64}
    store.put(b"a picture")
    assert find_damaged(store, [digest]) == frozenset()


def test_a_store_that_cannot_be_written_to_says_so(tmp_path: Path) -> None:
    store = ContentStore.open(f"file://{tmp_path / 'store'}")
    assert store.is_writable()
    (tmp_path / "store" / "new").rmdir()
    assert not store.is_writable()
    with pytest.raises(OSError, match="new"):
        store.put(b"a picture")
    assert not [path for path in (tmp_path / "store").rglob("*") if path.is_file() and path.stat().st_size]
