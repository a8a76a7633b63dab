"""What a request says of versions by ETags: which one an edit is of, and which bytes the caller has already."""

import re
from typing import Annotated, Any, Final

from fastapi import Header

from api.service.errors import EditConflict, MissingPrecondition

_ETAG: Final = re.compile(r'"(\d{1,9})"')
IfMatch = Annotated[str | None, Header(description="The ETag of what was edited, or * for any version of it.")]
IfNoneMatch = Annotated[str | None, Header(description="ETags of what you have already.")]


_ETAG_HEADER: Final = {"description": "Names what the answer shows.", "schema": {"type": "string"}}
TAGGED: Final[dict[int | str, dict[str, Any]]] = {200: {"headers": {"ETag": _ETAG_HEADER}}}
"""What the OpenAPI document says of the answers of an address that edits are of."""


def bytes_of(media_type: str) -> dict[int | str, dict[str, Any]]:
    """What the OpenAPI document says of the answers of an address that has bytes."""
    return {
        200: {"content": {media_type: {}}, **TAGGED[200]},
        304: {"description": "You have them already, says If-None-Match.", **TAGGED[200]},
    }


def version_of(if_match: str | None) -> int | None:
    """The version that an edit is of; None for whatever version there is.

    Raises:
        MissingPrecondition: The edit says nothing of a version.
        EditConflict: That is no ETag of a version.
    """
    if if_match is None:
        raise MissingPrecondition("Send If-Match with the ETag of what you edited.")
    if if_match.strip() == "*":
        return None
    match = _ETAG.fullmatch(if_match.strip())
    if match is None:
        raise EditConflict(
            f"{if_match!r} is no ETag of a version. Read what you edit, and send the ETag it comes with."
        )
    return int(match[1])


def is_known(etag: str, if_none_match: str | None) -> bool:
    """Whether the caller says that it has the bytes of an ETag already."""
    known = [each.strip().removeprefix("W/") for each in (if_none_match or "").split(",")]
    return etag in known or known == ["*"]
