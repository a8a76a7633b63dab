"""How files that were made leave the service: with their type, their hash as ETag, and never run as a page of ours."""

from fastapi import Response

from api.service.payloads import Artifact
from api.service.store import ContentStore

# What a book's page needs and no more; sandboxed, so that it is no page of this origin.
_PAGE_POLICY = (
    "sandbox allow-scripts; default-src 'none'; img-src data:; font-src data:; style-src 'unsafe-inline'; "
    "script-src 'unsafe-inline'"
)


def answer_artifact(store: ContentStore, artifact: Artifact, *, is_fixed: bool = True) -> Response:
    """The bytes of an artifact, proven to be what was made.

    Args:
        store: Where it is.
        artifact: What it is.
        is_fixed: Whether its address will never have anything else.

    Raises:
        NotFound, DamagedArtifact: The store has lost or changed them.
    """
    is_shown = artifact.media_type.startswith(("image/", "text/html"))
    headers = {
        "ETag": f'"{artifact.sha256}"',
        "Cache-Control": "private, max-age=31536000, immutable" if is_fixed else "private, no-cache",
        "Content-Disposition": f'{"inline" if is_shown else "attachment"}; filename="{artifact.filename}"',
        "X-Content-Type-Options": "nosniff",
        "Content-Security-Policy": _PAGE_POLICY,
    }
    return Response(store.get(artifact.sha256), media_type=artifact.media_type, headers=headers)
