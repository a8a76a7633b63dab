"""Who is in a book, kept with it, so that the book can be bound whatever becomes of its concepts in the bank."""

from collections.abc import Mapping, Sequence
from pathlib import Path

from api.book_lock import BookLock
from api.service.errors import DamagedArtifact, NotFound
from api.service.payloads import CastMember
from api.service.store import ContentStore
from concepts.bank import ConceptBank
from concepts.errors import DamagedConcept, UnknownConcept


def cast_of(
    lock: BookLock, bank: ConceptBank, store: ContentStore, *, known: Sequence[CastMember] = ()
) -> tuple[CastMember, ...]:
    """The cast of a lock: who is known and drawn as then, others as the bank has them, less those whom it lacks.

    Raises:
        OSError: The store cannot take a portrait.
    """
    of_book = {member.card.id: member for member in known}
    drawn = {pair for picture in lock.pictures for pair in picture.concepts.items()}
    found: list[CastMember] = []
    for concept_id in lock.cast:
        member = of_book.get(concept_id)
        if member is None or (concept_id, member.direction_sha256) not in drawn:
            member = _member_of(concept_id, bank, store) or member
        if member is not None:
            found.append(member)
    return tuple(found)


def portraits_in(folder: Path, cast: Sequence[CastMember], store: ContentStore) -> Mapping[str, Path]:
    """The portraits of a cast as files in a new folder, by concept; one that the store has lost is left out."""
    folder.mkdir()
    paths: dict[str, Path] = {}
    for member in cast:
        try:
            content = store.get(member.portrait)
        except (NotFound, DamagedArtifact):
            continue
        paths[member.card.id] = folder / f"{member.card.id}.png"
        paths[member.card.id].write_bytes(content)
    return paths


def _member_of(concept_id: str, bank: ConceptBank, store: ContentStore) -> CastMember | None:
    try:
        concept, preview = bank.get(concept_id), bank.preview_path(concept_id).read_bytes()
    except (UnknownConcept, DamagedConcept, FileNotFoundError):  # the last of a concept that goes at this moment
        return None
    return CastMember(card=concept.card(), direction_sha256=concept.direction_sha256, portrait=store.put(preview))
