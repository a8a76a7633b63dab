"""Previews of pictures that are being drawn: kept by the service, and in a real browser as they change."""

from pathlib import Path

import httpx
import pytest
from PIL import Image
from playwright.sync_api import Browser, expect

from api.service.previews import PREVIEW_EVERY_S, Previews
from api.service.settings import ServiceSettings
from api.settings import SAMPLE_BANK_DIR, Settings
from benchmarks.flat_service import flat_service
from concepts.bank import seed_bank

pytest_plugins = ["tests.browser"]

SLOW = 120_000
"""Milliseconds on a busy machine."""


def test_a_preview_is_told_once_and_none_is_made_too_soon() -> None:
    previews = Previews()
    previews.offer(lambda: pytest.fail(f"made sooner than after {PREVIEW_EVERY_S} s"))
    assert (previews.pop(), previews.told) == (None, {})
    previews.take(Image.new("RGB", (8, 8), "red"))
    red = previews.told
    content = previews.pop()
    assert content is not None and content.startswith(b"\xff\xd8") and previews.pop() is None
    previews.take(Image.new("RGB", (8, 8), "blue"))
    assert previews.told != red


def test_pages_are_seen_as_they_are_drawn(chromium: Browser, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FLAT_STEP_S", "0.5")
    seed_bank(tmp_path / "bank", SAMPLE_BANK_DIR)
    settings = ServiceSettings(data_dir=tmp_path / "data", base=Settings(bank_dir=tmp_path / "bank"))
    with flat_service(settings) as service, httpx.Client(base_url=service.url) as client:
        wish = {"idea": "a fox who cannot sleep", "pages": 4, "formats": ["html"]}
        job = client.post("/v1/books", json=wish).json()
        page = chromium.new_page(base_url=service.url)
        faults: list[str] = []
        page.on("console", lambda message: faults.append(message.text) if message.type == "error" else None)
        page.on("pageerror", lambda error: faults.append(str(error)))
        page.goto(f"/books/{job['links']['book'].rpartition('/')[2]}")
        preview = page.locator(".page .frame img[src*='/previews/']")
        expect(preview.first).to_be_visible(timeout=SLOW)
        assert preview.first.evaluate("image => image.decode().then(() => image.naturalWidth)") == 8
        expect(page.locator("#told")).to_have_text("Done.", timeout=SLOW)
        expect(page.locator(".page .frame > img")).to_have_count(5)
        expect(preview).to_have_count(0)
        assert faults == []
        page.close()
        assert client.get(f"/v1/jobs/{job['id']}/previews/0").headers["content-type"] == "image/jpeg"
        assert client.get(f"/v1/jobs/{job['id']}/previews/9").status_code == 404
