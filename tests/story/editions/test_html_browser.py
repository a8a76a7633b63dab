"""The finished book in a real Chromium."""

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, Page, expect

from story.design import Design
from tests.story.book_samples import a_story, bind, make_book, paint, paint_all
from tests.story.editions.test_html import HOSTILE
from tests.story.tales import tale

pytest_plugins = ("tests.browser",)

DESKTOP, PHONE, NARROW = (
    {"width": 1280, "height": 800},
    {"width": 390, "height": 844},
    {"width": 320, "height": 640},
)
LONG_TEXT = "Once more the fox went up the stair, and once more he counted every step. " * 12


@pytest.fixture(scope="module")
def book(tmp_path_factory: pytest.TempPathFactory) -> str:
    return make_book(tmp_path_factory.mktemp("book"), a_story(pages=3)).as_uri()


@pytest.fixture(scope="module")
def hebrew_book(tmp_path_factory: pytest.TempPathFactory) -> str:
    return make_book(tmp_path_factory.mktemp("hebrew"), a_story(pages=3, language="he")).as_uri()


@pytest.fixture
def page(chromium: Browser) -> Iterator[Page]:
    """A desktop page that fails the test for anything on the console and for any request beyond the file."""
    context = chromium.new_context(viewport=DESKTOP, reduced_motion="reduce")
    page = context.new_page()
    complaints: list[str] = []
    page.on("console", lambda message: complaints.append(message.text))
    page.on("pageerror", lambda error: complaints.append(str(error)))
    page.on("request", lambda request: complaints.append(request.url) if not _is_local(request.url) else None)
    yield page
    context.close()
    assert complaints == []


def _is_local(url: str) -> bool:
    return url.startswith("data:image/") or bool(re.fullmatch(r"file:///[^?]*/book\.html(#.*)?", url))


def open_leaf(page: Page) -> str:
    """Id of the one leaf that lies open."""
    visible = [leaf.get_attribute("id") for leaf in page.locator(".leaf").all() if leaf.is_visible()]
    assert len(visible) == 1, visible
    return str(visible[0])


@pytest.mark.parametrize(
    ("keys", "leaf"),
    [
        ("ArrowRight", "page-1"),
        ("ArrowRight ArrowRight ArrowLeft", "page-1"),
        ("PageDown PageDown PageUp", "page-1"),
        ("Space Space Shift+Space", "page-1"),
        ("End", "cast"),
        ("End ArrowRight", "cast"),
        ("End Home", "cover"),
        ("Home ArrowLeft", "cover"),
        ("Control+ArrowRight", "cover"),
    ],
)
def test_keys_turn_the_leaves(page: Page, book: str, keys: str, leaf: str):
    page.goto(book)
    for key in keys.split():
        page.keyboard.press(key)
    assert open_leaf(page) == leaf


def test_turning_by_key_moves_the_focus_to_the_leaf_and_the_address_with_it(page: Page, book: str):
    page.goto(book)
    page.keyboard.press("ArrowRight")
    page.keyboard.press("ArrowRight")
    expect(page.locator("#page-2")).to_be_focused()
    expect(page.locator(".counter")).to_have_text("Page 2 of 3")
    expect(page.get_by_role("status")).to_have_text("")
    assert page.url == f"{book}#page-2"


def test_turning_by_button_keeps_the_focus_and_speaks_the_page(page: Page, book: str):
    page.goto(book)
    forward = page.get_by_role("button", name="Next page")
    forward.focus()
    page.keyboard.press("Space")
    assert open_leaf(page) == "page-1"
    expect(forward).to_be_focused()
    expect(page.get_by_role("status")).to_have_text(
        "Page 1 of 3. On step 1 the fox stood still. Then he took one more."
    )
    page.get_by_role("button", name="Previous page").click()
    assert open_leaf(page) == "cover"


def test_buttons_say_when_there_is_nothing_to_turn(page: Page, book: str):
    page.goto(book)
    back, forward = page.get_by_role("button", name="Previous page"), page.get_by_role("button", name="Next page")
    expect(back).to_be_disabled()
    expect(forward).to_be_enabled()
    for _ in range(4):
        forward.click()
    expect(back).to_be_enabled()
    expect(forward).to_be_disabled()
    assert open_leaf(page) == "cast"


