"""One stream follows all jobs that a page of the studio shows, in a real browser, with nobody to do them."""

import os
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from axe_playwright_python.sync_playwright import Axe
from fastapi import FastAPI
from playwright.sync_api import Browser, FilePayload, Page, Request, expect

from api.book_lock import BookLock
from api.service.app import create_app
from api.service.payloads import Written
from api.service.settings import ServiceSettings
from api.service.standstill import Standstill
from api.service.tasks import TaskQueue
from api.settings import SAMPLE_BANK_DIR, Settings
from story.schema import Story
from tests.api.service.desk import EXAMPLE
from tests.api.service.serving import serving

pytest_plugins = ["tests.browser"]

TRIED = 8
"""More than a browser opens connections to one server."""
SET_HIDDEN = """is => {
    Object.defineProperty(document, "hidden", { value: is, configurable: true });
    document.dispatchEvent(new Event("visibilitychange"));
}"""
NEXT_CHANGE = "place => new Promise(done => new MutationObserver(done).observe(place, { childList: true }))"
ASK_SERVER = "() => fetch('/livez', { signal: AbortSignal.timeout(10000) }).then(answer => answer.status)"


@pytest.fixture
def app(tmp_path: Path) -> FastAPI:
    base = Settings(bank_dir=tmp_path / "bank")
    return create_app(ServiceSettings(data_dir=tmp_path / "data", drawing_workers=0, text_workers=0, base=base))


@pytest.fixture
def url(app: FastAPI) -> Iterator[str]:
    with serving(app) as port:
        yield f"http://127.0.0.1:{port}"


@pytest.fixture
def page(chromium: Browser, url: str) -> Iterator[Page]:
    with chromium.new_context(base_url=url) as context:
        context.set_default_timeout(30_000)
        page = context.new_page()
        faults: list[str] = []
        page.on("pageerror", lambda error: faults.append(str(error)))
        page.on("console", lambda message: faults.append(message.text) if message.type == "error" else None)
        yield page
        assert not faults


@pytest.fixture
def open_streams(page: Page) -> list[Request]:
    """The streams that the page has open at present."""
    streams: list[Request] = []

    def note(request: Request) -> None:
        if request.resource_type == "eventsource":
            streams.append(request)

    def forget(request: Request) -> None:
        if request in streams:
            streams.remove(request)

    page.on("request", note)
    page.on("requestfailed", forget)
    page.on("requestfinished", forget)
    return streams


def followed(stream: Request) -> int:
    return stream.url.count("job=job_")


def test_many_jobs_leave_connections_free_and_a_hidden_page_has_none(page: Page, open_streams: list[Request]) -> None:
    page.goto("/bank/rusty")
    for number in range(TRIED):
        page.locator("#seed").fill(str(number))
        page.get_by_role("button", name="Draw").click()
        expect(page.locator("#tried figure")).to_have_count(number + 1)
    assert page.evaluate(ASK_SERVER) == 200
    expect(page.locator("#tried progress[aria-label=Waiting]")).to_have_count(TRIED)
    assert [followed(stream) for stream in open_streams] == [TRIED]

    called_off = page.locator("#tried [id^=scene-]").nth(2)
    job = str(called_off.get_attribute("id")).removeprefix("scene-")
    assert page.request.post(f"/v1/jobs/{job}/cancel").ok
    expect(called_off).to_have_text("It was called off.")
    page.wait_for_function("document.querySelector('[sse-connect]').getAttribute('sse-connect').split('&').length == 7")
    page.evaluate(ASK_SERVER)
    assert [followed(stream) for stream in open_streams] == [TRIED - 1]

    page.evaluate(SET_HIDDEN, True)
    page.evaluate(ASK_SERVER)
    assert open_streams == []
    other = page.locator("#tried [id^=scene-]").nth(0)
    job = str(other.get_attribute("id")).removeprefix("scene-")
    assert page.request.post(f"/v1/jobs/{job}/cancel").ok
    page.evaluate(SET_HIDDEN, False)
    expect(other).to_have_text("It was called off.")
    page.evaluate(ASK_SERVER)
    assert [followed(stream) for stream in open_streams] == [TRIED - 2]


def test_pictures_that_were_tried_out_are_listed_and_deleted(page: Page) -> None:
    for prompt in ("a @rusty by night", "a fox in the forest"):
        assert page.request.post("/v1/scenes", data={"prompt": prompt, "seed": 7}).ok
    page.goto("/bank/rusty")
    page.locator("#prompt").fill("a @rusty in the snow")
    page.get_by_role("button", name="Draw").click()
    names = ["a @rusty in the snow”, strength 1, seed 0", "a @rusty by night”, strength 1, seed 7"]
    buttons = page.locator("#tried").get_by_role("button")
    expect(buttons).to_have_text([f"Delete the picture of “{name}" for name in names])
    page.reload()
    expect(buttons).to_have_text([f"Delete the picture of “{name}" for name in names])
    for scheme in ("light", "dark"):
        page.emulate_media(color_scheme=scheme, reduced_motion="reduce")
        found = Axe().run(page)
        assert found.violations_count == 0, found.generate_report()
    buttons.first.click()
    expect(buttons).to_have_text([f"Delete the picture of “{names[1]}"])
    page.reload()
    expect(buttons).to_have_text([f"Delete the picture of “{names[1]}"])
    left = page.request.get("/v1/scenes").json()["data"]
    assert [scene["prompt"] for scene in left] == ["a fox in the forest", "a @rusty by night"]
    assert [job["status"] for job in page.request.get("/v1/jobs").json()["data"]] == ["queued", "queued"]


