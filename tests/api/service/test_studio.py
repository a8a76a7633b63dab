"""The studio's pages in a real browser against a real server, by keyboard, by day and by night."""

from collections.abc import Iterator

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, Page, expect

from api.settings import SAMPLE_BANK_DIR
from concepts.bank import seed_bank
from tests.api.service.running import RunningServer, running_server

pytest_plugins = ["tests.browser"]


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningServer]:
    folder = tmp_path_factory.mktemp("studio")
    seed_bank(folder / "bank", SAMPLE_BANK_DIR)
    with running_server(folder / "data", bank_dir=folder / "bank", path="/livez") as running:
        yield running
    assert "Traceback" not in running.log()


@pytest.fixture
def faults() -> list[str]:
    """What the page complains about; a test fails that leaves something here."""
    return []


@pytest.fixture
def page(chromium: Browser, server: RunningServer, faults: list[str]) -> Iterator[Page]:
    context = chromium.new_context(base_url=server.url, viewport={"width": 1180, "height": 900})
    context.set_default_timeout(60_000)
    page = context.new_page()
    page.on("pageerror", lambda error: faults.append(str(error)))
    page.on("console", lambda message: faults.append(message.text) if message.type == "error" else None)
    yield page
    context.close()
    assert not faults


def check_axe(page: Page) -> None:
    """No violations, by day and by night."""
    for scheme in ("light", "dark"):
        page.emulate_media(color_scheme=scheme, reduced_motion="reduce")
        found = Axe().run(page)
        assert found.violations_count == 0, found.generate_report()


def test_words_become_concepts_by_keyboard_alone(page: Page) -> None:
    page.goto("/bank")
    page.keyboard.press("Tab")
    expect(page.locator(".skip")).to_be_focused()
    page.locator("#learn > summary").press("Enter")
    page.locator("#caption").fill("a fox wearing a scarf")
    page.locator("[value='4-scarf']").press("Space")
    expect(page.locator("#kind-4-scarf")).to_have_value("clothing")
    expect(page.locator("#id-4-scarf")).to_have_value("scarf")
    check_axe(page)


@pytest.mark.parametrize("place", ["/", "/books/new", "/bank/rusty", "/books/book_none"])
def test_axe_finds_nothing(page: Page, place: str, faults: list[str]) -> None:
    page.goto(place)
    check_axe(page)
    faults[:] = [fault for fault in faults if "404" not in fault]
