"""What runs on a node: a process with the picture model on a GPU of its own, which Ray makes an actor of.

It knows neither database nor store nor bank: everything a piece of work needs comes with it, and what the work made
goes back. Does not import Ray.
"""

import threading
import time
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from importlib import import_module
from pathlib import Path
from queue import SimpleQueue
from tempfile import TemporaryDirectory
from typing import Any, Final, Literal

from PIL import Image

from api.book_lock import current_versions
from api.cluster.shipping import Parcel, pack, unpack
from api.libraries import quiet_libraries
from api.service.own_model import OwnModel
from api.service.payloads import ModelInfo
from api.service.picture_model import LearningOrder, LearningWatch
from api.settings import WantedModel
from concepts.bank import ConceptBank
from concepts.schema import BoundPrompt
from generator.key_similarity import KeySimilarity
from generator.recipe import LearningProgress
from generator.renderer import Preview

WorkName = Literal["render", "key_similarities", "learn", "describe"]
ON_LOADING: Final = "on_loading"
"""Told to every caller, with whether the model is being loaded from now on."""
STEPS_EVERY_S: Final = 0.5
"""Steps that follow each other faster are not all told: each costs a message here and a transaction in the service."""


@dataclass(frozen=True)
class Told:
    """Something that happened during a piece of work: a callback of the caller's, to be called with the values."""

    callback: str
    values: tuple[Any, ...]


@dataclass(frozen=True)
class Made:
    """What came of a piece of work."""

    value: Any
    info: ModelInfo
    """The model as it is now: where memory ran out meanwhile it computes in other numbers than before."""


class CalledOff(Exception):
    """Ends a piece of work that nobody waits for any more."""


class _Line:
    """To whoever waits for a piece of work."""

    def __init__(self, is_called_off: Callable[[], bool]) -> None:
        self._is_called_off = is_called_off
        self._step_at = 0.0
        self.happened: SimpleQueue[Told | Made | BaseException] = SimpleQueue()

    def tell(self, callback: str, *values: Any) -> None:
        """Have one of the caller's callbacks called with values, unless nobody waits any more."""
        self._check()
        self.happened.put(Told(callback, values))

    def tell_step(self, step: int, num_steps: int, *values: Any, callback: str = "on_step") -> None:
        """Have a callback called with the values unless one was just now; the last step is always told."""
        self._check()
        now = time.monotonic()
        if now - self._step_at >= STEPS_EVERY_S or step == num_steps:
            self._step_at = now
            self.tell(callback, *values)

    def tell_preview(self, preview: Preview) -> None:
        """Have `on_preview` called with a preview, unless the step that it is of will not be told."""
        if time.monotonic() - self._step_at >= STEPS_EVERY_S:
            self.tell("on_preview", preview())

    def tell_loading(self, is_loading: bool) -> None:
        """Have the caller know whether the model is being loaded. Loading is not called off."""
        self.happened.put(Told(ON_LOADING, (is_loading,)))

    def _check(self) -> None:
        if self._is_called_off():
            raise CalledOff


class NodeModel:
    """A picture model that does one piece of work after another. Pieces are numbered upwards by the caller."""

    def __init__(self, wanted: WantedModel) -> None:
        quiet_libraries()
        self._model = OwnModel(wanted, on_loading=self._tell_loading)
        self._line: _Line | None = None
        self._learning_dir = TemporaryDirectory(prefix="fableverse-learning-")
        self._called_off = 0
        self._thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix="work")
        self._works: Mapping[WorkName, Callable[..., Any]] = {
            "render": self._render,
            "key_similarities": self._key_similarities,
            "learn": self._learn,
            "describe": self._describe,
        }

    def versions(self) -> dict[str, str]:
        """Of Fableverse here and of what it draws with."""
        return current_versions()

    def load(self) -> ModelInfo:
        """As in `PictureModel`."""
        return self._thread.submit(self._model.load).result()

    def unload(self) -> None:
        """As in `PictureModel`."""
        self._thread.submit(self._model.unload).result()

    def warm_up(self) -> None:
        """Import what loading the model needs, which takes longer than loading a small one."""
        self._thread.submit(import_module, "api.studio").result()

    def stay(self) -> None:
        """Never returns, so that whoever waits for this learns when the process is gone."""
        threading.Event().wait()

    def call_off(self, number: int) -> None:
        """End that piece of work, and all before it, where they tell something next."""
        self._called_off = number

    def work(self, number: int, name: WorkName, arguments: Mapping[str, Any]) -> Iterator[Told | Made]:
        """Everything that a piece of work tells, then what came of it; errors of the work come through."""
        line = _Line(lambda: number <= self._called_off)

        def do() -> None:
            self._line = line
            try:
                value = self._works[name](line, **arguments)
                line.happened.put(Made(value, self._model.load()))
            except BaseException as error:
                line.happened.put(error)
            finally:
                self._line = None

        self._thread.submit(do)
        while isinstance(each := line.happened.get(), Told):
            yield each
        if isinstance(each, BaseException):
            raise each
        yield each

    def _tell_loading(self, is_loading: bool) -> None:
        if self._line is not None:
            self._line.tell_loading(is_loading)

    def _render(
        self,
        line: _Line,
        *,
        concepts: Parcel,
        bound: BoundPrompt,
        wants_previews: bool,
        options: Mapping[str, Any],
    ) -> Image.Image:
        with TemporaryDirectory(prefix="fableverse-concepts-") as folder:
            renderer = self._model.renderer(unpack(concepts, Path(folder)))
            return renderer.render(
                bound,
                **options,
                on_step=lambda step, of: line.tell_step(step, of, step, of),
                on_preview=line.tell_preview if wants_previews else None,
            )

    def _key_similarities(
        self, line: _Line, *, concepts: Parcel, bound: BoundPrompt, strengths: Mapping[str, float] | None
    ) -> tuple[KeySimilarity, ...]:
        del line
        with TemporaryDirectory(prefix="fableverse-concepts-") as folder:
            return self._model.renderer(unpack(concepts, Path(folder))).key_similarities(bound, strengths=strengths)

    def _learn(self, line: _Line, *, order: LearningOrder, checkpoint: bytes | None) -> Parcel:
        """The concepts; tells beside the rest of each new checkpoint, with which another node can go on.

        Pictures that are shown beside the source are kept as long as this process is there.
        """
        path = Path(self._learning_dir.name) / "checkpoint.safetensors"
        path.unlink(missing_ok=True)
        if checkpoint is not None:
            path.write_bytes(checkpoint)
        seen = path.stat().st_mtime_ns if checkpoint is not None else 0

        def on_step(progress: LearningProgress) -> None:
            nonlocal seen
            if path.exists() and (written := path.stat().st_mtime_ns) != seen:
                seen = written
                line.tell("on_checkpoint", path.read_bytes())
            line.tell_step(progress.step, progress.num_steps, progress)

        watch = LearningWatch(
            on_prepare=partial(line.tell, "on_prepare"),
            on_step=on_step,
            on_peek_step=lambda: line.tell_step(0, 1, callback="on_peek_step"),
            on_peek=partial(line.tell, "on_peek"),
            on_previews=lambda done, of: line.tell_step(done, of, done, of, callback="on_previews"),
        )
        with TemporaryDirectory(prefix="fableverse-learnt-") as folder:
            bank = ConceptBank(Path(folder))
            kept = self._model.learn(order, bank, checkpoint_path=path, watch=watch)
            return pack(bank, [concept.id for concept in kept])

    def _describe(self, line: _Line, *, picture: Image.Image) -> str | None:
        del line
        return self._model.describe(picture)
