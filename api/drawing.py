"""Draws one picture into a file that says how it was drawn. Torch is loaded with the studio, not here."""

import re
from collections.abc import Mapping, Sequence
from pathlib import Path

from PIL import Image

from api.errors import UsageError
from api.settings import WantedModel
from api.storybook import Studio
from api.tokens import TokenCounter, estimate_tokens, token_counter
from concepts.schema import BoundPrompt
from generator.images import PictureMetadata, save_picture
from generator.model_folder import find_folder
from generator.renderer import OnStep
from generator.slides import Slide


def draw_file(
    studio: Studio,
    bound: BoundPrompt,
    path: Path,
    *,
    seed: int,
    strengths: Mapping[str, float],
    slides: Sequence[Slide] = (),
    on_step: OnStep | None = None,
) -> Image.Image:
    """The picture, which is in the PNG file `path` too then; strengths are of the prompt's concepts alone.

    Raises:
        ConceptError, GeneratorError, OSError: As rendering and writing raise them.
    """
    image = studio.renderer.render(bound, seed=seed, strengths=strengths, slides=slides, on_step=on_step)
    metadata = PictureMetadata(
        prompt=bound.prompt,
        seed=seed,
        concepts={
            mention.concept_id: studio.bank.get(mention.concept_id).direction_sha256 for mention in bound.mentions
        },
        strengths={**strengths},
        slides=tuple(slides),
        settings=studio.settings,
        model=studio.model.name,
        fingerprint=studio.model.fingerprint,
    )
    save_picture(image, path, metadata=metadata)
    return image


def check_strengths(strengths: Mapping[str, float], bound: BoundPrompt) -> None:
    """Refuse strengths of concepts that a prompt does not name.

    Raises:
        UsageError: There is one.
    """
    named = [mention.concept_id for mention in bound.mentions]
    for concept_id in sorted(strengths.keys() - set(named)):
        handles = ", ".join(f"@{name}" for name in named) or "no concept"
        raise UsageError(f"--strength is given for {concept_id!r}, but the prompt names {handles}. Name @{concept_id}.")


def note_of_length(prompt: str, model: WantedModel, *, max_tokens: int) -> str | None:
    """What to tell of a prompt that is drawn without its end; None where the model reads it all, or nobody can tell.

    Args:
        prompt: As it is drawn.
        model: That draws it.
        max_tokens: As many as its text encoder is given.
    """
    count_tokens = token_counter(find_folder(model.source, revision=model.revision))
    if count_tokens is estimate_tokens:
        return None
    unread = unread_words(prompt, count_tokens, max_tokens=max_tokens)
    if not unread:
        return None
    return (
        f"The prompt has {count_tokens(prompt)} tokens and the model reads {max_tokens}: nothing is read from "
        f"{unread.split()[0]!r} on, which is {unread!r}. Shorten the prompt, or move what matters forward."
    )


def unread_words(prompt: str, count_tokens: TokenCounter, *, max_tokens: int) -> str:
    """A prompt's words from the first on that a text encoder does not read, or not to its end."""
    if count_tokens(prompt) > max_tokens:
        for word in re.finditer(r"\S+", prompt):
            if count_tokens(prompt[: word.end()]) > max_tokens:
                return prompt[word.start() :].strip()
    return ""
