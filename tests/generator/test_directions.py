"""Directions on disk and on tokens."""

from collections.abc import Sequence
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file
from torch import Tensor

from concepts.errors import DamagedConcept
from generator.directions import (
    FIRST_FORMAT,
    FORMAT,
    Direction,
    DirectionBinding,
    Space,
    build_token_rows,
    load_direction,
    place_direction,
    save_direction,
)
from generator.errors import DirectionMismatch, TokenSpanError
from tests.generator.reference import dense

METADATA = {"format": FORMAT, "space": "activated"}


def direction(num_pieces: int = 1, num_blocks: int = 1, dim: int = 4, *, seed: int = 0) -> Tensor:
    return torch.randn(num_pieces, num_blocks, dim, generator=torch.Generator().manual_seed(seed))


def binding(
    tensor: Tensor, start: int, stop: int, *, strength: float = 1.0, space: Space = "activated"
) -> DirectionBinding:
    return DirectionBinding("rusty", "straw hat", Direction(tensor, space), start, stop, strength)


@pytest.mark.parametrize("space", ["temb", "activated"])
def test_a_direction_comes_back_as_it_was_saved(tmp_path: Path, space: Space) -> None:
    learnt = direction(2, 3).requires_grad_(True)
    save_direction(Direction(learnt, space), tmp_path / "direction.safetensors")
    loaded = load_direction(tmp_path / "direction.safetensors")
    assert torch.equal(loaded.vectors, learnt)
    assert loaded.space == space
    assert not loaded.vectors.requires_grad
    assert [path.name for path in tmp_path.iterdir()] == ["direction.safetensors"]


def test_a_file_of_the_first_format_is_in_the_space_of_temb(tmp_path: Path) -> None:
    save_file({"direction": direction()}, tmp_path / "direction.safetensors", {"format": FIRST_FORMAT})
    loaded = load_direction(tmp_path / "direction.safetensors")
    assert torch.equal(loaded.vectors, direction())
    assert loaded.space == "temb"


@pytest.mark.parametrize(
    "tensor", [torch.zeros(2, 3), torch.zeros(0, 1, 4), torch.full((1, 1, 4), torch.nan)], ids=["rank", "empty", "nan"]
)
def test_what_is_no_direction_is_not_saved_over_one(tmp_path: Path, tensor: Tensor) -> None:
    path = tmp_path / "direction.safetensors"
    save_direction(Direction(direction(), "temb"), path)
    with pytest.raises(DirectionMismatch, match="num_pieces, num_blocks, dim"):
        save_direction(Direction(tensor, "temb"), path)
    assert torch.equal(load_direction(path).vectors, direction())


@pytest.mark.parametrize(
    ("tensors", "metadata", "message"),
    [
        ({"direction": direction()}, None, "no direction"),
        ({"direction": direction()}, {"format": "fableverse-direction-3", "space": "temb"}, "fableverse-direction-3"),
        ({"direction": direction()}, {"format": FORMAT}, "the space None"),
        ({"direction": direction()}, {"format": FORMAT, "space": "w"}, "the space 'w'"),
        ({"lora": direction()}, METADATA, "lora"),
        ({"direction": direction(), "extra": direction()}, METADATA, "extra"),
        ({"direction": torch.zeros(3, 4)}, METADATA, r"\(3, 4\)"),
        ({"direction": direction().double()}, METADATA, "float64"),
        ({"direction": torch.full((1, 1, 4), torch.inf)}, METADATA, "finite"),
    ],
    ids=[
        "no-format",
        "other-format",
        "no-space",
        "other-space",
        "other-name",
        "more-tensors",
        "shape",
        "dtype",
        "infinite",
    ],
)
def test_foreign_files_are_refused(
    tmp_path: Path, tensors: dict[str, Tensor], metadata: dict[str, str] | None, message: str
) -> None:
    path = tmp_path / "direction.safetensors"
    save_file(tensors, path, metadata=metadata)
    with pytest.raises(DamagedConcept, match=message):
        load_direction(path)


