"""Learning as a whole, on tiny random models."""

from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import torch

from concepts.errors import (
    AmbiguousMention,
    CollidingConcepts,
    ConceptNotMentioned,
    FableverseError,
    InvalidConcept,
    UnknownConcept,
)
from concepts.schema import BoundPrompt, ConceptMention
from generator.errors import DirectionMismatch, InvalidSettings, OutOfMemory, PromptTooLong
from generator.even_steps import EvenSteps
from generator.flow import draw_sigmas
from generator.flux_renderer import FluxRenderer
from generator.learning import PEEK_AT, learning_step
from generator.learning_loss import Learner
from generator.learning_material import Material
from generator.learning_state import LearningState
from generator.learning_task import plan_learning
from generator.learnt import LearntDirections, draw_preview
from generator.loading import FluxModel, compute_fingerprint
from generator.predictors import make_predictor
from generator.recipe import ConceptRequest, LearningError, LearningProgress, SourcePicture
from generator.tokens import find_token_spans
from tests.generator.learning_builders import CAPTION, FOX, HAT, ISOLATION_PROMPTS, RECIPE, learn, picture
from tests.generator.tiny import DIM, NUM_BLOCKS, tiny_model

BROLLY = ConceptRequest(id="brolly", word="umbrella", kind="object")


@pytest.fixture(scope="module")
def model() -> FluxModel:
    return tiny_model()


@dataclass
class Watcher:
    """Records progress; interrupts after a step, as a person's Ctrl-C does."""

    interrupt_after: int | None = None
    seen: list[LearningProgress] = field(default_factory=list)

    def __call__(self, progress: LearningProgress) -> None:
        self.seen.append(progress)
        if progress.step == self.interrupt_after:
            raise KeyboardInterrupt


@pytest.mark.parametrize("guidance_embeds", [True, False], ids=["guidance", "no guidance"])
def test_directions_lower_the_loss_on_the_picture(guidance_embeds: bool):
    recipe = RECIPE.model_copy(update={"stage1_steps": 15, "stage2_steps": 10, "learning_rate": 0.05, "batch_size": 4})
    learnt = learn(tiny_model(guidance_embeds=guidance_embeds), recipe=recipe)
    for loss in learnt.sources[0].losses:
        assert loss.all_words < loss.concepts < loss.plain, loss
    assert [loss.sigma for loss in learnt.sources[0].losses] == [0.95, 0.85, 0.7, 0.5]


@pytest.mark.parametrize(("fraction", "others_learn"), [(1.0, False), (0.0, True)])
def test_concepts_alone_leave_the_other_words_out(model: FluxModel, fraction: float, others_learn: bool):
    learnt = learn(
        model, recipe=RECIPE.model_copy(update={"concepts_alone_fraction": fraction, "isolation_fraction": 0})
    )
    difference = max(abs(loss.all_words - loss.concepts) for loss in learnt.sources[0].losses)
    assert (difference > 1e-5) == others_learn, difference


@pytest.mark.parametrize(
    ("concepts", "fraction", "learnt_together"),
    [
        ([FOX, BROLLY], 0.0, [{"rusty", "brolly"}]),
        ([FOX, BROLLY], 1.0, [{"rusty"}, {"brolly"}]),
        ([FOX, HAT], 1.0, [{"rusty", "top-hat"}]),  # what is worn, with who wears it
        ([FOX, HAT, BROLLY], 1.0, [{"rusty", "top-hat"}, {"brolly"}]),
        ([HAT, BROLLY], 1.0, [{"brolly"}]),
    ],
)
def test_a_step_may_be_about_one_of_several_concepts(
    model: FluxModel, concepts: list[ConceptRequest], fraction: float, learnt_together: list[set[str]]
):
    changes = {"concepts_alone_fraction": 1.0, "one_alone_fraction": fraction, "isolation_fraction": 0}
    one_step = RECIPE.model_copy(update={"stage1_steps": 1, "stage2_steps": 0, **changes})
    found: set[frozenset[str]] = set()
    for seed in range(6):
        learnt = learn(
            model,
            caption="a fox wearing a hat under the umbrella",
            concepts=concepts,
            recipe=one_step.model_copy(update={"seed": seed}),
        )
        found.add(frozenset(name for name, each in learnt.directions.items() if each.vectors.any()))
    assert found == {frozenset(each) for each in learnt_together}


