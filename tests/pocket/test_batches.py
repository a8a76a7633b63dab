"""Batches put latents, captions and attributes of the same pictures together, in buckets of one shape each."""

import itertools
from pathlib import Path

import numpy as np
import pytest
import torch

from pocket.training.batches import (
    BUCKETS,
    LONG,
    NUM_ATTRIBUTES,
    SHORT,
    Batch,
    BatchStream,
    LatentDataset,
    attribute_vector,
)
from pocket.training.dataset import load_scenes
from pocket.training.text import build_encoders
from pocket.world.schema import Character
from tests.pocket.builders import character, thing, write_latent_folder

BATCH_SIZE = 8
SHAPES_OF_BUCKETS = {
    (8, 1, 16, 16): SHORT,
    (6, 1, 16, 16): LONG,
    (4, 1, 16, 32): LONG,
    (4, 1, 20, 16): LONG,
    (4, 1, 16, 24): LONG,
}
TWO_PARTS, COVER = (4, 1, 16, 32), (4, 1, 20, 16)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("latents")
    write_latent_folder(folder)
    return folder


@pytest.fixture(scope="module")
def batches(folder: Path) -> list[Batch]:
    """Enough draws to meet every bucket."""
    dataset, rng = LatentDataset(folder), np.random.default_rng(0)
    return [dataset.draw(rng, batch_size=BATCH_SIZE, drop_captions=0.0) for _ in range(200)]


def _of_shape(batches: list[Batch], shape: tuple[int, ...]) -> list[Batch]:
    return [batch for batch in batches if tuple(batch.latents.shape) == shape]


def test_shares_of_the_buckets_add_up() -> None:
    assert sum(bucket.share for bucket in BUCKETS) == pytest.approx(1)


def test_every_bucket_comes_up_with_its_shape_and_length_of_text(batches: list[Batch]) -> None:
    assert {tuple(batch.latents.shape): batch.text_len for batch in batches} == SHAPES_OF_BUCKETS
    for batch in batches:
        rows, _, height, width = batch.latents.shape
        assert len(batch.prompts) == rows
        assert batch.attributes.shape == (rows, height // 2 * (width // 2), NUM_ATTRIBUTES)
        assert 0 <= batch.attributes.min() <= batch.attributes.max() <= 1
        assert all(batch.prompts)
    assert 90 < len(_of_shape(batches, (8, 1, 16, 16))) < 140


def test_captions_and_attributes_are_those_of_the_picture(folder: Path, batches: list[Batch]) -> None:
    scenes, coverage = load_scenes(folder, "cover"), np.load(folder / "coverage-cover.npy")
    for batch in _of_shape(batches, COVER):
        for row, latents in enumerate(batch.latents):
            (number,) = latents.unique().int().tolist()
            figures = scenes[number].characters
            assert all(figure.kind in batch.prompts[row] for figure in figures)
            cells = coverage[number].reshape(2, -1) / 255
            expected = sum(cells[c, :, None] * attribute_vector(figure) for c, figure in enumerate(figures))
            assert np.allclose(batch.attributes[row], expected, atol=1e-5)


def test_two_parts_are_two_single_figures_side_by_side(folder: Path, batches: list[Batch]) -> None:
    scenes, coverage = load_scenes(folder, "square"), np.load(folder / "coverage-square.npy")
    for batch in _of_shape(batches, TWO_PARTS):
        attributes = batch.attributes.reshape(len(batch.prompts), 8, 16, NUM_ATTRIBUTES)
        for row, prompt in enumerate(batch.prompts):
            assert prompt.startswith("A picture divided into two parts. ")
            texts = prompt.split(" The right part is ")
            for part, text in enumerate(texts):
                (number,) = batch.latents[row, :, :, 16 * part : 16 * part + 16].unique().int().tolist()
                (figure,) = scenes[number].characters
                assert figure.kind in text
                cells = coverage[number, 0, :, :, None] / 255
                half = attributes[row, :, 8 * part : 8 * part + 8]
                assert np.allclose(half, cells * attribute_vector(figure), atol=1e-5)


def test_captions_are_dropped_for_guidance(folder: Path) -> None:
    dataset, rng = LatentDataset(folder), np.random.default_rng(1)
    dropped = dataset.draw(rng, batch_size=BATCH_SIZE, drop_captions=1.0)
    assert set(dropped.prompts) == {""}
    assert dropped.attributes.any()
    half = [dataset.draw(rng, batch_size=BATCH_SIZE, drop_captions=0.5).prompts for _ in range(20)]
    empty = [prompt == "" for prompts in half for prompt in prompts]
    assert 0.3 < np.mean(empty) < 0.7


def test_worker_processes_draw_what_their_seeds_say(folder: Path) -> None:
    encoders, dataset = build_encoders(), LatentDataset(folder)
    stream = BatchStream(dataset=dataset, encoders=encoders, batch_size=BATCH_SIZE, drop_captions=0.1, seed=(3, 1))
    drawn = list(itertools.islice(stream.load(num_workers=2), 4))
    for worker in (0, 1):
        rng = np.random.default_rng((3, 1, worker))
        for batch, token_ids in drawn[worker::2]:  # DataLoader takes turns
            expected = dataset.draw(rng, batch_size=BATCH_SIZE, drop_captions=0.1)
            assert batch.prompts == expected.prompts
            assert torch.equal(batch.latents, expected.latents)
            assert torch.equal(batch.attributes, expected.attributes)
            assert isinstance(token_ids, tuple)
            tokens = encoders.tokenize(expected.prompts, max_sequence_length=expected.text_len)
            assert all(torch.equal(ours, theirs) for ours, theirs in zip(token_ids, tokens, strict=True))


@pytest.mark.parametrize(
    ("shown", "num_ones"),
    [
        (character("fox"), 5),
        (character("fox", pattern="golden"), 4),
        (character("fox", clothing=thing("scarf", "red")), 7),
        (character("fox", clothing=thing("scarf", "red"), held=thing("lantern")), 8),
    ],
    ids=["bare", "golden has no colour", "clothed", "clothed and holding"],
)
def test_attributes_say_what_a_figure_has(shown: Character, num_ones: int) -> None:
    vector = attribute_vector(shown)
    assert vector.shape == (NUM_ATTRIBUTES,)
    assert vector[0] == 1
    assert set(vector.tolist()) == {0.0, 1.0}
    assert vector.sum() == num_ones


def test_every_attribute_changes_the_vector() -> None:
    variants = [
        character("fox", clothing=thing("scarf", "red")),
        character("cat", clothing=thing("scarf", "red")),
        character("fox", clothing=thing("scarf", "blue")),
        character("fox", clothing=thing("hat", "red")),
        character("fox", clothing=thing("scarf", "red"), colour="red"),
        character("fox", clothing=thing("scarf", "red"), pattern="spotted"),
        character("fox", clothing=thing("scarf", "red"), pose="sitting"),
        character("fox", clothing=thing("scarf", "red"), held=thing("lantern")),
        character("fox", clothing=thing("scarf", "red"), held=thing("umbrella")),
    ]
    assert len({tuple(attribute_vector(variant)) for variant in variants}) == len(variants)
