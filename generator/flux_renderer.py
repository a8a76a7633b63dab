"""Draws bound prompts with a Flux model and the directions of a concept bank.

Pictures are drawn by diffusers' own `FluxPipeline` with token offsets attached to its transformer, one or several in a
call. Knows nothing of stories or of how directions are learnt.
"""

import math
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from functools import lru_cache
from pathlib import Path
from typing import Any

import torch
from diffusers import FirstBlockCacheConfig
from PIL import Image

from concepts.bank import ConceptBank, hash_direction
from concepts.binding import Span
from concepts.errors import DamagedConcept, WrongBaseModel
from concepts.schema import BoundPrompt, ConceptMention
from generator.blending import compare_keys, recorded_keys
from generator.book_tables import BookTables, Pages
from generator.concept_guidance import guide_by_concepts
from generator.context_parallel import is_parallel
from generator.directions import Direction, DirectionBinding, TokenRows, build_token_rows, load_direction
from generator.errors import InvalidSettings, NoPicture, UnsupportedModel
from generator.flow import encode_text, predict_velocity
from generator.key_similarity import KeySimilarity
from generator.loading import FluxModel
from generator.modulation import attach_to_all
from generator.modulation_table import attach_table
from generator.renderer import OnPictureStep, OnPreview, OnStep, PictureOrder
from generator.settings import RenderSettings
from generator.slides import Slide, find_target
from generator.steps import one_after_the_other, watch_steps
from generator.text_directions import text_direction
from generator.text_encodings import Encodings
from generator.tokens import TokenSpan, find_token_spans

PICTURES_AT_ONCE = 4
IMAGE_TOKENS_AT_ONCE = 4096
"""Several pictures go through the transformer together up to these numbers: four of Pocket's, as more are no faster
(docs/LOG.md), and one of 1024×1024 pixels, where a GPU is busy with one and several only take memory."""
DIRECTIONS_KEPT = 64
"""At FLUX.1's size a word's direction is 0.7 MB."""
PROBED_SIGMA = 0.95
"""Noise level at which keys are compared: high, where a picture's subjects are decided."""


