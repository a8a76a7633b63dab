"""Writes one story in stages, each streamed, kept as it arrives, checked, and repaired where it fails.

Outline, texts, scenes, alternative texts. Of each stage only the pages that fail are asked for again, with their
failures named, twice at most; then something deterministic takes their place. Knows no provider.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from pydantic import BaseModel

from story.answers import (
    COVER,
    AltAnswer,
    SceneAnswer,
    TextAnswer,
    alts_schema,
    max_text_characters,
    outline_schema,
    read_items,
    scenes_schema,
    texts_schema,
)  # fmt: skip
from story.costs import MeteredModel
from story.draft import Draft, DraftFolder, Outline, Shown, Text
from story.errors import LanguageModelUnreachable, StoryNotWritten
from story.lineup import carry
from story.llm import Message
from story.outline import lines_of, mended, read_outline
from story.prompts import StoryPrompts
from story.rules import Rules, words_of
from story.schema import Page, Scene, Story, StoryRequest
from story.splice import plain_alt, plain_shown, plain_text
from story.storyteller import Storyteller

MAX_REPAIRS = 2
_THINKING_TOKENS = 4000
"""Some models think before they answer, and what they think counts."""

OnStage = Callable[[str, int, int], None]
"""Told the stage, how many of its pages are written, and how many there are."""
OnWords = Callable[[int, str], None]
"""Told a page's number and its words; the title's is that of the cover."""


@dataclass(frozen=True, kw_only=True)
class Stage:
    """How one stage is asked for, read and checked."""

    name: str
    numbers: tuple[int, ...]
    """Pages that it has an item for; 0 is the cover."""
    field: str
    """Of the draft, where its items are."""
    ask: Callable[[Sequence[int]], list[Message]]
    schema: Callable[[Sequence[int]], type[BaseModel]]
    read: Callable[[str, bool], Mapping[int, Any]]
    """Items of an answer, whole or still coming."""
    check: Callable[[int], list[str]]
    tokens_each: int


class Writing:
    """One story under way."""

    def __init__(
        self,
        request: StoryRequest,
        *,
        draft: Draft,
        meter: MeteredModel,
        prompts: StoryPrompts,
        rules: Rules,
        storyteller: Storyteller,
        folder: DraftFolder | None,
        on_stage: OnStage | None,
        on_words: OnWords | None,
    ) -> None:
        self.request = request
        self.draft = draft
        self.meter = meter
        self.prompts = prompts
        self.rules = rules
        self.storyteller = storyteller
        self.folder = folder
        self.on_stage = on_stage
        self.on_words = on_words
        self.warnings = list(draft.warnings)
        self.pages = tuple(range(1, request.pages + 1))

    def story(self) -> Story:
        """The whole story, proven.

        Raises:
            StoryNotWritten: The model wrote too little, in a language that the storyteller does not know.
            LanguageModelError: The model cannot be asked, or the budget is used up; what is written is kept.
        """
        if not self._write_outline() or not self._write_texts():
            return self._storytellers_own()
        self._write_scenes()
        self._write_alts()
        story = self._bound()
        beats = {n: beat for n, beat in enumerate(self._outline.beats) if n not in self.draft.free}
        problems = self.rules.story(story, beats)
        if problems:
            raise StoryNotWritten(
                f"The story cannot be proven, so no book is made of it: {problems[0]}. Try again, or with another "
                "model."
            )
        return story

    def _write_outline(self) -> bool:
        """Whether there is a plan to write after."""
        if self.draft.is_planned:
            return True

        def read(raw: str, is_whole: bool) -> Mapping[int, Outline]:
            outline = read_outline(raw, self.request, self.rules.lexicon) if is_whole else None
            return {COVER: outline} if outline else {}

        failures = self._run(
            Stage(
                name="outline",
                numbers=(COVER,),
                field="outline",
                ask=lambda _: self.prompts.for_outline(self.request),
                schema=lambda _: outline_schema(self.request),
                read=read,
                check=lambda _: self.rules.outline(self.draft.outline),
                tokens_each=400 + 120 * self.request.pages,
            )
        )
        plan = self.draft.outline
        if failures:
            plan = mended(plan, self.request, self.rules.bad_words_of(plan) if plan else frozenset())
            if plan is None:
                return False
            self.warnings.append(f"The outline was mended: {'; '.join(failures[COVER][:3])}.")
        self._keep(outline=plan, is_planned=True)
        return True

    def _write_texts(self) -> bool:
        """Whether enough of the texts are the model's own."""
        is_bilingual = self.request.second_language is not None
        self.rules = self.rules.naming(self._outline.lineup)

        def read(raw: str, is_whole: bool) -> Mapping[int, Text]:
            items = read_items(raw, TextAnswer, is_whole=is_whole)
            return {
                item.number: Text(
                    text=item.text.strip(),
                    second_text=item.second_text.strip() if is_bilingual else "",
                    speech=lines_of(item, self._outline.lineup) if self.request.speech else (),
                )
                for item in items
            }

        failures = self._run(
            Stage(
                name="texts",
                numbers=self.pages,
                field="texts",
                ask=lambda numbers: self.prompts.for_texts(self.request, self._outline, numbers),
                schema=lambda numbers: texts_schema(self.request, numbers),
                read=read,
                check=lambda number: self.rules.text(self.draft.texts.get(number), self._outline.beats[number]),
                tokens_each=max_text_characters(self.request.age) // (1 if self.request.second_language else 2),
            )
        )
        lost = []
        for number, messages in failures.items():
            text = plain_text(self.draft.texts.get(number), self._outline.beats[number], self.rules)
            if text is None:
                lost.append(number)
                continue
            self.warnings.append(f"The text of page {number} was simplified: {'; '.join(messages)}.")
            self._keep(texts={number: text})
        if 2 * len(lost) >= len(self.pages):
            return False
        self._fill(lost, failures)
        return True

    def _write_scenes(self) -> None:
        beats = self._outline.beats

        def read(raw: str, is_whole: bool) -> Mapping[int, Shown]:
            answers = read_items(raw, SceneAnswer, is_whole=is_whole)
            return {each.number: self._carried(each) for each in answers if 0 <= each.number < len(beats)}

        failures = self._run(
            Stage(
                name="scenes",
                numbers=(COVER, *self.pages),
                field="scenes",
                ask=lambda numbers: self.prompts.for_scenes(self.request, self.draft, numbers),
                schema=lambda numbers: scenes_schema(self.request, numbers),
                read=read,
                check=lambda number: self.rules.scene(self.draft.scenes.get(number), beats[number]),
                tokens_each=110,
            )
        )
        for number, messages in failures.items():
            where = f"of page {number}" if number else "of the cover"
            self.warnings.append(f"The picture {where} was simplified: {'; '.join(messages)}.")
            shown = plain_shown(beats[number], self.rules, self.storyteller)
            free = (number,) if self.rules.scene(shown, beats[number]) else ()
            self._keep(scenes={number: shown}, free=(*self.draft.free, *free))

    def _write_alts(self) -> None:
        prompts = self.draft.scenes

        def read(raw: str, is_whole: bool) -> Mapping[int, str]:
            return {each.number: each.alt.strip() for each in read_items(raw, AltAnswer, is_whole=is_whole)}

        failures = self._run(
            Stage(
                name="alts",
                numbers=(COVER, *self.pages),
                field="alts",
                ask=lambda numbers: self.prompts.for_alts(self.request, self.draft, numbers),
                schema=lambda numbers: alts_schema(self.request, numbers),
                read=read,
                check=lambda number: self.rules.alt(self.draft.alts.get(number), prompts[number].prompt),
                tokens_each=150,
            )
        )
        for number in failures:
            beat = self._outline.beats[number]
            words = beat.beat or (self.draft.texts[number].text if number else self._outline.title)
            self._keep(alts={number: plain_alt(beat, words, prompts[number].prompt, self.rules)})

    def _run(self, stage: Stage) -> dict[int, list[str]]:
        """Ask until nothing fails or enough has been asked; returns what still fails, by page."""
        failures, problem = self._failures(stage), ""
        for attempt in range(1 + MAX_REPAIRS):
            if not failures:
                break
            numbers = sorted(failures)
            messages = stage.ask(numbers)
            name = stage.name
            written = self._written(stage)
            if attempt or written:
                name = f"{stage.name} again"
                messages = self.prompts.for_repair(messages, written=written, failures=failures, problem=problem)
            try:
                problem = self._ask(name, stage, messages, numbers)
            except LanguageModelUnreachable as error:
                if attempt == 0:
                    raise
                self.warnings.append(
                    f"The language model stopped answering, so its {stage.name} stayed as they were. {error}"
                )
                break
            failures = self._failures(stage)
        return failures

    def _ask(self, name: str, stage: Stage, messages: Sequence[Message], numbers: Sequence[int]) -> str:
        """One question; what arrives goes into the draft at once. Returns why the answer could not be read, if so."""
        seen = 0

        def take(raw: str, *, is_whole: bool = False) -> None:
            nonlocal seen
            if not is_whole and raw.count("}") == seen:
                return
            seen = raw.count("}")
            items = {n: item for n, item in stage.read(raw, is_whole).items() if n in numbers}
            old = self._items(stage)
            new = {number: item for number, item in items.items() if old.get(number) != item}
            if new:
                self._keep(**{stage.field: new[COVER] if stage.field == "outline" else new})
                self._show(new)
                self._tell(stage)

        limit = _THINKING_TOKENS + 2 * stage.tokens_each * len(numbers)
        completion = self.meter.ask(name, messages, stage.schema(numbers), max_tokens=limit, on_text=take)
        take(completion.raw, is_whole=True)
        return completion.problem

    def _failures(self, stage: Stage) -> dict[int, list[str]]:
        self.rules.judge(words_of(list(self._items(stage).values())))
        settled = self.draft.free if stage.field == "scenes" else self.draft.filled
        checked = {number: stage.check(number) for number in stage.numbers if number not in settled}
        return {number: messages for number, messages in checked.items() if messages}

    def _items(self, stage: Stage) -> Mapping[int, Any]:
        if stage.field == "outline":
            return {COVER: self.draft.outline} if self.draft.outline else {}
        return getattr(self.draft, stage.field)

    def _written(self, stage: Stage) -> str:
        """What the draft has of a stage as JSON; empty where it has nothing."""
        if not self._items(stage):
            return ""
        return self.draft.model_dump_json(include={stage.field})

    def _carried(self, answer: SceneAnswer) -> Shown:
        prompt, concepts = carry(
            " ".join(answer.prompt.split()),
            answer.concepts,
            self._outline.beats[answer.number].on_stage,
            catalog=self.request.catalog,
            lexicon=self.rules.lexicon,
        )
        return Shown(prompt=prompt, concepts=concepts)

    def _fill(self, lost: Sequence[int], failures: Mapping[int, list[str]]) -> None:
        """Quiet pages of the storyteller for those whose words are lost."""
        if not lost:
            return
        self._check_english("; ".join(failures[lost[0]]))
        used = [member.concept for member in self._outline.lineup if member.concept]
        quiet = self.storyteller.quiet_pages(self.request, used)
        for number, page in zip(lost, quiet, strict=False):
            self.warnings.append(f"Page {number} was not written by the language model; a quiet page stands there.")
            self._keep(
                texts={number: Text(text=page.text)},
                scenes={number: Shown(prompt=page.scene.prompt, concepts=page.scene.concepts)},
                alts={number: page.scene.alt},
                filled=(*self.draft.filled, number),
                free=(*self.draft.free, number),
            )

    def _storytellers_own(self) -> Story:
        self._check_english("it wrote too little")
        self.warnings.append("The language model wrote no usable story, so the built-in storyteller wrote this one.")
        return self.storyteller.write(self.request).story

    def _check_english(self, reason: str) -> None:
        if self.request.language.split("-")[0] != "en" or self.request.second_language is not None:
            raise StoryNotWritten(
                f"The language model wrote no usable story: {reason}. The built-in storyteller cannot stand in for it, "
                "since it knows English only. What is written is kept; try again, or with another model."
            )

    @property
    def _outline(self) -> Outline:
        assert self.draft.outline is not None
        return self.draft.outline

    def _bound(self) -> Story:
        draft, outline = self.draft, self._outline

        def scene(number: int) -> Scene:
            shown = draft.scenes[number]
            return Scene(prompt=shown.prompt, concepts=shown.concepts, alt=draft.alts[number])

        return Story(
            title=outline.title,
            language=self.request.language,
            second_language=self.request.second_language,
            second_title=outline.second_title,
            lineup=outline.lineup,
            cover=scene(COVER),
            pages=tuple(Page(**draft.texts[number].model_dump(), scene=scene(number)) for number in self.pages),
        )

    def _keep(self, **changes: Any) -> None:
        """Put items into the draft, with all there is to know so far, and the draft on disk."""
        merged = {
            name: {**getattr(self.draft, name), **value} if isinstance(value, dict) else value
            for name, value in changes.items()
        }
        self.draft = self.draft.model_copy(update=merged | {"warnings": tuple(self.warnings)})
        if self.folder is not None:
            self.folder.save(self.draft)

    def _show(self, items: Mapping[int, Any]) -> None:
        """Tell the title and pages' words as they arrive, and nothing that is not for children."""
        if self.on_words is None:
            return
        for number, item in items.items():
            words = item.title if isinstance(item, Outline) else item.text if isinstance(item, Text) else ""
            if words and self.rules.is_for_children(words):
                self.on_words(number, words)

    def _tell(self, stage: Stage) -> None:
        if self.on_stage is not None:
            self.on_stage(stage.name, len(self._items(stage)), len(stage.numbers))
