"""The studio's pages in a real browser against a real server with keys, by keyboard, by day and by night."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing

import httpx
import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, Page, expect

from api.service.authentication import COOKIE
from api.service.database import Database
from api.service.keys import KeyStore
from tests.api.service.running import RunningServer, running_server

pytest_plugins = ["tests.browser"]

PARTIAL = {"HX-Request": "true"}
MakePage = Callable[[str | None], Page]
"""A page of a browser of its own, signed in as somebody or nobody."""


@pytest.fixture(scope="module")
def keys(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """A key for each of two people, and one that may only read."""
    with closing(Database.open(f"sqlite:///{tmp_path_factory.getbasetemp() / 'studio.sqlite'}")) as database:
        store = KeyStore(database)
        made = {owner: store.create(owner, scopes=["read", "write"])[0] for owner in ("mum", "dad")}
        return made | {"reader": store.create("mum", scopes=["read"])[0]}


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory, keys: dict[str, str]) -> Iterator[RunningServer]:
    folder = tmp_path_factory.mktemp("studio")
    options = ["--ask-keys", "--database", f"sqlite:///{tmp_path_factory.getbasetemp() / 'studio.sqlite'}"]
    with running_server(folder, bank_dir=folder / "bank", options=options, path="/livez") as running:
        yield running
    log = running.log()
    assert "Traceback" not in log and '"request_failed"' not in log
    assert not [key for key in keys.values() if key in log], "the log has a key"


@pytest.fixture(scope="module")
def clients(server: RunningServer, keys: dict[str, str]) -> Iterator[dict[str, httpx.Client]]:
    """Browsers without script, signed in."""
    with ExitStack() as closing_all:
        made = {
            name: httpx.Client(base_url=server.url, timeout=60, headers={"Cookie": f"{COOKIE}={key}"})
            for name, key in keys.items()
        }
        made["stranger"] = httpx.Client(base_url=server.url, timeout=60)
        yield {name: closing_all.enter_context(client) for name, client in made.items()}


@pytest.fixture
def faults() -> list[str]:
    """What pages complain about; a test fails that leaves something here."""
    return []


@pytest.fixture
def make_page(chromium: Browser, server: RunningServer, keys: dict[str, str], faults: list[str]) -> Iterator[MakePage]:
    with ExitStack() as opened:

        def make(owner: str | None) -> Page:
            context = chromium.new_context(base_url=server.url, viewport={"width": 1180, "height": 900})
            opened.callback(context.close)
            context.set_default_timeout(60_000)
            if owner is not None:
                context.add_cookies([{"name": COOKIE, "value": keys[owner], "url": server.url}])
            page = context.new_page()
            page.on("pageerror", lambda error: faults.append(str(error)))
            page.on("console", lambda message: faults.append(message.text) if message.type == "error" else None)
            return page

        yield make
    assert not faults


@pytest.fixture
def page(make_page: MakePage) -> Page:
    return make_page("mum")


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


def test_what_is_typed_outlives_a_reload_until_it_is_sent(page: Page) -> None:
    page.goto("/bank")
    page.locator("#learn > summary").click()
    page.locator("#caption").fill("a fox in the snow")
    page.reload()
    expect(page.locator("#caption")).to_have_value("a fox in the snow")
    expect(page.locator("[value='1-fox']")).to_be_attached()
    page.locator("#caption").fill("")
    page.reload()
    expect(page.locator("#learn")).not_to_have_attribute("open", "")


def test_signing_in_and_out(make_page: MakePage, keys: dict[str, str], faults: list[str]) -> None:
    page = make_page(None)
    page.goto("/bank")
    expect(page.locator("#key")).to_be_focused()
    check_axe(page)
    page.locator("#key").fill("fv_not-a-key")
    page.keyboard.press("Enter")
    expect(page.get_by_role("alert").filter(has_text="No such key")).to_be_visible()
    check_axe(page)
    page.locator("#key").fill(f" {keys['mum']} ")
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", name="Bank")).to_be_visible()
    assert page.url.endswith("/bank"), "the page that was asked for, and no key in its address"
    (cookie,) = page.context.cookies()
    assert (cookie["httpOnly"], cookie["sameSite"], cookie["secure"]) == (True, "Lax", False)
    assert page.evaluate("document.cookie") == ""
    page.get_by_role("button", name="Sign out").click()
    expect(page.locator("#key")).to_be_visible()
    assert page.context.cookies() == []
    faults[:] = [fault for fault in faults if "401" not in fault]


@pytest.mark.parametrize(
    "place", ["https://evil.example/", "//evil.example", "/\\evil.example", "/\t/evil.example", ""]
)
def test_signing_in_leads_nowhere_else(clients: dict[str, httpx.Client], keys: dict[str, str], place: str) -> None:
    answer = clients["stranger"].post("/sign-in", data={"key": keys["mum"], "place": place})
    assert (answer.status_code, answer.headers["location"]) == (303, "/")
    clients["stranger"].cookies.clear()


def test_over_https_the_key_travels_no_other_way(server: RunningServer, keys: dict[str, str]) -> None:
    headers = {"X-Forwarded-Proto": "https"}
    answer = httpx.post(f"{server.url}/sign-in", data={"key": keys["mum"]}, headers=headers)
    assert "; Secure" in answer.headers["set-cookie"] and "; HttpOnly" in answer.headers["set-cookie"]


def test_another_site_signs_nobody_in_or_out(clients: dict[str, httpx.Client], keys: dict[str, str]) -> None:
    for place in ("/sign-in", "/sign-out"):
        answer = clients["stranger"].post(place, data={"key": keys["dad"]}, headers={"Origin": "https://evil.example"})
        assert answer.status_code == 403 and "set-cookie" not in answer.headers


def test_nobody_sees_or_changes_what_is_anothers(clients: dict[str, httpx.Client]) -> None:
    mum, dad = clients["mum"], clients["dad"]
    book = mum.post("/books", data={"idea": "mum's idea", "pages": 4, "formats": "html"}).headers["location"]
    job = mum.get("/v1/jobs").json()["data"][0]["id"]
    tried = mum.post("/bank/rusty/try", data={"prompt": "a @rusty"}, headers=PARTIAL).text
    scene_job = tried.partition("/live/scene/")[2].partition('"')[0]
    for place in (book, f"{book}/live/{job}", f"/live/scene/{scene_job}", f"/live/learning/{job}"):
        assert dad.get(place).status_code == 404, place
    for place, form in {
        f"{book}/title": {"version": "0", "title": "x"},
        f"{book}/undo": {"version": "0"},
        f"{book}/bind": {"formats": "html"},
        f"{book}/draw": {"page": "p1"},
        f"{book}/jobs/{job}/retry": {},
    }.items():
        assert dad.post(place, data=form).status_code == 404, place
    assert "mum&#39;s idea" in mum.get("/").text and "mum&#39;s idea" not in dad.get("/").text
    assert dad.post("/bank/rusty/delete").headers["location"] == "/bank"
    assert dad.get("/bank/rusty").status_code == 404 and mum.get("/bank/rusty").status_code == 200


def test_a_key_that_may_only_read_is_told_so_on_the_page(clients: dict[str, httpx.Client]) -> None:
    answer = clients["reader"].post("/bank/rusty/delete", headers=PARTIAL)
    assert answer.status_code == 403 and "lacks the scope write" in answer.text
    assert clients["reader"].get("/bank/rusty").status_code == 200
