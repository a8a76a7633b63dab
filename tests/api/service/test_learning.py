"""Learning jobs put their concepts into the owner's bank once, whenever they are cut short, and nobody else's away."""

import io
from collections.abc import Iterator, Mapping
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from api.service.database import Database
from api.service.errors import TaskCanceled
from api.service.payloads import Drawn, DrawPayload, LearnPayload, ModelInfo
from api.service.picture_model import LearningOrder, LearningWatch
from api.service.pictures import PictureWork
from api.service.settings import ServiceSettings
from api.service.store import ContentStore
from api.service.tasks import Task, TaskKind
from api.service.work import Done, Report
from api.settings import Settings
from concepts.bank import ConceptBank
from concepts.errors import ConceptExists
from concepts.schema import BoundPrompt, Concept
from generator.plan import Numbers
from generator.recipe import ConceptRequest, LearningProgress
from generator.renderer import Renderer
from tests.api.builders import MODEL, SETTINGS, PlainRenderer
from tests.concepts.builders import a_concept, add_concept


class PlainModel:
    """Learns a direction of its own every time."""

    is_loading = False

    def __init__(self) -> None:
        self.fingerprint = "f1"
        self.times = 0
        self.watched = False
        """Whether it tells of a peek and of two previews of two steps."""

    def load(self) -> ModelInfo:
        return ModelInfo(model=MODEL.model_copy(update={"fingerprint": self.fingerprint}), settings=SETTINGS)

    def unload(self) -> None:
        pass

    def renderer(self, bank: ConceptBank) -> Renderer:
        del bank
        return PlainRenderer()

    def learn(
        self, order: LearningOrder, bank: ConceptBank, *, checkpoint_path: Path, watch: LearningWatch
    ) -> tuple[Concept, ...]:
        self.times += 1
        if self.watched:
            watch.on_step(
                LearningProgress(stage=1, step=5, num_steps=10, loss=0.5, isolation_loss=None, seconds_left=9.0)
            )
            watch.on_peek_step()
            watch.on_peek(Image.new("RGB", (8, 8)))
            for step in range(5):
                watch.on_previews(step, 4)
        checkpoint_path.write_bytes(b"a checkpoint")
        for wanted in order.concepts:
            put(bank, wanted.id, f"learnt {self.times}", fingerprint=self.fingerprint)
        return bank.list()

    def describe(self, picture: Image.Image) -> str | None:
        del picture
        return None


def put(bank: ConceptBank, concept_id: str, direction: str, *, fingerprint: str = "f1") -> None:
    concept = a_concept(concept_id, direction=direction.encode()).model_copy(update={"base_model": fingerprint})
    add_concept(bank, concept, bank.folder.with_name("workshop"), direction=direction.encode(), replace=True)


class Desk:
    """A drawing worker's work on an owner's bank."""

    def __init__(self, folder: Path, database: Database) -> None:
        self.settings = ServiceSettings(data_dir=folder, base=Settings(bank_dir=folder / "bank"))
        self.database = database
        self.bank = ConceptBank(folder / "bank")
        self.bank.folder.mkdir()
        self.store = ContentStore.open(self.settings.store)
        self.model = PlainModel()
        self.report: Report = lambda *_, **__: None

    def learn(self, *concept_ids: str, starts: int = 1, replace: bool = False) -> Any:
        """What a worker does when it is given the task of the one job there is."""
        picture = io.BytesIO()
        Image.new("RGB", (8, 8)).save(picture, "PNG")
        concepts = tuple(ConceptRequest(id=each, word="fox", kind="character") for each in concept_ids)
        payload = LearnPayload(
            picture=self.store.put(picture.getvalue()), caption="a fox", concepts=concepts, replace=replace
        )
        return self._do("learn", payload, starts=starts)["concepts"]

    def draw(self, prompt: str) -> Drawn:
        """The same for a picture of Pocket's size without concepts."""
        return Drawn.model_validate(self.drawn(prompt).result)

    def drawn(self, prompt: str, numbers: Numbers | None = None) -> Done:
        """What a worker has to say of such a picture, of a book that was begun in these numbers."""
        bound = BoundPrompt(prompt=prompt, mentions=())
        settings = replace(SETTINGS, max_sequence_length=64)
        return self._done("draw", DrawPayload(bound=bound, concepts={}, seed=1, settings=settings, numbers=numbers))

    def _do(self, kind: TaskKind, payload: LearnPayload | DrawPayload, *, starts: int = 1) -> Any:
        return self._done(kind, payload, starts=starts).result

    def _done(self, kind: TaskKind, payload: LearnPayload | DrawPayload, *, starts: int = 1) -> Done:
        task = Task(
            id=f"job_1.{kind}", job_id="job_1", owner="local", kind=kind, payload=payload.model_dump(mode="json"),
            starts=starts, worker="worker", lease="lease",
        )  # fmt: skip
        work = PictureWork(self.settings, self.database, self.store, self.model)
        done = work.handlers[kind](task, self.report)
        return done if isinstance(done, Done) else done()

    def directions(self) -> dict[str, str]:
        return {each: self.bank.direction_path(each).read_text() for each in self.bank.ids()}


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[Desk]:
    with closing(Database.open(f"sqlite:///{tmp_path / 'test.sqlite'}")) as database:
        yield Desk(tmp_path, database)


