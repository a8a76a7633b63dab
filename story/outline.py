"""From a language model's outline to a plan that can be kept to: the line-up settled, who is dressed how on which page.

Reading is lenient, checking is not, and `mended` makes a usable plan of what still fails. Knows no language model.
"""

import re
from collections.abc import Sequence

from concepts.errors import InvalidConcept
from concepts.lexicon import Lexicon
from concepts.schema import ConceptCard, check_word
from story.answers import MAX_TITLE_CHARACTERS, BeatAnswer, CharacterAnswer, TextAnswer, read_items, read_object
from story.checks import MAX_CHARACTERS
from story.draft import Beat, Outline
from story.languages import has_letters_beside
from story.lineup import settled_place
from story.schema import LineupMember, SpokenLine, StoryRequest
from story.sentences import cut_at_word

_STOPS = " .,;:!"
_ARTICLES = frozenset({"a", "an", "the"})
_QUOTES = '"“”„«»「」'


def read_outline(raw: str, request: StoryRequest, lexicon: Lexicon) -> Outline | None:
    """As much of an outline as an answer has, in as many beats as the book has pages; None where it has none."""
    data = read_object(raw)
    characters = read_items(raw, CharacterAnswer, key="characters")
    beats = {beat.number: beat for beat in read_items(raw, BeatAnswer)}
    if not characters and not beats:
        return None
    lineup = _lineup(characters, request.catalog)
    dressed = {_folded(member.name): member for member in lineup}
    called = _called(lineup, request.catalog)
    told: list[Beat] = []
    for number in range(1, request.pages + 1):
        beat = beats.get(number)
        if beat is None:
            told.append(Beat(beat="", who=(), place=told[-1].place if told else ""))
            continue
        for change in beat.changes:
            name = called.get(_folded(change.name))
            if name is not None:
                dressed[name] = dressed[name].model_copy(update={"wears": _wears(change.wears)})
        present = dict.fromkeys(called.get(_folded(name)) for name in beat.who)
        who = tuple(dressed[name] for name in present if name is not None)
        place = settled_place(beat.place, lexicon) or (told[-1].place if told else "")
        told.append(Beat(beat=_plain(beat.beat), who=who, place=place))
    title, second = data.get("title"), data.get("second_title")
    return Outline(
        title=_plain(title) if isinstance(title, str) else "",
        second_title=_plain(second) if isinstance(second, str) and request.second_language else "",
        lineup=lineup,
        beats=(_cover_beat(lineup, told), *told),
    )


def lines_of(answer: TextAnswer, lineup: Sequence[LineupMember]) -> tuple[SpokenLine, ...]:
    """What is said on a page, by the concepts of those who say it; whoever has none is called by name."""
    speakers = {member.concept: member.concept for member in lineup if member.concept}
    speakers |= {_folded(member.name): member.concept or member.name for member in lineup}
    spoken = ((_plain(line.who), _plain(line.words).strip(_QUOTES)) for line in answer.speech)
    return tuple(SpokenLine(speaker=speakers.get(_folded(who), who), text=words) for who, words in spoken if words)


def mended(outline: Outline | None, request: StoryRequest, bad: frozenset[str]) -> Outline | None:
    """The outline with everything that cannot stay replaced or left out; None where too little is left for a story.

    Args:
        bad: Titles, names, beats, places, looks and clothes that may not be used: with markup, unsafe, or in another
            language than their own.
    """
    if outline is None:
        return None
    members = [member for member in outline.lineup if member.name and member.name not in bad and member.word]
    seen: dict[str, LineupMember] = {}
    for member in members:
        seen.setdefault(member.word.casefold(), _drawable(member, bad))
    lineup = tuple(seen.values()) or tuple(_member_of(card) for card in _characters(request)[:1])
    told = [beat for beat in outline.beats[1:] if beat.beat and beat.beat not in bad]
    if not lineup or 2 * len(told) < request.pages:
        return None
    names = {member.name for member in lineup}
    beats: list[Beat] = []
    for beat in outline.beats[1:]:
        who = tuple(_drawable(member, bad) for member in beat.who if member.name in names)[:MAX_CHARACTERS]
        words = "" if beat.beat in bad else beat.beat
        beats.append(Beat(beat=words, who=who or lineup[:1], place="" if beat.place in bad else beat.place))
    title = outline.title if outline.title and outline.title not in bad else lineup[0].name
    second = outline.second_title if outline.second_title not in bad else ""
    return Outline(
        title=cut_at_word(title, MAX_TITLE_CHARACTERS),
        second_title=cut_at_word(second or (lineup[0].name if request.second_language else ""), MAX_TITLE_CHARACTERS),
        lineup=lineup,
        beats=(_cover_beat(lineup, beats), *beats),
    )