def test_only_concept_words_leave_with_a_vector_for_each_piece_and_block(model: FluxModel):
    learnt = learn(model, caption="a fox under the umbrella", concepts=[FOX, BROLLY])
    bound = BoundPrompt(prompt="umbrella", mentions=(ConceptMention(concept_id="brolly", start=0, stop=8),))
    (span,) = find_token_spans(bound, model.pipeline.tokenizer_2, max_sequence_length=100)
    assert set(learnt.directions) == {"rusty", "brolly"}
    assert span.num_tokens > 1
    assert learnt.direction("umbrella").vectors.shape == (span.num_tokens, NUM_BLOCKS, DIM)
    assert learnt.direction("fox").vectors.shape == (1, NUM_BLOCKS, DIM)
    assert learnt.direction("fox").vectors.dtype == torch.float32
    assert learnt.direction("fox").space == "activated"
    with pytest.raises(UnknownConcept, match="under"):
        learnt.direction("under")


def test_without_stage_2_a_direction_is_shared_by_all_blocks(model: FluxModel):
    learnt = learn(model, recipe=RECIPE.model_copy(update={"stage2_steps": 0}))
    assert learnt.direction("fox").vectors.shape == (1, 1, DIM)
    assert learnt.direction("fox").vectors.any()


def test_stage_2_gives_blocks_directions_of_their_own(model: FluxModel):
    direction = learn(model).direction("fox").vectors[0]
    assert not torch.equal(direction[0], direction[-1])


@pytest.mark.parametrize("interrupt_after", [None, 2], ids=["whole run", "interrupted"])
def test_the_model_is_left_as_it_was(interrupt_after: int | None):
    model = tiny_model()
    transformer = model.pipeline.transformer
    transformer.proj_out.requires_grad_(True)
    weights = {name: weight.clone() for name, weight in transformer.state_dict().items()}
    required = [weight.requires_grad for weight in transformer.parameters()]
    recipe = RECIPE.model_copy(update={"gradient_checkpointing": True})
    try:
        learn(model, recipe=recipe, on_step=Watcher(interrupt_after))
    except KeyboardInterrupt:
        assert interrupt_after is not None
    assert all(torch.equal(weight, weights[name]) for name, weight in transformer.state_dict().items())
    assert [weight.requires_grad for weight in transformer.parameters()] == required
    assert transformer.proj_out.weight.grad is None
    assert not transformer.is_gradient_checkpointing
    assert not any(module._forward_hooks or module._forward_pre_hooks for module in transformer.modules())
    assert compute_fingerprint(transformer) == model.fingerprint


def test_a_seed_gives_one_result_and_another_seed_another(model: FluxModel):
    first, again = learn(model), learn(model)
    other = learn(model, recipe=RECIPE.model_copy(update={"seed": 1}))
    assert torch.equal(first.direction("fox").vectors, again.direction("fox").vectors)
    assert first.sources[0].losses == again.sources[0].losses
    assert not torch.equal(first.direction("fox").vectors, other.direction("fox").vectors)


def test_drawing_what_is_learnt_so_far_changes_nothing(model: FluxModel):
    drawn: list[bytes] = []

    def peek(so_far: LearntDirections) -> None:
        drawn.append(draw_preview(so_far, "rusty", make_renderer=partial(FluxRenderer, model), seed=3).tobytes())

    watched = learn(model, on_peek=peek)
    assert torch.equal(watched.direction("fox").vectors, learn(model).direction("fox").vectors)
    assert len(set(drawn)) == len(drawn) == len(PEEK_AT), "each is of what is learnt by then"


@pytest.mark.parametrize("interrupt_after", [2, 4, 6], ids=["in stage 1", "between the stages", "in stage 2"])
def test_a_resumed_run_gives_what_an_uninterrupted_one_gives(model: FluxModel, tmp_path: Path, interrupt_after: int):
    checkpoint = tmp_path / "deep" / "fox.safetensors"
    with pytest.raises(KeyboardInterrupt):
        learn(model, checkpoint_path=checkpoint, on_step=Watcher(interrupt_after))
    rest = Watcher()
    resumed = learn(model, checkpoint_path=checkpoint, on_step=rest)
    assert [progress.step for progress in rest.seen] == list(range(interrupt_after + 1, RECIPE.num_steps + 1))
    assert torch.equal(resumed.direction("fox").vectors, learn(model).direction("fox").vectors)
    assert [path.name for path in checkpoint.parent.iterdir()] == [checkpoint.name]


