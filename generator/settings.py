"""How a picture is drawn, as plain values without torch. Knows nothing of any model's own limits."""

import math
from dataclasses import asdict, dataclass
from typing import Any

from generator.errors import InvalidSettings

PIXEL_STEP = 16
MAX_PIXELS_A_SIDE = 4096
MAX_STRENGTH = 8.0
"""Of a concept, either way, where people say it: 1 is as learnt, and far beyond a model's numbers overflow."""
_OURS = ("direction_sigma_min", "concept_guidance_scale", "concept_guidance_sigma_min")
"""Settings of what Fableverse adds to diffusers' pipelines."""


@dataclass(frozen=True, kw_only=True)
class RenderSettings:
    """Settings of one picture, in diffusers' names where it has them; `dataclasses.replace` makes a variant.

    Raises:
        InvalidSettings: A value is out of range, whatever the model.
    """

    num_inference_steps: int
    """Denoising steps; time is proportional to it."""
    guidance_scale: float
    """Embedded (distilled) guidance, which models without guidance embedding ignore."""
    height: int
    """Pixels, a multiple of 16."""
    width: int
    """Pixels, a multiple of 16."""
    max_sequence_length: int
    """T5 tokens that the prompt is padded or truncated to."""
    direction_sigma_min: float = 0.0
    """Noise level, 0 to 1, below which directions of tokens rest. Colours and clothes are decided at high noise;
    at low noise directions blur. 0 has them in all steps, as in the paper."""
    concept_guidance_scale: float = 1.0
    """How many times as far a guided step goes as directions move it, by a second pass without them. 1 is no guidance
    and no second pass, as in the paper."""
    concept_guidance_sigma_min: float = 0.8
    """Noise level, 0 to 1, below which no step is guided; most of what guidance brings comes of the first steps."""

    def __post_init__(self) -> None:
        _check_int("num_inference_steps", self.num_inference_steps, 1, 1000)
        _check_int("max_sequence_length", self.max_sequence_length, 1, 512)
        _check_int("height", self.height, PIXEL_STEP, MAX_PIXELS_A_SIDE, step=PIXEL_STEP)
        _check_int("width", self.width, PIXEL_STEP, MAX_PIXELS_A_SIDE, step=PIXEL_STEP)
        if not (math.isfinite(self.guidance_scale) and 0 <= self.guidance_scale <= 100):
            raise InvalidSettings(f"guidance_scale is {self.guidance_scale!r}; choose a number from 0 to 100.")
        for name in ("direction_sigma_min", "concept_guidance_sigma_min"):
            if not 0 <= getattr(self, name) <= 1:
                raise InvalidSettings(f"{name} is {getattr(self, name)!r}; choose a noise level from 0 to 1.")
        if not 1 <= self.concept_guidance_scale < math.inf:
            raise InvalidSettings(
                f"concept_guidance_scale is {self.concept_guidance_scale!r}; choose a number from 1 on."
            )

    @property
    def of_pipeline(self) -> dict[str, Any]:
        """Those that diffusers' pipelines take, by name."""
        return {name: value for name, value in asdict(self).items() if name not in _OURS}

    @property
    def of_guidance(self) -> dict[str, float]:
        """Those of guidance by concepts, as `guide_by_concepts` takes them."""
        return {"scale": self.concept_guidance_scale, "sigma_min": self.concept_guidance_sigma_min}


def _check_int(name: str, value: int, low: int, high: int, *, step: int = 1) -> None:
    if not low <= value <= high or value % step:
        multiple = f", a multiple of {step}" if step > 1 else ""
        raise InvalidSettings(f"{name} is {value!r}; choose a whole number from {low} to {high}{multiple}.")


FLUX_DEV_SETTINGS = RenderSettings(
    num_inference_steps=28, guidance_scale=3.5, height=1024, width=1024, max_sequence_length=512
)
"""What FLUX.1-dev is drawn with when its folder says nothing else. Source: diffusers 0.42, FluxPipeline.__call__."""
FLUX_SCHNELL_SETTINGS = RenderSettings(
    num_inference_steps=4, guidance_scale=0.0, height=1024, width=1024, max_sequence_length=256
)
"""What FLUX.1-schnell is drawn with, which was distilled for 1 to 4 steps. Source: its model card."""


def settings_by_guidance(*, guidance_embeds: bool) -> RenderSettings:
    """What suits a model whose folder says nothing: only schnell's kind lacks an embedding of guidance."""
    return FLUX_DEV_SETTINGS if guidance_embeds else FLUX_SCHNELL_SETTINGS
