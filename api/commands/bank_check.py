"""`fableverse bank check`: says of each concept whether it is sound, or what is wrong and what to do."""

from collections.abc import Sequence
from dataclasses import replace
from functools import partial

from pydantic import JsonValue

from api.console import Reporter
from api.exit_codes import BAD_INPUT, OK
from api.outcome import Outcome
from api.settings import WantedModel
from api.studio import open_model
from concepts.bank import ConceptBank
from generator.concept_check import check_concept, check_drawing
from generator.flux_renderer import FluxRenderer
from generator.loading import FluxModel

NOT_REDRAWN = "not drawn again: it was learnt on another model"


def check_bank(
    bank: ConceptBank, concept_ids: Sequence[str], *, redraw: bool, model: WantedModel, reporter: Reporter
) -> Outcome:
    """Checks concepts, by default all; with `redraw` also against the model, where they were learnt on it."""
    ids = list(dict.fromkeys(concept_ids)) or list(bank.ids())
    faults = {concept_id: check_concept(bank, concept_id) for concept_id in ids}
    notes: dict[str, str] = {}
    if redraw:
        sound = [concept_id for concept_id in ids if not faults[concept_id]]
        reporter.note(f"Loading {model.source} …")
        opened = open_model(replace(model, profile="quality"), pictures=len(sound), tell=reporter.note)
        fingerprint = opened.model.fingerprint
        with reporter.progress(len(sound)) as advance:
            for index, concept_id in enumerate(sound):
                advance(index, "Drawing previews again")
                if bank.get(concept_id).base_model == fingerprint:
                    faults[concept_id] = opened.attempt(partial(_drawing_faults, bank, concept_id))
                else:
                    notes[concept_id] = NOT_REDRAWN
    is_sound = not any(faults.values())
    data: dict[str, JsonValue] = {
        "bank": str(bank.folder),
        "sound": is_sound,
        "concepts": [
            {"id": concept_id, "faults": [*faults[concept_id]], "note": notes.get(concept_id)} for concept_id in ids
        ],
    }
    return Outcome(lines=_lines(ids, faults, notes), data=data, exit_code=OK if is_sound else BAD_INPUT)


def _drawing_faults(bank: ConceptBank, concept_id: str, model: FluxModel) -> tuple[str, ...]:
    return check_drawing(FluxRenderer(model, bank), concept_id)


def _lines(ids: Sequence[str], faults: dict[str, tuple[str, ...]], notes: dict[str, str]) -> tuple[str, ...]:
    if not ids:
        return ("The bank is empty.",)
    width = max(len(concept_id) for concept_id in ids)
    lines: list[str] = []
    for concept_id in ids:
        note = f" ({notes[concept_id]})" if concept_id in notes else ""
        lines.append(f"{concept_id.ljust(width)}  {'faulty' if faults[concept_id] else f'sound{note}'}")
        lines += [f"  - {fault}" for fault in faults[concept_id]]
    return tuple(lines)
