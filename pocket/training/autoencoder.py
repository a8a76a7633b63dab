"""Trains the patch autoencoder on the drawn pictures, then turns every picture into latents."""

import time
from collections.abc import Iterator
from io import BytesIO
from pathlib import Path

import numpy as np
import torch
from safetensors.torch import load_file, save
from torch import Tensor
from torch.nn import functional

from concepts.files import write_whole
from generator.autoencoder import PATCH_SIZE, PatchAutoencoder
from generator.precision import autocast
from pocket.training.dataset import SHAPES
from pocket.training.muon import build_optimizers, set_learning_rate, update

KL_WEIGHT = 4e-3
EDGE_WEIGHT = 0.5
CROP_SIZE = 128
WHOLE_PICTURES = 0.25
EMPHASIS = 0.4
DECODER_NOISE = 0.25


def to_model_range(pictures: np.ndarray, device: str) -> Tensor:
    """uint8 `(B, H, W, 3)` to float `(B, 3, H, W)` in [-1, 1]."""
    return torch.from_numpy(pictures).to(device).permute(0, 3, 1, 2).float().div(127.5).sub(1)


def _edges(pictures: Tensor) -> tuple[Tensor, Tensor]:
    return pictures.diff(dim=-1), pictures.diff(dim=-2)


def reconstruction_loss(reconstructed: Tensor, pictures: Tensor) -> Tensor:
    """Mean absolute error of pixels plus that of their differences, which keeps outlines sharp."""
    loss = (reconstructed - pictures).abs().mean()
    for ours, theirs in zip(_edges(reconstructed), _edges(pictures), strict=True):
        loss = loss + EDGE_WEIGHT * (ours - theirs).abs().mean()
    return loss


