"""Takes what an idea says of clothes, things, poses, places and lights off it: the words that captions are made of.

Only what is said of whom the idea begins with is taken: "a fox with a blue hat who wants to fly" becomes "a fox who
wants to fly", and the hat is the fox's. What follows a verb belongs to the story and stays: "a fox who finds a hat".
"""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Self

from concepts.lexicon import Lexicon
from concepts.schema import ConceptCard
from story.grammar import base_form, is_adverb, is_plural
from story.subject import HAPPENINGS, WHERE, drawn_kind, is_finite, without_place

_ADJECTIVES = (
    "big large little small tiny tall new old warm woolly cosy soft favourite pretty beautiful lovely funny silly fancy"
    " magic shiny black brown grey gray"
)
_OWNERS = "his|her|its|their|my"
_WEARS = "(?:wears|wore|has|had|carries|carried|holds|held|(?:is|was) (?:wearing|holding|carrying))"
_BEARS = f"(?:with|wearing|in|holding|carrying|(?:(?:who|that) )?(?:always )?{_WEARS})"
_VERBS = frozenset(
    "is was are were has had can can't cannot could couldn't does doesn't did didn't will won't would".split()
)
_BREAKS = _VERBS | frozenset(
    "never who that which of to about for with without from not no because than like wearing holding carrying".split()
)
_HERO = re.compile(
    r"that (?:wants|wanted|lost|loses|has lost|can|cannot|can't|(?:is|was) (?:afraid|scared)|dreams|wishes|learns)\b"
)
"""Said of somebody, and not of a hat."""
_SAID_ONCE = ("garment", "held", "thing", "pose", "place", "light")
_BEFORE_OBJECTS = frozenset("of to about for with without from like off over".split()) | {*WHERE}
_PRONOUNS = frozenset("he she it they".split())
_LEADS = frozenset(f"a an the my our your one two three four five very and {_OWNERS.replace('|', ' ')}".split())


@dataclass(frozen=True, kw_only=True)
class PropWords:
    """What can be drawn beside characters, as plain words."""

    clothing: tuple[str, ...] = ()
    held: tuple[str, ...] = ()
    objects: tuple[str, ...] = ()
    colours: tuple[str, ...] = ()
    patterns: tuple[str, ...] = ()
    poses: tuple[str, ...] = ()
    places: Mapping[str, str] = field(default_factory=dict[str, str])
    """Key to phrase, as in a lexicon."""
    lights: Mapping[str, str] = field(default_factory=dict[str, str])

    @classmethod
    def of(cls, lexicon: Lexicon, catalog: Sequence[ConceptCard]) -> Self:
        """The words of a picture model and of a bank's clothes and things."""
        garments = [card.word for card in catalog if card.kind == "clothing"]
        things = [card.word for card in catalog if card.kind == "object" and card.word not in lexicon.held_objects]
        return cls(
            clothing=(*lexicon.clothing, *garments),
            held=lexicon.held_objects,
            objects=(*lexicon.objects, *things),
            colours=lexicon.colours,
            patterns=(*lexicon.patterns, *(card.word for card in catalog if card.kind == "material")),
            poses=tuple(lexicon.poses),
            places=lexicon.places,
            lights=lexicon.lights,
        )


@dataclass(frozen=True, kw_only=True)
class Props:
    """What an idea says of the looks of its pictures; what it does not say is empty."""

    garment: str = ""
    """With its adjectives: "blue hat"."""
    held: str = ""
    thing: str = ""
    """What stands there: "boat"."""
    pose: str = ""
    place: str = ""
    """The key of a place."""
    light: str = ""
    """The key of a light."""
    beyond: tuple[str, ...] = ()
    """More garments and things in hand than the one of each that a picture shows."""

    def and_then(self, later: "Props") -> "Props":
        """These, with those of a later sentence that say something new."""
        said = {name: getattr(self, name) or getattr(later, name) for name in _SAID_ONCE}
        nouns = {text.split(" ")[-1] for text in said.values()}
        beyond = tuple(text for text in (later.garment, later.held) if text.split(" ")[-1] not in nouns | {""})
        return Props(**said, beyond=(*self.beyond, *beyond, *later.beyond))


def take_props(idea: str, words: PropWords, *, kinds: Iterable[str] = ()) -> tuple[str, Props]:
    """The idea without what it says of looks, and that; an idea that says nothing of them stays as it is.

    Args:
        idea: On one line, without a preamble.
        words: What can be drawn.
        kinds: Words of known characters.
    """
    reader = _Reader(words, known=frozenset(kind.lower() for kind in kinds))
    found: dict[str, str] = {}
    beyond: list[str] = []
    idea = reader.take_leading_pose(idea, found)
    at = 0
    while match := reader.pattern.search(idea, at):
        taken = reader.taken(idea, match)
        if taken is None:
            at = match.end()
            continue
        idea, at = taken, 0
        for name, text in reader.read(match):
            if found.setdefault(name, text) != text and name in ("garment", "held"):
                beyond.append(text)
    return idea, Props(**found, beyond=tuple(beyond))


