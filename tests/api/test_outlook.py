"""What is planned for a model before it is loaded, and that commands hand it on."""

import json
from pathlib import Path

import pytest

from api.cli import main
from api.outlook import outlook_of
from api.settings import WantedModel
from concepts.bank import ConceptBank
from concepts.schema import BoundPrompt
from generator.plan import FLUX_1_SIZES, Machine

CARD = Machine(gpu="a card", gpu_bytes=24 * 2**30, free_bytes=24 * 2**30, capability=(8, 9), ram_bytes=64 * 10**9)


def test_pocket_fits_everywhere_and_a_model_that_is_not_here_is_taken_for_flux_1() -> None:
    small = outlook_of(WantedModel(), CARD, pictures=9)
    assert small.is_known
    assert small.plans[0].peak.most < 1.2 * 10**9
    large = outlook_of(WantedModel(source="nobody/nothing"), CARD, pictures=9)
    assert not large.is_known
    assert large.plans[0].norms == "away"
    assert large.plans[0].peak.most > (FLUX_1_SIZES.transformer - FLUX_1_SIZES.adaptive_norms) * 2


def test_a_profile_reaches_the_picture(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    from generator.images import read_metadata

    path = tmp_path / "page.png"
    words = ["draw", "a fox in the snow", "-o", str(path), "--bank", str(tmp_path / "bank"), "--json"]
    assert main([*words, "--profile", "draft"]) == 0
    assert json.loads(capsys.readouterr().out)["picture"] == str(path)
    settings = read_metadata(path).settings
    assert settings.num_inference_steps == 10
    assert settings.concept_guidance_scale == 1.5
    assert main([*words, "--concept-guidance", "3"]) == 0
    assert read_metadata(path).settings.concept_guidance_scale == 3


def test_a_model_keeps_its_own_settings_for_previews_whatever_is_drawn_by(tmp_path: Path) -> None:
    from api.studio import open_model, studio_of

    wanted = WantedModel(profile="draft", concept_guidance=3.0)
    opened = open_model(wanted, pictures=1, tell=print)
    studio = studio_of(opened, wanted, ConceptBank(tmp_path / "bank"))
    assert (studio.settings.num_inference_steps, studio.settings.concept_guidance_scale) == (10, 3.0)
    steps: list[tuple[int, int]] = []
    studio.renderer.render(BoundPrompt(prompt="a fox"), seed=1, on_step=lambda *step: steps.append(step))
    assert steps[-1] == (10, 10)
    own = opened.model.defaults
    assert (own.num_inference_steps, own.concept_guidance_scale) == (16, 1.5)


def test_what_shows_unfinished_pictures_is_fitted_once(tmp_path: Path) -> None:
    from api.studio import open_model, studio_of

    opened = open_model(WantedModel(profile="draft"), pictures=1, tell=print)
    studio = studio_of(opened, WantedModel(profile="draft"), ConceptBank(tmp_path / "bank"))
    studio.renderer.render(BoundPrompt(prompt="a fox"), seed=1, on_preview=lambda preview: preview())
    assert "preview_decoder" in vars(opened.model)


@pytest.mark.parametrize(
    "option",
    [["--profile", "best"], ["--memory", "9GB"], ["--revision", "v1"], ["--concept-guidance", "0.5"]],
)
def test_what_cannot_be_meant_is_refused(option: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["draw", "a fox", "--bank", str(tmp_path / "bank"), *option]) != 0
    assert option[1] in capsys.readouterr().err
