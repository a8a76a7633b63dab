"""Linear layers whose frozen weights are kept smaller, or elsewhere, than they are computed with.

diffusers' layerwise casting and group offloading swap a layer's weights after each pass, and a backward pass then finds
others than the forward pass had. Here both bring what they need, so gradients go through to what is learnt.
"""

from typing import Any, Self

import torch
from torch import Tensor, nn
from torch.autograd import Function
from torch.autograd.function import FunctionCtx
from torch.nn.functional import linear

from generator.families import family_of

NORM = "norm"
"""Part of the names of a block's layers that stay in full."""
ADAPTIVE_NORM_LAYERS = ("norm.linear", "norm1.linear", "norm1_context.linear", "norm_out.linear")


class KeptLinear(nn.Linear):
    """A frozen layer whose weights may be of any dtype, on any device; its inputs say in and on which it computes."""

    @classmethod
    def of(cls, layer: nn.Linear, dtype: torch.dtype | None = None) -> Self:
        """A layer's weights, in another dtype if one is given."""
        with torch.device("meta"):
            kept = cls(layer.in_features, layer.out_features, bias=layer.bias is not None)
        for name, weight in layer.named_parameters():
            setattr(kept, name, nn.Parameter(weight.detach().to(dtype or weight.dtype), requires_grad=False))
        return kept

    def forward(self, inputs: Tensor) -> Tensor:
        """As of a layer with these weights in the inputs' dtype, on their device."""
        return _Kept.apply(inputs, self.weight, self.bias)


class _Kept(Function):
    """Keeps for the backward pass no more than there is anyway."""

    @staticmethod
    def forward(ctx: FunctionCtx, inputs: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
        ctx.save_for_backward(weight)
        return linear(inputs, weight.to(inputs), None if bias is None else bias.to(inputs))

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, None, None]:
        (gradient,), (weight,) = gradients, ctx.saved_tensors
        return gradient @ weight.to(gradient), None, None


def keep_blocks_in(transformer: nn.Module, dtype: torch.dtype) -> None:
    """Keep the weights of a transformer's blocks in a dtype, their norms' aside, for good."""
    for block in family_of(transformer).blocks(transformer):
        for name, layer in list(block.named_modules()):
            if isinstance(layer, nn.Linear) and NORM not in name:
                block.set_submodule(name, KeptLinear.of(layer, dtype))


def fetch_adaptive_norms(transformer: nn.Module) -> None:
    """Have each pass fetch the weights of the adaptive norms' linear layers from wherever they are, for good."""
    for name, layer in list(transformer.named_modules()):
        if name.endswith(ADAPTIVE_NORM_LAYERS) and isinstance(layer, nn.Linear):
            transformer.set_submodule(name, KeptLinear.of(layer))
