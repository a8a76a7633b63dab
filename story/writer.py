"""Writes stories with a language model, and sees to it that every scene can be drawn.

Ask, check, send only the failing scenes back with their failures named, and fill in what is still wrong after that.
Knows the order of these steps; the rules are in `story/checks.py`, the words in `templates/prompts/`.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Literal, Protocol, TypeVar

from pydantic import BaseModel, ConfigDict, Field, ValidationError, create_model
from pydantic_core import from_json

from concepts.schema import ConceptCard
from story.checks import check_page, check_scene
from story.errors import LanguageModelUnreachable
from story.llm import Completion, LanguageModel, Message, json_part
from story.prompts import StoryPrompts
from story.schema import Page, Reply, Scene, Story, StoryRequest, WrittenStory
from story.storyteller import Storyteller

MAX_REPAIRS = 2
COVER = 0
"""Number of the cover where pages are counted from 1."""


class StoryWriter(Protocol):
    """Whoever turns a request into a story whose scenes can all be drawn."""

    def write(self, request: StoryRequest) -> WrittenStory:
        """The story, with what a person should know about how it came about."""
        ...


class _Answer(BaseModel):
    """Providers are told that nothing else may come; what comes nevertheless is ignored."""

    model_config = ConfigDict(json_schema_extra={"additionalProperties": False})


class SceneAnswer(_Answer):
    """A scene as a language model gives it."""

    prompt: str = Field(description="what the picture model is given")
    concepts: list[str] = Field(description="ids of the concepts in the picture")
    alt: str = Field(description="the picture in a sentence for a child who cannot see it")


class PageAnswer(SceneAnswer):
    """A page as a language model gives it."""

    text: str = Field(description="what is read aloud on this page")


class StoryAnswer(_Answer):
    """A story as a language model gives it."""

    title: str = Field(description="the book's title, at most seven words")
    cover: SceneAnswer
    pages: list[PageAnswer]


class RepairedScene(PageAnswer):
    """A page, or with number 0 the cover, written again."""

    number: int = Field(description="the page's number; 0 is the cover")


class RepairAnswer(_Answer):
    """What a language model gives when asked to mend."""

    scenes: list[RepairedScene]


Model = TypeVar("Model", bound=BaseModel)


def _narrowed(model: type[Model], catalog: Sequence[ConceptCard]) -> type[Model]:
    """The model with the bank's ids as the only values of `concepts`, so that a provider cannot invent one."""
    if not catalog:
        return model
    ids = Literal[tuple(card.id for card in catalog)]  # type: ignore[valid-type]
    described = model.model_fields["concepts"].description
    return create_model(model.__name__, __base__=model, concepts=(list[ids], Field(description=described)))  # pyright: ignore[reportInvalidTypeForm]


def story_schema(catalog: Sequence[ConceptCard]) -> type[StoryAnswer]:
    """The shape of a story over a bank: concept ids are an enumeration of the bank's."""
    cover, page = _narrowed(SceneAnswer, catalog), _narrowed(PageAnswer, catalog)
    return create_model("StoryAnswer", __base__=StoryAnswer, cover=(cover, ...), pages=(list[page], ...))  # pyright: ignore[reportInvalidTypeForm]


def repair_schema(catalog: Sequence[ConceptCard]) -> type[RepairAnswer]:
    """The shape of repaired scenes over a bank."""
    scene = _narrowed(RepairedScene, catalog)
    return create_model("RepairAnswer", __base__=RepairAnswer, scenes=(list[scene], ...))  # pyright: ignore[reportInvalidTypeForm]


@dataclass
class _Draft:
    """A story under repair; `None` where something could not be read or was never written."""

    title: str = ""
    cover: Scene | None = None
    pages: list[Page | None] = field(default_factory=list)

    @property
    def num_written(self) -> int:
        return sum(page is not None for page in self.pages)


