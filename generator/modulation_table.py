"""The modulations of a whole schedule, computed before it begins: a table of K+1 rows for each block and step.

What an adaptive norm makes of temb depends on the step, the guidance, the pooled text and the directions, but not on
the picture. `attach_table` does what `attach` does, but computes it all in the first pass, in one go for all steps.
While denoising, the adaptive norms' linear layers stand aside: 27 % of FLUX.1's weights, which `move_adaptive_norms`
keeps off the device.

Shape legend: `N` steps, `B` batch, `K` text tokens of an item that carry an offset, `R` rows: that of all other tokens,
then those of the `K`; `L` blocks, `D` width of temb, `W` width of what a norm makes of it.
"""

from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from functools import partial
from itertools import zip_longest
from typing import Any

import torch
from torch import Tensor, nn
from torch.func import functional_call
from torch.nn.functional import pad

from generator.book_tables import Pages, Steps
from generator.context_parallel import own_tokens
from generator.directions import TokenRows
from generator.errors import ModulationError, UnsupportedModel
from generator.families import FAMILIES, family_of
from generator.families.family import TabledNorms
from generator.families.hooks import ActiveTokens, StandIn, Switch
from generator.modulation import HOOK_NAME, check_free, check_rows, check_text
from generator.passes import Pass, watch_passes

Schedule = Callable[[], Tensor]
"""The timesteps of the passes to come, `(N,)`, as a diffusers scheduler has them (noise level times 1000)."""
Step = Callable[[], int]
"""Where in the schedule the pass is that is about to run, from 0."""


@contextmanager
def attach_table(
    transformer: nn.Module,
    rows: TokenRows,
    *,
    schedule: Schedule,
    step: Step | None = None,
    sigma_min: float = 0.0,
    pages: Pages | None = None,
) -> Iterator["ModulationTable"]:
    """Modulate each text token that `rows` name on its own for as long as the context lasts; see `attach`.

    The table is computed in the first pass, and again in one that is given other pooled text or guidance than before,
    or another schedule. It is in the dtype of the pass, and carries no gradients. Choose adapters (LoRA) before, and
    save the model after: the layers that stand aside are not in it meanwhile. Blocks that were compiled under one table
    are not compiled again under another one whose rows have the same shape; steps below `sigma_min` are compiled once
    more, because there blocks have less to do.

    Args:
        transformer: Of a family whose norms can be tabled; its weights, code and state are left as they were. With
            context parallel enabled before, each process modulates those of the rows' tokens that it computes.
        rows: Of one prompt for all items of a batch, or of each.
        schedule: Asked before each pass. All items of a batch are at one timestep.
        step: Asked before each pass, and trusted: a wrong one goes unnoticed. Without it the pass's timestep is read,
            for which a GPU has to finish what it was given before.
        sigma_min: Noise level, 0 to 1, below which the offsets rest: steps there are as without them, and cost as much.
        pages: Of a book whose tables are computed in one go; `rows` are theirs then, all passes are of their prompts,
            with one guidance for all, and no context parallel is enabled.

    Raises:
        UnsupportedModel: The transformer is of no known family, its modulations cannot be tabled, or it splits its text
            by a plan of somebody's own.
        ModulationError: The rows do not fit the transformer, or it already has offsets attached; from the forward
            pass: they do not fit the batch or the text length, or the timestep is none of the schedule's.
    """
    family = family_of(transformer)
    _tabled(transformer)
    check_rows(transformer, rows)
    check_free(transformer, HOOK_NAME)
    own_rows = rows.within(own_tokens(transformer, rows.text_len))
    table = ModulationTable(transformer, own_rows, schedule, step, sigma_min, pages)
    tokens, has_rows = table.tokens, own_rows.positions.shape[1] > 0

    def on_pass(running: Pass) -> None:
        table.serves.is_on = not running.is_negative
        if running.is_negative:
            tokens.is_active = False
            table.check_layers(running.text.device)
            return
        check_text(running.text, batch=rows.positions.shape[0], text_len=rows.text_len)
        tokens.place(running.text)
        table.enter(running.arguments)
        tokens.is_active = has_rows and table.level >= sigma_min and not running.is_unguided

    with ExitStack() as stack:
        stack.enter_context(watch_passes(transformer, HOOK_NAME, on_pass))
        stack.enter_context(table.standing_in())
        # Also where there are no rows: Dynamo looks for stand-ins, not for hooks, so the ones must mean the others.
        for handle in family.register(transformer, tokens, table.of_tokens):
            stack.callback(handle.remove)
        yield table


