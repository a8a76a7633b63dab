"""What the work on pictures knows of a picture model: the port behind which it is in this process or on a cluster."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from PIL import Image

from api.service.payloads import ModelInfo
from concepts.bank import ConceptBank
from concepts.schema import Concept
from generator.recipe import ConceptRequest, LearningProgress, LearningRecipe
from generator.renderer import Renderer


@dataclass(frozen=True, kw_only=True)
class LearningOrder:
    """Concepts to learn of one picture."""

    picture: Image.Image
    caption: str
    concepts: tuple[ConceptRequest, ...]
    recipe: LearningRecipe
    paraphrases: tuple[str, ...] | None = None
    """Other captions that name the concepts by the same words; None makes them from templates."""


@dataclass(frozen=True, kw_only=True)
class LearningWatch:
    """What is called while concepts are learnt. Whatever one of them raises interrupts learning and comes through."""

    on_prepare: Callable[[int, int], None]
    """Called with how many pictures are drawn that are shown beside the one to learn from, and how many there are."""
    on_step: Callable[[LearningProgress], None]
    on_peek_step: Callable[[], None]
    """Called at each step of drawing a picture for `on_peek`."""
    on_peek: Callable[[Image.Image], None]
    """Called now and then with a picture of the first concept as it is learnt so far."""
    on_previews: Callable[[int, int], None]
    """Called when all is learnt, and at each step of drawing the previews, with how many are done and how many there
    are."""


class PictureModel(Protocol):
    """A picture model, for one caller at a time; others may ask whether it is being loaded.

    Every method may raise what its work does in this process, and `WorkerLost` when the model is elsewhere and what it
    runs on is gone.
    """

    @property
    def is_loading(self) -> bool:
        """Whether it is being loaded now, in the middle of a piece of work too; nothing is told meanwhile."""
        ...

    def load(self) -> ModelInfo:
        """Be ready to work, which may take long; which model it is. Quick where it is loaded already.

        Raises:
            ModelNotFound, DamagedModel: There is no usable model.
        """
        ...

    def unload(self) -> None:
        """Give back the memory; the next piece of work loads the model again."""
        ...

    def renderer(self, bank: ConceptBank) -> Renderer:
        """What draws with the model and a bank's concepts."""
        ...

    def learn(
        self,
        order: LearningOrder,
        bank: ConceptBank,
        *,
        checkpoint_path: Path,
        watch: LearningWatch,
    ) -> tuple[Concept, ...]:
        """The concepts, learnt, with previews, and put into the bank.

        Args:
            order: What to learn of what.
            bank: Gets the concepts, in place of those of the same ids.
            checkpoint_path: A file to go on from when it is there; it is written on the way and left at the end.
            watch: Told on the way.
        """
        ...

    def describe(self, picture: Image.Image) -> str | None:
        """A caption of a picture; None where the model has nobody to describe pictures, or nothing is recognized."""
        ...
