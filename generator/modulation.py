"""Modulation of a diffusion transformer's tokens, attached from outside and removed without trace.

These transformers modulate all tokens of a block by one vector, `temb`. `attach` lets chosen text tokens have their
own, with an offset on temb or on its activation (TokenVerse, arXiv:2501.12224, the space M+); `attach_to_all` shifts
`temb` itself, for all text and image tokens (the space M). Both work by hooks on the stock diffusers modules that a
family's file names. Knows nothing of prompts, concepts or pipelines: token positions in, hooks on.
"""

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from functools import partial

from torch import Tensor, nn

from generator.as_written import as_written
from generator.context_parallel import own_tokens
from generator.directions import TokenRows
from generator.errors import ModulationError
from generator.families import family_of
from generator.families.hooks import ActiveTokens, StandIn
from generator.passes import Pass, is_watched, watch_passes

HOOK_NAME = "fableverse_modulation"
HOOK_NAME_FOR_ALL = "fableverse_modulation_of_all"


@contextmanager
def attach(transformer: nn.Module, rows: TokenRows) -> Iterator[None]:
    """Modulate each text token that `rows` name by temb and an offset of its own for as long as the context lasts.

    All other text tokens, and all image tokens, keep `temb`; only the tokens of the rows are computed beyond what the
    model computes anyway. Inactive in the passes of a negative prompt (`watch_passes` says how these are told), so that
    of `true_cfg_scale` never sees an offset. A pipeline that puts both prompts into one batch, negative first (SD3),
    wants rows of both, the first ones of zeros. Gradients reach the rows' offsets, which are read anew in each forward
    pass if they require them. What was compiled runs as it is written meanwhile, and is as it was afterwards;
    `attach_table` keeps the speed of compiled blocks.

    Args:
        transformer: Of any family in `generator.families`; its weights, code and state are left as they were. With
            context parallel enabled before, each process modulates those of the rows' tokens that it computes.
        rows: Of one prompt for all items of a batch, or of each: of `place_direction` or `build_token_rows`.

    Raises:
        UnsupportedModel: The transformer is of no known family, or splits its text by a plan of somebody's own.
        ModulationError: The rows do not fit the transformer, or it already has some attached; from the forward pass:
            they do not fit the batch or the text length.
    """
    family = family_of(transformer)
    check_rows(transformer, rows)
    check_free(transformer, HOOK_NAME)
    offsets = _Offsets(rows, own_tokens(transformer, rows.text_len))
    tokens = offsets.tokens

    def on_pass(running: Pass) -> None:
        tokens.is_active = not running.is_negative
        if tokens.is_active:
            offsets.prepare(running.text)
            tokens.place(running.text)

    with ExitStack() as stack:
        stack.enter_context(as_written(transformer))
        stack.enter_context(watch_passes(transformer, HOOK_NAME, on_pass))
        if rows.positions.shape[1]:
            modulations = [partial(offsets.modulate, index) for index in range(count_blocks(transformer))]
            for handle in family.register(transformer, tokens, modulations):
                stack.callback(handle.remove)
        yield


@contextmanager
def attach_to_all(transformer: nn.Module, offset: Tensor) -> Iterator[None]:
    """Add an offset to `temb` itself, so that every text and image token, and the last norm, is modulated by it.

    Goes together with `attach`, in either order, and with a table that is attached after it. Inactive in the passes of
    a negative prompt.

    Args:
        transformer: As for `attach`.
        offset: `(batch, dim)` in units of `temb`; `batch` 1 serves every item. Gradients reach it.

    Raises:
        UnsupportedModel: The transformer is of no known family.
        ModulationError: The offset does not fit the transformer, or the transformer already has one; from the forward
            pass: it does not fit the batch.

    Source: TokenVerse (arXiv:2501.12224), the space M.
    """
    embedder = transformer.get_submodule(family_of(transformer).embedder)
    dim = dim_of(transformer)
    if offset.ndim != 2 or offset.shape[0] < 1 or offset.shape[1] != dim or not offset.is_floating_point():
        raise ModulationError(
            f"An offset for all tokens has shape {tuple(offset.shape)!r} and dtype {offset.dtype}; this transformer "
            f"needs floating point numbers of shape (batch, {dim})."
        )
    check_free(transformer, HOOK_NAME_FOR_ALL)
    if isinstance(embedder, StandIn):
        raise ModulationError("temb is in a table already. Attach the offset for all tokens first, then the table.")
    is_active = True

    def on_pass(running: Pass) -> None:
        nonlocal is_active
        is_active = not running.is_negative
        batch = running.text.shape[0]
        if is_active and offset.shape[0] not in (1, batch):
            raise ModulationError(
                f"The offset for all tokens is for a batch of {offset.shape[0]}, but the transformer was called with "
                f"a batch of {batch}. Make them equal, or give one for all."
            )

    def shift(embedder: nn.Module, args: tuple[Tensor, ...], temb: Tensor) -> Tensor | None:
        del embedder, args
        if not is_active:
            return None
        of_items = offset.to(device=temb.device, dtype=temb.dtype)
        return (temb.unflatten(0, (-1, len(of_items))) + of_items).flatten(0, 1)

    with ExitStack() as stack:
        stack.enter_context(watch_passes(transformer, HOOK_NAME_FOR_ALL, on_pass))
        stack.callback(embedder.register_forward_hook(shift).remove)
        yield


