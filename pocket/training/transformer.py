"""Trains Pocket's transformer by flow matching, then distils guidance into it as FLUX.1-dev has it.

One schedule in wall-clock time, so that it fits the machine: the learning rate rises, stays and falls over the given
minutes. The state is written every few minutes, and a run that was stopped goes on from there.
"""

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from diffusers import FluxPipeline, FluxTransformer2DModel
from torch import Tensor, nn
from torch.nn import functional

from generator.precision import autocast
from pocket.training.batches import NUM_ATTRIBUTES, Batch, BatchStream, LatentDataset
from pocket.training.muon import Muon
from pocket.training.text import TextEncoders, TokenIds

EMA_DECAY = 0.998
POOLED_DROPOUT = 0.5
DROP_CAPTIONS = {"flow": 0.1, "distil": 0.05}
"""Share of prompts of which nothing is told, by phase."""
ATTRIBUTE_WEIGHT = 3.0
SAVE_EVERY_S = 180


@dataclass(frozen=True, kw_only=True)
class TransformerRecipe:
    """How the transformer is trained."""

    flow_minutes: float
    """Minutes of flow matching."""
    distil_minutes: float
    """Minutes of guidance distillation after it."""
    batch_size: int = 64
    learning_rate: float = 1.5e-3
    decay_from: float = 0.5
    """Fraction of the time after which the learning rate falls, linearly to a fiftieth."""
    seed: int = 0


def build_transformer(*, in_channels: int, joint_attention_dim: int, pooled_dim: int) -> FluxTransformer2DModel:
    """Pocket's transformer with fresh weights: every block starts as the identity."""
    transformer = FluxTransformer2DModel(
        patch_size=1,
        in_channels=in_channels,
        num_layers=2,
        num_single_layers=4,
        attention_head_dim=64,
        num_attention_heads=4,
        joint_attention_dim=joint_attention_dim,
        pooled_projection_dim=pooled_dim,
        guidance_embeds=True,
        axes_dims_rope=(8, 28, 28),
    )
    dim = transformer.inner_dim
    with torch.no_grad():
        for name, module in transformer.named_modules():
            if isinstance(module, nn.Linear) and name.endswith(("norm.linear", "norm1.linear", "norm1_context.linear")):
                # Gates start at zero. Scales and shifts keep random weights: a modulation whose weights start at zero
                # answers only to what the modulation vector did in training, and a learnt direction needs all of it.
                module.bias.zero_()
                gates = (2, 5) if module.out_features == 6 * dim else (2,)
                for gate in gates:
                    module.weight[gate * dim : (gate + 1) * dim].zero_()
        transformer.proj_out.weight.zero_()
        transformer.proj_out.bias.zero_()
    return transformer


