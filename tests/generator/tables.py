"""Rows, inputs and a schedule for tests of tables on the tiny transformer."""

from typing import Any

import torch
from torch import Tensor

from generator.directions import Direction, DirectionBinding, Space, TokenRows
from generator.modulation_table import attach_table
from tests.generator.tiny import DIM, NUM_BLOCKS, tiny_inputs

TEXT_LEN = 6
SCHEDULE = torch.tensor([900.0, 500.0, 100.0])
TWO_PROMPTS = ((1, 2), (4, 0))
"""Token positions of the concepts of two prompts in one batch."""
NOTHING = TokenRows(torch.zeros(1, 0, dtype=torch.long), torch.zeros(1, 1, 0, DIM), TEXT_LEN)


def rows_at(*positions: tuple[int, ...], num_blocks: int = NUM_BLOCKS) -> TokenRows:
    shape = (len(positions), num_blocks, len(positions[0]), DIM)
    return TokenRows(torch.tensor(positions), torch.randn(shape, generator=torch.Generator().manual_seed(1)), TEXT_LEN)


def inputs_at(step: int, *, batch: int = 1, seed: int = 0) -> dict[str, Any]:
    inputs = tiny_inputs(batch=batch, seed=seed)
    return {**inputs, "timestep": (SCHEDULE[step] / 1000).expand(batch)}


def run(transformer: Any, inputs: dict[str, Any], rows: TokenRows) -> Tensor:
    with torch.no_grad(), attach_table(transformer, rows, schedule=lambda: SCHEDULE):
        return transformer(**inputs)[0]


def plain(transformer: Any, inputs: dict[str, Any]) -> Tensor:
    with torch.no_grad():
        return transformer(**inputs)[0]


def binding(
    start: int, stop: int, value: float, num_pieces: int | None = None, *, space: Space = "temb"
) -> DirectionBinding:
    direction = torch.full((num_pieces or stop - start, NUM_BLOCKS, DIM), value)
    return DirectionBinding("rusty", "fox", Direction(direction, space), start, stop, strength=2.0)