def test_a_page_that_shows_no_job_has_no_stream(page: Page, open_streams: list[Request]) -> None:
    page.goto("/bank/rusty")
    assert page.evaluate(ASK_SERVER) == 200
    assert open_streams == []


def test_jobs_that_are_gone_leave_the_others_followed(page: Page) -> None:
    answer = page.request.get("/live?job=job_none")
    assert answer.status == 404 and "Reload the page." in answer.text()
    job = page.request.post("/v1/scenes", data={"prompt": "a @rusty"}).json()["id"]
    assert page.request.post(f"/v1/jobs/{job}/cancel").ok
    told = page.request.get(f"/live?job=job_none&job={job}").text()
    assert "It was called off." in told and "event: end" in told


@contextmanager
def steps_of(app: FastAPI, job: str) -> Iterator[None]:
    """Something new of a job many times a second, as while it is done."""
    is_over = threading.Event()

    def go_on() -> None:
        number = 0
        while not is_over.wait(0.03):
            number += 1
            app.state.services.jobs.enter(job, f"step {number}")

    thread = threading.Thread(target=go_on)
    thread.start()
    try:
        yield
    finally:
        is_over.set()
        thread.join()


@pytest.mark.parametrize("key", ["mouse", "Space"])
def test_a_button_that_is_pressed_while_steps_come_does_what_it_says(app: FastAPI, page: Page, key: str) -> None:
    picture = (SAMPLE_BANK_DIR / "rusty" / "source.png").read_bytes()
    upload: FilePayload = {"name": "fox.png", "mimeType": "image/png", "buffer": picture}
    answer = page.request.post(
        "/v1/concepts",
        multipart={"caption": "a fox in the snow", "concept": "foxy=fox:character", "picture": upload},
    )
    job = answer.json()["id"]
    page.goto("/bank")
    article = page.locator(f"#concept-{job}")
    with steps_of(app, job):
        button = article.get_by_role("button", name="Call off")
        button.focus()
        for _ in range(2):
            article.evaluate(NEXT_CHANGE)
        expect(button).to_be_focused()
        if key == "mouse":
            button.hover()
            page.mouse.down()
        else:
            page.keyboard.down(key)
        time.sleep(0.4)
        page.mouse.up() if key == "mouse" else page.keyboard.up(key)
        expect(article.get_by_role("heading")).to_have_text("Called off foxy")
    assert page.request.get(f"/v1/jobs/{job}").json()["status"] == "canceled"


def test_a_book_that_is_pressed_while_the_shelf_is_fetched_anew_is_opened(page: Page) -> None:
    book = page.request.post("/v1/books", data={"idea": "a fox who walks on", "pages": 4}).json()["links"]["book"]
    page.goto("/")
    page.get_by_role("link", name="a fox who walks on").hover()
    with page.expect_response(lambda answer: answer.url.endswith("/")) as fetched:
        page.mouse.down()
    fetched.value.finished()
    page.evaluate("() => new Promise(done => setTimeout(done, 100))")
    page.mouse.up()
    page.wait_for_url(book.replace("/v1", ""))


def test_a_story_that_is_called_off_is_not_being_written_until_it_goes_on(page: Page) -> None:
    page.goto(page.request.post("/v1/books", data={"idea": "a fox", "pages": 4}).json()["links"]["book"][len("/v1") :])
    for _ in range(2):
        expect(page.locator("#pages")).to_contain_text("The story is being written.")
        expect(page.locator("#files")).to_contain_text("The story comes first.")
        page.get_by_role("button", name="Call off").click()
        expect(page.locator("#pages")).to_have_text("No story was written. “Go on” above tries again.")
        expect(page.locator("#files")).to_have_text("There is no story to bind.")
        page.get_by_role("button", name="Go on").click()


def test_what_is_noted_of_a_story_is_shown_once_it_is_written(app: FastAPI, page: Page) -> None:
    page.goto(page.request.post("/v1/books", data={"idea": "a fox", "pages": 4}).json()["links"]["book"][len("/v1") :])
    expect(page.locator("#notes")).to_be_empty()
    written = Written(
        story=Story.model_validate_json((EXAMPLE / "story.json").read_bytes()),
        writer="somebody",
        lock=BookLock.model_validate_json((EXAMPLE / "book.lock").read_bytes()),
        warnings=("Moss is in no picture: two figures are the most.",),
    )
    tasks: TaskQueue = app.state.services.tasks
    tasks.enlist("text-worker", "text", host=socket.gethostname(), pid=os.getpid())
    while (claimed := tasks.claim("text-worker", "text")) is None:
        time.sleep(0.05)
    tasks.finish(claimed, written.model_dump(mode="json"))
    expect(page.locator("#notes li")).to_have_text(written.warnings[0])
    page.reload()
    expect(page.locator("#notes li")).to_have_text(written.warnings[0])


def test_what_keeps_pictures_from_being_drawn_stands_on_the_page_until_it_is_mended(app: FastAPI, page: Page) -> None:
    page.goto("/bank")
    banner = page.locator("#standstill")
    expect(banner).to_be_hidden()
    tasks: TaskQueue = app.state.services.tasks
    tasks.keep_standstill(Standstill(role="draw", worker_id="w", type="ModelNotFound", message="There is no <model>."))
    page.reload()
    expect(banner).to_contain_text("Nothing is drawn at present. The last worker could not begin: There is no <model>.")
    page.get_by_role("link", name="Books").click()
    expect(banner).to_be_visible()
    tasks.enlist("drawing-worker", "draw", host=socket.gethostname(), pid=os.getpid())
    tasks.set_ready("drawing-worker")
    page.evaluate(SET_HIDDEN, True)
    page.evaluate(SET_HIDDEN, False)
    expect(banner).to_be_hidden()
