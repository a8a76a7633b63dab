"""Rows of directions at the tokens of concepts, which a table gathers instead of offsets for all tokens."""

from dataclasses import replace

import pytest
import torch

from generator.directions import DirectionBinding, build_token_rows
from generator.errors import DirectionMismatch, InvalidSettings, TokenSpanError
from tests.generator.reference import dense
from tests.generator.tables import TEXT_LEN, binding
from tests.generator.tiny import DIM, NUM_BLOCKS


def test_rows_are_the_tokens_that_offsets_are_laid_over() -> None:
    prompts = [[binding(1, 3, 1.0), binding(2, 4, 0.5)], [binding(5, 6, 3.0)]]
    rows = build_token_rows(prompts, num_blocks=NUM_BLOCKS, text_len=TEXT_LEN, dim=DIM)
    assert rows.positions.tolist() == [[1, 2, 3], [5, 0, 1]]
    for item, bindings in enumerate(prompts):
        expected = torch.zeros(NUM_BLOCKS, TEXT_LEN, DIM)
        for each in bindings:
            expected[:, each.start : each.stop] += each.strength * each.direction.vectors.transpose(0, 1)
        assert torch.equal(dense(rows)[item], expected)


def test_rows_have_the_directions_of_each_space_apart() -> None:
    bindings = [binding(1, 3, 1.0), binding(2, 4, 0.5, space="activated")]
    rows = build_token_rows([bindings], num_blocks=NUM_BLOCKS, text_len=TEXT_LEN, dim=DIM)
    assert rows.positions.tolist() == [[1, 2, 3]]
    assert rows.activated is not None
    assert rows.offsets[0, :, :, 0].tolist() == [[2.0, 2.0, 0.0]] * NUM_BLOCKS
    assert rows.activated[0, :, :, 0].tolist() == [[0.0, 1.0, 1.0]] * NUM_BLOCKS


def test_rows_can_have_one_number_whatever_the_prompt() -> None:
    for bindings in ([], [binding(1, 3, 1.0)]):
        rows = build_token_rows([bindings], num_blocks=NUM_BLOCKS, text_len=TEXT_LEN, dim=DIM, num_rows=4)
        assert rows.offsets.shape == (1, NUM_BLOCKS, 4, DIM)
        assert len(set(rows.positions[0].tolist())) == 4


def test_rows_are_filled_where_they_are_wanted() -> None:
    bindings = [binding(1, 3, 1.0), binding(2, 4, 0.5, space="activated")]
    rows = build_token_rows([bindings], num_blocks=NUM_BLOCKS, text_len=TEXT_LEN, dim=DIM, device="meta")
    assert rows.activated is not None
    assert (rows.offsets.device.type, rows.activated.device.type) == ("meta", "meta")
    assert rows.positions.tolist() == [[1, 2, 3]]


@pytest.mark.parametrize("part", [range(3), range(3, 6), range(2, 4), range(6)], ids=str)
def test_rows_within_a_part_of_the_text_are_what_offsets_have_there(part: range) -> None:
    """In as many rows as in any other part, though the second prompt has no concept in its end."""
    prompts = [[binding(1, 3, 1.0), binding(4, 5, 0.5)], [binding(0, 2, 3.0, space="activated"), binding(2, 3, 2.0)]]
    rows = build_token_rows(prompts, num_blocks=NUM_BLOCKS, text_len=TEXT_LEN, dim=DIM)
    assert rows.activated is not None
    within = rows.within(part)
    assert within.activated is not None
    assert within.positions.shape == (2, min(3, len(part)))
    assert all(len(set(positions)) == len(positions) for positions in within.positions.tolist())
    for of_part, of_all in ((within.offsets, rows.offsets), (within.activated, rows.activated)):
        expected = dense(replace(rows, offsets=of_all))[:, :, part.start : part.stop]
        assert torch.equal(dense(replace(within, offsets=of_part)), expected)


@pytest.mark.parametrize(
    ("bindings", "num_rows", "error"),
    [
        ([binding(1, 3, 1.0, num_pieces=1)], 0, DirectionMismatch),
        ([binding(5, 7, 1.0)], 0, TokenSpanError),
        ([], TEXT_LEN + 1, InvalidSettings),
    ],
    ids=["pieces", "span", "too-many"],
)
def test_bindings_that_do_not_fit_have_no_rows(
    bindings: list[DirectionBinding], num_rows: int, error: type[Exception]
) -> None:
    with pytest.raises(error):
        build_token_rows([bindings], num_blocks=NUM_BLOCKS, text_len=TEXT_LEN, dim=DIM, num_rows=num_rows)
