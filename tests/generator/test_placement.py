"""Plans carried out on the processor: each draws what the model drawn in full does, or shows that it is smaller."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Literal

import numpy as np
import pytest
import torch
from diffusers.hooks import HookRegistry
from PIL import Image

from concepts.bank import ConceptBank
from concepts.schema import BoundPrompt
from generator.flux_renderer import FluxRenderer
from generator.loading import FluxModel, compute_fingerprint, load_model
from generator.model_sizes import sizes_of_folder
from generator.placement import place
from generator.plan import Numbers, Peak, RenderPlan
from generator.planning import resident_bytes
from tests.generator.test_flux_renderer import PROMPT, add, bind
from tests.generator.tiny import TINY_SETTINGS, tiny_pipeline, tiny_transformer

FLOAT32 = Numbers(dtype="float32")
IN_FULL = RenderPlan(device="cpu", numbers=FLOAT32, peak=Peak(encoding=0, denoising=0, decoding=0), reasons=())
PLANS = {
    "text-leaves": replace(IN_FULL, text_encoders="leave"),
    "norms-away": replace(IN_FULL, text_encoders="leave", norms="away"),
    "streamed": replace(IN_FULL, text_encoders="leave", norms="away", blocks="stream"),
}
BOUNDS = (bind(PROMPT, rusty="fox"), BoundPrompt(prompt=PROMPT))


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("models") / "tiny"
    tiny_pipeline().save_pretrained(path)
    return path


@pytest.fixture(scope="module")
def bank(tmp_path_factory: pytest.TempPathFactory) -> ConceptBank:
    bank = ConceptBank(tmp_path_factory.mktemp("banks") / "bank")
    add(bank, "rusty", "fox", 1, base_model=compute_fingerprint(tiny_transformer()))
    return bank


def draw(model: FluxModel, bank: ConceptBank) -> Iterator[Image.Image]:
    renderer = FluxRenderer(model, bank)
    return (renderer.render(bound, seed=3, settings=TINY_SETTINGS) for bound in BOUNDS)


@pytest.fixture(scope="module")
def in_full(folder: Path, bank: ConceptBank) -> list[Image.Image]:
    return list(draw(load_model(folder, plan=IN_FULL), bank))


def worst(left: Image.Image, right: Image.Image) -> int:
    return int(np.abs(np.asarray(left, np.int16) - np.asarray(right, np.int16)).max())


@pytest.mark.parametrize("plan", PLANS.values(), ids=PLANS.keys())
def test_where_parts_lie_changes_no_picture(
    plan: RenderPlan, folder: Path, bank: ConceptBank, in_full: list[Image.Image]
) -> None:
    for drawn, expected in zip(draw(load_model(folder, plan=plan), bank), in_full, strict=True):
        assert worst(drawn, expected) <= 1


def test_adaptive_norms_that_are_away_belong_to_no_group_that_is_brought_back(folder: Path) -> None:
    transformer = load_model(folder, plan=PLANS["streamed"]).pipeline.transformer
    hook = HookRegistry.check_if_exists_or_initialize(transformer.transformer_blocks[0]).get_hook("group_offloading")
    brought = {id(weight) for module in hook.group.modules for weight in module.parameters()}
    block = transformer.transformer_blocks[0]
    assert id(block.attn.to_q.weight) in brought
    assert hook.group.onload_device == torch.device("cpu")


@pytest.mark.parametrize("norms", ["stay", "away"])
def test_norms_that_are_away_leave_a_device_that_a_load_put_everything_on(
    norms: Literal["stay", "away"], folder: Path
) -> None:
    """As bitsandbytes' loads do; what is left on the device is what the plan counts."""
    pipeline, sizes, plan = tiny_pipeline(), sizes_of_folder(folder), replace(IN_FULL, norms=norms)
    assert sizes is not None
    place(pipeline, plan, away="meta")  # the processor is the device here
    left = {
        weight
        for module in (pipeline.transformer, pipeline.vae)
        for weight in module.parameters()
        if weight.device.type == plan.device
    }
    assert sum(weight.nbytes for weight in left) == resident_bytes(plan, sizes)
    assert (pipeline.transformer.norm_out.linear.weight in left) == (norms == "stay")


@pytest.mark.parametrize("pinned", ["ahead", "in passing"])
def test_blocks_are_pinned_when_the_plan_says(pinned: Literal["ahead", "in passing"], folder: Path) -> None:
    """What is pinned, and how large it is, needs a GPU to be seen."""
    transformer = load_model(folder, plan=replace(PLANS["streamed"], pinned=pinned)).pipeline.transformer
    hook = HookRegistry.check_if_exists_or_initialize(transformer.transformer_blocks[0]).get_hook("group_offloading")
    assert hook.config.low_cpu_mem_usage == (pinned == "in passing")


def test_weights_kept_in_fp8_leave_adaptive_norms_and_fingerprint_alone(
    folder: Path, bank: ConceptBank, in_full: list[Image.Image]
) -> None:
    plan = replace(IN_FULL, numbers=replace(FLOAT32, weights="fp8-stored"), text_encoders="leave", norms="away")
    model = load_model(folder, plan=plan)
    block = model.pipeline.transformer.transformer_blocks[0]
    assert block.attn.to_q.weight.dtype == torch.float8_e4m3fn
    assert block.norm1_context.linear.weight.dtype == torch.float32
    assert model.fingerprint == compute_fingerprint(tiny_transformer())
    assert model.shares_tables and not load_model(folder, plan=IN_FULL).shares_tables
    assert all(worst(*pair) <= 40 for pair in zip(draw(model, bank), in_full, strict=True))


def test_blocks_that_are_compiled_draw_with_a_table_of_a_fixed_size(folder: Path) -> None:
    """That this draws the same and compiles nothing again is in test_modulation_beside.py."""
    model = load_model(folder, plan=replace(IN_FULL, compiled=True))
    assert model.pipeline.transformer.transformer_blocks[0]._compiled_call_impl is not None
    assert FluxRenderer(model, ConceptBank(folder)).num_rows == 16
