"""Loading from folders: what is returned, what is refused, and that no code of a folder runs."""

import json
import re
import shutil
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from diffusers import FluxPipeline
from diffusers.utils import logging
from safetensors.torch import save_file

from generator.autoencoder import PatchAutoencoder
from generator.errors import DamagedModel, ModelNotFound, UnsupportedModel
from generator.loading import compute_fingerprint, load_model
from generator.settings import FLUX_DEV_SETTINGS, FLUX_SCHNELL_SETTINGS
from tests.conftest import ROOT
from tests.generator.tiny import DIM, NUM_BLOCKS, TINY_SETTINGS, tiny_pipeline, tiny_transformer

CARD = {
    "name": "Tiny",
    "num_inference_steps": 2,
    "guidance_scale": 3.5,
    "height": 16,
    "width": 32,
    "max_sequence_length": 12,
}


@pytest.fixture(scope="module")
def saved(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("models") / "tiny-flux"
    tiny_pipeline().save_pretrained(folder)
    return folder


@pytest.fixture
def folder(saved: Path, tmp_path: Path) -> Path:
    """A copy to do damage to."""
    return shutil.copytree(saved, tmp_path / "model")


def test_a_folder_gives_the_pipeline_that_was_saved(saved: Path) -> None:
    model = load_model(saved, device="cpu")
    assert isinstance(model.pipeline, FluxPipeline)
    assert (model.name, model.defaults) == ("tiny-flux", FLUX_DEV_SETTINGS)
    assert (model.num_blocks, model.dim) == (NUM_BLOCKS, DIM)
    assert model.pipeline.transformer.dtype == torch.float32
    assert model.fingerprint == compute_fingerprint(tiny_transformer())


def test_the_fingerprint_is_the_same_in_bfloat16_and_another_for_other_weights(saved: Path) -> None:
    rounded = load_model(saved, device="cpu", dtype=torch.bfloat16)
    assert rounded.pipeline.transformer.dtype == torch.bfloat16
    assert rounded.fingerprint == compute_fingerprint(tiny_transformer())
    assert compute_fingerprint(tiny_transformer(seed=1)) != rounded.fingerprint


def test_the_fingerprint_tells_configs_with_equal_weights_apart() -> None:
    transformer = tiny_transformer()
    before = compute_fingerprint(transformer)
    transformer.register_to_config(axes_dims_rope=(8, 4, 4))
    assert compute_fingerprint(transformer) != before


def test_loading_leaves_progress_bars_as_they_were_and_shows_none(
    saved: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    verbosity = logging.get_verbosity()
    load_model(saved, device="cpu")
    assert logging.is_progress_bar_enabled()
    assert logging.get_verbosity() == verbosity
    assert capfd.readouterr().err == ""


def test_the_card_gives_name_and_settings(folder: Path) -> None:
    (folder / "fableverse.json").write_text(json.dumps(CARD), encoding="utf-8")
    model = load_model(folder, device="cpu")
    assert (model.name, model.defaults) == ("Tiny", TINY_SETTINGS)


def test_the_card_says_at_which_noise_levels_directions_rest(folder: Path) -> None:
    (folder / "fableverse.json").write_text(json.dumps({**CARD, "direction_sigma_min": 0.25}), encoding="utf-8")
    assert load_model(folder, device="cpu").defaults == replace(TINY_SETTINGS, direction_sigma_min=0.25)


def test_the_card_says_how_pictures_are_guided_by_concepts(folder: Path) -> None:
    guidance = {"concept_guidance_scale": 2.5, "concept_guidance_sigma_min": 0.6}
    (folder / "fableverse.json").write_text(json.dumps({**CARD, **guidance}), encoding="utf-8")
    assert load_model(folder, device="cpu").defaults == replace(TINY_SETTINGS, **guidance)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"height": 17}, "height is 17"),
        ({"steps": 3}, "steps"),
        ({"name": ""}, "name"),
        ({"direction_sigma_min": 400}, "direction_sigma_min is 400"),
    ],
    ids=["bad-value", "unknown-key", "empty-name", "timestep-for-noise-level"],
)
def test_a_bad_card_is_refused(folder: Path, change: dict[str, object], message: str) -> None:
    (folder / "fableverse.json").write_text(json.dumps({**CARD, **change}), encoding="utf-8")
    with pytest.raises(DamagedModel, match=message):
        load_model(folder, device="cpu")


