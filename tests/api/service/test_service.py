"""A real server with real workers and the shipped model: every resource from asking to the file in hand."""

import base64
import io
import json
import time
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import openai
import psutil
import pytest
from PIL import Image
from standardwebhooks.webhooks import Webhook

from api.settings import SAMPLE_BANK_DIR
from concepts.bank import seed_bank
from tests.api.builders import noise_picture
from tests.api.service.running import RunningServer, running_server
from tests.api.service.test_webhooks import receiving

WAIT = {"Prefer": "wait=120"}


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory, pocket_model_dir: Path) -> Iterator[RunningServer]:
    del pocket_model_dir
    folder = tmp_path_factory.mktemp("service")
    seed_bank(folder / "bank", SAMPLE_BANK_DIR)
    with running_server(folder / "data", bank_dir=folder / "bank", options=["--private-webhooks"]) as running:
        yield running
    assert "Traceback" not in running.log()


@pytest.fixture
def client(server: RunningServer) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=server.url, timeout=150) as client:
        yield client


def events_of(client: httpx.Client, job_id: str, *, after: int = 0) -> list[dict[str, Any]]:
    """Every event of a job up to its end, as an SSE client sees them."""
    found: list[dict[str, Any]] = []
    with client.stream("GET", f"/v1/jobs/{job_id}/events", headers={"Last-Event-ID": str(after)}) as answer:
        if answer.status_code == 204:
            return []
        assert answer.headers["content-type"].startswith("text/event-stream")
        event: dict[str, Any] = {}
        for line in answer.iter_lines():
            name, _, value = line.partition(": ")
            if name == "id":
                event["id"] = int(value)
            elif name == "event":
                event["type"] = value
            elif name == "data":
                event["data"] = json.loads(value)
            elif not line and event:
                found.append(event)
                event = {}
    return found


def test_a_scene_is_a_job_first_and_a_picture_then(client: httpx.Client) -> None:
    answer = client.post("/v1/scenes", json={"prompt": "a @rusty waving in the snow", "seed": 3})
    job = answer.json()
    assert answer.status_code == 202
    assert answer.headers["location"] == f"/v1/jobs/{job['id']}"
    assert job["status"] == "queued" and job["object"] == "job"
    events = events_of(client, job["id"])
    assert [event["id"] for event in events] == list(range(1, len(events) + 1))
    types = [event["type"] for event in events]
    assert types[:2] == ["queued", "stage"] and types[-2:] == ["picture", "succeeded"]
    steps = [event["data"]["step"] for event in events if event["type"] == "step"]
    assert steps == list(range(len(steps)))
    scene = client.get(f"/v1/scenes/{events[-1]['data']['scene']}").json()
    picture = client.get(scene["links"]["picture"])
    assert picture.headers["content-type"] == "image/png"
    assert Image.open(io.BytesIO(picture.content)).size == (scene["width"], scene["height"])
    known = client.get(scene["links"]["picture"], headers={"If-None-Match": picture.headers["etag"]})
    assert (known.status_code, known.content, known.headers["etag"]) == (304, b"", picture.headers["etag"])
    assert events_of(client, job["id"], after=len(events) - 2) == events[-2:]
    assert events_of(client, job["id"], after=len(events)) == []


def test_a_caller_may_wait_for_a_scene_and_gets_the_same_picture_for_the_same_request(client: httpx.Client) -> None:
    request = {"prompt": "a @clover in the forest", "seed": 5, "num_inference_steps": 2, "concept_guidance_scale": 1}
    hashes = []
    for change in ({}, {}, {"concept_guidance_scale": 3}):
        answer = client.post("/v1/scenes", json={**request, **change}, headers=WAIT)
        assert answer.status_code == 200 and answer.headers["preference-applied"] == "wait=120"
        job = answer.json()
        assert job["status"] == "succeeded"
        hashes.append(client.get(job["links"]["scene"]).json()["sha256"])
    assert hashes[0] == hashes[1] != hashes[2]


@pytest.mark.parametrize(
    ("request_", "message"),
    [
        ({"prompt": "a @nobody"}, "nobody"),
        ({"prompt": "a fox", "strengths": {"rusty": 2}}, "rusty"),
        ({"prompt": "a @rusty", "slides": ["nonsense"]}, "nonsense"),
        ({"prompt": "a @rusty", "width": 100}, "width"),
    ],
)
def test_a_scene_that_cannot_be_drawn_is_refused_before_it_is_a_job(
    client: httpx.Client, request_: dict[str, Any], message: str
) -> None:
    answer = client.post("/v1/scenes", json=request_)
    assert answer.status_code == 422
    assert answer.headers["content-type"] == "application/problem+json"
    assert message in answer.json()["detail"]


