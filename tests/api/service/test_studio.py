"""The studio's pages in a real browser against a real server with keys, by keyboard, by day and by night."""

import json
import shutil
import zipfile
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing
from pathlib import Path
from urllib.parse import urlsplit

import httpx
import pytest
from axe_playwright_python.sync_playwright import Axe
from fastapi import APIRouter, FastAPI
from fastapi.testclient import TestClient
from playwright.sync_api import Browser, Page, expect
from sqlalchemy.exc import OperationalError

from api.service.authentication import COOKIE
from api.service.database import Database
from api.service.keys import KeyStore
from api.service.problems import install_problems
from api.service.studio.rendering import StudioRoute
from api.settings import SAMPLE_BANK_DIR
from tests.api.service.running import RunningServer, running_server
from tests.api.service.teller import Teller
from tests.publications import complaints_of
from tests.story.misbehaving_server import Behaviour

pytest_plugins = ["tests.browser"]

PARTIAL = {"HX-Request": "true"}
SLOW = 300_000
"""Milliseconds for what the picture model does on a busy core."""
HOSTILE = "\"'><script>alert(1)</script><img src=x onerror=alert(2)>"
HOSTILE_WORDS = '&lt;img src=x onerror=alert(1)&gt; {{ 7 * 7 }} "onload=alert(2) x=".'
MakePage = Callable[[str | None], Page]
"""A page of a browser of its own, signed in as somebody or nobody."""


