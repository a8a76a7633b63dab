"""How files that were made leave the service: with their type, their hash as ETag, and never run as a page of ours."""

from fastapi import Response

from api.service.payloads import Artifact
from api.service.preconditions import is_known
from api.service.store import ContentStore

# What a book's page needs and no more; sandboxed, so that it is no page of this origin.
_PAGE_POLICY = (
    "sandbox allow-scripts; default-src 'none'; img-src data:; font-src data:; style-src 'unsafe-inline'; "
    "script-src 'unsafe-inline'"
)


def answer_artifact(
    store: ContentStore, artifact: Artifact, *, if_none_match: str | None, is_fixed: bool = True
) -> Response:
    """The bytes of an artifact, proven to be what was made; none for who has them already.

    Args:
        store: Where it is.
        artifact: What it is.
        if_none_match: The ETags that the caller has, as its header names them.
        is_fixed: Whether its address will never have anything else.

    Raises:
        NotFound, DamagedArtifact: The store has lost or changed them.
    """
    is_shown = artifact.media_type.startswith(("image/", "text/html"))
    etag = f'"{artifact.sha256}"'
    headers = {
        "ETag": etag,
        "Cache-Control": "private, max-age=31536000, immutable" if is_fixed else "private, no-cache",
        "Content-Disposition": f'{"inline" if is_shown else "attachment"}; filename="{artifact.filename}"',
        "X-Content-Type-Options": "nosniff",
        "Content-Security-Policy": _PAGE_POLICY,
    }
    if is_known(etag, if_none_match):
        return Response(status_code=304, headers=headers)
    return Response(store.get(artifact.sha256), media_type=artifact.media_type, headers=headers)
