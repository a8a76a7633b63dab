"""From learnt directions to concepts of a bank."""

import errno
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import torch
from PIL import Image, ImageChops

from concepts.bank import ConceptBank
from concepts.errors import ConceptExists, ConceptNotMentioned
from concepts.schema import BoundPrompt, Concept
from generator.concept_check import check_concept, check_drawing
from generator.directions import load_direction
from generator.flux_renderer import FluxRenderer
from generator.learnt import LearntDirections, draw_preview, save_concepts
from generator.renderer import OnStep
from generator.settings import RenderSettings
from tests.generator.learning_builders import CAPTION, FOX, HAT, learn, picture
from tests.generator.tiny import tiny_model


@dataclass
class Recorder:
    """A renderer that remembers what it was asked and draws one colour; it fails after `good` pictures."""

    good: int = 100
    asked: list[tuple[str, list[str]]] = field(default_factory=list)

    def render(
        self, bound: BoundPrompt, *, seed: int, settings: RenderSettings | None = None, on_step: OnStep | None = None
    ) -> Image.Image:
        del settings, on_step
        if len(self.asked) == self.good:
            raise KeyboardInterrupt
        self.asked.append((bound.prompt, [mention.concept_id for mention in bound.mentions]))
        return Image.new("RGB", (8, 8), (seed, 0, 0))


@pytest.fixture(scope="module")
def learnt() -> LearntDirections:
    return learn(tiny_model(), concepts=[FOX, HAT])


@pytest.fixture
def bank(tmp_path: Path) -> ConceptBank:
    return ConceptBank(tmp_path / "bank")


def test_each_concept_is_kept_with_all_its_files(bank: ConceptBank, learnt: LearntDirections):
    recorder = Recorder()
    saved = save_concepts(bank, learnt, make_renderer=lambda _: recorder, seed=7)
    assert [concept.id for concept in saved] == ["rusty", "top-hat"]
    assert bank.list() == saved
    fox = bank.get("rusty")
    assert (fox.word, fox.kind, fox.caption) == ("fox", "character", CAPTION)
    assert (fox.base_model, fox.base_model_name) == (tiny_model().fingerprint, "tiny")
    assert torch.equal(load_direction(bank.direction_path("rusty")).vectors, learnt.direction("fox").vectors)
    assert torch.equal(load_direction(bank.direction_path("top-hat")).vectors, learnt.direction("hat").vectors)
    with Image.open(bank.source_path("rusty")) as source:
        assert ImageChops.difference(source, picture()).getbbox() is None
    with Image.open(bank.preview_path("rusty")) as preview:
        assert preview.getpixel((0, 0)) == (7, 0, 0)


def test_a_concept_file_says_how_it_was_learnt(bank: ConceptBank, learnt: LearntDirections):
    recipe = save_concepts(bank, learnt, make_renderer=lambda _: Recorder())[0].recipe
    assert recipe["stage1_steps"] == learnt.recipe.stage1_steps
    assert (recipe["height"], recipe["width"]) == (16, 32)
    assert recipe["losses"][0]["sigma"] == 0.95
    assert recipe["losses"][0]["plain"] == learnt.sources[0].losses[0].plain
    assert recipe["learnt_with"] == ["rusty", "top-hat"]


def test_a_preview_shows_its_concept_alone(bank: ConceptBank, learnt: LearntDirections):
    recorder = Recorder()
    save_concepts(bank, learnt, make_renderer=lambda _: recorder, preview_prompts={"top-hat": "the hat"})
    assert recorder.asked == [(CAPTION, ["rusty"]), ("the hat", ["top-hat"])]


def test_the_previews_renderer_knows_the_new_directions(bank: ConceptBank, learnt: LearntDirections):
    prompts = {"rusty": "a fox", "top-hat": "a hat"}
    save_concepts(bank, learnt, make_renderer=partial(FluxRenderer, tiny_model()), preview_prompts=prompts, seed=3)
    bound = BoundPrompt(prompt="a fox")
    plain = FluxRenderer(tiny_model(), bank).render(bound, seed=3)
    with Image.open(bank.preview_path("rusty")) as preview:
        assert preview.size == plain.size
        assert ImageChops.difference(preview, plain).getbbox() is not None


def test_ids_that_are_taken_are_refused_before_drawing(bank: ConceptBank, learnt: LearntDirections):
    save_concepts(bank, learnt, make_renderer=lambda _: Recorder())
    recorder = Recorder()
    with pytest.raises(ConceptExists, match="rusty"):
        save_concepts(bank, learnt, make_renderer=lambda _: recorder)
    assert not recorder.asked
    save_concepts(bank, learnt, make_renderer=lambda _: recorder, seed=9, replace=True)
    with Image.open(bank.preview_path("rusty")) as preview:
        assert preview.getpixel((0, 0)) == (9, 0, 0)


def test_an_interrupted_preview_leaves_the_bank_untouched(bank: ConceptBank, learnt: LearntDirections):
    with pytest.raises(KeyboardInterrupt):
        save_concepts(bank, learnt, make_renderer=lambda _: Recorder(good=1))
    assert not bank.folder.exists()


class FullDisk(ConceptBank):
    """A bank on a disk with room for one concept."""

    def add(self, concept: Concept, **files: Any) -> None:
        if self.ids():
            raise OSError(errno.ENOSPC, "No space left on device")
        super().add(concept, **files)


def test_a_disk_that_fills_up_keeps_no_half_of_what_was_learnt(tmp_path: Path, learnt: LearntDirections):
    bank = FullDisk(tmp_path / "bank")
    with pytest.raises(OSError, match="No space"):
        save_concepts(bank, learnt, make_renderer=lambda _: Recorder())
    assert bank.ids() == ()


def test_a_preview_prompt_without_the_word_leaves_the_bank_untouched(bank: ConceptBank, learnt: LearntDirections):
    with pytest.raises(ConceptNotMentioned, match="hat"):
        prompts = {"top-hat": "a fox"}
        save_concepts(bank, learnt, make_renderer=lambda _: Recorder(), preview_prompts=prompts)
    assert not bank.folder.exists()


def test_a_word_inside_the_word_of_another_concept_is_shown_kept_and_found_sound(bank: ConceptBank):
    straw_hat = HAT.model_copy(update={"id": "straw-hat", "word": "straw hat"})
    model = tiny_model()
    both = learn(model, caption="a hat under a straw hat", concepts=[HAT, straw_hat])
    make_renderer = partial(FluxRenderer, model)
    assert draw_preview(both, "top-hat", make_renderer=make_renderer).size == (
        model.defaults.width,
        model.defaults.height,
    )
    save_concepts(bank, both, make_renderer=make_renderer, seed=both.recipe.seed)
    assert [check_concept(bank, concept_id) for concept_id in bank.ids()] == [(), ()]
    renderer = FluxRenderer(model, bank)
    assert [check_drawing(renderer, concept_id) for concept_id in bank.ids()] == [(), ()]


def test_a_damaged_concept_is_in_nobodys_way(bank: ConceptBank, learnt: LearntDirections):
    save_concepts(bank, learnt, make_renderer=lambda _: Recorder())
    (bank.folder / "rusty" / "concept.json").write_text("{}")
    with pytest.raises(ConceptExists, match="rusty"):
        save_concepts(bank, learnt, make_renderer=lambda _: Recorder())
    save_concepts(bank, learnt, make_renderer=lambda _: Recorder(), replace=True)
    assert bank.get("rusty").id == "rusty"
