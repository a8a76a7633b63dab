"""All routes of the studio as one."""

from fastapi import APIRouter

from api.service.studio import assets, bank, book, live, shelf, sign_in

router = APIRouter()
for _pages in (assets, sign_in, shelf, bank, book, live):
    router.include_router(_pages.router)
