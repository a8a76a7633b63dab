"""How a model is loaded to learn with, and what of a recipe follows from how large the model is.

Plain arithmetic on plain values, without torch. Bytes of a step are counted (on PyTorch's meta device, with directions
attached, without matrices of attention), not measured.
"""

from collections.abc import Mapping
from dataclasses import replace

from generator.plan import Machine, Memory, ModelSizes, Numbers, Peak, RenderPlan, gigabytes
from generator.planning import LARGE, budget_of, has_place_for_parked, held_bytes, peak_of
from generator.recipe import LearningRecipe
from generator.settings import RenderSettings

LARGE_SIDE = 512
"""Pixels of width and height at most that large models learn at by themselves. The paper does not state its own; at
1024 a step takes three times as long and as much memory."""
_VALUES_KEPT = 1.02
"""Values as wide as the model that one token leaves at each block for the backward pass, where the rest is computed
again."""
_VALUES_OF_A_BLOCK = 15.4
"""The same of a block whose activations are kept."""
_PIXELS_A_TOKEN = 256
_BYTES_OF_COORDINATES = 4
"""Of a number of `EvenSteps`, of which each block has a square as wide as the model, and all have one together."""


OF_PAPER: Mapping[str, float] = {
    "stage1_steps": 800,
    "stage2_steps": 600,
    "stage1_high_noise_share": 0.92,
    "stage2_high_noise_share": 0.08,
    "isolation_fraction": 0.5,
    "isolation_weight": 1.0,
    "direction_sigma_min": 0.0,
    "concepts_alone_fraction": 0.0,
    "one_alone_fraction": 0.0,
    "companion_share": 0.0,
    "two_part_source_weight": 0.0,
    "weight_decay": 0.0,
    "batch_size": 1,
    "isolation_batch_size": 1,
}
"""Source: TokenVerse (arXiv:2501.12224), for a model of FLUX.1's size: steps, noise levels, isolation, and directions
on all words of the caption; nothing that Pocket's recipe has beside (concepts alone, companions, a weight on the
source's half) is in it.

What the paper leaves open is ours: batches, of which one draw makes 1400 steps look at the picture a little less often
than the default recipe's 240 steps of eight; the isolation's weight; and the optimiser, which is kept as on Pocket: its
rate, its coordinates (`EvenSteps`), and steps less what noise explains (`AdamTensor`). A table of directions takes the
place of Concept-Mod unless `directions` says otherwise. Weights do not decay: over 1400 steps Pocket's decay would take
away six times what it does over 240 of what gradients do not hold. None of it has been learnt by at that size."""
_QUICK_OF_PAPER: Mapping[str, float] = {"stage1_steps": 200, "stage2_steps": 150}
_QUICK: Mapping[str, float] = {"stage1_steps": 17, "stage2_steps": 83, "batch_size": 4, "isolation_batch_size": 2}
"""A quarter of the default recipe's time (see docs/LOG.md)."""


def default_recipe(num_parameters: int, *, quick: bool = False) -> LearningRecipe:
    """What a model learns by unless it is told otherwise: the paper's recipe, or for small models the one that was
    measured on Pocket.

    Args:
        num_parameters: Of the model's transformer.
        quick: In about a quarter of the time.
    """
    if num_parameters >= LARGE:
        return LearningRecipe.model_validate({**OF_PAPER, **(_QUICK_OF_PAPER if quick else {})})
    return LearningRecipe.model_validate(_QUICK if quick else {})


def fitted(recipe: LearningRecipe, defaults: RenderSettings, *, num_parameters: int) -> LearningRecipe:
    """The recipe with its size, length, lowest noise level and checkpointing filled in.

    Args:
        recipe: What it says stays.
        defaults: The model's own settings.
        num_parameters: Of the model's transformer.
    """
    is_large = num_parameters >= LARGE
    most = LARGE_SIDE if is_large else max(defaults.height, defaults.width)
    own = {
        "height": min(defaults.height, most),
        "width": min(defaults.width, most),
        "max_sequence_length": defaults.max_sequence_length,
        "direction_sigma_min": defaults.direction_sigma_min,
        "gradient_checkpointing": is_large,
    }
    return recipe.model_copy(update={name: value for name, value in own.items() if getattr(recipe, name) is None})


