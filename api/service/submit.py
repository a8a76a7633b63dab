"""The one place where work is taken on: what is asked for is checked, its rows are committed, then it is begun.

Once a job is returned it is promised: whatever crashes, it comes to an end.
"""

import time
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import replace
from typing import Any

from pydantic import ValidationError
from sqlalchemy import Connection, insert, select

from api.for_children import check_captions, check_prompt
from api.service.banks import bank_of
from api.service.errors import InvalidInput, NotReady, WrongState
from api.service.ids import new_id
from api.service.jobs import OPEN, Job, JobKind
from api.service.mending import bound_pictures, forget_damaged, mended_request
from api.service.model_info import ask_model
from api.service.payloads import (
    BookLook,
    DescribePayload,
    DrawPayload,
    LearnPayload,
    RewordPayload,
    StoryWish,
    WritePayload,
    concepts_of,
)
from api.service.quotas import check_quota
from api.service.schema import BookRequest, SceneRequest
from api.service.services import Services
from api.service.store import find_damaged
from api.service.story_rows import read_story
from api.service.tables import books, jobs, meta, scenes, stories
from api.writers import check_languages, open_gate
from concepts.bank import ConceptBank
from concepts.binding import expand_handles
from concepts.errors import ConceptExists, UnknownConcept
from concepts.schema import BoundPrompt, Concept
from generator.caption_binding import bind_captions
from generator.settings import RenderSettings
from generator.slides import find_target, parse_slide
from story.design import Design, check_design
from story.schema import StoryRequest
from story.templates import Templates

AddRows = Callable[[Connection, str], None]
"""Adds the rows of what a job makes, or checks that they are there, given the job's id."""


def accept(
    services: Services,
    *,
    owner: str,
    kind: JobKind,
    subject: str,
    request: Mapping[str, Any],
    add_rows: AddRows,
    job_id: str | None = None,
) -> Job:
    """A new job, which is promised from now on; the job it was before when the request is a repeated one."""
    job_id = job_id or new_id("job")
    with services.database.write() as connection:
        if not services.jobs.has(connection, job_id):
            check_quota(connection, owner, services.settings)
            services.jobs.add(connection, owner=owner, kind=kind, subject=subject, request=request, job_id=job_id)
            add_rows(connection, job_id)
    services.dispatcher.begin(job_id, 1)
    return services.jobs.get(owner, job_id)


def submit_scene(services: Services, owner: str, request: SceneRequest) -> Job:
    """Take on one picture.

    Raises:
        InvalidInput, ConceptError, InvalidSlide, InvalidSettings: It cannot be drawn.
        UnsafeRequest, ModerationUnavailable: It is not for children, or nobody can tell.
        NotReady: Another size is asked for and it is not known yet what the model's own is.
    """
    bank = bank_of(services.settings, owner)
    bound = _bound(request.prompt, bank)
    named = [mention.concept_id for mention in bound.mentions]
    if strangers := sorted(request.strengths.keys() - set(named)):
        raise InvalidInput(f"A strength is given for {strangers[0]!r}, which the prompt does not name. Name it.")
    slides = tuple(parse_slide(text) for text in request.slides)
    for slide in slides:
        find_target(slide, bound)
    check_prompt(bound, slides, bank=bank, gate=open_gate(services.settings.base))
    payload = DrawPayload(
        bound=bound,
        concepts={concept_id: bank.get(concept_id).direction_sha256 for concept_id in named},
        seed=request.seed,
        strengths=request.strengths,
        slides=slides,
        settings=_settings(services, request),
    )
    scene_id = new_id("scene")

    def add_rows(connection: Connection, job_id: str) -> None:
        connection.execute(
            insert(scenes).values(
                id=scene_id, owner=owner, job_id=job_id, prompt=request.prompt, created_at=time.time()
            )
        )

    draw = {"draw": payload.model_dump(mode="json")}
    return accept(services, owner=owner, kind="scene", subject=scene_id, request=draw, add_rows=add_rows)


def submit_story(services: Services, owner: str, wish: StoryWish) -> Job:
    """Take on a story.

    Raises:
        InvalidInput: The cast names a concept that is not in the bank, or the wish contradicts itself.
        UsageError: It is to be in a language that nobody here writes.
    """
    _check_wish(services, owner, wish)
    story_id = new_id("story")
    write = WritePayload(wish=wish).model_dump(mode="json")

    def add_rows(connection: Connection, job_id: str) -> None:
        _add_story(connection, story_id, owner=owner, job_id=job_id, wish=wish)

    return accept(services, owner=owner, kind="story", subject=story_id, request={"write": write}, add_rows=add_rows)


