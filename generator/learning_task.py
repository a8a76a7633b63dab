"""What is to be learnt, checked before any work: captions, the words of concepts in them, sizes and lengths.

Reads text with the model's tokenizer alone; knows nothing of pictures, tensors or losses.
"""

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass, replace

from concepts.binding import bind_concepts
from concepts.errors import InvalidConcept
from concepts.schema import BoundPrompt, Concept, ConceptMention
from generator.augmentation import keeps_words, may_mirror, paraphrase
from generator.caption_tokens import CaptionTokens, Placement
from generator.errors import DirectionMismatch, InvalidSettings, PromptTooLong, TokenSpanError
from generator.isolation import join_captions
from generator.loading import FluxModel
from generator.recipe import ConceptRequest, LearningError, LearningRecipe
from generator.settings import RenderSettings
from generator.tokens import find_token_spans

_UNKNOWN_SHA256 = "0" * 64
_SIZES = ("height", "width", "max_sequence_length")


@dataclass(frozen=True)
class PlacedText:
    """A text that repeats the caption's words, and which table row goes to which of its tokens."""

    text: str
    placement: Placement


@dataclass(frozen=True)
class LearningTask:
    """Everything that follows from the request without looking at the picture."""

    caption: str
    concepts: tuple[ConceptRequest, ...]
    recipe: LearningRecipe
    """With height, width and length filled in."""
    settings: RenderSettings
    """The model's own, at the recipe's size and length."""
    tokens: CaptionTokens
    rows: dict[str, tuple[int, ...]]
    """For each concept's id, the table rows of its words, in the order of their tokens."""
    captions: tuple[PlacedText, ...]
    """The caption itself, then its paraphrases."""
    two_part_prompts: tuple[tuple[PlacedText, int], ...]
    """Isolation prompts with the number of the isolation picture each belongs to."""
    mirrors: bool
    """Whether the mirrored picture is learnt from, too."""

    @property
    def concept_rows(self) -> frozenset[int]:
        """Rows of all concepts."""
        return frozenset(row for rows in self.rows.values() for row in rows)

    def digest(self, model: FluxModel, picture: bytes, isolation_prompts: Sequence[str]) -> str:
        """SHA-256 of all that the result depends on, so that a checkpoint of another task is recognised."""
        identity = [
            model.fingerprint,
            hashlib.sha256(picture).hexdigest(),
            [placed.text for placed in self.captions],
            [concept.model_dump() for concept in self.concepts],
            self.recipe.model_dump(exclude={"checkpoint_every", "gradient_checkpointing"}),
            list(isolation_prompts),
        ]
        return hashlib.sha256(json.dumps(identity).encode()).hexdigest()


def plan_learning(
    model: FluxModel,
    caption: str,
    concepts: Sequence[ConceptRequest],
    *,
    recipe: LearningRecipe,
    isolation_prompts: Sequence[str],
    paraphrases: Sequence[str] | None,
) -> LearningTask:
    """Check a request and find its words; errors as in `learn_concepts`."""
    settings = _settings(recipe, model)
    reader = _TextReader(model, settings.max_sequence_length)
    mentions = bind_caption(model, caption, concepts).mentions
    reader.check_length(caption)
    tokens = CaptionTokens.read(caption, reader.locate)
    rows = {mention.concept_id: tokens.rows_of(mention.start, mention.stop) for mention in mentions}
    for mention in mentions:
        reader.check_rows(caption, mention, rows[mention.concept_id])
    required = frozenset(row for own in rows.values() for row in own)
    words = [concept.word for concept in concepts]
    texts = _templates(caption, words, reader) if paraphrases is None else _given(caption, words, paraphrases, reader)
    captions = tuple(reader.place(text, tokens, required) for text in texts)
    return LearningTask(
        caption=caption,
        concepts=tuple(concepts),
        recipe=recipe.model_copy(update={name: getattr(settings, name) for name in _SIZES}),
        settings=settings,
        tokens=tokens,
        rows=rows,
        captions=captions,
        two_part_prompts=_two_part_prompts(captions, tokens, required, reader, recipe, isolation_prompts),
        mirrors=recipe.flip and may_mirror(caption, [concept.kind for concept in concepts]),
    )


def bind_caption(model: FluxModel, caption: str, concepts: Sequence[ConceptRequest]) -> BoundPrompt:
    """The caption bound to the concepts to be learnt, which must each occur once; errors as in `bind_concepts`."""
    ids = [concept.id for concept in concepts]
    if not ids or len(set(ids)) < len(ids):
        raise InvalidConcept(
            f"Cannot learn the concepts {ids!r}: learning needs at least one, and each its own id. Correct the ids."
        )
    provisional = [
        Concept(
            **concept.model_dump(),
            caption=caption or " ",
            base_model=model.fingerprint,
            base_model_name=model.name,
            direction_sha256=_UNKNOWN_SHA256,
            recipe={},
        )
        for concept in concepts
    ]
    return bind_concepts(caption, provisional)


