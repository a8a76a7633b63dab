"""Every fault of a kept concept is found and said with what to do; a sound one has none."""

import json
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors.torch import save_file

from concepts.bank import ConceptBank, hash_direction
from concepts.binding import bind_concepts
from concepts.errors import UnknownConcept
from generator.concept_check import REDRAW_TOLERANCE, check_concept, check_drawing
from generator.directions import FORMAT, Direction, load_direction, save_direction
from generator.flux_renderer import FluxRenderer
from generator.learnt import LearntDirections, save_concepts
from tests.generator.learning_builders import RECIPE, learn
from tests.generator.tiny import tiny_model


@pytest.fixture(scope="module")
def learnt() -> LearntDirections:
    """Learnt until the loss is lower with the direction than without it."""
    longer = RECIPE.model_copy(update={"stage1_steps": 15, "stage2_steps": 10, "learning_rate": 0.05, "batch_size": 4})
    return learn(tiny_model(), recipe=longer, caption="a fox in snow")


@pytest.fixture(scope="module")
def renderer(tmp_path_factory: pytest.TempPathFactory, learnt: LearntDirections) -> FluxRenderer:
    bank = ConceptBank(tmp_path_factory.mktemp("sound") / "bank")
    save_concepts(bank, learnt, make_renderer=partial(FluxRenderer, tiny_model()), seed=learnt.recipe.seed)
    return FluxRenderer(tiny_model(), bank)


@pytest.fixture
def bank(tmp_path: Path, renderer: FluxRenderer) -> ConceptBank:
    """A copy with the sound concept 'rusty', to damage."""
    copy = ConceptBank(tmp_path / "bank")
    copy.add_folder(renderer.bank.folder / "rusty")
    return copy


def test_a_learnt_concept_is_sound_and_draws_its_preview_again(renderer: FluxRenderer) -> None:
    assert check_concept(renderer.bank, "rusty") == ()
    assert check_drawing(renderer, "rusty") == ()


def change_record(folder: Path, **changes: Any) -> None:
    path = folder / "concept.json"
    record = json.loads(path.read_text(encoding="utf-8"))
    record["recipe"].update(changes.pop("recipe", {}))
    for name in changes.pop("without", ()):
        del record["recipe"][name]
    path.write_text(json.dumps({**record, **changes}), encoding="utf-8")


def change_direction(folder: Path, change: Callable[[torch.Tensor], torch.Tensor]) -> None:
    path = folder / "direction.safetensors"
    metadata = {"format": FORMAT, "space": "activated"}
    save_file({"direction": change(load_direction(path).vectors).contiguous()}, path, metadata)
    change_record(folder, direction_sha256=hash_direction(path))


LOSS = {"sigma": 0.5, "plain": 1.0, "concepts": 1.1, "all_words": 0.9}
FAULTS: dict[str, tuple[Callable[[Path], object], str]] = {
    "no json": (lambda folder: (folder / "concept.json").write_text("{"), "does not describe a concept"),
    "file missing": (lambda folder: (folder / "preview.png").unlink(), "preview.png' is missing"),
    "hash": (lambda folder: change_record(folder, direction_sha256="0" * 64), "SHA-256 differs"),
    "source": (lambda folder: (folder / "source.png").write_bytes(b"no picture"), "source.png"),
    "preview": (lambda folder: (folder / "preview.png").write_bytes(b""), "preview.png"),
    "model": (lambda folder: change_record(folder, base_model="pocket"), "64 digits"),
    "word": (lambda folder: change_record(folder, word="cat"), "does not contain 'cat'"),
    "no seed": (lambda folder: change_record(folder, without=["seed"]), "lacks seed and steps"),
    "bad recipe": (lambda folder: change_record(folder, recipe={"batch_size": 0}), "batch_size"),
    "no losses": (lambda folder: change_record(folder, without=["losses"]), "which losses"),
    "bad losses": (lambda folder: change_record(folder, recipe={"losses": [{"sigma": 2}]}), "losses in concept.json"),
    "nothing learnt": (lambda folder: change_record(folder, recipe={"losses": [LOSS]}), "1.1000 on average"),
    "not finite": (lambda folder: change_direction(folder, lambda each: each * float("nan")), "finite float32"),
    "shape": (lambda folder: change_direction(folder, lambda each: each[0]), "finite float32 of shape"),
    "zeros": (lambda folder: change_direction(folder, torch.zeros_like), "zero everywhere"),
    "blocks": (lambda folder: change_direction(folder, lambda each: each[:, :1]), "one for all blocks"),
}


@pytest.mark.parametrize(("damage", "message"), FAULTS.values(), ids=FAULTS.keys())
def test_each_fault_is_found_alone(bank: ConceptBank, damage: Callable[[Path], object], message: str) -> None:
    damage(bank.folder / "rusty")
    (fault,) = check_concept(bank, "rusty")
    assert message in fault
    assert any(advice in fault.lower() for advice in ("learn", "restore", "remove", "use another", "correct"))


def test_several_faults_are_all_said(bank: ConceptBank) -> None:
    change_record(bank.folder / "rusty", base_model="pocket", without=["losses"])
    (bank.folder / "rusty" / "source.png").write_bytes(b"no picture")
    assert len(check_concept(bank, "rusty")) == 3


def test_an_unknown_concept_is_an_error(bank: ConceptBank) -> None:
    with pytest.raises(UnknownConcept):
        check_concept(bank, "luna")


def test_a_preview_that_was_drawn_otherwise_is_found(bank: ConceptBank) -> None:
    renderer = FluxRenderer(tiny_model(), bank)
    Image.new("RGB", (32, 16), "red").save(bank.folder / "rusty" / "preview.png")
    (fault,) = check_drawing(renderer, "rusty")
    assert "grey levels" in fault
    Image.new("RGB", (16, 16), "red").save(bank.folder / "rusty" / "preview.png")
    (fault,) = check_drawing(renderer, "rusty")
    assert "16×16 pixels, but drawn again it is 32×16" in fault


def test_a_preview_that_was_drawn_before_pictures_were_guided_is_sound(bank: ConceptBank) -> None:
    change_direction(bank.folder / "rusty", lambda each: 20 * each)  # so that guidance shows
    model = tiny_model()
    guiding = replace(model, defaults=replace(model.defaults, concept_guidance_scale=10.0))
    concept = bank.get("rusty")
    before = FluxRenderer(model, bank).render(bind_concepts(concept.caption, [concept]), seed=concept.recipe["seed"])
    now = FluxRenderer(guiding, bank).render(bind_concepts(concept.caption, [concept]), seed=concept.recipe["seed"])
    assert np.abs(np.asarray(before, float) - np.asarray(now, float)).mean() > REDRAW_TOLERANCE
    for preview in (before, now):
        preview.save(bank.preview_path("rusty"))
        assert check_drawing(FluxRenderer(guiding, bank), "rusty") == ()


def test_a_direction_for_other_tokens_and_a_concept_of_another_model_are_found(bank: ConceptBank) -> None:
    assert "learnt on" in check_drawing(FluxRenderer(tiny_model(seed=1), bank), "rusty")[0]
    path = bank.folder / "rusty" / "direction.safetensors"
    save_direction(Direction(load_direction(path).vectors.repeat(2, 1, 1), "activated"), path)
    change_record(bank.folder / "rusty", direction_sha256=hash_direction(path))
    assert "for 2 tokens, but 'fox' is 1" in check_drawing(FluxRenderer(tiny_model(), bank), "rusty")[0]
