"""Counts the bytes of tensors that are alive at once while a model without weights runs: parts on the meta device."""

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import Any
from weakref import ref

import torch
from torch import Tensor, nn
from torch.nn.functional import scaled_dot_product_attention
from torch.overrides import TorchFunctionMode
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves


class LiveBytes(TorchDispatchMode):
    """While active, counts each new tensor until it is gone; `most` is what there was at most."""

    def __init__(self, weights: Iterable[Tensor]) -> None:
        """Do not count `weights`: where they lie is the plan's to say."""
        super().__init__()
        self._known: dict[int, Any] = {_key(weight): weight for weight in weights}
        self._now = 0
        self.most = 0

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        del types
        result = func(*args, **(kwargs or {}))
        for value in tree_leaves(result):
            if isinstance(value, Tensor):
                self._see(value)
        return result

    def add(self, num_bytes: int) -> None:
        """Count so many bytes more, or fewer."""
        self._now += num_bytes
        self.most = max(self.most, self._now)

    def _see(self, tensor: Tensor) -> None:
        storage, key = tensor.untyped_storage(), _key(tensor)
        if key in self._known:
            return
        num_bytes = storage.nbytes()

        def forget(_: Any) -> None:
            del self._known[key]
            self._now -= num_bytes

        self._known[key] = ref(storage, forget)
        self.add(num_bytes)


def _key(tensor: Tensor) -> int:
    return tensor.untyped_storage()._cdata


class _AttentionAtOnce(TorchFunctionMode):
    """Attention as a GPU does it, without a tensor of all pairs of tokens."""

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        del types
        if func is scaled_dot_product_attention:
            return torch.empty_like(args[0] if args else kwargs["query"])
        return func(*args, **(kwargs or {}))


def count_live_bytes(run: Callable[[], Any], module: nn.Module, *, streamed: Iterable[nn.Module] = ()) -> int:
    """Most bytes alive at once in `run` on the meta device, beside `module`'s weights.

    The weights of `streamed` modules count too, each while it computes.
    """
    live = LiveBytes([*module.parameters(), *module.buffers()])
    with torch.no_grad(), torch.device("meta"), _AttentionAtOnce(), _streaming(streamed, live), live:
        run()
    return live.most


@contextmanager
def _streaming(modules: Iterable[nn.Module], live: LiveBytes) -> Iterator[None]:
    handles = []
    for module in modules:
        num_bytes = sum(weight.nbytes for weight in module.parameters())
        handles.append(module.register_forward_pre_hook(lambda *_, size=num_bytes: live.add(size)))
        handles.append(module.register_forward_hook(lambda *_, size=num_bytes: live.add(-size)))
    try:
        yield
    finally:
        for handle in handles:
            handle.remove()
