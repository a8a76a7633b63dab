"""What is to be learnt, checked before any work: captions, the words of concepts in them, sizes and lengths.

Every token of every caption has a row in one table of rows; the words of a concept have the same rows in all captions
that name it. Reads text with the model's tokenizer alone; knows nothing of tensors or losses.
"""

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import permutations

from concepts.schema import BoundPrompt, ConceptMention
from generator.augmentation import keeps_words, may_mirror, names_several, paraphrase, split_scene
from generator.caption_binding import bind_captions
from generator.caption_tokens import CaptionTokens, NumberedTokens, Placement
from generator.errors import DirectionMismatch, InvalidSettings
from generator.isolation import join_captions
from generator.isolation_prompts import SIDE_BY_SIDE
from generator.learning_plan import default_recipe, fitted
from generator.loading import FluxModel
from generator.recipe import ConceptRequest, LearningError, LearningRecipe, SourcePicture
from generator.settings import RenderSettings
from generator.text_reader import TextReader

_OF_SETTINGS = ("height", "width", "max_sequence_length", "direction_sigma_min")
"""What the recipe leaves to the model's own settings where it says nothing."""


@dataclass(frozen=True)
class PlacedText:
    """A text that repeats a caption's words, and which table row goes to which of its tokens."""

    text: str
    placement: Placement


@dataclass(frozen=True)
class TwoPartText:
    """An isolation prompt, and the numbers of the caption on its left and of the isolation picture on its right."""

    prompt: PlacedText
    caption: int
    picture: int


@dataclass(frozen=True)
class CompanionText:
    """A caption that names the source's subject and a companion at the source's place, in either order."""

    prompt: PlacedText
    source_is_left: bool
    picture_prompt: str
    """What the companion's own picture is drawn from."""


@dataclass(frozen=True)
class JointText:
    """Two sources' captions merged into one, for their pictures side by side; numbers of the sources."""

    prompt: PlacedText
    left: int
    right: int


@dataclass(frozen=True)
class SourceTask:
    """What follows from one source picture's caption."""

    captions: tuple[PlacedText, ...]
    """The caption itself, then its paraphrases."""
    two_parts: tuple[TwoPartText, ...]
    companions: tuple[CompanionText, ...]
    mirrors: bool
    """Whether the mirrored picture is learnt from, too."""
    concept_ids: tuple[str, ...]
    """Those that the caption names."""


@dataclass(frozen=True)
class LearningTask:
    """Everything that follows from the request without looking at the pictures."""

    concepts: tuple[ConceptRequest, ...]
    recipe: LearningRecipe
    """With all that follows from the model filled in."""
    settings: RenderSettings
    """The model's own, at the recipe's size, length and lowest noise level."""
    num_rows: int
    rows: dict[str, tuple[int, ...]]
    """For each concept's id, the table rows of its words, in the order of their tokens."""
    sources: tuple[SourceTask, ...]
    isolation_prompts: tuple[str, ...]
    """Captions of the pictures that must stay as they are, no more than steps."""
    joint: tuple[JointText, ...]

    @property
    def concept_rows(self) -> frozenset[int]:
        """Rows of all concepts."""
        return frozenset(row for rows in self.rows.values() for row in rows)

    def rows_alone(self, source: SourceTask) -> tuple[frozenset[int], ...]:
        """Rows of what a source shows that is learnt without the rest, too: each concept, a figure with what it wears.

        Clothes never are by themselves: a scarf learnt without the fox in it would turn whoever wears it into that fox.
        """
        kinds = {concept.id: concept.kind for concept in self.concepts}
        shown = source.concept_ids
        worn = [concept_id for concept_id in shown if kinds[concept_id] == "clothing"]
        wearers = [concept_id for concept_id in shown if worn and kinds[concept_id] == "character"]
        groups = [[concept_id] for concept_id in shown if concept_id not in (*worn, *wearers)]
        if wearers:
            groups.append([*wearers, *worn])
        return tuple(
            frozenset(row for concept_id in group for row in self.rows[concept_id])
            for group in groups
            if len(group) < len(shown)
        )

    def source_of(self, concept_id: str) -> int:
        """The first source that names a concept."""
        return next(index for index, source in enumerate(self.sources) if concept_id in source.concept_ids)

    def digest(self, model: FluxModel, pictures: Sequence[bytes]) -> str:
        """SHA-256 of all that the result depends on, so that a checkpoint of another task is recognised."""
        identity = [
            model.fingerprint,
            [hashlib.sha256(picture).hexdigest() for picture in pictures],
            [[placed.text for placed in source.captions] for source in self.sources],
            [concept.model_dump() for concept in self.concepts],
            self.recipe.model_dump(exclude={"checkpoint_every", "gradient_checkpointing"}),
            list(self.isolation_prompts),
        ]
        return hashlib.sha256(json.dumps(identity).encode()).hexdigest()


