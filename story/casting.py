"""Chooses who and what an idea's story is played with: the cast first, then the bank, then the model's lexicon.

Knows no arc: any arc can be played on the stage that is set here.
"""

import random
import re
from collections.abc import Mapping, Sequence
from dataclasses import replace

from concepts.lexicon import Lexicon
from concepts.schema import ConceptCard
from story.dressing import choose_dress
from story.grammar import PRONOUNS, Gender, is_plural
from story.idea import Idea
from story.schema import StoryRequest
from story.stage import MOOD_POSES, Character, Mood, Place, Spot, Stage
from story.subject import Actor, drawn_kind

_NAMES: Mapping[Gender, tuple[str, ...]] = {
    "she": ("Fern", "Tilly", "Juno", "Hazel", "Mabel", "Posy", "Wren", "Olive"),
    "he": ("Barley", "Otto", "Pip", "Moss", "Hugo", "Alder", "Toby", "Finch"),
    "it": ("Bolt", "Tock", "Button", "Pixel"),
}
_PLACE_CLUES: Mapping[str, str] = {
    "beach": "lighthouse sea ocean beach island harbour harbor boat ship sail sailing swim swimming shell whale fish"
    " water waves pirate mermaid lake river",
    "forest": "forest wood woods tree trees treehouse leaf leaves owl nest acorn mushroom camping",
    "snow": "snow winter ice icy cold sledge sled snowman skate christmas mountain polar",
    "town": "town city street school shop bakery bus train library bread cake bakes market neighbour people",
    "bedroom": "bed bedroom bedtime pillow sleep sleeping asleep dream dreams nap blanket room toys",
    "meadow": "meadow garden field farm grass flower flowers bee bees hill kite rocket sky",
}
_LIGHT_CLUES: Mapping[str, str] = {
    "moonlight": "dark darkness night moon moonlight stars star shadow shadows monster monsters ghost ghosts owl sleep"
    " bedtime midnight alone",
    "lamplight": "lamp lamplight lantern candle reading read library",
    "fog": "fog foggy mist misty",
    "sunset": "sunset evening dusk",
}
_POSE_MOODS: Mapping[str, Mood] = {pose: mood for mood, pose in MOOD_POSES.items()}
_STAND_INS = frozenset({"waving", "jumping"})


def set_stage(request: StoryRequest, *, idea: Idea, lexicon: Lexicon, rng: random.Random) -> Stage:
    """Everybody and everything of one story, the same for the same request and state of `rng`.

    A character that the cast names stays the hero whatever the idea says. Otherwise a bank character of the idea's
    kind is, then a plain one of that kind where the lexicon has it, then any character of the bank.
    """
    pool = _cards("character", request)
    idea = _with_drawn_friend(idea, request, lexicon)
    hero_card = _hero_card(request, idea, pool, lexicon)
    taken = () if hero_card is None else (hero_card.word,)
    hero = _character(hero_card, idea=idea, request=request, lexicon=lexicon, rng=rng, taken=())
    friend_card = _friend_card(request, idea, pool, lexicon, hero=hero, hero_card=hero_card, rng=rng)
    friend = _friend(friend_card, idea, hero=hero, request=request, lexicon=lexicon, rng=rng)
    extra = [card for card in request.cast if card.kind == "character" and card not in (hero_card, friend_card)]
    others = tuple(_bank_character(card, rng, avoid=taken) for card in extra)
    company = _company(idea, pool, (hero, friend), lexicon, rng)
    dress = choose_dress(request, idea=idea, lexicon=lexicon)
    return Stage(
        hero=_patterned(hero, dress.pattern),
        friend=friend,
        others=tuple(each for each in others if each.name not in [one.name for one in company]),
        company=company,
        places=_places(request, idea, lexicon, rng),
        key_light=_key_light(request, idea, lexicon, rng),
        glad_pose=_glad_pose(request, idea, lexicon, rng),
        told=((friend,) if idea.friend != Actor() else ()) + company,
        cover_mood=_POSE_MOODS.get(idea.props.pose, "glad"),
        dress=dress,
        lexicon=lexicon,
        catalog=request.catalog,
        cast=request.cast,
    )


