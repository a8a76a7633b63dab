"""Where the model looks for a word: its form on a tiny random model, its truth on Pocket, whose world knows."""

import numpy as np
import pytest
import torch
from PIL import Image

from benchmarks.concepts.cases import BenchConcept, BenchSource, make_sources
from benchmarks.concepts.fitting import Texts, bind_words, example_of, token_spans
from benchmarks.concepts.masks import concept_mask
from generator.flow import encode_text
from generator.learning_loss import keep_rows
from generator.learning_material import Material, weights_of_sides
from generator.learning_task import plan_learning
from generator.loading import FluxModel, load_model
from generator.recipe import ConceptRequest, LearningRecipe, SourcePicture
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
    torch.testing.assert_close(again["fox"], regions["fox"])


@pytest.fixture(scope="module")
def pocket() -> FluxModel:
    return load_model()


SHOWN = [
    pytest.param(source, concept, id=f"{source.name} {concept.word}")
    for source in make_sources(8, multi=True, seed=0)
    for concept in source.concepts
    if concept.kind in ("character", "clothing")  # words of materials mean nothing to Pocket in the benchmark
]


@pytest.mark.parametrize(("source", "concept"), SHOWN)
def test_pocket_looks_for_a_word_where_the_thing_is(
    pocket: FluxModel, source: BenchSource, concept: BenchConcept
) -> None:
    (latents, *_) = example_of(pocket, source).latents
    spans = token_spans(pocket, bind_words(source.caption, source))
    encoding = Texts(pocket).encode(source.caption)
    found = find_word_regions(pocket.pipeline.transformer, latents, encoding, {"it": list(spans[concept.id])})
    height, width = latents.shape[2] // 2, latents.shape[3] // 2
    region = found["it"][0, 0, ::2, ::2].flatten()
    mask = concept_mask(source, concept, (height, width))
    inside, outside = (region * mask).sum() / mask.sum(), (region * (1 - mask)).sum() / (1 - mask).sum()
    assert inside > 3 * outside, (inside, outside)


def test_an_object_counts_where_the_model_looks_for_it_and_a_character_everywhere() -> None:
    model, picture = tiny_model(), Image.fromarray(np.arange(32 * 32 * 3, dtype=np.uint8).reshape(32, 32, 3))
    concepts = [
        ConceptRequest(id="rusty", word="fox", kind="character"),
        ConceptRequest(id="brolly", word="umbrella", kind="object"),
    ]
    sources = [SourcePicture(picture=picture, caption="a fox under the umbrella")]
    recipe = LearningRecipe(height=32, width=32, max_sequence_length=20, isolation_fraction=0, elsewhere_weight=0.25)
    task = plan_learning(model, sources, concepts, recipe=recipe, isolation_prompts=())
    ((source,), (planned,)) = Material.prepare(model, task, [picture], (), cache_dir=None).sources, task.sources
    of_concept = dict(zip(planned.concept_ids, source.weights[0], strict=True))
    umbrella = of_concept["brolly"]
    assert of_concept["rusty"] is None
    assert umbrella is not None
    tokens = keep_rows(source.captions[0].placement, frozenset(task.rows["brolly"])).positions
    transformer, encoding = model.pipeline.transformer, source.captions[0].encoding
    region = find_word_regions(transformer, source.latents[0], encoding, {"it": tokens})["it"]
    torch.testing.assert_close(umbrella, 0.25 + 0.75 * region)


def test_a_mirrored_picture_has_mirrored_weights() -> None:
    weights = torch.rand(1, 1, 4, 4), None
    assert weights_of_sides(weights, 1) == (weights,)
    first, (mirrored, nothing) = weights_of_sides(weights, 2)
    assert first == weights
    assert nothing is None
    assert mirrored is not None
    assert torch.equal(mirrored[0, 0, :, 0], weights[0][0, 0, :, 3])
