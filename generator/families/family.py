"""What a family of models is to this package: a value that a family's own file fills in."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from torch import Tensor, nn
from torch.utils.hooks import RemovableHandle

from concepts.schema import BoundPrompt, ModelFamily
from generator.families.hooks import ActiveTokens, ModulationOfBlock
from generator.families.texts import TextTokens


@dataclass(frozen=True, kw_only=True)
class TabledNorms:
    """The adaptive norms of an architecture whose modulations can be computed for a whole schedule in advance.

    Each norm has a `linear` layer that makes its modulation of `silu(temb)`.
    """

    temb: Callable[[Callable[..., Tensor], Tensor, Mapping[str, Any]], Tensor]
    """temb `(B, D)` by the transformer's embedder, for timesteps `(B,)` as the transformer is given them and the other
    arguments of a pass."""
    of_text: Callable[[nn.Module], list[nn.Module]]
    """Those that modulate text tokens, one a block and in the order of blocks."""
    of_image: Callable[[nn.Module], list[nn.Module]]
    """All others, which modulate no text."""


@dataclass(frozen=True, kw_only=True)
class Family:
    """Models of one architecture, on which directions are attached in one way."""

    name: ModelFamily
    """As concepts carry it."""
    title: str
    """For people."""
    transformer_class: type[nn.Module]
    embedder: str
    """Name of the sub-module of the transformer that makes temb."""
    has_pooled_text: bool
    """Whether temb depends on the prompt, by a pooled embedding of the model's CLIP."""
    blocks: Callable[[nn.Module], list[nn.Module]]
    """All blocks with a text modulation, in the order of a direction's blocks."""
    find_tokens: Callable[[Any, BoundPrompt, int], TextTokens]
    """Where a bound prompt's words are in the text that the family's pipeline makes of it, for a `max_sequence_length`;
    errors as in `find_token_spans`."""
    register: Callable[[nn.Module, ActiveTokens, Sequence[ModulationOfBlock]], list[RemovableHandle]]
    """Puts the hooks of an attachment on a transformer, with the modulation of each block's active tokens."""
    tabled: TabledNorms | None = None
    """None where modulations are only computed in the pass that they are for."""
