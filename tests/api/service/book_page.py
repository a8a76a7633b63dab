"""A book's page in a real browser, with nobody to draw or bind."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from playwright.sync_api import Browser, Page

from api.service.app import create_app
from api.service.settings import LOCAL_OWNER, ServiceSettings
from api.settings import Settings
from story.schema import Story
from tests.api.service.desk import EXAMPLE, a_desk
from tests.api.service.idle import idle_services
from tests.api.service.serving import serving


@contextmanager
def page_of_drawn_book(chromium: Browser, folder: Path) -> Iterator[Page]:
    """The page of a book that is drawn and was never bound; the service keeps its data in the folder."""
    desk = a_desk(folder, Story.model_validate_json((EXAMPLE / "story.json").read_bytes()), owner=LOCAL_OWNER)
    services = idle_services(desk.settings, desk.database)
    (job,) = services.jobs.list(LOCAL_OWNER, limit=1)
    services.jobs.succeed(job.id, {}, also=lambda _: None)
    desk.database.close()
    base = Settings(bank_dir=folder / "banks" / LOCAL_OWNER)
    app = create_app(ServiceSettings(data_dir=folder, drawing_workers=0, text_workers=0, base=base))
    with serving(app) as port, chromium.new_context(base_url=f"http://127.0.0.1:{port}") as context:
        context.set_default_timeout(30_000)
        page = context.new_page()
        page.goto(f"/books/{desk.book_id}")
        yield page
