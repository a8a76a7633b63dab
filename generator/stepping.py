"""Goes on when memory runs out: the model is loaded anew by the next plan, and what was under way is done again.

A plan that memory ran out by for one picture is followed again for pictures that take less, and in time for all, as
what else took memory may be gone. Pictures that are not expected to fit by any plan are refused before they are begun.
"""

import gc
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from typing import Generic, TypeVar

import torch
from PIL import Image

from concepts.schema import BoundPrompt
from generator.errors import InvalidSettings, OutOfMemory
from generator.key_similarity import KeySimilarity
from generator.memory import said_of_memory
from generator.plan import RenderPlan, gigabytes
from generator.planning import expected_bytes, has_room
from generator.renderer import OnPictureStep, OnPreview, OnStep, PictureOrder, Renderer
from generator.settings import RenderSettings
from generator.slides import Slide

Model = TypeVar("Model")
Result = TypeVar("Result")

TRY_AGAIN_AFTER = 100
"""Pieces of work until plans that memory ran out by are tried again, which takes two times of loading at worst."""


_WAYS_OUT = {
    "cuda": "End other programs that use the GPU (nvidia-smi names them), draw smaller pictures, or give --profile "
    "fast, whose weights take half.",
    "cpu": "End other programs, draw smaller pictures, or allow this one more memory where it has a limit (ulimit -v).",
}


class SteppingModel(Generic[Model]):
    """A model by the first of several plans that its machine has room for; loaded when it is first needed."""

    def __init__(
        self, plans: Sequence[RenderPlan], load: Callable[[RenderPlan], Model], *, tell: Callable[[str], None]
    ) -> None:
        """Take plans, each smaller than the one before; `tell` is told of each step from one to another."""
        self._plans = tuple(plans)
        self._load = load
        self._tell = tell
        self._loaded: Model | None = None
        self._at = 0
        self._ran_out: dict[int, int] = {}
        """By a plan's place, how much what memory ran out in was expected to take; 0 is the model alone."""
        self._done_since = 0

    @property
    def plan(self) -> RenderPlan:
        """The one that is followed now."""
        return self._plans[self._at]

    @property
    def model(self) -> Model:
        """What is loaded, by whichever plan.

        Raises:
            OutOfMemory: There is room for it by no plan.
        """
        return self.attempt(lambda model: model) if self._loaded is None else self._loaded

    def attempt(self, work: Callable[[Model], Result], settings: RenderSettings | None = None) -> Result:
        """What `work` makes of the model; it is done again, from its beginning, whenever memory runs out.

        Args:
            work: What is to be done.
            settings: Of the pictures that it draws; None are those that the plans were made for.

        Raises:
            InvalidSettings: Pictures of these settings are larger than there is room for.
            OutOfMemory: It ran out by the last plan too.
        """
        self._choose(settings)
        while True:
            try:
                if self._loaded is None:
                    self._loaded = self._load(self.plan)
                done = work(self._loaded)
            except Exception as error:
                said = _said_of_memory(error)
            else:
                self._done_since += 1
                return done
            # Only here, with the error gone, nothing holds on to what was being computed.
            self.step_down(said, settings)

    def step_down(self, said: str, settings: RenderSettings | None = None) -> None:
        """Unload the model and follow the next plan that has room for pictures of these settings.

        Raises:
            OutOfMemory: There is none. The first is followed again then: that nothing was enough for one picture, or
                for a moment, is no reason to draw others by the slowest.
        """
        self._ran_out[self._at] = 0 if self._loaded is None else expected_bytes(self.plan, settings)
        self._done_since = 0
        self._leave()
        untried = [at for at in self._roomy(settings) if self._is_untried(at, settings)]
        if not untried:
            smallest = self.plan
            self._begin_again()
            raise OutOfMemory(
                f"There is too little memory to draw with, even by the smallest plan: {smallest.summary()} ({said}). "
                + _WAYS_OUT[smallest.device]
            )
        self._at = untried[0]
        self._tell(f"Memory ran out ({said}). Going on by a smaller plan: {self.plan.summary()}")

    def unload(self) -> None:
        """Give the model's memory back; it is loaded again when it is needed next, by the first plan."""
        self._leave()
        self._begin_again()

    def _choose(self, settings: RenderSettings | None) -> None:
        """Follow the first plan with room for pictures of these settings that memory did not run out by before."""
        if self._done_since >= TRY_AGAIN_AFTER:
            self._ran_out.clear()
        roomy = self._roomy(settings)
        smallest = self._plans[-1]
        if not roomy and settings is not None and smallest.room is not None:
            raise InvalidSettings(
                f"A picture of {settings.width}×{settings.height} pixels in {settings.num_inference_steps} steps is "
                f"expected to take {gigabytes(expected_bytes(smallest, settings))} by the smallest plan, and "
                f"{gigabytes(smallest.room.budget)} may be used. Draw a smaller picture, or on a machine with more "
                "memory."
            )
        chosen = next((at for at in roomy if self._is_untried(at, settings)), roomy[-1])
        if chosen == self._at:
            return
        is_loaded = self._loaded is not None
        self._leave()
        self._at = chosen
        if is_loaded:
            self._tell(f"Going on by another plan, for pictures of another size: {self.plan.summary()}")

    def _roomy(self, settings: RenderSettings | None) -> list[int]:
        return [at for at, plan in enumerate(self._plans) if has_room(plan, settings)]

    def _is_untried(self, at: int, settings: RenderSettings | None) -> bool:
        """Whether memory has not run out by a plan, or only in what took more than pictures of these settings."""
        return at not in self._ran_out or expected_bytes(self._plans[at], settings) < self._ran_out[at]

    def _leave(self) -> None:
        self._loaded = None
        gc.collect()
        if torch.cuda.is_available():
            torch.cuda.empty_cache()

    def _begin_again(self) -> None:
        self._ran_out.clear()
        self._at = 0


