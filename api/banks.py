"""Opens a person's bank, giving those who have none yet a copy of the sample bank."""

from collections.abc import Callable
from pathlib import Path

from api.settings import SAMPLE_BANK_DIR
from concepts.bank import ConceptBank, seed_bank


def open_bank(bank_dir: Path, *, tell: Callable[[str], None], sample_dir: Path = SAMPLE_BANK_DIR) -> ConceptBank:
    """The bank in a folder; where there is no such folder it becomes a copy of the sample bank.

    Raises:
        DamagedConcept: There is neither a bank nor a sample bank.
    """
    if seed_bank(bank_dir, sample_dir):
        tell(f"Copied the sample bank to {bank_dir}.")
    return ConceptBank(bank_dir)
