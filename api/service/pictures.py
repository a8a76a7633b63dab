"""The work that needs the picture model: drawing and learning. Knows not whether the model is in this process."""

import hashlib
import json
import tempfile
import time
from collections.abc import Mapping
from functools import partial
from io import BytesIO
from pathlib import Path
from typing import Any

from PIL import Image

from api.book_lock import LockedModel
from api.commands.learn import recipe_of
from api.drawing import note_of_length
from api.errors import LockMismatch
from api.outlook import num_parameters_of
from api.service.banks import bank_of
from api.service.database import Database
from api.service.model_info import tell_model
from api.service.own_model import OwnModel
from api.service.payloads import Described, DescribePayload, Drawn, DrawPayload, LearnPayload, Learnt, ModelInfo
from api.service.picture_model import LearningOrder, LearningWatch, PictureModel
from api.service.previews import Previews
from api.service.settings import ServiceSettings
from api.service.staging import Staging
from api.service.store import ContentStore
from api.service.tasks import Task, TaskKind
from api.service.work import Done, Finish, Handler, Report, keep_file
from concepts.bank import ConceptBank
from generator.images import PictureMetadata, save_picture
from generator.recipe import LearningProgress, LearningRecipe
from generator.settings import RenderSettings


class PictureWork:
    """Draws and learns with one model, by default one of its own."""

    def __init__(
        self, settings: ServiceSettings, database: Database, store: ContentStore, model: PictureModel | None = None
    ) -> None:
        self._settings = settings
        self._database = database
        self._store = store
        self._model = OwnModel(settings.base.wanted_model) if model is None else model

    @property
    def handlers(self) -> Mapping[TaskKind, Handler]:
        """Pictures, concepts and captions."""
        return {"draw": self._draw, "learn": self._learn, "describe": self._describe}

    def prepare(self) -> bool:
        """Load the model, and tell everybody which it is."""
        tell_model(self._database, self._model.load(), wanted=self._settings.base.wanted_model)
        return True

    @property
    def is_loading(self) -> bool:
        """Whether the model is being loaded."""
        return self._model.is_loading

    def rest(self) -> None:
        """Unload the model; the next task loads it again."""
        self._model.unload()

    def _draw(self, task: Task, report: Report) -> Finish:
        payload = DrawPayload.model_validate(task.payload)
        info, bank = self._model.load(), bank_of(self._settings, task.owner)
        _check_inputs(payload, info, bank)
        settings, previews = payload.settings or info.settings, Previews()

        def on_step(step: int, num_steps: int) -> None:
            report("step", _progress(payload, step, num_steps) | previews.told, preview=previews.pop())

        started = time.perf_counter()
        report("step", _progress(payload, 0, settings.num_inference_steps))
        unread = note_of_length(
            payload.bound.prompt, self._settings.base.wanted_model, max_tokens=settings.max_sequence_length
        )
        image = self._model.renderer(bank).render(
            payload.bound,
            seed=payload.seed,
            settings=settings,
            strengths=payload.strengths,
            slides=payload.slides,
            read_with=payload.read_with,
            on_step=on_step,
            on_preview=previews.offer,
        )
        others = _note_of_numbers(payload, self._model.load())  # asked again, as memory may have run out meanwhile
        warnings, seconds = tuple(filter(None, (unread, others))), time.perf_counter() - started
        return partial(
            self._keep, image, payload, settings, info.model, seconds, warnings=warnings, is_as_asked=others is None
        )

    def _keep(
        self,
        image: Image.Image,
        payload: DrawPayload,
        settings: RenderSettings,
        model: LockedModel,
        seconds: float,
        *,
        warnings: tuple[str, ...],
        is_as_asked: bool,
    ) -> Done:
        """Put a picture that was drawn in so many seconds into the store."""
        metadata = PictureMetadata(
            prompt=payload.bound.prompt,
            seed=payload.seed,
            concepts=payload.concepts,
            strengths=payload.strengths,
            slides=payload.slides,
            settings=settings,
            model=model.name,
            fingerprint=model.fingerprint,
        )
        with tempfile.TemporaryDirectory(prefix="fableverse-draw-") as folder:
            path = Path(folder) / "picture.png"
            save_picture(image, path, metadata=metadata)
            artifact = keep_file(self._store, path)
        steps = settings.num_inference_steps
        drawn = Drawn(
            artifact=artifact, width=image.width, height=image.height, seconds=round(seconds, 3), warnings=warnings
        )
        return Done(
            result=drawn.model_dump(mode="json"),
            picture=artifact.sha256,
            told={**_progress(payload, steps, steps), "sha256": artifact.sha256},
            is_as_asked=is_as_asked,
        )

    def _learn(self, task: Task, report: Report) -> Done:
        payload = LearnPayload.model_validate(task.payload)
        num_parameters = num_parameters_of(self._settings.base.wanted_model)
        recipe = recipe_of(num_parameters=num_parameters, steps=payload.steps, seed=payload.seed)
        work_dir = self._settings.learning_dir
        work_dir.mkdir(parents=True, exist_ok=True)
        # Another version's recipe begins anew: what it learnt so far means something else here.
        of_recipe = hashlib.sha256(recipe.model_dump_json().encode())
        if payload.paraphrases is not None:
            of_recipe.update(json.dumps(payload.paraphrases).encode())  # so does whoever tries again with others
        name = f"{task.job_id}-{of_recipe.hexdigest()[:12]}"
        staging = Staging(
            own=ConceptBank(work_dir / name),
            bank=bank_of(self._settings, task.owner),
            wanted=tuple(concept.id for concept in payload.concepts),
            replace=payload.replace,
        )
        staging.check_free()
        report("learning", _begun(recipe))
        if not staging.is_whole(self._model.load().model.fingerprint):
            self._learn_into(staging.own, payload, recipe, work_dir / f"{name}.safetensors", report)
        staging.keep()
        for checkpoint in work_dir.glob(f"{task.job_id}-*.safetensors"):
            checkpoint.unlink(missing_ok=True)
        return Done(result=Learnt(concepts=staging.wanted).model_dump(mode="json"))

    def _learn_into(
        self, bank: ConceptBank, payload: LearnPayload, recipe: LearningRecipe, checkpoint_path: Path, report: Report
    ) -> None:
        self._model.learn(
            LearningOrder(
                picture=Image.open(BytesIO(self._store.get(payload.picture))).convert("RGB"),
                caption=payload.caption,
                concepts=payload.concepts,
                recipe=recipe,
                paraphrases=payload.paraphrases,
            ),
            bank,
            checkpoint_path=checkpoint_path,
            watch=_Watch(report, recipe).callbacks(),
        )

    def _describe(self, task: Task, report: Report) -> Done:
        payload = DescribePayload.model_validate(task.payload)
        report("describing", {"stage": "describing"})
        picture = Image.open(BytesIO(self._store.get(payload.picture)))
        return Done(result=Described(caption=self._model.describe(picture)).model_dump(mode="json"))


