"""Where the model looks for a word: its form on a tiny random model, its truth on Pocket, whose world knows."""

import pytest
import torch

from benchmarks.concepts.cases import make_sources
from benchmarks.concepts.fitting import Texts, bind_words, example_of, token_spans
from benchmarks.concepts.masks import concept_mask
from generator.flow import encode_text
from generator.loading import FluxModel, load_model
from generator.word_regions import find_word_regions
from tests.generator.tiny import tiny_model


def test_regions_fill_zero_to_one_and_the_model_is_left_without_hooks() -> None:
    model = tiny_model()
    transformer = model.pipeline.transformer
    encoding = encode_text(model.pipeline, "a fox under an umbrella", max_sequence_length=20)
    latents = torch.randn(1, 1, 4, 6, generator=torch.Generator().manual_seed(0))
    regions = find_word_regions(transformer, latents, encoding, {"fox": [1], "both": [1, 2]})
    assert list(regions) == ["fox", "both"]
    for region in regions.values():
        assert region.shape == (1, 1, 4, 6)
        assert (region.min(), region.max()) == (0, 1)
        assert torch.equal(region[..., ::2, ::2], region[..., 1::2, 1::2]), "one value for each token"
    assert not any(module._forward_hooks or module._forward_pre_hooks for module in transformer.modules())
    again = find_word_regions(transformer, latents, encoding, {"fox": [1]})
    assert torch.equal(again["fox"], regions["fox"]), "the same picture gives the same region"


@pytest.fixture(scope="module")
def pocket() -> FluxModel:
    return load_model()


SHOWN = [
    pytest.param(source, concept, id=f"{source.name} {concept.word}")
    for source in make_sources(8, multi=True, seed=0)
    for concept in source.concepts
    if concept.kind in ("character", "clothing")
]


@pytest.mark.parametrize(("source", "concept"), SHOWN)
def test_pocket_looks_for_a_word_where_the_thing_is(pocket: FluxModel, source, concept) -> None:
    (latents, *_) = example_of(pocket, source).latents
    spans = token_spans(pocket, bind_words(source.caption, source))
    encoding = Texts(pocket).encode(source.caption)
    found = find_word_regions(pocket.pipeline.transformer, latents, encoding, {"it": list(spans[concept.id])})
    height, width = latents.shape[2] // 2, latents.shape[3] // 2
    region = found["it"][0, 0, ::2, ::2].flatten()
    mask = concept_mask(source, concept, (height, width))
    inside, outside = (region * mask).sum() / mask.sum(), (region * (1 - mask)).sum() / (1 - mask).sum()
    assert inside > 3 * outside, (inside, outside)
