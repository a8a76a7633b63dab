"""The OpenAPI document says what the service answers: statuses, headers, and which may be sent."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import httpx
import pytest

from api.service.app import create_app
from api.service.settings import LOCAL_OWNER, ServiceSettings
from api.settings import Settings
from story.schema import Story
from tests.api.service.desk import EXAMPLE, a_desk
from tests.api.service.serving import serving

TOLD = {"location", "etag", "preference-applied", "idempotency-replayed"}
"""Headers that a program acts by."""
KEYED = {"Idempotency-Key": "k"}


@pytest.fixture
def book_id(tmp_path: Path) -> str:
    desk = a_desk(tmp_path, Story.model_validate_json((EXAMPLE / "story.json").read_bytes()), owner=LOCAL_OWNER)
    desk.database.close()
    return desk.book_id


@pytest.fixture
def client(tmp_path: Path, book_id: str) -> Iterator[httpx.Client]:
    """Of a service with that book, and with nobody to work."""
    del book_id
    base = Settings(bank_dir=tmp_path / "banks" / LOCAL_OWNER)
    app = create_app(ServiceSettings(data_dir=tmp_path, drawing_workers=0, text_workers=0, base=base))
    with serving(app) as port, httpx.Client(base_url=f"http://127.0.0.1:{port}", timeout=60) as client:
        yield client


def check(client: httpx.Client, answer: httpx.Response, path: str) -> None:
    """An answer is as the document says."""
    operation = client.get("/openapi.json").json()["paths"][path][answer.request.method.lower()]
    described = operation["responses"].get(str(answer.status_code)) or operation["responses"]["default"]
    known = {name.lower() for name in described.get("headers", {})}
    assert known >= TOLD & set(answer.headers), (path, answer.status_code, answer.headers)
    sent = {parameter["name"].lower() for parameter in operation.get("parameters", ())}
    assert sent >= {"prefer", "if-match", "idempotency-key"} & set(answer.request.headers)
    if answer.is_success:
        schema = described["content"]["application/json"]["schema"]
        name = schema["$ref"].rpartition("/")[2]
        properties = client.get("/openapi.json").json()["components"]["schemas"][name]["properties"]
        assert answer.json().keys() <= properties.keys()


def test_waiting_for_a_job_and_not_waiting_are_described(client: httpx.Client) -> None:
    wish = {"prompt": "a @rusty"}
    at_once = client.post("/v1/scenes", json=wish, headers=KEYED)
    again = client.post("/v1/scenes", json=wish, headers=KEYED)
    assert (at_once.status_code, again.headers["idempotency-replayed"]) == (202, "true")
    refused = client.post("/v1/scenes", json={"prompt": "another"}, headers=KEYED)
    assert refused.status_code == 422
    in_vain = client.post("/v1/scenes", json=wish, headers={"Prefer": "wait=1"})
    assert (in_vain.status_code, in_vain.headers["preference-applied"]) == (202, "wait=1")
    job = at_once.json()["id"]
    client.post(f"/v1/jobs/{job}/cancel")
    with ThreadPoolExecutor() as thread:
        waiting = thread.submit(client.post, f"/v1/jobs/{job}/retry", headers={"Prefer": "wait=60"})
        while client.get(f"/v1/jobs/{job}").json()["status"] == "canceled" and not waiting.done():
            pass
        client.post(f"/v1/jobs/{job}/cancel")
        waited = waiting.result()
    assert (waited.status_code, waited.json()["status"]) == (200, "canceled")
    for answer in (at_once, again, refused, in_vain):
        check(client, answer, "/v1/scenes")
    check(client, waited, "/v1/jobs/{job_id}/retry")


def test_versions_are_described(client: httpx.Client, book_id: str) -> None:
    place, path = f"/v1/books/{book_id}/pages", "/v1/books/{book_id}/pages"
    read = client.get(place)
    edited = client.patch(place, json={"title": "Another"}, headers={"If-Match": read.headers["etag"]})
    undone = client.post(f"{place}/undo", headers={"If-Match": edited.headers["etag"]})
    redone = client.post(f"{place}/redo", headers={"If-Match": undone.headers["etag"]})
    assert [answer.status_code for answer in (read, edited, undone, redone)] == [200] * 4
    for answer, more in ((read, ""), (edited, ""), (undone, "/undo"), (redone, "/redo")):
        check(client, answer, path + more)


def test_every_post_may_have_a_key(client: httpx.Client) -> None:
    document: dict[str, Any] = client.get("/openapi.json").json()
    posts = [operations["post"] for operations in document["paths"].values() if "post" in operations]
    assert posts
    for operation in posts:
        (key,) = (each for each in operation["parameters"] if each["name"] == "Idempotency-Key")
        assert not key["required"]