class _Watch:
    """Tells how far learning is. Nothing it tells of takes long, so that whoever hears nothing knows that it hangs."""

    def __init__(self, report: Report, recipe: LearningRecipe) -> None:
        self._report = report
        self._now = _begun(recipe)
        self._previews = Previews()

    def callbacks(self) -> LearningWatch:
        """What learning calls."""
        return LearningWatch(
            on_prepare=lambda done, wanted: self._tell("learning", {"prepared": done, "to_prepare": wanted}),
            on_step=self._step,
            on_peek_step=lambda: self._tell("learning"),
            on_peek=self._previews.take,
            on_previews=self._preview,
        )

    def _step(self, progress: LearningProgress) -> None:
        self._now = _learning(progress)
        self._tell("learning")

    def _preview(self, step: int, num_steps: int) -> None:
        self._now = {"stage": "previews", "preview_step": step, "num_preview_steps": num_steps}
        self._tell("previews")

    def _tell(self, type_: str, more: Mapping[str, Any] | None = None) -> None:
        self._report(type_, {**self._now, **(more or {}), **self._previews.told}, preview=self._previews.pop())


def _check_inputs(payload: DrawPayload, info: ModelInfo, bank: ConceptBank) -> None:
    """Refuse to draw with another model or other concepts than the picture was asked for.

    Raises:
        LockMismatch: One of them has changed since.
        ConceptError: A concept is gone.
    """
    if payload.fingerprint is not None and payload.fingerprint != info.model.fingerprint:
        raise LockMismatch(
            f"The picture was begun with a model of fingerprint {payload.fingerprint[:12]}, and what is loaded now has "
            f"{info.model.identity}. Serve with the model that it was begun with, or begin it anew."
        )
    for concept_id, digest in payload.concepts.items():
        if bank.get(concept_id).direction_sha256 != digest:
            raise LockMismatch(f"Concept {concept_id!r} has been learnt again since this was begun. Begin it anew.")


def _note_of_numbers(payload: DrawPayload, info: ModelInfo) -> str | None:
    """What there is to say where a picture was drawn in other numbers than its book was begun in."""
    first, now = payload.numbers, info.model.numbers
    if first is None or now is None or first == now:
        return None
    return f"Drawn in {now.summary()}, and the book was begun in {first.summary()}: pictures differ."


def _progress(payload: DrawPayload, step: int, num_steps: int) -> dict[str, Any]:
    return {
        "stage": "drawing",
        "picture": payload.picture,
        "num_pictures": payload.num_pictures,
        "step": step,
        "num_steps": num_steps,
    }


def _begun(recipe: LearningRecipe) -> dict[str, Any]:
    return {"stage": "learning", "step": 0, "num_steps": recipe.num_steps}


def _learning(progress: LearningProgress) -> dict[str, Any]:
    return {
        "stage": "learning",
        "part": progress.stage,
        "step": progress.step,
        "num_steps": progress.num_steps,
        "loss": round(progress.loss, 5),
        "seconds_left": round(progress.seconds_left, 1),
    }
