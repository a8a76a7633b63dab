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
from story.dressing import Dress
from story.grammar import Pronouns, tidy, with_article
from story.schema import Scene

Mood = Literal["glad", "calm", "still", "asleep"]
Light = Literal["day", "key", "night", "evening", "mist", "lamp"]
Spot = Literal["home", "first", "second", "third", "bed"]
Beside = Literal["friend", "others", "company"]

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
    """Of whoever is beside the hero."""
    beside: Beside = "friend"
    """Who that is; the friend, too, where none of the others can be drawn there."""
    at: Spot = "home"
    light: Light = "day"
    held: bool = False
    """The hero holds up a light, or whatever the text takes along."""
    found: bool = False
    """The hero has what was lost."""
    painted: bool = False
    """The hero is painted with a pattern on this page."""
    boat: bool = False
    """A boat stands beside them."""


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
    told: tuple[Character, ...]
    """Whom the idea names beside its hero."""
    places: Mapping[Spot, Place]
    key_light: str
    glad_pose: str
    dress: Dress
    cover_mood: Mood = "glad"
    """Of the hero on the cover."""
    lexicon: Lexicon
    catalog: tuple[ConceptCard, ...]
    cast: tuple[ConceptCard, ...]

    def beside(self, who: Beside) -> Character | None:
        """The first of them who can be drawn beside the hero."""
        asked = {"friend": (self.friend,), "others": self.others, "company": self.company}[who]
        return next((each for each in asked if each.word and not self.is_taken(each)), None)

    def is_taken(self, character: Character) -> bool:
        """Whether the character's word draws a concept that is somebody else, or the hero."""
        is_learnt = character.word.casefold() in {card.word.casefold() for card in self.catalog}
        return is_learnt and (character.concept_id is None or character.word == self.hero.word)


@dataclass(frozen=True, kw_only=True)
class Picture:
    """A worded scene, and who is in it."""

    scene: Scene
    figures: tuple[Character, ...]


def light_key(light: Light, stage: Stage) -> str:
    """The lexicon's key, or the bank's word, of the light that a shot is seen in; empty when none is known."""
    if light == "key":
        return stage.key_light
    return next((key for key in _LIGHT_KEYS[light] if key in stage.lexicon.lights), "")


def light_phrase(key: str, lexicon: Lexicon) -> str:
    """How a prompt says the light: "in the moonlight"; a word of the bank alone becomes "in the …"."""
    return lexicon.lights.get(key, f"in the {key}" if key else "")


def make_picture(shot: Shot, stage: Stage) -> Picture:
    """The prompt, concepts and alternative text of a shot; every word the bank knows is listed as its concept."""
    shown = _on_stage(shot, stage)
    place, light = stage.places[shot.at], light_key(shot.light, stage)
    poses = _poses(shown, stage)
    figures = zip(shown, poses, strict=True)
    parts = [" and ".join(_worded(who, mood, shot, stage, pose=pose) for (who, mood), pose in figures)]
    thing = stage.dress.boat if shot.boat else stage.dress.standing if shot.at == "home" else ""
    if thing:
        parts.append(f"beside {with_article(thing)}")
    parts += [place.phrase, light_phrase(light, stage.lexicon), stage.dress.style]
    prompt = " ".join(part for part in parts if part)
    scene = Scene(
        prompt=prompt,
        concepts=_concepts_in(prompt, shown, stage),
        alt=_alt_text(shown, shot, stage, poses=poses, place=place, light=light, thing=thing),
    )
    return Picture(scene=scene, figures=tuple(who for who, _ in shown))


def _on_stage(shot: Shot, stage: Stage) -> list[tuple[Character, Mood]]:
    """Who is in the shot; the hero alone where nobody can be drawn beside that one."""
    shown: list[tuple[Character, Mood]] = []
    if shot.hero is not None:
        shown.append((stage.hero, shot.hero))
    if shot.friend is not None:
        other = (stage.beside(shot.beside) or stage.beside("friend")) if shown else stage.friend
        if other is not None:
            shown.append((other, shot.friend))
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


def _wears(character: Character, mood: Mood, shot: Shot, stage: Stage) -> str:
    if character is not stage.hero or mood == "asleep":
        return ""
    return (stage.dress.found_garment if shot.found else "") or stage.dress.garment


def _holds(character: Character, mood: Mood, shot: Shot, stage: Stage) -> str:
    if character is not stage.hero or mood not in ("still", "calm"):
        return ""
    if shot.found and stage.dress.found_held:
        return stage.dress.found_held
    if shot.held:
        drawn = (*stage.lexicon.held_objects, *(card.word for card in stage.catalog))
        return stage.dress.held if stage.dress.held in drawn else ""
    return stage.dress.carried if shot.at != "bed" else ""


def _pattern(character: Character, shot: Shot, stage: Stage) -> str:
    if character is not stage.hero:
        return ""
    return stage.dress.pattern or (stage.dress.paint if shot.painted else "")


def _worded(character: Character, mood: Mood, shot: Shot, stage: Stage, *, pose: str) -> str:
    look = (character.colour, _pattern(character, shot, stage), character.word)
    words = [with_article(" ".join(part for part in look if part))]
    garment, held = _wears(character, mood, shot, stage), _holds(character, mood, shot, stage)
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
        garment, carried = _wears(character, mood, shot, stage), _holds(character, mood, shot, stage)
        extras = [f"in {character.pronouns.his} {garment}"] if garment else []
        pattern = _pattern(character, shot, stage)
        if pattern and pattern not in character.kind.split():
            extras.append(f"{pattern} all over")
        verb = _ALT_POSE.get(pose, f"is {pose}" if pose else "is there")
        clause = ", ".join([who, *extras]) + (", " if extras else " ") + verb
        clauses.append(clause + (f" with {with_article(carried)}" if carried else ""))
    where = f" beside {with_article(thing)}" if thing else ""
    seen = _ALT_LIGHT.get(light, light_phrase(light, stage.lexicon))
    return tidy(f"{' and '.join(clauses)}{where} {place.phrase}{', ' + seen if seen else ''}.")
