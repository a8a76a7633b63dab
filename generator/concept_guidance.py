"""Guidance by concepts: steps go further than directions move them.

Classifier-free guidance (arXiv:2207.12598) with "the same prompt without directions" in the place of "no prompt": a
guided step takes a second pass without them, and goes on along the line from its velocity to the one with them. Limited
to high noise levels (as in arXiv:2404.07724), where subjects and colours are decided, it costs a few passes a picture.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn

from generator.modulation_table import ModulationTable
from generator.passes import UNGUIDED_PASS


@contextmanager
def guide_by_concepts(
    transformer: nn.Module, table: ModulationTable, *, scale: float, sigma_min: float = 0.0
) -> Iterator[None]:
    """Guide the steps in which directions act, down to a noise level, for as long as the context lasts.

    Steps of the negative prompt are left alone. What is attached beside the table acts in both passes.

    Args:
        transformer: With the table attached; called as diffusers' pipelines call it, with `return_dict=False`.
        table: What `attach_table` gave.
        scale: How many times as far as by directions alone; 1 guides nothing and takes no second pass.
        sigma_min: Noise level, 0 to 1, below which no step is guided.
    """

    def guide(
        module: nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any], output: tuple[Tensor]
    ) -> tuple[Tensor] | None:
        if not table.tokens.is_active or table.level < sigma_min:
            return None
        with module.cache_context(UNGUIDED_PASS):
            (without,) = module(*args, **kwargs)
        return (torch.lerp(without, output[0], scale),)

    if scale == 1:
        yield
        return
    handle = transformer.register_forward_hook(guide, with_kwargs=True)
    try:
        yield
    finally:
        handle.remove()
