"""`fableverse draw`: one picture of a prompt that names concepts by their handles."""

from collections.abc import Mapping, Sequence
from pathlib import Path

from api.console import Reporter
from api.drawing import check_strengths, draw_file, note_of_length
from api.errors import OutputError, UsageError
from api.for_children import check_prompt
from api.outcome import Outcome
from api.settings import WantedModel
from concepts.bank import ConceptBank
from concepts.binding import expand_handles
from generator.key_similarity import blending_warnings
from generator.slides import Slide, find_target
from story.safety import SafetyGate


def draw_picture(
    prompt: str,
    *,
    bank: ConceptBank,
    out_path: Path,
    seed: int,
    strengths: Mapping[str, float],
    slides: Sequence[Slide],
    model: WantedModel,
    gate: SafetyGate,
    reporter: Reporter,
) -> Outcome:
    """Draws a picture into a PNG file that says how it was drawn; a file in that place is replaced."""
    if not prompt.strip():
        raise UsageError('There is no prompt to draw. Say what the picture shows, such as "a @rusty in the snow".')
    bound = expand_handles(prompt, bank)
    check_strengths(strengths, bound)
    for slide in slides:
        find_target(slide, bound)
    _check_place(out_path)
    check_prompt(bound, slides, bank=bank, gate=gate)
    reporter.note(f"Loading {model.source} …")
    from api.studio import open_studio  # loads torch, so only now

    studio = open_studio(model, bank, tell=reporter.note)
    if note := note_of_length(bound.prompt, model, max_tokens=studio.settings.max_sequence_length):
        reporter.note(f"Note: {note}")
    for warning in blending_warnings(studio.renderer.key_similarities(bound, strengths=strengths)):
        reporter.note(f"Note: {warning}")
    with reporter.progress(studio.settings.num_inference_steps) as advance:
        draw_file(
            studio,
            bound,
            out_path,
            seed=seed,
            strengths=strengths,
            slides=slides,
            on_step=lambda step, _: advance(step, "Drawing"),
        )
    return Outcome(
        lines=(str(out_path),),
        data={
            "picture": str(out_path),
            "prompt": bound.prompt,
            "concepts": [mention.concept_id for mention in bound.mentions],
            "strengths": {**strengths},
            "slides": [slide.model_dump(mode="json") for slide in slides],
            "seed": seed,
        },
    )


def _check_place(out_path: Path) -> None:
    """Refuse a place that a PNG file cannot be written to before the model is loaded."""
    if out_path.suffix.lower() != ".png":
        raise UsageError(f"{str(out_path)!r} does not end in .png: pictures are PNG files. Name it so with -o.")
    if out_path.is_dir():
        raise OutputError(f"{str(out_path)!r} is a folder: a picture is a file. Name a file such as page.png with -o.")
    if not out_path.parent.is_dir():
        raise OutputError(
            f"There is no folder {str(out_path.parent)!r} to write {out_path.name!r} into. Make it first."
        )
