"""Plans over a table of machines: what is chosen, that it fits, and what is tried when memory runs out."""

import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Literal

import pytest
import torch

from generator.machine import look
from generator.model_folder import POCKET_FOLDER
from generator.model_sizes import sizes_of_folder
from generator.plan import (
    FLUX_1_SIZES,
    MEMORIES,
    PROFILES,
    Machine,
    Memory,
    Numbers,
    Profile,
    RenderPlan,
    Weights,
    Wish,
)
from generator.planning import CACHE_THRESHOLD, OVERHEAD_BYTES, parked_bytes, peak_of, plan_rendering
from generator.settings import FLUX_DEV_SETTINGS
from tests.conftest import ROOT
from tests.generator.tiny import tiny_pipeline

GIB = 2**30
ALL = frozenset({"triton", "torchao", "bitsandbytes"})
CARDS: dict[int, tuple[int, int]] = {8: (8, 6), 12: (8, 6), 16: (8, 9), 24: (8, 9), 40: (8, 0), 80: (9, 0)}
PROCESSOR = Machine(ram_bytes=128 * 10**9)


def card(gib: int, packages: frozenset[str] = frozenset({"triton"})) -> Machine:
    """A card of so many GiB, of which the desktop uses 0.5 GB."""
    free = gib * GIB - 500_000_000
    return Machine(
        gpu=f"a card of {gib} GiB",
        gpu_bytes=gib * GIB,
        free_bytes=free,
        capability=CARDS[gib],
        ram_bytes=64 * 10**9,
        packages=packages,
    )


def plans(machine: Machine, *, profile: Profile = "quality", memory: Memory = "auto", pictures: int = 9):
    wish = Wish(profile=profile, memory=memory, pictures=pictures)
    return plan_rendering(machine, FLUX_1_SIZES, FLUX_DEV_SETTINGS, wish)


def placed(plan: RenderPlan) -> tuple[str, str, str, str]:
    return plan.numbers.weights, plan.text_encoders, plan.norms, plan.blocks


EVERYTHING = ("plain", "stay", "stay", "stay")
WITHOUT_TEXT = ("plain", "leave", "stay", "stay")
WITHOUT_NORMS = ("plain", "leave", "away", "stay")
STREAMED = ("plain", "leave", "away", "stream")
IN_EIGHT_BITS = ("fp8-stored", "leave", "away", "stay")
STREAMED_IN_EIGHT = ("fp8-stored", "leave", "away", "stream")


@pytest.mark.parametrize(
    ("gib", "quality", "fast", "fast_with_all"),
    [
        (8, STREAMED, STREAMED_IN_EIGHT, STREAMED_IN_EIGHT),
        (12, STREAMED, STREAMED_IN_EIGHT, STREAMED_IN_EIGHT),
        (16, STREAMED, IN_EIGHT_BITS, ("fp8", "leave", "away", "stay")),
        (24, WITHOUT_NORMS, WITHOUT_NORMS, ("fp8", "leave", "stay", "stay")),
        (40, EVERYTHING, EVERYTHING, EVERYTHING),
        (80, EVERYTHING, EVERYTHING, ("fp8", "stay", "stay", "stay")),
    ],
)
def test_each_card_has_the_fastest_plan_that_fits_it(
    gib: int, quality: object, fast: object, fast_with_all: object
) -> None:
    assert placed(plans(card(gib))[0]) == quality
    assert placed(plans(card(gib), profile="fast")[0]) == fast
    assert placed(plans(card(gib, ALL), profile="fast")[0]) == fast_with_all


def test_the_peak_of_everything_on_the_card_is_near_what_is_published() -> None:
    """36.2 for FLUX.1-dev at 1024×1024 in bfloat16 on an H100 (Hugging Face, diffusers-quantization), where the weights
    are 31.4, so both are GiB."""
    plan = plans(card(80), pictures=1)[0]
    assert plan.peak.most == pytest.approx(36.2 * GIB, rel=0.04)


