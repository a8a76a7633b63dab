"""Who and what a built-in story has at hand, and how one picture of it is worded.

A `Stage` is chosen once per story, so that clothes, key light and glad pose recur from page to page. Knows the
picture model's grammar (a character, what it wears, what it does, where, in which light) and no story.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from concepts.lexicon import Lexicon
from concepts.schema import ConceptCard
from story.checks import free_mentions
from story.grammar import Pronouns, tidy, with_article
from story.schema import Scene

Mood = Literal["glad", "calm", "still", "asleep"]
Light = Literal["day", "key", "night", "evening", "mist", "lamp"]
Spot = Literal["home", "first", "second", "third", "bed"]

_LIGHT_KEYS: Mapping[Light, tuple[str, ...]] = {
    "day": ("day",), "night": ("moonlight", "lamplight"), "evening": ("sunset",), "mist": ("fog",),
    "lamp": ("lamplight", "moonlight"),
}  # fmt: skip
_ALT_LIGHT = {
    "day": "by day", "sunset": "at sunset", "moonlight": "by moonlight", "lamplight": "by lamplight",
    "fog": "in the fog",
}  # fmt: skip
_ALT_POSE = {"standing": "stands", "sitting": "sits", "waving": "waves", "jumping": "jumps up", "sleeping": "sleeps"}
MOOD_POSES: Mapping[Mood, str] = {"glad": "waving", "calm": "sitting", "still": "standing", "asleep": "sleeping"}


@dataclass(frozen=True, kw_only=True)
class Shot:
    """What a picture should show, in terms of the arc; `None` for somebody who is not in it."""

    hero: Mood | None = "still"
    friend: Mood | None = None
    at: Spot = "home"
    light: Light = "day"
    held: bool = False
    """The hero carries something, such as a lantern."""
    painted: bool = False
    """The hero wears the story's pattern on this page."""
    boat: bool = False
    """An object stands beside them."""


@dataclass(frozen=True, kw_only=True)
class Character:
    """Somebody of the story, and the word that draws them."""

    name: str
    word: str
    """Noun the picture model draws: "fox"."""
    kind: str
    """Noun phrase of the telling: "fox", "little girl"."""
    pronouns: Pronouns
    concept_id: str | None = None
    colour: str = ""
    """Said in prompts when no learnt look holds the character's colour steady."""


@dataclass(frozen=True, kw_only=True)
class Place:
    """A place of the lexicon or the bank."""

    key: str
    phrase: str
    """As prompts say it: "on the beach"."""


@dataclass(frozen=True, kw_only=True)
class Stage:
    """The fixed choices of one story."""

    hero: Character
    friend: Character
    others: tuple[Character, ...]
    """Of the cast; they come by in the end."""
    company: tuple[Character, ...]
    """Of the idea; they are there all the time."""
    places: Mapping[Spot, Place]
    key_light: str
    glad_pose: str
    garment: str
    """Worn by the hero wherever awake; may be empty."""
    held: str
    pattern: str
    object_name: str
    """Stands beside the characters where a shot wants it; may be empty."""
    lexicon: Lexicon
    catalog: tuple[ConceptCard, ...]
    cast: tuple[ConceptCard, ...]


def light_key(light: Light, stage: Stage) -> str:
    """The lexicon's key, or the bank's word, of the light that a shot is seen in; empty when none is known."""
    if light == "key":
        return stage.key_light
    return next((key for key in _LIGHT_KEYS[light] if key in stage.lexicon.lights), "")


def light_phrase(key: str, lexicon: Lexicon) -> str:
    """How a prompt says the light: "in the moonlight"; a word of the bank alone becomes "in the …"."""
    return lexicon.lights.get(key, f"in the {key}" if key else "")


def make_scene(shot: Shot, stage: Stage) -> Scene:
    """The prompt, concepts and alternative text of a shot; every word the bank knows is listed as its concept."""
    shown = _on_stage(shot, stage)
    place, light = stage.places[shot.at], light_key(shot.light, stage)
    poses = _poses(shown, stage)
    figures = zip(shown, poses, strict=True)
    parts = [" and ".join(_worded(who, mood, shot, stage, pose=pose) for (who, mood), pose in figures)]
    thing = stage.object_name if shot.boat else ""
    if thing:
        parts.append(f"beside {with_article(thing)}")
    parts += [place.phrase, light_phrase(light, stage.lexicon)]
    prompt = " ".join(part for part in parts if part)
    return Scene(
        prompt=prompt,
        concepts=_concepts_in(prompt, shown, stage),
        alt=_alt_text(shown, shot, stage, poses=poses, place=place, light=light, thing=thing),
    )


