"""A whole picture at FLUX.1's size, drawn in the ways that a plan chooses among, one after the other in one process.

As it is, with FirstBlockCache, with compiled blocks, and computed in fp8 with compiled blocks: as
`generator/planning.py` and `generator/placement.py` have them. What `bench_flux_sized --ways` runs.
"""

import statistics
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from importlib import import_module
from importlib.util import find_spec
from typing import Any

import torch
from torch import nn

from benchmarks.bench_modulation import PROMPT, WORDS, peak_memory_mb, print_row, print_table
from benchmarks.flux_arithmetic import flops_a_step
from concepts.binding import bind_concepts
from generator.flux_renderer import FluxRenderer
from generator.modulation import count_blocks
from generator.placement import ADAPTIVE_NORMS
from generator.planning import CACHE_THRESHOLD
from generator.settings import RenderSettings

WARM_UP_STEPS = 2
HEADER = (
    "",
    "s a picture",
    "times as fast as eager",
    "steps in full",
    "s to compile",
    "peak MB",
    "TFLOP/s",
    "of a bf16 product",
)
_LEFT_BY_HOOKS = ("forward", "_diffusers_hook")


@dataclass(frozen=True)
class _Way:
    name: str
    prepare: Callable[[Any], None]
    """What is done to the transformer before; it stays done, so the ways' order counts."""
    pictures: int
    """Timed ones, of which the median is told."""
    cache_threshold: float = 0.0
    is_compiled: bool = False


@dataclass(frozen=True)
class _Drawn:
    """What one way took."""

    picture_s: float
    compile_s: float
    """What the first picture took beyond a later one of as many steps."""
    peak_mb: float
    full_steps: int


def compare_ways(renderer: FluxRenderer, settings: RenderSettings, *, best: float | None) -> None:
    """Print a table's rows as soon as each is known; a way that fails is told as its row.

    Args:
        renderer: With rows enough for all concepts; its transformer cannot be used afterwards.
        settings: Of the pictures that are timed.
        best: What the device reaches at matrix products, in operations a second.
    """
    ways = (
        _Way("eager", _leave, 1),
        _Way(f"FirstBlockCache ({CACHE_THRESHOLD:g})", _leave, 1, CACHE_THRESHOLD),
        _Way("compiled", _compile, 2, is_compiled=True),
        _Way("fp8, compiled", _to_fp8, 2, is_compiled=True),
    )
    transformer, eager_s = renderer.model.pipeline.transformer, None
    print_table(HEADER, [])
    for way in ways:
        missing = _why_no_fp8(renderer.model.pipeline.device) if way.prepare is _to_fp8 else ""
        if missing:
            print_row([way.name, f"missing: {missing}"])
            continue
        try:
            drawn = _draw_in(way, renderer, settings)
        except Exception as error:  # whatever goes wrong in one way, the others are told
            print_row([way.name, f"failed: {type(error).__name__}: {' '.join(str(error).split())[:300]}"])
            continue
        if way is ways[0]:
            eager_s = drawn.picture_s
        print_row(_cells(way, drawn, eager_s, _flops(transformer, drawn, settings) / drawn.picture_s, best))


def _draw_in(way: _Way, renderer: FluxRenderer, settings: RenderSettings) -> _Drawn:
    model, transformer = renderer.model, renderer.model.pipeline.transformer
    bound = bind_concepts(PROMPT, [renderer.bank.get(word) for word in WORDS])
    drawing = FluxRenderer(
        replace(model, cache_threshold=way.cache_threshold), renderer.bank, num_rows=renderer.num_rows
    )
    warm_up = replace(settings, num_inference_steps=min(WARM_UP_STEPS, settings.num_inference_steps))

    def draw(these: RenderSettings) -> float:
        start = time.perf_counter()
        drawing.render(bound, seed=0, settings=these)  # ends with pixels in the computer's memory: the GPU is done
        return time.perf_counter() - start

    way.prepare(transformer)
    first_s = draw(warm_up)
    compile_s = first_s - draw(warm_up) if way.is_compiled else 0.0
    full_steps = settings.num_inference_steps
    if way.cache_threshold:
        try:
            with _counted_passes(transformer) as passes:
                taken, peak_mb = _timed(model.pipeline.device, lambda: draw(settings), way.pictures)
        finally:
            _forget_hooks(transformer)
        full_steps = len(passes) // way.pictures
    else:
        taken, peak_mb = _timed(model.pipeline.device, lambda: draw(settings), way.pictures)
    return _Drawn(statistics.median(taken), compile_s, peak_mb, full_steps)


