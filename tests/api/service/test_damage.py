"""A bank with a damaged concept over a real connection, with nobody to work: the others are there, it is named."""

from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from api.service.app import create_app
from api.service.settings import ServiceSettings
from api.settings import SAMPLE_BANK_DIR, Settings
from concepts.bank import seed_bank
from tests.api.service.serving import serving


@pytest.fixture
def client(tmp_path: Path) -> Iterator[httpx.Client]:
    """Of a service whose Rusty has lost his preview."""
    seed_bank(tmp_path / "bank", SAMPLE_BANK_DIR)
    (tmp_path / "bank" / "rusty" / "preview.png").unlink()
    base = Settings(bank_dir=tmp_path / "bank")
    settings = ServiceSettings(data_dir=tmp_path / "data", drawing_workers=0, text_workers=0, base=base)
    with serving(create_app(settings)) as port, httpx.Client(base_url=f"http://127.0.0.1:{port}") as client:
        yield client


def test_the_others_are_listed_and_the_damaged_one_is_named_until_it_is_deleted(client: httpx.Client) -> None:
    found = client.get("/v1/concepts").json()
    listed = [concept["id"] for concept in found["data"]]
    assert "luna" in listed and "rusty" not in listed and found["damaged"] == ["rusty"]
    page = client.get("/bank").text
    assert 'href="/bank/luna"' in page and 'href="/bank/rusty"' not in page
    assert "rusty cannot be used" in page and 'action="/bank/rusty/delete"' in page
    assert 'value="luna"' in client.get("/books/new").text
    assert client.post("/bank/rusty/delete").status_code == 303
    assert client.get("/v1/concepts").json()["damaged"] == [] and "cannot be used" not in client.get("/bank").text


def test_what_cannot_be_deleted_from_afar_has_no_button_for_it(client: httpx.Client, tmp_path: Path) -> None:
    (tmp_path / "bank" / "rusty").rename(tmp_path / "bank" / "My Fox")
    page = client.get("/bank").text
    assert "My Fox cannot be used" in page and "taken out by hand" in page and "My%20Fox/delete" not in page


def test_neither_programs_nor_people_are_told_where_the_service_keeps_things(
    client: httpx.Client, tmp_path: Path
) -> None:
    for answer in (client.get("/v1/concepts/rusty/preview"), client.get("/bank/rusty")):
        assert answer.status_code == 500 and "Its log says where." in answer.text
        assert str(tmp_path) not in answer.text and "preview.png" not in answer.text
