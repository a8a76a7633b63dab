"""The store keeps what it is given, proves what it gives back, and leaves nothing half written."""

import hashlib
from datetime import UTC, datetime, timezone
from pathlib import Path
from uuid import uuid4

import pytest
from fsspec.implementations.memory import MemoryFileSystem

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


class Bucket(MemoryFileSystem):
    """As object stores are, seen from fsspec; each has a place of its own among those of the process."""

    cachable = False

    def __init__(self) -> None:
        super().__init__()
        self.place = f"/bucket-{uuid4().hex}"

    def age(self, digest: str, when: datetime) -> None:
        """Have it been put at that time."""
        self.store[f"{self.place}/{digest[:2]}/{digest}"].modified = when


class TimelessBucket(Bucket):
    """Does not say when anything was put there."""

    def modified(self, path: str) -> datetime:
        raise NotImplementedError


@pytest.mark.parametrize("zone", [UTC, None], ids=["zoned", "naive"])
def test_what_nothing_names_is_deleted_from_a_bucket_once_it_is_old(zone: timezone | None) -> None:
    bucket = Bucket()
    store = ContentStore(bucket, bucket.place)
    kept, old, new, again = (store.put(content) for content in (b"kept", b"old", b"new", b"again"))
    for digest in (kept, old, again):
        bucket.age(digest, datetime(2020, 1, 1, tzinfo=zone))
    store.put(b"again")
    bucket.pipe_file(f"{bucket.place}/somebody's.txt", b"not ours")
    bucket.pipe_file(f"{bucket.place}/{old}", b"not ours either")
    assert store.forget_all_but({kept}, older_than_s=3600) == 1
    assert find_damaged(store, [kept, old, new, again]) == {old}
    assert {name.rpartition("/")[2] for name in bucket.find(bucket.place)} == {kept, new, again, "somebody's.txt", old}
    assert store.forget_all_but({kept}, older_than_s=-60) == 2


def test_a_bucket_that_does_not_say_how_old_things_are_keeps_them(caplog: pytest.LogCaptureFixture) -> None:
    bucket = TimelessBucket()
    store = ContentStore(bucket, bucket.place)
    digest = store.put(b"a picture")
    assert store.forget_all_but(set(), older_than_s=-60) == 0
    assert store.get(digest) == b"a picture" and "nothing is deleted" in caplog.text
