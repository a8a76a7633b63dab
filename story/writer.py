"""Writes stories with a language model, and sees to it that every scene can be drawn.

What a writer is, and the one that a language model drives; how it goes stage by stage is in `story/writing.py`, the
rules are in `story/rules.py`, the words in `templates/prompts/`.
"""

from collections.abc import Callable
from functools import partial
from typing import Protocol

from concepts.lexicon import Lexicon
from story.answers import max_text_characters, outline_schema
from story.checks import undrawn_cast
from story.costs import Estimate, MeteredModel, Price, estimate_asked, estimate_tokens
from story.draft import Draft, DraftFolder
from story.llm import LanguageModel, Usage
from story.prompts import StoryPrompts
from story.rules import Rules
from story.safety import SafetyGate
from story.schema import StoryRequest, WrittenStory
from story.storyteller import Storyteller
from story.writing import OnStage, OnWords, Writing

_STAGES = 4
_CHARACTERS_PER_PAGE = 650
"""Of outline, prompt and alternative text together, as models write them."""


class StoryWriter(Protocol):
    """Whoever turns a request into a story whose scenes can all be drawn."""

    def write(self, request: StoryRequest) -> WrittenStory:
        """The story, with what a person should know about how it came about."""
        ...


class GatedStoryteller:
    """The built-in storyteller behind the safety gate: nothing unsafe goes in, nothing unsafe comes out."""

    def __init__(self, storyteller: Storyteller, gate: SafetyGate) -> None:
        self.storyteller = storyteller
        self.gate = gate

    def write(self, request: StoryRequest) -> WrittenStory:
        """As the storyteller writes it.

        Raises:
            UnsafeRequest: The idea, a concept or what became of them is not for children.
            InvalidRequest: As the storyteller.
        """
        self.gate.check_request(request)
        return self.gate.check_story(self.storyteller.write(request))


class LanguageModelWriter:
    """Writes with a language model; what it leaves undone is spliced in. Holds no state between stories.

    Args:
        name: Of the model, so that a draft of another is not gone on with.
        price: None where it is not known.
        budget_usd: What one story may cost at most.
        drafts: Where what is written is kept as it arrives; None keeps nothing.
        on_stage: Told how far each stage is.
        on_words: Told the title and pages' words as they are written; some may come out otherwise in the end.
    """

    def __init__(
        self,
        model: LanguageModel,
        *,
        name: str,
        prompts: StoryPrompts,
        storyteller: Storyteller,
        gate: SafetyGate,
        count_tokens: Callable[[str], int],
        max_tokens: int,
        price: Price | None = None,
        budget_usd: float | None = None,
        drafts: DraftFolder | None = None,
        on_stage: OnStage | None = None,
        on_words: OnWords | None = None,
    ) -> None:
        self.model = model
        self.name = name
        self.prompts = prompts
        self.storyteller = storyteller
        self.gate = gate
        self.count_tokens = count_tokens
        self.max_tokens = max_tokens
        self.price = price
        self.budget_usd = budget_usd
        self.drafts = drafts
        self.on_stage = on_stage
        self.on_words = on_words

    def estimate(self, request: StoryRequest) -> Estimate:
        """What a story will take when nothing has to be asked twice."""
        outline = estimate_asked(self.prompts.for_outline(request), outline_schema(request))
        page = max_text_characters(request.age) * (2 if request.second_language else 1) // 2 + _CHARACTERS_PER_PAGE
        written = (request.pages + 1) * estimate_tokens("x" * page)
        usage = Usage(input_tokens=_STAGES * outline + 2 * written, output_tokens=written)
        return Estimate(
            calls=_STAGES,
            input_tokens=usage.input_tokens,
            output_tokens=usage.output_tokens,
            cost_usd=self.price.of(usage) if self.price else None,
        )

    def write(self, request: StoryRequest) -> WrittenStory:
        """A proven story of the asked length; the warnings say what was spliced or filled in.

        Where an earlier attempt at the same request was stopped, it goes on from there.

        Raises:
            UnsafeRequest: The idea or a concept is not for children.
            LanguageModelError: The model cannot be asked, wrote nothing usable in a language that nobody else knows,
                or the budget is used up.
            InvalidRequest: Not even the built-in storyteller can make a scene for this bank.
        """
        self.gate.check_request(request)
        draft, earlier = Draft.of(request, writer=self.name), ()
        if self.drafts is not None:
            draft, earlier = self.drafts.load(draft)
        meter = MeteredModel(
            self.model,
            price=self.price,
            budget_usd=self.budget_usd,
            spent_usd=sum(reply.cost_usd or 0 for reply in earlier),
            on_reply=partial(self.drafts.add_reply, draft) if self.drafts else None,
        )
        writing = Writing(
            request,
            draft=draft,
            meter=meter,
            prompts=self.prompts,
            rules=Rules(
                request=request,
                lexicon=self.prompts.lexicon or Lexicon.empty(),
                gate=self.gate,
                count_tokens=self.count_tokens,
                max_tokens=self.max_tokens,
            ),
            storyteller=self.storyteller,
            folder=self.drafts,
            on_stage=self.on_stage,
            on_words=self.on_words,
        )
        story = writing.story()
        warnings = (*writing.warnings, *undrawn_cast(story, request.cast))
        return self.gate.check_story(WrittenStory(story=story, warnings=warnings, replies=(*earlier, *meter.replies)))