def test_a_click_opens_the_cover_and_the_edges_turn(page: Page, book: str):
    page.goto(book)
    page.mouse.click(640, 400)
    assert open_leaf(page) == "page-1"
    page.mouse.click(640, 500)
    assert open_leaf(page) == "page-1"
    page.mouse.click(1150, 200)
    assert open_leaf(page) == "page-2"
    page.mouse.click(130, 200)
    assert open_leaf(page) == "page-1"


def test_an_address_opens_its_leaf_and_following_one_turns(page: Page, book: str):
    page.goto(f"{book}#page-3")
    assert open_leaf(page) == "page-3"
    page.evaluate("location.hash = '#page-1'")
    expect(page.locator("#page-1")).to_be_visible()
    assert open_leaf(page) == "page-1"
    page.goto("about:blank")
    page.goto(f"{book}#no-such-leaf")
    assert open_leaf(page) == "cover"


def test_right_to_left_turns_the_other_way(page: Page, hebrew_book: str):
    page.goto(hebrew_book)
    page.keyboard.press("ArrowRight")
    assert open_leaf(page) == "cover"
    page.keyboard.press("ArrowLeft")
    assert open_leaf(page) == "page-1"
    page.mouse.click(130, 200)
    assert open_leaf(page) == "page-2"
    picture, text = page.locator("#page-2 .verso").bounding_box(), page.locator("#page-2 .recto").bounding_box()
    forward = page.locator(".forward").bounding_box()
    assert picture and text and forward
    assert picture["x"] > text["x"] > forward["x"]


