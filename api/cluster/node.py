"""What runs on a node: a process with the picture model on a GPU of its own, which Ray makes an actor of.

It knows neither database nor store nor bank: everything a piece of work needs comes with it, and what the work made
goes back. Does not import Ray.
"""

import threading
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from importlib import import_module
from pathlib import Path
from queue import SimpleQueue
from tempfile import TemporaryDirectory
from typing import Any, Literal

from PIL import Image

from api.cluster.shipping import Parcel, pack, unpack
from api.service.own_model import OwnModel
from api.service.payloads import ModelInfo
from api.service.picture_model import LearningOrder, LearningWatch
from api.settings import WantedModel
from concepts.schema import BoundPrompt
from generator.key_similarity import KeySimilarity
from generator.recipe import LearningProgress

WorkName = Literal["render", "key_similarities", "learn", "describe"]
Tell = Callable[..., None]
"""Called with the name of one of the caller's callbacks and what to call it with."""


@dataclass(frozen=True)
class Told:
    """Something that happened during a piece of work: a callback of the caller's, to be called with the values."""

    callback: str
    values: tuple[Any, ...]


@dataclass(frozen=True)
class Made:
    """What came of a piece of work."""

    value: Any


class CalledOff(Exception):
    """Ends a piece of work that nobody waits for any more."""


class NodeModel:
    """A picture model that does one piece of work after another. Pieces are numbered upwards by the caller."""

    def __init__(self, wanted: WantedModel) -> None:
        self._model = OwnModel(wanted)
        self._called_off = 0
        self._thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix="work")
        self._works: Mapping[WorkName, Callable[..., Any]] = {
            "render": self._render,
            "key_similarities": self._key_similarities,
            "learn": self._learn,
            "describe": self._describe,
        }

    def load(self) -> ModelInfo:
        """As in `PictureModel`."""
        return self._thread.submit(self._model.load).result()

    def unload(self) -> None:
        """As in `PictureModel`."""
        self._thread.submit(self._model.unload).result()

    def warm_up(self) -> None:
        """Import what loading the model needs, which takes longer than loading a small one."""
        self._thread.submit(import_module, "generator.flux_renderer").result()

    def stay(self) -> None:
        """Never returns, so that whoever waits for this learns when the process is gone."""
        threading.Event().wait()

    def call_off(self, number: int) -> None:
        """End that piece of work, and all before it, where they tell something next."""
        self._called_off = number

    def work(self, number: int, name: WorkName, arguments: Mapping[str, Any]) -> Iterator[Told | Made]:
        """Everything that a piece of work tells, then what came of it; errors of the work come through."""
        happened: SimpleQueue[Told | Made | BaseException] = SimpleQueue()

        def tell(callback: str, *values: Any) -> None:
            if number <= self._called_off:
                raise CalledOff
            happened.put(Told(callback, values))

        def do() -> None:
            try:
                happened.put(Made(self._works[name](tell, **arguments)))
            except BaseException as error:
                happened.put(error)

        self._thread.submit(do)
        while isinstance(each := happened.get(), Told):
            yield each
        if isinstance(each, BaseException):
            raise each
        yield each

    def _render(self, tell: Tell, *, concepts: Parcel, bound: BoundPrompt, options: Mapping[str, Any]) -> Image.Image:
        with TemporaryDirectory(prefix="fableverse-concepts-") as folder:
            renderer = self._model.renderer(unpack(concepts, Path(folder)))
            return renderer.render(bound, **options, on_step=partial(tell, "on_step"))

    def _key_similarities(
        self, tell: Tell, *, concepts: Parcel, bound: BoundPrompt, strengths: Mapping[str, float] | None
    ) -> tuple[KeySimilarity, ...]:
        del tell
        with TemporaryDirectory(prefix="fableverse-concepts-") as folder:
            return self._model.renderer(unpack(concepts, Path(folder))).key_similarities(bound, strengths=strengths)

    def _learn(self, tell: Tell, *, order: LearningOrder, checkpoint: bytes | None) -> Parcel:
        """The concepts; tells beside the rest of each new checkpoint, with which another node can go on."""
        with TemporaryDirectory(prefix="fableverse-learning-") as folder:
            path = Path(folder) / "checkpoint.safetensors"
            if checkpoint is not None:
                path.write_bytes(checkpoint)
            seen = path.stat().st_mtime_ns if checkpoint is not None else 0

            def on_step(progress: LearningProgress) -> None:
                nonlocal seen
                if path.exists() and (written := path.stat().st_mtime_ns) != seen:
                    seen = written
                    tell("on_checkpoint", path.read_bytes())
                tell("on_step", progress)

            bank = unpack({}, Path(folder) / "bank")
            watch = LearningWatch(
                on_step=on_step, on_peek=partial(tell, "on_peek"), on_previews=partial(tell, "on_previews")
            )
            kept = self._model.learn(order, bank, checkpoint_path=path, replace=True, watch=watch)
            return pack(bank, [concept.id for concept in kept])

    def _describe(self, tell: Tell, *, picture: Image.Image) -> str | None:
        del tell
        return self._model.describe(picture)