def plan_learning(
    model: FluxModel,
    sources: Sequence[SourcePicture],
    concepts: Sequence[ConceptRequest],
    *,
    recipe: LearningRecipe | None,
    isolation_prompts: Sequence[str],
) -> LearningTask:
    """Check a request and find its words; errors as in `learn_concepts`."""
    num_parameters = model.num_parameters
    recipe = fitted(recipe or default_recipe(num_parameters), model.defaults, num_parameters=num_parameters)
    isolation_prompts = isolation_prompts[: recipe.num_steps]  # a step looks at one of them
    settings = _settings(recipe, model)
    reader = TextReader(model, settings.max_sequence_length)
    bound = bind_captions([source.caption for source in sources], concepts)
    rows: dict[str, tuple[int, ...]] = {}
    num_rows = 0
    numbered: list[NumberedTokens] = []
    for own in bound:
        numbered.append(_number(own, rows, num_rows, reader))
        num_rows = max(num_rows, *(number + 1 for number in numbered[-1].numbers))
    tasks = tuple(
        _source_task(source, own, tokens, concepts, reader, recipe, isolation_prompts)
        for source, own, tokens in zip(sources, bound, numbered, strict=True)
    )
    return LearningTask(
        concepts=tuple(concepts),
        recipe=recipe,
        settings=settings,
        num_rows=num_rows,
        rows=rows,
        sources=tasks,
        isolation_prompts=tuple(isolation_prompts),
        joint=_joint_texts(tasks, numbered, reader) if recipe.joint_fraction else (),
    )


def with_readable_paraphrases(
    model: FluxModel, sources: Sequence[SourcePicture], concepts: Sequence[ConceptRequest], *, recipe: LearningRecipe
) -> tuple[SourcePicture, ...]:
    """The sources with those of their paraphrases that `learn_concepts` would not refuse; templates where none is left.

    Whoever made them up without the model's tokenizer cannot know.

    Raises:
        ConceptNotMentioned, AmbiguousMention, CollidingConcepts, InvalidConcept, PromptTooLong, TokenSpanError: As
            `learn_concepts`, of the captions themselves.
    """
    reader = TextReader(model, recipe.max_sequence_length or model.defaults.max_sequence_length)
    kept: list[SourcePicture] = []
    for source, bound in zip(sources, bind_captions([each.caption for each in sources], concepts), strict=True):
        if source.paraphrases:
            tokens = _number(bound, {}, 0, reader)
            ids = {mention.concept_id for mention in bound.mentions}
            words = [concept.word for concept in concepts if concept.id in ids]
            texts = [text for text in source.paraphrases if keeps_words(text, source.caption, words)]
            readable = tuple(text for text in texts if _is_readable(text, tokens, reader))
            source = replace(source, paraphrases=readable or None)
        kept.append(source)
    return tuple(kept)


