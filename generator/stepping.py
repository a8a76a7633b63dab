"""Goes on when memory runs out: the model is loaded anew by the next plan, and what was under way is done again."""

import gc
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Generic, TypeVar

import torch
from PIL import Image

from concepts.schema import BoundPrompt
from generator.errors import OutOfMemory
from generator.key_similarity import KeySimilarity
from generator.plan import RenderPlan
from generator.renderer import OnPictureStep, OnPreview, OnStep, PictureOrder, Renderer
from generator.settings import RenderSettings
from generator.slides import Slide

Model = TypeVar("Model")
Result = TypeVar("Result")


class SteppingModel(Generic[Model]):
    """A model by the first of several plans that its machine has room for; loaded when it is first needed."""

    def __init__(
        self, plans: Sequence[RenderPlan], load: Callable[[RenderPlan], Model], *, tell: Callable[[str], None]
    ) -> None:
        """Take plans, each smaller than the one before; `tell` is told of each step from one to the next."""
        self._plans = [*plans]
        self._load = load
        self._tell = tell
        self._loaded: Model | None = None

    @property
    def plan(self) -> RenderPlan:
        """The one that is followed now."""
        return self._plans[0]

    @property
    def model(self) -> Model:
        """What is loaded.

        Raises:
            OutOfMemory: There is room for it by no plan.
        """
        return self.attempt(lambda model: model)

    def attempt(self, work: Callable[[Model], Result]) -> Result:
        """What `work` makes of the model; it is done again, from its beginning, whenever memory runs out.

        Raises:
            OutOfMemory: It ran out by the last plan too.
        """
        while True:
            try:
                if self._loaded is None:
                    self._loaded = self._load(self.plan)
                return work(self._loaded)
            except torch.OutOfMemoryError as error:
                said = str(error).partition("\n")[0]
            # Only here, with the error gone, nothing holds on to what was being computed.
            self.step_down(said)

    def step_down(self, said: str) -> None:
        """Unload the model and follow the next plan.

        Raises:
            OutOfMemory: There is none.
        """
        self.unload()
        if len(self._plans) == 1:
            raise OutOfMemory(
                f"There is too little memory to draw with, even by the smallest plan: {self.plan.summary()} ({said}). "
                "End other programs that use the GPU (nvidia-smi names them), draw smaller pictures, or give "
                "--profile fast, whose weights take half."
            )
        del self._plans[0]
        self._tell(f"Memory ran out ({said}). Going on by a smaller plan: {self.plan.summary()}")

    def unload(self) -> None:
        """Give the model's memory back; it is loaded again when it is needed next."""
        self._loaded = None
        gc.collect()
        if torch.cuda.is_available():
            torch.cuda.empty_cache()


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
        on_step: OnStep | None = None,
        on_preview: OnPreview | None = None,
    ) -> Image.Image:
        """As in `Renderer`; raises `OutOfMemory` too."""
        return self._model.attempt(
            lambda model: self._make_renderer(model).render(
                bound,
                seed=seed,
                settings=settings,
                strengths=strengths,
                slides=slides,
                on_step=on_step,
                on_preview=on_preview,
            )
        )

    def render_all(
        self,
        orders: Sequence[PictureOrder],
        *,
        settings: RenderSettings | None = None,
        on_step: OnPictureStep | None = None,
    ) -> Iterator[Image.Image]:
        """As in `Renderer`; pictures that were given stay given. Raises `OutOfMemory` too."""
        progress = _Progress(on_step)
        while progress.drawn < len(orders):
            try:
                renderer = self._make_renderer(self._model.model)
                rest = orders[progress.drawn :]
                for image in renderer.render_all(rest, settings=settings, on_step=progress.report(progress.drawn)):
                    progress.drawn += 1
                    yield image
                return
            except torch.OutOfMemoryError as error:
                said = str(error).partition("\n")[0]
                del renderer
            self._model.step_down(said)

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
        self.drawn = 0

    def report(self, first: int) -> OnPictureStep:
        """What is told of pictures that are counted from the picture `first`."""

        def report(picture: int, step: int, num_steps: int) -> None:
            if self._on_step is not None and (first + picture, step) > self._told:
                self._told = (first + picture, step)
                self._on_step(first + picture, step, num_steps)

        return report
