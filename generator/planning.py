"""Makes plans: the fastest way of drawing that fits a machine, and what is tried when memory runs out.

Plain arithmetic on plain values, without torch. Bytes are as counted by `benchmarks/bench_memory.py`, but for
`OVERHEAD_BYTES` and what decoding takes beside (`uncounted_bytes`), which are measured.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Literal

from generator.plan import (
    Machine,
    Memory,
    ModelSizes,
    Numbers,
    Peak,
    Profile,
    RenderPlan,
    Room,
    Weights,
    Wish,
    gigabytes,
)
from generator.settings import RenderSettings

OVERHEAD_BYTES = 900_000_000
"""What CUDA and its libraries take beside tensors: at least 0.8 GB on an H100 with CUDA 13 (benchmarks/memory.md)."""
FREE_SHARE = 0.95
"""How much of the memory that is free now is counted on."""
ROWS_OF_CONCEPTS = 8
"""Tokens of concepts that a picture is expected to have."""
PICTURES_WORTH_COMPILING = 7
"""Compiling FLUX.1's blocks took 9.4 s on an H100 and saved 1.4 s a picture (benchmarks/modulation.md)."""
LARGE = 1_000_000_000
"""Parameters from which compiling a transformer, making its weights smaller and leaving blocks out are worth it."""
CACHE_THRESHOLD = 0.08
"""FirstBlockCache's under lossy profiles. Source: ParaAttention's README, where FLUX.1-dev is 1.55 times as fast with
it; not tried here, as that takes its weights."""
_BYTES_A_WEIGHT: Mapping[Weights, float] = {"plain": 2, "fp8": 1, "fp8-stored": 1, "nf4": 0.56}
_STEPS_SHARE: Mapping[Profile, float] = {"quality": 1.0, "fast": 1.0, "draft": 0.6}
"""Of the model's own number of steps."""
_VALUES_A_TOKEN = 18
"""Values as wide as the model that one token of a pass takes at most beside the weights; counted, as are the others."""
_LAYERS_OF_PIXELS = 6
"""Layers as wide as the autoencoder's last that there are at once while it decodes, beside one value a pixel."""
_LAYERS_BESIDE = 3.5
"""What decoding takes on a GPU beside tensors, in such layers: 0.90 and 0.92 GB at 1024×1024 pixels on an H100, by two
plans that have nothing else in common (benchmarks/memory.md); cuDNN's workspace is the likeliest."""
_ENCODING_SHARE = 0.08
"""What encoding takes beside the text encoders, as a share of their bytes: nine prompts, and the largest layer."""
_STREAMED_BLOCKS = 3
"""Blocks on the device while others come and go: the one that computes, the next, and one that is not freed yet."""
_PINNED_SHARE = 2
"""What a tensor takes in pinned memory at most, in its own size: PyTorch rounds up to a power of two."""


def plan_rendering(
    machine: Machine, sizes: ModelSizes, settings: RenderSettings, wish: Wish | None = None
) -> tuple[RenderPlan, ...]:
    """The plan for drawing pictures of these settings, then what is tried when memory runs out, smaller each time.

    The first is the fastest that is expected to fit; if none is, the one that takes least. Where any fits in the
    numbers that pictures were first drawn in, none in others is tried.
    """
    wish = wish or Wish()
    budget, said = budget_of(machine, wish.memory)
    room = Room(budget=budget, sizes=sizes)
    plans = [
        replace(_planned(each, machine, sizes, settings, wish, said, compiled=compiled), room=room)
        for each in _candidates(machine, sizes, wish)
        for compiled in _compiled_or_not(each, machine, sizes, wish)
    ]
    fitting = [plan for plan in plans if plan.peak.most <= budget and has_place_for_parked(plan, sizes, machine)]
    if fitting:
        return tuple(_shrinking([plan for plan in fitting if plan.numbers == wish.numbers] or fitting))
    least = min(plans, key=lambda plan: (plan.peak.most, parked_bytes(plan, sizes)))
    parked = parked_bytes(least, sizes)
    needed = gigabytes(least.peak.most) + (f" beside {gigabytes(parked)} of the computer's memory" if parked else "")
    return (replace(least, reasons=(*least.reasons, f"warning: drawing takes about {needed}, more than there is")),)


def settings_of(profile: Profile, defaults: RenderSettings, concept_guidance: float | None = None) -> RenderSettings:
    """A model's settings under a profile, with its own guidance by concepts unless a scale is given."""
    num_steps = max(1, round(_STEPS_SHARE[profile] * defaults.num_inference_steps))
    scale = defaults.concept_guidance_scale if concept_guidance is None else concept_guidance
    return replace(defaults, num_inference_steps=num_steps, concept_guidance_scale=scale)