def _is_readable(text: str, tokens: NumberedTokens, reader: TextReader) -> bool:
    """Whether a text fits, and has the concepts' tokens both by itself and within a two-part prompt."""
    framed, start, stop = join_captions(text, "")
    if not reader.fits(text):
        return False
    try:
        tokens.locate(text, reader.locate, start=0, stop=len(text))
        if reader.fits(framed):
            tokens.locate(framed, reader.locate, start=start, stop=stop)
    except DirectionMismatch:
        return False
    return True


def _number(bound: BoundPrompt, rows: dict[str, tuple[int, ...]], num_rows: int, reader: TextReader) -> NumberedTokens:
    """Number a caption's tokens, from `num_rows` on where they are new, and enter its new concepts into `rows`."""
    reader.check_length(bound.prompt)
    tokens = CaptionTokens.read(bound.prompt, reader.locate)
    known: dict[int, int] = {}
    of_mentions: list[tuple[ConceptMention, tuple[int, ...]]] = []
    for mention in bound.mentions:
        local = tokens.rows_of(mention.start, mention.stop)
        reader.check_rows(bound.prompt, mention, local)
        of_mentions.append((mention, local))
        if mention.concept_id in rows:
            known.update(zip(local, _same_pieces(bound.prompt, mention, local, rows), strict=True))
    numbers: list[int] = []
    for row in range(tokens.num_rows):
        numbers.append(known[row] if row in known else num_rows)
        num_rows += row not in known
    for mention, local in of_mentions:
        rows.setdefault(mention.concept_id, tuple(numbers[row] for row in local))
    return NumberedTokens(tokens, tuple(numbers), frozenset(row for _, local in of_mentions for row in local))


def _same_pieces(
    caption: str, mention: ConceptMention, local: tuple[int, ...], rows: dict[str, tuple[int, ...]]
) -> tuple[int, ...]:
    known = rows[mention.concept_id]
    if len(known) != len(local):
        raise DirectionMismatch(
            f"{caption[mention.start : mention.stop]!r} in {caption!r} is {len(local)} tokens, but concept "
            f"{mention.concept_id!r} is {len(known)} tokens in another caption. Write its word in the same way in all."
        )
    return known


def _source_task(
    source: SourcePicture,
    bound: BoundPrompt,
    tokens: NumberedTokens,
    concepts: Sequence[ConceptRequest],
    reader: TextReader,
    recipe: LearningRecipe,
    isolation_prompts: Sequence[str],
) -> SourceTask:
    caption, ids = bound.prompt, tuple(mention.concept_id for mention in bound.mentions)
    named = [concept for concept in concepts if concept.id in ids]
    words = [concept.word for concept in named]
    given = source.paraphrases
    has_companions = recipe.isolation_fraction > 0 and recipe.companion_share > 0
    texts = _templates(caption, words, reader) if given is None else _given(caption, words, given, reader)
    captions = tuple(PlacedText(text, tokens.locate(text, reader.locate, start=0, stop=len(text))) for text in texts)
    return SourceTask(
        captions=captions,
        two_parts=_two_parts(captions, tokens, reader, isolation_prompts) if recipe.isolation_fraction else (),
        companions=_companions(caption, words, tokens, reader, isolation_prompts) if has_companions else (),
        mirrors=recipe.flip and may_mirror(caption, [concept.kind for concept in named]),
        concept_ids=ids,
    )


def _settings(recipe: LearningRecipe, model: FluxModel) -> RenderSettings:
    settings = replace(model.defaults, **{name: getattr(recipe, name) for name in _OF_SETTINGS})
    token_px = model.pipeline.vae_scale_factor * 2
    if settings.height % token_px or settings.width % token_px:
        raise InvalidSettings(
            f"Cannot learn at {settings.width} × {settings.height} pixels: width and height must be multiples of "
            f"{token_px} for this model. Change the recipe."
        )
    return settings


def _templates(caption: str, words: Sequence[str], reader: TextReader) -> list[str]:
    return [text for text in paraphrase(caption, words) if text == caption or reader.fits(text)]


