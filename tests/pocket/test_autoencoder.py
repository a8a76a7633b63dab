"""The patch autoencoder keeps to diffusers' interface and to its own promise of standardised latents."""

from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor
from torch.nn import functional

from generator.autoencoder import PATCH_DIM, PATCH_SIZE, PatchAutoencoder
from pocket.training.autoencoder import (
    CROP_SIZE,
    PictureSampler,
    encode_dataset,
    reconstruction_loss,
    sharpen_decoder,
    to_model_range,
)
from pocket.training.dataset import SHAPES
from tests.pocket.builders import most_bytes_of_a_file

LATENT_CHANNELS = 3


def tiny_autoencoder(*, seed: int = 0) -> PatchAutoencoder:
    torch.manual_seed(seed)
    autoencoder = PatchAutoencoder(
        latent_channels=LATENT_CHANNELS,
        encoder_width=8,
        encoder_depth=1,
        decoder_widths=(8, 8, 8),
        decoder_depths=(1, 1, 1),
    )
    return autoencoder.eval().requires_grad_(False)


@pytest.fixture
def autoencoder() -> PatchAutoencoder:
    """Random weights everywhere, also where fresh ones are zero."""
    autoencoder = tiny_autoencoder()
    for parameter in autoencoder.parameters():
        parameter.copy_(torch.randn_like(parameter) * 0.1)
    return autoencoder


@pytest.fixture
def pictures() -> Tensor:
    """Two pictures, 32 high and 48 wide."""
    return torch.rand(2, 3, 32, 48, generator=torch.Generator().manual_seed(1)) * 2 - 1


def _pictures_of_three_components(count: int) -> Tensor:
    """Pictures whose patches differ in three directions only."""
    generator = torch.Generator().manual_seed(2)
    components = torch.randn(LATENT_CHANNELS, PATCH_DIM, generator=generator) * torch.tensor([[0.3], [0.1], [0.05]])
    patches = torch.randn(count, 4, LATENT_CHANNELS, generator=generator) @ components
    patches = patches + 0.2 * torch.randn(PATCH_DIM, generator=generator)
    return functional.pixel_shuffle(patches.transpose(1, 2).reshape(count, PATCH_DIM, 2, 2), PATCH_SIZE)


def test_a_latent_stands_for_a_patch_of_sixteen_pixels(autoencoder: PatchAutoencoder, pictures: Tensor) -> None:
    posterior = autoencoder.encode(pictures).latent_dist
    assert posterior.mean.shape == posterior.std.shape == (2, LATENT_CHANNELS, 2, 3)
    assert autoencoder.decode(posterior.mean).sample.shape == pictures.shape
    assert 2 ** (len(autoencoder.config.block_out_channels) - 1) == PATCH_SIZE
    assert torch.equal(autoencoder.encode(pictures, return_dict=False)[0].mean, posterior.mean)
    assert torch.equal(
        autoencoder.decode(posterior.mean, return_dict=False)[0], autoencoder.decode(posterior.mean).sample
    )


def test_standardising_changes_latents_and_no_picture(autoencoder: PatchAutoencoder, pictures: Tensor) -> None:
    before = autoencoder.encode(pictures).latent_dist
    drawn = autoencoder.decode(before.mean).sample
    autoencoder.latent_mean.copy_(torch.tensor([0.3, -0.5, 1.0])[None, :, None, None])
    autoencoder.latent_std.copy_(torch.tensor([0.5, 2.0, 3.0])[None, :, None, None])
    after = autoencoder.encode(pictures).latent_dist
    torch.testing.assert_close(after.mean, (before.mean - autoencoder.latent_mean) / autoencoder.latent_std)
    torch.testing.assert_close(after.std, before.std / autoencoder.latent_std)
    torch.testing.assert_close(autoencoder.decode(after.mean).sample, drawn, atol=1e-5, rtol=1e-5)


def test_principal_components_give_standardised_latents_and_lose_nothing_they_can_keep() -> None:
    pictures = _pictures_of_three_components(60)
    autoencoder = tiny_autoencoder()

    def mean_error() -> float:
        latents = autoencoder.encode(pictures).latent_dist.mean
        return float((autoencoder.decode(latents).sample - pictures).abs().mean())

    at_random = mean_error()
    autoencoder.start_from_principal_components(pictures)
    assert mean_error() < 1e-3 < 0.05 < at_random
    latents = autoencoder.encode(pictures).latent_dist.mean
    assert latents.mean((0, 2, 3)).abs().max() < 1e-2
    torch.testing.assert_close(latents.std((0, 2, 3)), torch.ones(LATENT_CHANNELS), atol=0.02, rtol=0)