def plan_for_learning(
    machine: Machine, sizes: ModelSizes, defaults: RenderSettings, recipe: LearningRecipe, *, memory: Memory = "auto"
) -> RenderPlan:
    """The fastest way of loading a model exactly that leaves room for learning, else in fp8; else what takes least.

    The peak of `denoising` is a step of learning's. Where nothing fits, the last of the reasons is a warning.
    """
    budget, said = budget_of(machine, memory)
    plans = [
        replace(plan, peak=_peak(plan, sizes, defaults, fitted(recipe, defaults, num_parameters=sizes.transformer)))
        for plan in _candidates(machine, f"memory: {said}")
    ]
    least = min(plans, key=lambda plan: plan.peak.most)
    warning = f"warning: learning takes about {gigabytes(least.peak.most)}, more than there is"
    short = replace(least, reasons=(*least.reasons, warning))
    fitting = (plan for plan in plans if plan.peak.most <= budget and has_place_for_parked(plan, sizes, machine))
    return next(fitting, short)


def leaves_room_to_learn(plan: RenderPlan, defaults: RenderSettings, recipe: LearningRecipe) -> bool:
    """Whether learning is expected to fit beside a model that was loaded to draw by the plan."""
    if plan.room is None:
        return True
    sizes = plan.room.sizes
    recipe = fitted(recipe, defaults, num_parameters=sizes.transformer)
    return _peak(plan, sizes, defaults, recipe).most <= plan.room.budget


def _candidates(machine: Machine, reason: str) -> tuple[RenderPlan, ...]:
    nothing = Peak(encoding=0, denoising=0, decoding=0)
    if machine.gpu is None:
        exact = RenderPlan(device="cpu", numbers=Numbers(dtype="float32"), peak=nothing, reasons=(reason,))
        return exact, replace(exact, numbers=Numbers(dtype="bfloat16"))
    numbers, eight = Numbers(dtype="bfloat16"), Numbers(dtype="bfloat16", weights="fp8-stored")
    stay = RenderPlan(device="cuda", numbers=numbers, is_for_learning=True, peak=nothing, reasons=(reason,))
    leave = replace(stay, text_encoders="leave")
    away = replace(leave, norms="away", reasons=(reason, "adaptive norms: fetched by each pass, which is slow"))
    rounded = "weights: kept in fp8 and computed with in bfloat16, adaptive norms aside"
    return stay, leave, away, replace(away, numbers=eight, reasons=(*away.reasons, rounded))


def _peak(plan: RenderPlan, sizes: ModelSizes, defaults: RenderSettings, recipe: LearningRecipe) -> Peak:
    """A step beside what is held, or drawing a preview, whichever takes more."""
    width = 4 if plan.numbers.dtype == "float32" else 2
    drawing = peak_of(plan, sizes, defaults)
    step = _tokens_of_a_step(recipe) * _values_a_token(sizes, recipe) * sizes.dim * width
    # Weights that are smaller or away are there in full while they compute, at most a block's.
    fetched = sizes.largest_block * width if plan.norms == "away" or plan.numbers.weights != "plain" else 0
    learnt = _BYTES_OF_COORDINATES * (sizes.num_blocks + 1) * sizes.dim**2
    return Peak(
        encoding=drawing.encoding + learnt,
        denoising=learnt + max(drawing.denoising, int(held_bytes(plan, sizes) + step + fetched)),
        decoding=drawing.decoding + learnt,
    )


def _tokens_of_a_step(recipe: LearningRecipe) -> int:
    """Of the larger of a step's two passes with gradients; isolation works at twice the width."""
    text, pixels = recipe.max_sequence_length or 0, (recipe.height or 0) * (recipe.width or 0)
    image = pixels // _PIXELS_A_TOKEN
    isolation = recipe.isolation_batch_size * (text + 2 * image) if recipe.isolation_fraction else 0
    return max(recipe.batch_size * (text + image), isolation)


def _values_a_token(sizes: ModelSizes, recipe: LearningRecipe) -> float:
    """What a token leaves for the backward pass, and one block's activations with their gradients."""
    kept = _VALUES_KEPT if recipe.gradient_checkpointing else _VALUES_OF_A_BLOCK
    return sizes.num_blocks * kept + 2 * _VALUES_OF_A_BLOCK