def _with_drawn_friend(idea: Idea, request: StoryRequest, lexicon: Lexicon) -> Idea:
    """The idea with one first among its companions who can be drawn beside its hero, or else at all, or anybody.

    The others are only told of, but for a picture or two.
    """
    pool = _cards("character", request)
    banked = {text.lower() for card in pool for text in (card.word, card.name)}
    known = {*lexicon.characters, *banked}
    drawn = [told for told in idea.companions if known & {_drawn_word(told.kind, told.name), told.name.lower()}]
    hero_word = _drawn_word(idea.kind, idea.name)
    apart = [told for told in drawn if hero_word not in banked or _drawn_word(told.kind, told.name) != hero_word]
    friend = (apart or drawn or [Actor()])[0]
    return replace(idea, companions=(friend, *(told for told in idea.companions if told is not friend)))


def _cards(kind: str, request: StoryRequest) -> list[ConceptCard]:
    """Concepts of a kind, the cast's before the bank's."""
    return [card for card in dict.fromkeys((*request.cast, *request.catalog)) if card.kind == kind]


def _drawn_word(kind: str, name: str) -> str:
    """The word that draws one of the idea; who has a name and is nothing else is a child."""
    return drawn_kind(kind) or ("child" if name else "")


def _hero_card(request: StoryRequest, idea: Idea, pool: list[ConceptCard], lexicon: Lexicon) -> ConceptCard | None:
    chosen = [card for card in request.cast if card.kind == "character"]
    wanted = _drawn_word(idea.kind, idea.name)
    for cards in (chosen, pool):
        named = _called(idea.name, cards)
        alike = [card for card in cards if wanted and card.word.lower() in (wanted, idea.kind)]
        if named or alike:
            return (named or alike)[0]
        if chosen:
            return chosen[0]
    if wanted in lexicon.characters:
        return None
    claimed = [_drawn_word(told.kind, told.name) for told in idea.companions]
    free = [card for card in pool if card.word.lower() not in claimed] or pool
    return free[request.seed % len(free)] if free else None


def _called(name: str, cards: Sequence[ConceptCard]) -> list[ConceptCard]:
    return [card for card in cards if name and card.name.lower() == name.lower()]


def _friend_card(
    request: StoryRequest,
    idea: Idea,
    pool: list[ConceptCard],
    lexicon: Lexicon,
    *,
    hero: Character,
    hero_card: ConceptCard | None,
    rng: random.Random,
) -> ConceptCard | None:
    chosen = [card for card in request.cast if card.kind == "character" and card != hero_card]
    if chosen:
        return next((card for card in chosen if card.word != hero.word), chosen[0])
    others = [card for card in pool if card != hero_card and card.word != hero.word]
    wanted = _drawn_word(idea.friend.kind, idea.friend.name)
    alike = _called(idea.friend.name, others) or [card for card in others if wanted == card.word.lower()]
    if alike:
        return alike[0]
    if wanted in lexicon.characters or wanted == hero.word.lower():
        return None
    return rng.choice(others) if others else None


def _character(
    card: ConceptCard | None,
    *,
    idea: Idea,
    request: StoryRequest,
    lexicon: Lexicon,
    rng: random.Random,
    taken: tuple[str, ...],
) -> Character:
    wanted = _drawn_word(idea.kind, idea.name)
    if card is not None:
        hero = _bank_character(card, rng, avoid=taken, gender=idea.gender, name=idea.name)
        told = _without_colours(idea.hero, lexicon) if idea.kind else _girl_or_boy(hero)
        return _with_kind(hero, told) if wanted == card.word.lower() else hero
    word = wanted if wanted in lexicon.characters else ""
    word = word or (rng.choice(lexicon.characters) if lexicon.characters else "child")
    hero = _plain_character(word, request=request, lexicon=lexicon, rng=rng, gender=idea.gender, name=idea.name)
    kind = (idea.hero or _girl_or_boy(hero)) if wanted == word else ""
    said = next((colour for colour in lexicon.colours if colour in kind.split()), "")
    return _with_kind(hero, kind, colour=said or hero.colour)


def _girl_or_boy(character: Character) -> str:
    return "girl" if character.pronouns.he == "she" else "boy"


def _with_kind(character: Character, kind: str, *, colour: str | None = None) -> Character:
    return Character(
        name=character.name,
        word=character.word,
        kind=kind or character.kind,
        pronouns=character.pronouns,
        concept_id=character.concept_id,
        colour=character.colour if colour is None else colour,
    )


