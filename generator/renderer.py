"""What the rest of the program knows of drawing: two methods. Without torch, so that text work never loads it."""

from collections.abc import Callable, Mapping, Sequence
from typing import Protocol

from PIL import Image

from concepts.schema import BoundPrompt
from generator.key_similarity import KeySimilarity
from generator.settings import RenderSettings
from generator.slides import Slide

OnStep = Callable[[int, int], None]
"""Called with the number of denoising steps done, from 1, and the number of all of them."""


class Renderer(Protocol):
    """Draws bound prompts; made once for a model and used for many pictures, one at a time."""

    def render(
        self,
        bound: BoundPrompt,
        *,
        seed: int,
        settings: RenderSettings | None = None,
        strengths: Mapping[str, float] | None = None,
        slides: Sequence[Slide] = (),
        on_step: OnStep | None = None,
    ) -> Image.Image:
        """The picture of a prompt, RGB; equal arguments give equal pictures on one machine.

        Without settings, those that suit the model. `strengths` are factors on the directions of the prompt's
        concepts, by id, 1 where none is given; `slides` are text-driven directions that come on top. What `on_step`
        raises ends the picture and comes through.
        """
        ...

    def key_similarities(
        self, bound: BoundPrompt, *, strengths: Mapping[str, float] | None = None
    ) -> tuple[KeySimilarity, ...]:
        """How alike every two concepts of the prompt are in attention, the most alike first; draws nothing."""
        ...