class FluxRenderer:
    """A `Renderer` for one model and one bank; holds no state of its own, serves one caller at a time."""

    def __init__(
        self,
        model: FluxModel,
        bank: ConceptBank,
        *,
        settings: RenderSettings | None = None,
        num_rows: int | None = None,
    ) -> None:
        """Draw by the settings where a picture has none of its own, and with rows for `num_rows` tokens of concepts.

        By default settings are the model's own, and rows as many as the model was set up for: each picture has at least
        these, used or not. Where the transformer's blocks are compiled, the number makes pictures with other concepts,
        or with none, run what was compiled for the first.
        """
        self.model = model
        self.bank = bank
        self.settings = settings or model.defaults
        self.num_rows = model.num_rows if num_rows is None else num_rows

    def render(
        self,
        bound: BoundPrompt,
        *,
        seed: int,
        settings: RenderSettings | None = None,
        strengths: Mapping[str, float] | None = None,
        slides: Sequence[Slide] = (),
        read_with: Sequence[str] = (),
        on_step: OnStep | None = None,
        on_preview: OnPreview | None = None,
    ) -> Image.Image:
        """The picture of a prompt, RGB; equal arguments give equal pictures on one machine.

        Args:
            bound: The prompt and where it names which concepts of the bank.
            seed: Of the initial noise, which is drawn on the CPU and so is the same on every device.
            settings: By default the renderer's.
            strengths: Factor on a concept's direction, by id; 1 for those not named.
            slides: Text-driven directions, added to those of concepts and to each other.
            read_with: Prompts of the pictures that belong with it, its own among them, as in `Renderer`.
            on_step: As in `Renderer`.
            on_preview: As in `Renderer`; the first time it takes a moment to learn how latents look.

        Raises:
            InvalidSettings: The model cannot draw this size, a strength is not usable, or the prompt is not among those
                that it is to be read with.
            InvalidSlide: The prompt lacks a slide's target, or has it twice.
            WrongBaseModel: A concept was learnt on another model.
            NoPicture: The model's numbers overflowed.
            UnsupportedModel: Blocks are to be left out of a model on which context parallel is enabled.
            GeneratorError: Also `PromptTooLong`, `TokenSpanError`, `DirectionMismatch`.
            ConceptError: Also `UnknownConcept`, `DamagedConcept`.
        """
        settings = settings or self.settings
        self._check_size(settings)
        bindings = self._bind(bound, settings, strengths or {})
        of_slides, for_all = self._bind_slides(slides, bound, settings)
        encoding = self.model.text_encodings.of_one(
            bound.prompt, read_with=read_with, max_sequence_length=settings.max_sequence_length
        )
        with self._attached([[*bindings, *of_slides]], settings, for_all=for_all):
            watched = watch_steps(self.model, settings, on_step=on_step, on_preview=on_preview)
            (image,) = self._draw(encoding, [seed], settings, watched)
        return image

    def render_all(
        self,
        orders: Sequence[PictureOrder],
        *,
        settings: RenderSettings | None = None,
        done: Collection[int] = (),
        on_step: OnPictureStep | None = None,
    ) -> Iterator[Image.Image]:
        """The pictures of several prompts, as in `Renderer`; so many at once as the settings' size allows.

        One that is done is drawn again where others are drawn together with it, as these depend on it by a rounding.
        Text encoders work once, before anything is drawn. Errors as in `render`, all of them before that too.
        """
        settings = settings or self.settings
        self._check_size(settings)
        bindings = [self._bind(order.bound, settings, order.strengths) for order in orders]
        if not set(range(len(orders))) - {*done}:
            return
        prompts = [order.bound.prompt for order in orders]
        encoding = self.model.text_encodings.of_all(prompts, max_sequence_length=settings.max_sequence_length)
        batches = self._batches(len(orders), settings)
        book = self._book(bindings, encoding, settings) if len(batches) > 1 else None
        for batch in batches:
            wanted = [place for place, index in enumerate(batch) if index not in done]
            if not wanted:
                continue
            seeds = [orders[index].seed for index in batch]
            of_batch = {name: value[batch.start : batch.stop] for name, value in encoding.items()}
            pages = None if book is None else book.pages(batch)
            with self._attached([bindings[index] for index in batch], settings, pages=pages):
                watched = watch_steps(self.model, settings, on_step=one_after_the_other(on_step, batch))
                images = self._draw(of_batch, seeds, settings, watched)
            yield from (images[place] for place in wanted)

    def _batches(self, num_pictures: int, settings: RenderSettings) -> list[range]:
        """Pictures that are drawn together, in parts of like size."""
        pixels_a_token = self.model.pipeline.vae_scale_factor * 2
        num_tokens = (settings.height // pixels_a_token) * (settings.width // pixels_a_token)
        at_once = max(1, min(PICTURES_AT_ONCE, IMAGE_TOKENS_AT_ONCE // num_tokens))
        if self.model.cache_threshold:
            at_once = 1  # what is left out is decided for all of a batch, and a picture must not depend on others
        num_batches = math.ceil(num_pictures / at_once)
        starts = [num_pictures * index // num_batches for index in range(num_batches)]
        return [range(start, stop) for start, stop in zip(starts, [*starts[1:], num_pictures], strict=True)]

    def _draw(
        self,
        encoding: Mapping[str, torch.Tensor],
        seeds: Sequence[int],
        settings: RenderSettings,
        watched: Mapping[str, Any],
    ) -> list[Image.Image]:
        """One call of the pipeline; `watched` are its arguments that tell of steps."""
        pipeline = self.model.pipeline
        pictures = pipeline(
            **encoding,
            **settings.of_pipeline,
            generator=[torch.Generator("cpu").manual_seed(seed) for seed in seeds],
            **watched,
            output_type="pt",
        ).images
        is_whole = pictures.isfinite().flatten(1).all(dim=1).tolist()
        if not all(is_whole):
            raise NoPicture(
                f"What {self.model.name} drew from seed {seeds[is_whole.index(False)]} is no picture: its numbers "
                "overflowed. Give smaller strengths and slides and less guidance; where there are none, load the model "
                "in a wider dtype or get it again."
            )
        return pipeline.image_processor.numpy_to_pil(pipeline.image_processor.pt_to_numpy(pictures))

    @torch.no_grad()
    def key_similarities(
        self, bound: BoundPrompt, *, strengths: Mapping[str, float] | None = None
    ) -> tuple[KeySimilarity, ...]:
        """How alike every two concepts of the prompt are in attention, the most alike first.

        By one pass of the transformer on fixed noise at `PROBED_SIGMA`; nothing where there is one concept or none.
        Errors as in `render`, and `UnsupportedModel` where processes share the model (context or tensor parallel).
        """
        settings, model = self.settings, self.model
        bindings = self._bind(bound, settings, strengths or {})
        if len(bindings) < 2:
            return ()
        pipeline, transformer = model.pipeline, model.pipeline.transformer
        if is_parallel(transformer) or transformer._parallel_config is not None:
            raise UnsupportedModel(
                "Concepts are not compared where context or tensor parallel shares the transformer among processes, "
                "none of which has the keys of all tokens and heads. Compare them before it is enabled."
            )
        encoding = encode_text(pipeline, bound.prompt, max_sequence_length=settings.max_sequence_length)
        height, width = (side // pipeline.vae_scale_factor for side in (settings.height, settings.width))
        channels = transformer.config.in_channels // 4
        noise = torch.randn(1, channels, height, width, generator=torch.Generator().manual_seed(0))
        timesteps = torch.full((1,), 1000 * PROBED_SIGMA, device=transformer.device, dtype=transformer.dtype)
        rows = self._rows([bindings], settings)
        with (
            attach_table(transformer, rows, schedule=lambda: timesteps),
            recorded_keys(transformer) as keys,
        ):
            predict_velocity(transformer, noise.to(transformer.device), timesteps / 1000, encoding)
        return compare_keys(keys, {each.concept_id: range(each.start, each.stop) for each in bindings})

    @contextmanager
    def _attached(
        self,
        prompts: Sequence[Sequence[DirectionBinding]],
        settings: RenderSettings,
        *,
        for_all: torch.Tensor | None = None,
        pages: Pages | None = None,
    ) -> Iterator[None]:
        """The directions of several prompts on the transformer while the context lasts.

        `for_all` is `(1, dim)`; `pages` are those prompts where their book shares its tables.
        """
        pipeline = self.model.pipeline
        rows = self._rows(prompts, settings) if pages is None else pages.rows
        with ExitStack() as stack:
            if self.model.cache_threshold:
                if is_parallel(pipeline.transformer):
                    raise UnsupportedModel(
                        "No blocks are left out (FirstBlockCache) under context parallel: each process would decide by "
                        "its own part, and wait for ever for one that decided otherwise. Load the model with the "
                        "profile 'quality'."
                    )
                pipeline.transformer.enable_cache(FirstBlockCacheConfig(threshold=self.model.cache_threshold))
                stack.callback(pipeline.transformer.disable_cache)
            if for_all is not None and for_all.any():
                stack.enter_context(attach_to_all(pipeline.transformer, for_all))
            if rows.positions.shape[1]:
                attached = attach_table(
                    pipeline.transformer,
                    rows,
                    schedule=lambda: pipeline.scheduler.timesteps,
                    step=lambda: _step_of(pipeline.scheduler),
                    sigma_min=settings.direction_sigma_min,
                    pages=pages,
                )
                table = stack.enter_context(attached)
                if any(each.strength for bindings in prompts for each in bindings):
                    stack.enter_context(guide_by_concepts(pipeline.transformer, table, **settings.of_guidance))
            yield

    def _book(
        self, prompts: Sequence[Sequence[DirectionBinding]], encoding: Encodings, settings: RenderSettings
    ) -> BookTables | None:
        """What shares the tables of all prompts, where that pays."""
        if not self.model.shares_tables or is_parallel(self.model.pipeline.transformer):
            return None
        return BookTables(self._rows(prompts, settings), encoding["pooled_prompt_embeds"])

    def _rows(self, prompts: Sequence[Sequence[DirectionBinding]], settings: RenderSettings) -> TokenRows:
        model, text_len = self.model, settings.max_sequence_length
        return build_token_rows(
            prompts,
            num_blocks=model.num_blocks,
            text_len=text_len,
            dim=model.dim,
            num_rows=self.num_rows,
            device=model.pipeline._execution_device,
        )

    def _check_size(self, settings: RenderSettings) -> None:
        """Refuse sizes that diffusers would silently change."""
        step = self.model.pipeline.vae_scale_factor * 2
        if settings.height % step or settings.width % step:
            raise InvalidSettings(
                f"{self.model.name} cannot draw {settings.width}×{settings.height} pixels: width and height must be "
                f"multiples of {step}. Choose such a size."
            )

    def _bind(
        self, bound: BoundPrompt, settings: RenderSettings, strengths: Mapping[str, float]
    ) -> list[DirectionBinding]:
        _check_strengths(bound, strengths)
        spans = find_token_spans(
            bound, self.model.pipeline.tokenizer_2, max_sequence_length=settings.max_sequence_length
        )
        return [self._load(span, strengths.get(span.concept_id, 1.0)) for span in spans]

    def _bind_slides(
        self, slides: Sequence[Slide], bound: BoundPrompt, settings: RenderSettings
    ) -> tuple[list[DirectionBinding], torch.Tensor]:
        """Slides that go to words, and the sum of those that go to everything, `(1, dim)`."""
        bindings: list[DirectionBinding] = []
        for_all = torch.zeros(1, self.model.dim)
        for slide in slides:
            span, direction = find_target(slide, bound), self._direction(slide, settings)
            if span is None:
                for_all += slide.weight * direction
            else:
                bindings.append(self._bind_slide(slide, direction, bound.prompt, span, settings))
        return bindings, for_all

    def _direction(self, slide: Slide, settings: RenderSettings) -> torch.Tensor:
        """A slide's direction at weight 1, `(1, dim)` on the CPU."""
        pipeline, length = self.model.pipeline, settings.max_sequence_length
        towards, away = (
            encode_text(pipeline, phrase, max_sequence_length=length).pooled_prompt_embeds
            for phrase in (slide.towards, slide.away)
        )
        return text_direction(pipeline.transformer, towards, away).cpu()

    def _bind_slide(
        self, slide: Slide, direction: torch.Tensor, prompt: str, span: Span, settings: RenderSettings
    ) -> DirectionBinding:
        """The slide on every token of its target."""
        mention = ConceptMention(concept_id="slide", start=span[0], stop=span[1])
        (tokens,) = find_token_spans(
            BoundPrompt(prompt=prompt, mentions=(mention,)),
            self.model.pipeline.tokenizer_2,
            max_sequence_length=settings.max_sequence_length,
        )
        return DirectionBinding(
            concept_id=slide.target,
            words=prompt[span[0] : span[1]],
            direction=Direction(direction.expand(tokens.num_tokens, 1, -1), "temb"),
            start=tokens.start,
            stop=tokens.stop,
            strength=slide.weight,
        )

    def _load(self, span: TokenSpan, strength: float) -> DirectionBinding:
        concept = self.bank.get(span.concept_id)
        family = self.model.family
        if concept.family != family.name:
            raise WrongBaseModel(
                f"Concept {concept.id!r} was learnt on a model of the family {concept.family!r} "
                f"({concept.base_model_name!r}), but the loaded model {self.model.name!r} is of the family "
                f"{family.name!r} ({family.title}); a direction has a meaning only within its own. Load that model, or "
                "learn the concept again on this one."
            )
        if concept.base_model != self.model.fingerprint:
            raise WrongBaseModel(
                f"Concept {concept.id!r} was learnt on {concept.base_model_name!r} ({concept.base_model[:12]}), but "
                f"the loaded model is {self.model.name!r} ({self.model.fingerprint[:12]}); a direction has a meaning "
                "only on its own model. Load that model, or learn the concept again on this one."
            )
        return DirectionBinding(
            concept_id=concept.id,
            words=concept.word,
            direction=_direction_of(concept.direction_sha256, self.bank.folder, concept.id),
            start=span.start,
            stop=span.stop,
            strength=strength,
        )


def _step_of(scheduler: Any) -> int:
    """The step that a diffusers scheduler is at; before the first it is the one that the pipeline begins with."""
    return (scheduler.begin_index or 0) if scheduler.step_index is None else scheduler.step_index


@lru_cache(maxsize=DIRECTIONS_KEPT)
def _direction_of(sha256: str, bank_dir: Path, concept_id: str) -> Direction:
    """The direction of a concept whose file has this hash; pages of a book name the same ones again and again."""
    path = ConceptBank(bank_dir).direction_path(concept_id)
    direction = load_direction(path)
    if hash_direction(path) != sha256:
        raise DamagedConcept(
            f"Concept {concept_id!r} was learnt again while a picture with it was begun, so that its direction is "
            "another now. Begin the picture again."
        )
    return direction


def _check_strengths(bound: BoundPrompt, strengths: Mapping[str, float]) -> None:
    mentioned = {mention.concept_id for mention in bound.mentions}
    for concept_id, strength in strengths.items():
        if concept_id not in mentioned or not math.isfinite(strength):
            raise InvalidSettings(
                f"Strength {strength!r} for {concept_id!r} is not usable: a strength is a finite number for a concept "
                f"of the prompt, which has {', '.join(sorted(mentioned)) or 'none'}."
            )
