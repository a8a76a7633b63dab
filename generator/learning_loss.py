"""The two losses of concept learning, each with its gradient for what is learnt, and the final measurement.

The transformer is frozen and only called; what it is told about a token comes in through `modulation.attach`. Knows
nothing of captions, stages, optimisers or files.

Shape legend: `B` batch, `C` latent channels, `h`, `w` latent grid, `T` text tokens, `K` tokens with a direction,
`R` rows (tokens of the caption), `L` blocks (1 when shared), `D` width of the modulation.
"""

from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass, replace
from typing import Self

import torch
from diffusers import FluxTransformer2DModel
from torch import Tensor
from torch.nn.functional import mse_loss

from generator.caption_tokens import Placement
from generator.directions import Direction, place_direction
from generator.flow import TextEncoding, add_noise, pack, predict_velocity
from generator.modulation import attach
from generator.predictors import Parameters, Predictor
from generator.recipe import NoiseLevelLoss

MEASURED_SIGMAS = (0.95, 0.85, 0.7, 0.5)


@dataclass(frozen=True)
class Example:
    """A prompt that holds the caption's words: its encoding, and which table row goes to which token."""

    encoding: TextEncoding
    placement: Placement
    words: Tensor
    """The text encoder's output for the caption's tokens in their own text alone, `(R, text_dim)`, float32; zeros where
    the text lacks a token. In a prompt for two pictures it is that of the source's caption by itself, which is what is
    exported."""

    def only(self, rows: frozenset[int] | None) -> Self:
        """The same prompt with directions on the words of these table rows alone; None is all of them."""
        if rows is None:
            return self
        kept = [pair for pair in zip(self.placement.positions, self.placement.rows, strict=True) if pair[1] in rows]
        return replace(self, placement=Placement(tuple(at for at, _ in kept), tuple(row for _, row in kept)))


@dataclass(frozen=True)
class TwoPartExample:
    """A prompt for two pictures side by side, and the one that is not the source's, latents `(1, C, h, w)`."""

    prompt: Example
    other_latents: Tensor
    source_is_left: bool = True

    def only(self, rows: frozenset[int] | None) -> Self:
        """As `Example.only`."""
        return replace(self, prompt=self.prompt.only(rows))


@dataclass(frozen=True)
class NoisyBatch:
    """One picture at several noise levels: latents `(1, C, h, w)`, noise `(B, C, h, w)`, noise levels `(B,)`."""

    latents: Tensor
    noise: Tensor
    sigmas: Tensor

    def noisy_latents(self) -> Tensor:
        """What the transformer sees, `(B, C, h, w)`."""
        return add_noise(self.latents, self.noise, self.sigmas)


@dataclass(frozen=True)
class LossWithGradients:
    """A loss and its gradients, by the names of what is learnt."""

    loss: float
    gradients: Mapping[str, Tensor]

    def plus(self, other: Self, weight: float) -> dict[str, Tensor]:
        """Gradients of this loss plus `weight` times another."""
        return {name: own + weight * other.gradients[name] for name, own in self.gradients.items()}


@dataclass(frozen=True)
class Learner:
    """A frozen transformer and what makes its directions out of learnt numbers."""

    transformer: FluxTransformer2DModel
    predictor: Predictor

    def with_directions(self, directions: Tensor, example: Example) -> AbstractContextManager[None]:
        """The transformer with rows of `directions` `(R, L, D)` on an example's words for as long as it lasts."""
        placement, text_len = example.placement, example.encoding.prompt_embeds.shape[1]
        placed = Direction(directions[[*placement.rows]], "activated")
        return attach(self.transformer, place_direction(placed, placement.positions, text_len=text_len))


def flow_loss(learner: Learner, example: Example, batch: NoisyBatch, parameters: Parameters) -> LossWithGradients:
    """Flow matching on the picture with directions on the words of its caption."""

    def loss() -> tuple[Tensor, Tensor]:
        value = _flow_matching(learner.transformer, example.encoding, batch)
        return value, value

    return _with_gradients(learner, example, parameters, loss)


