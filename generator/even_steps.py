"""Coordinates for learning in which a step moves a block's modulation equally far in every direction.

What is added to silu(temb) changes a block's shift, scale and gate through the linear layer of its adaptive norm,
which stretches some directions ten or forty times as much as others: steps of equal size would go to those. In the
layer's own axes, each divided by how much it stretches, a step of one is a change of one in the modulation.

Shape legend: `L` blocks, `D` width of the modulation, `R` rows.
"""

from dataclasses import dataclass
from typing import Self

import torch
from torch import Tensor, nn

from generator.errors import UnsupportedModel
from generator.families import family_of

LEAST_STRETCH = 1e-3
"""Of the greatest: axes that are stretched less count as this much, so that none needs unbounded directions."""


@dataclass(frozen=True)
class EvenSteps:
    """How learnt coordinates become directions."""

    shared_DD: Tensor
    """For what all blocks share; float32, as all of these."""
    of_blocks_LDD: Tensor
    """For what each block has of its own. At FLUX.1's size they are 2.2 GB."""

    @classmethod
    def of(cls, transformer: nn.Module) -> Self:
        """Those of a transformer, on its device.

        Weights count as bfloat16, so that a model has the same coordinates in float32 and in bfloat16: what is learnt
        in one dtype means the same in the other. Rounding by itself would turn axes that are stretched nearly alike.

        Raises:
            UnsupportedModel: The family's norms are not known (`Family.tabled`).
        """
        family = family_of(transformer)
        if family.tabled is None:
            raise UnsupportedModel(
                f"Concepts cannot be learnt on {family.title}: which norms modulate its text is not known here."
            )
        weights = [norm.linear.weight.detach() for norm in family.tabled.of_text(transformer)]
        dim, device = weights[0].shape[1], transformer.device
        of_all_DD = torch.zeros(dim, dim, device=device, dtype=torch.float64)
        of_blocks_LDD = torch.empty(len(weights), dim, dim, device=device)
        for index, weight in enumerate(weights):  # one at a time: in float64 they are large together
            rounded = weight.to(device).bfloat16().double()
            gram_DD = rounded.T @ rounded
            of_all_DD += gram_DD
            of_blocks_LDD[index] = _even_axes(gram_DD)
        return cls(_even_axes(of_all_DD), of_blocks_LDD)

    def share(self, coordinates_RD: Tensor) -> Tensor:
        """Directions that are the same in all blocks, `(R, 1, D)`."""
        return (coordinates_RD @ self.shared_DD)[:, None]

    def for_blocks(self, coordinates_RLD: Tensor) -> Tensor:
        """Directions of each block, `(R, L, D)`."""
        return torch.einsum("rld,lde->rle", coordinates_RLD, self.of_blocks_LDD)


def _even_axes(gram_DD: Tensor) -> Tensor:
    """Axes of a linear layer, a row each, over how much it stretches them; the Gram matrix of its weight is given.

    The greatest number of each axis is positive, and all is computed in float64, so that no sign and hardly a digit
    depends on how they are found.
    """
    squares, axes = torch.linalg.eigh(gram_DD)
    signs = axes.gather(0, axes.abs().argmax(dim=0, keepdim=True)).sign()
    stretches = squares.clamp(min=squares[-1] * LEAST_STRETCH**2).sqrt()
    return (axes * signs / stretches).T.float()