def submit_book(services: Services, owner: str, request: BookRequest) -> Job:
    """Take on a book.

    Raises:
        InvalidInput: Cast or strengths name a concept that is not in the bank, the wish contradicts itself, or a story
            that is given has another idea, cast, length, age, language or seed than the request says.
        UsageError: As in `submit_story`.
        BookError: The design names a layout or theme that is not there.
        NotFound: There is no such story.
        WrongState: The story is not written yet.
    """
    look = BookLook(formats=request.formats, design=request.design, strengths=request.strengths)
    check_known_design(services, look.design)
    _known(services, owner, look.strengths)
    book_id = new_id("book")
    if request.story is None:
        wish = StoryWish(**{name: getattr(request, name) for name in StoryWish.model_fields})
        _check_wish(services, owner, wish)
        story_id, payload = new_id("story"), WritePayload(wish=wish, strengths=look.strengths)
    else:
        row = read_story(services.database, owner, request.story)
        if row.story is None:
            raise WrongState(f"The story {row.id!r} is not written yet. Wait for its job {row.job_id!r}.")
        story_id, wish = row.id, StoryWish.model_validate(row.request)
        _check_not_contradicted(request, wish)
        payload = WritePayload(
            wish=wish,
            story=row.story,
            writer=row.writer or "",
            warnings=row.warnings,
            strengths=look.strengths,
        )

    def add_rows(connection: Connection, job_id: str) -> None:
        if request.story is None:
            _add_story(connection, story_id, owner=owner, job_id=job_id, wish=wish)
        connection.execute(
            insert(books).values(
                id=book_id, owner=owner, job_id=job_id, story_id=story_id, artifacts={}, created_at=time.time()
            )
        )

    whole = {
        "write": payload.model_dump(mode="json"),
        "look": look.model_dump(mode="json"),
        "story": story_id,
    }
    return accept(services, owner=owner, kind="book", subject=book_id, request=whole, add_rows=add_rows)


def submit_concepts(services: Services, owner: str, payload: LearnPayload) -> Job:
    """Take on concepts to learn; where there is a language model, it rewords the caption first.

    Raises:
        InvalidConcept: Two of them have the same id.
        ConceptNotMentioned, AmbiguousMention, CollidingConcepts: The caption does not name each of them once.
        ConceptExists: The bank has one of the ids, or it is being learnt.
        UnsafeRequest, ModerationUnavailable: As in `submit_scene`.
    """
    bind_captions([payload.caption], payload.concepts)
    check_captions([payload.caption], payload.concepts, gate=open_gate(services.settings.base))
    wanted = [concept.id for concept in payload.concepts]
    bank = bank_of(services.settings, owner)

    whole = {"learn": payload.model_dump(mode="json")}
    if services.settings.base.llm is not None:
        reword = RewordPayload(caption=payload.caption, concepts=payload.concepts)
        whole["reword"] = reword.model_dump(mode="json")

    def check_rows(connection: Connection, job_id: str) -> None:
        _check_not_learning(connection, owner, wanted, but=job_id)
        taken = set(bank.ids())  # after that check, as a job may just have ended
        if not payload.replace and (there := sorted(taken & set(wanted))):
            raise ConceptExists(
                f"The bank already has {', '.join(map(repr, there))}, and ids are unique. Choose other ids, or ask for "
                "them to be replaced."
            )

    return accept(
        services,
        owner=owner,
        kind="concept",
        subject=wanted[0],
        request=whole,
        add_rows=check_rows,
    )


def submit_caption(services: Services, owner: str, picture: str) -> Job:
    """Take on a caption for a picture that is in the store.

    Args:
        picture: Its hash.
    """
    describe = DescribePayload(picture=picture).model_dump(mode="json")
    return accept(
        services,
        owner=owner,
        kind="caption",
        subject=picture,
        request={"describe": describe},
        add_rows=lambda *_: None,
    )


