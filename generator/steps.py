"""Tells of denoising steps, and shows how a picture stands after them, by the pipeline's own callback."""

from typing import Any

from diffusers import FluxPipeline
from PIL import Image
from torch import Tensor

from generator.flow import unpack
from generator.loading import FluxModel
from generator.renderer import OnPictureStep, OnPreview, OnStep
from generator.settings import RenderSettings
from generator.step_preview import PreviewDecoder, expected_latents


def watch_steps(
    model: FluxModel, settings: RenderSettings, *, on_step: OnStep | None, on_preview: OnPreview | None = None
) -> dict[str, Any]:
    """Arguments of `FluxPipeline.__call__` that report its steps; previews are of the first picture of a batch."""
    if on_step is None and on_preview is None:
        return {}
    previews = None if on_preview is None else _Previews(model.preview_decoder, settings, on_preview)

    def report(pipeline: FluxPipeline, step: int, timestep: Tensor, tensors: dict[str, Tensor]) -> dict[str, Any]:
        del timestep
        if previews is not None:
            previews.show(pipeline, step, tensors["latents"])
        if on_step is not None:
            on_step(step + 1, settings.num_inference_steps)
        return {}

    return {
        "callback_on_step_end": report,
        "callback_on_step_end_tensor_inputs": [] if previews is None else ["latents"],
    }


class _Previews:
    """Previews of one picture, each by where the step before and this one put its latents."""

    def __init__(self, decoder: PreviewDecoder, settings: RenderSettings, on_preview: OnPreview) -> None:
        self._decoder = decoder
        self._settings = settings
        self._on_preview = on_preview
        self._before: Tensor | None = None

    def show(self, pipeline: FluxPipeline, step: int, tokens: Tensor) -> None:
        """Offer the preview after a step, counted from 0, unless it is the first; `tokens` are `(B, I, 4·C)`."""
        before, after = self._before, tokens[:1].float()
        self._before = after
        if before is None:
            return
        sigma_before, sigma_after = pipeline.scheduler.sigmas[step : step + 2].tolist()

        def preview() -> Image.Image:
            clean = expected_latents(before, after, sigma_before=sigma_before, sigma_after=sigma_after)
            size = self._settings
            return self._decoder.decode(unpack(pipeline, clean, height=size.height, width=size.width)[0])

        self._on_preview(preview)


def one_after_the_other(on_step: OnPictureStep | None, pictures: range) -> OnStep | None:
    """The steps of pictures that are drawn together, told as if they were drawn one after the other."""
    if on_step is None:
        return None

    def report(step: int, num_steps: int) -> None:
        before, (whole, rest) = (step - 1) * len(pictures) // num_steps, divmod(step * len(pictures), num_steps)
        for picture in pictures[before:whole]:
            on_step(picture, num_steps, num_steps)
        if rest:
            on_step(pictures[whole], rest, num_steps)

    return report
