"""How pictures will be drawn, and concepts learnt, known before anything is loaded. Needs no torch."""

from dataclasses import dataclass

from api.settings import WantedModel
from generator.learning_plan import plan_for_learning
from generator.model_folder import find_folder, read_card
from generator.model_sizes import sizes_of_folder
from generator.plan import FLUX_1_SIZES, Machine, ModelSizes, RenderPlan, Wish
from generator.planning import plan_rendering, settings_of
from generator.recipe import LearningRecipe
from generator.settings import FLUX_DEV_SETTINGS, RenderSettings


@dataclass(frozen=True, kw_only=True)
class Outlook:
    """What is planned for a model."""

    plans: tuple[RenderPlan, ...]
    """The one that is followed, then those for when memory runs out."""
    is_known: bool
    """Whether the model's files are here; else it is taken for FLUX.1-dev."""


def outlook_of(wanted: WantedModel, machine: Machine, *, pictures: int) -> Outlook:
    """The plans for drawing pictures of a model's usual size.

    Raises:
        DamagedModel: The model's card cannot be read.
    """
    sizes, defaults = _sizes_and_defaults(wanted)
    wish = Wish(profile=wanted.profile, memory=wanted.memory, pictures=pictures, numbers=wanted.numbers)
    settings = settings_of(wanted.profile, defaults)
    return Outlook(plans=plan_rendering(machine, sizes or FLUX_1_SIZES, settings, wish), is_known=sizes is not None)


def learning_plan_of(wanted: WantedModel, machine: Machine, recipe: LearningRecipe) -> RenderPlan:
    """How a model is loaded to learn with.

    Raises:
        DamagedModel: The model's card cannot be read.
    """
    sizes, defaults = _sizes_and_defaults(wanted)
    return plan_for_learning(machine, sizes or FLUX_1_SIZES, defaults, recipe, memory=wanted.memory)


def num_parameters_of(wanted: WantedModel) -> int:
    """Of a model's transformer; FLUX.1-dev's where its files are not here.

    Raises:
        DamagedModel: The model's card cannot be read.
    """
    sizes, _ = _sizes_and_defaults(wanted)
    return (sizes or FLUX_1_SIZES).transformer


def _sizes_and_defaults(wanted: WantedModel) -> tuple[ModelSizes | None, RenderSettings]:
    """Of a model whose files are here; else no sizes, and FLUX.1-dev's settings."""
    folder = find_folder(wanted.source, revision=wanted.revision)
    if folder is None:
        return None, FLUX_DEV_SETTINGS
    return sizes_of_folder(folder), read_card(folder)[1]