def test_a_finished_checkpoint_gives_the_result_without_a_step(model: FluxModel, tmp_path: Path):
    checkpoint = tmp_path / "fox.safetensors"
    first = learn(model, checkpoint_path=checkpoint)
    watcher = Watcher()
    again = learn(model, checkpoint_path=checkpoint, on_step=watcher)
    assert not watcher.seen
    assert torch.equal(first.direction("fox").vectors, again.direction("fox").vectors)


@pytest.mark.parametrize(
    "changes",
    [{"caption": "a fox in the snow"}, {"concepts": [HAT]}, {"recipe": RECIPE.model_copy(update={"seed": 5})}],
    ids=["caption", "concepts", "recipe"],
)
def test_a_checkpoint_of_another_run_is_refused(model: FluxModel, tmp_path: Path, changes: dict[str, Any]):
    checkpoint = tmp_path / "fox.safetensors"
    with pytest.raises(KeyboardInterrupt):
        learn(model, checkpoint_path=checkpoint, on_step=Watcher(1))
    before = checkpoint.read_bytes()
    with pytest.raises(LearningError, match="something else"):
        learn(model, checkpoint_path=checkpoint, **changes)
    assert checkpoint.read_bytes() == before


def test_gradient_checkpointing_changes_nothing_but_speed(model: FluxModel):
    slow = learn(model, recipe=RECIPE.model_copy(update={"gradient_checkpointing": True}))
    torch.testing.assert_close(slow.direction("fox").vectors, learn(model).direction("fox").vectors)


def test_isolation_happens_on_its_share_of_steps_and_changes_what_is_learnt(model: FluxModel):
    always, never = Watcher(), Watcher()
    isolated = learn(model, recipe=RECIPE.model_copy(update={"isolation_fraction": 1.0}), on_step=always)
    recipe = RECIPE.model_copy(update={"isolation_fraction": 0.0})
    free = learn(model, recipe=recipe, isolation_prompts=(), on_step=never)
    assert all(progress.isolation_loss is not None for progress in always.seen)
    assert all(progress.isolation_loss is None for progress in never.seen)
    assert not torch.equal(isolated.direction("fox").vectors, free.direction("fox").vectors)


def test_each_stage_learns_at_its_share_of_high_noise():
    model = tiny_model()
    sigmas: list[float] = []
    model.pipeline.transformer.register_forward_pre_hook(
        lambda _, __, kwargs: sigmas.extend(kwargs["timestep"].tolist()), with_kwargs=True
    )
    shares = {"stage1_high_noise_share": 1.0, "stage2_high_noise_share": 0.0}
    recipe = RECIPE.model_copy(update={**shares, "isolation_fraction": 0.0, "noise_split": 0.8})
    learn(model, recipe=recipe)
    stage1, stage2 = sigmas[:8], sigmas[8:16]
    assert all(0.8 <= sigma <= 1 for sigma in stage1), stage1
    assert all(0 <= sigma <= 0.8 for sigma in stage2), stage2
    assert len(set(sigmas[:16])) == 16


def test_noise_levels_are_split_by_the_share_asked_for():
    sigmas = draw_sigmas(torch.Generator().manual_seed(0), 20_000, split=0.8, high_share=0.92, sigma_min=0.0)
    high = sigmas[sigmas >= 0.8]
    assert len(high) / len(sigmas) == pytest.approx(0.92, abs=0.01)
    assert high.mean().item() == pytest.approx(0.9, abs=0.005)
    assert sigmas[sigmas < 0.8].mean().item() == pytest.approx(0.4, abs=0.02)


def test_low_noise_levels_begin_where_directions_act():
    sigmas = draw_sigmas(torch.Generator().manual_seed(0), 20_000, split=0.8, high_share=0.5, sigma_min=0.4)
    low = sigmas[sigmas < 0.8]
    assert len(low) / len(sigmas) == pytest.approx(0.5, abs=0.01)
    assert 0.4 <= low.min() < 0.41
    assert low.mean().item() == pytest.approx(0.6, abs=0.01)
    assert draw_sigmas(torch.Generator(), 100, split=0.3, high_share=0.5, sigma_min=0.4).min() >= 0.4