def count_blocks(transformer: nn.Module) -> int:
    """Number of blocks that modulate text: double-stream plus single-stream (57 in FLUX.1)."""
    return len(family_of(transformer).blocks(transformer))


def dim_of(transformer: nn.Module) -> int:
    """Width of the modulation vector (3072 in FLUX.1)."""
    return transformer.inner_dim


class _Offsets:
    """The offsets of one attachment, ready for the pass that runs now."""

    def __init__(self, rows: TokenRows, own: range) -> None:
        """Take the rows of a whole text, and the part of it that this process computes."""
        self.rows = rows
        self.own = own
        self.tokens = ActiveTokens(rows.within(own).positions)
        self.is_learnt = rows.offsets.requires_grad or (rows.activated is not None and rows.activated.requires_grad)
        self.before_LBKD: Tensor | None = None
        self.after_LBKD: Tensor | None = None

    def prepare(self, text: Tensor) -> None:
        """Check the pass against the rows and bring them to its device and dtype (once, unless they are learnt)."""
        check_text(text, batch=len(self.rows.positions), text_len=self.rows.text_len)
        ready = self.before_LBKD
        if ready is None or self.is_learnt or (ready.device, ready.dtype) != (text.device, text.dtype):
            own = self.rows.within(self.own)
            self.before_LBKD, self.after_LBKD = (
                None if given is None else given.to(device=text.device, dtype=text.dtype).transpose(0, 1)
                for given in (own.offsets, own.activated)
            )

    def modulate(
        self,
        block_index: int,
        temb_BD: Tensor,
        activation: Callable[[Tensor], Tensor],
        linear: Callable[[Tensor], Tensor],
    ) -> Tensor:
        """The modulation of the active tokens in a block, `(B, K, n·D)`."""
        before_BKD, after_BKD = (
            None if offsets_LBKD is None else offsets_LBKD[block_index if len(offsets_LBKD) > 1 else 0]
            for offsets_LBKD in (self.before_LBKD, self.after_LBKD)
        )
        activated_BKD = activation(temb_BD[:, None] + before_BKD)
        return linear(activated_BKD if after_BKD is None else activated_BKD + after_BKD)


def check_text(text: Tensor, *, batch: int, text_len: int) -> None:
    """Refuse a pass whose text, `(B, T, ·)`, offsets for `batch` texts of `text_len` tokens do not fit.

    Raises:
        ModulationError: They do not fit.
    """
    if batch not in (1, text.shape[0]) or text_len != text.shape[1]:
        raise ModulationError(
            f"Token offsets are for a batch of {batch} with {text_len} text tokens, but the transformer was called "
            f"with a batch of {text.shape[0]} and {text.shape[1]} text tokens. Make the text length equal, and the "
            "batch equal or 1."
        )


def check_free(transformer: nn.Module, hook_name: str) -> None:
    """Refuse a transformer that has something of this kind attached.

    Raises:
        ModulationError: It has.
    """
    if is_watched(transformer, hook_name):
        raise ModulationError(
            "This transformer already has offsets of this kind attached, and attaching cannot be nested. "
            "Add the offsets together and attach the sum once."
        )


def check_rows(transformer: nn.Module, rows: TokenRows) -> None:
    """Refuse rows that are not of a transformer's blocks and width, or not at token positions.

    Raises:
        ModulationError: They do not fit.
    """
    num_blocks, dim = count_blocks(transformer), dim_of(transformer)
    for offsets in (rows.offsets, rows.offsets if rows.activated is None else rows.activated):
        shape = tuple(offsets.shape)
        fits = len(shape) == 4 and shape[0] >= 1 and shape[1] in (1, num_blocks) and shape[3] == dim
        if not (fits and offsets.is_floating_point() and tuple(rows.positions.shape) == (shape[0], shape[2])):
            raise ModulationError(
                f"Rows have offsets of shape {shape!r} and dtype {offsets.dtype} at positions of shape "
                f"{tuple(rows.positions.shape)!r}; this transformer needs floating point numbers of shape (batch, "
                f"{num_blocks} blocks or 1 for all, K, {dim}) at (batch, K)."
            )
    for positions in rows.positions.tolist():
        if len(set(positions)) != len(positions) or any(at not in range(rows.text_len) for at in positions):
            raise ModulationError(
                f"Rows name the token positions {positions!r}; each must occur once and lie in [0, {rows.text_len})."
            )
