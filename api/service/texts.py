"""The work that needs no picture model: writing stories, binding books, rewording captions."""

import logging
import tempfile
from collections.abc import Mapping
from pathlib import Path

from api.binding import CAST_DIRNAME
from api.book_lock import LOCK_FILENAME, make_lock, picture_file
from api.rewording import reword
from api.service.banks import bank_of
from api.service.cast import cast_of, portraits_in
from api.service.database import Database
from api.service.errors import NotReady
from api.service.model_info import ask_model
from api.service.payloads import (
    BindPayload,
    Bound,
    ModelInfo,
    Reworded,
    RewordPayload,
    StoryWish,
    WritePayload,
    Written,
)
from api.service.settings import ServiceSettings
from api.service.store import ContentStore
from api.service.tasks import Task, TaskKind
from api.service.work import Done, Handler, Report, keep_file
from api.storybook import bind_locked, record_of
from api.strengths import unused_strengths
from api.writers import make_writer
from concepts.bank import ConceptBank
from concepts.errors import WrongBaseModel
from story.book import STORY_FILENAME
from story.draft import Draft, DraftFolder
from story.editions.formats import EDITIONS
from story.schema import StoryRequest, WrittenStory

logger = logging.getLogger(__name__)


class TextWork:
    """Writes, binds and rewords; all that is made goes into the store or back as a result."""

    def __init__(self, settings: ServiceSettings, database: Database, store: ContentStore) -> None:
        self._settings = settings
        self._database = database
        self._store = store

    is_loading = False

    @property
    def handlers(self) -> Mapping[TaskKind, Handler]:
        """Stories, books and captions."""
        return {"write": self._write, "bind": self._bind, "reword": self._reword}

    def prepare(self) -> bool:
        """A story is written for a picture model, so there is nothing to do before one is known."""
        return ask_model(self._database, wanted=self._settings.base.wanted_model) is not None

    def rest(self) -> None:
        """Nothing is held."""

    def _write(self, task: Task, report: Report) -> Done:
        payload = WritePayload.model_validate(task.payload)
        info = self._model()
        bank = bank_of(self._settings, task.owner)
        request = _request_of(payload.wish, bank, info)
        if payload.story is not None:
            written, name = WrittenStory(story=payload.story, warnings=payload.warnings), payload.writer
        else:
            written, name = self._told(request, task, info, report)
        lock = make_lock(
            written.story,
            request,
            writer=name,
            bank=bank,
            model=info.model,
            settings=info.settings,
            strengths=payload.strengths,
        )
        costs = [reply.cost_usd for reply in written.replies if reply.cost_usd is not None]
        result = Written(
            story=written.story,
            writer=name,
            lock=lock,
            cast=cast_of(lock, bank, self._store),
            warnings=written.warnings + unused_strengths(payload.strengths, lock),
            cost_usd=sum(costs) if costs else None,
        )
        return Done(result=result.model_dump(mode="json"))

    def _told(self, request: StoryRequest, task: Task, info: ModelInfo, report: Report) -> tuple[WrittenStory, str]:
        """A new story; what a language model writes is kept until the task is done, so a crash loses none of it."""

        words: dict[str, str] = {}

        def on_words(page: int, text: str) -> None:
            words[str(page)] = text

        def on_stage(stage: str, written: int, wanted: int) -> None:
            progress = {"stage": "writing", "part": stage, "written": written, "wanted": wanted, "words": dict(words)}
            report("writing", progress)

        drafts = DraftFolder(self._settings.drafts_dir / task.job_id)
        writer, name = make_writer(
            self._settings.base,
            lexicon=info.lexicon,
            max_tokens=info.settings.max_sequence_length,
            drafts=drafts,
            on_stage=on_stage,
            on_words=on_words,
        )
        written = writer.write(request)
        drafts.clear(Draft.of(request, writer=name))
        return written, name

    def _bind(self, task: Task, report: Report) -> Done:
        payload = BindPayload.model_validate(task.payload)
        report("binding", {"stage": "binding"})
        bank = bank_of(self._settings, task.owner)
        with tempfile.TemporaryDirectory(prefix="fableverse-bind-") as name:
            folder = Path(name)
            files = {
                f"page-{index}" if index else "cover": picture_file(index) for index in range(len(payload.pictures))
            }
            for file, digest in zip(files.values(), payload.pictures, strict=True):
                (folder / file).parent.mkdir(exist_ok=True)
                (folder / file).write_bytes(self._store.get(digest))
            cast = cast_of(payload.lock, bank, self._store, known=payload.cast)
            cards = tuple(member.card for member in cast)
            record = record_of(payload.lock, cards, design=payload.look.design, formats=payload.look.formats)
            portraits = portraits_in(folder / "portraits", cast, self._store)
            templates_dir = self._settings.base.templates_dir
            bind_locked(folder, payload.story, payload.lock, record, portraits=portraits, templates_dir=templates_dir)
            files |= {format_: EDITIONS[format_].filename for format_ in record.formats}
            files |= {"story": STORY_FILENAME, "lock": LOCK_FILENAME}
            files |= {f"cast-{card.id}": f"{CAST_DIRNAME}/{card.id}.png" for card in cards if card.id in portraits}
            artifacts = {key: keep_file(self._store, folder / file) for key, file in files.items()}
        return Done(result=Bound(artifacts=artifacts).model_dump(mode="json"))

    def _reword(self, task: Task, report: Report) -> Done:
        payload = RewordPayload.model_validate(task.payload)
        info = self._model()
        (paraphrases,) = reword(
            [payload.caption],
            payload.concepts,
            settings=self._settings.base,
            bank=bank_of(self._settings, task.owner),
            lexicon=info.lexicon,
            max_tokens=info.settings.max_sequence_length,
            warn=lambda warning: logger.warning("job %s: %s", task.job_id, warning),
            on_captions=lambda num: report("rewording", {"stage": "rewording", "written": num}),
        )
        return Done(result=Reworded(paraphrases=paraphrases).model_dump(mode="json"))

    def _model(self) -> ModelInfo:
        info = ask_model(self._database, wanted=self._settings.base.wanted_model)
        if info is None:
            raise NotReady("No picture model is loaded yet. Try again once /readyz says so.")
        return info


def _request_of(wish: StoryWish, bank: ConceptBank, info: ModelInfo) -> StoryRequest:
    """What a writer is asked, with the concepts of the bank that belong to the model."""
    catalog = bank.catalog(base_model=info.model.fingerprint)
    cast = tuple(bank.get(concept_id).card() for concept_id in wish.cast)
    strangers = [card.id for card in cast if card not in catalog]
    if strangers:
        raise WrongBaseModel(
            f"The cast has {', '.join(map(repr, strangers))}, learnt on another model than {info.model.source!r}: a "
            "concept has a meaning only on its own model. Choose others, or learn it again on this model."
        )
    return StoryRequest.model_validate({**wish.model_dump(exclude={"cast"}), "cast": cast, "catalog": catalog})
