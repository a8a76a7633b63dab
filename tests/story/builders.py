"""A small bank, a lexicon and what writers are built from, for tests."""

import json
from pathlib import Path

from concepts.lexicon import Lexicon
from concepts.schema import ConceptCard, ConceptKind
from story.llm import LanguageModelError, ScriptedLanguageModel
from story.prompts import StoryPrompts
from story.storyteller import Storyteller
from story.writer import LanguageModelWriter

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


def writer(*answers: str | LanguageModelError) -> tuple[LanguageModelWriter, ScriptedLanguageModel]:
    model = ScriptedLanguageModel(answers)
    prompts = StoryPrompts(TEMPLATES, lexicon=LEXICON, max_tokens=MAX_TOKENS)
    built = LanguageModelWriter(
        model, prompts=prompts, storyteller=storyteller(), count_tokens=count_words, max_tokens=MAX_TOKENS
    )
    return built, model


def a_page(number: int, *, prompt: str = "a fox sitting in the snow at sunset", **changes: object) -> dict[str, object]:
    page: dict[str, object] = {
        "text": f"Rusty went on. It was step {number}.",
        "prompt": prompt,
        "concepts": ["rusty"],
        "alt": f"Rusty rests in the snow, {number}.",
    }
    return page | changes


def an_answer(pages: list[dict[str, object]], *, title: str = "Rusty Goes On") -> str:
    cover = {"prompt": "a fox waving in the snow", "concepts": ["rusty", "big-wave"], "alt": "Rusty says hello."}
    return json.dumps({"title": title, "cover": cover, "pages": pages})