def _patterned(hero: Character, pattern: str) -> Character:
    """The hero under a name that says the pattern, too; what is golden has no other colour."""
    is_told = not pattern or not hero.kind or pattern in hero.kind.split(" ")
    kind = hero.kind if is_told else f"{pattern} {hero.kind}"
    return _with_kind(hero, kind, colour="" if pattern == "golden" else hero.colour)


def _without_colours(hero: str, lexicon: Lexicon) -> str:
    return " ".join(word for word in hero.split() if word not in lexicon.colours)


def _friend(
    card: ConceptCard | None,
    idea: Idea,
    *,
    hero: Character,
    request: StoryRequest,
    lexicon: Lexicon,
    rng: random.Random,
) -> Character:
    other: Gender = "he" if hero.pronouns.he == "she" else "she"
    told = idea.friend
    name = told.name or (card.name if card else "")
    guessed = _gender_of(name, rng) if name.endswith(("a", "o")) else other
    wanted = _drawn_word(told.kind, told.name)
    if card is not None:
        friend = _bank_character(card, rng, avoid=(hero.name,), gender=told.gender or guessed, name=told.name)
        return _told_as(friend, told, lexicon) if wanted == card.word.lower() else friend
    banked = {c.word.lower() for c in request.catalog if c.kind == "character"}
    words = [word for word in lexicon.characters if word not in banked and word != hero.word]
    is_drawn = wanted in words or wanted == hero.word or (told.name != "" and wanted in lexicon.characters)
    friend = _plain_character(
        wanted if is_drawn else rng.choice(words) if words else hero.word,
        request=request,
        lexicon=lexicon,
        rng=rng,
        gender=told.gender or guessed,
        name=told.name,
        avoid=(hero.name,),
        not_colour=hero.colour,
    )
    return _told_as(friend, told, lexicon) if wanted == friend.word else friend


def _told_as(character: Character, told: Actor, lexicon: Lexicon) -> Character:
    """The character under the words that the idea has for it; a learnt one keeps its own colour."""
    if not told.kind:
        return _with_kind(character, _girl_or_boy(character)) if character.word == "child" else character
    if character.concept_id:
        return _with_kind(character, _without_colours(told.phrase, lexicon))
    said = next((colour for colour in lexicon.colours if colour in told.phrase.split()), "")
    return _with_kind(character, told.phrase, colour=said or character.colour)


def _company(
    idea: Idea, pool: list[ConceptCard], used: Sequence[Character], lexicon: Lexicon, rng: random.Random
) -> tuple[Character, ...]:
    """Those of the idea beyond hero and friend; they are told of, and one of them is in a picture or two."""
    company: list[Character] = []
    banked = {card.word.lower() for card in pool}
    for told in idea.companions[1:]:
        if is_plural(told.kind):
            continue
        names = [each.name for each in (*used, *company)]
        gender = told.gender or _gender_of(told.name, rng)
        alike = _called(told.name, pool) or [card for card in pool if card.word.lower() == drawn_kind(told.kind)]
        card = next((card for card in alike if card.name not in names), None)
        drawn = rng.choice([name for name in _NAMES[gender] if name not in names])
        kind = told.phrase or (card.word if card else "girl" if gender == "she" else "boy")
        name = told.name or (card.name if card else drawn)
        word = _drawn_word(told.kind, told.name)
        plain = word if word in {*lexicon.characters, *banked} else ""
        company.append(
            Character(
                name=name,
                word=card.word if card else plain,
                kind=kind,
                pronouns=PRONOUNS[gender],
                concept_id=card.id if card else None,
                colour=next((colour for colour in lexicon.colours if colour in kind.split() and not card), ""),
            )
        )
    return tuple(company)


def _bank_character(
    card: ConceptCard, rng: random.Random, *, avoid: tuple[str, ...], gender: Gender | None = None, name: str = ""
) -> Character:
    gender = gender or _gender_of(card.name, rng)
    plain = card.name if card.name.lower() != card.word.lower() and not any(c.isdigit() for c in card.name) else ""
    drawn = rng.choice([each for each in _NAMES[gender] if each not in avoid])
    name = name or plain or drawn
    kind = "" if card.word.lower() in name.lower() else card.word
    return Character(name=name, word=card.word, kind=kind, pronouns=PRONOUNS[gender], concept_id=card.id)


