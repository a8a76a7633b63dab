"""The naive loops of the learning benchmark compute what `learn_concepts` computes."""

from pathlib import Path

import pytest
import torch

from benchmarks.bench_learning import DenseLearner, MadeAnew, NaiveKitchen, in_plain_steps
from generator.even_steps import EvenSteps
from generator.flow import frozen
from generator.learning import learning_step
from generator.learning_loss import Learner
from generator.learning_material import Material
from generator.learning_state import LearningState
from generator.learning_task import plan_learning
from generator.predictors import DirectionTable
from generator.recipe import SourcePicture
from tests.generator.learning_builders import CAPTION, FOX, ISOLATION_PROMPTS, RECIPE, picture
from tests.generator.tiny import tiny_model


@pytest.mark.parametrize("companion_share", [0.0, 1.0])
def test_a_naive_step_has_the_gradients_of_ours(tmp_path: Path, companion_share: float) -> None:
    recipe = RECIPE.model_copy(update={"isolation_fraction": 1.0, "companion_share": companion_share})
    model, sources = tiny_model(), [SourcePicture(picture=picture(), caption=CAPTION, paraphrases=())]
    task = plan_learning(model, sources, [FOX], recipe=recipe, isolation_prompts=ISOLATION_PROMPTS)
    transformer = model.pipeline.transformer
    table = DirectionTable(task.num_rows, EvenSteps.of(transformer), learning_rate=0.1)
    start = LearningState.start(*table.start(), stage1_steps=recipe.stage1_steps, device=transformer.device)
    ours = Material.prepare(model, task, [picture()], cache_dir=tmp_path)
    naive = NaiveKitchen(model, task, picture(), cache_dir=None).material(ISOLATION_PROMPTS)
    with frozen(transformer, gradient_checkpointing=False):
        wanted, _, isolation = learning_step(Learner(transformer, table), ours, recipe, start)
        found, _, _ = learning_step(DenseLearner(transformer, table), naive, recipe, start)
    assert isolation is not None
    assert wanted.from_start["shared"].mean.abs().max() > 0
    torch.testing.assert_close(found.from_start["shared"].mean, wanted.from_start["shared"].mean, rtol=1e-3, atol=1e-6)


def test_a_picture_that_nothing_stands_beside_can_be_learnt_naively(tmp_path: Path) -> None:
    recipe = RECIPE.model_copy(update={"companion_share": 0.0})
    model, sources = tiny_model(), [SourcePicture(picture=picture(), caption=CAPTION, paraphrases=())]
    task = plan_learning(model, sources, [FOX], recipe=recipe, isolation_prompts=ISOLATION_PROMPTS)
    (source,) = NaiveKitchen(model, task, picture(), cache_dir=tmp_path).material(ISOLATION_PROMPTS).sources
    assert len(source.companions) == 0
    assert source.two_parts[0].other_latents.shape == source.latents[0].shape


def test_what_is_made_anew_is_made_each_time() -> None:
    made: list[int] = []
    things = MadeAnew([lambda: made.append(1), lambda: made.append(2)])
    assert len(things) == 2 and not made
    _ = things[1], things[1]
    assert made == [2, 2]


def test_plain_steps_are_those_of_torchs_adamw() -> None:
    gradients = torch.randn(5, 4, generator=torch.Generator().manual_seed(1))
    state = LearningState.start({"shared": torch.ones(4)}, {}, stage1_steps=5, device=torch.device("cpu"))
    state = in_plain_steps(state)
    value = torch.ones(4, requires_grad=True)
    optimiser = torch.optim.AdamW([value], lr=0.1, weight_decay=0.05)
    for gradient in gradients:
        state = state.updated({"shared": gradient}, learning_rate=0.1, weight_decay=0.05)
        value.grad = gradient
        optimiser.step()
    torch.testing.assert_close(state.learnt()["shared"], value.detach())