@pytest.mark.parametrize(("of_recipe", "lowest"), [(None, 0.6), (0.0, 0.0)])
def test_nothing_is_learnt_where_the_model_draws_without_directions(
    model: FluxModel, of_recipe: float | None, lowest: float
):
    resting = replace(model, defaults=replace(model.defaults, direction_sigma_min=0.6))
    sigmas: list[float] = []
    model.pipeline.transformer.register_forward_pre_hook(
        lambda _, __, kwargs: sigmas.extend(kwargs["timestep"].tolist()), with_kwargs=True
    )
    shares = {"stage1_high_noise_share": 0.0, "stage2_high_noise_share": 0.0, "isolation_fraction": 0.0}
    learnt = learn(resting, recipe=RECIPE.model_copy(update={**shares, "direction_sigma_min": of_recipe}))
    of_steps = sigmas[: RECIPE.num_steps * RECIPE.batch_size]
    assert lowest <= min(of_steps) < lowest + 0.2
    assert learnt.recipe.direction_sigma_min == lowest


@pytest.mark.parametrize(
    "changes",
    [{"recipe": RECIPE.model_copy(update={"flip": False})}, {"paraphrases": ["in the snow a fox under a hat"]}],
    ids=["mirrored picture", "paraphrases"],
)
def test_every_augmentation_takes_part(model: FluxModel, changes: dict[str, Any]):
    assert not torch.equal(learn(model, **changes).direction("fox").vectors, learn(model).direction("fox").vectors)


def test_progress_counts_both_stages_and_the_time_left(model: FluxModel):
    watcher = Watcher()
    learn(model, on_step=watcher)
    assert [progress.stage for progress in watcher.seen] == [1, 1, 1, 1, 2, 2, 2, 2]
    assert [progress.step for progress in watcher.seen] == list(range(1, 9))
    assert all(progress.num_steps == 8 for progress in watcher.seen)
    assert watcher.seen[0].seconds_left > 0
    assert watcher.seen[-1].seconds_left == 0


@dataclass(frozen=True)
class BadInput:
    changes: dict[str, Any]
    error: type[FableverseError]
    message: str


def _recipe(**changes: Any) -> dict[str, Any]:
    return {"recipe": RECIPE.model_copy(update=changes)}


BAD_INPUTS = {
    "word missing": BadInput({"caption": "a hat"}, ConceptNotMentioned, "'fox'"),
    "empty caption": BadInput({"caption": ""}, ConceptNotMentioned, "'fox'"),
    "word twice": BadInput({"caption": "a fox in a fox hat"}, AmbiguousMention, "2 times"),
    "same word": BadInput({"concepts": [FOX, FOX.model_copy(update={"id": "red"})]}, CollidingConcepts, "same word"),
    "same id": BadInput({"concepts": [FOX, HAT.model_copy(update={"id": "rusty"})]}, InvalidConcept, "rusty"),
    "no concept": BadInput({"concepts": []}, InvalidConcept, "at least one"),
    "caption too long": BadInput(_recipe(max_sequence_length=7), PromptTooLong, "at most 7"),
    "paraphrase too long": BadInput({"paraphrases": ["fox " + "z" * 100]}, PromptTooLong, "at most 100"),
    "paraphrase without the word": BadInput({"paraphrases": ["the hat"]}, DirectionMismatch, "'the hat'"),
    "size": BadInput(_recipe(height=12), InvalidSettings, "height"),
    "no isolation prompts": BadInput({"isolation_prompts": ()}, LearningError, "isolation_fraction"),
    "isolation prompts too long": BadInput({"isolation_prompts": ["z" * 90]}, LearningError, "None of the 1"),
}


@pytest.mark.parametrize("case", BAD_INPUTS.values(), ids=BAD_INPUTS)
def test_bad_input_is_refused_before_any_work(model: FluxModel, tmp_path: Path, case: BadInput):
    watcher = Watcher()
    with pytest.raises(case.error, match=case.message):
        files = {"cache_dir": tmp_path, "checkpoint_path": tmp_path / "fox.safetensors"}
        learn(model, on_step=watcher, **files, **case.changes)
    assert not watcher.seen
    assert not list(tmp_path.iterdir())