def test_a_job_that_died_before_it_could_say_so_learns_nothing_again(desk: Desk) -> None:
    assert desk.learn("luna", "max") == ["luna", "max"]
    desk.bank.remove("max")  # as if it had died between the two
    assert desk.learn("luna", "max", starts=2) == ["luna", "max"]
    assert desk.directions() == {"luna": "learnt 1", "max": "learnt 1"} and desk.model.times == 1
    assert not list(desk.settings.data_dir.glob("learning/*.safetensors")), "no checkpoint is left"


def test_a_second_start_leaves_a_concept_that_is_not_its_own(desk: Desk) -> None:
    put(desk.bank, "luna", "somebody else's")
    with pytest.raises(ConceptExists, match="'luna'"):
        desk.learn("luna", "max", starts=2)
    assert desk.directions() == {"luna": "somebody else's"} and desk.model.times == 0


def test_what_was_put_there_after_a_death_stays_too(desk: Desk) -> None:
    desk.learn("luna")
    put(desk.bank, "luna", "somebody else's")
    with pytest.raises(ConceptExists, match="'luna'"):
        desk.learn("luna", starts=2)
    assert desk.directions() == {"luna": "somebody else's"}


def test_a_concept_gives_way_where_that_is_asked_for(desk: Desk) -> None:
    put(desk.bank, "luna", "an older one")
    desk.learn("luna", replace=True)
    assert desk.directions() == {"luna": "learnt 1"}


def test_what_was_learnt_on_another_model_is_learnt_again(desk: Desk) -> None:
    desk.learn("luna")
    desk.bank.remove("luna")
    desk.model.fingerprint = "f2"
    desk.learn("luna", starts=2)
    assert desk.directions() == {"luna": "learnt 2"}


@pytest.mark.usefixtures("pocket_model_dir")
def test_a_picture_says_what_its_prompt_had_beyond_what_is_read(desk: Desk) -> None:
    (warning,) = desk.draw("a fox waving in the snow" + ", with a lantern and a boat" * 12).warnings
    assert "the model reads 64: nothing is read from" in warning
    assert desk.draw("a fox waving in the snow").warnings == ()


def test_a_picture_of_other_numbers_than_its_books_is_told_and_given_to_nobody_else(desk: Desk) -> None:
    for numbers in (None, Numbers(dtype="float32")):
        done = desk.drawn("a fox", numbers)
        assert done.is_as_asked and not done.result["warnings"]
    done = desk.drawn("a fox", Numbers(dtype="bfloat16", weights="nf4"))
    assert not done.is_as_asked
    (told,) = done.result["warnings"]
    assert told == "Drawn in float32, and the book was begun in bfloat16, nf4: pictures differ."


def test_pictures_of_other_numbers_are_asked_for_as_others() -> None:
    payload = DrawPayload(bound=BoundPrompt(prompt="a fox", mentions=()), concepts={}, seed=1)
    exact = Numbers(dtype="bfloat16")
    asked = [
        payload.model_copy(update={"numbers": numbers})
        for numbers in (None, exact, replace(exact, weights="fp8"), replace(exact, cache_threshold=0.08))
    ]
    assert len({each.digest() for each in asked}) == len(asked)
    assert all(DrawPayload.model_validate(each.model_dump(mode="json")) == each for each in asked)
    row = {name: value for name, value in payload.model_dump(mode="json").items() if name != "numbers"}
    assert DrawPayload.model_validate(row) == payload, "a row of an earlier version"


def test_each_step_of_peeks_and_previews_is_told_and_can_call_learning_off(desk: Desk) -> None:
    desk.model.watched = True
    told: list[dict[str, Any]] = []

    def report(type_: str, progress: Mapping[str, Any], *, preview: bytes | None = None) -> None:
        told.append({"type": type_, "has_preview": preview is not None, **progress})
        if progress.get("preview_step") == 3:
            raise TaskCanceled("no more")

    desk.report = report
    with pytest.raises(TaskCanceled):
        desk.learn("luna", "max")
    assert [each["type"] for each in told] == ["learning"] * 3 + ["previews"] * 4
    assert [each["step"] for each in told[1:3]] == [5, 5], "a peek's steps say where learning stands"
    assert [each["preview_step"] for each in told[3:]] == [0, 1, 2, 3]
    assert [each["has_preview"] for each in told] == [False, False, False, True, False, False, False]
    assert desk.directions() == {}
