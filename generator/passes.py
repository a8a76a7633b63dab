"""Tells what is attached to a transformer which pass of a pipeline runs: the prompt's, the negative prompt's, or the
one that guidance by concepts compares with.

By a hook of diffusers' own machinery, which is taken off again without trace. Knows nothing of what is attached.
"""

import inspect
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from diffusers.hooks.hooks import BaseState, CacheContext, HookRegistry, ModelHook, StateManager
from torch import Tensor, nn

NEGATIVE_PASS = "uncond"
UNGUIDED_PASS = "without_concepts"
"""diffusers' cache contexts by name: its own of the negative prompt, and ours of the pass that guidance by concepts
compares with."""


@dataclass(frozen=True)
class Pass:
    """One forward pass that is about to run."""

    is_negative: bool
    """Whether it is the negative prompt's."""
    is_unguided: bool
    """Whether it is the pass that guidance by concepts compares with, in which tokens have no offsets."""
    arguments: Mapping[str, Any]
    """What the transformer is given, by name."""

    @property
    def text(self) -> Tensor:
        """Text embeddings, `(B, T, ·)`."""
        return self.arguments["encoder_hidden_states"]


OnPass = Callable[[Pass], None]
"""Called before each pass."""


@contextmanager
def watch_passes(transformer: nn.Module, name: str, on_pass: OnPass) -> Iterator[None]:
    """Call `on_pass` before each forward pass, for as long as the context lasts.

    A pass is the negative prompt's when the pipeline says so by diffusers' cache context "uncond", and unguided in
    `UNGUIDED_PASS`.

    Args:
        transformer: Any diffusers transformer.
        name: Of the hook; `is_watched` tells whether there is one of that name.
        on_pass: What it raises comes through.
    """
    registry_existed = hasattr(transformer, "_diffusers_hook")
    forward_existed = "forward" in vars(transformer)
    registry = HookRegistry.check_if_exists_or_initialize(transformer)
    hook = _PassHook(on_pass)
    try:
        registry.register_hook(hook, name)
        yield
    finally:
        registry.remove_hook(name, recurse=False)
        # diffusers' hooks are in a circle with what they hook; a table must not wait in it for the garbage collector.
        hook.on_pass = _nothing
        if not registry.hooks:
            if not forward_existed:
                vars(transformer).pop("forward", None)
            if not registry_existed:
                vars(transformer).pop("_diffusers_hook", None)


def is_watched(transformer: nn.Module, name: str) -> bool:
    """Whether a hook of that name is on the transformer."""
    return hasattr(transformer, "_diffusers_hook") and transformer._diffusers_hook.get_hook(name) is not None


def _nothing(running: Pass) -> None:
    del running


class _PassName(StateManager):
    """Receives the name of the pipeline's current denoising pass from `transformer.cache_context`."""

    def __init__(self) -> None:
        super().__init__(BaseState)
        self.name: str | None = None

    def set_context(self, context: CacheContext | None) -> None:
        self.name = None if context is None else context.name


class _PassHook(ModelHook):
    """Stateful, because diffusers tells the name of a pass only to stateful hooks."""

    _is_stateful = True

    def __init__(self, on_pass: OnPass) -> None:
        super().__init__()
        self.on_pass = on_pass
        self.pass_name = _PassName()

    def pre_forward(self, module: nn.Module, *args: Any, **kwargs: Any) -> tuple[tuple[Any, ...], dict[str, Any]]:
        names = inspect.signature(type(module).forward).parameters
        arguments = {**dict(zip([*names][1:], args, strict=False)), **kwargs}
        name = self.pass_name.name
        self.on_pass(Pass(name == NEGATIVE_PASS, name == UNGUIDED_PASS, arguments))
        return args, kwargs

    def reset_state(self, module: nn.Module) -> nn.Module:
        """Nothing to reset: what is attached is the same in every step."""
        return module