def swipe(page: Page, *, start: tuple[int, int], stop: tuple[int, int]) -> None:
    session = page.context.new_cdp_session(page)
    points = [(start[0] + (stop[0] - start[0]) * i // 6, start[1] + (stop[1] - start[1]) * i // 6) for i in range(7)]
    for number, (x, y) in enumerate(points):
        kind = "touchMove" if number else "touchStart"
        session.send("Input.dispatchTouchEvent", {"type": kind, "touchPoints": [{"x": x, "y": y}]})
    session.send("Input.dispatchTouchEvent", {"type": "touchEnd", "touchPoints": []})


@pytest.mark.parametrize(
    ("language", "start", "stop", "leaf"),
    [
        ("en", (300, 400), (100, 410), "page-3"),
        ("en", (100, 400), (300, 410), "page-1"),
        ("he", (100, 400), (300, 410), "page-3"),
        ("en", (200, 600), (190, 300), "page-2"),
        ("en", (200, 400), (180, 400), "page-2"),
    ],
    ids=["forward", "back", "forward in Hebrew", "scrolling is no swipe", "a short stroke is no swipe"],
)
def test_swiping_turns(
    chromium: Browser,
    book: str,
    hebrew_book: str,
    language: str,
    start: tuple[int, int],
    stop: tuple[int, int],
    leaf: str,
):
    context = chromium.new_context(viewport=PHONE, has_touch=True, is_mobile=True, reduced_motion="reduce")
    page = context.new_page()
    page.goto(f"{hebrew_book if language == 'he' else book}#page-2")
    swipe(page, start=start, stop=stop)
    assert open_leaf(page) == leaf
    context.close()


def test_without_script_everything_is_there(chromium: Browser, book: str):
    context = chromium.new_context(viewport=DESKTOP, java_script_enabled=False)
    page = context.new_page()
    page.goto(book)
    leaves = page.locator(".leaf")
    expect(leaves).to_have_count(5)
    tops = []
    for leaf in leaves.all():
        box = leaf.bounding_box()
        assert box and box["height"] > 300
        tops.append(box["y"])
    assert tops == sorted(tops)
    expect(page.locator("nav")).to_be_hidden()
    context.close()


def test_leaves_move_unless_stillness_is_preferred(chromium: Browser, page: Page, book: str):
    page.goto(f"{book}#page-1")
    page.keyboard.press("ArrowRight")
    assert page.evaluate("document.getAnimations().length") == 0
    moving = chromium.new_context(viewport=DESKTOP, reduced_motion="no-preference").new_page()
    moving.goto(f"{book}#page-1")
    moving.keyboard.press("ArrowRight")
    assert moving.evaluate("document.getAnimations().length") == 2
    moving.keyboard.press("ArrowRight")
    expect(moving.locator(".is-leaving")).to_have_count(0)
    assert moving.evaluate("document.getAnimations().length") == 0
    assert open_leaf(moving) == "page-3"
    moving.context.close()


def test_a_leaf_taller_than_the_window_is_read_to_its_end_first(page: Page, tmp_path: Path):
    story = a_story(pages=2)
    long = story.model_copy(update={"pages": (story.pages[0].model_copy(update={"text": LONG_TEXT}), story.pages[1])})
    page.set_viewport_size(NARROW)
    page.goto(f"{make_book(tmp_path, long).as_uri()}#page-1")
    page.keyboard.press("PageDown")
    while page.evaluate("scrollY") < 100:
        page.wait_for_timeout(20)
    assert open_leaf(page) == "page-1"
    page.evaluate("scrollTo({top: document.documentElement.scrollHeight, behavior: 'instant'})")
    page.keyboard.press("PageDown")
    assert open_leaf(page) == "page-2"
    assert page.evaluate("scrollY") == 0


BOOKS = {
    "English spread": (tale("en"), Design()),
    "German, picture above, white": (tale("de"), Design(layout="picture-above", theme="clean")),
    "Korean, full bleed": (tale("ko"), Design(layout="full-bleed")),
    "Arabic, high contrast, for weak eyes": (tale("ar"), Design(theme="contrast", large_print=True, dyslexia=True)),
    "English and Arabic": (tale("en", second="ar"), Design(layout="picture-above")),
    "Korean and German": (tale("ko", second="de"), Design()),
}


@pytest.fixture(scope="module", params=BOOKS)
def any_book(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> str:
    story, design = BOOKS[request.param]
    folder = tmp_path_factory.mktemp("any")
    pictures = paint_all(story, folder)
    return bind(story, pictures, folder, portraits={"rusty": pictures[1]}, design=design).as_uri()


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("viewport", [DESKTOP, PHONE], ids=["desktop", "phone"])
def test_axe_finds_nothing(page: Page, any_book: str, scheme: str, viewport: dict[str, int]):
    page.emulate_media(color_scheme="dark" if scheme == "dark" else "light")
    page.set_viewport_size({"width": viewport["width"], "height": viewport["height"]})
    for leaf in ("cover", "page-1", "cast"):
        page.goto("about:blank")
        page.goto(f"{any_book}#{leaf}")
        assert open_leaf(page) == leaf
        results = Axe().run(page)
        assert results.violations_count == 0, results.generate_report()


def test_no_book_is_wider_than_a_narrow_screen(page: Page, any_book: str):
    for size in (PHONE, NARROW):
        page.set_viewport_size({"width": size["width"], "height": size["height"]})
        for leaf in ("cover", "page-1", "cast"):
            page.goto("about:blank")
            page.goto(f"{any_book}#{leaf}")
            assert page.evaluate("document.documentElement.scrollWidth - innerWidth") <= 0, (size, leaf)


def test_a_reader_enlarges_and_simplifies_the_letters(page: Page, book: str):
    page.goto(f"{book}#page-1")
    words = page.locator("#page-1 .text p").first
    style = """element => {
        const style = getComputedStyle(element);
        return [parseFloat(style.fontSize), style.letterSpacing, style.fontFamily];
    }"""
    size, spacing, letters = words.evaluate(style)
    large = page.get_by_role("button", name="Large print")
    large.focus()
    page.keyboard.press("Enter")
    assert large.get_attribute("aria-pressed") == "true"
    assert words.evaluate(style)[0] == pytest.approx(1.5 * size)
    page.get_by_role("button", name="Plain, widely set letters").click()
    _, wider, plain = words.evaluate(style)
    assert spacing == "normal" and float(wider.removesuffix("px")) > 1
    assert plain.startswith("Verdana") and not letters.startswith("Verdana")
    large.click()
    assert words.evaluate(style)[0] == pytest.approx(size)
    assert large.get_attribute("aria-pressed") == "false"


def test_a_book_made_for_weak_eyes_opens_so(page: Page, tmp_path: Path):
    story = a_story(pages=1)
    design = Design(large_print=True)
    page.goto(bind(story, paint_all(story, tmp_path), tmp_path, design=design).as_uri())
    assert page.get_by_role("button", name="Large print").get_attribute("aria-pressed") == "true"
    assert page.get_by_role("button", name="Plain, widely set letters").get_attribute("aria-pressed") == "false"


@pytest.mark.parametrize("width", [1280, 320])
def test_two_languages_stand_side_by_side_where_there_is_room(page: Page, tmp_path: Path, width: int):
    story = tale("en", second="ar")
    page.set_viewport_size({"width": width, "height": 800})
    page.goto(f"{bind(story, paint_all(story, tmp_path), tmp_path).as_uri()}#page-1")
    first, second = page.locator("#page-1 .text").all()
    assert second.get_attribute("lang") == "ar" and second.get_attribute("dir") == "rtl"
    boxes = [first.bounding_box(), second.bounding_box()]
    assert boxes[0] and boxes[1]
    if width == 1280:
        assert boxes[1]["x"] >= boxes[0]["x"] + boxes[0]["width"]
    else:
        assert boxes[1]["y"] >= boxes[0]["y"] + boxes[0]["height"]


@pytest.mark.parametrize(
    "viewport", [DESKTOP, PHONE, NARROW, {"width": 820, "height": 1180}, {"width": 844, "height": 390}]
)
def test_picture_and_words_find_their_place_on_every_screen(page: Page, book: str, viewport: dict[str, int]):
    page.set_viewport_size({"width": viewport["width"], "height": viewport["height"]})
    for leaf in ("cover", "page-1", "cast"):
        page.goto("about:blank")
        page.goto(f"{book}#{leaf}")
        assert page.evaluate("document.documentElement.scrollWidth - innerWidth") <= 0, leaf
    page.goto(f"{book}#page-1")
    picture, text = page.locator("#page-1 img").bounding_box(), page.locator("#page-1 .text").bounding_box()
    assert picture and text
    assert picture["width"] == pytest.approx(picture["height"], abs=1)
    assert 190 <= picture["width"] <= 2 * 256
    if viewport["width"] > viewport["height"]:
        assert text["x"] >= picture["x"] + picture["width"]
    else:
        assert text["y"] >= picture["y"] + picture["height"]
    size = page.locator("#page-1 .text").evaluate("element => parseFloat(getComputedStyle(element).fontSize)")
    assert size >= 18


def test_a_tall_picture_fits_the_window_and_a_large_one_fills_its_page(page: Page, tmp_path: Path):
    story = a_story(pages=2)
    pictures = [
        paint(tmp_path / "cover.png", size=1024),
        paint(tmp_path / "large.png", size=1024),
        paint(tmp_path / "tall.png", size=768, height=1152),
    ]
    book = bind(story, pictures, tmp_path, cast=(), colophon={}).as_uri()
    page.set_viewport_size({"width": 1920, "height": 1080})
    page.goto(f"{book}#page-1")
    large = page.locator("#page-1 img").bounding_box()
    page.keyboard.press("ArrowRight")
    tall = page.locator("#page-2 img").bounding_box()
    assert large and tall
    assert large["width"] > 600
    assert tall["height"] / tall["width"] == pytest.approx(1.5, abs=0.02)
    assert tall["height"] < 1080 - 104
    assert page.evaluate("document.documentElement.scrollHeight - innerHeight") <= 0


def test_print_gives_the_cover_each_page_and_the_last_page_a_sheet(page: Page, book: str):
    page.goto(f"{book}#page-2")
    pdf = page.pdf(prefer_css_page_size=True)
    assert len(re.findall(rb"/Type\s*/Page\b", pdf)) == 1 + 3 + 1


def test_hostile_words_stay_words_and_run_nothing(page: Page, tmp_path: Path):
    dialogs: list[str] = []
    page.on("dialog", lambda dialog: (dialogs.append(dialog.message), dialog.dismiss()))
    story = a_story(pages=1, title=HOSTILE)
    hostile = story.pages[0].model_copy(
        update={"text": HOSTILE, "scene": story.cover.model_copy(update={"alt": HOSTILE})}
    )
    page.goto(make_book(tmp_path, story.model_copy(update={"pages": (hostile,)})).as_uri())
    assert page.title() == HOSTILE
    expect(page.locator(".title")).to_have_text(HOSTILE)
    expect(page.locator("#page-1")).to_contain_text("<img src=x onerror=alert(2)>")
    assert dialogs == []


def test_the_policy_stops_foreign_script_and_pictures(chromium: Browser, tmp_path: Path):
    story = a_story(pages=1)
    html = make_book(tmp_path, story).read_text(encoding="utf-8")
    picture = paint_all(story, tmp_path / "outside")[0].as_uri()
    planted = f"<img id=planted src='{picture}'><script>document.title = 'taken'</script></body>"
    (tmp_path / "book.html").write_text(html.replace("</body>", planted), encoding="utf-8")
    page = chromium.new_page()
    page.goto((tmp_path / "book.html").as_uri())
    assert page.title() == story.title
    assert page.locator("#planted").evaluate("image => image.naturalWidth") == 0
    page.close()
