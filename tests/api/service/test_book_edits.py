"""Editing a book that was made, on a real database and without a model: revisions, candidates, locks, order."""

import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from starlette.requests import Request
from starlette.responses import Response

from api.book_lock import with_pictures
from api.errors import UsageError
from api.service.banks import bank_of
from api.service.book_edits import check_version, edit_book, keep_binding, read_edited_book, undo_edit
from api.service.book_state import BookEdit, PageEdit
from api.service.errors import EditConflict, InvalidInput, NotFound, WrongState
from api.service.keys import Principal
from api.service.payloads import BookLook
from api.service.routes.pages import get_pages
from api.service.studio.book import bind, book_page, change_page, change_title
from api.service.submit_pages import submit_binding
from api.settings import Settings
from story.design import Design
from story.errors import BookError, InvalidRequest, ModerationUnavailable, UnsafeRequest
from story.schema import Story
from tests.api.service.desk import EXAMPLE, OWNER, Desk, a_desk, hash_of
from tests.api.service.idle import idle_services
from tests.concepts.builders import a_concept, add_concept
from tests.story.test_safety import moderation

MUM = Principal(owner=OWNER, scopes=frozenset({"write"}))


@pytest.fixture
def bilingual(tmp_path: Path) -> Iterator[Desk]:
    """The same, with a second language."""
    story = json.loads((EXAMPLE / "story.json").read_bytes())
    pages = [page | {"second_text": "نص."} for page in story["pages"]]
    more = {"second_language": "ar", "second_title": "عنوان", "pages": pages}
    desk = a_desk(tmp_path, Story.model_validate(story | more))
    yield desk
    desk.database.close()


def test_what_is_learnt_later_is_held_against_new_prompts_only(desk: Desk, tmp_path: Path) -> None:
    bank = bank_of(desk.settings, OWNER)
    later = a_concept("snowy", "snow")
    for concept in (later.model_copy(update={"base_model": desk.book().written().lock.model.fingerprint}), later):
        add_concept(bank, concept, tmp_path / "workshop", replace=True)
        assert desk.edit(title=concept.base_model).written().story.title == concept.base_model
    page = PageEdit(id="p3", prompt="a fox in deep snow", alt="A fox in the snow.")
    assert desk.edit(page).written().story.pages[2].scene.concepts == ("rusty",)


@pytest.mark.parametrize("became", ["learnt again", "deleted"])
def test_another_prompt_leaves_the_other_pages_their_pictures_whatever_became_of_their_concepts(
    desk: Desk, tmp_path: Path, became: str
) -> None:
    before, bank = desk.edit(PageEdit(id="cover", is_locked=True)).written().lock, bank_of(desk.settings, OWNER)
    if became == "deleted":
        bank.remove("pip")
    again = a_concept(direction=b"another").model_copy(update={"base_model": before.model.fingerprint})
    add_concept(bank, again, tmp_path / "workshop", direction=b"another", replace=True)
    book = desk.edit(PageEdit(id="p3", prompt="a fox in deep snow", alt="A fox in the snow."))
    assert book.missing == (3,) and "rusty" in before.pictures[0].concepts
    now = book.written().lock
    assert now.pictures[3].concepts == {"rusty": again.direction_sha256}
    assert now.pictures == (*before.pictures[:3], now.pictures[3], *before.pictures[4:])
    assert now.cast == before.cast and now.versions == before.versions


def test_cast_and_strengths_are_of_the_concepts_that_pictures_still_have(desk: Desk) -> None:
    edited = desk.edit(PageEdit(id="p3", prompt="a fox in deep snow")).written().lock
    lock = edited.model_copy(update={"strengths": {"rusty": 0.5, "pip": 0.5}})
    assert lock.cast[:2] == ("pip", "rusty")
    changed = with_pictures(lock, [lock.pictures[3]])
    assert (changed.cast, changed.strengths) == (("rusty",), {"rusty": 0.5})


def test_a_book_that_was_never_edited_is_as_its_job_made_it(desk: Desk) -> None:
    book = desk.book()
    assert book.version == 0 and book.undoes is None and book.redoes is None
    assert [mark.id for mark in book.written().marks][:3] == ["cover", "p1", "p2"]
    assert not book.missing and book.picture(2) == hash_of(2)


def test_words_are_edited_undone_and_brought_back(desk: Desk) -> None:
    before = desk.book().written()
    edited = desk.edit(PageEdit(id="p1", text="Rusty lay awake."))
    assert edited.written().story.pages[0].text == "Rusty lay awake."
    assert (edited.version, edited.undoes, edited.redoes) == (1, "Edit", None) and not edited.missing
    undone = desk.undo()
    assert undone.state == before and undone.redoes == "Edit"
    assert desk.undo(steps=1).state == edited.state
    with pytest.raises(WrongState, match="Nothing was undone"):
        desk.undo(steps=1)
    desk.undo()
    assert desk.edit(title="Another").redoes is None