def _drawable(member: LineupMember, bad: frozenset[str]) -> LineupMember:
    """The character without looks and clothes that may not stand in prompts."""
    return member.model_copy(
        update={"look": "" if member.look in bad else member.look, "wears": "" if member.wears in bad else member.wears}
    )


def _lineup(characters: Sequence[CharacterAnswer], catalog: Sequence[ConceptCard]) -> tuple[LineupMember, ...]:
    """Everybody with a name and a noun; a noun that is the word of a concept is that concept's."""
    cards = {card.id: card for card in catalog if card.kind == "character"}
    by_word = {card.word.casefold(): card for card in reversed(cards.values())}
    members: dict[str, LineupMember] = {}
    for character in characters:
        name, noun = _plain(character.name), _plain(character.noun).strip(_STOPS)
        word = _word(noun)
        card = cards.get(character.concept.strip()) or by_word.get(noun.casefold())
        members.setdefault(
            _folded(name),
            LineupMember(
                name=name,
                word=card.word if card else word,
                concept=card.id if card else None,
                look="" if card else _look(character.look, word),
                size=character.size,
                pronoun=character.pronoun,
                wears=_wears(character.wears),
            ),
        )
    return tuple(members.values())


def _called(lineup: Sequence[LineupMember], catalog: Sequence[ConceptCard]) -> dict[str, str]:
    """By whatever somebody may be called, the name in the line-up, all folded: models write "Rusty" beside "러스티"."""
    in_bank = {card.id: _folded(card.name) for card in catalog}
    banked = {in_bank[member.concept]: _folded(member.name) for member in lineup if member.concept}
    return banked | {_folded(member.name): _folded(member.name) for member in lineup}


def _cover_beat(lineup: Sequence[LineupMember], told: Sequence[Beat]) -> Beat:
    return Beat(beat="", who=tuple(lineup[:1]), place=told[0].place if told else "")


def _member_of(card: ConceptCard) -> LineupMember:
    return LineupMember(name=card.name, word=card.word, concept=card.id)


def _characters(request: StoryRequest) -> list[ConceptCard]:
    return [card for card in (*request.cast, *request.catalog) if card.kind == "character"]


def _word(noun: str) -> str:
    """The noun where it can be looked for in English prompts, without article; else nothing."""
    bare = noun.lower().removeprefix("the ").removeprefix("an ").removeprefix("a ")
    try:
        return "" if has_letters_beside(bare, "en") else check_word(bare)
    except InvalidConcept:
        return ""


def _look(text: str, noun: str) -> str:
    """Adjectives alone, as they stand between article and noun: "a small, red fox with a hat." is "small red"."""
    words = [word.strip(_STOPS) for word in re.split(r"\bwith\b", text)[0].split()]
    kept = [word for word in words if word and word.lower() not in (_ARTICLES | {"and", *noun.split()})]
    return " ".join(kept)


def _wears(text: str) -> str:
    """What stands behind "wearing" in the middle of a sentence."""
    return re.sub(r"^(?:wearing|in|with) ", "", _plain(text).strip(_STOPS))


def _plain(text: str) -> str:
    return " ".join(text.split())


def _folded(name: str) -> str:
    """A name as it is compared: models do not always write it as they did before."""
    return _plain(name).casefold()
