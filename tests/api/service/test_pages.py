"""A book that was made is edited over HTTP: words, prompts, candidates, locks, order, undone, bound again."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from api.settings import SAMPLE_BANK_DIR
from concepts.bank import seed_bank
from tests.api.service.running import running_server

WAIT = {"Prefer": "wait=300"}


@pytest.fixture(scope="module")
def client(tmp_path_factory: pytest.TempPathFactory, pocket_model_dir: Path) -> Iterator[httpx.Client]:
    del pocket_model_dir
    folder = tmp_path_factory.mktemp("pages")
    seed_bank(folder / "bank", SAMPLE_BANK_DIR)
    with (
        running_server(folder / "data", bank_dir=folder / "bank") as running,
        httpx.Client(base_url=running.url, timeout=330) as client,
    ):
        yield client


@pytest.fixture(scope="module")
def book(client: httpx.Client) -> str:
    wish = {"idea": "a fox who cannot sleep", "cast": ["rusty"], "pages": 4}
    job = client.post("/v1/books", json=wish, headers=WAIT).json()
    assert job["status"] == "succeeded", job
    return f"/v1/books/{job['result']['book']}"


def pages_of(client: httpx.Client, book: str) -> dict[str, Any]:
    return client.get(f"{book}/pages").json()


def changed(client: httpx.Client, book: str, **edit: Any) -> dict[str, Any]:
    """The pages after an edit of their latest version."""
    etag = client.get(f"{book}/pages").headers["etag"]
    answer = client.patch(f"{book}/pages", json=edit, headers={"If-Match": etag})
    assert answer.status_code == 200, answer.text
    return answer.json()


def step(client: httpx.Client, book: str, way: str) -> dict[str, Any]:
    etag = client.get(f"{book}/pages").headers["etag"]
    answer = client.post(f"{book}/pages/{way}", headers={"If-Match": etag})
    assert answer.status_code == 200, answer.text
    return answer.json()


def test_a_book_is_edited_drawn_again_moved_undone_and_bound(client: httpx.Client, book: str) -> None:
    made = pages_of(client, book)
    ids = [page["id"] for page in made["pages"]]
    assert ids == ["cover", "p1", "p2", "p3", "p4"]
    assert made["is_bound"] and made["undo"] is None and all(page["is_drawn"] for page in made["pages"])

    text = "Rusty the fox lay wide awake."
    edited = changed(client, book, pages=[{"id": "p1", "text": text}])
    assert edited["pages"][1]["text"] == text and edited["pages"][1]["is_drawn"] and not edited["is_bound"]

    drawn = client.post(f"{book}/pages/draw", json={"pages": ["p2"], "candidates": 2}, headers=WAIT).json()
    assert drawn["status"] == "succeeded", drawn
    page = pages_of(client, book)["pages"][2]
    assert [each["is_taken"] for each in page["candidates"]] == [False, True, False]
    first = page["candidates"][0]
    assert client.get(first["href"]).headers["content-type"] == "image/png"
    page = changed(client, book, pages=[{"id": "p2", "seed": first["seed"]}])["pages"][2]
    assert [each["is_taken"] for each in page["candidates"]] == [True, False, False]

    moved = changed(client, book, order=["p2", "p1", "p3", "p4"], pages=[{"id": "p2", "is_locked": True}])
    assert [each["id"] for each in moved["pages"]] == ["cover", "p2", "p1", "p3", "p4"]
    assert all(each["is_drawn"] for each in moved["pages"]) and moved["pages"][1]["is_locked"]
    assert client.post(f"{book}/pages/draw", json={"pages": ["p2"]}).status_code == 409

    undone = step(client, book, "undo")
    assert [each["id"] for each in undone["pages"]] == ids and undone["redo"]
    assert step(client, book, "redo")["pages"] == moved["pages"]

    bound = client.post(f"{book}/bind", json={}, headers=WAIT).json()
    assert bound["status"] == "succeeded", bound
    assert pages_of(client, book)["is_bound"]
    story = json.loads(client.get(f"{book}/files/story").content)
    assert story["pages"][1]["text"] == text


def test_an_edit_of_an_old_version_is_refused(client: httpx.Client, book: str) -> None:
    edit = {"title": "Another title"}
    assert client.patch(f"{book}/pages", json=edit).status_code == 428
    assert client.patch(f"{book}/pages", json=edit, headers={"If-Match": '"999"'}).status_code == 412
    assert client.patch(f"{book}/pages", json={"order": ["p1"]}, headers={"If-Match": '"1"'}).status_code == 422
    assert client.get("/v1/books/book_nothing/pages").status_code == 404