@contextmanager
def norms_aside(transformer: nn.Module) -> Iterator[None]:
    """The adaptive norms' linear layers are out of the transformer for as long as the context lasts.

    What moves or offloads the transformer meanwhile leaves them where they are.

    Raises:
        UnsupportedModel: As for `attach_table`.
    """
    tabled = _tabled(transformer)
    norms = [*tabled.of_text(transformer), *tabled.of_image(transformer)]
    layers = [norm.linear for norm in norms]
    try:
        for norm in norms:
            norm.linear = nn.Identity()
        yield
    finally:
        for norm, layer in zip(norms, layers, strict=True):
            norm.linear = layer


def move_adaptive_norms(transformer: nn.Module, device: torch.device | str) -> None:
    """Keep the weights of the adaptive norms' linear layers on another device, such as "cpu", for good.

    Only `attach_table` then serves the transformer, which brings each layer to the device for as long as it computes.

    Raises:
        UnsupportedModel: As for `attach_table`.
    """
    tabled = _tabled(transformer)
    for norm in (*tabled.of_text(transformer), *tabled.of_image(transformer)):
        norm.linear.to(device)


class _OfTokens:
    """A block's modulation of the tokens that carry an offset, in the step that runs."""

    current_BKW: Tensor

    def __call__(
        self, temb_BD: Tensor, activation: Callable[[Tensor], Tensor], linear: Callable[[Tensor], Tensor]
    ) -> Tensor:
        del temb_BD, activation, linear
        return self.current_BKW


