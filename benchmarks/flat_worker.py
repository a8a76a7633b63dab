"""Workers of the service without the picture model, for programs that ask for thousands of things.

A picture is one colour, which follows from its seed, and takes four steps of `FLAT_STEP_S` seconds, by default none. A
concept that is learnt is a copy of one of the bank. Text is the real work.
"""

import os
import tempfile
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from PIL import Image

from api.book_lock import LockedModel
from api.service.banks import bank_of
from api.service.database import Database
from api.service.model_info import tell_model
from api.service.payloads import Drawn, DrawPayload, LearnPayload, Learnt, ModelInfo
from api.service.previews import Previews
from api.service.settings import ServiceSettings
from api.service.store import ContentStore
from api.service.tasks import Task, TaskKind
from api.service.texts import TextWork
from api.service.work import Done, Handler, Report, keep_file
from api.service.worker import run
from concepts.bank import ConceptBank
from generator.settings import RenderSettings

STEP_S: Final = float(os.environ.get("FLAT_STEP_S", "0"))
SETTINGS: Final = RenderSettings(
    num_inference_steps=4, guidance_scale=2.5, height=256, width=256, max_sequence_length=64
)


class FlatPictures:
    """The work of a drawing worker without a model."""

    def __init__(self, settings: ServiceSettings, database: Database, store: ContentStore) -> None:
        self._settings = settings
        self._database = database
        self._store = store

    is_loading = False

    @property
    def handlers(self) -> Mapping[TaskKind, Handler]:
        """Pictures and concepts."""
        return {"draw": self._draw, "learn": self._learn}

    def prepare(self) -> bool:
        """Say that the model is the one that the bank's concepts were learnt on."""
        concept = ConceptBank(self._settings.base.bank_dir).list()[0]
        model = LockedModel(source=self._settings.base.model, name="flat", fingerprint=concept.base_model)
        info = ModelInfo(model=model, settings=SETTINGS)
        tell_model(self._database, info, wanted=self._settings.base.wanted_model)
        return True

    def rest(self) -> None:
        """Nothing is held."""

    def _draw(self, task: Task, report: Report) -> Done:
        payload = DrawPayload.model_validate(task.payload)
        size = payload.settings or SETTINGS
        steps = SETTINGS.num_inference_steps
        told = {
            "stage": "drawing",
            "picture": payload.picture,
            "num_pictures": payload.num_pictures,
            "num_steps": steps,
        }
        colour, previews = f"#{payload.seed % 0x1000000:06x}", Previews()
        for step in range(steps):
            report("step", {**told, "step": step} | previews.told, preview=previews.pop())
            time.sleep(STEP_S)
            previews.offer(lambda: Image.new("RGB", (8, 8), colour))
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "picture.png"
            Image.new("RGB", (size.width, size.height), colour).save(path)
            artifact = keep_file(self._store, path)
        drawn = Drawn(artifact=artifact, width=size.width, height=size.height, seconds=0)
        return Done(
            result=drawn.model_dump(mode="json"),
            picture=artifact.sha256,
            told={**told, "step": steps, "sha256": artifact.sha256},
        )

    def _learn(self, task: Task, report: Report) -> Done:
        payload = LearnPayload.model_validate(task.payload)
        report("learning", {"stage": "learning", "step": 0, "num_steps": 1})
        own, shared = bank_of(self._settings, task.owner), ConceptBank(self._settings.base.bank_dir)
        known = shared.list()[0]
        for wanted in payload.concepts:
            own.add(
                known.model_copy(update={"id": wanted.id, "word": wanted.word, "kind": wanted.kind}),
                source=shared.source_path(known.id),
                direction=shared.direction_path(known.id),
                preview=shared.preview_path(known.id),
                replace=True,
            )
        return Done(result=Learnt(concepts=tuple(wanted.id for wanted in payload.concepts)).model_dump(mode="json"))


if __name__ == "__main__":
    run({"text": TextWork, "draw": FlatPictures})