@pytest.mark.parametrize("profile", PROFILES)
@pytest.mark.parametrize("gib", CARDS)
def test_plans_fit_and_shrink_and_keep_adaptive_norms_in_full(gib: int, profile: Profile) -> None:
    machine = card(gib, ALL)
    found = plans(machine, profile=profile)
    peaks = [plan.peak.most for plan in found]
    assert peaks == sorted(set(peaks), reverse=True)
    assert peaks[0] <= machine.free_bytes
    assert all(plan.numbers == Numbers(dtype="bfloat16") for plan in found) or profile != "quality"
    assert all(plan.num_rows >= 1 for plan in found if plan.norms == "away")


def test_four_bits_are_for_drafts_alone() -> None:
    kept = {profile: {plan.numbers.weights for plan in plans(card(16, ALL), profile=profile)} for profile in PROFILES}
    assert "nf4" in kept["draft"]
    assert "nf4" not in kept["fast"] | kept["quality"]


@pytest.mark.parametrize("memory", [name for name in MEMORIES if name.endswith("GB")])
@pytest.mark.parametrize("profile", PROFILES)
def test_a_named_memory_holds_on_a_larger_card(memory: Memory, profile: Profile) -> None:
    for plan in plans(card(80, ALL), memory=memory, profile=profile):
        assert plan.peak.most <= int(memory.removesuffix("GB")) * 10**9


def test_full_counts_on_what_others_use_now() -> None:
    crowded = replace(card(80), free_bytes=20 * 10**9)
    assert placed(plans(crowded, pictures=1)[0]) == STREAMED
    assert placed(plans(crowded, memory="full", pictures=1)[0]) == EVERYTHING


def test_blocks_are_compiled_where_that_pays() -> None:
    assert plans(card(80))[0].compiled
    assert not plans(card(80), pictures=1)[0].compiled
    assert not plans(card(80, frozenset()))[0].compiled
    assert not plans(card(8))[0].compiled


@pytest.mark.parametrize(
    ("gib", "package", "backend"),
    [(80, "flash_attn_interface", "_flash_3"), (40, "flash_attn", "flash"), (40, "flash_attn_interface", "native")],
)
def test_an_exact_attention_backend_is_taken_where_it_is_installed(gib: int, package: str, backend: str) -> None:
    assert plans(card(gib, frozenset({package})))[0].attention == backend


def test_pictures_that_are_drawn_again_keep_the_numbers_of_the_first_time_where_they_fit() -> None:
    def again(machine: Machine, first: Numbers) -> set[Numbers]:
        wish = Wish(pictures=1, numbers=first)
        return {plan.numbers for plan in plan_rendering(machine, FLUX_1_SIZES, FLUX_DEV_SETTINGS, wish)}

    plain = Numbers(dtype="bfloat16")
    for weights in ("fp8", "fp8-stored", "nf4", "plain"):
        for threshold in (0.0, 0.05):
            first = replace(plain, weights=weights, cache_threshold=threshold)
            assert again(card(24 if weights != "fp8" else 80, ALL), first) == {first}
    assert again(PROCESSOR, plain) == {plain}
    assert again(card(24), replace(plain, weights="nf4")) == {plain, replace(plain, weights="fp8-stored")}
    assert again(card(80), Numbers(dtype="float32")) == {plain}


def test_blocks_are_left_out_by_lossy_profiles_of_large_models_unless_they_come_and_go() -> None:
    assert plans(card(80), profile="fast")[0].numbers.cache_threshold == CACHE_THRESHOLD
    assert plans(card(80))[0].numbers.cache_threshold == 0
    assert plans(card(8), profile="draft")[0].numbers.cache_threshold == 0
    wish = Wish(profile="fast")
    small = replace(FLUX_1_SIZES, transformer=10**7)
    assert plan_rendering(card(80), small, FLUX_DEV_SETTINGS, wish)[0].numbers.cache_threshold == 0