class ModulationTable:
    """The modulations of all steps, and those of the step that runs in tensors that keep their place.

    They keep it for as long as the table is attached, whatever is computed anew, as a CUDA graph needs it, which reads
    from where it read when it was captured. Another attachment has a place of its own, and wants such a graph captured
    anew; compiled blocks are given what they read and do not care.
    """

    def __init__(
        self,
        transformer: nn.Module,
        rows: TokenRows,
        schedule: Schedule,
        step: Step | None,
        sigma_min: float,
        pages: Pages | None,
    ) -> None:
        tabled, embedder = _tabled(transformer), family_of(transformer).embedder
        self.temb = tabled.temb
        self.rows = rows
        self.schedule = schedule
        self.step = step
        self.sigma_min = sigma_min
        self.pages = pages
        of_text = tabled.of_text(transformer)
        self.norms = [*of_text, *tabled.of_image(transformer)]
        self.layers: list[nn.Module] = [norm.linear for norm in self.norms]
        self.embedder = transformer.get_submodule(embedder)
        self.places = [*((norm, "linear") for norm in self.norms), (transformer, embedder)]
        self.tokens = ActiveTokens(rows.positions)
        """Active in a pass in which the offsets act."""
        self.level = 0.0
        """Noise level of the pass that runs."""
        self.serves = Switch()
        self.stand_ins = [StandIn(module, self.serves) for module in (*self.layers, self.embedder)]
        self.of_tokens = [_OfTokens() for _ in of_text]
        self.computed_of: tuple[Tensor | None, ...] = (None, None, None)
        """Pooled text, guidance and schedule."""
        self.given_N = torch.zeros(0)
        """Noise levels of the schedule, as the transformer is given them."""
        self.levels: list[float] = []
        self.steps: Steps = {}
        """For each timestep of the schedule what each norm makes of it, `(B, R, W)`, or `(B, 1, W)` for a step that has
        no offsets, and temb last."""
        self.current_BRW: list[Tensor] = []

    @property
    def nbytes(self) -> int:
        """What it takes of the device's memory; 0 before the first pass."""
        return sum(rows.nbytes for step in self.steps.values() for rows in step)

    @contextmanager
    def standing_in(self) -> Iterator[None]:
        """The layers, and the embedder whose temb only they need, are replaced for as long as the context lasts."""
        try:
            for (parent, name), stand_in in zip(self.places, self.stand_ins, strict=True):
                setattr(parent, name, stand_in)
            yield
        finally:
            for (parent, name), module in zip(self.places, (*self.layers, self.embedder), strict=True):
                setattr(parent, name, module)

    def check_layers(self, device: torch.device) -> None:
        """Refuse a pass that needs the layers themselves where they are on another device."""
        if any(weight.device != device for layer in self.layers for weight in layer.parameters()):
            raise ModulationError(
                "A negative prompt is modulated by the adaptive norms themselves, but they have been moved off the "
                f"device ({device}). Move them back, or draw without a negative prompt."
            )

    @torch.no_grad()
    def enter(self, arguments: Mapping[str, Any]) -> None:
        """Make the step of a pass current, of a table that is computed if there is none for the pass yet."""
        schedule = self.schedule()
        given = (arguments["pooled_projections"], arguments.get("guidance"), schedule)
        if not all(map(_is_same, given, self.computed_of)):
            self._compute(arguments, schedule)
        self.computed_of = given
        self.level = self._level_of(arguments)
        for current_BRW, rows in zip(self.current_BRW, self.steps[self.level], strict=True):
            current_BRW[:, : rows.shape[1]].copy_(rows)

    def _level_of(self, arguments: Mapping[str, Any]) -> float:
        """The noise level of a pass, one of the table's."""
        if self.step is not None:
            return self.levels[self.step()]
        running, *others = set(arguments["timestep"].tolist())
        if others or running not in self.steps:
            raise ModulationError(
                f"A pass at the timesteps {[running, *others]!r} cannot be had of a table: it must be at one of the "
                f"schedule's, which are {self.levels!r}. Give the schedule of the passes that are run."
            )
        return running

    def _compute(self, arguments: Mapping[str, Any], schedule: Tensor) -> None:
        self._check_adapters(arguments)
        self.steps = {}  # those of another prompt make room first
        timestep = arguments["timestep"]
        self.given_N = schedule.to(device=timestep.device, dtype=timestep.dtype) / 1000
        self.levels = self.given_N.tolist()
        if self.pages is None:
            self.steps = self._steps_of(arguments, self.rows)
        else:
            self.steps = self.pages.book.steps(arguments, self.levels, self.pages.items, self._steps_of)
        self._give_places()

    def _steps_of(
        self, arguments: Mapping[str, Any], rows: TokenRows, keep: Callable[[Tensor], Tensor] = lambda tensor: tensor
    ) -> Steps:
        """Of prompts whose pooled embeddings are among the arguments; `keep` is done with each part once it is made."""
        text = arguments["encoder_hidden_states"]
        batch, device, dtype = len(arguments["pooled_projections"]), text.device, text.dtype
        call, num_steps = partial(_call_on, device), len(self.given_N)
        of_steps = {
            name: value.repeat(num_steps, *(1 for _ in value.shape[1:]))
            for name, value in arguments.items()
            if name in ("pooled_projections", "guidance") and value is not None
        }
        temb = self.temb(partial(call, self.embedder), self.given_N.repeat_interleave(batch), {**arguments, **of_steps})
        temb_NB1D = temb.unflatten(0, (num_steps, batch))[:, :, None]
        before, after = (self._of_blocks(offsets, batch, device, dtype) for offsets in (rows.offsets, rows.activated))
        acting = [step for step, level in enumerate(self.levels) if level >= self.sigma_min]
        resting = [step for step, level in enumerate(self.levels) if level < self.sigma_min]
        temb_of_both = temb_NB1D[acting], temb_NB1D[resting]
        none = torch.zeros((), device=device, dtype=dtype)
        columns = [
            [*map(keep, _rows_of_steps(partial(call, layer), norm.silu, *temb_of_both, before_BRD, after_BRD))]
            for norm, layer, before_BRD, after_BRD in zip_longest(
                self.norms, self.layers, before, after, fillvalue=none
            )
        ]
        parts = zip(*columns, [*map(keep, temb_of_both)], strict=True)
        return {
            self.levels[step]: [*of_norms]
            for steps, of_part in zip((acting, resting), parts, strict=True)
            for step, *of_norms in zip(steps, *of_part, strict=True)
        }

    def _of_blocks(
        self, offsets_BLKD: Tensor | None, batch: int, device: torch.device, dtype: torch.dtype
    ) -> list[Tensor]:
        """For each block that modulates text `(B, R, D)`, with a row of zeros first, that of all other tokens."""
        if offsets_BLKD is None:
            return []
        placed = offsets_BLKD.to(device=device, dtype=dtype).expand(batch, -1, -1, -1)
        offsets_LBRD = pad(placed, (0, 0, 1, 0)).transpose(0, 1)
        return [offsets_LBRD[index if len(offsets_LBRD) > 1 else 0] for index in range(len(self.of_tokens))]

    def _give_places(self) -> None:
        """A tensor for the rows of each norm in the step that runs, large enough for all steps; old ones that fit."""
        wanted = [max(rows, key=lambda rows: rows.shape[1]) for rows in zip(*self.steps.values(), strict=True)]
        if [_kind(place) for place in self.current_BRW] == [_kind(want) for want in wanted]:
            return
        self.current_BRW = [torch.empty_like(want) for want in wanted]
        for stand_in, place in zip(self.stand_ins, self.current_BRW, strict=True):
            stand_in.current = place[:, 0]
        for of_tokens, place in zip(self.of_tokens, self.current_BRW, strict=False):
            of_tokens.current_BKW = place[:, 1:]

    def _check_adapters(self, arguments: Mapping[str, Any]) -> None:
        scale = (arguments.get("joint_attention_kwargs") or {}).get("scale", 1.0)
        if scale != 1.0 and any(hasattr(layer, "lora_A") for layer in self.layers):
            raise ModulationError(
                f"A LoRA on the adaptive norms cannot be scaled by joint_attention_kwargs ({scale!r}) under a table, "
                "which is computed before that takes hold. Scale it by pipeline.set_adapters instead."
            )


