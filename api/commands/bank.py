"""`fableverse bank`: looks into the bank and changes it. Never loads torch."""

from collections.abc import Sequence
from pathlib import Path

from pydantic import JsonValue

from api.console import Reporter
from api.exit_codes import BAD_INPUT, OK
from api.outcome import Outcome
from concepts.bank import ConceptBank
from concepts.schema import Concept


def list_concepts(bank: ConceptBank, *, reporter: Reporter) -> Outcome:
    """Every concept in a table; of those that are damaged a note says so, and so does the exit code."""
    concepts, damaged = bank.list(), bank.damaged()
    for fault in damaged.values():
        reporter.note(str(fault))
    rows = [("ID", "WORD", "KIND", "MODEL"), *((c.id, c.word, c.kind, c.base_model_name) for c in concepts)]
    data: dict[str, JsonValue] = {"bank": str(bank.folder), "concepts": [_summary(concept) for concept in concepts]}
    data["damaged"] = {name: str(fault) for name, fault in damaged.items()}
    return Outcome(lines=_table(rows), data=data, exit_code=BAD_INPUT if damaged else OK)


def show_concept(bank: ConceptBank, concept_id: str) -> Outcome:
    """All about one concept, its files included."""
    concept = bank.get(concept_id)
    files = {
        "source": str(bank.source_path(concept_id)),
        "preview": str(bank.preview_path(concept_id)),
        "direction": str(bank.direction_path(concept_id)),
    }
    rows = [
        ("name", concept.name),
        ("word", concept.word),
        ("kind", concept.kind),
        ("caption", concept.caption),
        ("model", f"{concept.base_model_name} ({concept.base_model[:12]})"),
        *files.items(),
    ]
    data: dict[str, JsonValue] = {**concept.model_dump(mode="json"), "name": concept.name, "files": {**files}}
    return Outcome(lines=_table(rows), data=data)


def add_folder(bank: ConceptBank, folder: Path, *, replace: bool) -> Outcome:
    """Takes in a concept's folder from elsewhere."""
    concept = bank.add_folder(folder, replace=replace)
    return Outcome(lines=(f"Added {concept.id} to {bank.folder}.",), data={"added": _summary(concept)})


def remove_concepts(bank: ConceptBank, concept_ids: Sequence[str]) -> Outcome:
    """Deletes concepts, damaged ones too; when one of them cannot be deleted, none is."""
    for concept_id in concept_ids:
        bank.check_removal(concept_id)
    for concept_id in dict.fromkeys(concept_ids):
        bank.remove(concept_id)
    removed = list(dict.fromkeys(concept_ids))
    return Outcome(lines=(f"Removed {', '.join(removed)} from {bank.folder}.",), data={"removed": [*removed]})


def _summary(concept: Concept) -> dict[str, JsonValue]:
    return {**concept.card().model_dump(mode="json"), "model": concept.base_model_name}


def _table(rows: Sequence[Sequence[str]]) -> tuple[str, ...]:
    """Rows with aligned columns; the last column is not padded."""
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]) - 1)]
    padded = [[cell.ljust(width) for cell, width in zip(row, widths, strict=False)] for row in rows]
    return tuple("  ".join([*cells, row[-1]]) for cells, row in zip(padded, rows, strict=True))
