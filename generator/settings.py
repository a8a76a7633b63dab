"""How a picture is drawn, as plain values without torch. Knows nothing of any model's own limits."""

import math
from dataclasses import asdict, dataclass
from typing import Any

from generator.errors import InvalidSettings

PIXEL_STEP = 16
MAX_PIXELS_A_SIDE = 4096


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

    def __post_init__(self) -> None:
        _check_int("num_inference_steps", self.num_inference_steps, 1, 1000)
        _check_int("max_sequence_length", self.max_sequence_length, 1, 512)
        _check_int("height", self.height, PIXEL_STEP, MAX_PIXELS_A_SIDE, step=PIXEL_STEP)
        _check_int("width", self.width, PIXEL_STEP, MAX_PIXELS_A_SIDE, step=PIXEL_STEP)
        if not (math.isfinite(self.guidance_scale) and 0 <= self.guidance_scale <= 100):
            raise InvalidSettings(f"guidance_scale is {self.guidance_scale!r}; choose a number from 0 to 100.")
        if not 0 <= self.direction_sigma_min <= 1:
            raise InvalidSettings(
                f"direction_sigma_min is {self.direction_sigma_min!r}; choose a noise level from 0 to 1."
            )

    @property
    def of_pipeline(self) -> dict[str, Any]:
        """Those that diffusers' pipelines take, by name."""
        return {name: value for name, value in asdict(self).items() if name != "direction_sigma_min"}


def _check_int(name: str, value: int, low: int, high: int, *, step: int = 1) -> None:
    if not low <= value <= high or value % step:
        multiple = f", a multiple of {step}" if step > 1 else ""
        raise InvalidSettings(f"{name} is {value!r}; choose a whole number from {low} to {high}{multiple}.")


FLUX_DEV_SETTINGS = RenderSettings(
    num_inference_steps=28, guidance_scale=3.5, height=1024, width=1024, max_sequence_length=512
)
"""What FLUX.1-dev is drawn with when its folder says nothing else. Source: diffusers 0.42, FluxPipeline.__call__."""