def budget_of(machine: Machine, memory: Memory) -> tuple[int, str]:
    """Bytes that may be used of the device that draws, and these in words."""
    if machine.gpu is None:
        usable = int(machine.ram_bytes * FREE_SHARE)
        return usable, f"{gigabytes(usable)} of the computer's memory"
    if memory == "auto":
        usable = int(machine.free_bytes * FREE_SHARE)
        return usable, f"{gigabytes(usable)} that are free on {machine.gpu}"
    if memory == "full":
        return machine.gpu_bytes, f"all {gigabytes(machine.gpu_bytes)} of {machine.gpu}"
    return int(memory.removesuffix("GB")) * 10**9, f"--memory {memory}"


@dataclass(frozen=True, kw_only=True)
class _Choice:
    """What is to be chosen of a plan."""

    numbers: Numbers
    text_encoders: Literal["stay", "leave"] = "stay"
    norms: Literal["stay", "away"] = "stay"
    blocks: Literal["stay", "stream"] = "stay"
    pinned: Literal["ahead", "in passing"] = "ahead"


def _candidates(machine: Machine, sizes: ModelSizes, wish: Wish) -> Iterator[_Choice]:
    """From the fastest to the one that takes least."""
    if machine.gpu is None:
        yield _Choice(numbers=Numbers(dtype="float32"))
        yield _Choice(numbers=Numbers(dtype="bfloat16"))
        return
    lossy = sizes.transformer >= LARGE and wish.profile != "quality"
    wished = wish.numbers or Numbers(dtype="bfloat16", cache_threshold=CACHE_THRESHOLD if lossy else 0.0)
    lossy |= wished.weights != "plain"
    plain, fp8, fp8_stored, nf4 = (
        Numbers(dtype="bfloat16", weights=weights, cache_threshold=wished.cache_threshold)
        for weights in ("plain", "fp8", "fp8-stored", "nf4")
    )
    computes_in_fp8 = "torchao" in machine.packages and machine.capability >= (8, 9)
    if lossy and computes_in_fp8 and (wished == fp8 or _compiles(machine, sizes, wish)):
        yield from _smaller_and_smaller(fp8)
    yield from _smaller_and_smaller(plain)
    if lossy:
        yield _Choice(numbers=fp8_stored, text_encoders="leave", norms="away")
        # Four bits cost Pocket 8.5 % of CP (benchmarks/profiles.md), of which other profiles may lose 1 %.
        may_be_nf4 = wish.profile == "draft" or wished.weights == "nf4"
        if may_be_nf4 and "bitsandbytes" in machine.packages:
            yield _Choice(numbers=nf4, text_encoders="leave", norms="away")
    # Blocks that come and go are fetched ahead in their order, so none is left out.
    streamed = replace(fp8_stored if lossy else plain, cache_threshold=0.0)
    yield _Choice(numbers=streamed, text_encoders="leave", norms="away", blocks="stream")
    yield _Choice(numbers=streamed, text_encoders="leave", norms="away", blocks="stream", pinned="in passing")


def _smaller_and_smaller(numbers: Numbers) -> Iterator[_Choice]:
    yield _Choice(numbers=numbers)
    yield _Choice(numbers=numbers, text_encoders="leave")
    yield _Choice(numbers=numbers, text_encoders="leave", norms="away")


def _compiles(machine: Machine, sizes: ModelSizes, wish: Wish) -> bool:
    is_worth_it = sizes.transformer >= LARGE and wish.pictures >= PICTURES_WORTH_COMPILING
    return machine.gpu is not None and is_worth_it and "triton" in machine.packages


def _compiled_or_not(choice: _Choice, machine: Machine, sizes: ModelSizes, wish: Wish) -> tuple[bool, ...]:
    """Compiled first, where that pays; fp8 pays only compiled, and streaming takes longer than what compiling saves."""
    if choice.numbers.weights == "fp8":
        return (True,)
    return (True, False) if choice.blocks == "stay" and _compiles(machine, sizes, wish) else (False,)


def _planned(
    choice: _Choice,
    machine: Machine,
    sizes: ModelSizes,
    settings: RenderSettings,
    wish: Wish,
    said: str,
    *,
    compiled: bool,
) -> RenderPlan:
    attention = _attention(machine)
    plan = RenderPlan(
        device="cpu" if machine.gpu is None else "cuda",
        numbers=choice.numbers,
        attention=attention,
        compiled=compiled,
        text_encoders=choice.text_encoders,
        norms=choice.norms,
        blocks=choice.blocks,
        pinned=choice.pinned,
        peak=Peak(encoding=0, denoising=0, decoding=0),
        reasons=(),
    )
    plan = replace(plan, peak=peak_of(plan, sizes, settings))
    return replace(plan, reasons=_reasons(plan, machine, sizes, wish, said))


