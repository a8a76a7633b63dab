"""What a table keeps while it is attached, and that nothing keeps it afterwards."""

import gc
import weakref
from collections.abc import Callable, Iterator
from typing import Any

import pytest
import torch
from diffusers import FirstBlockCacheConfig, FluxTransformer2DModel

from generator.concept_guidance import guide_by_concepts
from generator.modulation import attach
from generator.modulation_table import ModulationTable, attach_table
from tests.generator.tables import SCHEDULE, inputs_at, rows_at
from tests.generator.tiny import tiny_transformer


@pytest.fixture
def no_collector() -> Iterator[None]:
    """What is let go must be gone at once: a collector comes when it likes, and a table is gigabytes."""
    gc.collect()
    gc.disable()
    yield
    gc.enable()


def draw(transformer: Any, table: ModulationTable, *, scale: float = 1.0) -> None:
    with guide_by_concepts(transformer, table, scale=scale):
        for step in range(3):
            with transformer.cache_context("cond"):
                transformer(**inputs_at(step))


def nothing(transformer: FluxTransformer2DModel) -> None:
    del transformer


def cached(transformer: FluxTransformer2DModel) -> None:
    transformer.enable_cache(FirstBlockCacheConfig(threshold=0.08))


def compiled(transformer: FluxTransformer2DModel) -> None:
    torch._dynamo.reset()
    transformer.compile_repeated_blocks(fullgraph=True, backend="eager")


@pytest.mark.parametrize("scale", [1.0, 2.0], ids=["by-themselves", "guided"])
@pytest.mark.parametrize("prepare", [nothing, cached, compiled])
@pytest.mark.usefixtures("no_collector")
def test_a_table_is_gone_with_its_picture(prepare: Callable[[FluxTransformer2DModel], None], scale: float) -> None:
    transformer = tiny_transformer()
    prepare(transformer)
    for positions in ((1, 2), (4, 3)):
        with torch.no_grad(), attach_table(transformer, rows_at(positions), schedule=lambda: SCHEDULE) as table:
            draw(transformer, table, scale=scale)
        kept = [weakref.ref(table), *(weakref.ref(rows) for step in table.steps.values() for rows in step)]
        assert all(reference() is not None for reference in kept), "what is in use must be there"
        del table
        assert [reference() for reference in kept if reference() is not None] == []


@pytest.mark.usefixtures("no_collector")
def test_offsets_are_gone_with_their_picture() -> None:
    transformer, rows = tiny_transformer(), rows_at((1, 2))
    with torch.no_grad(), attach(transformer, rows):
        transformer(**inputs_at(0))
    kept = weakref.ref(rows.offsets)
    del rows
    assert kept() is None


def places(table: ModulationTable) -> list[int]:
    """Addresses of all that blocks read of a table."""
    read = [*(stand_in.current for stand_in in table.stand_ins), *(each.current_BKW for each in table.of_tokens)]
    return [tensor.data_ptr() for tensor in (*read, table.tokens.positions_BK, table.tokens.one)]


def test_steps_and_other_prompts_are_read_at_one_place_while_a_table_is_attached() -> None:
    """As CUDA graphs need it."""
    transformer, first = tiny_transformer(), inputs_at(0)
    other_text = {**first, "pooled_projections": first["pooled_projections"] + 1}
    seen: list[list[int]] = []
    with (
        torch.no_grad(),
        attach_table(transformer, rows_at((1, 2)), schedule=lambda: SCHEDULE, sigma_min=0.3) as table,
    ):
        for inputs in (first, inputs_at(1), inputs_at(2), other_text, {**first, "guidance": torch.full((1,), 9.0)}):
            transformer(**inputs)
            seen.append(places(table))
        assert all(each == seen[0] for each in seen[1:])
        before = table.stand_ins[0].current.clone()
        transformer(**other_text)
        assert not torch.equal(before, table.stand_ins[0].current), "what is read there must change"


def test_another_attachment_is_read_at_a_place_of_its_own() -> None:
    """So a CUDA graph that was captured by hand serves the attachment in which it was captured."""
    transformer, tables = tiny_transformer(), []
    for positions in ((1, 2), (4, 3)):
        with torch.no_grad(), attach_table(transformer, rows_at(positions), schedule=lambda: SCHEDULE) as table:
            transformer(**inputs_at(0))
            tables.append(table)
    first, second = (places(table) for table in tables)
    assert not set(first) & set(second)