def pack(latents: Tensor) -> tuple[Tensor, Tensor]:
    """Packed latents `(B, h·w, 4·C)` and their `img_ids` `(h·w, 3)`, as `FluxPipeline` makes them."""
    b, c, h, w = latents.shape
    packed = FluxPipeline._pack_latents(latents, b, c, h, w)
    return packed, FluxPipeline._prepare_latent_image_ids(b, h // 2, w // 2, latents.device, latents.dtype)


class AttributeHead(nn.Module):
    """Reads what each image token covers after the double-stream blocks; used in training only (after REPA)."""

    def __init__(self, transformer: FluxTransformer2DModel) -> None:
        super().__init__()
        self.read = nn.Sequential(nn.LayerNorm(transformer.inner_dim), nn.Linear(transformer.inner_dim, NUM_ATTRIBUTES))
        self.hidden_states: Tensor | None = None
        transformer.transformer_blocks[-1].register_forward_hook(self._keep)

    def _keep(self, _module: nn.Module, _args: tuple[Tensor, ...], output: tuple[Tensor, Tensor]) -> None:
        self.hidden_states = output[1]

    def loss(self, attributes: Tensor) -> Tensor:
        """Binary cross-entropy against soft attributes `(B, h·w, NUM_ATTRIBUTES)`."""
        return functional.binary_cross_entropy_with_logits(self.read(self.hidden_states.float()), attributes)


class Conditioner:
    """Turns tokens into what the transformer takes, with the pooled text dropped at times so that tokens count."""

    def __init__(self, encoders: TextEncoders, device: str) -> None:
        self.encoders, self.device = encoders, device
        self.empty = {n: encoders.encode([""], max_sequence_length=n) for n in (32, 64)}

    def __call__(self, token_ids: TokenIds, *, drop_pooled: float, generator: torch.Generator) -> tuple[Tensor, Tensor]:
        """Embeddings `(B, text_len, dim)` and pooled text `(B, dim)`."""
        with autocast(self.device):
            embeds, pooled = (text.float() for text in self.encoders.encode_tokens(token_ids))
        drop = torch.rand(len(pooled), 1, generator=generator, device=generator.device) < drop_pooled
        return embeds, torch.where(drop.to(self.device), self.empty_like(embeds)[1], pooled)

    def empty_like(self, embeds: Tensor) -> tuple[Tensor, Tensor]:
        """The empty prompt for a whole batch."""
        one, pooled = self.empty[embeds.shape[1]]
        return one.float().expand_as(embeds), pooled.float().expand(len(embeds), -1)


def sample_sigma(batch_size: int, generator: torch.Generator) -> Tensor:
    """Logit-normal noise levels in (0, 1), leaning to high noise, where text decides."""
    return torch.sigmoid(0.3 + 1.1 * torch.randn(batch_size, generator=generator, device=generator.device))


def predict(
    transformer: FluxTransformer2DModel, noisy: Tensor, img_ids: Tensor, sigma: Tensor, text: tuple[Tensor, Tensor],
    guidance: Tensor,
) -> Tensor:  # fmt: skip
    """The predicted velocity `(B, h·w, 4·C)` in float32."""
    embeds, pooled = text
    with autocast(str(noisy.device)):
        velocity = transformer(
            hidden_states=noisy,
            encoder_hidden_states=embeds,
            pooled_projections=pooled,
            timestep=sigma,
            guidance=guidance,
            img_ids=img_ids,
            txt_ids=torch.zeros(embeds.shape[1], 3, device=noisy.device),
            return_dict=False,
        )[0]
    return velocity.float()


def _optimizers(transformer: FluxTransformer2DModel, head: AttributeHead, lr: float) -> list[torch.optim.Optimizer]:
    """Muon for the blocks' matrices, AdamW for all else."""
    matrices, others = [], list(head.parameters())
    for name, parameter in transformer.named_parameters():
        in_block = "transformer_blocks" in name and parameter.ndim == 2 and "norm" not in name
        (matrices if in_block else others).append(parameter)
    return [torch.optim.AdamW(others, lr=lr, betas=(0.9, 0.95), weight_decay=0.0), Muon(matrices, lr=lr)]


LossOf = Callable[[Batch, TokenIds, float], list[Tensor]]
"""The loss to follow, then those to report, of a batch on its device after that fraction of the time."""


class TransformerTrainer:
    """Holds the state of a run; `run` goes on from the last save."""

    def __init__(
        self,
        folder: Path,
        transformer: FluxTransformer2DModel,
        encoders: TextEncoders,
        recipe: TransformerRecipe,
        device: str,
        *,
        num_workers: int = 0,
    ) -> None:
        """`num_workers` processes put batches together ahead of time."""
        self.path = folder / "transformer.pt"
        self.recipe, self.device, self.num_workers = recipe, device, num_workers
        self.transformer = transformer.to(device)
        self.head = AttributeHead(self.transformer).to(device)
        self.average = {k: v.detach().clone() for k, v in self.transformer.state_dict().items()}
        self.optimizers = _optimizers(self.transformer, self.head, recipe.learning_rate)
        self.conditioner = Conditioner(encoders, device)
        self.dataset = LatentDataset(folder)
        self.generator = torch.Generator(device)
        self.phase, self.step, self.samples, self.elapsed = "flow", 0, 0, 0.0
        if self.path.exists():
            self._load()

    def run(self) -> Iterator[str]:
        """Train to the end of the recipe, yielding lines for the log."""
        if self.phase == "flow":
            yield from self._phase(self.recipe.flow_minutes, self._flow_loss)
            self._begin_distilling()
        if self.phase == "distil":
            yield from self._phase(self.recipe.distil_minutes, self._distil_loss)
            self.phase = "done"
            self._save()

    def averaged_transformer(self) -> FluxTransformer2DModel:
        """A copy of the transformer with the averaged weights, for use."""
        copy = FluxTransformer2DModel.from_config(self.transformer.config).to(self.device)
        copy.load_state_dict(self.average)
        return copy.eval().requires_grad_(False)

    def _batches(self) -> Iterator[tuple[Batch, TokenIds]]:
        """From here on; noise is seeded anew, too, by the step, so that a run can go on with another kind of device."""
        self.generator.manual_seed(int(np.random.default_rng((self.recipe.seed, self.step)).integers(2**63)))
        stream = BatchStream(
            dataset=self.dataset,
            encoders=self.conditioner.encoders,
            batch_size=self.recipe.batch_size,
            drop_captions=DROP_CAPTIONS[self.phase],
            seed=(self.recipe.seed, self.step),
        )
        return stream.load(num_workers=self.num_workers)

    def _phase(self, minutes: float, loss_of: LossOf) -> Iterator[str]:
        batches = self._batches() if self.elapsed < 60 * minutes else iter(())
        started, last_save = time.monotonic() - self.elapsed, time.monotonic()
        recent: list[list[float]] = []
        while self.elapsed < 60 * minutes:
            done = self.elapsed / (60 * minutes)
            self._set_learning_rate(done)
            batch, token_ids = next(batches)
            losses = loss_of(batch.to(self.device), token_ids, done)
            for optimizer in self.optimizers:
                optimizer.zero_grad(set_to_none=True)
            losses[0].backward()
            nn.utils.clip_grad_norm_(self.transformer.parameters(), 1.0)
            for optimizer in self.optimizers:
                optimizer.step()
            self._update_average()
            self.step += 1
            self.elapsed = time.monotonic() - started
            recent.append([loss.item() for loss in losses])
            if self.step % 50 == 0:
                means = " ".join(f"{m:.4f}" for m in np.mean(recent, axis=0))
                recent.clear()
                yield f"{self.phase} {self.step} ({done:.1%}) samples {self.samples} {self.elapsed:.0f}s losses {means}"
            if time.monotonic() - last_save > SAVE_EVERY_S:
                self._save()
                last_save = time.monotonic()
        self._save()

    def _flow_loss(self, batch: Batch, token_ids: TokenIds, done: float) -> list[Tensor]:
        noisy, img_ids, sigma, target = self._noise(batch)
        text = self.conditioner(token_ids, drop_pooled=POOLED_DROPOUT, generator=self.generator)
        velocity = predict(self.transformer, noisy, img_ids, sigma, text, torch.ones_like(sigma))
        flow = functional.mse_loss(velocity, target)
        attributes = self.head.loss(batch.attributes)
        return [flow + ATTRIBUTE_WEIGHT * (1 - done) * attributes, flow, attributes]

    def _distil_loss(self, batch: Batch, token_ids: TokenIds, done: float) -> list[Tensor]:  # noqa: ARG002
        noisy, img_ids, sigma, _ = self._noise(batch)
        text = self.conditioner(token_ids, drop_pooled=0.2, generator=self.generator)
        ones = torch.ones_like(sigma)
        with torch.no_grad():
            conditional = predict(self.teacher, noisy, img_ids, sigma, text, ones)
            empty = predict(self.teacher, noisy, img_ids, sigma, self.conditioner.empty_like(text[0]), ones)
        scale, chance = torch.rand(2, len(sigma), generator=self.generator, device=self.device)
        guidance = torch.where(chance < 0.15, ones, 1 + 4 * scale)
        target = empty + guidance[:, None, None] * (conditional - empty)
        velocity = predict(self.transformer, noisy, img_ids, sigma, text, guidance)
        return [functional.mse_loss(velocity, target)]

    def _noise(self, batch: Batch) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        clean, img_ids = pack(batch.latents)
        sigma = sample_sigma(len(clean), self.generator)
        noise = torch.randn(clean.shape, generator=self.generator, device=self.device)
        level = sigma[:, None, None]
        self.samples += len(clean)
        return (1 - level) * clean + level * noise, img_ids, sigma, noise - clean

    def _begin_distilling(self) -> None:
        self.transformer.load_state_dict(self.average)
        self.phase, self.elapsed = "distil", 0.0
        self.optimizers = _optimizers(self.transformer, self.head, self.recipe.learning_rate / 3)
        self._set_teacher(self.average)
        self._save()

    def _set_teacher(self, weights: dict[str, Tensor]) -> None:
        self.teacher = FluxTransformer2DModel.from_config(self.transformer.config).to(self.device)
        self.teacher.load_state_dict(weights)
        self.teacher.eval().requires_grad_(False)

    def _set_learning_rate(self, done: float) -> None:
        warm = min(1.0, (self.step + 1) / 100)
        start = self.recipe.decay_from if self.phase == "flow" else 0.0
        fall = 1.0 if done < start else 0.02 + 0.98 * (1 - done) / (1 - start)
        for optimizer in self.optimizers:
            for group in optimizer.param_groups:
                peak = group.setdefault("peak_lr", group["lr"])
                group["lr"] = peak * warm * fall

    def _update_average(self) -> None:
        decay = min(EMA_DECAY, (1 + self.step) / (10 + self.step))
        current = self.transformer.state_dict()
        torch._foreach_lerp_(list(self.average.values()), [current[k].detach() for k in self.average], 1 - decay)

    def _save(self) -> None:
        state = {
            "transformer": self.transformer.state_dict(),
            "average": self.average,
            "head": self.head.state_dict(),
            "optimizers": [o.state_dict() for o in self.optimizers],
            "teacher": self.teacher.state_dict() if self.phase != "flow" else None,
            "progress": (self.phase, self.step, self.samples, self.elapsed),
        }
        temporary = self.path.with_suffix(".part")
        torch.save(state, temporary)
        temporary.rename(self.path)

    def _load(self) -> None:
        state = torch.load(self.path, map_location=self.device, weights_only=False)
        self.transformer.load_state_dict(state["transformer"])
        self.head.load_state_dict(state["head"])
        self.average = state["average"]
        self.phase, self.step, self.samples, self.elapsed = state["progress"]
        for optimizer, saved in zip(self.optimizers, state["optimizers"], strict=True):
            optimizer.load_state_dict(saved)
        if state["teacher"] is not None:
            self._set_teacher(state["teacher"])
