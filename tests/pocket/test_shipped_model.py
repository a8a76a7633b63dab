"""The model, probe, lexicon and sample bank that the repository ships."""

import json
from pathlib import Path

import pytest
from PIL import Image

from concepts.bank import ConceptBank
from concepts.lexicon import Lexicon
from generator.loading import POCKET_FOLDER, FluxModel, load_model
from pocket import evaluation
from pocket.probe import load_probe, read_pictures
from pocket.training.export import CARD
from pocket.world import captions, drawing, schema

POCKET = POCKET_FOLDER.parent
MEGABYTE = 10**6


@pytest.fixture(scope="module")
def model() -> FluxModel:
    return load_model("pocket")


def test_the_model_folder_is_small_and_in_small_shards() -> None:
    sizes = [path.stat().st_size for path in POCKET_FOLDER.rglob("*") if path.is_file()]
    assert sum(sizes) <= 40 * MEGABYTE
    assert max(sizes) <= 15 * MEGABYTE
    assert not list(POCKET_FOLDER.rglob("*.bin"))


def test_the_transformer_is_guidance_distilled_and_of_the_promised_size(model: FluxModel) -> None:
    transformer = model.pipeline.transformer
    assert transformer.config.guidance_embeds
    assert 6e6 <= sum(parameter.numel() for parameter in transformer.parameters()) <= 15e6
    assert model.defaults.num_inference_steps <= 20
    assert model.defaults.height == model.defaults.width == 256


def test_the_card_is_the_one_that_training_writes() -> None:
    assert json.loads((POCKET_FOLDER / "fableverse.json").read_text(encoding="utf-8")) == CARD


def test_the_lexicon_says_what_the_world_draws(model: FluxModel) -> None:
    lexicon = Lexicon.load(POCKET / "lexicon.json")
    assert model.lexicon == lexicon
    assert lexicon.characters == schema.CHARACTERS
    assert lexicon.colours == schema.COLOURS
    assert lexicon.clothing == schema.CLOTHING
    assert lexicon.held_objects == schema.HELD_OBJECTS
    assert lexicon.objects == schema.OBJECTS
    assert tuple(lexicon.poses) == schema.POSES
    assert lexicon.places == captions.PLACE_PHRASES
    assert lexicon.lights == captions.LIGHT_PHRASES
    assert lexicon.patterns == tuple(pattern for pattern in schema.PATTERNS if pattern != "plain")


def test_the_probe_reads_drawn_pictures() -> None:
    scenes = evaluation.unseen_scenes(60, seed=5)
    readings = read_pictures(load_probe(), [Image.fromarray(drawing.draw_scene(scene)) for scene in scenes])
    shares = evaluation.agreement(scenes, readings)
    assert min(shares.values()) >= 0.75, shares
    assert min(shares[name] for name in ("colour", "place", "light", "number")) >= 0.9, shares


def test_pictures_show_what_prompts_of_unseen_combinations_name(model: FluxModel) -> None:
    scenes = evaluation.unseen_scenes(24, seed=6)
    draw = evaluation.drawer(model, true_cfg_scale=1.0, settings={})
    prompts = evaluation.full_captions(scenes, seed=6)
    readings = read_pictures(load_probe(), [draw(prompt, seed) for seed, prompt in enumerate(prompts)])
    shares = evaluation.agreement(scenes, readings)
    # Below the measured shares of docs/LOG.md by more than two standard errors of 24 pictures.
    floors = {"place": 0.9, "light": 0.9, "kind": 0.85, "pose": 0.85, "colour": 0.85, "clothes": 0.85}
    assert all(shares[name] >= floor for name, floor in floors.items()), shares


def test_the_sample_bank_belongs_to_the_shipped_model(model: FluxModel) -> None:
    bank = ConceptBank(POCKET / "bank")
    concepts = [bank.get(card.id) for card in bank.catalog()]
    assert {concept.base_model for concept in concepts} == {model.fingerprint}
    kinds = [concept.kind for concept in concepts]
    assert kinds.count("character") >= 4
    assert {"clothing", "material", "pose", "lighting"} <= set(kinds)
    for concept in concepts:
        if concept.kind == "character":
            assert not set(concept.caption.split()) & set(schema.COLOURS), (
                "a look that the caption names proves nothing"
            )


@pytest.mark.parametrize("folder", ["model", "bank", "probe"])
def test_nothing_but_safe_formats_is_shipped(folder: str) -> None:
    suffixes = {path.suffix for path in (POCKET / folder).rglob("*") if path.is_file()}
    assert suffixes <= {".json", ".safetensors", ".png"}, suffixes
    assert Path(POCKET / folder).is_dir()
