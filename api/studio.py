"""Opens what draws and learns: the picture model, and the bank with the concepts that belong to it.

Importing this file loads torch, so commands import it only once everything that can be checked without it has been.
"""

from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext

from api.book_lock import LockedModel
from api.outlook import outlook_of
from api.settings import WantedModel
from api.storybook import Studio
from concepts.bank import ConceptBank
from concepts.schema import ConceptCard
from generator.flux_renderer import FluxRenderer
from generator.loading import FluxModel, load_model
from generator.machine import look
from generator.plan import RenderPlan
from generator.planning import settings_of
from generator.stepping import SteppingModel, SteppingRenderer

Tell = Callable[[str], None]


def open_studio(wanted: WantedModel, bank: ConceptBank, *, pictures: int = 1, tell: Tell) -> Studio:
    """A model, ready to draw with the bank's concepts.

    Args:
        wanted: Which model, and how it is to be drawn with.
        bank: Of the concepts.
        pictures: How many are about to be drawn, as far as is known.
        tell: Told when memory runs out and drawing goes on by a smaller plan.

    Raises:
        ModelNotFound, DamagedModel, OutOfMemory: There is no usable model of that name.
    """
    return studio_of(open_model(wanted, pictures=pictures, tell=tell), wanted, bank)


def open_model(
    wanted: WantedModel,
    *,
    pictures: int,
    tell: Tell,
    while_loading: Callable[[], AbstractContextManager[None]] = nullcontext,
) -> SteppingModel[FluxModel]:
    """A model by the plans that this machine has room for; loaded when it is first needed, and always of one commit.

    Args:
        wanted: As in `open_studio`.
        pictures: As there.
        tell: As there.
        while_loading: Entered whenever it is loaded, which takes long, until it is.
    """
    revision = wanted.revision

    def load(plan: RenderPlan) -> FluxModel:
        nonlocal revision
        with while_loading():
            loaded = load_model(wanted.source, revision=revision, plan=plan)
        revision = loaded.revision
        return loaded

    return SteppingModel(outlook_of(wanted, look(), pictures=pictures).plans, load, tell=tell)


def studio_of(model: SteppingModel[FluxModel], wanted: WantedModel, bank: ConceptBank) -> Studio:
    """What draws with an opened model, by settings as they are wanted; the model itself keeps its own."""
    loaded = model.model
    settings = settings_of(wanted.profile, loaded.defaults, wanted.concept_guidance)
    return Studio(
        renderer=SteppingRenderer(model, lambda at_hand: FluxRenderer(at_hand, bank, settings=settings)),
        bank=bank,
        model=LockedModel(
            source=wanted.source,
            revision=loaded.revision,
            name=loaded.name,
            fingerprint=loaded.fingerprint,
            numbers=model.plan.numbers,
        ),
        settings=settings,
        lexicon=loaded.lexicon,
        numbers=lambda: model.plan.numbers,
    )


def fitting_cards(studio: Studio) -> tuple[ConceptCard, ...]:
    """The bank's concepts that were learnt on the studio's model: all that a story may count on."""
    return studio.bank.catalog(base_model=studio.model.fingerprint)
