"""Has a module run as it is written, whatever of it is compiled.

Dynamo does not look for hooks that came after it compiled: blocks that have run without them go on without them.
"""

from collections.abc import Iterator
from contextlib import contextmanager

from torch import nn


@contextmanager
def as_written(module: nn.Module) -> Iterator[None]:
    """What `compile()` made of a module and of its parts stands aside for as long as the context lasts.

    It is as it was afterwards: nothing is compiled anew for having stood aside.
    """
    compiled = [(part, part._compiled_call_impl) for part in module.modules() if part._compiled_call_impl is not None]
    try:
        for part, _ in compiled:
            part._compiled_call_impl = None
        yield
    finally:
        for part, call in compiled:
            part._compiled_call_impl = call
