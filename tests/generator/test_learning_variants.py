"""Concept-Mod instead of the table, several pictures of one concept, and joint learning, on tiny random models."""

from pathlib import Path
from typing import Any

import pytest
import torch
from PIL import Image, ImageOps

from concepts.bank import ConceptBank
from generator.learnt import save_concepts
from generator.loading import FluxModel
from generator.recipe import LearningError, LearningProgress, SourcePicture
from tests.generator.learning_builders import FOX, HAT, RECIPE, learn, picture
from tests.generator.test_learning_bank import Recorder
from tests.generator.tiny import DIM, NUM_BLOCKS, tiny_model

CONCEPT_MOD = RECIPE.model_copy(
    update={"directions": "concept_mod", "concept_mod_width": 16, "concept_mod_learning_rate": 0.02}
)
OTHER = SourcePicture(picture=ImageOps.flip(picture()), caption="the fox in the snow", paraphrases=())
OF_HAT = SourcePicture(picture=ImageOps.flip(picture()), caption="a hat in the moonlight", paraphrases=())
JOINT = RECIPE.model_copy(update={"joint_fraction": 1.0})


@pytest.fixture(scope="module")
def model() -> FluxModel:
    return tiny_model()


def interrupt_after(step: int) -> Any:
    def on_step(progress: LearningProgress) -> None:
        if progress.step == step:
            raise KeyboardInterrupt

    return on_step


def test_concept_mod_lowers_the_loss_and_exports_concept_words_only(model: FluxModel) -> None:
    longer = CONCEPT_MOD.model_copy(update={"stage1_steps": 25, "stage2_steps": 15, "batch_size": 4})
    learnt = learn(model, recipe=longer)
    for loss in learnt.sources[0].losses:
        assert loss.concepts < loss.plain, loss
    assert [*learnt.directions] == ["rusty"]
    assert learnt.direction("fox").vectors.shape == (1, NUM_BLOCKS, DIM)
    assert not torch.equal(learnt.direction("fox").vectors[0, 0], learnt.direction("fox").vectors[0, -1])


def test_concept_mod_without_stage_2_is_shared_by_all_blocks(model: FluxModel) -> None:
    learnt = learn(model, recipe=CONCEPT_MOD.model_copy(update={"stage2_steps": 0}))
    assert learnt.direction("fox").vectors.shape == (1, 1, DIM)
    assert learnt.direction("fox").vectors.any()


@pytest.mark.parametrize("step", [2, 4, 6], ids=["in stage 1", "between the stages", "in stage 2"])
def test_concept_mod_goes_on_where_it_was_interrupted(model: FluxModel, tmp_path: Path, step: int) -> None:
    checkpoint = tmp_path / "fox.safetensors"
    with pytest.raises(KeyboardInterrupt):
        learn(model, recipe=CONCEPT_MOD, checkpoint_path=checkpoint, on_step=interrupt_after(step))
    resumed = learn(model, recipe=CONCEPT_MOD, checkpoint_path=checkpoint)
    assert torch.equal(resumed.direction("fox").vectors, learn(model, recipe=CONCEPT_MOD).direction("fox").vectors)


def test_a_checkpoint_of_the_table_is_none_of_concept_mod(model: FluxModel, tmp_path: Path) -> None:
    checkpoint = tmp_path / "fox.safetensors"
    learn(model, checkpoint_path=checkpoint)
    with pytest.raises(LearningError, match="something else"):
        learn(model, recipe=CONCEPT_MOD, checkpoint_path=checkpoint)


def test_concept_mod_in_a_two_part_prompt_reads_the_left_part_alone(model: FluxModel) -> None:
    """What is learnt with isolation on every step depends on the right part by its picture, never by its words."""
    recipe = CONCEPT_MOD.model_copy(update={"isolation_fraction": 1.0})
    first = learn(model, recipe=recipe, isolation_prompts=["the snow"])
    again = learn(model, recipe=recipe, isolation_prompts=["the snow"])
    assert torch.equal(first.direction("fox").vectors, again.direction("fox").vectors)
    assert not torch.equal(first.direction("fox").vectors, learn(model, recipe=CONCEPT_MOD).direction("fox").vectors)