def test_pockets_own_autoencoder_is_found_by_its_name(tmp_path: Path) -> None:
    pipeline = tiny_pipeline()
    pipeline.register_modules(
        vae=PatchAutoencoder(
            latent_channels=1, encoder_width=8, encoder_depth=1, decoder_widths=(8, 8, 8), decoder_depths=(1, 1, 1)
        )
    )
    pipeline.save_pretrained(tmp_path)
    index = json.loads((tmp_path / "model_index.json").read_text(encoding="utf-8"))
    assert index["vae"] == ["generator.autoencoder", "PatchAutoencoder"]
    loaded = load_model(tmp_path, device="cpu").pipeline
    assert isinstance(loaded.vae, PatchAutoencoder)
    assert loaded.vae_scale_factor == 16


def test_code_that_comes_with_a_model_is_not_run(folder: Path) -> None:
    index_path = folder / "model_index.json"
    index = json.loads(index_path.read_text(encoding="utf-8"))
    index["vae"] = ["evil", "Evil"]
    index_path.write_text(json.dumps(index), encoding="utf-8")
    (folder / "vae" / "evil.py").write_text("open('ran', 'w').close()\nclass Evil: pass\n", encoding="utf-8")
    with pytest.raises(DamagedModel, match="trust_remote_code"):
        load_model(folder, device="cpu")


@pytest.mark.parametrize("name", ["nosuch", "no/such/folder", "../nosuch", "/nosuch", "nosuch/", ""])
def test_a_model_that_is_neither_a_folder_nor_a_hub_id_is_not_found(name: str) -> None:
    with pytest.raises(ModelNotFound, match="pocket|no model"):
        load_model(name, device="cpu")


def test_a_folder_without_a_model_is_not_found(tmp_path: Path) -> None:
    with pytest.raises(ModelNotFound, match="model_index.json"):
        load_model(tmp_path, device="cpu")


def test_a_model_of_another_kind_is_refused(folder: Path) -> None:
    (folder / "model_index.json").write_text('{"_class_name": "StableDiffusionPipeline"}', encoding="utf-8")
    with pytest.raises(
        UnsupportedModel, match="StableDiffusionPipeline.*FluxPipeline, FluxKontextPipeline.*Qwen-Image"
    ):
        load_model(folder, device="cpu")


def test_a_kontext_folder_is_loaded_as_flux(folder: Path) -> None:
    index_path = folder / "model_index.json"
    index = json.loads(index_path.read_text(encoding="utf-8"))
    index_path.write_text(json.dumps({**index, "_class_name": "FluxKontextPipeline"}), encoding="utf-8")
    model = load_model(folder, device="cpu")
    assert (type(model.pipeline), model.family.name) == (FluxPipeline, "flux1")


@pytest.mark.parametrize("in_channels", [8, 24])
def test_a_model_that_reads_another_picture_too_is_refused(folder: Path, in_channels: int) -> None:
    """Depth and Canny read twice the channels that they draw, Fill six times, whatever pipeline they are saved as."""
    tiny_transformer(in_channels=in_channels).save_pretrained(folder / "transformer")
    with pytest.raises(UnsupportedModel, match=f"reads {in_channels} channels and draws 4.*Fill.*FLUX.1 dev"):
        load_model(folder, device="cpu")


def truncate(path: Path) -> None:
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


def test_missing_parts_are_named(folder: Path) -> None:
    shutil.rmtree(folder / "scheduler")
    (folder / "vae" / "diffusion_pytorch_model.safetensors").unlink()
    with pytest.raises(DamagedModel, match=r"scheduler, vae/\*\.safetensors missing"):
        load_model(folder, device="cpu")


