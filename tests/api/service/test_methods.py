"""What every address does with HEAD, and every list with a cursor: the whole service, with nobody to do its jobs."""

from collections.abc import Iterator

import httpx
import pytest

from api.service.app import create_app
from api.service.ids import new_id
from api.service.listing import encode_cursor
from api.service.settings import ServiceSettings
from api.settings import Settings
from tests.api.service.serving import serving


@pytest.fixture(scope="module")
def client(tmp_path_factory: pytest.TempPathFactory) -> Iterator[httpx.Client]:
    folder = tmp_path_factory.mktemp("service")
    base = Settings(bank_dir=folder / "bank")
    settings = ServiceSettings(data_dir=folder / "data", drawing_workers=0, text_workers=0, base=base)
    with (
        serving(create_app(settings)) as port,
        httpx.Client(base_url=f"http://127.0.0.1:{port}", timeout=20) as client,
    ):
        yield client


@pytest.mark.parametrize(
    "place", ["/", "/livez", "/bank", "/studio/studio.js", "/v1/jobs", "/v1/concepts/rusty/preview", "/openapi.json"]
)
def test_head_says_what_get_would_and_has_no_body(client: httpx.Client, place: str) -> None:
    whole, head = client.get(place), client.head(place)
    assert (head.status_code, head.content) == (200, b"")
    told = ("content-type", "content-security-policy", "cache-control")
    assert [head.headers[name] for name in told] == [whole.headers[name] for name in told]


def test_head_of_a_stream_ends(client: httpx.Client) -> None:
    job = client.post("/v1/scenes", json={"prompt": "a @rusty"}).json()["id"]
    head = client.head(f"/v1/jobs/{job}/events")
    assert head.status_code == 200 and head.headers["content-type"].startswith("text/event-stream")
    assert client.get("/livez").status_code == 200


def test_head_is_refused_where_get_is(client: httpx.Client) -> None:
    assert client.head("/v1/jobs/job_none").status_code == 404
    refused = client.head("/v1/images/generations")
    assert (refused.status_code, refused.headers["allow"]) == (405, "POST")
    assert client.patch("/v1/jobs").headers["allow"] == "GET, HEAD"


def test_a_cursor_of_another_list_is_refused(client: httpx.Client) -> None:
    lists = {kind: f"/v1/{name}" for kind, name in
             {"job": "jobs", "book": "books", "scene": "scenes", "story": "stories"}.items()}  # fmt: skip
    for kind in lists:
        cursor = encode_cursor(new_id(kind))
        for other, place in lists.items():
            answer = client.get(place, params={"after": cursor})
            assert answer.status_code == (200 if other == kind else 422), (kind, place)
    assert "is no cursor of this list" in client.get("/", params={"after": encode_cursor(new_id("job"))}).text
