"""The studio's styles and scripts as files, so that a page's policy need not allow anything within the page."""

from typing import Annotated

from fastapi import APIRouter, Path, Response

from api.service.errors import NotFound
from api.service.services import ServicesDep
from api.service.studio.rendering import templates_in

router = APIRouter(include_in_schema=False)

_ASSETS = {
    "studio.css": "text/css",
    "studio.js": "text/javascript",
    "icon.svg": "image/svg+xml",
    "vendor/htmx.min.js": "text/javascript",
    "vendor/sse.min.js": "text/javascript",
}


@router.get("/studio/{name:path}", response_class=Response)
async def asset(name: Annotated[str, Path(max_length=100)], services: ServicesDep) -> Response:
    """One of the studio's files."""
    media_type = _ASSETS.get(name)
    if media_type is None:
        raise NotFound(f"The studio has no file {name!r}.")
    content = templates_in(services.settings.base.templates_dir).data(f"studio/{name}")
    return Response(content, media_type=media_type, headers={"Cache-Control": "no-cache"})
