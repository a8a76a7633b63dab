"""OpenAI's client is told by whatever refuses it, also by what stands before the route."""

from collections.abc import Iterator
from pathlib import Path

import httpx
import openai
import pytest

from api.service.app import create_app
from api.service.rates import STRANGER_RATE
from api.service.settings import ServiceSettings
from api.settings import Settings
from tests.api.service.serving import serving


@pytest.fixture
def url(tmp_path: Path) -> Iterator[str]:
    """Of a service that asks for keys."""
    base = Settings(bank_dir=tmp_path / "bank")
    settings = ServiceSettings(data_dir=tmp_path / "data", drawing_workers=0, text_workers=0, base=base, ask_keys=True)
    with serving(create_app(settings)) as port:
        yield f"http://127.0.0.1:{port}/v1"


def test_who_has_no_key_and_who_asks_too_often_are_told_in_openais_form(url: str) -> None:
    client = openai.OpenAI(base_url=url, api_key="none", max_retries=0)
    with pytest.raises(openai.AuthenticationError) as refusal:
        client.images.generate(prompt="a fox")
    assert (refusal.value.type, refusal.value.param) == ("invalid_request_error", None)
    for _ in range(STRANGER_RATE.burst * 3):
        answer = httpx.post(f"{url}/images/generations", json={"prompt": "a fox"})
        if answer.status_code == 429:
            break
    problem = answer.json()
    assert problem["error"] == {
        "message": problem["detail"], "type": "invalid_request_error", "param": None, "code": "too-many",
    }  # fmt: skip
    assert answer.headers["content-type"] == "application/problem+json" and answer.headers["retry-after"]
    assert int(answer.headers["content-length"]) == len(answer.content)


def test_others_are_told_in_the_services_own_form(url: str) -> None:
    answer = httpx.get(f"{url}/jobs")
    assert answer.status_code == 401 and "error" not in answer.json()