def _gender_of(name: str, rng: random.Random) -> Gender:
    """A guess that suits most English ears: names in -a are hers, names in -o his, any other is drawn."""
    drawn: Gender = rng.choice(("he", "she"))
    return "she" if name.endswith("a") else "he" if name.endswith("o") else drawn


def _plain_character(
    word: str,
    *,
    request: StoryRequest,
    lexicon: Lexicon,
    rng: random.Random,
    gender: Gender | None = None,
    name: str = "",
    avoid: tuple[str, ...] = (),
    not_colour: str = "",
) -> Character:
    gender = gender or _gender_of(name, rng)
    used = {card.name for card in request.catalog} | set(avoid)
    names = [each for each in _NAMES[gender] if each not in used] or list(_NAMES[gender])
    banked = {card.word.lower() for card in request.catalog}
    colours = [colour for colour in lexicon.colours if colour != not_colour and colour not in banked]
    return Character(
        name=name or rng.choice(names),
        word=word,
        kind=word,
        pronouns=PRONOUNS[gender],
        colour=rng.choice(colours) if colours and word != "child" else "",
    )


def _clue(idea: Idea, clues: Mapping[str, str]) -> str:
    """The key whose clue words the idea has first."""
    for token in re.findall(r"\w+", idea.words.lower()):
        for key, words in clues.items():
            if token == key or token in words.split():
                return key
    return ""


def _places(request: StoryRequest, idea: Idea, lexicon: Lexicon, rng: random.Random) -> dict[Spot, Place]:
    known = [Place(key=key, phrase=phrase) for key, phrase in lexicon.places.items()]
    for card in _cards("place", request):
        if not any(card.word == place.key for place in known):
            known.insert(0, Place(key=card.word, phrase=f"in the {card.word}"))
    if not known:
        nowhere = Place(key="", phrase="")
        return dict.fromkeys(("home", "first", "second", "third", "bed"), nowhere)
    outside = [place for place in known if place.key != "bedroom"] or known
    chosen = [card.word for card in request.cast if card.kind == "place"]
    # Who only sleeps in the bedroom need not live there.
    clues = {key: words for key, words in _PLACE_CLUES.items() if key != "bedroom" or not idea.sleep}
    wanted = chosen[0] if chosen else idea.props.place or _clue(idea, clues)
    home = next((place for place in known if place.key == wanted), None) or rng.choice(outside)
    away = [place for place in outside if place != home] or outside
    rng.shuffle(away)
    away.sort(key=lambda place: place.key not in chosen)
    bed = next((place for place in known if place.key == "bedroom"), home)
    spots: tuple[Spot, ...] = ("first", "second", "third")
    places: dict[Spot, Place] = {spot: away[index % len(away)] for index, spot in enumerate(spots)}
    places["home"], places["bed"] = home, bed
    return places


def _key_light(request: StoryRequest, idea: Idea, lexicon: Lexicon, rng: random.Random) -> str:
    chosen = [_light_of(card, lexicon) for card in request.cast if card.kind == "lighting"]
    banked = [_light_of(card, lexicon) for card in request.catalog if card.kind == "lighting"]
    wanted = idea.props.light or _clue(idea, _LIGHT_CLUES)
    known = [wanted] if wanted in lexicon.lights else []
    fitting = [key for key in banked if key == wanted]
    fallback = [key for key in ("sunset", "moonlight") if key in lexicon.lights]
    options = chosen or fitting or known or banked or ([rng.choice(fallback)] if fallback else [""])
    return options[0]


def _light_of(card: ConceptCard, lexicon: Lexicon) -> str:
    """The lexicon's key of a lighting concept, or its own word."""
    words = {key: phrase.lower().split() for key, phrase in lexicon.lights.items()}
    return next((key for key, phrase in words.items() if card.word.lower() in (key, *phrase)), card.word)


def _glad_pose(request: StoryRequest, idea: Idea, lexicon: Lexicon, rng: random.Random) -> str:
    quiet = {pose for mood, pose in MOOD_POSES.items() if mood != "glad"}
    cast, banked = ([card.word for card in cards if card.kind == "pose"] for cards in (request.cast, request.catalog))
    chosen = [pose for pose in (*cast, idea.props.pose, *banked) if pose and pose not in quiet]
    plain = sorted(_STAND_INS & set(lexicon.poses)) or [MOOD_POSES["glad"]]
    return chosen[0] if chosen else rng.choice(plain)
