"""What the rest of the program knows of drawing. Without torch, so that text work never loads it."""

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from PIL import Image

from concepts.schema import BoundPrompt
from generator.key_similarity import KeySimilarity
from generator.settings import RenderSettings
from generator.slides import Slide

OnStep = Callable[[int, int], None]
"""Called with the number of denoising steps done, from 1, and the number of all of them."""
Preview = Callable[[], Image.Image]
"""Makes a small picture, RGB, of how the picture stands; costs something only when it is called."""
OnPreview = Callable[[Preview], None]
"""Called after each denoising step but the first, before `OnStep` is; the preview is good until it returns."""


@dataclass(frozen=True, kw_only=True)
class PictureOrder:
    """One picture of several that are wanted."""

    bound: BoundPrompt
    seed: int
    strengths: Mapping[str, float] = field(default_factory=dict)
    """As in `Renderer.render`."""


OnPictureStep = Callable[[int, int, int], None]
"""Called with a picture, counted from 0, the number of its denoising steps done, and the number of all its steps.

Pictures that are drawn together count as if they were drawn one after the other, so nothing is ever told backwards, and
every picture's last step is told before the picture is given.
"""


class Renderer(Protocol):
    """Draws bound prompts; made once for a model and used for many pictures, by one caller at a time."""

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
        """The picture of a prompt, RGB; equal arguments give equal pictures on one machine.

        Without settings, those that suit the model. `strengths` are factors on the directions of the prompt's
        concepts, by id, 1 where none is given; `slides` are text-driven directions that come on top. `read_with`
        are the prompts of all pictures that belong together, this one's among them: text encoders read them with the
        first one that is drawn, and not again for the others. What `on_step` or `on_preview` raises ends the picture
        and comes through.
        """
        ...

    def render_all(
        self,
        orders: Sequence[PictureOrder],
        *,
        settings: RenderSettings | None = None,
        done: Collection[int] = (),
        on_step: OnPictureStep | None = None,
    ) -> Iterator[Image.Image]:
        """The pictures of several prompts, RGB, in their order, each given as soon as it is drawn.

        `done` are places of those that are not wanted, as they are there from a call that was stopped: they are not
        given, and the others are the same as if they were.

        May draw some of them together, which is faster; each is then what `render` gives, to the rounding of numbers.
        Equal arguments give equal pictures on one machine. What `on_step` raises ends the drawing and comes through.
        """
        ...

    def key_similarities(
        self, bound: BoundPrompt, *, strengths: Mapping[str, float] | None = None
    ) -> tuple[KeySimilarity, ...]:
        """How alike every two concepts of the prompt are in attention, the most alike first; draws nothing."""
        ...