def _given(caption: str, words: Sequence[str], paraphrases: Sequence[str], reader: TextReader) -> list[str]:
    for text in paraphrases:
        reader.check_length(text)
        if not keeps_words(text, caption, words):
            raise DirectionMismatch(
                f"The paraphrase {text!r} does not name each of {list(words)!r} as often as the caption {caption!r}. "
                "A paraphrase keeps the words of the concepts and changes only the rest."
            )
    return [caption, *(text for text in paraphrases if text != caption)]


def _two_parts(
    captions: Sequence[PlacedText], tokens: NumberedTokens, reader: TextReader, isolation_prompts: Sequence[str]
) -> tuple[TwoPartText, ...]:
    """One two-part prompt for each isolation picture whose caption fits beside ours; paraphrases take turns."""
    prompts: list[TwoPartText] = []
    for index, right in enumerate(isolation_prompts):
        for left in (index % len(captions), 0):
            text, start, stop = join_captions(captions[left].text, right)
            if reader.fits(text):
                placed = PlacedText(text, tokens.locate(text, reader.locate, start=start, stop=stop))
                prompts.append(TwoPartText(placed, caption=left, picture=index))
                break
    if not prompts:
        raise LearningError(
            f"None of the {len(isolation_prompts)} isolation captions fits beside {captions[0].text!r} in "
            f"{reader.max_sequence_length} tokens. Shorten the caption, give isolation captions, or set "
            "isolation_fraction to 0."
        )
    return tuple(prompts)


def _companions(
    caption: str, words: Sequence[str], tokens: NumberedTokens, reader: TextReader, isolation_prompts: Sequence[str]
) -> tuple[CompanionText, ...]:
    """Captions of the source's subject and each isolation prompt's at the source's place, in both orders.

    None when a concept is named in the phrases of place and light: it has to show in both halves; nor when the caption
    names several things, which the middle half of their picture would cut.
    """
    subject, scene = split_scene(caption)
    if names_several(caption) or not keeps_words(subject, caption, words):
        return ()
    companions: list[CompanionText] = []
    for isolation_prompt in isolation_prompts:
        companion, _ = split_scene(isolation_prompt)
        for is_left in (True, False):
            first, second = (subject, companion) if is_left else (companion, subject)
            text = f"{first} and {second} {scene}".strip()
            if reader.fits(text):
                start = 0 if is_left else len(f"{companion} and ")
                placement = tokens.locate(text, reader.locate, start=start, stop=start + len(subject))
                companions.append(CompanionText(PlacedText(text, placement), is_left, f"{companion} {scene}".strip()))
    return tuple(companions)


def _joint_texts(
    sources: Sequence[SourceTask], numbered: Sequence[NumberedTokens], reader: TextReader
) -> tuple[JointText, ...]:
    """Every two sources, in both orders, that share no concept and whose merged captions fit."""
    texts: list[JointText] = []
    for left, right in permutations(range(len(sources)), 2):
        if set(sources[left].concept_ids) & set(sources[right].concept_ids):
            continue
        first, second = (sources[index].captions[0].text.strip().rstrip(".") for index in (left, right))
        text, begin = f"{first}{SIDE_BY_SIDE}{second}", len(first) + len(SIDE_BY_SIDE)
        if not reader.fits(text):
            continue
        on_left = numbered[left].locate(text, reader.locate, start=0, stop=len(first))
        on_right = numbered[right].locate(text, reader.locate, start=begin, stop=len(text))
        placement = Placement(on_left.positions + on_right.positions, on_left.rows + on_right.rows)
        texts.append(JointText(PlacedText(text, placement), left=left, right=right))
    if not texts:
        raise LearningError(
            f"Joint learning sets two pictures of different concepts side by side, and of the {len(sources)} given no "
            f"two have that, with captions that fit into {reader.max_sequence_length} tokens together. Give another "
            "picture, shorten the captions, or set joint_fraction to 0."
        )
    return tuple(texts)
