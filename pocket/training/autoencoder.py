"""Trains the patch autoencoder on the drawn pictures, then turns every picture into latents."""

import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import torch
from safetensors.torch import load_file, save_file
from torch import Tensor
from torch.nn import functional

from generator.autoencoder import PatchAutoencoder
from pocket.training.dataset import SHAPES
from pocket.training.precision import autocast

KL_WEIGHT = 4e-3
EDGE_WEIGHT = 0.5
MOST_PICTURES = 10_000
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
        pictures = np.load(folder / "pictures-square.npy", mmap_mode="r")[:MOST_PICTURES]
        autoencoder.start_from_principal_components(to_model_range(pictures[:400], device))
        for line in _fit(autoencoder, pictures, minutes=minutes, batch_size=batch_size, seed=seed, lr=learning_rate):
            print(line, flush=True)
        _standardise_latents(autoencoder, pictures[:2000], device)
        save_file({k: v.contiguous() for k, v in autoencoder.state_dict().items()}, path)
    return autoencoder.eval().requires_grad_(False)


def _fit(
    autoencoder: PatchAutoencoder, pictures: np.ndarray, *, minutes: float, batch_size: int, seed: int, lr: float
) -> Iterator[str]:
    device = str(autoencoder.device)
    rng = np.random.default_rng(seed)
    optimizer = torch.optim.AdamW(autoencoder.parameters(), lr=lr, betas=(0.9, 0.95), weight_decay=1e-4)
    start, step, done = time.monotonic(), 0, 0.0
    while done < 1:
        done = min(1.0, (time.monotonic() - start) / (60 * minutes))
        for group in optimizer.param_groups:
            group["lr"] = lr * min(1.0, (step + 1) / 50) * min(1.0, 2 * (1 - done) + 1e-3)
        rows = np.sort(rng.choice(len(pictures), batch_size, replace=False))
        batch = to_model_range(pictures[rows], device).contiguous(memory_format=torch.channels_last)
        with autocast(device):
            posterior = autoencoder.encode(batch).latent_dist
            reconstructed = autoencoder.decode(posterior.sample()).sample
        kl = posterior.kl().mean() / posterior.mean[0].numel()
        loss = reconstruction_loss(reconstructed.float(), batch) + KL_WEIGHT * kl
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(autoencoder.parameters(), 1.0)
        optimizer.step()
        if step % 50 == 0 or done == 1:
            l1 = functional.l1_loss(reconstructed.float(), batch).item()
            yield f"autoencoder {step} ({done:.0%}) loss {loss.item():.4f} l1 {l1:.4f} nats a number {kl.item():.2f}"
        step += 1


@torch.no_grad()
def _standardise_latents(autoencoder: PatchAutoencoder, pictures: np.ndarray, device: str) -> None:
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
    save_file({k: v.contiguous() for k, v in autoencoder.state_dict().items()}, path)


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
    optimizer = torch.optim.AdamW(parameters, lr=1e-3, betas=(0.9, 0.95), weight_decay=1e-4)
    start, step, done = time.monotonic(), 0, 0.0
    while done < 1:
        done = min(1.0, (time.monotonic() - start) / (60 * minutes))
        for group in optimizer.param_groups:
            group["lr"] = 1e-3 * min(1.0, (step + 1) / 50) * min(1.0, 1.5 * (1 - done) + 1e-3)
        rows = np.sort(rng.choice(len(pictures), batch_size, replace=False))
        batch = to_model_range(pictures[rows], device).contiguous(memory_format=torch.channels_last)
        z = torch.from_numpy(latents[rows]).float().to(device)
        z = z + DECODER_NOISE * torch.rand(len(z), 1, 1, 1, device=device) * torch.randn_like(z)
        with autocast(device):
            reconstructed = autoencoder.decode(z).sample
        loss = reconstruction_loss(reconstructed.float(), batch)
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(parameters, 1.0)
        optimizer.step()
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
        for i in range(0, len(pictures), 200):
            with autocast(device):
                posterior = autoencoder.encode(to_model_range(pictures[i : i + 200], device)).latent_dist
            latents.append(posterior.mean.float().half().cpu().numpy())
        np.save(path, np.concatenate(latents))