def _attention(machine: Machine) -> str:
    """The fastest backend that is installed and computes exactly; nothing is downloaded for it."""
    if machine.gpu is not None and machine.capability[0] == 9 and "flash_attn_interface" in machine.packages:
        return "_flash_3"
    if machine.gpu is not None and machine.capability >= (8, 0) and "flash_attn" in machine.packages:
        return "flash"
    return "native"


def peak_of(plan: RenderPlan, sizes: ModelSizes, settings: RenderSettings) -> Peak:
    """What a plan is expected to take while one picture of these settings is drawn."""
    width = 4 if plan.numbers.dtype == "float32" else 2
    table = table_values(sizes, settings, num_rows=max(plan.num_rows, ROWS_OF_CONCEPTS)) * width
    pixels = settings.height * settings.width
    layers = _LAYERS_OF_PIXELS * sizes.pixel_channels + 1
    num_tokens = settings.max_sequence_length + pixels // 256
    rest = held_bytes(plan, sizes)
    return Peak(
        encoding=rest + int(_ENCODING_SHARE * sizes.text_encoders * width),
        denoising=rest + table + streamed_bytes(plan, sizes) + _VALUES_A_TOKEN * num_tokens * sizes.dim * width,
        decoding=rest + table + layers * pixels * width + uncounted_bytes(plan, sizes, settings),
        loading=_loading_bytes(plan, sizes),
    )


def uncounted_bytes(plan: RenderPlan, sizes: ModelSizes, settings: RenderSettings) -> int:
    """What decoding takes on a GPU beside tensors."""
    width = 4 if plan.numbers.dtype == "float32" else 2
    layer = sizes.pixel_channels * settings.height * settings.width * width
    return int(_LAYERS_BESIDE * layer) if plan.device == "cuda" else 0


def held_bytes(plan: RenderPlan, sizes: ModelSizes) -> int:
    """What is on the device all the time: weights, and what comes with CUDA."""
    width = 4 if plan.numbers.dtype == "float32" else 2
    overhead = OVERHEAD_BYTES if plan.device == "cuda" else 0
    encoders = sizes.text_encoders * width if plan.text_encoders == "stay" else 0
    return resident_bytes(plan, sizes) + encoders + overhead


def _loading_bytes(plan: RenderPlan, sizes: ModelSizes) -> int:
    """What loading takes of the device where it puts more there than stays: diffusers does, with bitsandbytes' weights.

    The autoencoder, which comes later, stands for the layer that is there in full while it is made smaller.
    """
    if plan.numbers.weights != "nf4":
        return 0
    return held_bytes(replace(plan, text_encoders="leave", norms="stay"), sizes)


def expected_bytes(plan: RenderPlan, settings: RenderSettings | None) -> int:
    """What a plan is expected to take while a picture is drawn; None are the settings that it was made for."""
    if settings is None or plan.room is None:
        return plan.peak.most
    return peak_of(plan, plan.room.sizes, settings).most


def has_room(plan: RenderPlan, settings: RenderSettings | None) -> bool:
    """Whether a picture is expected to fit; what takes no more than what the plan was made for is tried in any case."""
    return plan.room is None or expected_bytes(plan, settings) <= max(plan.room.budget, plan.peak.most)


def resident_bytes(plan: RenderPlan, sizes: ModelSizes) -> int:
    """Weights of transformer and autoencoder that are on the device all the time."""
    width = 4 if plan.numbers.dtype == "float32" else 2
    norms = sizes.adaptive_norms * width if plan.norms == "stay" else 0
    others = (sizes.transformer - sizes.adaptive_norms) * _weight_bytes(plan) if plan.blocks == "stay" else 0
    return int(others) + norms + sizes.autoencoder * width


def streamed_bytes(plan: RenderPlan, sizes: ModelSizes) -> int:
    """Weights of blocks that come and go which are on the device at once."""
    return int(_STREAMED_BLOCKS * sizes.largest_block * _weight_bytes(plan)) if plan.blocks == "stream" else 0


def parked_bytes(plan: RenderPlan, sizes: ModelSizes) -> int:
    """What weights take of the computer's memory while the device does without them."""
    encoders = 2 * sizes.text_encoders if plan.text_encoders == "leave" else 0
    norms = 2 * sizes.adaptive_norms if plan.norms == "away" else 0
    return encoders + norms + _streaming_bytes(plan, sizes)


