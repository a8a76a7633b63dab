"""Captions are reworded before concepts are learnt, once, where there is a language model, and learning outlives it."""

import asyncio
import io
import logging
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from PIL import Image
from sqlalchemy import select

from api.service.database import Database
from api.service.errors import InvalidInput
from api.service.jobs import Job
from api.service.model_info import tell_model
from api.service.payloads import LearnPayload, Reworded
from api.service.picture_model import LearningOrder, LearningWatch
from api.service.pictures import PictureWork
from api.service.services import Services
from api.service.settings import ServiceSettings
from api.service.studio.rendering import render
from api.service.submit import submit_concepts
from api.service.tables import tasks
from api.service.tasks import ROLE_OF, Task, TaskEnd
from api.service.texts import TextWork
from api.service.workflows import JobWorkflows
from api.settings import Settings
from concepts.bank import ConceptBank
from concepts.errors import FableverseError
from concepts.schema import Concept
from generator.recipe import ConceptRequest
from story.schema import StoryRequest
from tests.api.service.idle import idle_services
from tests.api.service.test_learning import PlainModel
from tests.api.service.test_processes import PlainSteps
from tests.story.brain import PARAPHRASES
from tests.story.builders import BANK
from tests.story.misbehaving_server import MisbehavingServer, misbehaving

OWNER = "local"
LEARN = {"picture": "0" * 64, "caption": "a fox", "concepts": [{"id": "rufus", "word": "fox", "kind": "character"}]}


class WatchedModel(PlainModel):
    """Remembers what it was to learn by, and from where; refuses to learn as often as a test wants."""

    def __init__(self) -> None:
        super().__init__()
        self.learnt_by: list[tuple[tuple[str, ...] | None, str]] = []
        self.refusals = 0

    def learn(
        self, order: LearningOrder, bank: ConceptBank, *, checkpoint_path: Path, watch: LearningWatch
    ) -> tuple[Concept, ...]:
        self.learnt_by.append((order.paraphrases, checkpoint_path.name))
        if self.refusals:
            self.refusals -= 1
            raise InvalidInput("not now")
        return super().learn(order, bank, checkpoint_path=checkpoint_path, watch=watch)


class Hands:
    """Sees to each task that somebody waits for, as a worker of its role does; the text worker may have died of it."""

    def __init__(self, services: Services, model: WatchedModel) -> None:
        self._tasks = services.tasks
        parts = services.settings, services.database, services.store
        self._works = {"text": TextWork(*parts), "draw": PictureWork(*parts, model)}
        self.text_dies = False
        for role in ("text", "draw"):
            self._tasks.enlist(role, role, host="here", pid=1)

    async def wait(self, id_: str) -> TaskEnd:
        if id_ not in self._tasks.ends([id_]):
            task = self._tasks.claim("text", "text") or self._tasks.claim("draw", "draw")
            assert task is not None and task.id == id_
            self._do(task)
        return self._tasks.ends([id_])[id_]

    def _do(self, task: Task) -> None:
        role = ROLE_OF[task.kind]
        try:
            if role == "text" and self.text_dies:
                raise FableverseError("10 workers died of this task")
            done = self._works[role].handlers[task.kind](task, lambda *_, **__: None)
        except FableverseError as error:
            self._tasks.fail(task, {"type": type(error).__name__, "message": str(error)})
        else:
            self._tasks.finish(task, done.result)


class Desk:
    """A service in which nobody works but a test."""

    def __init__(self, folder: Path, database: Database, **llm: Any) -> None:
        settings = ServiceSettings(data_dir=folder, base=Settings(bank_dir=folder / "bank", moderation="off", **llm))
        settings.base.bank_dir.mkdir()
        self.services, self.model = idle_services(settings, database), WatchedModel()
        tell_model(database, self.model.load(), wanted=settings.base.wanted_model)
        self.hands = Hands(self.services, self.model)

    def submit(self) -> Job:
        picture = io.BytesIO()
        Image.new("RGB", (8, 8)).save(picture, "PNG")
        fox = ConceptRequest(id="rufus", word="fox", kind="character")
        kept = self.services.store.put(picture.getvalue())
        payload = LearnPayload(picture=kept, caption="a fox in the snow", concepts=(fox,))
        return submit_concepts(self.services, OWNER, payload)

    def do(self, job_id: str, owner: str = OWNER) -> Job:
        """The job once it has ended."""
        workflows = JobWorkflows(self.services.jobs, self.services.tasks, self.hands, interruptions=())
        asyncio.run(workflows(job_id, PlainSteps()))
        return self.services.jobs.get(owner, job_id)

    def tasks(self) -> list[str]:
        with self.services.database.read() as connection:
            return list(connection.execute(select(tasks.c.kind).order_by(tasks.c.created_at)).scalars())


