"""ETags that a request names: of what is edited, and of what the caller has already."""

from pathlib import Path

import pytest

from api.service.errors import EditConflict, MissingPrecondition
from api.service.files import answer_artifact
from api.service.payloads import Artifact
from api.service.preconditions import is_known, version_of
from api.service.store import ContentStore


@pytest.mark.parametrize(("if_match", "version"), [('"7"', 7), (' "0" ', 0), ("*", None)])
def test_an_edit_is_of_a_version_or_of_any(if_match: str, version: int | None) -> None:
    assert version_of(if_match) == version


def test_an_edit_that_names_no_version_is_refused() -> None:
    with pytest.raises(MissingPrecondition, match="Send If-Match"):
        version_of(None)
    for if_match in ("7", 'W/"7"', '"seven"', ""):
        with pytest.raises(EditConflict, match="send the ETag"):
            version_of(if_match)


@pytest.mark.parametrize(
    ("if_none_match", "known"),
    [('"a"', True), ('W/"a"', True), ('"b", "a"', True), ("*", True), ('"b"', False), ("a", False), (None, False)],
)
def test_bytes_are_known_by_their_etag(if_none_match: str | None, known: bool) -> None:
    assert is_known('"a"', if_none_match) is known


@pytest.mark.parametrize("is_fixed", [True, False])
def test_who_has_a_file_already_gets_its_headers_alone(tmp_path: Path, is_fixed: bool) -> None:
    store = ContentStore.open(f"file://{tmp_path}")
    artifact = Artifact(sha256=store.put(b"<p>"), bytes=3, media_type="text/html", filename="book.html")
    whole = answer_artifact(store, artifact, if_none_match='"other"', is_fixed=is_fixed)
    assert (whole.status_code, whole.body) == (200, b"<p>")
    again = answer_artifact(store, artifact, if_none_match=whole.headers["etag"], is_fixed=is_fixed)
    assert (again.status_code, again.body) == (304, b"")
    # A browser puts them in the place of those it has kept, the policy that the page is shown under among them.
    kept = ("etag", "cache-control", "content-disposition", "content-security-policy", "x-content-type-options")
    assert [again.headers[name] for name in kept] == [whole.headers[name] for name in kept]