def _timed(device: torch.device, draw: Callable[[], float], pictures: int) -> tuple[list[float], float]:
    """Seconds of each of some pictures, and the peak of memory meanwhile."""
    taken: list[float] = []
    peak_mb = peak_memory_mb(device, lambda _: taken.extend(draw() for _ in range(pictures)))
    return taken, peak_mb


def _flops(transformer: Any, drawn: _Drawn, settings: RenderSettings) -> float:
    """Of one picture; a step that the cache leaves out computes its first block."""
    left_out = settings.num_inference_steps - drawn.full_steps
    return flops_a_step(transformer, settings) * (drawn.full_steps + left_out / count_blocks(transformer))


def _cells(way: _Way, drawn: _Drawn, eager_s: float | None, flops_a_second: float, best: float | None) -> list[str]:
    return [
        way.name,
        f"{drawn.picture_s:.2f}",
        f"{eager_s / drawn.picture_s:.2f}" if eager_s else "",
        str(drawn.full_steps),
        f"{drawn.compile_s:.1f}" if way.is_compiled else "",
        f"{drawn.peak_mb:.0f}",
        f"{flops_a_second / 1e12:.3g}",
        f"{flops_a_second / best:.0%}" if best else "",
    ]


def _leave(transformer: Any) -> None:
    """As it is."""
    del transformer


def _compile(transformer: Any) -> None:
    transformer.compile_repeated_blocks(fullgraph=True)


def _to_fp8(transformer: Any) -> None:
    """As `generator.placement` has it, of weights that are there already."""
    torch.compiler.reset()  # what was compiled holds for the weights as they were
    torchao = import_module("torchao.quantization")
    fp8 = torchao.Float8DynamicActivationFloat8WeightConfig(set_inductor_config=False)
    torchao.quantize_(transformer, fp8, filter_fn=_is_converted)
    transformer.compile_repeated_blocks(fullgraph=False)


def _is_converted(module: nn.Module, name: str) -> bool:
    """Whether diffusers' `TorchAoConfig` with `ADAPTIVE_NORMS` excepted makes a module's weights smaller.

    torchao itself leaves those alone whose sides are no multiples of 16.
    """
    return isinstance(module, nn.Linear) and not any(f"{kept}." in f"{name}.weight" for kept in ADAPTIVE_NORMS)


def _why_no_fp8(device: torch.device) -> str:
    """Why fp8 cannot be computed with here; empty where it can."""
    if device.type != "cuda":
        return "no GPU"
    if torch.cuda.get_device_capability(device) < (8, 9):
        return "the GPU does not compute in fp8"
    return "" if find_spec("torchao") else "torchao is not installed"


@contextmanager
def _counted_passes(transformer: Any) -> Iterator[list[None]]:
    """One entry for each time that the last block computes: a cache leaves out what is in it, not the block itself."""
    passes: list[None] = []
    last = transformer.single_transformer_blocks[-1].proj_out
    handle = last.register_forward_hook(lambda *_: passes.append(None))
    try:
        yield passes
    finally:
        handle.remove()


def _forget_hooks(transformer: Any) -> None:
    """Take off what a cache leaves on blocks when it is disabled, so that the next way finds them as they were."""
    for block in (*transformer.transformer_blocks, *transformer.single_transformer_blocks):
        for name in _LEFT_BY_HOOKS:
            vars(block).pop(name, None)
