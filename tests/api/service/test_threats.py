"""Every threat that the service was built against, tried on a real server with keys: each is refused, and it lives on.

Slow clients and false lengths are in test_limits.py, forbidden destinations (SSRF) in test_webhooks.py, pictures that
are bombs in test_uploads.py, keys in test_keys.py; here is what takes the whole service.
"""

import json
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import httpx
import pytest

from api.service.database import Database
from api.service.keys import KeyStore
from api.settings import SAMPLE_BANK_DIR
from concepts.bank import seed_bank
from tests.api.service.running import RunningServer, running_server
from tests.api.service.test_uploads import png

OWNERS = ("mum", "dad", "aunt")
HOSTILE_IDS = [
    "../../etc/passwd",
    "..%2f..%2fetc%2fpasswd",
    "%2e%2e/%2e%2e/fableverse.sqlite",
    "..%5c..%5cwindows",
    "/etc/passwd",
    "job_00000000000000000000000000000000' OR '1'='1",
    "job_0000000000000000000000000000000g",
    "1; DROP TABLE jobs",
    "*",
    "{{7*7}}",
    "<script>alert(1)</script>",
    "a" * 500,
]


@pytest.fixture(scope="module")
def data_dir(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("threats") / "data"


@pytest.fixture(scope="module")
def keys(data_dir: Path) -> dict[str, str]:
    """A key for each owner, and one that may only read."""
    data_dir.mkdir(parents=True)
    with closing(Database.open(f"sqlite:///{data_dir / 'fableverse.sqlite'}")) as database:
        store = KeyStore(database)
        made = {owner: store.create(owner, scopes=["read", "write"])[0] for owner in OWNERS}
        return made | {"reader": store.create("mum", scopes=["read"])[0]}


@pytest.fixture(scope="module")
def server(data_dir: Path, keys: dict[str, str], pocket_model_dir: Path) -> Iterator[RunningServer]:
    del pocket_model_dir
    bank_dir = data_dir.parent / "bank"
    seed_bank(bank_dir, SAMPLE_BANK_DIR)
    with running_server(data_dir, bank_dir=bank_dir, options=["--ask-keys"], path="/livez") as running:
        yield running
    assert not [key for key in keys.values() if key in running.log()], "the log has a key"
    assert '"request_failed"' not in running.log()
    assert {line["role"] for line in lines_of(running) if "role" in line} <= {"draw", "text"}


def lines_of(server: RunningServer) -> list[dict[str, Any]]:
    """What the server and its workers logged; but for the line for a person, each is JSON, a worker's fault too."""
    begun, *rest = server.log().splitlines()
    assert begun.startswith("Serving on http")
    return [json.loads(line) for line in rest]


@pytest.fixture(scope="module")
def clients(server: RunningServer, keys: dict[str, str]) -> Iterator[dict[str, httpx.Client]]:
    made = {
        name: httpx.Client(base_url=server.url, timeout=700, headers={"Authorization": f"Bearer {key}"})
        for name, key in keys.items()
    }
    made["stranger"] = httpx.Client(base_url=server.url, timeout=60)
    yield made
    for client in made.values():
        client.close()


@pytest.fixture(scope="module")
def job(clients: dict[str, httpx.Client]) -> dict[str, Any]:
    """A picture that mum asked for, with words that are nobody else's business."""
    answer = clients["mum"].post("/v1/scenes", json={"prompt": "a @rusty in PRIVATEWOOD"})
    assert answer.status_code == 202, answer.text
    return answer.json()


def assert_refused(answer: httpx.Response, *statuses: int) -> None:
    assert answer.status_code in statuses, answer.text
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert "default-src 'none'" in answer.headers["content-security-policy"]


def test_without_a_key_nothing_is_told(clients: dict[str, httpx.Client]) -> None:
    described = clients["stranger"].get("/openapi.json").json()
    for path, operations in described["paths"].items():
        for method in operations.keys() & {"get", "post", "put", "patch", "delete"}:
            if path in ("/livez", "/readyz"):
                continue
            place = path.replace("{", "").replace("}", "")
            body = {"json": {}} if method in ("post", "patch", "put") else {}
            answer = clients["stranger"].request(method, place, **body)
            assert answer.status_code == 401, (method, path, answer.status_code)
            assert answer.headers["www-authenticate"] == "Bearer"


def test_a_key_that_may_only_read_changes_nothing(clients: dict[str, httpx.Client], job: dict[str, Any]) -> None:
    assert_refused(clients["reader"].post(f"/v1/jobs/{job['id']}/cancel"), 403)
    assert_refused(clients["reader"].delete("/v1/concepts/rusty"), 403)
    assert clients["reader"].get(f"/v1/jobs/{job['id']}").status_code == 200
    assert_refused(clients["mum"].get("/metrics"), 403)


def test_nobody_sees_what_is_anothers(clients: dict[str, httpx.Client], job: dict[str, Any]) -> None:
    places = [*job["links"].values(), f"{job['links']['scene']}/picture"]
    for place in places:
        method = "POST" if place.endswith("/cancel") else "GET"
        answer = clients["dad"].request(method, place)
        assert_refused(answer, 404)
        assert "PRIVATEWOOD" not in answer.text
    for kind in ("jobs", "scenes", "books", "stories"):
        listed = clients["dad"].get(f"/v1/{kind}")
        assert listed.status_code == 200 and listed.json()["data"] == []
    retry = clients["dad"].post(f"/v1/jobs/{job['id']}/retry")
    assert_refused(retry, 404)


def test_anothers_concepts_stay_when_one_deletes_ones_own(clients: dict[str, httpx.Client]) -> None:
    assert clients["dad"].delete("/v1/concepts/rusty").status_code == 204
    assert_refused(clients["dad"].get("/v1/concepts/rusty"), 404)
    assert clients["mum"].get("/v1/concepts/rusty").status_code == 200


def test_the_same_idempotency_key_of_another_owner_gives_nothing_away(clients: dict[str, httpx.Client]) -> None:
    headers, wish = {"Idempotency-Key": "shared"}, {"prompt": "a fox in PRIVATEWOOD"}
    mine = clients["mum"].post("/v1/scenes", json=wish, headers=headers).json()
    theirs = clients["dad"].post("/v1/scenes", json=wish, headers=headers)
    assert "idempotency-replayed" not in theirs.headers and theirs.json()["id"] != mine["id"]


@pytest.mark.parametrize("hostile", HOSTILE_IDS)
@pytest.mark.parametrize(
    "place",
    ["/v1/jobs/{}", "/v1/scenes/{}/picture", "/v1/books/{}/files/{}", "/v1/concepts/{}/download", "/v1/stories/{}"],
)
def test_no_id_is_a_path_or_a_query(clients: dict[str, httpx.Client], place: str, hostile: str) -> None:
    # The address is sent as it is: no client tidies it up.
    url = httpx.URL(str(clients["mum"].base_url)).copy_with(raw_path=place.replace("{}", hostile).encode())
    answer = clients["mum"].get(url)
    assert_refused(answer, 400, 404, 405, 414, 422)
    assert "root:" not in answer.text and "SQLite" not in answer.text


def test_a_concept_that_is_not_there_gives_no_folder_away(clients: dict[str, httpx.Client], data_dir: Path) -> None:
    mum = clients["mum"]
    answers = (
        mum.get("/v1/concepts/nobody"),
        mum.post("/v1/scenes", json={"prompt": "a @nobody"}),
        mum.post("/v1/stories", json={"idea": "a fox", "cast": ["nobody"]}),
    )
    for answer in answers:
        assert_refused(answer, 404, 422)
        assert "nobody" in answer.text and str(data_dir.parent) not in answer.text


@pytest.mark.parametrize("after", ["' OR 1=1 --", "am9iXzE=", "=" * 199, "../..", "\u202e"])
def test_no_cursor_is_a_query(clients: dict[str, httpx.Client], after: str) -> None:
    assert_refused(clients["mum"].get("/v1/jobs", params={"after": after}), 422)


@pytest.mark.parametrize(
    "concept",
    ["../x=fox:character", "x=<script>:character", "x=fox:<b>", "X=fox:character", "x" * 60 + "=fox:character", "==:"],
)
def test_no_concepts_name_is_a_path_or_a_page(clients: dict[str, httpx.Client], concept: str) -> None:
    answer = clients["mum"].post(
        "/v1/concepts",
        data={"caption": "a fox in the snow", "concept": concept},
        files={"picture": ("../../evil.png", png(32, 32), "image/png")},
    )
    assert_refused(answer, 422)


@pytest.mark.parametrize(
    "upload",
    [png(12_000, 12_000, rows=1), b"<svg xmlns='http://www.w3.org/2000/svg'><script>alert(1)</script></svg>", b""],
    ids=["bomb", "svg", "empty"],
)
def test_no_upload_is_a_bomb_or_a_page(clients: dict[str, httpx.Client], upload: bytes) -> None:
    answer = clients["mum"].post(
        "/v1/concepts",
        data={"caption": "a fox in the snow", "concept": "bomb=fox:character"},
        files={"picture": ("x.png", upload, "image/png")},
    )
    assert_refused(answer, 422)


def test_what_is_too_large_is_refused(clients: dict[str, httpx.Client]) -> None:
    mum = clients["mum"]
    assert_refused(mum.post("/v1/stories", json={"idea": "x" * 1_100_000}), 413)
    assert_refused(mum.post("/v1/concepts", files={"picture": ("x.png", b"x" * 17_000_000)}), 413)
    assert_refused(mum.get("/v1/jobs", params={"after": "x" * 5000}), 414)
    assert_refused(mum.get("/v1/jobs", headers={f"x-{number}": "1" for number in range(80)}), 431)
    assert_refused(mum.post("/v1/stories", json={"idea": "a fox", "pages": 10**9}), 422)


@pytest.mark.parametrize(
    "body",
    [
        b"[" * 500_000,
        b'{"prompt": "\\u0000"}',
        b'{"prompt": "\\ud800"}',
        b'{"prompt": NaN}',
        b"\xff",
        b"{}{}",
        b"null",
    ],
    ids=["deep", "nul", "half-a-pair", "nan", "no-utf-8", "two", "null"],
)
def test_no_body_brings_the_service_down(clients: dict[str, httpx.Client], body: bytes) -> None:
    answer = clients["mum"].post("/v1/scenes", content=body, headers={"Content-Type": "application/json"})
    assert_refused(answer, 400, 422)


@pytest.mark.parametrize(
    "headers",
    [
        {"Origin": "https://evil.example"},
        {"Origin": "null"},
        {"Sec-Fetch-Site": "cross-site"},
        {"Sec-Fetch-Site": "same-site"},
    ],
)
def test_another_sites_page_changes_nothing(clients: dict[str, httpx.Client], headers: dict[str, str]) -> None:
    assert_refused(clients["mum"].post("/v1/scenes", json={"prompt": "a fox"}, headers=headers), 403)


@pytest.mark.parametrize(
    "url", ["http://169.254.169.254/latest", "https://127.0.0.1:8000", "file:///etc/passwd", "https://u:p@example.org"]
)
def test_no_webhook_leads_inside(clients: dict[str, httpx.Client], url: str) -> None:
    assert_refused(clients["mum"].post("/v1/webhooks", json={"url": url}), 422)


def test_words_of_a_request_are_not_in_the_log(server: RunningServer, job: dict[str, Any]) -> None:
    log = server.log()
    assert job["id"] and "PRIVATEWOOD" not in log
    assert any(line["event"] == "request" and line["route"] == "/v1/scenes" for line in lines_of(server))


def test_a_picture_is_the_same_bit_for_bit_after_another_users(clients: dict[str, httpx.Client]) -> None:
    # mum's, dad's and then mum's wish again, by an aunt, as her own would be taken over instead of drawn.
    wishes = {
        "mum": "a @rusty waving in the snow",
        "dad": "a @clover in the forest",
        "aunt": "a @rusty waving in the snow",
    }
    hashes = {}
    for owner, prompt in wishes.items():
        answer = clients[owner].post("/v1/scenes", json={"prompt": prompt, "seed": 5}, headers={"Prefer": "wait=600"})
        assert answer.json()["status"] == "succeeded", answer.text
        hashes[owner] = clients[owner].get(answer.json()["links"]["scene"]).json()["sha256"]
        picture = clients[owner].get(f"{answer.json()['links']['scene']}/picture")
        assert "public" not in picture.headers["cache-control"] and "private" in picture.headers["cache-control"]
    assert hashes["mum"] == hashes["aunt"] != hashes["dad"]
