"""The picture model in this process. Torch is loaded with the model, not with this file."""

import gc
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from PIL import Image

from api.book_lock import LockedModel
from api.service.payloads import ModelInfo
from api.service.picture_model import LearningOrder, LearningWatch
from concepts.bank import ConceptBank
from concepts.schema import Concept
from generator.isolation_prompts import GENERAL_PROMPTS, prompts_from_lexicon
from generator.renderer import Renderer

if TYPE_CHECKING:
    from generator.learnt import LearntDirections
    from generator.loading import FluxModel


@dataclass(frozen=True)
class _Loaded:
    model: "FluxModel"
    info: ModelInfo


class OwnModel:
    """A `PictureModel` that is loaded once, when it is needed first."""

    def __init__(self, source: str) -> None:
        self._source = source
        self._loaded: _Loaded | None = None

    def load(self) -> ModelInfo:
        """Load the model unless that is done; which it is."""
        return self._load().info

    def unload(self) -> None:
        """Forget the model."""
        self._loaded = None
        gc.collect()

    def renderer(self, bank: ConceptBank) -> Renderer:
        """A `FluxRenderer`."""
        loaded = self._load()
        from generator.flux_renderer import FluxRenderer

        return FluxRenderer(loaded.model, bank)

    def learn(
        self,
        order: LearningOrder,
        bank: ConceptBank,
        *,
        checkpoint_path: Path,
        replace: bool,
        watch: LearningWatch,
    ) -> tuple[Concept, ...]:
        """Learn, draw the previews, and put the concepts into the bank."""
        model = self._load().model
        from generator.flux_renderer import FluxRenderer
        from generator.learning import learn_concepts
        from generator.learnt import draw_preview, save_concepts

        recipe, make_renderer = order.recipe, partial(FluxRenderer, model)

        def on_peek(so_far: "LearntDirections") -> None:
            watch.on_peek(draw_preview(so_far, order.concepts[0].id, make_renderer=make_renderer, seed=recipe.seed))

        learnt = learn_concepts(
            model,
            order.picture,
            order.caption,
            order.concepts,
            isolation_prompts=GENERAL_PROMPTS if model.lexicon is None else prompts_from_lexicon(model.lexicon),
            recipe=recipe,
            cache_dir=checkpoint_path.parent,
            checkpoint_path=checkpoint_path,
            on_step=watch.on_step,
            on_peek=on_peek,
        )
        watch.on_previews()
        return save_concepts(bank, learnt, make_renderer=make_renderer, seed=recipe.seed, replace=replace)

    def describe(self, picture: Image.Image) -> str | None:
        """A caption by Pocket's probe, which knows Pocket's world; with another model there is none."""
        if self._load().model.lexicon is None:
            return None
        from pocket.captioner import caption_of

        return caption_of(picture)

    def _load(self) -> _Loaded:
        if self._loaded is None:
            from generator.loading import load_model

            model = load_model(self._source)
            named = LockedModel(source=self._source, name=model.name, fingerprint=model.fingerprint)
            self._loaded = _Loaded(model=model, info=ModelInfo(model=named, settings=model.defaults))
        return self._loaded