def test_both_languages_of_a_book_are_edited(bilingual: Desk) -> None:
    edit = PageEdit(id="p1", text="Rusty lay awake.", second_text=" نص آخر.\r\n")
    story = bilingual.edit(edit, title="Another", second_title="عنوان آخر").written().story
    assert (story.title, story.second_title) == ("Another", "عنوان آخر")
    assert (story.pages[0].text, story.pages[0].second_text) == ("Rusty lay awake.", "نص آخر.")
    answer = get_pages(bilingual.book_id, Response(), idle_services(bilingual.settings, bilingual.database), MUM)
    assert (answer.second_title, answer.pages[1].second_text) == ("عنوان آخر", "نص آخر.")
    with pytest.raises(InvalidRequest, match="second language on page 2"):
        bilingual.edit(PageEdit(id="p2", second_text=" "))


def test_the_studio_edits_both_languages(bilingual: Desk) -> None:
    services, form = idle_services(bilingual.settings, bilingual.database), Request({"type": "http", "headers": []})
    change_page(form, bilingual.book_id, "p1", services, MUM, second_text="نص آخر.")
    change_title(form, bilingual.book_id, services, MUM, second_title="عنوان آخر")
    shown = bytes(book_page(bilingual.book_id, services, MUM).body).decode()
    assert 'name="second_text"' in shown and 'lang="ar" dir="rtl">نص آخر.</textarea>' in shown
    assert 'name="second_title" value="عنوان آخر"' in shown
    assert bilingual.book().undoes == "Edit the title"


def test_a_book_in_one_language_has_no_second(desk: Desk) -> None:
    for edit in (BookEdit(second_title="x"), BookEdit(pages=(PageEdit(id="p1", second_text="x"),))):
        with pytest.raises(UsageError, match="in one language"):
            edit_book(desk.database, desk.settings, OWNER, desk.book_id, edit, version=0, what="Edit")
    shown = book_page(desk.book_id, idle_services(desk.settings, desk.database), MUM).body
    assert b"second_text" not in shown and b"second_title" not in shown


def test_an_edit_that_changes_nothing_is_no_edit(desk: Desk) -> None:
    text = desk.book().written().story.pages[0].text
    assert desk.edit(PageEdit(id="p1", text=text)).version == 0


def test_a_book_keeps_a_title(desk: Desk) -> None:
    with pytest.raises(InvalidRequest, match="no title"):
        desk.edit(title="   ")
    assert desk.book().version == 0


def test_an_edit_is_moderated_where_that_is_demanded(desk: Desk) -> None:
    with moderation(200, ["harassment"]) as base_url:
        base = Settings(llm="openai:x", base_url=base_url, moderation="on")
        desk = replace(desk, settings=replace(desk.settings, base=base))
        with pytest.raises(UnsafeRequest, match="page 1 .*harassment"):
            desk.edit(PageEdit(id="p1", text="An odd day."))
        assert desk.edit(PageEdit(id="p1", text="A day.")).version == 1


def test_a_click_on_a_page_asks_no_moderation(desk: Desk) -> None:
    with moderation(500, []) as base_url:
        base = Settings(llm="openai:x", base_url=base_url, moderation="on")
        desk = replace(desk, settings=replace(desk.settings, base=base))
        assert desk.edit(PageEdit(id="p1", is_locked=True)).version == 1
        assert desk.edit(order=[mark.id for mark in desk.book().written().marks[:0:-1]]).version == 2
        with pytest.raises(ModerationUnavailable):
            desk.edit(title="Another")


def test_an_edit_of_an_old_version_is_refused(desk: Desk) -> None:
    desk.edit(title="Another")
    with pytest.raises(EditConflict, match="version 1"):
        check_version(desk.book(), 0)
    for title in ("A third", "Another"):  # the latter changes nothing
        edit = BookEdit(title=title)
        with pytest.raises(EditConflict, match="version 1"):
            edit_book(desk.database, desk.settings, OWNER, desk.book_id, edit, version=0, what="Edit")


def test_an_edit_of_whatever_version_there_is(desk: Desk) -> None:
    desk.edit(title="Another")
    edit = BookEdit(title="A third")
    edited = edit_book(desk.database, desk.settings, OWNER, desk.book_id, edit, version=None, what="Edit")
    assert (edited.version, edited.written().story.title) == (2, "A third")
    assert undo_edit(desk.database, OWNER, desk.book_id, version=None).written().story.title == "Another"


