"""The bank of each owner: a folder of their own, with the sample bank's concepts to begin with."""

from api.service.settings import ServiceSettings
from api.settings import SAMPLE_BANK_DIR
from concepts.bank import ConceptBank, seed_bank


def bank_of(settings: ServiceSettings, owner: str) -> ConceptBank:
    """The concepts of an owner.

    Raises:
        DamagedConcept: There is neither a bank nor a sample bank.
    """
    folder = settings.bank_dir_of(owner)
    if not folder.is_dir():
        folder.parent.mkdir(parents=True, exist_ok=True)
        seed_bank(folder, SAMPLE_BANK_DIR)
    return ConceptBank(folder)
