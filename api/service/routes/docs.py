"""The API's documentation as a page that needs no other server: Swagger UI from a package."""

from importlib.resources import files

from fastapi import APIRouter, Response
from fastapi.responses import HTMLResponse

router = APIRouter(include_in_schema=False)

_ASSETS = {"swagger-ui-bundle.js": "text/javascript", "swagger-ui.css": "text/css"}
# The script that starts it is a file of its own, so that a page's policy need not allow scripts within the page.
_START = """SwaggerUIBundle({ url: "/openapi.json", dom_id: "#swagger-ui", deepLinking: true, validatorUrl: null });
"""
_PAGE = """<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">
<title>Fableverse API</title>
<link rel="stylesheet" href="/docs/swagger-ui.css">
</head>
<body>
<div id="swagger-ui"></div>
<script src="/docs/swagger-ui-bundle.js"></script>
<script src="/docs/start.js"></script>
</body>
</html>
"""


@router.get("/docs", response_class=HTMLResponse)
async def page() -> str:
    """The page."""
    return _PAGE


@router.get("/docs/start.js")
async def start() -> Response:
    """What fills the page."""
    return Response(_START, media_type="text/javascript")


def _add_asset(name: str, media_type: str) -> None:
    content = (files("fastapi_swagger") / "resources" / name).read_bytes()

    @router.get(f"/docs/{name}", name=name)
    async def asset() -> Response:
        return Response(content, media_type=media_type, headers={"Cache-Control": "public, max-age=86400"})


for _name, _media_type in _ASSETS.items():
    _add_asset(_name, _media_type)