def test_a_picture_drawn_again_is_taken_and_the_old_one_can_be_chosen_back(desk: Desk) -> None:
    first = desk.book().candidates(2)
    book = desk.draw("p2", 2)
    assert [each.is_taken for each in book.candidates(2)] == [False, True, False]
    assert book.undoes == "Draw again"
    book = desk.edit(PageEdit(id="p2", seed=first[0].seed))
    assert book.picture(2) == first[0].sha256
    with pytest.raises(InvalidInput, match="no candidate of seed 5"):
        desk.edit(PageEdit(id="p2", seed=5))


def test_what_was_undone_can_still_come_back_after_a_picture_that_was_asked_for_earlier(desk: Desk) -> None:
    desk.edit(title="Another")
    chosen = desk.draw("p3", 1).candidates(3)[0]
    desk.edit(PageEdit(id="p3", seed=chosen.seed))
    desk.edit(PageEdit(id="p2", is_locked=True))
    for _ in range(4):
        before = desk.undo()
    drawn = desk.draw("p2", 1)
    assert (drawn.undoes, drawn.redoes) == ("Draw again", "Edit") and drawn.picture(2) != before.picture(2)
    ahead = [desk.undo(steps=1) for _ in range(4)]
    assert [book.picture(2) == drawn.picture(2) for book in ahead] == [True, True, True, False], "locked as it was"
    assert ahead[-1].written().story.title == "Another" and ahead[-1].redoes is None
    assert ahead[1].picture(3) != chosen.sha256 and ahead[2].picture(3) == chosen.sha256
    for _ in range(5):
        undone = desk.undo()
    assert undone.state == before.state and undone.undoes is None


def test_of_what_was_undone_only_pages_that_are_as_they_are_now_take_the_picture(desk: Desk) -> None:
    seed = desk.draw("p2", 1).candidates(2)[0].seed
    chosen = desk.edit(PageEdit(id="p2", seed=seed)).picture(2)
    desk.undo()
    drawn = desk.draw("p2", 1)
    assert drawn.redoes == "Edit" and desk.undo(steps=1).picture(2) == chosen != drawn.picture(2)


def test_a_locked_page_keeps_its_picture(desk: Desk) -> None:
    locked = desk.edit(PageEdit(id="p2", is_locked=True))
    drawn = desk.draw("p2", 1)
    assert drawn.picture(2) == locked.picture(2) and len(drawn.candidates(2)) == 2
    with pytest.raises(WrongState, match="Unlock"):
        desk.edit(PageEdit(id="p2", seed=drawn.candidates(2)[1].seed))


def test_pages_keep_their_pictures_wherever_they_are_moved(desk: Desk) -> None:
    ids = [mark.id for mark in desk.book().written().marks[1:]]
    moved = desk.edit(order=tuple(reversed(ids)))
    assert moved.picture(1) == hash_of(len(ids)) and not moved.missing
    with pytest.raises(InvalidInput, match="each page once"):
        desk.edit(order=("p1",))
    with pytest.raises(NotFound, match="p99"):
        desk.edit(PageEdit(id="p99", text="x"))


def test_a_book_is_not_bound_in_a_layout_that_is_not_there(desk: Desk) -> None:
    look = BookLook(design=Design(layout="nope"))
    with pytest.raises(BookError, match="no layout 'nope'"):
        submit_binding(idle_services(desk.settings, desk.database), OWNER, desk.book_id, look)


def test_binding_in_the_studio_keeps_of_the_look_what_its_form_does_not_show(desk: Desk) -> None:
    look = BookLook(design=Design(print_size="a4", panels=6), strengths={"rusty": 0.5})
    with desk.database.write() as connection:
        keep_binding(connection, OWNER, desk.book_id, {}, state=desk.book().written(), look=look)
    services = idle_services(desk.settings, desk.database)
    shown = {"formats": ["print-pdf"], "layout": "comic", "theme": "paper", "dyslexia": True, "large_print": False}
    bind(Request({"type": "http", "headers": []}), desk.book_id, services, MUM, **shown)
    (job,) = services.jobs.list(OWNER, limit=1, kind="pages")
    design = Design(layout="comic", dyslexia=True, print_size="a4", panels=6)
    bound = BookLook.model_validate(job.request["pages"]["binding"]["look"])
    assert bound == BookLook(formats=("print-pdf",), design=design, strengths={"rusty": 0.5})


def test_nobody_else_sees_the_book(desk: Desk) -> None:
    with pytest.raises(NotFound):
        read_edited_book(desk.database, "somebody-else", desk.book_id)