def test_a_webhook_is_told_that_a_scene_is_drawn(client: httpx.Client) -> None:
    with receiving() as receiver:
        hook = client.post("/v1/webhooks", json={"url": receiver.url, "events": ["job.succeeded"]}).json()
        job = client.post("/v1/scenes", json={"prompt": "a @rusty waving", "seed": 3}, headers=WAIT).json()
        deadline = time.monotonic() + 60
        while not receiver.got:
            assert time.monotonic() < deadline
            time.sleep(0.05)
        ((headers, body),) = receiver.got
        client.delete(f"/v1/webhooks/{hook['id']}")
    told = Webhook(hook["secret"]).verify(body, headers)
    assert told["type"] == "job.succeeded"
    assert told["data"] == {"job": job["id"], "kind": "scene", "status": "succeeded", "scene": job["result"]["scene"]}


def test_a_book_comes_out_in_every_edition_asked_for(client: httpx.Client) -> None:
    wish = {"idea": "a fox who cannot sleep", "cast": ["rusty"], "pages": 4, "formats": ["html", "epub-reflow"]}
    job = client.post("/v1/books", json=wish, headers=WAIT).json()
    assert job["status"] == "succeeded", job
    events = events_of(client, job["id"])
    stages = [event["data"]["stage"] for event in events if event["type"] == "stage"]
    assert stages == ["writing", "drawing", "binding"]
    assert [event["data"]["picture"] for event in events if event["type"] == "picture"] == [0, 1, 2, 3, 4]
    book = client.get(job["links"]["book"]).json()
    assert {"html", "epub-reflow", "cover", "page-4", "story", "lock"} <= book["files"].keys()
    html = client.get(book["files"]["html"]["href"])
    assert book["title"] in html.text
    assert html.headers["x-content-type-options"] == "nosniff" and "sandbox" in html.headers["content-security-policy"]
    epub = client.get(book["files"]["epub-reflow"]["href"])
    assert zipfile.ZipFile(io.BytesIO(epub.content)).read("mimetype") == b"application/epub+zip"
    assert [each["id"] for each in client.get("/v1/books").json()["data"]] == [book["id"]]
    missing = client.get(f"/v1/books/{book['id']}/files/../../secret")
    assert missing.status_code == 404


def test_an_edited_story_is_drawn_again_only_where_it_changed(client: httpx.Client) -> None:
    story_job = client.post("/v1/stories", json={"idea": "a rabbit by the sea", "pages": 4}, headers=WAIT).json()
    place = story_job["links"]["story"]
    story = client.get(place)
    assert story.headers["etag"] == '"1"' and len(story.json()["story"]["pages"]) == 4
    first = client.post("/v1/books", json={"story": story.json()["id"]}, headers=WAIT).json()
    edit = {"title": "By the sea", "pages": [{"page": 2, "prompt": "a @x", "text": "Other words."}]}
    assert client.patch(place, json=edit).status_code == 428
    for foreign in ({"second_title": "Am Meer"}, {"pages": [{"page": 2, "second_text": "Andere Worte."}]}):
        refused = client.patch(place, json=foreign, headers={"If-Match": '"1"'})
        assert refused.status_code == 422 and "in one language" in refused.json()["detail"]
    edit["pages"][0]["prompt"] = "a rabbit waving in the snow in daylight"
    edited = client.patch(place, json=edit, headers={"If-Match": '"1"'})
    assert edited.status_code == 200, edited.text
    assert edited.headers["etag"] == '"2"' and edited.json()["story"]["title"] == "By the sea"
    assert client.patch(place, json=edit, headers={"If-Match": '"1"'}).status_code == 412
    assert client.patch(place, json=edit, headers={"If-Match": "*"}).headers["etag"] == '"3"'
    second = client.post("/v1/books", json={"story": story.json()["id"]}, headers=WAIT).json()
    assert second["status"] == "succeeded", second
    drawn = {event["data"]["picture"] for event in events_of(client, second["id"]) if event["type"] == "step"}
    assert drawn == {2}
    files = [client.get(job["links"]["book"]).json()["files"] for job in (first, second)]
    same = {name for name in files[0] if files[0][name]["sha256"] == files[1][name]["sha256"]}
    assert {"cover", "page-1", "page-3", "page-4"} <= same and "page-2" not in same


