"""Languages in the form for a book: those that whoever writes the stories knows."""

import re
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import httpx
import pytest

from api.service.app import create_app
from api.service.services import Services
from api.service.settings import LOCAL_OWNER, ServiceSettings
from api.settings import SAMPLE_BANK_DIR, Settings
from concepts.bank import seed_bank
from tests.api.service.serving import serving


@dataclass(frozen=True, kw_only=True)
class Studio:
    """A service and a browser without script."""

    services: Services
    client: httpx.Client


MakeStudio = Callable[[str | None], Studio]


@pytest.fixture
def make_studio(tmp_path: Path) -> Iterator[MakeStudio]:
    """Of a service with that language model, or with the built-in storyteller, and with nobody to work."""
    seed_bank(tmp_path / "bank", SAMPLE_BANK_DIR)
    with ExitStack() as opened:

        def make(llm: str | None) -> Studio:
            base = Settings(bank_dir=tmp_path / "bank", llm=llm, base_url="http://127.0.0.1:9/v1")
            settings = ServiceSettings(data_dir=tmp_path / "data", drawing_workers=0, text_workers=0, base=base)
            app = create_app(settings)
            port = opened.enter_context(serving(app))
            client = opened.enter_context(httpx.Client(base_url=f"http://127.0.0.1:{port}", timeout=60))
            return Studio(services=app.state.services, client=client)

        yield make


def wish_of(studio: Studio, **form: str) -> str:
    """What a story that is asked for by the form is refused for, or the languages it is to be in."""
    answer = studio.client.post("/books", data={"idea": "a fox", "pages": "4", "formats": "html", **form})
    if answer.status_code != 303:
        return answer.text
    (job, *_) = studio.services.jobs.list(LOCAL_OWNER, limit=1)
    wish = job.request["write"]["wish"]
    return f"{wish['language']} {wish['second_language']}"


def test_a_language_model_writes_in_one_language_or_two_of_many(make_studio: MakeStudio) -> None:
    studio = make_studio("openai:x")
    form = studio.client.get("/books/new").text
    language, second = re.findall(r'<select id="(?:second-)?language".*?</select>', form)
    assert 'value="en" selected>English' in language and 'value="ko">Korean' in language
    assert '<option value="">No second language' in second and 'value="ar">Arabic' in second
    assert wish_of(studio, language="de", second_language="ar") == "de ar"
    assert wish_of(studio, language="ko", second_language="") == "ko None"
    assert "No book can be made of that: language" in wish_of(studio, language="no language")
    assert "second language" in wish_of(studio, language="de", second_language="de")


def test_the_built_in_storyteller_offers_no_choice(make_studio: MakeStudio) -> None:
    studio = make_studio(None)
    assert 'name="language"' not in studio.client.get("/books/new").text
    assert wish_of(studio) == "en None"
    assert "knows English only" in wish_of(studio, language="de")