def test_without_a_card_the_processor_draws_exactly_where_memory_allows() -> None:
    assert [plan.numbers.dtype for plan in plans(PROCESSOR)] == ["float32", "bfloat16"]
    assert plans(replace(PROCESSOR, ram_bytes=60 * 10**9))[0].numbers.dtype == "bfloat16"
    assert all(plan.can_learn for plan in plans(PROCESSOR))


def test_too_little_memory_of_either_kind_is_said() -> None:
    (tight,) = plans(replace(PROCESSOR, ram_bytes=16 * 10**9))
    assert "more than there is" in tight.reasons[-1]
    (parked,) = plans(replace(card(8), ram_bytes=8 * 10**9))
    assert "beside 36.3 GB of the computer's memory" in parked.reasons[-1]


@pytest.mark.parametrize(
    ("ram", "quality", "fast"),
    [(64, "ahead", "ahead"), (48, "in passing", "ahead"), (40, "in passing", "in passing"), (32, None, "in passing")],
)
def test_blocks_are_pinned_ahead_where_the_computers_memory_holds_them_rounded_up(
    ram: int, quality: str | None, fast: str
) -> None:
    """Pinned they take 29.4 GB in bfloat16 and 14.7 in fp8, beside 16.3 of text encoders and adaptive norms."""
    machine = replace(card(8), ram_bytes=ram * 10**9)
    for profile, pinned in (("quality", quality), ("fast", fast)):
        plan = plans(machine, profile=profile)[0]
        assert plan.blocks == "stream"
        assert plan.pinned == (pinned or "in passing")
        assert ("warning" in plan.reasons[-1]) == (pinned is None)
        assert (parked_bytes(plan, FLUX_1_SIZES) <= 0.95 * machine.ram_bytes) == (pinned is not None)


def test_what_pinned_memory_takes_is_counted() -> None:
    def parked(pinned: Literal["ahead", "in passing"], weights: Weights) -> float:
        numbers = Numbers(dtype="bfloat16", weights=weights)
        plan = replace(plans(card(8))[0], pinned=pinned, numbers=numbers)
        return (parked_bytes(plan, FLUX_1_SIZES) - 2 * (FLUX_1_SIZES.text_encoders + FLUX_1_SIZES.adaptive_norms)) / 1e9

    assert parked("ahead", "plain") == pytest.approx(29.4, abs=0.05)
    assert parked("in passing", "plain") == pytest.approx(17.3 + 2.7, abs=0.05)
    assert parked("ahead", "fp8-stored") == pytest.approx(14.7 + 8.7, abs=0.05), "both are there while they are pinned"
    assert parked("in passing", "fp8-stored") == pytest.approx(8.65 + 1.36, abs=0.05)


def test_four_bits_take_most_while_they_are_loaded_as_diffusers_puts_adaptive_norms_on_the_card_too() -> None:
    wish = Wish(pictures=1, numbers=Numbers(dtype="bfloat16", weights="nf4"))
    plan = plan_rendering(card(16, ALL), FLUX_1_SIZES, FLUX_DEV_SETTINGS, wish)[0]
    assert placed(plan) == ("nf4", "leave", "away", "stay")
    weights = 0.56 * (FLUX_1_SIZES.transformer - FLUX_1_SIZES.adaptive_norms) + 2 * FLUX_1_SIZES.adaptive_norms
    assert plan.peak.most == plan.peak.loading == pytest.approx(weights + OVERHEAD_BYTES, rel=0.02)
    assert plan.peak.decoding < plan.peak.loading - 3 * 10**9
    smaller = plan_rendering(card(12, ALL), FLUX_1_SIZES, FLUX_DEV_SETTINGS, wish)
    assert all(each.numbers.weights != "nf4" for each in smaller)


def test_what_is_set_up_for_drawing_alone_says_so() -> None:
    assert not plans(card(8))[0].can_learn
    assert not plans(card(80, ALL), profile="fast")[0].can_learn
    assert plans(card(80), pictures=1)[0].can_learn
    assert plans(card(80, frozenset({"flash_attn"})), pictures=1)[0].can_learn


