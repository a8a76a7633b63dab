"""The work that needs the picture model: drawing and learning. Torch is loaded with the model, not with this file."""

import gc
import tempfile
import time
from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING, Any

from PIL import Image

from api.commands.learn import recipe_of
from api.errors import LockMismatch
from api.service.banks import bank_of
from api.service.database import Database
from api.service.model_info import tell_model
from api.service.payloads import Described, DescribePayload, Drawn, DrawPayload, LearnPayload, Learnt, ModelInfo
from api.service.settings import ServiceSettings
from api.service.store import ContentStore
from api.service.tasks import Task, TaskKind
from api.service.work import Done, Handler, Report, keep_file
from concepts.bank import ConceptBank
from generator.images import PictureMetadata, save_picture
from generator.isolation_prompts import GENERAL_PROMPTS, prompts_from_lexicon
from generator.recipe import LearningProgress

if TYPE_CHECKING:
    from api.storybook import Studio
    from generator.loading import FluxModel

_LEARNING_DIRNAME = "learning"


@dataclass(frozen=True)
class _Loaded:
    model: "FluxModel"
    info: ModelInfo


class PictureWork:
    """Draws and learns with a model that is loaded once."""

    def __init__(self, settings: ServiceSettings, database: Database, store: ContentStore) -> None:
        self._settings = settings
        self._database = database
        self._store = store
        self._loaded: _Loaded | None = None

    @property
    def handlers(self) -> Mapping[TaskKind, Handler]:
        """Pictures, concepts and captions."""
        return {"draw": self._draw, "learn": self._learn, "describe": self._describe}

    def prepare(self) -> bool:
        """Load the model, and tell everybody which it is."""
        self._load()
        return True

    def rest(self) -> None:
        """Unload the model; the next task loads it again."""
        self._loaded = None
        gc.collect()

    def _load(self) -> _Loaded:
        if self._loaded is None:
            from api.studio import studio_of  # loads torch, so only now
            from generator.loading import load_model

            source = self._settings.base.model
            model = load_model(source)
            studio = studio_of(model, source, ConceptBank(self._settings.base.bank_dir))
            info = ModelInfo(model=studio.model, settings=studio.settings)
            tell_model(self._database, info)
            self._loaded = _Loaded(model=model, info=info)
        return self._loaded

    def _studio(self, bank: ConceptBank) -> "Studio":
        from api.studio import studio_of

        loaded = self._load()
        return studio_of(loaded.model, loaded.info.model.source, bank)

    def _draw(self, task: Task, report: Report) -> Done:
        payload = DrawPayload.model_validate(task.payload)
        studio = self._studio(bank_of(self._settings, task.owner))
        _check_inputs(payload, studio)
        settings = payload.settings or studio.settings

        def on_step(step: int, num_steps: int) -> None:
            report("step", _progress(payload, step, num_steps))

        started = time.perf_counter()
        report("step", _progress(payload, 0, settings.num_inference_steps))
        image = studio.renderer.render(
            payload.bound,
            seed=payload.seed,
            settings=settings,
            strengths=payload.strengths,
            slides=payload.slides,
            on_step=on_step,
        )
        metadata = PictureMetadata(
            prompt=payload.bound.prompt,
            seed=payload.seed,
            concepts=payload.concepts,
            strengths=payload.strengths,
            slides=payload.slides,
            settings=settings,
            model=studio.model.name,
            fingerprint=studio.model.fingerprint,
        )
        with tempfile.TemporaryDirectory(prefix="fableverse-draw-") as folder:
            path = Path(folder) / "picture.png"
            save_picture(image, path, metadata=metadata)
            artifact = keep_file(self._store, path)
        seconds = time.perf_counter() - started
        steps = settings.num_inference_steps
        told = {**_progress(payload, steps, steps), "sha256": artifact.sha256}
        drawn = Drawn(artifact=artifact, width=image.width, height=image.height, seconds=round(seconds, 3))
        return Done(result=drawn.model_dump(mode="json"), picture=artifact.sha256, told=told)

    def _learn(self, task: Task, report: Report) -> Done:
        payload = LearnPayload.model_validate(task.payload)
        loaded = self._load()
        from generator.flux_renderer import FluxRenderer
        from generator.learning import learn_concepts
        from generator.learnt import LearntDirections, draw_preview, save_concepts

        bank = bank_of(self._settings, task.owner)
        picture = Image.open(BytesIO(self._store.get(payload.picture))).convert("RGB")
        recipe = recipe_of(steps=payload.steps, seed=payload.seed)
        lexicon = loaded.model.lexicon
        work_dir = self._settings.data_dir / _LEARNING_DIRNAME
        work_dir.mkdir(parents=True, exist_ok=True)
        checkpoint_path = work_dir / f"{task.job_id}.safetensors"
        report("learning", {"stage": "learning", "step": 0, "num_steps": recipe.num_steps})
        make_renderer = partial(FluxRenderer, loaded.model)
        shown: dict[str, str] = {}

        def on_step(progress: LearningProgress) -> None:
            report("learning", _learning(progress) | shown)

        def on_peek(so_far: LearntDirections) -> None:
            preview = draw_preview(so_far, payload.concepts[0].id, make_renderer=make_renderer, seed=recipe.seed)
            content = BytesIO()
            preview.save(content, format="PNG")
            shown["preview"] = self._store.put(content.getvalue())

        learnt = learn_concepts(
            loaded.model,
            picture,
            payload.caption,
            payload.concepts,
            isolation_prompts=GENERAL_PROMPTS if lexicon is None else prompts_from_lexicon(lexicon),
            recipe=recipe,
            cache_dir=work_dir,
            checkpoint_path=checkpoint_path,
            on_step=on_step,
            on_peek=on_peek,
        )
        report("previews", {"stage": "previews"} | shown)
        # An earlier start of this task may have died between the last concept put into the bank and its report.
        kept = save_concepts(
            bank,
            learnt,
            make_renderer=make_renderer,
            seed=recipe.seed,
            replace=payload.replace or task.starts > 1,
        )
        checkpoint_path.unlink(missing_ok=True)
        return Done(result=Learnt(concepts=tuple(concept.id for concept in kept)).model_dump(mode="json"))

    def _describe(self, task: Task, report: Report) -> Done:
        """A caption by Pocket's probe, which knows Pocket's world; with another model there is none."""
        payload = DescribePayload.model_validate(task.payload)
        report("describing", {"stage": "describing"})
        caption = None
        if self._load().model.lexicon is not None:
            from pocket.captioner import caption_of

            caption = caption_of(Image.open(BytesIO(self._store.get(payload.picture))))
        return Done(result=Described(caption=caption).model_dump(mode="json"))


