"""Clicks on a book's page in a real browser, made before or just after an earlier one was answered: none is lost."""

from collections.abc import Callable, Iterator
from pathlib import Path

import httpx
import pytest
from playwright.sync_api import Browser, Locator, Page, Request, Route, expect

from story.schema import Story
from tests.api.service.book_page import page_of_drawn_book
from tests.api.service.desk import EXAMPLE

pytest_plugins = ["tests.browser"]

Twice = Callable[[Locator], None]
"""Clicks a button twice."""


@pytest.fixture
def page(chromium: Browser, tmp_path: Path) -> Iterator[Page]:
    """Of a book that is drawn, whose title was changed twice."""
    with page_of_drawn_book(chromium, tmp_path) as page:
        for title in ("First", "Second"):
            assert httpx.post(f"{page.url}/title", data={"title": title}).status_code == 303
        page.reload()
        yield page


@pytest.fixture
def posts(page: Page) -> list[str]:
    """The last part of the address of everything that the page sends."""
    sent: list[str] = []

    def note(request: Request) -> None:
        if request.method == "POST":
            sent.append(request.url.rpartition("/")[2])

    page.on("request", note)
    return sent


class Gate:
    """Holds what a page sends until it is opened."""

    def __init__(self, page: Page) -> None:
        self._held: list[Route] = []
        self._is_open = False
        self._page = page
        page.route("**/books/**", self._hold)

    def open(self) -> None:
        """Let through what is held, and what comes."""
        while not self._held:
            self._page.wait_for_timeout(10)
        self._is_open = True
        for route in self._held:
            route.continue_()

    def _hold(self, route: Route) -> None:
        if self._is_open or route.request.method != "POST":
            route.continue_()
        else:
            self._held.append(route)


@pytest.fixture(params=["before the answer", "after the answer"])
def twice(request: pytest.FixtureRequest, page: Page) -> Twice:
    """A double click whose second click is made before or after the first one is answered."""

    def before(button: Locator) -> None:
        gate = Gate(page)
        button.dblclick()
        gate.open()

    def after(button: Locator) -> None:
        with page.expect_response(lambda answer: answer.request.method == "POST") as first:
            button.click()
        first.value.finished()
        page.evaluate("() => new Promise(done => requestAnimationFrame(() => requestAnimationFrame(done)))")
        page.mouse.down(click_count=2)
        page.mouse.up(click_count=2)

    return {"before the answer": before, "after the answer": after}[request.param]


def settled(page: Page) -> None:
    """Waits until whatever the page has sent by now is answered."""
    assert page.evaluate("() => fetch('/livez').then(answer => answer.status)") == 200


def job_kinds(page: Page) -> list[tuple[str, str]]:
    jobs = page.request.get("/v1/jobs").json()["data"]
    return sorted((job["kind"], job["status"]) for job in jobs)


def test_undo_after_words_that_are_on_their_way_takes_them_back(page: Page, posts: list[str]) -> None:
    before = page.locator("#text-p1").input_value()
    gate = Gate(page)
    page.locator("#text-p1").fill("Rusty lay awake.")
    page.locator("#undo").click()
    gate.open()
    expect(page.locator("#redo")).to_be_enabled()
    expect(page.locator("#text-p1")).to_have_value(before)
    expect(page.locator("#title")).to_have_value("Second")
    assert posts == ["p1", "undo"]


def test_undo_that_is_held_down_while_the_words_are_answered_takes_them_back(page: Page, posts: list[str]) -> None:
    before = page.locator("#text-p1").input_value()
    page.locator("#text-p1").fill("Rusty lay awake.")
    page.locator("#undo").hover()
    with page.expect_response(lambda answer: answer.request.method == "POST") as answered:
        page.mouse.down()
    answered.value.finished()
    page.evaluate("() => new Promise(done => requestAnimationFrame(() => requestAnimationFrame(done)))")
    page.mouse.up()
    expect(page.locator("#redo")).to_be_enabled()
    expect(page.locator("#text-p1")).to_have_value(before)
    expect(page.locator("#title")).to_have_value("Second")
    assert posts == ["p1", "undo"]


def test_undo_twice_is_two_undos(page: Page, twice: Twice) -> None:
    title = Story.model_validate_json((EXAMPLE / "story.json").read_bytes()).title
    twice(page.locator("#undo"))
    expect(page.locator("#title")).to_have_value(title)
    expect(page.locator("#undo")).to_be_disabled()


def test_later_twice_is_two_places_later(page: Page, twice: Twice) -> None:
    twice(page.locator("#down-p1"))
    expect(page.locator(".page").nth(3)).to_have_id("page-p1")


def test_drawing_twice_is_one_job(page: Page, twice: Twice, posts: list[str]) -> None:
    page.locator("#edit-p2 > summary").click()
    twice(page.locator("#draw-p2"))
    expect(page.get_by_role("button", name="Call off")).to_be_visible()
    settled(page)
    assert job_kinds(page) == [("book", "succeeded"), ("pages", "queued")] and posts == ["draw"]


def test_binding_twice_is_one_job(page: Page, twice: Twice, posts: list[str]) -> None:
    twice(page.locator("#bind"))
    expect(page.get_by_role("button", name="Call off")).to_be_visible()
    settled(page)
    assert job_kinds(page) == [("book", "succeeded"), ("pages", "queued")] and posts == ["bind"]


def test_going_on_twice_is_once_and_calls_nothing_off(page: Page, twice: Twice) -> None:
    page.locator("#bind").click()
    page.get_by_role("button", name="Call off").click()
    twice(page.get_by_role("button", name="Go on"))
    expect(page.get_by_role("button", name="Call off")).to_be_visible()
    settled(page)
    assert job_kinds(page) == [("book", "succeeded"), ("pages", "queued")]
    expect(page.locator("#notice")).to_be_empty()


def test_locking_twice_locks(page: Page, twice: Twice) -> None:
    twice(page.locator("#lock-p1"))
    expect(page.locator("#page-p1 .tag")).to_have_text("Locked")
    settled(page)
    page.reload()
    expect(page.locator("#page-p1 .tag")).to_have_text("Locked")