def test_a_saved_autoencoder_is_loaded_by_diffusers_with_equal_outputs(
    autoencoder: PatchAutoencoder, pictures: Tensor, tmp_path: Path
) -> None:
    autoencoder.latent_mean.fill_(0.4)
    autoencoder.latent_std.fill_(1.7)
    autoencoder.save_pretrained(tmp_path)
    loaded = PatchAutoencoder.from_pretrained(tmp_path)
    latents = autoencoder.encode(pictures).latent_dist.mean
    assert torch.equal(loaded.encode(pictures).latent_dist.mean, latents)
    assert torch.equal(loaded.decode(latents).sample, autoencoder.decode(latents).sample)


def test_the_model_range_puts_channels_first_and_black_at_minus_one() -> None:
    pixels = np.zeros((1, 2, 4, 3), np.uint8)
    pixels[0, 1, 2] = (255, 51, 0)
    tensor = to_model_range(pixels, "cpu")
    assert tensor.shape == (1, 3, 2, 4)
    torch.testing.assert_close(tensor[0, :, 1, 2], torch.tensor([1.0, -0.6, -1.0]))
    assert tensor[0, :, 0, 0].tolist() == [-1, -1, -1]


def test_the_loss_counts_a_lost_outline_beside_its_pixels() -> None:
    stripes = torch.ones(1, 3, 8, 8)
    stripes[..., ::2] = -1
    brighter, blurred = stripes + 1, torch.zeros_like(stripes)
    assert reconstruction_loss(stripes, stripes) == 0
    assert reconstruction_loss(brighter, stripes) == 1
    assert reconstruction_loss(blurred, stripes) == 2


def test_every_shape_is_encoded_once(autoencoder: PatchAutoencoder, tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    for shape, (width, height) in SHAPES.items():
        np.save(tmp_path / f"pictures-{shape}.npy", rng.integers(256, size=(2, height, width, 3), dtype=np.uint8))
    np.save(tmp_path / "latents-spread.npy", np.zeros(1))
    encode_dataset(tmp_path, autoencoder)
    latents = {shape: np.load(tmp_path / f"latents-{shape}.npy") for shape in SHAPES}
    assert latents["square"].shape == (2, LATENT_CHANNELS, 16, 16)
    assert latents["cover"].shape == (2, LATENT_CHANNELS, 20, 16)
    assert latents["cover"].dtype == np.float16
    assert latents["spread"].shape == (1,)
    pictures = to_model_range(np.load(tmp_path / "pictures-square.npy"), "cpu")
    expected = autoencoder.encode(pictures).latent_dist.mean.numpy()
    assert np.abs(latents["square"] - expected).max() < 0.1 * expected.std()


def test_latents_whose_writing_was_cut_short_are_encoded_again(autoencoder: PatchAutoencoder, tmp_path: Path) -> None:
    for shape, (width, height) in SHAPES.items():
        np.save(tmp_path / f"pictures-{shape}.npy", np.zeros((2, height, width, 3), np.uint8))
    with most_bytes_of_a_file(1000), pytest.raises(OSError):
        encode_dataset(tmp_path, autoencoder)
    assert not list(tmp_path.glob("latents-*.npy"))
    encode_dataset(tmp_path, autoencoder)
    assert np.load(tmp_path / "latents-square.npy").shape == (2, LATENT_CHANNELS, 16, 16)


def test_a_decoder_whose_writing_was_cut_short_is_trained_again(autoencoder: PatchAutoencoder, tmp_path: Path) -> None:
    np.save(tmp_path / "pictures-square.npy", np.zeros((2, 32, 32, 3), np.uint8))
    np.save(tmp_path / "latents-square.npy", np.zeros((2, LATENT_CHANNELS, 2, 2), np.float16))
    with most_bytes_of_a_file(1000), pytest.raises(OSError):
        sharpen_decoder(tmp_path, autoencoder, minutes=1e-6, batch_size=1, seed=0)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["latents-square.npy", "pictures-square.npy"]
    sharpen_decoder(tmp_path, autoencoder, minutes=1e-6, batch_size=1, seed=0)
    sharpen_decoder(tmp_path, tiny_autoencoder(), minutes=1e-6, batch_size=1, seed=0)


def test_a_batch_is_of_whole_pictures_or_of_four_times_as_many_crops_around_figures() -> None:
    pictures = np.zeros((8, 256, 256, 3), np.uint8)
    pictures[:, 192:224, 32:64] = 255
    coverage = np.zeros((8, 2, 8, 8), np.uint8)
    coverage[:, 1, 6, 1] = 255
    sampler = PictureSampler(pictures, coverage)
    rng = np.random.default_rng(0)
    shapes, shown = set(), []
    for _ in range(40):
        batch = sampler.draw(rng, 2, "cpu")
        shapes.add(tuple(batch.shape))
        if batch.shape[-1] == CROP_SIZE:
            shown += (batch.amax((1, 2, 3)) == 1).tolist()
    assert shapes == {(2, 3, 256, 256), (8, 3, CROP_SIZE, CROP_SIZE)}
    assert np.mean(shown) > 0.7, "most crops show the figure"