class PictureSampler:
    """Draws batches of pictures, three quarters of them crops around figures, where the detail is.

    A batch of crops has as many pixels as one of whole pictures.
    """

    def __init__(self, pictures: np.ndarray, coverage: np.ndarray) -> None:
        """`pictures` uint8 `(N, 256, 256, 3)`; `coverage` of the figures `(N, 2, 8, 8)`, as the dataset keeps it."""
        self.pictures = pictures
        self.figures = coverage.sum(1, dtype=np.float32) + 1
        self.cells = coverage.shape[-1]

    def draw(self, rng: np.random.Generator, batch_size: int, device: str) -> Tensor:
        """Float `(B, 3, H, W)` in [-1, 1]: `batch_size` whole pictures, or four times as many crops."""
        if rng.random() < WHOLE_PICTURES:
            rows = np.sort(rng.choice(len(self.pictures), batch_size, replace=False))
            batch = self.pictures[rows]
        else:
            rows = np.sort(rng.choice(len(self.pictures), 4 * batch_size, replace=False))
            batch = np.stack([self._crop(row, rng) for row in rows])
        return to_model_range(np.ascontiguousarray(batch), device).contiguous(memory_format=torch.channels_last)

    def _crop(self, row: int, rng: np.random.Generator) -> np.ndarray:
        weights = self.figures[row].ravel()
        cell = int(rng.choice(weights.size, p=weights / weights.sum()))
        centre = 32 * np.array(divmod(cell, self.cells)) + rng.integers(-16, 48, 2)
        top, left = np.clip((centre - CROP_SIZE // 2) // PATCH_SIZE * PATCH_SIZE, 0, 256 - CROP_SIZE)
        return self.pictures[row, top : top + CROP_SIZE, left : left + CROP_SIZE]


def train_autoencoder(
    folder: Path, *, minutes: float, batch_size: int, seed: int, device: str, learning_rate: float = 2e-3
) -> PatchAutoencoder:
    """Train for a while, or load the autoencoder when `folder` already has it."""
    torch.manual_seed(seed)
    autoencoder = PatchAutoencoder().to(device=device, memory_format=torch.channels_last)
    path = folder / "autoencoder.safetensors"
    if path.exists():
        autoencoder.load_state_dict(load_file(path))
    else:
        pictures = np.load(folder / "pictures-square.npy", mmap_mode="r")
        sampler = PictureSampler(pictures, np.load(folder / "coverage-square.npy"))
        autoencoder.start_from_principal_components(to_model_range(pictures[:400], device))
        for line in fit(autoencoder, sampler, minutes=minutes, batch_size=batch_size, seed=seed, lr=learning_rate):
            print(line, flush=True)
        standardise_latents(autoencoder, pictures[:2000], device)
        _save(autoencoder, path)
    return autoencoder.eval().requires_grad_(False)


def _save(autoencoder: PatchAutoencoder, path: Path) -> None:
    write_whole(path, save({k: v.contiguous() for k, v in autoencoder.state_dict().items()}))


def fit(
    autoencoder: PatchAutoencoder, sampler: PictureSampler, *, minutes: float, batch_size: int, seed: int, lr: float
) -> Iterator[str]:
    """Train encoder and decoder for some minutes, yielding lines for the log."""
    device = str(autoencoder.device)
    rng = np.random.default_rng(seed)
    optimizers = build_optimizers(autoencoder, lr)
    start, step, done = time.monotonic(), 0, 0.0
    while done < 1:
        done = min(1.0, (time.monotonic() - start) / (60 * minutes))
        set_learning_rate(optimizers, lr * min(1.0, (step + 1) / 50) * min(1.0, 2 * (1 - done) + 1e-3))
        batch = sampler.draw(rng, batch_size, device)
        with autocast(device):
            posterior = autoencoder.encode(batch).latent_dist
            reconstructed = autoencoder.decode(posterior.sample()).sample
        kl = posterior.kl().mean() / posterior.mean[0].numel()
        loss = reconstruction_loss(reconstructed.float(), batch) + KL_WEIGHT * kl
        update(optimizers, loss)
        if step % 50 == 0 or done == 1:
            l1 = functional.l1_loss(reconstructed.float(), batch).item()
            yield f"autoencoder {step} ({done:.0%}) loss {loss.item():.4f} l1 {l1:.4f} nats a number {kl.item():.2f}"
        step += 1


@torch.no_grad()
def standardise_latents(autoencoder: PatchAutoencoder, pictures: np.ndarray, device: str) -> None:
    """Scale the latents to a mean square of 1, with more of it for the channels that the encoder is surer of.

    Those carry what the eye sees first (brightness, colour); with more variance they rise above the noise earlier.
    """
    posteriors = [
        autoencoder.encode(to_model_range(pictures[i : i + 100], device)).latent_dist for i in range(0, 2000, 100)
    ]
    means = torch.cat([posterior.mean for posterior in posteriors])
    spread = means.std((0, 2, 3), keepdim=True)
    doubt = torch.cat([posterior.std for posterior in posteriors]).mean((0, 2, 3), keepdim=True) / spread
    emphasis = doubt**-EMPHASIS
    emphasis = emphasis / emphasis.square().mean().sqrt()
    autoencoder.latent_mean.copy_(means.mean((0, 2, 3), keepdim=True))
    autoencoder.latent_std.copy_(spread / emphasis)


def sharpen_decoder(folder: Path, autoencoder: PatchAutoencoder, *, minutes: float, batch_size: int, seed: int) -> None:
    """Train the decoder on, with the latents fixed and a little noise on them, so that it mends what the transformer
    gets slightly wrong; or load that decoder when `folder` already has it."""
    path = folder / "decoder.safetensors"
    if path.exists():
        autoencoder.load_state_dict(load_file(path))
        return
    pictures = np.load(folder / "pictures-square.npy", mmap_mode="r")
    latents = np.load(folder / "latents-square.npy", mmap_mode="r")
    for line in _fit_decoder(autoencoder, pictures, latents, minutes=minutes, batch_size=batch_size, seed=seed):
        print(line, flush=True)
    autoencoder.requires_grad_(False)
    _save(autoencoder, path)


def _fit_decoder(
    autoencoder: PatchAutoencoder,
    pictures: np.ndarray,
    latents: np.ndarray,
    *,
    minutes: float,
    batch_size: int,
    seed: int,
) -> Iterator[str]:
    device = str(autoencoder.device)
    rng = np.random.default_rng(seed + 1)
    parameters = [*autoencoder.decoder.parameters(), *autoencoder.linear_decoder.parameters()]
    for parameter in parameters:
        parameter.requires_grad_(True)
    optimizers = build_optimizers(autoencoder, 1e-3)
    start, step, done = time.monotonic(), 0, 0.0
    while done < 1:
        done = min(1.0, (time.monotonic() - start) / (60 * minutes))
        set_learning_rate(optimizers, 1e-3 * min(1.0, (step + 1) / 50) * min(1.0, 1.5 * (1 - done) + 1e-3))
        rows = np.sort(rng.choice(len(pictures), batch_size, replace=False))
        batch = to_model_range(pictures[rows], device).contiguous(memory_format=torch.channels_last)
        z = torch.from_numpy(latents[rows]).float().to(device)
        z = z + DECODER_NOISE * torch.rand(len(z), 1, 1, 1, device=device) * torch.randn_like(z)
        with autocast(device):
            reconstructed = autoencoder.decode(z).sample
        loss = reconstruction_loss(reconstructed.float(), batch)
        update(optimizers, loss)
        if step % 100 == 0 or done == 1:
            yield f"decoder {step} ({done:.0%}) loss {loss.item():.4f}"
        step += 1


@torch.no_grad()
def encode_dataset(folder: Path, autoencoder: PatchAutoencoder) -> None:
    """Write `latents-SHAPE.npy`, float16 `(N, latent_channels, H/16, W/16)`; does nothing for shapes that have it."""
    device = str(autoencoder.device)
    for shape in SHAPES:
        path = folder / f"latents-{shape}.npy"
        if path.exists():
            continue
        pictures = np.load(folder / f"pictures-{shape}.npy", mmap_mode="r")
        latents = []
        for i in range(0, len(pictures), 50):
            batch = to_model_range(np.ascontiguousarray(pictures[i : i + 50]), device)
            with autocast(device):
                posterior = autoencoder.encode(batch.contiguous(memory_format=torch.channels_last)).latent_dist
            latents.append(posterior.mean.float().half().cpu().numpy())
        content = BytesIO()
        np.save(content, np.concatenate(latents))
        write_whole(path, content.getvalue())