@pytest.fixture(scope="module")
def data_dir(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("studio")


@pytest.fixture(scope="module")
def keys(data_dir: Path) -> dict[str, str]:
    """A key for each of two people, and one that may only read."""
    with closing(Database.open(f"sqlite:///{data_dir / 'fableverse.sqlite'}")) as database:
        store = KeyStore(database)
        made = {owner: store.create(owner, scopes=["read", "write"])[0] for owner in ("mum", "dad")}
        return made | {"reader": store.create("mum", scopes=["read"])[0]}


@pytest.fixture(scope="module")
def server(data_dir: Path, keys: dict[str, str], teller: Teller, pocket_model_dir: Path) -> Iterator[RunningServer]:
    del pocket_model_dir
    options = ["--ask-keys", "--llm", "openai:teller", "--base-url", teller.server.address, "--moderation", "off"]
    with running_server(data_dir, bank_dir=data_dir / "bank", options=options, path="/livez") as running:
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
            size = {"width": 1180, "height": 900}
            context = chromium.new_context(base_url=server.url, viewport=size, reduced_motion="reduce")
            opened.callback(context.close)
            context.set_default_timeout(60_000)
            if owner is not None:
                context.add_cookies([{"name": COOKIE, "value": keys[owner], "url": server.url}])
            page = context.new_page()
            page.on("pageerror", lambda error: faults.append(str(error)))
            page.on("dialog", lambda dialog: (faults.append(dialog.message), dialog.dismiss()))
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
        page.evaluate("new Promise(done => requestAnimationFrame(() => requestAnimationFrame(done)))")  # is drawn in it
        found = Axe().run(page)
        assert found.violations_count == 0, found.generate_report()


def test_words_become_concepts_by_keyboard_alone(page: Page) -> None:
    page.goto("/bank")
    page.keyboard.press("Tab")
    expect(page.locator(".skip")).to_be_focused()
    page.locator("#learn > summary").press("Enter")
    page.locator("#caption").fill("a fox wearing a scarf")
    page.locator("[value='1-scarf']").press("Space")
    expect(page.locator("#kind-1-scarf")).to_have_value("clothing")
    expect(page.locator("#id-1-scarf")).to_have_value("scarf")
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


def test_a_picture_becomes_a_concept_and_an_idea_a_book(page: Page, teller: Teller, tmp_path: Path) -> None:
    learn_rusty_again(page)
    try_out(page)
    make_a_book(page, teller)
    edit_the_book(page)
    take_it_away(page, tmp_path)
    delete_it(page)


def learn_rusty_again(page: Page) -> None:
    """From its picture, watched, after it was deleted."""
    page.goto("/bank/rusty")
    page.get_by_text("Delete…").click()
    page.get_by_role("button", name="Delete Rusty").click()
    expect(page.get_by_role("link", name="Clover")).to_be_visible()
    expect(page.get_by_role("link", name="Rusty")).to_have_count(0)
    page.locator("#learn > summary").click()
    page.locator("#picture").set_input_files(SAMPLE_BANK_DIR / "rusty" / "source.png")
    page.get_by_role("button", name="Take it").click(timeout=SLOW)
    expect(page.locator("#caption")).to_have_value("a fox wearing a scarf standing in the meadow in daylight")
    page.locator(".chip", has_text="fox").click()
    page.locator("#id-1-fox").fill("rusty")
    page.locator("#learn .more > summary").click()
    page.locator("#steps").fill("2")
    page.get_by_role("button", name="Start learning").click()
    expect(page.get_by_alt_text("Drawn with what is learnt so far")).to_be_visible(timeout=SLOW)
    expect(page.get_by_role("heading", name="Learnt rusty")).to_be_visible(timeout=SLOW)
    expect(page.locator("#cards").get_by_role("link", name="Rusty")).to_be_visible()


def try_out(page: Page) -> None:
    """A picture at another strength, by keyboard, of a prompt that is too long."""
    page.get_by_role("link", name="Look at rusty").click()
    page.locator("#prompt").fill("a @rusty in the snow" + ", the forest" * 30)
    page.locator("#strength").press("ArrowRight")
    expect(page.locator("#strength-value")).to_have_text("1.1")
    page.get_by_role("button", name="Draw").press("Enter")
    expect(page.locator("#tried img[src$='/picture']")).to_be_visible(timeout=SLOW)
    expect(page.locator("#tried img")).to_have_count(1)
    expect(page.locator("#tried figcaption")).to_contain_text("Strength 1.1, seed 0")
    expect(page.locator("#tried .hint")).to_contain_text("nothing is read from", timeout=SLOW)
    check_axe(page)


def make_a_book(page: Page, teller: Teller) -> None:
    """Its words are there while they are written, then its pages as they are drawn."""
    teller.may_go_on.clear()
    page.goto("/books/new")
    page.locator("#idea").fill("a fox who walks on")
    page.get_by_role("radio", name="Rusty").check()
    page.locator("#pages").select_option("4")
    page.get_by_role("checkbox", name="PDF for screens").uncheck()
    page.get_by_role("button", name="Make the book").click()
    expect(page.locator(".draft", has_text="Rusty took step 4.")).to_be_visible(timeout=SLOW)
    expect(page.locator(".draft", has_text="Rusty and the Sea")).to_be_visible()
    check_axe(page)
    teller.may_go_on.set()
    expect(page.locator("#title")).to_have_value("Rusty and the Sea", timeout=SLOW)
    assert page.locator("#page-p1 .word").all_text_contents() == ["fox, drawn as rusty", "cat, drawn as luna"]
    expect(page.locator(".page .frame progress").first).to_be_visible(timeout=SLOW)
    expect(page.locator(".page .frame img")).to_have_count(5, timeout=SLOW)
    expect(page.get_by_role("link", name="Read the book")).to_be_visible(timeout=SLOW)
    expect(page.locator("#told")).to_have_text("Done.")
    check_axe(page)


def edit_the_book(page: Page) -> None:
    """Words in two tabs, another prompt and two candidates for it, a lock, another order, undone."""
    other = page.context.new_page()
    other.goto(page.url)
    page.locator("#text-p2").fill(HOSTILE_WORDS)
    page.locator("#text-p2").blur()
    expect(page.get_by_role("button", name="Undo “Edit words”")).to_be_enabled()
    other.locator("#text-p3").fill("Luna ran home.")
    with other.expect_response(lambda answer: answer.request.method == "POST" and answer.ok):
        other.reload()
    expect(other.locator("#text-p2")).to_have_value(HOSTILE_WORDS)
    expect(other.locator("#text-p3")).to_have_value("Luna ran home.")
    expect(other.get_by_role("button", name="Undo “Edit words”")).to_be_enabled()
    other.close()
    page.evaluate("document.dispatchEvent(new Event('visibilitychange'))")
    expect(page.locator("#text-p3")).to_have_value("Luna ran home.")
    page.locator("#edit-p1 > summary").click()
    page.locator("#prompt-p1").fill("a fox sitting and a cat standing in the forest")
    page.locator("#save-p1").click()
    expect(page.locator("#figure-p1")).to_contain_text("To be drawn")
    page.locator("#candidates-p1").select_option("2")
    page.locator("#draw-p1").click()
    expect(page.locator("#figure-p1 .candidates button")).to_have_count(2, timeout=SLOW)
    second = page.locator("#figure-p1 .candidates button").last
    second.click()
    expect(second).to_have_attribute("aria-pressed", "true")
    page.locator("#lock-p1").click()
    expect(page.locator("#page-p1 .tag")).to_have_text("Locked")
    page.locator("#down-p1").press("Enter")
    expect(page.locator(".page").nth(2)).to_have_id("page-p1")
    expect(page.locator("#down-p1")).to_be_focused()
    page.locator("#undo").click()
    expect(page.locator(".page").nth(1)).to_have_id("page-p1")


def take_it_away(page: Page, folder: Path) -> None:
    """Bound again, read in the browser, where hostile words stay words, and downloaded as an EPUB that is in order."""
    page.locator("#editions summary").click()
    page.locator("#bind").click()
    expect(page.locator(".stale")).to_have_count(0, timeout=SLOW)
    with page.expect_popup() as opened:
        page.get_by_role("link", name="Read the book").click()
    expect(opened.value.locator("body")).to_contain_text(HOSTILE_WORDS)
    with page.expect_download() as download:
        page.get_by_role("link", name="EPUB, as laid out").click()
    path = folder / download.value.suggested_filename
    download.value.save_as(path)
    assert complaints_of(path) == []
    with zipfile.ZipFile(path) as epub:
        assert any(b"Luna ran home." in epub.read(name) for name in epub.namelist())


def delete_it(page: Page) -> None:
    place = urlsplit(page.url).path
    page.get_by_text("Delete…").click()
    page.get_by_role("button", name="Delete this book").click()
    expect(page.get_by_role("heading", name="Books")).to_be_visible()
    expect(page.locator(f'a[href="{place}"]')).to_have_count(0)


@pytest.mark.parametrize("behaviour", ["hostile"])
def test_hostile_words_stay_words_while_a_story_is_written(
    page: Page, clients: dict[str, httpx.Client], teller: Teller, behaviour: Behaviour
) -> None:
    teller.behaviour = behaviour
    teller.may_go_on.clear()
    wish = {"idea": "a fox <img src=x onerror=alert(1)>", "pages": "4", "formats": "html"}
    place = clients["mum"].post("/books", data=wish).headers["location"]
    page.goto(place)
    expect(page.locator(".draft").nth(1)).to_contain_text("<script>alert", timeout=SLOW)
    page.goto("/")
    expect(page.locator("#shelf")).to_contain_text("<img src=x onerror=alert(1)>")
    clients["mum"].post(f"/v1/jobs/{clients['mum'].get('/v1/jobs').json()['data'][0]['id']}/cancel")
    teller.may_go_on.set()
    teller.behaviour = "good"


def test_a_hostile_concept_stays_words(page: Page, clients: dict[str, httpx.Client], data_dir: Path) -> None:
    clients["mum"].get("/bank")
    folder = data_dir / "banks" / "mum" / "evil"
    shutil.copytree(SAMPLE_BANK_DIR / "luna", folder)
    record = json.loads((folder / "concept.json").read_text())
    record |= {"id": "evil", "caption": f"a cat {HOSTILE}", "base_model_name": HOSTILE}
    (folder / "concept.json").write_text(json.dumps(record))
    page.goto("/bank/evil")
    expect(page.locator("main")).to_contain_text(HOSTILE)
    for place in ("/bank", "/books/new"):
        page.goto(place)
        expect(page.get_by_text("Evil")).not_to_have_count(0)
    shutil.rmtree(folder)


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
    scene_job = tried.partition("job=")[2].partition('"')[0]
    for place in (book, f"/live?draft={job}", f"/live?job={scene_job}"):
        assert dad.get(place).status_code == 404, place
    for place, form in {
        f"{book}/title": {"version": "0", "title": "x"},
        f"{book}/undo": {"version": "0"},
        f"{book}/bind": {"formats": "html"},
        f"{book}/draw": {"page": "p1"},
        f"{book}/delete": {},
        f"{book}/jobs/{job}/retry": {},
    }.items():
        assert dad.post(place, data=form).status_code == 404, place
    assert "mum&#39;s idea" in mum.get("/").text and "mum&#39;s idea" not in dad.get("/").text
    assert dad.post("/bank/rusty/delete").headers["location"] == "/bank"
    assert dad.get("/bank/rusty").status_code == 404 and mum.get("/bank/rusty").status_code == 200


def test_a_database_that_fails_is_told_on_the_page() -> None:
    router = APIRouter(route_class=StudioRoute)

    @router.get("/")
    def fails() -> None:
        raise OperationalError("SELECT 1", {}, Exception("gone"))

    app = FastAPI()
    app.state.services = None
    app.include_router(router)
    install_problems(app)
    answer = TestClient(app).get("/", headers=PARTIAL)
    assert (answer.status_code, answer.text) == (503, "<p>The database cannot be used now. Try again.</p>")


def test_a_browser_that_is_lost_gets_a_page_and_a_program_a_problem(clients: dict[str, httpx.Client]) -> None:
    page = clients["mum"].get("/no/such/place", headers={"Accept": "text/html,*/*;q=0.8"})
    assert page.status_code == 404 and "There is no such page." in page.text and 'href="/bank"' in page.text
    for place, accepted in {"/no/such/place": "*/*", "/v1/nothing": "text/html"}.items():
        problem = clients["mum"].get(place, headers={"Accept": accepted})
        assert problem.status_code == 404 and problem.headers["content-type"] == "application/problem+json"


def test_a_key_that_may_only_read_is_told_so_on_the_page(clients: dict[str, httpx.Client]) -> None:
    answer = clients["reader"].post("/bank/rusty/delete", headers=PARTIAL)
    assert answer.status_code == 403 and "lacks the scope write" in answer.text
    assert clients["reader"].get("/bank/rusty").status_code == 200
