"""All routes of the studio as one."""

from fastapi import APIRouter

from api.service.studio import assets, bank, book, live, shelf

router = APIRouter()
for _pages in (assets, shelf, bank, book, live):
    router.include_router(_pages.router)
