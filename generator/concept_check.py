"""Verifies kept concepts: that their files are whole, fit each other and, with a model at hand, fit it and draw.

Every fault is a sentence that says what is wrong and what to do. Knows nothing of how faults are shown.
"""

import re
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np
from PIL import Image
from pydantic import BaseModel, ConfigDict, Field, ValidationError
from torch import Tensor

from concepts.bank import ConceptBank
from concepts.binding import bind_concepts
from concepts.errors import ConceptError, DamagedConcept, InvalidConcept
from concepts.pictures import open_picture
from concepts.schema import Concept
from generator.directions import load_direction
from generator.errors import GeneratorError
from generator.flux_renderer import FluxRenderer
from generator.recipe import LearningRecipe
from generator.tokens import find_token_spans

LEARN_AGAIN = "Learn the concept again."
REDRAW_TOLERANCE = 2.0
"""Mean difference in grey levels, of 255, up to which a preview counts as drawn alike: machines round differently."""
_FINGERPRINT = re.compile(r"[0-9a-f]{64}")


class _Losses(BaseModel):
    model_config = ConfigDict(frozen=True)

    sigma: float = Field(gt=0, lt=1)
    plain: float = Field(gt=0, allow_inf_nan=False)
    concepts: float = Field(gt=0, allow_inf_nan=False)
    all_words: float = Field(gt=0, allow_inf_nan=False)


def check_concept(bank: ConceptBank, concept_id: str) -> tuple[str, ...]:
    """Faults of a concept's files, found without a model; none when it is sound.

    Raises:
        UnknownConcept: The bank has no such concept.
    """
    try:
        concept = bank.get(concept_id)
    except (DamagedConcept, InvalidConcept) as error:
        return (str(error),)
    faults = [*_model_faults(concept), *_caption_faults(concept), *_record_faults(concept.recipe)]
    for path in (bank.source_path(concept_id), bank.preview_path(concept_id)):
        try:
            open_picture(path)
        except ConceptError as error:
            faults.append(str(error))
    try:
        faults += _direction_faults(load_direction(bank.direction_path(concept_id)).vectors, concept.recipe)
    except ConceptError as error:
        faults.append(str(error))
    return tuple(faults)


def check_drawing(renderer: FluxRenderer, concept_id: str) -> tuple[str, ...]:
    """Faults that show only with the model the concept was learnt on: whether it fits, and draws its preview again."""
    bank, model = renderer.bank, renderer.model
    try:
        concept = bank.get(concept_id)
        bound = bind_concepts(concept.caption, [concept], beside=_words_beside(concept))
        (span,) = find_token_spans(
            bound, model.pipeline.tokenizer_2, max_sequence_length=model.defaults.max_sequence_length
        )
        num_pieces = load_direction(bank.direction_path(concept_id)).vectors.shape[0]
        if num_pieces != span.num_tokens:
            return (
                f"The direction is for {num_pieces} tokens, but {concept.word!r} is {span.num_tokens} for "
                f"{model.name!r}: both must be the same. {LEARN_AGAIN}",
            )
        seed = concept.recipe.get("seed")
        kept, faults = open_picture(bank.preview_path(concept_id)), ()
        for scale in dict.fromkeys((model.defaults.concept_guidance_scale, 1.0)):  # earlier versions did not guide
            settings = replace(model.defaults, concept_guidance_scale=scale)
            drawn = renderer.render(bound, seed=seed if isinstance(seed, int) else 0, settings=settings)
            if not (faults := _preview_faults(kept, drawn)):
                break
        return faults
    except (ConceptError, GeneratorError) as error:
        return (str(error),)


def _model_faults(concept: Concept) -> list[str]:
    if _FINGERPRINT.fullmatch(concept.base_model):
        return []
    return [
        f"concept.json names the model {concept.base_model_name!r} by {concept.base_model!r}, but a model's "
        f"fingerprint is 64 digits and letters from a to f. {LEARN_AGAIN}"
    ]


def _caption_faults(concept: Concept) -> list[str]:
    try:
        bind_concepts(concept.caption, [concept], beside=_words_beside(concept))
    except ConceptError as error:
        return [f"The caption does not name the concept exactly once. {error} Or correct concept.json. {LEARN_AGAIN}"]
    return []


def _words_beside(concept: Concept) -> tuple[str, ...]:
    """Words of the concepts that were learnt with it, as far as its record says them."""
    words = concept.recipe.get("words")
    return tuple(word for word in words if isinstance(word, str)) if isinstance(words, list) else ()


def _record_faults(record: Mapping[str, Any]) -> list[str]:
    """What the recipe in `concept.json` lacks of how the concept was learnt."""
    fields = {name: record[name] for name in LearningRecipe.model_fields if name in record}
    if "seed" not in fields or "stage1_steps" not in fields:
        return [f"concept.json does not say how it was learnt: its recipe lacks seed and steps. {LEARN_AGAIN}"]
    try:
        LearningRecipe.model_validate(fields)
    except ValidationError as error:
        return [f"The recipe in concept.json is none: {error} {LEARN_AGAIN}"]
    losses = record.get("losses")
    if not isinstance(losses, list) or not losses:
        return [f"concept.json does not say which losses learning reached. {LEARN_AGAIN}"]
    try:
        measured = [_Losses.model_validate(each) for each in losses]
    except ValidationError as error:
        return [f"The losses in concept.json are none: {error} {LEARN_AGAIN}"]
    plain, with_concepts = (sum(getattr(each, name) for each in measured) for name in ("plain", "concepts"))
    if with_concepts >= plain:
        return [
            f"With its direction the loss on the source picture is {with_concepts / len(measured):.4f} on average, "
            f"without it {plain / len(measured):.4f}: nothing of the picture was learnt. Learn it with more steps, or "
            "from a picture that shows it better."
        ]
    return []


def _direction_faults(vectors: Tensor, record: Mapping[str, Any]) -> list[str]:
    if not vectors.any():
        return [f"The direction is zero everywhere, which is the model without the concept. {LEARN_AGAIN}"]
    num_blocks, stage2_steps = vectors.shape[1], record.get("stage2_steps")
    if isinstance(stage2_steps, int) and (num_blocks > 1) != (stage2_steps > 0):
        kind = "one for all blocks" if num_blocks == 1 else f"one for each of {num_blocks} blocks"
        return [
            f"The direction is {kind}, but its recipe has {stage2_steps} steps of stage 2, which is where blocks get "
            f"directions of their own. The file is another concept's or was changed. {LEARN_AGAIN}"
        ]
    return []


def _preview_faults(kept: Image.Image, drawn: Image.Image) -> tuple[str, ...]:
    if kept.size != drawn.size:
        return (
            f"The preview is {kept.width}×{kept.height} pixels, but drawn again it is {drawn.width}×{drawn.height}: "
            f"the model's settings have changed since. {LEARN_AGAIN}",
        )
    difference = float(np.abs(np.asarray(kept, np.float32) - np.asarray(drawn, np.float32)).mean())
    if difference <= REDRAW_TOLERANCE:
        return ()
    return (
        f"Drawn again, the preview differs by {difference:.1f} grey levels on average, and {REDRAW_TOLERANCE} are "
        "allowed: it was drawn otherwise, or is of another concept. Learn the concept again, or restore the file.",
    )