@pytest.mark.parametrize("recipe", [RECIPE, CONCEPT_MOD], ids=["table", "concept-mod"])
def test_two_pictures_of_one_concept_give_one_direction(model: FluxModel, recipe: Any) -> None:
    longer = recipe.model_copy(update={"stage1_steps": 30, "stage2_steps": 20, "batch_size": 4})
    learnt = learn(model, recipe=longer, more_sources=[OTHER])
    assert [*learnt.directions] == ["rusty"]
    assert [source.caption for source in learnt.sources] == ["a fox under a hat in the snow", "the fox in the snow"]
    assert learnt.source("rusty").picture.tobytes() == picture().tobytes()
    for source in learnt.sources:
        mean_gain = sum(loss.plain - loss.all_words for loss in source.losses)
        assert mean_gain > 0, source.losses
    assert not torch.equal(learnt.direction("fox").vectors, learn(model, recipe=longer).direction("fox").vectors)


def test_joint_learning_sees_both_pictures_side_by_side(model: FluxModel) -> None:
    widths: list[int] = []
    hook = model.pipeline.transformer.register_forward_pre_hook(
        lambda _, __, kwargs: widths.append(kwargs["hidden_states"].shape[1]), with_kwargs=True
    )
    recipe = JOINT.model_copy(update={"isolation_fraction": 0})
    learnt = learn(model, recipe=recipe, caption="a fox waves", concepts=[FOX, HAT], more_sources=[OF_HAT])
    hook.remove()
    num_sources, sigmas, kinds = 2, 4, 3
    steps = widths[: JOINT.num_steps]
    alone = widths[-num_sources * sigmas * kinds :]
    assert set(steps) == {2 * alone[0]}
    assert set(alone) == {alone[0]}
    assert {concept_id: tuple(each.vectors.shape) for concept_id, each in learnt.directions.items()} == {
        "rusty": (1, NUM_BLOCKS, DIM),
        "top-hat": (1, NUM_BLOCKS, DIM),
    }
    assert all(each.vectors.any() for each in learnt.directions.values())


def test_concepts_of_different_pictures_keep_their_own_source(model: FluxModel, tmp_path: Path) -> None:
    learnt = learn(model, recipe=JOINT, caption="a fox waves", concepts=[FOX, HAT], more_sources=[OF_HAT])
    bank = ConceptBank(tmp_path / "bank")
    fox, hat = save_concepts(bank, learnt, make_renderer=lambda _: Recorder())
    assert (fox.caption, hat.caption) == ("a fox waves", "a hat in the moonlight")
    assert hat.recipe["captions"] == ["a fox waves", "a hat in the moonlight"]
    assert fox.recipe["losses"] != hat.recipe["losses"]
    with Image.open(bank.source_path("top-hat")) as source:
        assert source.tobytes() == OF_HAT.picture.tobytes()


def test_what_was_begun_in_float32_is_finished_in_bfloat16(model: FluxModel, tmp_path: Path) -> None:
    """Only the last step is in the other dtype, so that it can change hardly anything."""
    checkpoint, rounded = tmp_path / "fox.safetensors", tiny_model()
    rounded.pipeline.to(torch.bfloat16)
    with pytest.raises(KeyboardInterrupt):
        learn(model, checkpoint_path=checkpoint, on_step=interrupt_after(RECIPE.num_steps - 1))
    finished = learn(rounded, checkpoint_path=checkpoint).direction("fox").vectors
    whole = learn(model).direction("fox").vectors
    assert (finished - whole).norm() < 0.02 * whole.norm()


def test_joint_learning_goes_on_where_it_was_interrupted(model: FluxModel, tmp_path: Path) -> None:
    request: dict[str, Any] = {
        "recipe": RECIPE.model_copy(update={"joint_fraction": 0.5}),
        "caption": "a fox waves",
        "concepts": [FOX, HAT],
        "more_sources": [OF_HAT],
    }
    checkpoint = tmp_path / "both.safetensors"
    with pytest.raises(KeyboardInterrupt):
        learn(model, checkpoint_path=checkpoint, on_step=interrupt_after(3), **request)
    resumed = learn(model, checkpoint_path=checkpoint, **request)
    assert torch.equal(resumed.direction("hat").vectors, learn(model, **request).direction("hat").vectors)
    other = SourcePicture(picture=picture(), caption=OF_HAT.caption, paraphrases=())
    with pytest.raises(LearningError, match="something else"):
        learn(model, checkpoint_path=checkpoint, **{**request, "more_sources": [other]})