def _said_of_memory(error: Exception) -> str:
    """The line in which an error says that memory ran out; any other error is raised again."""
    said = said_of_memory(error)
    if said is None:
        raise error
    return said


class SteppingRenderer(Generic[Model]):
    """A `Renderer` that draws by whichever plan its model is at, and draws a picture again that memory ran out in."""

    def __init__(self, model: SteppingModel[Model], make_renderer: Callable[[Model], Renderer]) -> None:
        self._model = model
        self._make_renderer = make_renderer

    def render(
        self,
        bound: BoundPrompt,
        *,
        seed: int,
        settings: RenderSettings | None = None,
        strengths: Mapping[str, float] | None = None,
        slides: Sequence[Slide] = (),
        read_with: Sequence[str] = (),
        on_step: OnStep | None = None,
        on_preview: OnPreview | None = None,
    ) -> Image.Image:
        """As in `Renderer`; raises `InvalidSettings` for what is too large, and `OutOfMemory`, too."""
        return self._model.attempt(
            lambda model: self._make_renderer(model).render(
                bound,
                seed=seed,
                settings=settings,
                strengths=strengths,
                slides=slides,
                read_with=read_with,
                on_step=on_step,
                on_preview=on_preview,
            ),
            settings,
        )

    def render_all(
        self,
        orders: Sequence[PictureOrder],
        *,
        settings: RenderSettings | None = None,
        done: Collection[int] = (),
        on_step: OnPictureStep | None = None,
    ) -> Iterator[Image.Image]:
        """As in `Renderer`; pictures that were given stay given. Raises as `render` does."""
        progress = _Progress(on_step)
        wanted = [index for index in range(len(orders)) if index not in done]
        first = 0
        while wanted:
            renderer = self._make_renderer(self._model.attempt(lambda model: model, settings))
            rest, done_of_rest = orders[first:], {index - first for index in done if index >= first}
            report = progress.report(first)
            try:
                for image in renderer.render_all(rest, settings=settings, done=done_of_rest, on_step=report):
                    first = wanted.pop(0) + 1
                    yield image
                return
            except Exception as error:
                said = _said_of_memory(error)
                del renderer
            self._model.step_down(said, settings)

    def key_similarities(
        self, bound: BoundPrompt, *, strengths: Mapping[str, float] | None = None
    ) -> tuple[KeySimilarity, ...]:
        """As in `Renderer`; raises `OutOfMemory` too."""
        return self._model.attempt(
            lambda model: self._make_renderer(model).key_similarities(bound, strengths=strengths)
        )


class _Progress:
    """Steps of pictures, some of them drawn twice, told as if none were."""

    def __init__(self, on_step: OnPictureStep | None) -> None:
        self._on_step = on_step
        self._told = (0, 0)

    def report(self, first: int) -> OnPictureStep:
        """What is told of pictures that are counted from the picture `first`."""

        def report(picture: int, step: int, num_steps: int) -> None:
            if self._on_step is not None and (first + picture, step) > self._told:
                self._told = (first + picture, step)
                self._on_step(first + picture, step, num_steps)

        return report