def test_isolation_pictures_and_companions_are_drawn_once_and_told_of(model: FluxModel, tmp_path: Path):
    told: list[tuple[int, int]] = []
    first = learn(model, cache_dir=tmp_path, on_prepare=lambda *numbers: told.append(numbers))
    written = {kept: kept.stat().st_ino for kept in tmp_path.glob("*.safetensors")}
    assert len(written) > len(ISOLATION_PROMPTS)
    assert told == [(number, len(written)) for number in range(1, len(written) + 1)]
    again = learn(model, cache_dir=tmp_path, caption=CAPTION)
    assert {kept: kept.stat().st_ino for kept in tmp_path.glob("*.safetensors")} == written
    assert torch.equal(first.direction("fox").vectors, again.direction("fox").vectors)


def test_a_damaged_file_of_isolation_pictures_is_drawn_anew(model: FluxModel, tmp_path: Path):
    learn(model, cache_dir=tmp_path)
    whole = {kept: kept.read_bytes() for kept in tmp_path.glob("*.safetensors")}
    for kept, content in whole.items():
        kept.write_bytes(content[:50])
    learn(model, cache_dir=tmp_path)
    assert {kept: kept.read_bytes() for kept in tmp_path.glob("*.safetensors")} == whole


def test_attention_is_none_of_cudnns_while_learning_and_as_it_was_afterwards(model: FluxModel):
    before = torch.backends.cuda.cudnn_sdp_enabled()
    seen: set[bool] = set()
    learn(model, on_step=lambda _: seen.add(torch.backends.cuda.cudnn_sdp_enabled()))
    assert seen == {False}
    assert torch.backends.cuda.cudnn_sdp_enabled() == before


@pytest.mark.parametrize(("steps", "pictures"), [(1, 1), (3, len(ISOLATION_PROMPTS))])
def test_no_more_pictures_are_drawn_than_there_are_steps_to_look_at_them(model: FluxModel, steps: int, pictures: int):
    told: list[tuple[int, int]] = []
    recipe = RECIPE.model_copy(update={"stage1_steps": steps, "stage2_steps": 0, "companion_share": 0})
    learn(model, recipe=recipe, on_prepare=lambda *numbers: told.append(numbers))
    assert told == [(number, pictures) for number in range(1, pictures + 1)]


def test_without_a_recipe_it_is_the_models(model: FluxModel):
    """Whose text is so short here that nothing fits beside the caption."""
    with pytest.raises(LearningError, match=f"in {model.defaults.max_sequence_length} tokens"):
        learn(model, recipe=None)


def test_a_loss_of_isolation_that_is_no_number_ends_learning_before_its_step(model: FluxModel):
    recipe = RECIPE.model_copy(update={"isolation_fraction": 1.0, "concepts_alone_fraction": 0.0, "companion_share": 0})
    source = SourcePicture(picture=picture(), caption=CAPTION, paraphrases=())
    task = plan_learning(model, (source,), [FOX], recipe=recipe, isolation_prompts=ISOLATION_PROMPTS)
    transformer = model.pipeline.transformer
    even_steps, text_dim = EvenSteps.of(transformer), transformer.config.joint_attention_dim
    predictor = make_predictor(recipe, num_rows=task.num_rows, text_dim=text_dim, even_steps=even_steps)
    state = LearningState.start(*predictor.start(), stage1_steps=4, device=transformer.device)
    material = Material.prepare(model, task, [source.picture], cache_dir=None)
    learning_step(Learner(transformer, predictor), material, recipe, state)
    (whole,) = material.sources
    broken = [replace(each, other_latents=torch.full_like(each.other_latents, torch.nan)) for each in whole.two_parts]
    material = replace(material, sources=(replace(whole, two_parts=broken),))
    with pytest.raises(LearningError, match="step 1"):
        learning_step(Learner(transformer, predictor), material, recipe, state)


def test_memory_that_runs_out_is_told_and_what_was_learnt_is_kept(model: FluxModel, tmp_path: Path):
    def run_out(progress: LearningProgress) -> None:
        if progress.step == 5:
            raise torch.OutOfMemoryError("CUDA out of memory.\nMore of it")

    path = tmp_path / "checkpoint.safetensors"
    with pytest.raises(OutOfMemory, match=r"too little memory to learn with \(CUDA out of memory\.\).*--quick"):
        learn(model, checkpoint_path=path, on_step=run_out)
    steps: list[int] = []
    learn(model, checkpoint_path=path, on_step=lambda progress: steps.append(progress.step))
    assert steps == [6, 7, 8]