@pytest.fixture
def database(tmp_path: Path) -> Iterator[Database]:
    with closing(Database.open(f"sqlite:///{tmp_path / 'test.sqlite'}")) as database:
        yield database


@pytest.fixture
def server() -> Iterator[MisbehavingServer]:
    with misbehaving(StoryRequest(idea="a fox", catalog=BANK, pages=4)) as server:
        yield server


@pytest.fixture
def desk(tmp_path: Path, database: Database, server: MisbehavingServer) -> Desk:
    return Desk(tmp_path, database, llm="openai:tiny", base_url=server.address)


def test_a_concept_is_learnt_by_what_the_language_model_says(desk: Desk) -> None:
    job = desk.submit()
    assert desk.do(job.id).state == "succeeded"
    assert [paraphrases for paraphrases, _ in desk.model.learnt_by] == [PARAPHRASES]
    assert desk.tasks() == ["reword", "learn"]


def test_without_a_language_model_there_is_no_such_task(tmp_path: Path, database: Database) -> None:
    desk = Desk(tmp_path, database)
    job = desk.submit()
    assert list(job.request) == ["learn"]
    assert desk.do(job.id).state == "succeeded"
    assert desk.model.learnt_by[0][0] is None and desk.tasks() == ["learn"]


def test_a_language_model_that_fails_is_logged_and_keeps_nobody_from_learning(
    desk: Desk, server: MisbehavingServer, caplog: pytest.LogCaptureFixture
) -> None:
    server.next_behaviour = lambda: "failing"
    job = desk.submit()
    with caplog.at_level(logging.WARNING):
        assert desk.do(job.id).state == "succeeded"
    assert desk.model.learnt_by[0][0] is None
    (said,) = [record.getMessage() for record in caplog.records if job.id in record.getMessage()]
    assert "Templates reword the captions, as openai:tiny cannot" in said and "in the snow" not in said


def test_a_worker_that_dies_of_rewording_keeps_nobody_from_learning_either(
    desk: Desk, server: MisbehavingServer, caplog: pytest.LogCaptureFixture
) -> None:
    desk.hands.text_dies = True
    assert desk.do(desk.submit().id).state == "succeeded"
    assert desk.model.learnt_by[0][0] is None and server.requests == []
    assert "its caption was not reworded" in caplog.text


def test_learning_that_is_begun_again_goes_on_with_the_same_captions(desk: Desk, server: MisbehavingServer) -> None:
    desk.model.refusals = 1
    job = desk.submit()
    assert desk.do(job.id).state == "failed"
    server.brain.paraphrases = PARAPHRASES[::-1]
    desk.services.jobs.retry(OWNER, job.id)
    assert desk.do(job.id).state == "succeeded"
    assert len(server.requests) == 1
    first, second = desk.model.learnt_by
    assert first == second and first[0] == PARAPHRASES, "and from the same checkpoint"


def test_learning_that_is_begun_again_with_other_captions_begins_anew(desk: Desk) -> None:
    desk.hands.text_dies, desk.model.refusals = True, 1
    job = desk.submit()
    assert desk.do(job.id).state == "failed"
    desk.hands.text_dies = False
    desk.services.jobs.retry(OWNER, job.id)
    assert desk.do(job.id).state == "succeeded"
    (templates, first), (ours, second) = desk.model.learnt_by
    assert (templates, ours) == (None, PARAPHRASES) and first != second


def test_a_job_of_an_earlier_version_is_still_done(desk: Desk) -> None:
    payload = {**LEARN, "picture": desk.submit().request["learn"]["picture"]}
    assert LearnPayload.model_validate(payload).paraphrases is None
    with desk.services.database.write() as connection:
        job_id = desk.services.jobs.add(
            connection, owner="dad", kind="concept", subject="rufus", request={"learn": payload}
        )
    assert desk.do(job_id, "dad").state == "succeeded"
    assert desk.model.learnt_by[0][0] is None and desk.tasks() == ["learn"]
    assert Reworded.model_validate({"paraphrases": None}).paraphrases is None


def test_the_studio_says_what_is_done_first(desk: Desk) -> None:
    job = desk.submit()
    desk.services.jobs.enter(job.id, "rewording")
    page = render(desk.services, "learning_state", job=desk.services.jobs.get(OWNER, job.id))
    assert "Putting the caption into other words" in page