def test_truncated_and_missing_files_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "direction.safetensors"
    save_direction(Direction(direction(), "activated"), path)
    path.write_bytes(path.read_bytes()[:-3])
    with pytest.raises(DamagedConcept, match="cannot be read"):
        load_direction(path)
    with pytest.raises(DamagedConcept, match="missing.safetensors"):
        load_direction(tmp_path / "missing.safetensors")


def laid_over(bindings: Sequence[DirectionBinding], *, num_blocks: int = 1, text_len: int = 4) -> Tensor:
    """What is added to temb in one prompt, `(num_blocks, text_len, 4)`."""
    return dense(build_token_rows([bindings], num_blocks=num_blocks, text_len=text_len, dim=4), num_blocks=num_blocks)[
        0
    ]


def test_each_piece_goes_to_its_token_in_each_block() -> None:
    learnt = direction(2, 3)
    offsets = laid_over([binding(learnt, 1, 3, space="temb")], num_blocks=3, text_len=5)
    assert offsets.shape == (3, 5, 4)
    for block in range(3):
        for piece in range(2):
            assert torch.equal(offsets[block, 1 + piece], learnt[piece, block])
    assert not offsets[:, [0, 3, 4]].any()


def test_a_shared_direction_goes_to_every_block() -> None:
    learnt = direction(2, 1)
    offsets = laid_over([binding(learnt, 0, 2, space="temb")], num_blocks=3, text_len=2)
    assert all(torch.equal(offsets[block], learnt[:, 0]) for block in range(3))


def test_strength_scales_a_direction() -> None:
    whole, half = (laid_over([binding(direction(), 0, 1, space="temb", strength=by)]) for by in (1.0, 0.5))
    assert whole.any()
    torch.testing.assert_close(half, whole / 2)


def test_law_5_bindings_in_any_order_give_the_same_offsets() -> None:
    """On one token the sum of three differs in the last bit."""
    bindings = [binding(direction(2, seed=seed), at, at + 2, space="temb") for seed, at in enumerate((0, 1, 0))]
    forwards = laid_over(bindings, num_blocks=2)
    backwards = laid_over(bindings[::-1], num_blocks=2)
    torch.testing.assert_close(forwards, backwards)


@pytest.mark.parametrize("space", ["temb", "activated"])
def test_a_direction_is_placed_on_tokens_apart_where_its_space_is(space: Space) -> None:
    learnt = direction(2, 3)
    rows = place_direction(Direction(learnt, space), (5, 1), text_len=6)
    assert rows.positions.tolist() == [[5, 1]]
    assert (rows.activated is None) == (space == "temb")
    found = rows.offsets if rows.activated is None else rows.activated
    assert torch.equal(found[0].transpose(0, 1), learnt)
    assert rows.activated is None or not rows.offsets.any()


def test_another_number_of_pieces_is_refused_with_the_word_as_learnt() -> None:
    with pytest.raises(DirectionMismatch, match=r"Write them as 'straw hat'"):
        laid_over([binding(direction(2), 1, 2)])


@pytest.mark.parametrize("tensor", [direction(1, 2), direction(1, 1, 5)], ids=["blocks", "dim"])
def test_a_direction_of_another_architecture_is_refused(tensor: Tensor) -> None:
    with pytest.raises(DirectionMismatch, match="has 3 of width 4"):
        laid_over([binding(tensor, 0, 1)], num_blocks=3)


@pytest.mark.parametrize(("start", "stop"), [(1, 1), (-1, 0), (3, 5)], ids=["empty", "negative", "beyond"])
def test_spans_outside_the_prompt_are_refused(start: int, stop: int) -> None:
    with pytest.raises(TokenSpanError, match=r"tokens \[0, 4\)"):
        laid_over([binding(direction(), start, stop)])
