"""Directions made from text alone: where the modulation vector moves when the prompt's pooled embedding changes.

Only for models whose temb is a sum with a projection of CLIP's pooled embedding in it; there the direction is the same
at every noise level and guidance.
"""

import torch
from torch import Tensor, nn

from generator.errors import UnsupportedModel
from generator.families import FAMILIES, family_of


@torch.no_grad()
def text_direction(transformer: nn.Module, towards: Tensor, away: Tensor) -> Tensor:
    """The direction from one text to another, `(1, dim)`, in units of temb.

    Args:
        transformer: Of a family with pooled text.
        towards: Pooled embedding of the one text, `(1, pooled_dim)`, as the pipeline makes it.
        away: Of the other.

    Raises:
        UnsupportedModel: The transformer's modulation does not depend on the prompt, so there is no such direction.

    Source: TokenVerse (arXiv:2501.12224), equation 2.
    """
    family = family_of(transformer)
    if not family.has_pooled_text:
        able = ", ".join(other.title for other in FAMILIES if other.has_pooled_text)
        raise UnsupportedModel(
            f"{family.title} has no text-driven directions: its modulation depends on the noise level alone, not on a "
            f"pooled embedding of the prompt, so no two texts differ in it. Use a model of {able}, or learn a concept."
        )
    project = transformer.get_submodule(family.embedder).text_embedder
    device = project.linear_1.weight.device  # its dtype may be one that weights are only kept in
    first, second = (project(pooled.to(device)) for pooled in (towards, away))
    return first.float() - second.float()
