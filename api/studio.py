"""Opens what draws and learns: the picture model, and the bank with the concepts that belong to it.

Importing this file loads torch, so commands import it only once everything that can be checked without it has been.
"""

from api.book_lock import LockedModel
from api.storybook import Studio
from concepts.bank import ConceptBank
from concepts.schema import ConceptCard
from generator.flux_renderer import FluxRenderer
from generator.loading import FluxModel, load_model


def open_studio(source: str, bank: ConceptBank) -> Studio:
    """The model that `source` names, ready to draw with the bank's concepts.

    Raises:
        ModelNotFound, DamagedModel: There is no usable model of that name.
    """
    return studio_of(load_model(source), source, bank)


def studio_of(model: FluxModel, source: str, bank: ConceptBank) -> Studio:
    """What draws with a model that is already loaded."""
    return Studio(
        renderer=FluxRenderer(model, bank),
        bank=bank,
        model=LockedModel(source=source, name=model.name, fingerprint=model.fingerprint),
        settings=model.defaults,
    )


def fitting_cards(studio: Studio) -> tuple[ConceptCard, ...]:
    """The bank's concepts that were learnt on the studio's model: all that a story may count on."""
    concepts = studio.bank.list()
    return tuple(concept.card() for concept in concepts if concept.base_model == studio.model.fingerprint)
