"""A book keeps who is in it: written and bound by the real work, with concepts that go from the bank meanwhile."""

import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from api.service.banks import bank_of
from api.service.book_state import PageEdit
from api.service.cast import cast_of
from api.service.model_info import tell_model
from api.service.payloads import BindPayload, BookLook, Bound, CastMember, ModelInfo, StoryWish, WritePayload, Written
from api.service.store import ContentStore
from api.service.submit_pages import submit_binding
from api.service.tasks import Task, TaskKind
from api.service.texts import TextWork
from concepts.bank import ConceptBank
from tests.api.service.desk import EXAMPLE, OWNER, Desk
from tests.api.service.idle import idle_services
from tests.concepts.builders import a_concept, add_concept


@pytest.fixture
def store(desk: Desk) -> ContentStore:
    return ContentStore.open(desk.settings.store)


@pytest.fixture
def bank(desk: Desk) -> ConceptBank:
    return bank_of(desk.settings, OWNER)


def work(desk: Desk, store: ContentStore, kind: TaskKind, payload: dict[str, Any]) -> Mapping[str, Any]:
    """The result of a task."""
    task = Task(id="t", job_id="j", owner=OWNER, kind=kind, payload=payload, starts=1, worker="w", lease="l")
    return TextWork(desk.settings, desk.database, store).handlers[kind](task, lambda *_, **__: None).result


def bound(desk: Desk, store: ContentStore, cast: tuple[CastMember, ...]) -> dict[str, bytes]:
    """The files of the desk's book."""
    names = ["cover.png", *(f"page-{number:02}.png" for number in range(1, 5))]
    state = desk.book().written()
    payload = BindPayload(
        book_id=desk.book_id,
        story=state.story,
        lock=state.lock,
        cast=cast,
        look=BookLook(),
        pictures=tuple(store.put((EXAMPLE / "pages" / name).read_bytes()) for name in names),
    )
    files = Bound.model_validate(work(desk, store, "bind", payload.model_dump(mode="json"))).artifacts
    return {name: store.get(file.sha256) for name, file in files.items()}


def ids(cast: tuple[CastMember, ...]) -> list[str]:
    return [member.card.id for member in cast]


def test_a_story_is_written_with_its_cast(desk: Desk, store: ContentStore, bank: ConceptBank) -> None:
    state = desk.book().written()
    info = ModelInfo(model=state.lock.model, settings=state.lock.settings)
    tell_model(desk.database, info, wanted=desk.settings.base.wanted_model)
    wish = WritePayload(wish=StoryWish(idea="a robot"), story=state.story)
    written = Written.model_validate(work(desk, store, "write", wish.model_dump(mode="json")))
    assert ids(written.cast) == list(written.lock.cast) and "rusty" in written.lock.cast
    for member in written.cast:
        assert member.card == bank.get(member.card.id).card()
        assert store.get(member.portrait) == bank.preview_path(member.card.id).read_bytes()


def test_a_book_is_bound_with_its_cast_after_that_was_deleted(
    desk: Desk, store: ContentStore, bank: ConceptBank
) -> None:
    cast, portrait = cast_of(desk.book().written().lock, bank, store), bank.preview_path("rusty").read_bytes()
    for concept_id in bank.ids():
        bank.remove(concept_id)
    files = bound(desk, store, cast)
    assert files["cast-rusty"] == portrait and b"Rusty" in files["html"]


def test_a_book_of_earlier_is_bound_without_those_whom_the_bank_lacks(
    desk: Desk, store: ContentStore, bank: ConceptBank
) -> None:
    bank.remove("rusty")
    (bank.folder / "hello" / "concept.json").write_text("{}")
    files = bound(desk, store, ())
    assert {name for name in files if name.startswith("cast-")} == {"cast-pip", "cast-night", "cast-woolly"}


def test_a_portrait_that_the_store_lost_is_left_out(desk: Desk, store: ContentStore, bank: ConceptBank) -> None:
    cast = cast_of(desk.book().written().lock, bank, store)
    shutil.rmtree(desk.settings.data_dir / "store" / cast[0].portrait[:2])
    files = bound(desk, store, cast)
    assert f"cast-{cast[0].card.id}" not in files and f"cast-{cast[1].card.id}" in files


def test_an_edit_keeps_the_cast_and_so_does_what_is_bound_then(desk: Desk, bank: ConceptBank) -> None:
    cast = desk.edit(title="Another").written().cast
    assert ids(cast) == list(desk.book().written().lock.cast)
    bank.remove("rusty")
    assert desk.edit(title="A third").written().cast == cast
    services = idle_services(desk.settings, desk.database)
    job = submit_binding(services, OWNER, desk.book_id, None)
    binding = job.request["pages"]["binding"]["state"]
    assert [member["card"]["id"] for member in binding["cast"]] == ids(cast)
    assert desk.undo().written().cast == cast


def test_a_portrait_is_of_what_pictures_were_drawn_with(
    desk: Desk, store: ContentStore, bank: ConceptBank, tmp_path: Path
) -> None:
    state = desk.edit(title="Another").written()
    lock, cast = state.lock, state.cast
    again = a_concept(direction=b"another").model_copy(update={"base_model": lock.model.fingerprint})
    add_concept(bank, again, tmp_path / "workshop", direction=b"another", replace=True)
    assert cast_of(lock, bank, store, known=cast) == cast
    with_rusty = [index for index, picture in enumerate(lock.pictures) if "rusty" in picture.concepts]
    for index in with_rusty:
        page = PageEdit(id=f"p{index}" if index else "cover", prompt=f"a fox on page {index}")
        state = desk.edit(page).written()
        rusty = next(member for member in state.cast if member.card.id == "rusty")
        is_last = index == with_rusty[-1]
        assert rusty.direction_sha256 == (again.direction_sha256 if is_last else lock.pictures[0].concepts["rusty"])
    assert store.get(rusty.portrait) == bank.preview_path("rusty").read_bytes()