def _check_inputs(payload: DrawPayload, studio: "Studio") -> None:
    """Refuse to draw with another model or other concepts than the picture was asked for.

    Raises:
        LockMismatch: One of them has changed since.
        ConceptError: A concept is gone.
    """
    if payload.fingerprint is not None and payload.fingerprint != studio.model.fingerprint:
        raise LockMismatch(
            f"The picture was begun with a model of fingerprint {payload.fingerprint[:12]}, and what is loaded now has "
            f"{studio.model.fingerprint[:12]}. Serve with the model that it was begun with, or begin it anew."
        )
    for concept_id, digest in payload.concepts.items():
        if studio.bank.get(concept_id).direction_sha256 != digest:
            raise LockMismatch(f"Concept {concept_id!r} has been learnt again since this was begun. Begin it anew.")


def _progress(payload: DrawPayload, step: int, num_steps: int) -> dict[str, Any]:
    return {
        "stage": "drawing",
        "picture": payload.picture,
        "num_pictures": payload.num_pictures,
        "step": step,
        "num_steps": num_steps,
    }


def _learning(progress: LearningProgress) -> dict[str, Any]:
    return {
        "stage": "learning",
        "part": progress.stage,
        "step": progress.step,
        "num_steps": progress.num_steps,
        "loss": round(progress.loss, 5),
        "seconds_left": round(progress.seconds_left, 1),
    }
