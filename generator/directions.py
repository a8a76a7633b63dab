"""What is learnt for a concept, its *direction*: kept in a file, and laid over the tokens that name the concept.

A direction has one vector for each token of the concept's words and each block of the transformer. Knows nothing of
prompts or transformers.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Literal, get_args

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from torch import Tensor
from torch.nn.functional import pad

from concepts.errors import DamagedConcept
from concepts.files import write_whole
from generator.errors import DirectionMismatch, InvalidSettings, TokenSpanError

FORMAT = "fableverse-direction-2"
FIRST_FORMAT = "fableverse-direction-1"
"""Of files that do not say in which space they are: it is temb."""
TENSOR_NAME = "direction"

Space = Literal["temb", "activated"]
"""Where in a block's modulation of a token, `linear(silu(temb))`, something is added: to `temb`, where the paper has
it and texts differ, or to `silu(temb)`, where directions are learnt. There it shows the same at every noise level,
while temb may be so far below zero that SiLU lets next to nothing through (docs/LOG.md)."""


@dataclass(frozen=True)
class Direction:
    """What is added for one concept."""

    vectors: Tensor
    """`(num_pieces, num_blocks, dim)`, float32, double-stream blocks first; `num_blocks` 1 is the same in all."""
    space: Space


@dataclass(frozen=True)
class DirectionBinding:
    """A concept's direction and the text tokens `[start, stop)` of one prompt that it goes to."""

    concept_id: str
    words: str
    """The concept's words as they were written when it was learnt, for messages."""
    direction: Direction
    start: int
    stop: int
    strength: float = 1.0
    """Factor on the direction: 0 is plain Flux, 1 as learnt."""


def save_direction(direction: Direction, path: Path) -> None:
    """Write a direction whole or not at all, in float32 and without its gradient.

    Raises:
        DirectionMismatch: It has not three dimensions, an empty one, or values that are not finite.
    """
    if not _is_direction(direction.vectors):
        raise DirectionMismatch(
            f"A tensor of shape {tuple(direction.vectors.shape)!r} cannot be kept as a direction: directions are "
            "finite and of shape (num_pieces, num_blocks, dim)."
        )
    tensor = direction.vectors.detach().to(device="cpu", dtype=torch.float32).contiguous()
    write_whole(path, save({TENSOR_NAME: tensor}, metadata={"format": FORMAT, "space": direction.space}))


def load_direction(path: Path) -> Direction:
    """The direction in a file, on the CPU; runs no code from the file.

    Raises:
        DamagedConcept: The file is missing, is no direction, or holds other tensors, shapes or values than it may.
    """
    try:
        with safe_open(path, framework="pt", device="cpu") as file:
            metadata, names = file.metadata() or {}, list(file.keys())
            space = _space_of(metadata)
            if space is None or names != [TENSOR_NAME]:
                raise DamagedConcept(
                    f"{str(path)!r} is a safetensors file but no direction: it has the format "
                    f"{metadata.get('format')!r}, the space {metadata.get('space')!r} and the tensors {names!r} "
                    f"instead of {FORMAT!r}, one of {get_args(Space)!r} and {[TENSOR_NAME]!r}. Restore the file, or "
                    "learn the concept again."
                )
            vectors = file.get_tensor(TENSOR_NAME)
    except (OSError, SafetensorError) as error:
        raise DamagedConcept(
            f"The direction {str(path)!r} cannot be read ({error}); it must be a whole safetensors file. "
            "Restore the file, or learn the concept again."
        ) from error
    if vectors.dtype != torch.float32 or not _is_direction(vectors):
        raise DamagedConcept(
            f"{str(path)!r} holds {vectors.dtype} of shape {tuple(vectors.shape)!r}; a direction is finite float32 "
            "of shape (num_pieces, num_blocks, dim). Restore the file, or learn the concept again."
        )
    return Direction(vectors, space)


def _space_of(metadata: Mapping[str, str]) -> Space | None:
    if metadata.get("format") == FIRST_FORMAT:
        return "temb"
    if metadata.get("format") != FORMAT:
        return None
    return next((space for space in get_args(Space) if space == metadata.get("space")), None)


@dataclass(frozen=True)
class TokenRows:
    """Offsets of the few text tokens that have one, of one prompt or of several that go through the model together."""

    positions: Tensor
    """Token positions, `(batch, K)`, each once in an item."""
    offsets: Tensor
    """What is added to temb there, `(batch, num_blocks, K, dim)`; `num_blocks` 1 serves every block."""
    text_len: int
    """Text tokens after padding."""
    activated: Tensor | None = None
    """What is added to silu(temb) there, of the same shape; None is nothing."""

    def within(self, tokens: range) -> "TokenRows":
        """Those of a part of the text, at their positions in that part.

        There are as many as before, or one for each token of the part if these are fewer, so that the shape does not
        depend on where concepts are. Rows that are left over are zeros, on tokens without a row, which changes nothing.
        """
        if len(tokens) == self.text_len:
            return self
        none = self.positions.shape[1]  # the row of zeros that is put behind the others
        num_rows = min(none, len(tokens))
        positions: list[list[int]] = []
        chosen: list[list[int]] = []
        for given in self.positions.tolist():
            of_row = {at - tokens.start: row for row, at in enumerate(given) if at in tokens}
            free = (at for at in range(len(tokens)) if at not in of_row)
            filled = [*islice(free, num_rows - len(of_row))]
            positions.append([*of_row, *filled])
            chosen.append([*of_row.values(), *(none for _ in filled)])
        chosen_B1K1 = torch.tensor(chosen, dtype=torch.long, device=self.offsets.device)[:, None, :, None]
        offsets, activated = (
            None if given is None else pad(given, (0, 0, 0, 1)).take_along_dim(chosen_B1K1, dim=2)
            for given in (self.offsets, self.activated)
        )
        return TokenRows(torch.tensor(positions, dtype=torch.long), offsets, len(tokens), activated)


