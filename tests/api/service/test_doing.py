"""What pages of the studio show of jobs: all that are under way, and what stopped until it is done or dismissed."""

import re
import time
from concurrent.futures import ThreadPoolExecutor

import pytest
from sqlalchemy import update
from starlette.requests import Request

from api.service.deletion import dismiss_job
from api.service.errors import NotFound, WrongState
from api.service.jobs import Job
from api.service.keys import Principal
from api.service.payloads import LearnPayload
from api.service.services import Services
from api.service.studio import bank, book
from api.service.studio.book_view import BookView, view_book
from api.service.submit import submit_concepts
from api.service.submit_pages import submit_binding, submit_pages
from api.service.sweep import RETRY_S
from api.service.tables import jobs
from generator.recipe import ConceptRequest
from tests.api.service.desk import OWNER, Desk
from tests.api.service.idle import idle_services

MUM = Principal(owner=OWNER, scopes=frozenset({"write"}))
MANY = 11
FAULT = {"type": "OutputError", "message": "The disk is full."}
PARTIAL = Request({"type": "http", "headers": [(b"hx-request", b"true")]})


@pytest.fixture
def services(desk: Desk) -> Services:
    """Of a book that is made."""
    services = idle_services(desk.settings, desk.database)
    services.jobs.succeed(desk.book().job_id, {}, also=lambda _: None)
    return services


def draw(services: Services, desk: Desk, *pages: str) -> Job:
    return submit_pages(services, OWNER, desk.book_id, pages, candidates=1)


def learn(services: Services, *concept_ids: str) -> Job:
    words = ("fox", "bear")[: len(concept_ids)]
    wanted = tuple(
        ConceptRequest(id=each, word=word, kind="character") for each, word in zip(concept_ids, words, strict=True)
    )
    payload = LearnPayload(picture="0" * 64, caption=" and ".join(f"a {word}" for word in words), concepts=wanted)
    return submit_concepts(services, OWNER, payload)


def learn_in_vain(services: Services, *concept_ids: str) -> Job:
    job = learn(services, *concept_ids)
    services.jobs.fail(job.id, FAULT)
    return job


def view(services: Services, desk: Desk) -> BookView:
    return view_book(services, OWNER, desk.book_id)


def stopped(services: Services, desk: Desk) -> list[str]:
    return [job.id for job in view(services, desk).stopped_jobs]


def book_page(services: Services, desk: Desk) -> str:
    return bytes(book.book_page(desk.book_id, services, MUM).body).decode()


def bank_page(services: Services) -> str:
    return bytes(bank.bank_page(services, MUM).body).decode()


def end_long_ago(desk: Desk, job: Job) -> None:
    with desk.database.write() as connection:
        ended = {"finished_at": time.time() - RETRY_S - 1}
        connection.execute(update(jobs).where(jobs.c.id == job.id).values(ended))


def test_all_jobs_of_a_book_are_shown_the_first_to_be_done_first(desk: Desk, services: Services) -> None:
    ids = [draw(services, desk, "p1").id for _ in range(MANY)]
    page = book_page(services, desk)
    assert [job.id for job in view(services, desk).open_jobs] == ids
    assert re.findall(r'id="cancel-(\w+)"', page) == ids
    assert re.findall(r'data-follow="job=(\w+)"', page) == ids[::-1], "the latest have to wait where there is no room"


def test_a_drawing_that_stopped_is_shown_until_its_pages_are_drawn_again(desk: Desk, services: Services) -> None:
    job = draw(services, desk, "p1", "p2")
    services.jobs.fail(job.id, FAULT)
    assert view(services, desk).has_stopped
    for other in (
        draw(services, desk, "p1"),
        draw(services, desk, "p3"),
        submit_binding(services, OWNER, desk.book_id, None),
    ):
        services.jobs.succeed(other.id, {}, also=lambda _: None)
    assert stopped(services, desk) == [job.id] and not view(services, desk).has_stopped
    page = book_page(services, desk)
    assert "Drawing page 1, page 2 again: stopped by a fault." in " ".join(page.split()) and FAULT["message"] in page
    draw(services, desk, "p2", "p1", "cover")
    assert stopped(services, desk) == []


def test_a_binding_that_stopped_is_shown_until_the_book_is_bound(desk: Desk, services: Services) -> None:
    first, last = (submit_binding(services, OWNER, desk.book_id, None) for _ in range(2))
    services.jobs.cancel(OWNER, first.id)
    services.jobs.fail(last.id, FAULT)
    drawn = draw(services, desk, "p1")
    services.jobs.succeed(drawn.id, {}, also=lambda _: None)
    assert stopped(services, desk) == [last.id]
    submit_binding(services, OWNER, desk.book_id, None)
    assert stopped(services, desk) == []


