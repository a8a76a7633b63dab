"""Muon in float32: the optimizer of the large weight matrices, for processors that multiply bfloat16 slowly.

`torch.optim.Muon` orthogonalises in bfloat16, which such processors crawl through, and takes matrices only; this one
also takes convolution kernels, as matrices of one row per output channel.
"""

from collections.abc import Callable, Iterable

import torch
from torch import Tensor, nn

_COEFFICIENTS = (3.4445, -4.7750, 2.0315)
_NUM_ITERATIONS = 5


def orthogonalise(matrix: Tensor) -> Tensor:
    """A nearly orthogonal matrix with the singular vectors of `matrix`, `(rows, columns)`.

    Source: the Newton-Schulz iteration of Muon (Jordan et al., 2024), with its coefficients.
    """
    tall = matrix.shape[0] > matrix.shape[1]
    x = (matrix.T if tall else matrix) / matrix.norm().clamp(min=1e-7)
    a, b, c = _COEFFICIENTS
    for _ in range(_NUM_ITERATIONS):
        gram = x @ x.T
        x = torch.addmm(x, torch.addmm(gram, gram, gram, beta=b, alpha=c), x, beta=a)
    return x.T if tall else x


class Muon(torch.optim.Optimizer):
    """Momentum whose update is orthogonalised, scaled to the size of AdamW's so that both take one learning rate.

    Args:
        params: Weights of at least two dimensions.
        lr: Learning rate, as AdamW's.
        momentum: Of the running gradient, with Nesterov's look ahead.
        weight_decay: As AdamW's.
    """

    def __init__(
        self, params: Iterable[nn.Parameter], *, lr: float, momentum: float = 0.95, weight_decay: float = 0.02
    ) -> None:
        super().__init__(params, {"lr": lr, "momentum": momentum, "weight_decay": weight_decay})

    @torch.no_grad()
    def step(self, closure: Callable[[], float] | None = None) -> None:
        """Update every weight that has a gradient; `closure` is not supported."""
        assert closure is None, "Muon takes no closure"
        for group in self.param_groups:
            for weight in group["params"]:
                if weight.grad is not None:
                    self._update(weight, group)

    def _update(self, weight: nn.Parameter, group: dict) -> None:
        state = self.state[weight]
        if not state:
            state["momentum"] = torch.zeros_like(weight)
        state["momentum"].lerp_(weight.grad, 1 - group["momentum"])
        ahead = weight.grad.lerp(state["momentum"], group["momentum"]).flatten(1)
        update = orthogonalise(ahead).view_as(weight)
        size = 0.2 * max(ahead.shape) ** 0.5
        weight.mul_(1 - group["lr"] * group["weight_decay"]).sub_(update, alpha=group["lr"] * size)


def build_optimizers(module: nn.Module, learning_rate: float) -> list[torch.optim.Optimizer]:
    """Muon for the large matrices and convolutions of a module, AdamW for all else that is trained."""
    large, others = [], []
    for weight in module.parameters():
        if weight.requires_grad:
            (large if weight.ndim >= 2 and min(weight.shape[0], weight[0].numel()) >= 64 else others).append(weight)
    optimizers: list[torch.optim.Optimizer] = []
    if large:
        optimizers.append(Muon(large, lr=learning_rate))
    if others:
        optimizers.append(torch.optim.AdamW(others, lr=learning_rate, betas=(0.9, 0.95), weight_decay=1e-4))
    return optimizers


def set_learning_rate(optimizers: list[torch.optim.Optimizer], learning_rate: float) -> None:
    """Give every group of every optimizer this learning rate."""
    for optimizer in optimizers:
        for group in optimizer.param_groups:
            group["lr"] = learning_rate


def update(optimizers: list[torch.optim.Optimizer], loss: Tensor) -> None:
    """One step of all optimizers, with the gradient's norm clipped to 1."""
    weights = [w for optimizer in optimizers for group in optimizer.param_groups for w in group["params"]]
    for optimizer in optimizers:
        optimizer.zero_grad(set_to_none=True)
    loss.backward()
    torch.nn.utils.clip_grad_norm_(weights, 1.0)
    for optimizer in optimizers:
        optimizer.step()
