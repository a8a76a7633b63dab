"""Pages of a book whose tables are computed in one go are those of tables that each computes for itself."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from concepts.bank import ConceptBank
from generator.book_tables import BookTables, Pages
from generator.directions import TokenRows
from generator.flux_renderer import FluxRenderer
from generator.modulation_table import attach_table
from tests.generator.tables import SCHEDULE, inputs_at, rows_at
from tests.generator.test_flux_renderer import add, difference, orders
from tests.generator.tiny import POOLED_DIM, TINY_SETTINGS, tiny_model, tiny_transformer

POSITIONS = ((1, 2), (4, 0), (3, 5))
"""Of the concepts of three prompts."""
POOLED = torch.randn(3, POOLED_DIM, generator=torch.Generator().manual_seed(2))


@contextmanager
def counted_rows(transformer: Any) -> Iterator[list[int]]:
    """How many rows an adaptive norm was given, by call."""
    norm: nn.Module = transformer.transformer_blocks[0].norm1_context.linear
    calls: list[int] = []
    with norm.register_forward_hook(lambda _, args, __: calls.append(args[0].shape[0])):
        yield calls


def passes(transformer: Any, items: Sequence[int], rows: TokenRows, *, pages: Pages | None, sigma_min: float) -> Tensor:
    """All steps of some prompts together, each with noise of its own."""
    given: dict[str, Any] = {"pooled_projections": POOLED[[*items]]}
    if not transformer.config.guidance_embeds:
        given["guidance"] = None
    with (
        torch.no_grad(),
        attach_table(transformer, rows, schedule=lambda: SCHEDULE, sigma_min=sigma_min, pages=pages),
    ):
        return torch.stack(
            [transformer(**{**inputs_at(step, batch=len(items)), **given})[0] for step in range(len(SCHEDULE))]
        )


@pytest.mark.parametrize("sigma_min", [0.0, 0.3])
@pytest.mark.parametrize("is_guided", [True, False], ids=["guidance", "no-guidance"])
def test_tables_of_a_book_are_computed_once_and_are_what_each_would_compute(is_guided: bool, sigma_min: float) -> None:
    transformer, rows = tiny_transformer(guidance_embeds=is_guided), rows_at(*POSITIONS)
    book = BookTables(rows, POOLED)
    with counted_rows(transformer) as calls:
        shared = [
            passes(transformer, items, book.pages(items).rows, pages=book.pages(items), sigma_min=sigma_min)
            for items in (range(1, 3), range(1), range(1, 3))
        ]
    assert len(calls) == 1
    for items, drawn in zip((range(1, 3), range(1)), shared, strict=False):
        own = TokenRows(rows.positions[[*items]], rows.offsets[[*items]], rows.text_len)
        expected = passes(transformer, items, own, pages=None, sigma_min=sigma_min)
        torch.testing.assert_close(drawn, expected, atol=1e-5, rtol=1e-5)
    assert torch.equal(shared[2], shared[0])
    assert (shared[0][:, :1] - shared[1]).abs().max() > 1e-3, "prompts must show"


def test_another_schedule_has_other_tables() -> None:
    transformer, book = tiny_transformer(), BookTables(rows_at(*POSITIONS), POOLED)
    pages = book.pages(range(1))
    with counted_rows(transformer) as calls, torch.no_grad():
        for schedule in (SCHEDULE, SCHEDULE[:2], SCHEDULE[:2]):
            with attach_table(transformer, pages.rows, schedule=lambda levels=schedule: levels, pages=pages):
                transformer(**{**inputs_at(0), "pooled_projections": POOLED[:1]})
    assert len(calls) == 2


def test_a_book_of_large_pictures_fetches_the_norms_once_where_they_are_away(tmp_path: Path) -> None:
    """Guided by concepts in their one step."""
    model, bank = tiny_model(), ConceptBank(tmp_path / "bank")
    add(bank, "rusty", "fox", 1, base_model=model.fingerprint)
    add(bank, "straw", "straw hat", 2, base_model=model.fingerprint)
    large = replace(TINY_SETTINGS, height=512, width=512, num_inference_steps=1, concept_guidance_scale=2.0)
    with counted_rows(model.pipeline.transformer) as calls:
        apart = [*FluxRenderer(model, bank, num_rows=1).render_all(orders(3), settings=large)]
        num_apart = len(calls)
        sharing = FluxRenderer(replace(model, shares_tables=True), bank, num_rows=1)
        together = [*sharing.render_all(orders(3), settings=large)]
    assert (num_apart, len(calls) - num_apart) == (3, 1)
    assert all(difference(*pair) < 0.01 for pair in zip(together, apart, strict=True))
    assert difference(together[0], together[1]) > 1