def test_a_missing_shard_is_named(folder: Path) -> None:
    shutil.rmtree(folder / "transformer")
    tiny_transformer().save_pretrained(folder / "transformer", max_shard_size="64KB")
    shard = sorted((folder / "transformer").glob("*-00002-of-*.safetensors"))[0]
    shard.unlink()
    with pytest.raises(DamagedModel, match=f"transformer/{shard.name} missing"):
        load_model(folder, device="cpu")


@pytest.mark.parametrize(
    "name",
    [
        "model_index.json",
        "transformer/config.json",
        "transformer/diffusion_pytorch_model.safetensors",
        "text_encoder_2/model.safetensors",
        "tokenizer_2/tokenizer.json",
    ],
)
def test_a_half_downloaded_file_is_damage(folder: Path, name: str) -> None:
    truncate(folder / name)
    with pytest.raises(DamagedModel, match="model"):
        load_model(folder, device="cpu")


def test_weights_of_another_architecture_are_damage(folder: Path) -> None:
    config_path = folder / "transformer" / "config.json"
    config = json.loads(config_path.read_text(encoding="utf-8"))
    config_path.write_text(json.dumps({**config, "num_attention_heads": 4}), encoding="utf-8")
    with pytest.raises(DamagedModel, match="cannot be loaded"):
        load_model(folder, device="cpu")


def test_a_single_file_is_a_transformer_beside_the_parts_of_its_folder(folder: Path) -> None:
    """In diffusers' names: others are converted only at FLUX.1's own width, where one block has half a gigabyte."""
    weights = folder / "transformer" / "diffusion_pytorch_model.safetensors"
    save_file(tiny_transformer(seed=1).state_dict(), folder / "mine.safetensors")
    weights.unlink()
    model = load_model(folder / "mine.safetensors", device="cpu")
    assert model.name == "mine"
    assert model.fingerprint == compute_fingerprint(tiny_transformer(seed=1))
    with pytest.raises(DamagedModel, match="transformer/.*missing"):
        load_model(folder, device="cpu")


def test_a_single_file_that_is_no_transformer_is_refused(folder: Path, tmp_path: Path) -> None:
    alone = tmp_path / "alone.safetensors"
    save_file({"weight": torch.zeros(2)}, alone)
    with pytest.raises(UnsupportedModel, match="of 1 tensors none"):
        load_model(alone, device="cpu")
    alone.write_bytes(b"no weights at all")
    with pytest.raises(DamagedModel, match="no safetensors file"):
        load_model(alone, device="cpu")
    whole = tiny_transformer().state_dict()
    save_file({name: whole[name] for name in sorted(whole)[3:]}, folder / "mine.safetensors")
    with pytest.raises(DamagedModel, match="as FLUX.1's transformer"):
        load_model(folder / "mine.safetensors", device="cpu")
    pickled = tmp_path / "flux1-dev.ckpt"
    pickled.write_bytes(b"\x80\x04")
    with pytest.raises(ModelNotFound, match="may hold code"):
        load_model(pickled, device="cpu")


def test_a_revision_is_of_the_hub(saved: Path) -> None:
    with pytest.raises(ModelNotFound, match="revision"):
        load_model(saved, revision="main", device="cpu")


def test_a_distilled_model_has_the_settings_of_schnell(tmp_path: Path) -> None:
    tiny_pipeline(guidance_embeds=False).save_pretrained(tmp_path / "tiny-schnell")
    assert load_model(tmp_path / "tiny-schnell").defaults == FLUX_SCHNELL_SETTINGS


_LOAD_IN_LITTLE_MEMORY = """
import resource, sys
from generator.loading import load_model

used = int(open("/proc/self/statm").read().split()[0]) * resource.getpagesize()
resource.setrlimit(resource.RLIMIT_AS, (used + 4_000_000,) * 2)
load_model(sys.argv[1])
"""


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux limits a process's memory so")
def test_memory_that_runs_out_while_loading_is_no_damage_of_the_model(pocket_model_dir: Path) -> None:
    command = [sys.executable, "-c", _LOAD_IN_LITTLE_MEMORY, str(pocket_model_dir)]
    ran = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    assert ran.returncode == 1
    assert re.search(r"MemoryError|allocate memory|start new thread", ran.stderr)
    assert "DamagedModel" not in ran.stderr