def _rows_of_steps(
    layer: Callable[[Tensor], Tensor],
    activation: Callable[[Tensor], Tensor],
    acting_NB1D: Tensor,
    resting_NB1D: Tensor,
    before_BRD: Tensor,
    after_BRD: Tensor,
) -> tuple[Tensor, Tensor]:
    """What a norm makes of temb, by one call: `(N, B, R, W)` of acting steps, `(N, B, 1, W)` of resting ones."""
    given = (activation(acting_NB1D + before_BRD) + after_BRD, activation(resting_NB1D))
    made = layer(torch.cat([rows.flatten(0, 2) for rows in given])).split([rows.shape[:3].numel() for rows in given])
    acting, resting = (rows.unflatten(0, of.shape[:3]) for rows, of in zip(made, given, strict=True))
    return acting, resting


def _is_same(given: Tensor | None, before: Tensor | None) -> bool:
    if given is before:
        return True
    return given is not None and before is not None and _kind(given) == _kind(before) and torch.equal(given, before)


def _kind(tensor: Tensor) -> tuple[torch.Size, torch.dtype, torch.device]:
    return tensor.shape, tensor.dtype, tensor.device


def _call_on(device: torch.device, module: nn.Module, *inputs: Tensor) -> Tensor:
    """What a module makes of inputs on a device that its weights need not be on; they are copied there for the call."""
    weights = {**dict(module.named_parameters()), **dict(module.named_buffers())}
    if all(weight.device == device for weight in weights.values()):
        return module(*inputs)
    return functional_call(module, {name: weight.to(device) for name, weight in weights.items()}, inputs)


def _tabled(transformer: nn.Module) -> TabledNorms:
    family = family_of(transformer)
    if family.tabled is None:
        able = ", ".join(other.title for other in FAMILIES if other.tabled is not None)
        raise UnsupportedModel(
            f"The modulations of {family.title} cannot be computed in advance, only those of {able}. Use `attach`."
        )
    return family.tabled
