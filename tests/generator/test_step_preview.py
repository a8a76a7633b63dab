"""Previews of a picture that is being drawn, with Pocket and with a tiny random model of FLUX.1's own parts."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from concepts.bank import ConceptBank
from concepts.schema import BoundPrompt
from generator.flux_renderer import FluxRenderer
from generator.loading import FluxModel, load_model
from generator.renderer import Preview
from generator.step_preview import CELL, expected_latents
from tests.generator.tiny import TINY_SETTINGS, tiny_model

PROMPT = BoundPrompt(prompt="a fox standing in the snow in daylight")


def test_a_flow_that_goes_straight_is_seen_through_at_once() -> None:
    generator = torch.Generator().manual_seed(0)
    clean, noise = torch.randn(2, 3, 4, generator=generator)
    at = [(1 - sigma) * clean + sigma * noise for sigma in (0.9, 0.4)]
    expected = expected_latents(at[0], at[1], sigma_before=0.9, sigma_after=0.4)
    assert torch.allclose(expected, clean, atol=1e-5)


@pytest.fixture(scope="module")
def pocket(pocket_model_dir: Path) -> FluxModel:
    return load_model(str(pocket_model_dir))


def test_previews_come_nearer_to_the_picture_and_change_nothing_of_it(pocket: FluxModel, tmp_path: Path) -> None:
    renderer = FluxRenderer(pocket, ConceptBank(tmp_path / "bank"))
    previews: list[Image.Image] = []
    steps: list[tuple[str, int]] = []

    def on_preview(preview: Preview) -> None:
        steps.append(("preview", len(previews) + 2))
        previews.append(preview())

    def on_step(step: int, _: int) -> None:
        steps.append(("step", step))

    picture = renderer.render(PROMPT, seed=4, on_preview=on_preview, on_step=on_step)
    count = pocket.defaults.num_inference_steps
    assert steps == [("step", 1), *((what, step) for step in range(2, count + 1) for what in ("preview", "step"))]
    small = picture.resize((picture.width // CELL, picture.height // CELL), Image.Resampling.BOX)
    assert {preview.size for preview in previews} == {small.size}
    nearness = [psnr(preview, small) for preview in previews]
    assert nearness[-1] > 20 > nearness[0], nearness
    assert nearness[len(nearness) // 2] > nearness[0]
    assert picture.tobytes() == renderer.render(PROMPT, seed=4).tobytes()


def psnr(one: Image.Image, other: Image.Image) -> float:
    difference = np.asarray(one, dtype=float) - np.asarray(other, dtype=float)
    return float(20 * np.log10(255 / np.sqrt((difference**2).mean())))


def test_another_autoencoder_is_shown_too(tmp_path: Path) -> None:
    model = tiny_model()
    sizes: list[tuple[int, int]] = []
    renderer = FluxRenderer(model, ConceptBank(tmp_path / "bank"))
    renderer.render(PROMPT, seed=1, on_preview=lambda preview: sizes.append(preview().size))
    assert sizes == [(TINY_SETTINGS.width // CELL, TINY_SETTINGS.height // CELL)]


def test_what_a_preview_raises_ends_the_picture(tmp_path: Path) -> None:
    def interrupt(preview: Callable[[], Image.Image]) -> None:
        preview()
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        FluxRenderer(tiny_model(), ConceptBank(tmp_path / "bank")).render(PROMPT, seed=1, on_preview=interrupt)