def retry(services: Services, owner: str, job_id: str) -> Job:
    """The job, begun again where it stopped; pictures that are damaged are drawn again.

    Raises:
        NotFound: The owner has no job of that id.
        WrongState: It has not failed and was not canceled.
        ConceptExists: Another job learns one of its concepts.
        Problem: 429, the owner has enough.
    """

    def check(connection: Connection, job: Job) -> None:
        check_quota(connection, owner, services.settings)
        forget_damaged(connection, damaged)
        if job.kind == "concept":
            _check_not_learning(connection, owner, concepts_of(job.request), but=job_id)

    before = services.jobs.get(owner, job_id)
    used = {*services.tasks.pictures_of(owner, job_id), *bound_pictures(before)}
    damaged = find_damaged(services.store, used)
    request = mended_request(before, damaged)
    job = services.jobs.retry(owner, job_id, damaged=damaged, request=request, check=check)
    services.dispatcher.begin(job.id, job.attempt)
    return job


def _check_not_learning(connection: Connection, owner: str, wanted: Collection[str], *, but: str) -> None:
    """Refuse concepts of which another open job learns one."""
    # Of two requests at once the second waits here for the first one's end, and then sees its job.
    connection.execute(select(meta.c.key).where(meta.c.key == "schema").with_for_update())
    learning = select(jobs.c.id, jobs.c.request).where(
        jobs.c.owner == owner, jobs.c.kind == "concept", jobs.c.state.in_(OPEN), jobs.c.id != but
    )
    for row in connection.execute(learning):
        if both := sorted(concepts_of(row.request).intersection(wanted)):
            raise ConceptExists(
                f"The job {row.id!r} is learning {', '.join(map(repr, both))}. Wait for its end, or cancel it."
            )


def _add_story(connection: Connection, story_id: str, *, owner: str, job_id: str, wish: StoryWish) -> None:
    now = time.time()
    connection.execute(
        insert(stories).values(
            id=story_id,
            owner=owner,
            job_id=job_id,
            version=0,
            request=wish.model_dump(mode="json"),
            warnings=[],
            created_at=now,
            updated_at=now,
        )
    )


def _bound(prompt: str, bank: ConceptBank) -> BoundPrompt:
    try:
        return expand_handles(prompt, bank)
    except UnknownConcept as error:
        raise InvalidInput(str(error)) from error


def _check_wish(services: Services, owner: str, wish: StoryWish) -> None:
    """Refuse what no writer could be asked for."""
    cast = tuple(concept.card() for concept in _known(services, owner, wish.cast))
    try:
        asked = StoryRequest.model_validate({**wish.model_dump(exclude={"cast"}), "cast": cast, "catalog": cast})
    except ValidationError as error:
        faults = "; ".join(fault["msg"] for fault in error.errors())
        raise InvalidInput(f"No story can be written: {faults}. Change that and try again.") from error
    check_languages(asked, services.settings.base)


def _check_not_contradicted(request: BookRequest, wish: StoryWish) -> None:
    """Refuse to draw a written story while the request asks for another one."""
    asked = StoryWish.model_fields.keys() & request.model_fields_set
    if others := sorted(name for name in asked if getattr(request, name) != getattr(wish, name)):
        raise InvalidInput(
            f"The story was written with another {' and '.join(others)} than is asked for, and is drawn as it stands. "
            "Leave that out, or ask for a book of an idea instead of a story."
        )


def _known(services: Services, owner: str, concept_ids: Iterable[str]) -> tuple[Concept, ...]:
    bank = bank_of(services.settings, owner)
    try:
        return tuple(bank.get(concept_id) for concept_id in concept_ids)
    except UnknownConcept as error:
        raise InvalidInput(str(error)) from error


def check_known_design(services: Services, design: Design) -> None:
    """Refuse a design whose layout or theme is not there (BookError)."""
    check_design(design, Templates(services.settings.base.templates_dir))


def _settings(services: Services, request: SceneRequest) -> RenderSettings | None:
    """The model's own settings with what the request changes; None where it changes nothing."""
    names = ("width", "height", "num_inference_steps", "concept_guidance_scale")
    changes: dict[str, Any] = {name: value for name in names if (value := getattr(request, name)) is not None}
    if not changes:
        return None
    info = ask_model(services.database, wanted=services.settings.base.wanted_model)
    if info is None:
        raise NotReady("The picture model is not loaded yet. Try again once /readyz says so.")
    return replace(info.settings, **changes)