@pytest.fixture(scope="module")
def book(server: RunningServer) -> str:
    """A book to edit; its pictures are taken over from the same one that was made before."""
    wish = {"idea": "a fox who cannot sleep", "cast": ["rusty"], "pages": 4}
    job = httpx.post(f"{server.url}/v1/books", json=wish, headers=WAIT, timeout=150).json()
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
    assert client.patch(f"{book}/pages", json={"order": ["p1"]}, headers={"If-Match": "*"}).status_code == 422
    assert client.get("/v1/books/book_nothing/pages").status_code == 404


def test_a_picture_is_seen_while_it_is_drawn(client: httpx.Client) -> None:
    job = client.post("/v1/scenes", json={"prompt": "a @rusty by the sea", "num_inference_steps": 60}).json()
    with client.stream("GET", f"/live?job={job['id']}") as answer:
        shown = next(line for line in answer.iter_lines() if "/previews/0?" in line)
    place = shown.partition('<img src="')[2].partition('"')[0]
    preview = Image.open(io.BytesIO(client.get(place).content))
    assert (preview.format, preview.size) == ("JPEG", (64, 64))
    named = [event["data"]["preview"] for event in events_of(client, job["id"]) if "preview" in event["data"]]
    assert place.rpartition("?")[2] in named and len(set(named)) > 1


def test_a_canceled_job_stops_and_can_be_tried_again(client: httpx.Client) -> None:
    job = client.post("/v1/scenes", json={"prompt": "a @rusty by the sea", "num_inference_steps": 40}).json()
    deadline = time.monotonic() + 60
    while client.get(f"/v1/jobs/{job['id']}").json()["progress"].get("step", 0) < 1:
        assert time.monotonic() < deadline
        time.sleep(0.05)
    canceled = client.post(f"/v1/jobs/{job['id']}/cancel").json()
    assert canceled["status"] == "canceled"
    assert client.post(f"/v1/jobs/{job['id']}/cancel").json()["status"] == "canceled"
    events = events_of(client, job["id"])
    assert events[-1]["type"] == "canceled" and len(events) < 60
    again = client.post(f"/v1/jobs/{job['id']}/retry", headers=WAIT).json()
    assert (again["status"], again["attempt"]) == ("succeeded", 2), again
    assert client.post(f"/v1/jobs/{job['id']}/retry").status_code == 409


def test_a_concept_is_promised_called_off_taken_away_and_deleted(client: httpx.Client, tmp_path: Path) -> None:
    # That one is learnt to its end is in test_studio.py.
    picture = noise_picture(tmp_path / "photo.png", size=(64, 64)).read_bytes()
    form = {"caption": "a fox wearing a scarf", "concept": ["rufus=fox:character"], "steps": "2"}
    promised = client.post("/v1/concepts", data=form, files={"picture": ("../evil.png", picture)})
    assert promised.status_code == 202 and promised.json()["kind"] == "concept"
    assert client.post(f"{promised.headers['location']}/cancel").json()["status"] == "canceled"
    taken = form | {"concept": ["stripes=fox:character"]}
    assert client.post("/v1/concepts", data=taken, files={"picture": ("photo.png", picture)}).status_code == 409
    assert client.post("/v1/concepts", data=form, files={"picture": ("x.png", b"no picture")}).status_code == 422
    assert "stripes" in {concept["id"] for concept in client.get("/v1/concepts").json()["data"]}
    concept = client.get("/v1/concepts/stripes").json()
    for name in ("preview", "source"):
        Image.open(io.BytesIO(client.get(concept["links"][name]).content)).load()
    archive = zipfile.ZipFile(io.BytesIO(client.get(concept["links"]["download"]).content))
    assert "stripes/direction.safetensors" in archive.namelist()
    assert client.delete("/v1/concepts/stripes").status_code == 204
    assert client.get("/v1/concepts/stripes").status_code == 404


def test_what_was_made_can_be_deleted_and_not_before(client: httpx.Client) -> None:
    job = client.post("/v1/scenes", json={"prompt": "a @clover by the sea", "num_inference_steps": 40}).json()
    scene = f"/v1/scenes/{client.get('/v1/scenes').json()['data'][0]['id']}"
    assert client.delete(scene).status_code == 409
    assert client.post(f"/v1/jobs/{job['id']}/cancel").json()["status"] == "canceled"
    assert client.delete(scene).status_code == 204
    assert {client.get(place).status_code for place in (scene, f"/v1/jobs/{job['id']}")} == {404}
    wish = {"idea": "a fox who cannot sleep", "cast": ["rusty"], "pages": 4}  # taken over from one made before
    job = client.post("/v1/books", json=wish, headers=WAIT).json()
    book = client.get(job["links"]["book"]).json()
    story = f"/v1/stories/{job['result']['story']}"
    assert client.delete(story).status_code == 409
    assert client.delete(job["links"]["book"]).status_code == 204
    for place in (job["links"]["book"], book["files"]["cover"]["href"], story, f"/v1/jobs/{job['id']}"):
        assert client.get(place).status_code == 404, place
    assert client.delete(job["links"]["book"]).status_code == 404