def place_direction(direction: Direction, positions: Sequence[int], *, text_len: int) -> TokenRows:
    """The pieces of a direction on tokens of a text, for `attach` and `attach_table`; gradients reach its vectors.

    Args:
        direction: With as many pieces as there are positions, which may be none.
        positions: Of its pieces, each once.
        text_len: As in `build_token_rows`.

    Example:
        >>> rows = place_direction(Direction(torch.ones(2, 1, 4), "activated"), [5, 6], text_len=8)
        >>> rows.positions.tolist(), tuple(rows.activated.shape)
        ([[5, 6]], (1, 1, 2, 4))
    """
    there = direction.vectors.transpose(0, 1)[None]
    at = torch.tensor([[*positions]], dtype=torch.long)
    if direction.space == "temb":
        return TokenRows(at, there, text_len)
    return TokenRows(at, there.new_zeros(1, 1, *there.shape[2:]), text_len, activated=there)


def build_token_rows(
    prompts: Sequence[Sequence[DirectionBinding]],
    *,
    num_blocks: int,
    text_len: int,
    dim: int,
    num_rows: int = 0,
    device: torch.device | str = "cpu",
) -> TokenRows:
    """Lay each direction, times its strength, over the tokens that name its concept, in each of several prompts.

    Where bindings share a token their directions add up. Prompts with fewer such tokens than others have rows of zeros
    on tokens without one, which changes nothing.

    Args:
        prompts: The bindings of each.
        num_blocks: Blocks of the transformer, double- and single-stream.
        text_len: Text tokens after padding (`max_sequence_length`).
        dim: Width of the modulation vector (`transformer.inner_dim`; 3072 in FLUX.1).
        num_rows: Rows to have at least, for the shape to be the same in all pictures.
        device: Where the offsets are wanted. At FLUX.1's size they are many, and a CPU fills them slowly.

    Raises:
        DirectionMismatch: A direction has another number of pieces than its span, or does not fit the transformer.
        TokenSpanError: A span is empty or reaches outside `[0, text_len)`.
        InvalidSettings: A text has fewer tokens than `num_rows`.

    Source: TokenVerse (arXiv:2501.12224), the space M+.

    Example:
        >>> fox = DirectionBinding("rusty", "fox", Direction(torch.ones(1, 1, 2), "temb"), start=2, stop=3)
        >>> rows = build_token_rows([[fox]], num_blocks=1, text_len=4, dim=2)
        >>> rows.positions.tolist(), rows.offsets.tolist()
        ([[2]], [[[[1.0, 1.0]]]])
    """
    if num_rows > text_len:
        raise InvalidSettings(f"{num_rows} rows were asked for, but a text has {text_len} tokens. Ask for fewer.")
    for bindings in prompts:
        for binding in bindings:
            _check_binding(binding, num_blocks=num_blocks, text_len=text_len, dim=dim)
    spans = [{at for each in bindings for at in range(each.start, each.stop)} for bindings in prompts]
    num_rows = max(num_rows, *(len(span) for span in spans))
    positions: list[list[int]] = []
    offsets, activated = (torch.zeros(len(prompts), num_blocks, num_rows, dim, device=device) for _ in range(2))
    for item, (bindings, span) in enumerate(zip(prompts, spans, strict=True)):
        free = (position for position in range(text_len) if position not in span)
        positions.append([*sorted(span), *islice(free, num_rows - len(span))])
        for binding in bindings:
            first = positions[item].index(binding.start)
            rows = slice(first, first + binding.stop - binding.start)
            there = activated if binding.direction.space == "activated" else offsets
            there[item, :, rows] += binding.strength * binding.direction.vectors.to(device).transpose(0, 1)
    return TokenRows(torch.tensor(positions, dtype=torch.long), offsets, text_len, activated)


def _check_binding(binding: DirectionBinding, *, num_blocks: int, text_len: int, dim: int) -> None:
    if not 0 <= binding.start < binding.stop <= text_len:
        raise TokenSpanError(
            f"Concept {binding.concept_id!r} is bound to tokens [{binding.start}, {binding.stop}), but the prompt has "
            f"tokens [0, {text_len}) and a span is never empty. Find the span in this prompt."
        )
    num_pieces, direction_blocks, direction_dim = binding.direction.vectors.shape
    if num_pieces != binding.stop - binding.start:
        raise DirectionMismatch(
            f"Concept {binding.concept_id!r} was learnt for {binding.words!r}, which was {num_pieces} tokens, but here "
            f"its words are {binding.stop - binding.start}; they must be the same. Write them as {binding.words!r}, "
            "with the same capitals and with spaces around."
        )
    if direction_blocks not in (1, num_blocks) or direction_dim != dim:
        raise DirectionMismatch(
            f"The direction of concept {binding.concept_id!r} is for {direction_blocks} blocks of width "
            f"{direction_dim}, but the model has {num_blocks} of width {dim}. Learn the concept on this model."
        )


def _is_direction(tensor: Tensor) -> bool:
    return tensor.ndim == 3 and tensor.numel() > 0 and bool(torch.isfinite(tensor).all())