def isolation_loss(
    learner: Learner,
    example: TwoPartExample,
    batch: NoisyBatch,
    parameters: Parameters,
    *,
    source_weight: float = 0.0,
) -> LossWithGradients:
    """How much the directions on the source's words change the velocity of the other picture, mean square.

    `batch` holds the source picture's latents and noise for both pictures, `(B, C, h, 2·w)`. The gradients, but not the
    loss, are also those of `source_weight` times flow matching on the source's part: there the concepts are named
    beside somebody else, as they will be in stories. The paper leaves open whether its loss has that term.
    Source: TokenVerse (arXiv:2501.12224), concept isolation loss.
    """
    sides = [batch.latents, example.other_latents]
    both = NoisyBatch(torch.cat(sides if example.source_is_left else sides[::-1], dim=3), batch.noise, batch.sigmas)
    noisy_latents = both.noisy_latents()
    transformer, encoding = learner.transformer, example.prompt.encoding

    def parts(tokens: Tensor) -> tuple[Tensor, Tensor]:
        left, right = _halves(tokens, both.latents)
        return (left, right) if example.source_is_left else (right, left)

    with torch.no_grad():
        _, unchanged = parts(predict_velocity(transformer, noisy_latents, both.sigmas, encoding))

    def loss() -> tuple[Tensor, Tensor]:
        of_source, of_other = parts(predict_velocity(transformer, noisy_latents, both.sigmas, encoding))
        towards_source, _ = parts(pack(both.noise - both.latents))
        isolation = mse_loss(of_other, unchanged)
        return isolation, isolation + source_weight * mse_loss(of_source, towards_source)

    return _with_gradients(learner, example.prompt, parameters, loss)


@torch.no_grad()
def measure_losses(
    learner: Learner,
    example: Example,
    latents: Tensor,
    directions: Tensor,
    *,
    concept_rows: frozenset[int],
    batch_size: int,
    seed: int,
) -> tuple[NoiseLevelLoss, ...]:
    """Flow-matching loss on the picture at `MEASURED_SIGMAS` without, with the concepts' and with all directions."""
    measured: list[NoiseLevelLoss] = []
    concepts = example.only(concept_rows)
    generator = torch.Generator().manual_seed(seed)
    noise = torch.randn(batch_size, *latents.shape[1:], generator=generator).to(latents.device)
    for sigma in MEASURED_SIGMAS:
        batch = NoisyBatch(latents, noise, torch.full((batch_size,), sigma, device=latents.device))
        losses = [_flow_matching(learner.transformer, example.encoding, batch).item()]
        for prompt in (concepts, example):
            with learner.with_directions(directions, prompt):
                losses.append(_flow_matching(learner.transformer, prompt.encoding, batch).item())
        measured.append(NoiseLevelLoss(sigma=sigma, plain=losses[0], concepts=losses[1], all_words=losses[2]))
    return tuple(measured)


def _with_gradients(
    learner: Learner, example: Example, parameters: Parameters, loss: Callable[[], tuple[Tensor, Tensor]]
) -> LossWithGradients:
    """The first value that `loss` returns, with the gradients of the second.

    The gradient is taken under `attach`, because gradient checkpointing runs the blocks a second time.
    """
    leaves = {name: tensor.detach().requires_grad_() for name, tensor in parameters.items()}
    directions = learner.predictor.directions(leaves, example.words)
    with learner.with_directions(directions, example):
        value, minimised = loss()
        gradients = torch.autograd.grad(minimised, list(leaves.values()))
    return LossWithGradients(value.item(), dict(zip(leaves, gradients, strict=True)))


def _flow_matching(transformer: FluxTransformer2DModel, encoding: TextEncoding, batch: NoisyBatch) -> Tensor:
    velocity = predict_velocity(transformer, batch.noisy_latents(), batch.sigmas, encoding)
    return mse_loss(velocity, pack(batch.noise - batch.latents))


def _halves(tokens: Tensor, latents: Tensor) -> tuple[Tensor, Tensor]:
    """Left and right half of a picture's tokens, each `(B, h/2, w/4, 4·C)` for latents `(…, h, w)`."""
    _, _, height, width = latents.shape
    grid = tokens.unflatten(1, (height // 2, width // 2))
    return grid[:, :, : width // 4], grid[:, :, width // 4 :]