def named_prop(phrase: str, nouns: Sequence[str], words: PropWords) -> str:
    """The one of the nouns that a noun phrase is about, with its adjectives: "red hat" of "her lost red hat"."""
    phrase = without_place(phrase)
    match = re.search(_noun(nouns, words), phrase) if nouns else None
    return _one_of(match["noun"]) if match and match.end() == len(phrase) else ""


def lost_prop(sentence: str, props: Props) -> str:
    """The garment or thing in hand that the sentence tells to be lost, blown away or stolen: "his red hat"."""
    if re.search(r"\b(?:never|not|cannot)\b|n't\b", sentence):
        return ""
    for noun in filter(None, (props.garment, props.held)):
        pronoun = "they|them" if is_plural(noun) else "it"
        what = rf"\b(?:{pronoun}|(?:the|his|her|its|their) (?:\w+ )?{noun.split(' ')[-1]})"
        ways = (
            rf"(?<!gives )(?<!gave )(?<!puts )(?<!put ){what} (?:\w+ )?away\b",
            rf"\baway with {what}\b",
            rf"{what} (?:is|was|are|were|gets?|got|has been) (?:gone|lost|stolen|missing)\b",
            rf"\b(?:loses?|lost|steals?|stole|forgets?|forgot) {what}\b",
        )
        if any(re.search(way, sentence, re.IGNORECASE) for way in ways):
            return f"his {noun}"
    return ""


def _with_named(text: str, noun: str) -> str:
    """The text with its first "it" or "them" as the noun that was taken before it, unless another noun is between."""
    words = text.split(" ")
    pronoun = "them" if is_plural(noun) else "it"
    for at, word in enumerate(words):
        before, after = words[at - 1], " ".join(words[at + 1 : at + 2])
        if word.lower() in _LEADS - {"and", "very"}:
            return text
        is_object = at > 0 and (before in _BEFORE_OBJECTS or base_form(before) is not None) and not is_finite(after)
        if word.strip(",") == pronoun and is_object:
            return " ".join([*words[:at], word.replace(pronoun, f"the {noun}"), *words[at + 1 :]])
    return text


def _any_of(texts: Iterable[str]) -> str:
    return "|".join(re.escape(text) for text in sorted(texts, key=len, reverse=True)) or r"(?!)"


def _noun(nouns: Sequence[str], words: PropWords) -> str:
    """A pattern for one of the nouns with its adjectives, or for more than one, whose "s" is no part of the group."""
    adjectives = _any_of((*words.colours, *words.patterns, *_ADJECTIVES.split()))
    nouns = (*nouns, *(f"{noun[:-1]}ves" for noun in nouns if noun.endswith("f")))
    return rf"(?P<noun>\b(?:(?:{adjectives}) )*(?:{_any_of(nouns)}))s?(?!\w)"


def _one_of(things: str) -> str:
    """One of what has a plural of its own: "red scarf" of "red scarves"."""
    return f"{things[:-3]}f" if things.endswith("ves") else things


