"""What is not for children is no job: the whole service with nobody to do its jobs, and a real moderation endpoint."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import openai
import pytest

from api.service.app import create_app
from api.service.payloads import LearnPayload
from api.service.schema import SceneRequest
from api.service.settings import ServiceSettings
from api.service.submit import submit_concepts, submit_scene
from api.settings import Settings
from concepts.bank import ConceptBank
from generator.recipe import ConceptRequest
from story.errors import ModerationUnavailable, UnsafeRequest
from tests.api.builders import noise_picture, plain_bank
from tests.api.service.idle import idle_services
from tests.api.service.serving import serving
from tests.api.service.test_submit import OWNER, num_jobs
from tests.concepts.builders import a_concept, add_concept
from tests.story.test_safety import moderation

pytest_plugins = ["tests.api.service.databases"]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A bank with the fox "rusty" and a "gory" one, and a picture."""
    folder = tmp_path_factory.mktemp("service")
    gory = a_concept().model_copy(update={"id": "gory", "caption": "a fox in a bloodbath"})
    add_concept(ConceptBank(plain_bank(folder).folder), gory, folder / "workshop-of-gory")
    noise_picture(folder / "fox.png")
    return folder


@pytest.fixture(scope="module")
def client(folder: Path) -> Iterator[httpx.Client]:
    base = Settings(bank_dir=folder / "bank")
    settings = ServiceSettings(data_dir=folder / "data", drawing_workers=0, text_workers=0, base=base)
    with (
        serving(create_app(settings)) as port,
        httpx.Client(base_url=f"http://127.0.0.1:{port}", timeout=20) as client,
    ):
        yield client


def num_taken_on(client: httpx.Client) -> int:
    return len(client.get("/v1/jobs").json()["data"])


@pytest.mark.parametrize(
    ("wish", "told"),
    [
        ({"prompt": "a @rusty who murders"}, "The prompt"),
        ({"prompt": "a @rusty", "slides": ["rusty: m u r d e r - peace = 1"]}, "Slide 1"),
        ({"prompt": "a @gory"}, "The concept 'gory'"),
    ],
)
def test_a_picture_that_is_not_for_children_is_refused(client: httpx.Client, wish: dict[str, Any], told: str) -> None:
    answer = client.post("/v1/scenes", json=wish)
    assert answer.status_code == 422 and answer.json()["type"].endswith(":unsafe-request")
    assert answer.json()["detail"].startswith(f"{told} is not for children (violence)")
    assert num_taken_on(client) == 0


def test_openais_client_is_told_so_in_its_own_form(client: httpx.Client) -> None:
    asked = openai.OpenAI(base_url=f"{client.base_url}/v1", api_key="unused", max_retries=0)
    with pytest.raises(openai.UnprocessableEntityError, match="not for children") as refusal:
        asked.images.generate(prompt="a bloodbath", n=2)
    assert (refusal.value.code, refusal.value.type) == ("unsafe-request", "invalid_request_error")
    assert num_taken_on(client) == 0


def test_the_studio_tries_nothing_out_that_is_not_for_children(client: httpx.Client) -> None:
    answer = client.post("/bank/rusty/try", data={"prompt": "a @rusty who murders"}, headers={"HX-Request": "true"})
    assert answer.status_code == 422 and "not for children" in answer.text
    assert num_taken_on(client) == 0


@pytest.mark.parametrize(
    ("caption", "concept", "told"),
    [
        ("a fox in a bloodbath", "rufus=fox:character", "The caption"),
        ("a fox", "cocaine=fox:character", "The concept 'cocaine'"),
    ],
)
def test_concepts_that_are_not_for_children_are_not_learnt(
    client: httpx.Client, folder: Path, caption: str, concept: str, told: str
) -> None:
    files = {"picture": (folder / "fox.png").read_bytes()}
    answer = client.post("/v1/concepts", data={"caption": caption, "concept": concept}, files=files)
    assert answer.status_code == 422 and answer.json()["type"].endswith(":unsafe-request")
    assert answer.json()["detail"].startswith(f"{told} is not for children")
    assert num_taken_on(client) == 0


def test_moderation_is_asked_as_it_is_configured(either_database: Any, folder: Path, tmp_path: Path) -> None:
    scene = SceneRequest(prompt="an odd fox")
    wanted = (ConceptRequest(id="odd", word="fox", kind="character"),)
    learning = LearnPayload(picture="0" * 64, caption="an odd fox", concepts=wanted)
    with moderation(200, ["harassment"]) as address:
        base = Settings(bank_dir=folder / "bank", llm="openai:tiny", base_url=address, moderation="on")
        services = idle_services(ServiceSettings(data_dir=tmp_path, base=base), either_database)
        with pytest.raises(UnsafeRequest, match="harassment"):
            submit_scene(services, OWNER, scene)
        with pytest.raises(UnsafeRequest, match="harassment"):
            submit_concepts(services, OWNER, learning)
    with pytest.raises(ModerationUnavailable):
        submit_scene(services, OWNER, SceneRequest(prompt="a fox"))
    assert num_jobs(services) == 0
