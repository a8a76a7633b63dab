"""Which concepts may blend, measured on a tiny model."""

import pytest
import torch
from diffusers.hooks.context_parallel import apply_context_parallel, remove_context_parallel
from diffusers.models._modeling_parallel import ContextParallelConfig, ParallelConfig, TensorParallelConfig
from PIL import Image

from concepts.bank import ConceptBank, hash_direction
from concepts.binding import expand_handles
from concepts.schema import Concept
from generator.blending import compare_keys, recorded_keys
from generator.directions import Direction, save_direction
from generator.errors import UnsupportedModel
from generator.flux_renderer import FluxRenderer
from generator.key_similarity import LIKE_COPIES, KeySimilarity, blending_warnings
from tests.generator.tiny import DIM, NUM_BLOCKS, tiny_inputs, tiny_model, tiny_transformer


def add(bank: ConceptBank, concept_id: str, word: str, direction: torch.Tensor, base_model: str) -> None:
    path, picture = bank.folder.parent / "new.safetensors", bank.folder.parent / "new.png"
    save_direction(Direction(direction, "activated"), path)
    Image.new("RGB", (8, 8)).save(picture)
    concept = Concept(
        id=concept_id,
        word=word,
        kind="object",
        caption=f"a {word}",
        base_model=base_model,
        base_model_name="tiny",
        direction_sha256=hash_direction(path),
        recipe={},
    )
    bank.add(concept, source=picture, direction=path, preview=picture)


@pytest.fixture(scope="module")
def renderer(tmp_path_factory: pytest.TempPathFactory) -> FluxRenderer:
    """Three concepts: two with one direction, which is strong, and one with its opposite."""
    model, bank = tiny_model(), ConceptBank(tmp_path_factory.mktemp("bank") / "bank")
    strong = 30 * torch.randn(1, NUM_BLOCKS, DIM, generator=torch.Generator().manual_seed(0))
    for concept_id, word, direction in (("twin", "fox", strong), ("twain", "hat", strong), ("foe", "snow", -strong)):
        add(bank, concept_id, word, direction, model.fingerprint)
    return FluxRenderer(model, bank)


def test_concepts_of_one_strong_direction_have_like_keys(renderer: FluxRenderer) -> None:
    found = renderer.key_similarities(expand_handles("a @twin in the @foe under a @twain", renderer.bank))
    assert [(each.first, each.second) for each in found][0] == ("twin", "twain")
    assert len(found) == 3
    assert found[0].similarity > 0.75
    assert max(each.similarity for each in found[1:]) < LIKE_COPIES


def test_the_transformer_is_left_as_it_was_and_nothing_is_measured_for_one_concept(renderer: FluxRenderer) -> None:
    assert renderer.key_similarities(expand_handles("a @twin", renderer.bank)) == ()
    renderer.key_similarities(expand_handles("a @twin and a @foe", renderer.bank))
    transformer = renderer.model.pipeline.transformer
    assert not any(module._forward_hooks or module._forward_pre_hooks for module in transformer.modules())


def test_keys_are_not_compared_where_no_process_has_all_of_them(renderer: FluxRenderer) -> None:
    transformer = renderer.model.pipeline.transformer
    apply_context_parallel(transformer, ContextParallelConfig(ulysses_degree=2), transformer._cp_plan)
    try:
        with pytest.raises(UnsupportedModel, match="before it is enabled"):
            renderer.key_similarities(expand_handles("a @twin and a @foe", renderer.bank))
    finally:
        remove_context_parallel(transformer, transformer._cp_plan)


def test_keys_are_not_compared_where_a_process_has_some_heads_alone(renderer: FluxRenderer) -> None:
    transformer = renderer.model.pipeline.transformer
    transformer._parallel_config = ParallelConfig(tensor_parallel_config=TensorParallelConfig(tp_degree=2))
    try:
        with pytest.raises(UnsupportedModel, match="all tokens and heads"):
            renderer.key_similarities(expand_handles("a @twin and a @foe", renderer.bank))
    finally:
        transformer._parallel_config = None


def test_keys_are_those_of_every_block_and_begin_with_the_text() -> None:
    transformer, inputs = tiny_transformer(), tiny_inputs(text_len=6, image_len=4)
    with torch.no_grad(), recorded_keys(transformer) as keys:
        transformer(**inputs)
    assert [tuple(each.shape) for each in keys] == [(6, 2, 16), (6, 2, 16), (10, 2, 16), (10, 2, 16)]


def test_keys_are_recorded_of_compiled_blocks_that_have_run_without() -> None:
    transformer, inputs = tiny_transformer(), tiny_inputs(text_len=6, image_len=4)
    transformer.compile_repeated_blocks(fullgraph=True, backend="eager")
    compiled = transformer.transformer_blocks[0]._compiled_call_impl
    with torch.no_grad():
        transformer(**inputs)
        with recorded_keys(transformer) as keys:
            transformer(**inputs)
    assert len(keys) == NUM_BLOCKS
    assert transformer.transformer_blocks[0]._compiled_call_impl is compiled is not None


def test_similarity_is_the_mean_cosine_over_blocks_and_heads() -> None:
    east, north = torch.tensor([1.0, 0.0]), torch.tensor([0.0, 2.0])
    first_block = torch.stack([east, east, north])[:, None].repeat(1, 2, 1)
    second_block = torch.stack([east, north, -east])[:, None].repeat(1, 2, 1)
    tokens = {"a": [0], "b": [1], "c": [2]}
    found = {(each.first, each.second): each.similarity for each in compare_keys([first_block, second_block], tokens)}
    assert found == pytest.approx({("a", "b"): 0.5, ("a", "c"): -0.5, ("b", "c"): 0.0}, abs=1e-6)


def test_what_is_as_alike_as_copies_is_told_without_a_cure_that_was_not_shown_to_be_one() -> None:
    close, apart = KeySimilarity(0.81, "ann", "ben"), KeySimilarity(0.49, "ann", "cat")
    (warning,) = blending_warnings([close, apart])
    assert "ann and ben are as alike as two copies of one direction" in warning
    assert "0.81" in warning and "may blend" in warning and "pictures of their own" in warning
    assert "likely" not in warning and "--joint" not in warning
