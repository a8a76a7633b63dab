"""How pictures will be drawn, known before anything is loaded. Needs no torch."""

from dataclasses import dataclass

from api.settings import WantedModel
from generator.model_folder import find_folder, read_card
from generator.model_sizes import sizes_of_folder
from generator.plan import FLUX_1_SIZES, Machine, RenderPlan, Wish
from generator.planning import plan_rendering, settings_of
from generator.settings import FLUX_DEV_SETTINGS


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
    folder = find_folder(wanted.source, revision=wanted.revision)
    sizes = None if folder is None else sizes_of_folder(folder)
    defaults = FLUX_DEV_SETTINGS if folder is None else read_card(folder)[1]
    wish = Wish(profile=wanted.profile, memory=wanted.memory, pictures=pictures, numbers=wanted.numbers)
    settings = settings_of(wanted.profile, defaults)
    return Outlook(plans=plan_rendering(machine, sizes or FLUX_1_SIZES, settings, wish), is_known=sizes is not None)
