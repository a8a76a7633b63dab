"""Tells what is attached to a transformer which pass of a pipeline runs: the prompt's, the negative prompt's, or the
one that guidance by concepts compares with.

By a hook of diffusers' own machinery, which is taken off again without trace. Knows nothing of what is attached.
"""

import inspect
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any
from weakref import ref

import torch
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
_HOOK_NAME = "fableverse_passes"


@contextmanager
def watch_passes(transformer: nn.Module, name: str, on_pass: OnPass) -> Iterator[None]:
    """Call `on_pass` before each forward pass, for as long as the context lasts.

    Those who watch one transformer are called in the order in which they began. A pass is unguided in `UNGUIDED_PASS`,
    and the negative prompt's when the pipeline says so by diffusers' cache context "uncond". Where a pipeline names no
    passes it is one right after the prompt's that brings the same tensor as picture, the same timestep, and another
    tensor as text: so do all of diffusers' that have a `true_cfg_scale`.

    Args:
        transformer: Any diffusers transformer.
        name: Of who watches; `is_watched` tells whether there is one of that name, of which there may be one.
        on_pass: What it raises comes through.
    """
    watchers = _watchers_of(transformer)
    watchers[name] = on_pass
    try:
        yield
    finally:
        del watchers[name]
        if not watchers:
            _take_off(transformer)


def is_watched(transformer: nn.Module, name: str) -> bool:
    """Whether somebody of that name watches the transformer's passes."""
    hook = _hook_of(transformer)
    return hook is not None and name in hook.watchers


def _hook_of(transformer: nn.Module) -> "_PassHook | None":
    return transformer._diffusers_hook.get_hook(_HOOK_NAME) if hasattr(transformer, "_diffusers_hook") else None


def _watchers_of(transformer: nn.Module) -> dict[str, OnPass]:
    """Those of the hook, which is put on if need be."""
    hook = _hook_of(transformer)
    if hook is None:
        hook = _PassHook(frozenset(vars(transformer)))
        HookRegistry.check_if_exists_or_initialize(transformer).register_hook(hook, _HOOK_NAME)
    return hook.watchers


def _take_off(transformer: nn.Module) -> None:
    registry: HookRegistry = transformer._diffusers_hook
    existed = registry.hooks[_HOOK_NAME].existed
    registry.remove_hook(_HOOK_NAME, recurse=False)
    if not registry.hooks:
        for name in {"forward", "_diffusers_hook"} - existed:
            vars(transformer).pop(name, None)


class _PassName(StateManager):
    """Receives the name of the pipeline's current denoising pass from `transformer.cache_context`."""

    def __init__(self) -> None:
        super().__init__(BaseState)
        self.name: str | None = None

    def set_context(self, context: CacheContext | None) -> None:
        self.name = None if context is None else context.name


class _Prompt:
    """What the last pass of the prompt was given, of passes that have no name."""

    def __init__(self) -> None:
        self._text: Callable[[], Tensor | None] = lambda: None
        self._picture: Callable[[], Tensor | None] = lambda: None
        self._timestep = torch.empty(0)

    def is_of(self, arguments: Mapping[str, Any]) -> bool:
        """Whether a pass with these arguments is the prompt's; if not, it is the negative prompt's."""
        text, picture, timestep = (arguments[name] for name in ("encoder_hidden_states", "hidden_states", "timestep"))
        before = self._text()
        is_other_text = before is not None and before is not text
        if is_other_text and self._picture() is picture and torch.equal(self._timestep, timestep):
            return False
        self._text, self._picture, self._timestep = ref(text), ref(picture), timestep
        return True


class _PassHook(ModelHook):
    """Stateful, because diffusers tells the name of a pass only to stateful hooks.

    One for all who watch, since diffusers calls the hook first that was put on last.
    """

    _is_stateful = True

    def __init__(self, existed: frozenset[str]) -> None:
        """Take the names of the transformer's attributes, of which none is taken away with the hook."""
        super().__init__()
        self.existed = existed
        self.watchers: dict[str, OnPass] = {}
        self.pass_name = _PassName()
        self.prompt = _Prompt()

    def pre_forward(self, module: nn.Module, *args: Any, **kwargs: Any) -> tuple[tuple[Any, ...], dict[str, Any]]:
        names = inspect.signature(type(module).forward).parameters
        arguments = {**dict(zip([*names][1:], args, strict=False)), **kwargs}
        name = self.pass_name.name
        is_negative = name == NEGATIVE_PASS or (name is None and not self.prompt.is_of(arguments))
        running = Pass(is_negative, name == UNGUIDED_PASS, arguments)
        for on_pass in self.watchers.values():
            on_pass(running)
        return args, kwargs

    def deinitalize_hook(self, module: nn.Module) -> nn.Module:
        """Let go of what was attached: diffusers has a hook and its function refer to each other, for a collector."""
        self.fn_ref = None
        return module

    def reset_state(self, module: nn.Module) -> nn.Module:
        """Nothing to reset: what is attached is the same in every step."""
        return module