class _Reader:
    """The patterns of one vocabulary."""

    def __init__(self, words: PropWords, *, known: frozenset[str]) -> None:
        self.known = known
        self.places = _phrases(words.places, ("in the", "on the", "at the", "in a", "on a"))
        self.lights = _phrases(words.lights, ("in the", "in", "by", "at", "under the"))
        self.clothing, self.held, self.objects = (
            re.compile(_noun(nouns, words)) for nouns in (words.clothing, words.held, words.objects)
        )
        article = rf"(?:(?:a pair of|an?|the|some|{_OWNERS}) )?"
        thing = article + _noun((*words.clothing, *words.held), words).replace("?P<noun>", "?:")
        stands = article + _noun(words.objects, words).replace("?P<noun>", "?:")
        self.pose = _any_of(words.poses)
        self.pattern = re.compile(
            rf"(?P<space>^| )(?:(?P<place>{_any_of(self.places)})|(?P<light>{_any_of(self.lights)})"
            rf"|{_BEARS} (?P<things>{thing}(?: and {thing})*)|(?:with|in|by|near|beside|next to) (?P<stands>{stands})"
            rf"|(?P<pose>{self.pose}))(?![\w'-])"
        )

    def read(self, match: re.Match[str]) -> list[tuple[str, str]]:
        """What a match says, with the names of `Props`."""
        phrases = (("place", self.places), ("light", self.lights))
        said = [(name, found[match[name]]) for name, found in phrases if match[name]]
        if match["pose"]:
            said.append(("pose", match["pose"]))
        told = (("garment", self.clothing, "things"), ("held", self.held, "things"), ("thing", self.objects, "stands"))
        for name, pattern, group in told:
            said += [(name, _one_of(noun["noun"])) for noun in pattern.finditer(match[group] or "")]
        return said

    def taken(self, idea: str, match: re.Match[str]) -> str | None:
        """The idea without the match, or None where the match is not said of whom it begins with, or goes on."""
        head, rest = idea[: match.start()], idea[match.end() :].lstrip(" ")
        is_one = match["things"] or match["stands"]
        if not _is_bare(head) or (is_one and " and " in head) or not self._is_whole(rest, head, pose=match["pose"]):
            return None
        rest = re.sub(r"^because it\b[^,]*", "", rest)
        if match["things"]:
            nouns = [text for _, text in self.read(match)]
            rest = self._without_others_deeds(rest, is_sentence=is_finite(match[0].split(" ")[1]))
            rest = _with_named(rest, nouns[0]) if len(nouns) == 1 else rest
        joined = re.match(r"^,? ?(?:and|but) ", rest)
        if joined and self._is_clause(rest[joined.end() :], head):
            said = rest[joined.end() :]
            rest = f"who {said}" if head.split(" ")[0].islower() or said.split(" ")[0] in _PRONOUNS else said
        return re.sub(r"(?: ?,)+", ",", f"{head} {rest}").strip(" ,")

    def _without_others_deeds(self, rest: str, *, is_sentence: bool) -> str:
        """The words without what somebody else in them wears or does: "and the bear carries an umbrella".

        Args:
            is_sentence: Whether the words before are one, so that a verb here has this somebody alone as its subject.
        """
        joined = re.match(r"^,? ?(?:and|but) ", rest)
        if joined is None or not self._is_somebody(rest[joined.end() :]):
            return rest
        words = rest[joined.end() :].split(" ")
        end = next((at for at, word in enumerate(words) if at and (word in _BREAKS or is_finite(word))), len(words))
        who, after = rest[: joined.end()] + " ".join(words[:end]), " ".join(words[end:])
        worn = self.pattern.match(after)
        if is_sentence:
            _, _, after = after.partition(" they ")
        elif worn and worn["things"]:
            after = after[worn.end() :].strip()
        return f"{who} {after}".strip()

    def take_leading_pose(self, idea: str, found: dict[str, str]) -> str:
        """The idea without a pose that stands before its noun: "a sleeping bear", but not "a bear sitting still"."""
        lead = r"(?i:an?|the|my|our|one|two|three) "
        match = re.match(rf"^(?P<before>{lead}(?P<more>\w+ )?)(?P<pose>{self.pose}) (?P<noun>\w+)", idea)
        if match is None or match["noun"] in _BREAKS | {*WHERE}:
            return idea
        if match["more"] and drawn_kind(match["noun"]) not in self.known:
            return idea
        found["pose"] = match["pose"]
        return match["before"] + idea[match.start("noun") :]

    def _is_whole(self, rest: str, head: str, *, pose: str | None) -> bool:
        """Whether what follows no longer speaks of the thing: "that talks" and "in her paw" do."""
        first, _, after = rest.partition(" ")
        if not rest or rest.startswith(",") or first in ("who", "named", "called", "because") or _HERO.match(rest):
            return True
        if first in ("and", "but"):
            return self._is_clause(after, head) or self._is_somebody(after)
        return self._is_clause(first if pose else rest, head) or self.pattern.match(rest) is not None

    def _is_clause(self, phrase: str, head: str) -> bool:
        verb = next((word for word in phrase.split(" ") if not is_adverb(word)), "")
        base = base_form(verb)
        may_be_base = " and " in head or head.split(" ")[0].lower() in ("two", "three", "four", "five")
        is_finite = base is not None and not verb.endswith("ing") and (base != verb or may_be_base)
        return verb in _VERBS | _PRONOUNS or is_finite

    def _is_somebody(self, phrase: str) -> bool:
        first, *more = phrase.split(" ")[:4]
        words = {word.strip(",").lower() for word in (first, *more)}
        return first[:1].isupper() or first in _OWNERS.split("|") or bool(words & self.known)


def _phrases(phrases: Mapping[str, str], leads: tuple[str, ...]) -> dict[str, str]:
    """The keys by all the ways in which an idea may say them."""
    ways = {f"{lead} {key}": key for key in phrases for lead in leads}
    return ways | {phrase: key for key, phrase in phrases.items()}


def _is_bare(head: str) -> bool:
    """Whether the words are but somebody's: "a small fox called Rosa", and neither a clause nor a happening."""
    words = head.replace(",", "").split(" ")
    lower = [word.lower() for word in words]
    if not head or lower[-1] in HAPPENINGS or {*lower} & (_BREAKS | {*WHERE}):
        return False
    is_plural = "and" in lower or lower[0] in ("two", "three", "four", "five")
    for before, word in zip(lower, lower[1:], strict=False):
        base = base_form(word)
        is_inflected = base is not None and base != word and not word.endswith("ing")
        is_verb = is_inflected or (is_plural and base is not None)
        if is_verb and before not in _LEADS | {*_ADJECTIVES.split()} and word not in ("called", "named"):
            return False
    return True
