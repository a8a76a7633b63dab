"""Text-driven directions: equation 2 on tiny transformers, and in pictures of a tiny pipeline."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from concepts.bank import ConceptBank
from concepts.schema import BoundPrompt
from generator.errors import InvalidSlide, PromptTooLong, UnsupportedModel
from generator.flux_renderer import FluxRenderer
from generator.modulation import attach_to_all
from generator.slides import parse_slide
from generator.text_directions import text_direction
from tests.generator.families.cases import CASES
from tests.generator.tiny import POOLED_DIM, tiny_model

PROMPT = BoundPrompt(prompt="a fox in the snow")


def pooled(seed: int) -> torch.Tensor:
    return torch.randn(1, POOLED_DIM, generator=torch.Generator().manual_seed(seed))


def test_a_direction_is_the_same_of_weights_that_are_kept_in_eight_bits() -> None:
    transformer = CASES["flux1-dev"].make_transformer().to(torch.bfloat16)
    texts = (pooled(1).bfloat16(), pooled(2).bfloat16())
    exact = text_direction(transformer, *texts)
    transformer.enable_layerwise_casting(storage_dtype=torch.float8_e4m3fn, compute_dtype=torch.bfloat16)
    rounded = text_direction(transformer, *texts)
    assert torch.cosine_similarity(exact.flatten(), rounded.flatten(), dim=0) > 0.99


@pytest.mark.parametrize("name", ["flux1-dev", "flux1-schnell", "sd3", "sd35"])
def test_adding_the_direction_is_the_model_with_the_other_pooled_text(name: str) -> None:
    """At every noise level: y(away) + direction = y(towards), for all tokens."""
    case = CASES[name]
    transformer = case.make_transformer()
    towards, away = pooled(1), pooled(2)
    direction = text_direction(transformer, towards, away)
    assert direction.shape == (1, 32)
    for fraction in (0.1, 0.9):
        inputs = case.make_inputs(1)
        inputs["timestep"] = torch.full_like(inputs["timestep"], fraction)
        with torch.no_grad():
            expected = transformer(**{**inputs, "pooled_projections": towards})[0]
            with attach_to_all(transformer, direction):
                moved = transformer(**{**inputs, "pooled_projections": away})[0]
        torch.testing.assert_close(moved, expected, atol=2e-6, rtol=1e-5)


@pytest.mark.parametrize("name", ["flux2-dev", "flux2-klein", "qwen-image"])
def test_models_without_pooled_text_refuse_with_the_reason(name: str) -> None:
    with pytest.raises(UnsupportedModel, match=r"noise level alone.*FLUX\.1, Stable Diffusion 3"):
        text_direction(CASES[name].make_transformer(), pooled(1), pooled(2))


@pytest.fixture(scope="module")
def renderer(tmp_path_factory: pytest.TempPathFactory) -> FluxRenderer:
    return FluxRenderer(tiny_model(), ConceptBank(Path(tmp_path_factory.mktemp("bank"))))


def pixels(renderer: FluxRenderer, *slides: str, prompt: BoundPrompt = PROMPT) -> np.ndarray[Any, Any]:
    image: Image.Image = renderer.render(prompt, seed=3, slides=[parse_slide(slide) for slide in slides])
    return np.asarray(image, np.float32)


@pytest.mark.parametrize("target", ["*", "fox", "the snow"])
def test_a_slide_changes_the_picture_and_weight_0_does_not(renderer: FluxRenderer, target: str) -> None:
    plain = pixels(renderer)
    shown = np.abs(pixels(renderer, f"{target}: zz - a = 30") - plain).mean()
    at_zero = np.abs(pixels(renderer, f"{target}: zz - a = 0") - plain).mean()
    assert shown > 0.1
    assert at_zero <= 0.1 * shown, f"weight 0 changes the picture by {at_zero}, 30 by {shown}"


def test_slides_add_up_and_opposite_ones_cancel(renderer: FluxRenderer) -> None:
    plain = pixels(renderer)
    for target in ("*", "fox"):
        there_and_back = pixels(renderer, f"{target}: zz - a = 30", f"{target}: a - zz = 30")
        assert np.abs(there_and_back - plain).max() <= 1
    once = pixels(renderer, "fox: zz - a = 30")
    twice = pixels(renderer, "fox: zz - a = 15", "fox: zz - a = 15")
    assert np.abs(once - twice).max() <= 1


def test_a_slide_on_everything_is_another_than_one_on_a_word(renderer: FluxRenderer) -> None:
    assert np.abs(pixels(renderer, "*: zz - a = 30") - pixels(renderer, "fox: zz - a = 30")).mean() > 0.1


def test_a_slide_on_a_word_that_is_not_there_is_refused(renderer: FluxRenderer) -> None:
    with pytest.raises(InvalidSlide, match="'bear'"):
        pixels(renderer, "bear: zz - a = 1")


def test_a_slide_on_a_word_beyond_the_encoders_tokens_is_refused(renderer: FluxRenderer) -> None:
    long = BoundPrompt(prompt="a a a a a a a a a a a a a fox")
    with pytest.raises(PromptTooLong, match="'fox'"):
        pixels(renderer, "fox: zz - a = 1", prompt=long)
