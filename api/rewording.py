"""Has the captions that pictures are learnt by reworded by the language model, where the settings name one.

Where they name none, or it fails, that is left to the templates of `generator/augmentation.py`: no learning is lost.
"""

from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from pathlib import Path

from pydantic import BaseModel, ConfigDict, ValidationError

from api.errors import UsageError
from api.settings import Settings
from api.writers import make_paraphraser
from concepts.bank import ConceptBank
from concepts.binding import find_words
from concepts.errors import InvalidConcept
from concepts.files import write_whole
from concepts.lexicon import Lexicon
from concepts.schema import check_word
from generator.recipe import ConceptRequest
from story.errors import StoryError
from story.paraphrasing import OnCaptions, SourceCaption

Rewordings = tuple[tuple[str, ...] | None, ...]
"""For each caption other ones that name its concepts; None where templates make them."""


def reword(
    captions: Sequence[str],
    concepts: Sequence[ConceptRequest],
    *,
    settings: Settings,
    bank: ConceptBank,
    lexicon: Lexicon | None,
    max_tokens: int,
    warn: Callable[[str], None],
    on_captions: OnCaptions | None = None,
) -> Rewordings:
    """What the language model makes of each caption; after its first failure the other captions are templates' too.

    Args:
        captions: As they are learnt; each names some of the concepts.
        concepts: Those that are learnt.
        settings: They name a language model or none.
        bank: Words of its concepts are said by other captions as often as by the captions.
        lexicon: What the picture model can draw, where it says so; the same holds for these words.
        max_tokens: What the picture model's text encoder reads.
        warn: Told of every caption that is left to templates though there is a language model, and why.
        on_captions: Told how far an answer is.
    """
    made: list[tuple[str, ...] | None] = []
    if settings.llm is None:
        return (None,) * len(captions)
    try:
        paraphraser = make_paraphraser(settings, max_tokens=max_tokens, on_captions=on_captions)
        for source in _sources(captions, concepts, bank, lexicon):
            texts = paraphraser.write(source)
            if not texts:
                warn(f"Nothing that {settings.llm} made of a caption can be learnt by, so templates reword it.")
            made.append(texts or None)
    except (StoryError, UsageError) as error:
        warn(f"Templates reword the captions, as {settings.llm} cannot: {error}")
    return (*made, *(None,) * (len(captions) - len(made)))


class _Kept(BaseModel):
    """What a language model made of the captions of one learning."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    writer: str
    captions: Rewordings


def kept_path(checkpoint_path: Path) -> Path:
    """Where the other captions are kept that go with a checkpoint of learning."""
    return checkpoint_path.with_suffix(".captions.json")


def reword_once(
    checkpoint_path: Path, captions: Sequence[str], *, writer: str | None, ask: Callable[[], Rewordings]
) -> Rewordings:
    """What was learnt by so far; else what comes of asking, kept beside the checkpoint before anything is learnt by it.

    A language model does not answer the same twice, and learning goes on with the captions that it was begun with only.

    Args:
        checkpoint_path: Where learning that was interrupted goes on from; it need not be there.
        captions: As they are learnt.
        writer: The language model that would be asked; None where there is none.
        ask: Asks it.
    """
    path, templates_alone = kept_path(checkpoint_path), (None,) * len(captions)
    kept = _read(path)
    if kept is not None and (kept.writer == writer or checkpoint_path.exists()):
        return kept.captions
    if checkpoint_path.exists():
        return templates_alone
    path.unlink(missing_ok=True)
    made = templates_alone if writer is None else ask()
    if writer is not None and any(made):
        path.parent.mkdir(parents=True, exist_ok=True)
        write_whole(path, _Kept(writer=writer, captions=made).model_dump_json().encode())
    return made


def _read(path: Path) -> _Kept | None:
    try:
        return _Kept.model_validate_json(path.read_bytes())
    except (FileNotFoundError, ValidationError):
        return None


def _sources(
    captions: Sequence[str], concepts: Sequence[ConceptRequest], bank: ConceptBank, lexicon: Lexicon | None
) -> Iterator[SourceCaption]:
    """The captions with the words of what they show, and of what else is known."""
    words = {concept.id: concept.word for concept in concepts}
    known = [*words.values(), *(concept.word for concept in bank.list()), *_words_of(lexicon or Lexicon.empty())]
    for caption in captions:
        found = find_words(caption, words)
        own = tuple(word for concept_id, word in words.items() if found[concept_id])
        yield SourceCaption(text=caption, words=own, foreign=tuple(word for word in known if word not in own))


def _words_of(lexicon: Lexicon) -> Iterator[str]:
    """What a model can draw, but for poses, places and lights, which may be worded in more ways than one."""
    things = (*lexicon.characters, *lexicon.clothing, *lexicon.held_objects, *lexicon.objects)
    for word in (*things, *lexicon.colours, *lexicon.patterns):
        with suppress(InvalidConcept):  # whatever is no plain word is not looked for
            yield check_word(word)
