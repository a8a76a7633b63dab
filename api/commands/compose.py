"""`fableverse compose`: a picture that grows by one phrase at a time, and a contact sheet of all its states."""

from collections.abc import Mapping, Sequence
from pathlib import Path

from PIL import Image

from api.console import Reporter
from api.drawing import check_strengths, draw_file, note_of_length
from api.errors import OutputError, UsageError
from api.for_children import check_prompt
from api.outcome import Outcome
from api.settings import WantedModel
from concepts.bank import ConceptBank
from concepts.binding import expand_handles
from concepts.pictures import open_picture
from concepts.schema import BoundPrompt
from generator.contact_sheet import Panel, contact_sheet
from generator.images import save_png
from generator.key_similarity import blending_warnings
from story.safety import SafetyGate

MAX_PICTURES = 9
SHEET_FILENAME = "sheet.png"


def compose_pictures(
    phrases: Sequence[str],
    *,
    bank: ConceptBank,
    out_dir: Path,
    seed: int,
    strengths: Mapping[str, float],
    model: WantedModel,
    gate: SafetyGate,
    reporter: Reporter,
) -> Outcome:
    """Draws the first phrase, then the first two, and so on, all from one seed, and a sheet of them."""
    prompts = grow_prompt(phrases, bank)
    check_strengths(strengths, prompts[-1])
    if out_dir.exists() and not out_dir.is_dir():
        raise OutputError(f"{str(out_dir)!r} is a file: the pictures go into a folder. Name one with -o.")
    check_prompt(prompts[-1], bank=bank, gate=gate)
    reporter.note(f"Loading {model.source} …")
    from api.studio import open_studio  # loads torch, so only now

    studio = open_studio(model, bank, pictures=len(prompts), tell=reporter.note)
    if note := note_of_length(prompts[-1].prompt, model, max_tokens=studio.settings.max_sequence_length):
        reporter.note(f"Note: {note}")
    for warning in blending_warnings(studio.renderer.key_similarities(prompts[-1], strengths=strengths)):
        reporter.note(f"Note: {warning}")
    out_dir.mkdir(parents=True, exist_ok=True)
    num_steps = studio.settings.num_inference_steps
    paths = [out_dir / f"{number}.png" for number in range(1, len(prompts) + 1)]
    panels: list[Panel] = []
    with reporter.progress(len(prompts) * num_steps) as advance:
        for index, (phrase, bound, path) in enumerate(zip(phrases, prompts, paths, strict=True)):

            def report(step: int, _: int, index: int = index) -> None:
                advance(index * num_steps + step, f"Drawing {index + 1} of {len(prompts)}")

            used = {m.concept_id: strengths[m.concept_id] for m in bound.mentions if m.concept_id in strengths}
            image = draw_file(studio, bound, path, seed=seed, strengths=used, on_step=report)
            panels.append(Panel(image, _new_sources(prompts, index, bank), phrase if index == 0 else f"+ {phrase}"))
    sheet = out_dir / SHEET_FILENAME
    save_png(contact_sheet(panels), sheet)
    return Outcome(
        lines=(str(sheet),),
        data={
            "sheet": str(sheet),
            "pictures": [str(path) for path in paths],
            "prompts": [bound.prompt for bound in prompts],
            "seed": seed,
        },
    )


def grow_prompt(phrases: Sequence[str], bank: ConceptBank) -> tuple[BoundPrompt, ...]:
    """The first phrase, the first two joined by a space, and so on, each with its handles expanded.

    Raises:
        UsageError: There are more than `MAX_PICTURES` phrases, or an empty one.
        ConceptError: A handle names no concept, or two of them cannot stand in one prompt.
    """
    stripped = [phrase.strip() for phrase in phrases]
    if not all(stripped) or not 1 <= len(stripped) <= MAX_PICTURES:
        raise UsageError(
            f"{len(stripped)} phrases are given; a sheet has 1 to {MAX_PICTURES} pictures, and each adds some words. "
            'Write phrases such as "a @rusty" "in the snow" "by @moon".'
        )
    return tuple(expand_handles(" ".join(stripped[: index + 1]), bank) for index in range(len(stripped)))


def _new_sources(prompts: Sequence[BoundPrompt], index: int, bank: ConceptBank) -> tuple[Image.Image, ...]:
    """Source pictures of the concepts that prompt `index` names and the one before does not."""
    known = {mention.concept_id for mention in prompts[index - 1].mentions} if index else set()
    new = [mention.concept_id for mention in prompts[index].mentions if mention.concept_id not in known]
    return tuple(open_picture(bank.source_path(concept_id)) for concept_id in new)