def test_attention_without_a_backward_pass_is_not_learnt_with() -> None:
    plan = plans(card(80, frozenset({"flash_attn_interface"})), pictures=1)[0]
    assert plan.attention == "_flash_3"
    assert not plan.can_learn
    assert replace(plan, attention="native").can_learn


def test_every_choice_has_a_line_of_reason() -> None:
    told = [line.partition(":")[0] for line in plans(card(24))[0].reasons]
    assert told == ["memory", "dtype", "weights", "attention", "blocks", "cache", "text encoders", "adaptive norms"]


def test_sizes_are_read_from_weight_files(tmp_path: Path) -> None:
    pipeline = tiny_pipeline()
    pipeline.save_pretrained(tmp_path)
    sizes = sizes_of_folder(tmp_path)
    assert sizes is not None

    def count(module: torch.nn.Module, name: str = "") -> int:
        return sum(weight.numel() for key, weight in module.named_parameters() if name in key)

    transformer = pipeline.transformer
    assert sizes.transformer == count(transformer)
    assert sizes.adaptive_norms == sum(count(transformer, name) for name in ("norm1", "norm.", "norm_out"))
    plain = sizes.transformer - sizes.adaptive_norms
    assert plain < sizes.pinned < 2 * plain
    assert sizes.largest_block == max(count(block) - count(block, "norm1") for block in transformer.transformer_blocks)
    assert sizes.num_blocks == 4
    assert sizes.text_encoders == count(pipeline.text_encoder) + count(pipeline.text_encoder_2)
    assert sizes.autoencoder == count(pipeline.vae)
    assert (sizes.dim, sizes.text_modulation_width) == (32, 2 * 6 * 32 + 2 * 3 * 32)
    assert sizes.pixel_channels == 4
    (tmp_path / "vae" / "diffusion_pytorch_model.safetensors").write_bytes(b"no weights")
    assert sizes_of_folder(tmp_path) is None


def test_an_autoencoder_of_patches_takes_little_for_a_pixel() -> None:
    """Pocket's took 16 values a pixel by a count of the process's memory, FLUX.1's takes 769."""
    sizes = sizes_of_folder(POCKET_FOLDER)
    assert sizes is not None
    (plan, _) = plan_rendering(PROCESSOR, sizes, FLUX_DEV_SETTINGS)
    values, of_flux = (
        (
            peak_of(plan, each, replace(FLUX_DEV_SETTINGS, height=2048)).decoding
            - peak_of(plan, each, FLUX_DEV_SETTINGS).decoding
        )
        / (4 * 1024**2)
        for each in (sizes, FLUX_1_SIZES)
    )
    assert 16 <= values <= 20
    assert of_flux == 769


def test_this_machine_is_seen_as_pytorch_sees_it() -> None:
    machine = look()
    assert (machine.gpu is not None) == torch.cuda.is_available()
    assert machine.ram_bytes > 0


def test_attention_that_diffusers_cannot_use_counts_as_not_installed(tmp_path: Path) -> None:
    built_for_another_pytorch, too_old = ("2.8.0", "raise ImportError('undefined symbol: _ZN3c10')"), ("1.0.0", "")
    installed = {"flash_attn": built_for_another_pytorch, "flash_attn_interface": too_old}
    for name, (version, content) in installed.items():
        (tmp_path / name).mkdir()
        (tmp_path / name / "__init__.py").write_text(content)
        about = tmp_path / f"{name}-{version}.dist-info"
        about.mkdir()
        (about / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n")
    script = (
        "from importlib.util import find_spec; from generator.machine import look; "
        "print(find_spec('flash_attn') is not None, {'flash_attn', 'flash_attn_interface'} & look().packages)"
    )
    environment = {**os.environ, "PYTHONPATH": f"{tmp_path}{os.pathsep}{ROOT}"}
    ran = subprocess.run([sys.executable, "-c", script], env=environment, capture_output=True, text=True, check=True)
    assert ran.stdout == "True set()\n"
