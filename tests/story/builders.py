"""A small bank, a lexicon and what writers are built from, for tests."""

from pathlib import Path

from concepts.lexicon import Lexicon
from concepts.schema import ConceptCard, ConceptKind
from story.costs import Price
from story.draft import DraftFolder
from story.llm import LanguageModel, Scripted, ScriptedLanguageModel
from story.prompts import StoryPrompts
from story.rules import Rules
from story.safety import SafetyGate
from story.schema import StoryRequest, WrittenStory
from story.storyteller import Storyteller
from story.writer import LanguageModelWriter
from story.writing import OnWords
from tests.story.brain import Brain, asked_numbers

TEMPLATES = Path(__file__).parents[2] / "templates"
MAX_TOKENS = 48


def card(concept_id: str, word: str, kind: ConceptKind) -> ConceptCard:
    name = " ".join(part.capitalize() for part in concept_id.split("-"))
    return ConceptCard(id=concept_id, name=name, word=word, kind=kind, caption=f"a picture with {word}")


RUSTY = card("rusty", "fox", "character")
RUBY = card("ruby", "fox", "character")
LUNA = card("luna", "cat", "character")
BRUNO = card("bruno", "bear", "character")
BOLT = card("bolt", "robot", "character")
SCARF = card("red-scarf", "scarf", "clothing")
STRIPES = card("stripes", "striped", "material")
WAVE = card("big-wave", "waving", "pose")
NIGHT = card("night-sky", "moonlight", "lighting")
BANK = (RUSTY, LUNA, BRUNO, BOLT, SCARF, STRIPES, WAVE, NIGHT)

LEXICON = Lexicon(
    characters=("fox", "cat", "rabbit", "bear", "robot", "child"),
    colours=("red", "orange", "yellow", "green", "blue", "purple", "pink", "white"),
    clothing=("scarf", "hat", "glasses"),
    held_objects=("lantern", "umbrella"),
    objects=("boat",),
    poses={pose: pose for pose in ("standing", "sitting", "waving", "jumping", "sleeping")},
    places={
        "meadow": "in the meadow",
        "forest": "in the forest",
        "beach": "on the beach",
        "snow": "in the snow",
        "town": "in the town",
        "bedroom": "in the bedroom",
    },
    lights={
        "day": "in daylight",
        "sunset": "at sunset",
        "moonlight": "in the moonlight",
        "lamplight": "in the lamplight",
        "fog": "in the fog",
    },
    patterns=("plain", "striped", "spotted", "golden"),
)


def count_words(prompt: str) -> int:
    """A stand-in for the encoder's tokens: words and an end mark."""
    return len(prompt.split()) + 1


def storyteller() -> Storyteller:
    return Storyteller(LEXICON, count_tokens=count_words, max_tokens=MAX_TOKENS)


def writer(
    *answers: Scripted, gate: SafetyGate | None = None, drafts: DraftFolder | None = None
) -> tuple[LanguageModelWriter, ScriptedLanguageModel]:
    """A writer over a scripted model."""
    model = ScriptedLanguageModel(answers)
    return writer_with(model, gate=gate, drafts=drafts), model


def writer_with(
    model: LanguageModel,
    *,
    gate: SafetyGate | None = None,
    drafts: DraftFolder | None = None,
    price: Price | None = None,
    budget_usd: float | None = None,
    on_words: OnWords | None = None,
    lexicon: Lexicon | None = LEXICON,
) -> LanguageModelWriter:
    """A writer over any model, with the small lexicon and a stand-in for the encoder's tokens."""
    return LanguageModelWriter(
        model,
        name="scripted",
        prompts=StoryPrompts(TEMPLATES, lexicon=lexicon, max_tokens=MAX_TOKENS),
        storyteller=storyteller(),
        gate=gate or SafetyGate(),
        count_tokens=count_words,
        max_tokens=MAX_TOKENS,
        price=price,
        budget_usd=budget_usd,
        drafts=drafts,
        on_words=on_words,
    )


def sound(brain: Brain) -> Scripted:
    """A scripted answer of the right shape for whatever is asked."""
    return lambda schema: brain.answer(schema["title"], asked_numbers(schema))


def assert_is_proven(written: WrittenStory, request: StoryRequest) -> None:
    """The story is whole, of the asked length, and keeps every rule but those of an outline."""
    rules = Rules(request=request, lexicon=LEXICON, gate=SafetyGate(), count_tokens=count_words, max_tokens=MAX_TOKENS)
    assert len(written.story.pages) == request.pages
    assert rules.story(written.story, {}) == []