class LanguageModelWriter:
    """Writes with a language model; what it leaves undone, the built-in storyteller fills in. Holds no state."""

    def __init__(
        self,
        model: LanguageModel,
        *,
        prompts: StoryPrompts,
        storyteller: Storyteller,
        count_tokens: Callable[[str], int],
        max_tokens: int,
    ) -> None:
        self.model = model
        self.prompts = prompts
        self.storyteller = storyteller
        self.count_tokens = count_tokens
        self.max_tokens = max_tokens

    def write(self, request: StoryRequest) -> WrittenStory:
        """A checked story of the asked length, whatever the model answers; the warnings say what was filled in.

        Raises:
            LanguageModelError: The model cannot be asked at all.
            InvalidRequest: Not even the built-in storyteller can make a scene for this bank.
        """
        asked = self.prompts.for_story(request)
        completion = self.model.complete(asked, story_schema(request.catalog))
        replies, warnings = [_reply(completion)], list[str]()
        draft = read_draft(completion, num_pages=request.pages)
        problem = completion.problem
        for _ in range(MAX_REPAIRS):
            failures = self._failures(draft, request)
            if not failures:
                break
            try:
                if draft.num_written == 0:
                    again = self.prompts.for_second_try(asked, raw=replies[-1].raw, problem=problem or "no pages")
                    completion = self.model.complete(again, story_schema(request.catalog))
                    draft, problem = read_draft(completion, num_pages=request.pages), completion.problem
                    replies.append(_reply(completion))
                else:
                    replies.append(self._repair(draft, asked, failures, request))
            except LanguageModelUnreachable as error:
                warnings.append(f"The language model stopped answering, so its story was not repaired. {error}")
                break
        story = self._finished(draft, request, warnings)
        warnings += _absent(story, request)
        return WrittenStory(story=story, warnings=tuple(warnings), replies=tuple(replies))

    def _failures(self, draft: _Draft, request: StoryRequest) -> dict[int, list[str]]:
        """What is wrong, by page number; pages that are in order are left out."""
        limits = (request.catalog, self.count_tokens, self.max_tokens)
        failures: dict[int, list[str]] = {COVER: ["the cover is missing; write its scene"]}
        if draft.cover is not None:
            failures[COVER] = _messages(draft.cover, *limits)
        for number, page in enumerate(draft.pages, start=1):
            failures[number] = ["the page is missing; write it"] if page is None else _messages(page, *limits)
        return {number: messages for number, messages in failures.items() if messages}

    def _repair(
        self, draft: _Draft, asked: Sequence[Message], failures: dict[int, list[str]], request: StoryRequest
    ) -> Reply:
        """Ask for the failing scenes and put what comes back into the draft; scenes nobody asked for are ignored."""
        written = _as_answer(draft).model_dump_json()
        completion = self.model.complete(
            self.prompts.for_repair(asked, written=written, failures=failures), repair_schema(request.catalog)
        )
        for scene in read_repairs(completion):
            if scene.number not in failures:
                continue
            if scene.number == COVER:
                draft.cover = _scene(scene)
            else:
                draft.pages[scene.number - 1] = Page(text=scene.text.strip(), scene=_scene(scene))
        return _reply(completion)

    def _finished(self, draft: _Draft, request: StoryRequest, warnings: list[str]) -> Story:
        """The draft with everything that still fails replaced; the whole built-in story where little was written."""
        failures = self._failures(draft, request)
        limits = (request.catalog, self.count_tokens, self.max_tokens)
        told = [page if page and page.text and not _markup_in_text(page, *limits) else None for page in draft.pages]
        if sum(page is not None for page in told) * 2 <= request.pages:
            warnings.append("The language model wrote no usable story, so the built-in storyteller wrote this one.")
            return self.storyteller.write(request).story
        used = [concept_id for page in told if page for concept_id in page.scene.concepts]
        quiet = list(self.storyteller.quiet_pages(request, used))
        pages: list[Page] = []
        for number, page in enumerate(told, start=1):
            if page is None:
                warnings.append(f"Page {number} was not written by the language model; a quiet page stands there.")
                pages.append(quiet.pop(0))
            elif number in failures:
                warnings.append(f"The picture of page {number} was simplified: {'; '.join(failures[number])}.")
                scene = self.storyteller.plain_scene(request, page.scene.concepts)
                pages.append(Page(text=page.text, scene=scene))
            else:
                pages.append(page)
        cover = draft.cover
        if cover is None or COVER in failures:
            warnings.append(f"The cover's picture was simplified: {'; '.join(failures[COVER])}.")
            cover = self.storyteller.plain_scene(request, pages[0].scene.concepts)
        title = " ".join(draft.title.split())
        return Story(title=title or self.storyteller.write(request).story.title, cover=cover, pages=tuple(pages))


