"""A book whose pictures the store has lost, on a service with flat pictures: they are drawn again, and it is bound."""

import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from sqlalchemy import select

from api.service.book_edits import keep_drawings
from api.service.mending import drawings_at
from api.service.settings import ServiceSettings
from api.service.tables import tasks
from api.settings import SAMPLE_BANK_DIR, Settings
from benchmarks.flat_service import FlatService, flat_service
from concepts.bank import seed_bank
from tests.api.service.desk import OWNER, Desk

WITHIN_S = 120


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("mending")


@pytest.fixture(scope="module")
def service(folder: Path) -> Iterator[FlatService]:
    seed_bank(folder / "bank", SAMPLE_BANK_DIR)
    settings = ServiceSettings(data_dir=folder / "data", base=Settings(bank_dir=folder / "bank"))
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("FLAT_STEP_S", "0.3")
        with flat_service(settings) as service:
            yield service


@pytest.fixture(scope="module")
def client(service: FlatService) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=service.url, timeout=60) as client:
        yield client


@pytest.fixture(scope="module")
def book(client: httpx.Client) -> str:
    """The address of a book that is made."""
    wish = {"idea": "a fox who cannot sleep", "pages": 4, "formats": ["html"]}
    job = client.post("/v1/books", json=wish).json()
    assert ended(client, job["id"])["status"] == "succeeded"
    address: str = job["links"]["book"]
    return address


def ended(client: httpx.Client, job_id: str) -> dict[str, Any]:
    deadline = time.monotonic() + WITHIN_S
    while (job := client.get(f"/v1/jobs/{job_id}").json())["status"] in ("queued", "running"):
        assert time.monotonic() < deadline, job
        time.sleep(0.05)
    return job


def pictures(client: httpx.Client, book: str) -> list[str]:
    """Addresses of the cover's picture and of the pages', those that are drawn."""
    pages = client.get(f"{book}/pages").json()["pages"]
    return [candidate["href"] for page in pages for candidate in page["candidates"] if candidate["is_taken"]]


def damage(folder: Path, address: str) -> None:
    digest = address.rpartition("/")[2]
    (path,) = (folder / "data").rglob(digest)
    path.write_bytes(b"bits rot")


def num_drawn(service: FlatService, job_id: str) -> int:
    with service.database.read() as connection:
        return len(connection.execute(select(tasks.c.id).where(tasks.c.job_id == job_id, tasks.c.kind == "draw")).all())


def test_binding_draws_damaged_pictures_again(
    service: FlatService, client: httpx.Client, folder: Path, book: str
) -> None:
    before = pictures(client, book)
    contents = [client.get(address).content for address in before]
    for address in (before[0], before[3]):
        damage(folder, address)
        assert client.get(address).status_code == 500
    job = ended(client, client.post(f"{book}/bind", json={}).json()["id"])
    assert job["status"] == "succeeded" and num_drawn(service, job["id"]) == 2
    assert pictures(client, book) == before
    assert [client.get(address).content for address in before] == contents


def test_binding_that_failed_for_a_damaged_picture_goes_on_when_tried_again(
    service: FlatService, client: httpx.Client, folder: Path, book: str
) -> None:
    pages = client.get(f"{book}/pages")
    edit = {"pages": [{"id": "p1", "prompt": "a fox sitting in the snow"}]}
    edited = client.patch(f"{book}/pages", json=edit, headers={"If-Match": pages.headers["etag"]})
    assert edited.status_code == 200, edited.text
    lost = pictures(client, book)[-1]
    content = client.get(lost).content
    job_id = client.post(f"{book}/bind", json={}).json()["id"]
    damage(folder, lost)  # while the first page is drawn
    job = ended(client, job_id)
    assert (job["status"], job["error"]["type"]) == ("failed", "DamagedArtifact")
    assert client.post(f"/v1/jobs/{job_id}/retry").status_code in (200, 202)
    assert ended(client, job_id)["status"] == "succeeded" and num_drawn(service, job_id) == 2
    assert client.get(lost).content == content


def test_a_picture_that_comes_out_otherwise_takes_the_place_of_the_one_that_was_lost(desk: Desk) -> None:
    (drawing,) = drawings_at(desk.book().written(), [2])
    for digest in ("e" * 64, "f" * 64):
        with desk.database.write() as connection:
            keep_drawings(connection, OWNER, desk.book_id, [(drawing, digest)])
        assert desk.book().picture(2) == digest and len(desk.book().candidates(2)) == 1
    assert desk.book().version == 0