def _on_stage(shot: Shot, stage: Stage) -> list[tuple[Character, Mood]]:
    """Hero and friend of the shot; the hero alone where one word would have to name both."""
    shown: list[tuple[Character, Mood]] = []
    if shot.hero is not None:
        shown.append((stage.hero, shot.hero))
    if shot.friend is not None and (not shown or stage.friend.word != stage.hero.word):
        shown.append((stage.friend, shot.friend))
    return shown or [(stage.hero, "still")]


def _poses(shown: list[tuple[Character, Mood]], stage: Stage) -> list[str]:
    """A pose per character; a pose that is a concept goes to the first who strikes it, the next does another."""
    banked = {card.word.casefold() for card in stage.catalog}
    poses: list[str] = []
    for _, mood in shown:
        wanted = stage.glad_pose if mood == "glad" else MOOD_POSES[mood]
        pose = stage.lexicon.poses.get(wanted, wanted)
        if pose in poses and pose.casefold() in banked:
            others = [phrase for phrase in stage.lexicon.poses.values() if phrase.casefold() not in banked]
            pose = next((phrase for phrase in others if phrase in ("standing", "sitting")), "")
        poses.append(pose)
    return poses


def _wears(character: Character, mood: Mood, stage: Stage) -> str:
    return stage.garment if character is stage.hero and mood != "asleep" else ""


def _holds(character: Character, mood: Mood, shot: Shot, stage: Stage) -> str:
    return stage.held if shot.held and character is stage.hero and mood in ("still", "calm") else ""


def _worded(character: Character, mood: Mood, shot: Shot, stage: Stage, *, pose: str) -> str:
    pattern = stage.pattern if shot.painted and character is stage.hero else ""
    words = [with_article(" ".join(part for part in (character.colour, pattern, character.word) if part))]
    garment, held = _wears(character, mood, stage), _holds(character, mood, shot, stage)
    if garment:
        words.append(f"wearing {garment if garment.endswith('s') else with_article(garment)}")
    if held:
        words.append(f"holding {with_article(held)}")
    return " ".join([*words, pose]).strip()


def _concepts_in(prompt: str, shown: list[tuple[Character, Mood]], stage: Stage) -> tuple[str, ...]:
    """Ids of all concepts whose word the prompt has: who is shown first, then in the order of cast and bank."""
    ids = [character.concept_id for character, _ in shown if character.concept_id]
    words = {card.word.casefold() for card in stage.catalog if card.id in ids}
    mentioned = free_mentions(prompt, stage.catalog)
    for card in (*stage.cast, *stage.catalog):
        word = card.word.casefold()
        if word not in words and word in mentioned:
            ids.append(card.id)
            words.add(word)
    return tuple(ids)


def _alt_text(
    shown: list[tuple[Character, Mood]],
    shot: Shot,
    stage: Stage,
    *,
    poses: list[str],
    place: Place,
    light: str,
    thing: str,
) -> str:
    clauses: list[str] = []
    for (character, mood), pose in zip(shown, poses, strict=True):
        look = character.colour if character.colour not in character.kind.split() else ""
        kind = " ".join(part for part in (look, character.kind) if part)
        who = f"{character.name} the {kind}" if character.kind else character.name
        garment, carried = _wears(character, mood, stage), _holds(character, mood, shot, stage)
        extras = [f"in {character.pronouns.his} {garment}"] if garment else []
        if shot.painted and character is stage.hero and stage.pattern:
            extras.append(f"{stage.pattern} all over")
        verb = _ALT_POSE.get(pose, f"is {pose}" if pose else "is there")
        clause = ", ".join([who, *extras]) + (", " if extras else " ") + verb
        clauses.append(clause + (f" with {with_article(carried)}" if carried else ""))
    where = f" beside {with_article(thing)}" if thing else ""
    seen = _ALT_LIGHT.get(light, light_phrase(light, stage.lexicon))
    return tidy(f"{' and '.join(clauses)}{where} {place.phrase}{', ' + seen if seen else ''}.")
