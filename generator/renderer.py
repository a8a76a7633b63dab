"""What the rest of the program knows of drawing: one method. Without torch, so that text work never loads it."""

from collections.abc import Callable
from typing import Protocol

from PIL import Image

from concepts.schema import BoundPrompt
from generator.settings import RenderSettings

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
        on_step: OnStep | None = None,
    ) -> Image.Image:
        """The picture of a prompt, RGB; equal arguments give equal pictures on one machine.

        Without settings, those that suit the model. What `on_step` raises ends the picture and comes through.
        """
        ...