class _TextReader:
    """Where a text's words are among its tokens, by the model's own tokenizer."""

    def __init__(self, model: FluxModel, max_sequence_length: int) -> None:
        self.tokenizer = model.pipeline.tokenizer_2
        self.max_sequence_length = max_sequence_length

    def fits(self, text: str) -> bool:
        return self._num_tokens(text) <= self.max_sequence_length

    def check_length(self, text: str) -> None:
        if not self.fits(text):
            raise PromptTooLong(
                f"{text!r} is {self._num_tokens(text)} tokens long, but the text encoder reads at most "
                f"{self.max_sequence_length}. Shorten it."
            )

    def locate(self, text: str, start: int, stop: int) -> range:
        """Tokens that hold the characters; none for a mark that the tokenizer drops."""
        mention = ConceptMention(concept_id="words", start=start, stop=stop)
        try:
            (span,) = find_token_spans(
                BoundPrompt(prompt=text, mentions=(mention,)),
                self.tokenizer,
                max_sequence_length=self.max_sequence_length,
            )
        except TokenSpanError:
            return range(0)
        return range(span.start, span.stop)

    def check_rows(self, caption: str, mention: ConceptMention, rows: Sequence[int]) -> None:
        """A concept needs every piece of its words, and none that another word claims."""
        word = caption[mention.start : mention.stop]
        num_pieces = len(self.locate(caption, mention.start, mention.stop))
        if not rows or len(rows) != num_pieces:
            raise TokenSpanError(
                f"The tokenizer does not keep {word!r} apart from its neighbours in {caption!r}, so concept "
                f"{mention.concept_id!r} cannot be learnt. Put spaces around it, or use a word it knows."
            )

    def place(self, text: str, tokens: CaptionTokens, required: frozenset[int]) -> PlacedText:
        return self.place_part(text, 0, len(text), tokens, required)

    def place_part(
        self, text: str, start: int, stop: int, tokens: CaptionTokens, required: frozenset[int]
    ) -> PlacedText:
        return PlacedText(text, tokens.locate(text, self.locate, start=start, stop=stop, required_rows=required))

    def _num_tokens(self, text: str) -> int:
        return len(self.tokenizer(text, add_special_tokens=True, verbose=False)["input_ids"])


def _settings(recipe: LearningRecipe, model: FluxModel) -> RenderSettings:
    wanted = {name: getattr(recipe, name) for name in _SIZES if getattr(recipe, name) is not None}
    settings = replace(model.defaults, **wanted)
    token_px = model.pipeline.vae_scale_factor * 2
    if settings.height % token_px or settings.width % token_px:
        raise InvalidSettings(
            f"Cannot learn at {settings.width} × {settings.height} pixels: width and height must be multiples of "
            f"{token_px} for this model. Change the recipe."
        )
    return settings


def _templates(caption: str, words: Sequence[str], reader: _TextReader) -> list[str]:
    return [text for text in paraphrase(caption, words) if text == caption or reader.fits(text)]


def _given(caption: str, words: Sequence[str], paraphrases: Sequence[str], reader: _TextReader) -> list[str]:
    for text in paraphrases:
        reader.check_length(text)
        if not keeps_words(text, caption, words):
            raise DirectionMismatch(
                f"The paraphrase {text!r} does not name each of {list(words)!r} as often as the caption {caption!r}. "
                "A paraphrase keeps the words of the concepts and changes only the rest."
            )
    return [caption, *(text for text in paraphrases if text != caption)]


def _two_part_prompts(
    captions: Sequence[PlacedText],
    tokens: CaptionTokens,
    required: frozenset[int],
    reader: _TextReader,
    recipe: LearningRecipe,
    isolation_prompts: Sequence[str],
) -> tuple[tuple[PlacedText, int], ...]:
    """One two-part prompt for each isolation picture whose caption fits beside ours; paraphrases take turns."""
    if not recipe.isolation_fraction:
        return ()
    prompts: list[tuple[PlacedText, int]] = []
    for index, right in enumerate(isolation_prompts):
        for left in (captions[index % len(captions)], captions[0]):
            text, start, stop = join_captions(left.text, right)
            if reader.fits(text):
                prompts.append((reader.place_part(text, start, stop, tokens, required), index))
                break
    if not prompts:
        raise LearningError(
            f"None of the {len(isolation_prompts)} isolation captions fits beside {captions[0].text!r} in "
            f"{reader.max_sequence_length} tokens. Shorten the caption, give isolation captions, or set "
            "isolation_fraction to 0."
        )
    return tuple(prompts)