def read_draft(completion: Completion[StoryAnswer], *, num_pages: int) -> _Draft:
    """What can be read of an answer, page by page, in as many places as the book has pages.

    Of too many pages the last one stays the ending; where there are too few, the empty places come before it.
    """
    answer = completion.value
    if answer is not None:
        cover: SceneAnswer | None = answer.cover
        title, pages = answer.title, [_page(page) for page in answer.pages]
    else:
        data = _partial_json(completion.raw)
        cover = _validated(SceneAnswer, data.get("cover"))
        given = data.get("title")
        title = given if isinstance(given, str) else ""
        listed = data.get("pages")
        read = [_validated(PageAnswer, page) for page in (listed if isinstance(listed, list) else [])]
        pages = [_page(page) if page else None for page in read]
    places: list[Page | None] = [None] * num_pages
    kept = pages[: num_pages - 1]
    places[: len(kept)] = kept
    if len(pages) >= num_pages:
        places[-1] = pages[-1]
    elif len(kept) > 1:
        places[len(kept) - 1], places[-1] = None, kept[-1]
    return _Draft(title=title, cover=_scene(cover) if cover else None, pages=places)


def read_repairs(completion: Completion[RepairAnswer]) -> list[RepairedScene]:
    """The scenes of a repair that can be read."""
    if completion.value is not None:
        return list(completion.value.scenes)
    listed = _partial_json(completion.raw).get("scenes")
    read = [_validated(RepairedScene, scene) for scene in (listed if isinstance(listed, list) else [])]
    return [scene for scene in read if scene is not None]


def _partial_json(raw: str) -> dict[str, object]:
    """As much of an answer's JSON object as is there, also when it breaks off."""
    try:
        data = from_json(json_part(raw), allow_partial=True)
    except ValueError:
        return {}
    return data if isinstance(data, dict) else {}


def _validated(model: type[Model], data: object) -> Model | None:
    try:
        return model.model_validate(data)
    except ValidationError:
        return None


def _scene(answer: SceneAnswer) -> Scene:
    return Scene(prompt=answer.prompt.strip(), concepts=tuple(answer.concepts), alt=answer.alt.strip())


def _page(answer: PageAnswer) -> Page:
    return Page(text=answer.text.strip(), scene=_scene(answer))


def _as_answer(draft: _Draft) -> StoryAnswer:
    """The draft in the shape it is asked for, so that the model sees its own words; empty where nothing was read."""

    def scene(given: Scene | None) -> dict[str, object]:
        return given.model_dump() if given else {"prompt": "", "concepts": [], "alt": ""}

    pages = [PageAnswer.model_validate({"text": p.text, **scene(p.scene)} if p else {"text": "", **scene(None)})
             for p in draft.pages]  # fmt: skip
    return StoryAnswer(title=draft.title, cover=SceneAnswer.model_validate(scene(draft.cover)), pages=pages)


def _messages(
    item: Scene | Page, catalog: Sequence[ConceptCard], count_tokens: Callable[[str], int], max_tokens: int
) -> list[str]:
    if isinstance(item, Scene):
        found = check_scene(item, catalog=catalog, count_tokens=count_tokens, max_tokens=max_tokens)
    else:
        found = check_page(item, catalog=catalog, count_tokens=count_tokens, max_tokens=max_tokens)
    return [problem.message for problem in found]


def _markup_in_text(
    page: Page, catalog: Sequence[ConceptCard], count_tokens: Callable[[str], int], max_tokens: int
) -> bool:
    """Whether the text, and not only the scene, has to go."""
    of_page = _messages(page, catalog, count_tokens, max_tokens)
    return len(of_page) > len(_messages(page.scene, catalog, count_tokens, max_tokens))


def _absent(story: Story, request: StoryRequest) -> list[str]:
    shown = {concept_id for scene in story.scenes for concept_id in scene.concepts}
    return [f"{card.name} was cast, but is in no picture." for card in request.cast if card.id not in shown]


def _reply(completion: Completion[Model]) -> Reply:
    usage = completion.usage
    return Reply(raw=completion.raw, input_tokens=usage.input_tokens, output_tokens=usage.output_tokens)
