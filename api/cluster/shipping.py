"""Concepts as they travel between the service and a node: the files of each, by concept and name."""

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TypeAlias

from concepts.bank import ConceptBank
from concepts.folder import FILES
from concepts.schema import check_concept_id

Parcel: TypeAlias = Mapping[str, Mapping[str, bytes]]


def pack(bank: ConceptBank, concept_ids: Iterable[str]) -> Parcel:
    """The concepts of a bank, whole.

    Raises:
        UnknownConcept, DamagedConcept: The bank has no such concept, or not as it was added.
    """
    return {concept_id: _files_of(bank, concept_id) for concept_id in concept_ids}


def pack_directions(bank: ConceptBank, concept_ids: Iterable[str]) -> Parcel:
    """The concepts of a bank as drawing needs them: their pictures, which are most of their bytes, are left empty.

    Raises:
        UnknownConcept, DamagedConcept: As in `pack`.
    """
    return {
        concept_id: {name: b"" if name.endswith(".png") else content for name, content in files.items()}
        for concept_id, files in pack(bank, concept_ids).items()
    }


def unpack(parcel: Parcel, folder: Path) -> ConceptBank:
    """A bank of the concepts, in a folder that is made for it."""
    for concept_id, files in parcel.items():
        place = folder / check_concept_id(concept_id)
        place.mkdir(parents=True)
        for name, content in files.items():
            (place / Path(name).name).write_bytes(content)
    return ConceptBank(folder)


def _files_of(bank: ConceptBank, concept_id: str) -> dict[str, bytes]:
    bank.get(concept_id)  # proves that the files are those that were added
    place = bank.direction_path(concept_id).parent
    return {name: (place / name).read_bytes() for name in FILES}
