"""What Prometheus reads."""

from typing import Annotated

from fastapi import APIRouter, Depends, Request, Response

from api.service.authentication import require
from api.service.keys import Principal
from api.service.metrics import CONTENT_TYPE

router = APIRouter(tags=["health"])

_Scraper = Annotated[Principal, Depends(require("metrics"))]


@router.get("/metrics", response_class=Response, responses={200: {"content": {"text/plain": {}}}})
def metrics(request: Request, _: _Scraper) -> Response:
    """All metrics in Prometheus's text form."""
    return Response(request.app.state.metrics.text(), media_type=CONTENT_TYPE)