def test_a_books_own_job_that_stopped_is_shown_until_the_book_is_bound(desk: Desk) -> None:
    services = idle_services(desk.settings, desk.database)
    job_id = desk.book().job_id
    services.jobs.cancel(OWNER, job_id)
    services.jobs.succeed(draw(services, desk, "p1").id, {}, also=lambda _: None)
    page = book_page(services, desk)
    assert f'id="retry-{job_id}"' in page and f'id="dismiss-{job_id}"' not in page
    with pytest.raises(WrongState, match="makes a book"):
        dismiss_job(desk.database, OWNER, job_id)
    submit_binding(services, OWNER, desk.book_id, None)
    assert stopped(services, desk) == []


def test_a_job_that_stopped_is_dismissed(desk: Desk, services: Services) -> None:
    job, going = draw(services, desk, "p1"), draw(services, desk, "p2")
    services.jobs.fail(job.id, FAULT)
    before = view(services, desk).token
    with pytest.raises(WrongState, match="is queued"):
        dismiss_job(desk.database, OWNER, going.id)
    with pytest.raises(NotFound):
        dismiss_job(desk.database, "dad", job.id)
    answer = bytes(book.dismiss(PARTIAL, desk.book_id, job.id, services, MUM).body).decode()
    assert job.id not in answer and going.id in answer
    assert services.jobs.read(job.id) is None and view(services, desk).token != before


def test_what_a_dismissed_job_was_to_replace_does_not_come_back(desk: Desk, services: Services) -> None:
    earlier, other, later = draw(services, desk, "p1"), draw(services, desk, "p2"), draw(services, desk, "p1", "p3")
    for job in (earlier, other, later):
        services.jobs.fail(job.id, FAULT)
    assert stopped(services, desk) == [later.id, other.id]
    book.dismiss(PARTIAL, desk.book_id, later.id, services, MUM)
    assert stopped(services, desk) == [other.id]
    first, second, third = (learn_in_vain(services, *names) for names in (("tom",), ("tom", "kim"), ("kim",)))
    bank.dismiss(PARTIAL, third.id, services, MUM)
    page = bank_page(services)
    assert second.id not in page and first.id not in page


def test_requests_at_one_instant_are_given_different_pictures(desk: Desk, services: Services) -> None:
    with ThreadPoolExecutor(4) as pool:
        drawing = list(pool.map(lambda _: draw(services, desk, "p1"), range(12)))
    seeds = [each["picture"]["seed"] for job in drawing for each in job.request["pages"]["draw"]]
    assert len(set(seeds)) == len(seeds) == 12


def test_what_stopped_long_ago_is_not_shown(desk: Desk, services: Services) -> None:
    drawing, learning = draw(services, desk, "p1"), learn(services, "tom")
    for job in (drawing, learning):
        services.jobs.fail(job.id, FAULT)
        end_long_ago(desk, job)
    assert stopped(services, desk) == [] and learning.id not in bank_page(services)


def test_all_that_is_being_learnt_is_shown_and_what_was_not_learnt_too(services: Services) -> None:
    learning = [learn(services, f"fox-{number}") for number in range(MANY)]
    page = bank_page(services)
    assert re.findall(r'id="concept-(\w+)"', page) == [job.id for job in learning[::-1]]
    services.jobs.fail(learning[0].id, FAULT)
    services.jobs.cancel(OWNER, learning[1].id)
    page = bank_page(services)
    assert re.findall(r'id="retry-(\w+)"', page) == [learning[1].id, learning[0].id]
    assert FAULT["message"] in page and "It was called off." in page
    learn(services, "fox-1")
    assert re.findall(r'id="retry-(\w+)"', bank_page(services)) == [learning[0].id]


def test_learning_that_stopped_goes_on_or_is_dismissed(services: Services) -> None:
    job = learn(services, "tom")
    services.jobs.fail(job.id, FAULT)
    answer = bytes(bank.try_again(PARTIAL, job.id, services, MUM).body).decode()
    assert f'data-follow="job={job.id}"' in answer and services.jobs.get(OWNER, job.id).attempt == 2
    services.jobs.cancel(OWNER, job.id)
    assert bank.dismiss(PARTIAL, job.id, services, MUM).status_code == 200
    assert job.id not in bank_page(services) and services.jobs.read(job.id) is None
