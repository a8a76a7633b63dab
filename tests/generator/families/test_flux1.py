"""What the laws for all families cannot see of FLUX.1: its single-stream blocks, and hooks of diffusers' own."""

import torch
from torch import Tensor

from generator.modulation import attach
from tests.generator.reference import sparse
from tests.generator.tiny import DIM, NUM_BLOCKS, tiny_inputs, tiny_transformer

TEXT_LEN = 6
ROWS = (1, 2)


def random_hidden(*shape: int) -> Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(4))


def test_law_2_holds_for_the_norm_of_a_single_stream_block() -> None:
    transformer, inputs = tiny_transformer(), tiny_inputs(batch=2)
    offset, temb, hidden = random_hidden(DIM), random_hidden(2, DIM), random_hidden(2, TEXT_LEN, DIM)
    norm = transformer.single_transformer_blocks[0].norm
    with torch.no_grad():
        expected = norm(hidden, emb=temb + offset)[0]
        with attach(transformer, sparse(offset.expand(1, 1, TEXT_LEN, DIM))):
            transformer(**inputs)
            ours = norm(hidden, emb=temb)[0]
    torch.testing.assert_close(ours, expected, atol=2e-6, rtol=1e-5)


def test_law_3_holds_for_the_norm_and_the_gate_of_a_single_stream_block() -> None:
    transformer, inputs = tiny_transformer(), tiny_inputs(batch=2)
    hidden, temb = random_hidden(2, TEXT_LEN + 3, DIM), random_hidden(2, DIM)
    block = transformer.single_transformer_blocks[0]
    offsets = torch.zeros(1, NUM_BLOCKS, TEXT_LEN, DIM)
    offsets[:, :, 1:3] = random_hidden(1, NUM_BLOCKS, 2, DIM)
    results: list[list[Tensor]] = []
    for attached in (offsets, torch.zeros(1, 1, TEXT_LEN, DIM)):
        with torch.no_grad(), attach(transformer, sparse(attached, rows=ROWS)):
            transformer(**inputs)
            results.append([block.norm(hidden, emb=temb)[0], block.proj_out(hidden.repeat(1, 1, 5))])
    others = [0, *range(3, TEXT_LEN + 3)]
    for with_offset, without in zip(*results, strict=True):
        assert torch.equal(with_offset[:, others], without[:, others])
        changed = (with_offset - without)[:, 1:3].abs().amax(dim=2)
        assert (changed > 1e-3).all(), f"tokens 1 and 2 change by {changed.tolist()}"


def test_law_4_holds_where_diffusers_has_hooks_of_its_own() -> None:
    transformer, inputs = tiny_transformer(), tiny_inputs()
    with transformer.cache_context("cond"), torch.no_grad():
        before = transformer(**inputs)[0]
    attributes = set(vars(transformer))
    with torch.no_grad():
        with attach(transformer, sparse(torch.ones(1, 1, TEXT_LEN, DIM))):
            transformer(**inputs)
        assert torch.equal(transformer(**inputs)[0], before)
    assert set(vars(transformer)) == attributes
