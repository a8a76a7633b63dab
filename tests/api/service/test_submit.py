"""What is taken on: what cannot be made is refused before it is a job, on a real database and without any worker."""

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import func, select

from api.errors import UsageError
from api.service.database import Database
from api.service.errors import InvalidInput
from api.service.payloads import LearnPayload
from api.service.problems import Problem
from api.service.schema import BookRequest, StoryRequestBody
from api.service.services import Services
from api.service.settings import ServiceSettings
from api.service.submit import retry, submit_book, submit_concepts, submit_story
from api.service.tables import jobs
from api.settings import Settings
from concepts.errors import AmbiguousMention, ConceptExists, ConceptNotMentioned, FableverseError, InvalidConcept
from generator.recipe import ConceptRequest
from story.errors import BookError
from tests.api.builders import plain_bank
from tests.api.service.idle import idle_services

pytest_plugins = ["tests.api.service.databases"]

OWNER = "local"


@pytest.fixture
def services(either_database: Database, tmp_path: Path) -> Services:
    """Services that take work on and never do it; the bank has the fox "rusty"."""
    settings = ServiceSettings(data_dir=tmp_path, base=Settings(bank_dir=plain_bank(tmp_path).folder), most_open_jobs=2)
    return idle_services(settings, either_database)


def num_jobs(services: Services) -> int:
    with services.database.read() as connection:
        return connection.execute(select(func.count()).select_from(jobs)).scalar_one()


def learning(*concepts: str, caption: str = "a cat and a dog", **more: Any) -> LearnPayload:
    """Asks for concepts, written id=word."""
    wanted = [ConceptRequest.model_validate(dict(zip(("id", "word"), text.split("="), strict=True), kind="character"))
              for text in concepts]  # fmt: skip
    return LearnPayload(picture="0" * 64, caption=caption, concepts=tuple(wanted), **more)


@pytest.mark.parametrize(
    ("request_", "error", "message"),
    [
        ({"design": {"layout": "nope"}}, BookError, "no layout 'nope'"),
        ({"design": {"theme": "nope"}}, BookError, "no theme 'nope'"),
        ({"strengths": {"nobody": 2.0}}, InvalidInput, "nobody"),
        ({"cast": ["nobody"]}, InvalidInput, "nobody"),
        ({"cast": ["rusty", "rusty"]}, InvalidInput, "twice"),
        ({"language": "en", "second_language": "en"}, InvalidInput, "both 'en'"),
        ({"language": "de"}, UsageError, "English only, not German"),
        ({"second_language": "ko"}, UsageError, "English only, not Korean"),
    ],
)
def test_a_book_that_cannot_be_made_is_refused(
    services: Services, request_: dict[str, Any], error: type[FableverseError], message: str
) -> None:
    with pytest.raises(error, match=message):
        submit_book(services, OWNER, BookRequest.model_validate({"idea": "a SECRET", **request_}))
    assert num_jobs(services) == 0


def test_a_story_in_one_language_twice_is_refused_without_its_idea_being_repeated(services: Services) -> None:
    wish = StoryRequestBody(idea="a SECRET", language="de", second_language="de")
    with pytest.raises(InvalidInput, match="both 'de'") as refusal:
        submit_story(services, OWNER, wish)
    assert "SECRET" not in str(refusal.value) and num_jobs(services) == 0


@pytest.mark.parametrize(
    ("payload", "error"),
    [
        (learning("tom=bird"), ConceptNotMentioned),
        (learning("tom=cat", caption="a cat and a cat"), AmbiguousMention),
        (learning("tom=cat", "tom=dog"), InvalidConcept),
    ],
    ids=["not in the caption", "there twice", "equal ids"],
)
def test_concepts_that_cannot_be_learnt_are_refused(
    services: Services, payload: LearnPayload, error: type[FableverseError]
) -> None:
    with pytest.raises(error):
        submit_concepts(services, OWNER, payload)
    assert num_jobs(services) == 0


def test_a_concept_is_learnt_by_one_job_at_a_time(services: Services) -> None:
    first = submit_concepts(services, OWNER, learning("tom=cat", "max=dog"))
    for again in (learning("max=cat"), learning("tom=cat", replace=True)):
        with pytest.raises(ConceptExists, match=first.id):
            submit_concepts(services, OWNER, again)
    submit_concepts(services, "dad", learning("tom=cat"))
    services.jobs.cancel(OWNER, first.id)
    second = submit_concepts(services, OWNER, learning("tom=cat"))
    with pytest.raises(ConceptExists, match=second.id):
        retry(services, OWNER, first.id)
    assert services.jobs.get(OWNER, first.id).state == "canceled"
    services.jobs.cancel(OWNER, second.id)
    assert retry(services, OWNER, first.id).attempt == 2


def test_of_requests_at_once_for_one_concept_one_is_taken_on(services: Services) -> None:
    def submit(_: int) -> bool:
        try:
            submit_concepts(services, OWNER, learning("tom=cat"))
        except ConceptExists:
            return False
        return True

    with ThreadPoolExecutor(8) as pool:
        assert sum(pool.map(submit, range(8))) == 1


def test_who_has_enough_begins_nothing_again(services: Services) -> None:
    wish = StoryRequestBody(idea="a fox")
    first = submit_story(services, "dad", wish)
    services.jobs.cancel("dad", first.id)
    for _ in range(2):
        submit_story(services, "dad", wish)
    with pytest.raises(Problem, match="2 jobs waiting"):
        retry(services, "dad", first.id)
    assert services.jobs.get("dad", first.id).state == "canceled"


def test_what_can_be_made_is_promised(services: Services) -> None:
    submit_book(services, OWNER, BookRequest(idea="a fox", cast=("rusty",), strengths={"rusty": 0.5}))
    submit_concepts(services, OWNER, learning("tom=cat", "max=dog"))
    assert num_jobs(services) == 2
