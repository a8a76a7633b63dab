"""Captions of a scene: what the words say, and which word names which part of the ground truth.

A caption never names a look that has no word (tints, accents, ears, tails, build, hues of the light), and leaves the
colour out often: that openness is what a learnt direction fills.
"""

from dataclasses import dataclass, field

import numpy as np

from pocket.world.schema import Character, Scene

PLACE_PHRASES = {
    "meadow": "in the meadow",
    "forest": "in the forest",
    "beach": "on the beach",
    "snow": "in the snow",
    "town": "in the town",
    "bedroom": "in the bedroom",
}
LIGHT_PHRASES = {
    "day": "in daylight",
    "sunset": "at sunset",
    "moonlight": "in the moonlight",
    "lamplight": "in the lamplight",
    "fog": "in the fog",
}
LIGHT_WORDS = {"day": "daylight", "sunset": "sunset", "moonlight": "moonlight", "lamplight": "lamplight", "fog": "fog"}
TWO_PART = "A picture divided into two parts. The left part is {left}. The right part is {right}."

# Words that a story may use and the world cannot draw; they are sprinkled in so that they come to mean nothing.
_CHARACTER_ADJECTIVES = "little big brave happy sleepy gentle young old clever small kind shy curious tired".split()
_PLACE_ADJECTIVES = "quiet wide cold warm soft dark bright lovely".split()
FILLER_WORDS = (*_CHARACTER_ADJECTIVES, *_PLACE_ADJECTIVES)
_PREFIXES = ("a picture of", "a picture book page of", "an illustration of", "a drawing of", "here is", "we see")


@dataclass
class Caption:
    """A caption under construction and, when done, its text with the words that name things."""

    text: str = ""
    words: list[tuple[str, int, int, int]] = field(default_factory=list)
    """(role, character_index, start, stop): half-open character span of a word. Roles: kind, colour, pattern, pose,
    clothing, clothing_colour, held, held_colour, object, object_colour, place, light; index -1 for the scene's own,
    -2 for those of the right part of a two-part picture."""

    def add(self, text: str, role: str = "", index: int = -1) -> None:
        """Append a word or phrase after a blank."""
        if self.text:
            self.text += " "
        start = len(self.text)
        self.text += text
        if role:
            self.words.append((role, index, start, len(self.text)))

    def has(self, role: str, index: int = -1) -> bool:
        """Whether the caption names this part."""
        return any((r, i) == (role, index) for r, i, _, _ in self.words)


@dataclass(frozen=True, kw_only=True)
class Style:
    """How much a caption says and how."""

    colour: float = 0.62
    """Probability that a colour is named."""
    pattern: float = 0.75
    light: float = 0.85
    place: float = 0.95
    clothing: float = 0.92
    filler: float = 0.12
    """Probability of each word or phrase that means nothing to the world."""


PLAIN = Style(colour=1.0, pattern=1.0, light=1.0, place=1.0, clothing=1.0, filler=0.0)


def _article(caption: Caption, article: str, next_word: str) -> None:
    caption.add("an" if article == "a" and next_word[0] in "aeiou" else article)


def _noun(
    caption: Caption, words: list[tuple[str, str, int]], rng: np.random.Generator, style: Style, article: str = "a"
) -> None:
    """Write article, adjectives and noun; the article agrees with the first word."""
    if rng.random() < style.filler:
        words = [(str(rng.choice(_CHARACTER_ADJECTIVES)), "", -1), *words]
    _article(caption, article, words[0][0])
    for text, role, index in words:
        caption.add(text, role, index)


def _character(caption: Caption, character: Character, index: int, rng: np.random.Generator, style: Style) -> None:
    look = character.look
    golden = look.pattern == "golden"
    named_colour = not golden and rng.random() < style.colour
    named_pattern = look.pattern != "plain" and rng.random() < style.pattern
    words: list[tuple[str, str, int]] = []
    if named_colour:
        words.append((look.colour, "colour", index))
    if named_pattern:
        words.append((look.pattern, "pattern", index))
    if len(words) == 2 and style.filler and rng.random() < 0.5:
        words.reverse()
    words.append((character.kind, "kind", index))
    _noun(caption, words, rng, style, "the" if rng.random() < 0.08 * (style.filler > 0) else "a")

    parts = ["clothing", "held", "pose"]
    if style.filler and rng.random() < 0.3:
        parts = ["pose", "clothing", "held"]
    for part in parts:
        if part == "pose":
            caption.add(character.pose, "pose", index)
            continue
        thing = character.clothing if part == "clothing" else character.held
        if thing is None or rng.random() >= style.clothing:
            continue
        caption.add(
            {"clothing": "wearing", "lantern": "holding", "umbrella": "holding"}[
                part if part == "clothing" else thing.name
            ]
        )
        thing_words = [(thing.name, part, index)]
        if thing.name not in ("lantern", "glasses") and rng.random() < style.colour:
            thing_words.insert(0, (thing.colour, f"{part}_colour", index))
        if thing.name == "glasses":
            for text, role, i in thing_words:
                caption.add(text, role, i)
        else:
            _article(caption, "a", thing_words[0][0])
            for text, role, i in thing_words:
                caption.add(text, role, i)


def _phrase(caption: Caption, phrase: str, word: str, role: str, rng: np.random.Generator, style: Style) -> None:
    """Add "in the snow" with its naming word marked, sometimes with an adjective that means nothing."""
    *before, last = phrase.split(" ")
    for text in before:
        caption.add(text)
    if before and before[-1] == "the" and rng.random() < style.filler:
        caption.add(str(rng.choice(_PLACE_ADJECTIVES)))
    assert last == word
    caption.add(last, role)


def write_caption(scene: Scene, rng: np.random.Generator, style: Style = Style()) -> Caption:
    """Write one caption of a scene; another draw of `rng` gives a paraphrase."""
    caption = Caption()
    named_light = rng.random() < style.light
    light_first = named_light and style.filler > 0 and rng.random() < 0.15
    if light_first:
        _phrase(caption, LIGHT_PHRASES[scene.light], LIGHT_WORDS[scene.light], "light", rng, style)
    elif rng.random() < style.filler:
        caption.add(str(rng.choice(_PREFIXES)))
    for index, character in enumerate(scene.characters):
        if index:
            caption.add("and")
        _character(caption, character, index, rng, style)
    thing = scene.standing_object
    if thing is not None and rng.random() < style.clothing:
        caption.add("beside")
        words = [(thing.name, "object", -1)]
        if rng.random() < style.colour:
            words.insert(0, (thing.colour, "object_colour", -1))
        _noun(caption, words, rng, style)
    if rng.random() < style.place:
        _phrase(caption, PLACE_PHRASES[scene.place], scene.place, "place", rng, style)
    if named_light and not light_first:
        _phrase(caption, LIGHT_PHRASES[scene.light], LIGHT_WORDS[scene.light], "light", rng, style)
    return caption


def join_two_parts(left: Caption, right: Caption) -> Caption:
    """The isolation loss's caption of two pictures side by side; characters of the right part are counted on."""
    joined = Caption()
    before, rest = TWO_PART.split("{left}")
    between, after = rest.split("{right}")
    shift = 1 + max((i for _, i, _, _ in left.words), default=0)
    joined.text = before + left.text + between + right.text + after
    offset = len(before)
    joined.words = [(role, i, a + offset, b + offset) for role, i, a, b in left.words]
    offset += len(left.text) + len(between)
    joined.words += [(role, -2 if i < 0 else i + shift, a + offset, b + offset) for role, i, a, b in right.words]
    return joined