def has_place_for_parked(plan: RenderPlan, sizes: ModelSizes, machine: Machine) -> bool:
    """Whether the computer's memory holds what the device does without."""
    return parked_bytes(plan, sizes) <= FREE_SHARE * machine.ram_bytes


def _streaming_bytes(plan: RenderPlan, sizes: ModelSizes) -> int:
    """Those of blocks that stream, in pinned memory or on their way through it."""
    if plan.blocks == "stay":
        return 0
    plain = sizes.transformer - sizes.adaptive_norms
    if plan.pinned == "in passing":
        return int((plain + _PINNED_SHARE * _STREAMED_BLOCKS * sizes.largest_block) * _weight_bytes(plan))
    # All are pinned before the first is let go. Weights as they are in their files take nothing until then that the
    # system could not have back; those that were made smaller do.
    waiting = plain if plan.numbers.weights != "plain" else 0
    return int((sizes.pinned + waiting) * _weight_bytes(plan))


def table_values(sizes: ModelSizes, settings: RenderSettings, *, num_rows: int) -> int:
    """Values of a table for all steps of a picture."""
    of_a_step = sizes.modulation_width + sizes.dim + num_rows * sizes.text_modulation_width
    return settings.num_inference_steps * of_a_step


def _weight_bytes(plan: RenderPlan) -> float:
    return 4 if plan.numbers.dtype == "float32" else _BYTES_A_WEIGHT[plan.numbers.weights]


def _shrinking(plans: Sequence[RenderPlan]) -> Iterator[RenderPlan]:
    """The first, and each later one that takes less than those before."""
    least = None
    for plan in plans:
        if least is None or plan.peak.most < least:
            yield plan
            least = plan.peak.most


def _reasons(plan: RenderPlan, machine: Machine, sizes: ModelSizes, wish: Wish, said: str) -> tuple[str, ...]:
    weights = {
        "plain": "as they are: quality leaves nothing out" if wish.profile == "quality" else "as they are: they fit",
        "fp8": "computed with in fp8 (torchao), adaptive norms aside",
        "fp8-stored": "kept in fp8 and computed with in bfloat16, adaptive norms aside",
        "nf4": "kept in four bits (bitsandbytes), adaptive norms aside",
    }
    encoders = f"each layer only while it encodes, {gigabytes(2 * sizes.text_encoders)}"
    norms = f"away once their table is computed, {gigabytes(2 * sizes.adaptive_norms)}"
    lines = [
        f"memory: {said}",
        f"dtype: {plan.numbers.dtype}{_why_dtype(plan, machine)}",
        f"weights: {weights[plan.numbers.weights]}",
        f"attention: {plan.attention}, {'exact' if plan.attention == 'native' else 'exact and installed'}",
    ]
    if plan.device == "cuda":
        lines += [
            f"blocks: {_why_compiled(plan, machine, sizes, wish)}",
            f"cache: {_why_cache(plan.numbers)}",
            f"text encoders: {encoders if plan.text_encoders == 'leave' else 'stay'}",
            f"adaptive norms: {norms if plan.norms == 'away' else 'stay'}",
        ]
    return tuple(lines)


def _why_dtype(plan: RenderPlan, machine: Machine) -> str:
    if plan.device == "cuda" and machine.capability < (8, 0):
        return f", which {machine.gpu} is slow at; float16 has too small a range for FLUX.1's text encoder"
    if plan.device == "cpu":
        return ", exact" if plan.numbers.dtype == "float32" else ", as float32 does not fit"
    return ""


def _why_cache(numbers: Numbers) -> str:
    if not numbers.cache_threshold:
        return "none, every block computes in every step"
    return f"blocks are left out where the first changes by less than {numbers.cache_threshold:g}"


def _why_compiled(plan: RenderPlan, machine: Machine, sizes: ModelSizes, wish: Wish) -> str:
    if plan.blocks == "stream":
        pinned = gigabytes(_streaming_bytes(plan, sizes))
        how = f"pinned {plan.pinned}, {pinned} of the computer's memory"
        return f"on the GPU only while each computes; {how}"
    if plan.compiled:
        return f"stay, compiled, as {wish.pictures} pictures are worth it"
    if "triton" not in machine.packages and sizes.transformer >= LARGE:
        return "stay, not compiled, as triton is not installed"
    if _compiles(machine, sizes, wish):
        return "stay, not compiled, which takes a larger table"
    return f"stay, not compiled, which {wish.pictures} of this model's pictures are not worth"
