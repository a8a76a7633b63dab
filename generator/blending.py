"""Tells beforehand which concepts of a prompt may blend: those whose tokens' keys are alike in attention.

Image tokens attend to a concept by its tokens' keys. Where two concepts have like keys, what one looks like goes to the
other as well (TokenVerse, arXiv:2501.12224, appendix F). One forward pass measures it; nothing is drawn.

Shape legend: `S` tokens of a sequence that begins with the text, `H` heads, `d` width of a head.
"""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from itertools import combinations

import torch
from diffusers import FluxTransformer2DModel
from torch import Tensor, nn
from torch.nn.functional import cosine_similarity

from generator.as_written import as_written
from generator.key_similarity import KeySimilarity


@contextmanager
def recorded_keys(transformer: FluxTransformer2DModel) -> Iterator[list[Tensor]]:
    """The text's keys of each block, `(S, H, d)`, of the passes that run while the context lasts.

    After their norm and before rotation, which is the same for all text tokens; of a batch's first item. Compiled
    blocks run as they are written meanwhile.
    """
    keys: list[Tensor] = []

    def record(norm: nn.Module, args: tuple[Tensor, ...], output: Tensor) -> None:
        del norm, args
        keys.append(output[0].detach().float())

    norms = [
        *(block.attn.norm_added_k for block in transformer.transformer_blocks),
        *(block.attn.norm_k for block in transformer.single_transformer_blocks),
    ]
    with ExitStack() as stack:
        stack.enter_context(as_written(transformer))
        for norm in norms:
            stack.callback(norm.register_forward_hook(record).remove)
        yield keys


def compare_keys(keys: Sequence[Tensor], tokens: Mapping[str, Sequence[int]]) -> tuple[KeySimilarity, ...]:
    """Every two concepts, the most alike first.

    Args:
        keys: Of each block, `(S, H, d)`.
        tokens: Token positions of each concept's words, by its id; a concept's key is their mean.
    """
    found: list[KeySimilarity] = []
    for first, second in combinations(tokens, 2):
        cosines = [
            cosine_similarity(block[list(tokens[first])].mean(0), block[list(tokens[second])].mean(0), dim=-1).mean()
            for block in keys
        ]
        found.append(KeySimilarity(torch.stack(cosines).mean().item(), first, second))
    return tuple(sorted(found, reverse=True))
