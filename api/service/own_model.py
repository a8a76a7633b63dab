"""The picture model in this process. Torch is loaded with the model, not with this file."""

import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from PIL import Image

from api.outlook import learning_plan_of
from api.service.payloads import ModelInfo
from api.service.picture_model import LearningOrder, LearningWatch
from api.settings import WantedModel
from concepts.bank import ConceptBank
from concepts.schema import Concept
from generator.isolation_prompts import GENERAL_PROMPTS, prompts_from_lexicon
from generator.learning_plan import leaves_room_to_learn
from generator.recipe import LearningRecipe, SourcePicture
from generator.renderer import Renderer

if TYPE_CHECKING:
    from api.storybook import Studio
    from generator.learnt import LearntDirections
    from generator.loading import FluxModel
    from generator.stepping import SteppingModel

logger = logging.getLogger(__name__)

_MANY_PICTURES = 1000
"""As many as a service is expected to draw before it ends."""


class OwnModel:
    """A `PictureModel` that is loaded once, when it is needed first."""

    def __init__(self, wanted: WantedModel, *, on_loading: Callable[[bool], None] | None = None) -> None:
        """Take which model it is; `on_loading` is told when it begins to be loaded, and when that has ended."""
        self._wanted = wanted
        self._on_loading = on_loading
        self._opened: SteppingModel[FluxModel] | None = None
        self.is_loading = False

    def load(self) -> ModelInfo:
        """Load the model unless that is done; which it is."""
        studio = self._studio(ConceptBank(Path()))
        return ModelInfo(model=studio.model, settings=studio.settings, lexicon=studio.lexicon)

    def unload(self) -> None:
        """Give the model's memory back."""
        if self._opened is not None:
            self._opened.unload()

    def renderer(self, bank: ConceptBank) -> Renderer:
        """What draws by the plan that there is memory for."""
        return self._studio(bank).renderer

    def learn(
        self,
        order: LearningOrder,
        bank: ConceptBank,
        *,
        checkpoint_path: Path,
        watch: LearningWatch,
    ) -> tuple[Concept, ...]:
        """Learn, draw the previews, and put the concepts into the bank."""
        model = self._learnable(order.recipe)
        from generator.flux_renderer import FluxRenderer
        from generator.learning import learn_concepts
        from generator.learning_task import with_readable_paraphrases
        from generator.learnt import draw_preview, save_concepts

        recipe, make_renderer = order.recipe, partial(FluxRenderer, model)
        num_preview_steps = len(order.concepts) * model.defaults.num_inference_steps

        def on_peek(so_far: "LearntDirections") -> None:
            picture = draw_preview(
                so_far,
                order.concepts[0].id,
                make_renderer=make_renderer,
                seed=recipe.seed,
                on_step=lambda *_: watch.on_peek_step(),
            )
            watch.on_peek(picture)

        def on_preview_step(picture: int, step: int, num_steps: int) -> None:
            watch.on_previews(picture * num_steps + step, num_preview_steps)

        given = SourcePicture(picture=order.picture, caption=order.caption, paraphrases=order.paraphrases)
        (source,) = with_readable_paraphrases(model, [given], order.concepts, recipe=recipe)
        learnt = learn_concepts(
            model,
            source.picture,
            source.caption,
            order.concepts,
            isolation_prompts=GENERAL_PROMPTS if model.lexicon is None else prompts_from_lexicon(model.lexicon),
            recipe=recipe,
            paraphrases=source.paraphrases,
            cache_dir=checkpoint_path.parent,
            checkpoint_path=checkpoint_path,
            on_prepare=watch.on_prepare,
            on_step=watch.on_step,
            on_peek=on_peek,
        )
        watch.on_previews(0, num_preview_steps)
        return save_concepts(
            bank, learnt, make_renderer=make_renderer, seed=recipe.seed, replace=True, on_step=on_preview_step
        )

    def describe(self, picture: Image.Image) -> str | None:
        """A caption by Pocket's probe, which knows Pocket's world; with another model there is none."""
        if self._open().model.lexicon is None:
            return None
        from pocket.captioner import caption_of

        return caption_of(picture)

    def _learnable(self, recipe: LearningRecipe) -> "FluxModel":
        """The model in full; one that is set up for drawing alone, or leaves too little room, gives way to another."""
        from generator.loading import load_model
        from generator.machine import look

        opened = self._open()
        if opened.plan.can_learn and leaves_room_to_learn(opened.plan, opened.model.defaults, recipe):
            return opened.model
        revision = opened.model.revision
        opened.unload()
        plan = learning_plan_of(self._wanted, look(), recipe)
        with self._loading():
            return load_model(self._wanted.source, revision=revision, plan=plan)

    def _studio(self, bank: ConceptBank) -> "Studio":
        from api.studio import studio_of

        return studio_of(self._open(), self._wanted, bank)

    def _open(self) -> "SteppingModel[FluxModel]":
        if self._opened is None:
            from api.studio import open_model

            self._opened = open_model(
                self._wanted, pictures=_MANY_PICTURES, tell=logger.warning, while_loading=self._loading
            )
        return self._opened

    @contextmanager
    def _loading(self) -> Iterator[None]:
        self._set_loading(True)
        try:
            yield
        finally:
            self._set_loading(False)

    def _set_loading(self, is_loading: bool) -> None:
        self.is_loading = is_loading
        if self._on_loading is not None:
            self._on_loading(is_loading)