def test_the_openai_client_draws_unchanged(server: RunningServer) -> None:
    client = openai.OpenAI(base_url=f"{server.url}/v1", api_key="unused", max_retries=0)
    answer = client.images.generate(prompt="a @rusty reading", n=2, extra_body={"seed": 4})
    assert answer.data is not None
    pictures = [Image.open(io.BytesIO(base64.b64decode(each.b64_json or ""))) for each in answer.data]
    assert len(pictures) == 2 and pictures[0].tobytes() != pictures[1].tobytes()
    url = client.images.generate(model="pocket", prompt="a @rusty reading", response_format="url")
    assert url.data is not None and url.data[0].url is not None
    assert httpx.get(url.data[0].url).headers["content-type"] == "image/png"


@pytest.mark.parametrize(
    ("wish", "kind", "told"),
    [
        ({"prompt": f"a cat beside {'a tree and ' * 60}a @rusty"}, "prompt-too-long", "tokens"),
        ({"prompt": "a @nobody"}, "invalid-input", "nobody"),
        ({"prompt": "a fox PRIVATE", "size": "272x272"}, "invalid-settings", "272"),
        ({"prompt": "a fox PRIVATE", "n": 99}, "invalid-request", "at /body/n"),
    ],
)
def test_the_openai_client_is_told_what_to_correct(
    server: RunningServer, wish: dict[str, Any], kind: str, told: str
) -> None:
    client = openai.OpenAI(base_url=f"{server.url}/v1", api_key="unused", max_retries=0)
    with pytest.raises(openai.UnprocessableEntityError, match=told) as refusal:
        client.images.generate(**wish)
    assert (refusal.value.code, refusal.value.type) == (kind, "invalid_request_error")
    assert refusal.value.param == ("n" if "n" in wish else None)
    assert "PRIVATE" not in server.log() and "a tree and" not in server.log()


def test_lists_go_on_by_cursor(client: httpx.Client) -> None:
    for seed in range(3):
        client.post("/v1/scenes", json={"prompt": "a fox", "seed": seed, "num_inference_steps": 1}, headers=WAIT)
    whole = [job["id"] for job in client.get("/v1/jobs", params={"limit": 100}).json()["data"]]
    assert whole == sorted(whole, reverse=True)
    found: list[str] = []
    cursor: dict[str, str] = {}
    while True:
        part = client.get("/v1/jobs", params={"limit": "2", **cursor}).json()
        found += [job["id"] for job in part["data"]]
        if not part["has_more"]:
            break
        cursor = {"after": part["next"]}
    assert found == whole
    assert client.get("/v1/jobs", params={"after": "%%%"}).status_code == 422


def test_a_worker_that_dies_is_replaced_and_its_scene_taken_over(client: httpx.Client, server: RunningServer) -> None:
    job = client.post("/v1/scenes", json={"prompt": "a @luna", "num_inference_steps": 40, "seed": 9}).json()
    while client.get(f"/v1/jobs/{job['id']}").json()["progress"].get("step", 0) < 1:
        time.sleep(0.05)
    (worker,) = [child for child in psutil.Process(server.process.pid).children() if "draw" in child.cmdline()]
    worker.kill()
    events = events_of(client, job["id"])
    assert [event["type"] for event in events].count("taken_over") == 1
    assert events[-1]["type"] == "succeeded"
    assert [event["id"] for event in events] == list(range(1, len(events) + 1))


def test_the_server_process_stays_small_while_large_pictures_are_uploaded(
    client: httpx.Client, server: RunningServer, tmp_path: Path
) -> None:
    noise = Image.open(noise_picture(tmp_path / "noise.png", size=(1200, 900)))
    noise.resize((4000, 3000)).save(tmp_path / "photo.jpg", quality=60)
    photo = (tmp_path / "photo.jpg").read_bytes()
    assert len(photo) > 3e6, "as telephones take them"

    for _ in range(2):
        assert client.post("/bank/caption", files={"picture": ("photo.jpg", photo)}).status_code == 200
    status = Path(f"/proc/{server.process.pid}/status").read_text()
    (peak,) = (int(line.split()[1]) * 1024 for line in status.splitlines() if line.startswith("VmHWM:"))
    assert peak < 200e6, f"{peak / 1e6:.0f} MB"
