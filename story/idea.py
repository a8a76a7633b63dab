"""Reads a person's idea: who it is about, what that one does, fears, wishes for or seeks.

Knows English only and no story: whatever cannot be read this way comes back as a plain topic, or as the quoted words,
or as nothing. Of several sentences the first about somebody says who the hero is, later ones are read where they are
about the hero again or bring somebody else. An idea is data; markup and control characters never leave this file.
"""

import re
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass, replace

from story.clauses import MAIN_VERB, Deeds, decapitalised, is_of_world, read_clauses
from story.grammar import Gender, base_form, singular
from story.idea_props import Props, PropWords, lost_prop, take_props
from story.idea_text import clean_idea, plain_sentences, spelt_out
from story.names import COMMON_NAMES
from story.subject import (
    COMMON_ENGLISH,
    GENDERS,
    WHERE,
    Actor,
    as_name,
    begins_with_name,
    drawn_kind,
    gender_of_name,
    is_finite,
    kind_of_one,
    name_at,
    name_capitals,
    read_subject,
)

_FRAME = re.compile(
    r"^(?:(?:[Hh]ow|[Ww]hen|[Tt]he (?:day|night|time)(?: that| when)?) (?=[A-Z]|an? (?!\w+$))"
    r"|(?:[Hh]ow|[Tt]he (?:day|night|time)(?: that| when)?) (?=the \w+ \w))"
)
"""What stands before a sentence that is the idea: "How Emma learned to swim"."""
_GONE = re.compile(
    r"^(?:(?:has|had|is|was) )?(?:(?:ran|run|runs|gone|went|goes) away|(?:(?:got|gets|went|gone) )?(?:lost|missing))$"
)
"""What is said of somebody's own that is not there any more: "my dog ran away"."""
_CAUSE = re.compile(r"\s*\bbecause of\s+[^,;]+")
_ONE_DAY = re.compile(
    r"^(?:(?:but|and|then|so|now|suddenly|today|however|sadly|luckily|one (?:\w+ )?(?:day|night|morning|evening)),? )+",
    re.IGNORECASE,
)
_PRONOUN = re.compile(r"^(he|she|it|they) ", re.IGNORECASE)
_OF_SOMETHING = re.compile(r"^(?:it|them|him)\b|\b(?:it|them|him|her|there|too|again)$")
_TRAIT_END = re.compile(rf" who |,? and (?=(?:he|she|it|they) )| (?={MAIN_VERB} )")
"""What stands between "with a crown" and the next that is said of that one."""
_LASTING = ("loved ", "liked ", "enjoyed ", "lived ")
"""What is so before and after any trouble."""
_SLEEP = re.compile(r"(?:sleep|nap|fall asleep|(?:go|get)(?: back)? to (?:sleep|bed)|(?:take|have) an? (?:\w+ )?nap)\b")


@dataclass(frozen=True, kw_only=True)
class Idea(Deeds):
    """What an idea says, as phrases that fit into sentences; what it does not say is empty."""

    words: str = ""
    """The idea itself, cleaned and shortened, without what asks for a story."""
    kind: str = ""
    """Head noun of the one it is about: "cat", "dragon"; lower case."""
    hero: str = ""
    """The same with its adjectives and without article: "small grey cat"."""
    name: str = ""
    """Given name, when the idea gives one."""
    gender: Gender | None = None
    companions: tuple[Actor, ...] = ()
    """Who else it is about, in its order; the first of them is the hero's friend."""
    topic: str = ""
    """Noun phrase, when the idea names no actor, or no more than actors and this: "friendship", "the moon"."""
    quote: str = ""
    """The words as they are, when they could not be read at all."""
    props: Props = Props()
    """What it says of the looks of its pictures; none of it is in the other fields."""

    @property
    def friend(self) -> Actor:
        """The first of its companions, or nobody."""
        return self.companions[0] if self.companions else Actor()

    @property
    def sleep(self) -> str:
        """The wish, where it is one to sleep."""
        return self.wish if _SLEEP.match(self.wish) else ""


@dataclass(frozen=True, kw_only=True)
class _Known:
    """What ideas are read with."""

    names: tuple[str, ...]
    """Of known characters."""
    kinds: tuple[str, ...]
    """Words of known characters."""
    drawn: PropWords
    """What else can be drawn."""


def read_idea(
    text: str, *, names: tuple[str, ...] = (), kinds: tuple[str, ...] = (), drawn: PropWords | None = None
) -> Idea:
    """What the idea says.

    Args:
        text: Anything a person typed.
        names: Names of known characters, so that "Rusty wants to fly" has an actor.
        kinds: Words of known characters, so that "fox learns to swim" has one too.
        drawn: What else can be drawn, so that a hat of the idea is worn and not told of as a deed.
    """
    known = _Known(names=names, kinds=kinds, drawn=drawn or PropWords())
    sentences = tuple(_without_frame(name_capitals(sentence)) for sentence in plain_sentences(clean_idea(text)))
    if not sentences:
        return Idea()
    words, first = ". ".join(sentences), sentences[0]
    if not _looks_english(words.split(" ")):
        return Idea(words=words, quote=first)
    for at, sentence in enumerate(sentences):
        plain = _ONE_DAY.sub("", spelt_out(sentence))
        if at and plain.partition(" ")[0].lower() in ("the", "this"):
            continue
        idea = _read_dressed(plain, known)
        if idea is not None:
            for later in sentences[at + 1 :]:
                idea = _read_on(idea, spelt_out(later), known)
            return replace(idea, words=words)
    told = _read_on(Idea(), spelt_out(first), known) if _PRONOUN.match(first) else Idea()
    if told.kind or told.wish or told.fear or told.thing:
        return replace(told, words=words)
    tokens = first.split(" ")
    if len(tokens) <= 8 and not any(base_form(token) for token in tokens[1:] if token.lower() not in ("light",)):
        is_named = (
            tokens[0].endswith("'s")
            or tokens[0].lower() in COMMON_NAMES
            or tokens[1:] != []
            and tokens[1][:1].isupper()
        )
        return Idea(words=words, topic=first if is_named else decapitalised(first))
    return Idea(words=words, quote=first)


def _without_frame(sentence: str) -> str:
    framed = _FRAME.sub("", sentence)
    is_told = begins_with_name(framed.split(" ")) or framed.startswith(("a ", "an ", "the "))
    return framed if is_told else sentence


def _looks_english(tokens: list[str]) -> bool:
    lower = [token.strip(",.;:!?").lower() for token in tokens]
    if not all(char.isascii() or unicodedata.name(char, "").startswith("LATIN") for char in "".join(tokens)):
        return False
    foreign = sum(any(not char.isascii() for char in token) for token in lower)
    known = sum(token in COMMON_ENGLISH or base_form(token) is not None for token in lower)
    return known > foreign if len(tokens) >= 3 else foreign == 0


def _read_dressed(sentence: str, known: _Known) -> Idea | None:
    """As `_read_hero`, with what the sentence says of looks apart; where that leaves nobody, without."""
    told, props = take_props(sentence, known.drawn, kinds=(*known.kinds, *known.names))
    idea = _read_hero(told.split(" "), known)
    if idea is not None:
        is_about_lost = idea.is_lost and not idea.kind and not idea.name
        return idea if is_about_lost else replace(idea, props=props.and_then(idea.props))
    return _read_hero(sentence.split(" "), known) if told != sentence else None


def _undressed(idea: Idea, said: str, known: _Known) -> tuple[Idea, str]:
    """The idea with the looks that words behind its hero tell, and the words without them."""
    told, props = take_props(f"the hero {said}", known.drawn, kinds=(*known.kinds, *known.names))
    return replace(idea, props=idea.props.and_then(props)), told.removeprefix("the hero").strip(" ,")


def _read_hero(tokens: list[str], known: _Known) -> Idea | None:
    """The idea of a sentence that begins with somebody; None where it does not."""
    subject = read_subject(tokens, names=known.names, kinds=known.kinds)
    if subject is None:
        return None
    rest = " ".join(tokens[subject.num_tokens :])
    own = " ".join(tokens[: subject.num_tokens]).strip(" ,")
    if tokens[0].lower() in ("my", "our") and _GONE.match(rest):
        return Idea(thing=decapitalised(own), is_lost=True)
    if tokens[0].endswith("'s") and _GONE.match(rest):
        return Idea(thing=own, is_lost=True)
    hero, *others = subject.actors
    words = [token.strip(",").lower() for token in tokens[: subject.num_tokens]]
    said: Gender | None = next((GENDERS[word] for word in words if word in ("her", "his", "its")), None)
    kind, phrase = (hero.kind, hero.phrase) if words[0] in ("a", "an", "one") else (singular(hero.kind), hero.phrase)
    idea = Idea(
        kind=kind,
        hero=phrase.removesuffix(hero.kind) + kind,
        name=hero.name,
        gender=hero.gender or said,
        companions=tuple(others),
        thing=subject.thing,
        topic=subject.sight,
    )
    return _read_rest(idea, rest, known)


def _read_rest(idea: Idea, rest: str, known: _Known, *, habitual: bool = False) -> Idea:
    """The idea with what stands behind its hero: a name, what that one is, where from, and does."""
    rest = _CAUSE.sub("", rest).strip(" ,")
    tokens = rest.split(" ")
    name = name_at(tokens, 1) if tokens[0] in ("called", "named") else []
    if name:
        idea = replace(idea, name=as_name(name), gender=idea.gender or gender_of_name(as_name(name)))
        rest = " ".join(tokens[1 + len(name) :])
    what = kind_of_one(tokens[1:], names=known.names, kinds=known.kinds) if tokens[0] in ("is", "was") else None
    if what is not None and not idea.kind:
        actor = what.actors[0]
        idea = replace(idea, kind=actor.kind, hero=actor.phrase, gender=idea.gender or actor.gender)
        idea, rest = _undressed(idea, " ".join(tokens[1 + what.num_tokens :]), known)
    gone = re.match(r"^whose ((?:\w+ )?\w+?) ((?:has|had|is|was|ran|run|runs|went|goes|got)\b.+)$", rest)
    if gone and _GONE.match(gone[2]):
        return replace(idea, thing=f"his {gone[1]}", is_lost=True)
    relative = re.match(r"^(?:who|that|which)\s+|^and (?=who )", rest)
    is_relative = relative is not None or habitual
    rest = rest[relative.end() :] if relative else rest
    trait = re.match(rf"^(with|from|{'|'.join(WHERE)})\s+(.+)$", rest)
    if trait:
        verb = {"with": "had", "from": "came from"}.get(trait[1], f"lived {trait[1]}")
        head, *tails = _TRAIT_END.split(trait[2], maxsplit=1)
        idea = replace(idea, jobs=(*idea.jobs, f"{verb} {head}"))
        rest, is_relative = "".join(tails), True
    idea = read_clauses(idea, rest, habitual=is_relative)
    return replace(idea, gender=idea.gender or _gender_in(rest.lower().split(" ")))


def _gender_in(words: list[str]) -> Gender | None:
    """Whose pronouns the words have first; "it" is somebody only where it does something, and is not the world."""
    for at, word in enumerate(words):
        after = " ".join(words[at + 1 :])
        is_somebody = word != "it" or (is_finite(after.partition(" ")[0]) and not is_of_world(f"it {after}"))
        if word in GENDERS and is_somebody:
            return GENDERS[word]
    return None


def _read_on(idea: Idea, sentence: str, known: _Known) -> Idea:
    """The idea with a later sentence, where it is about the hero again or brings somebody who is known."""
    plain = _ONE_DAY.sub("", sentence)
    pronoun = _PRONOUN.match(plain)
    lost = "" if idea.thing else lost_prop(plain, idea.props)
    if lost:
        idea = replace(idea, thing=lost, is_lost=True)
    if pronoun:
        said, who = plain[pronoun.end() :], pronoun[1].lower()
        if not _may_be_hero(who, said, idea):
            return idea
        idea = idea if who == "it" else replace(idea, gender=GENDERS.get(who, idea.gender))
        told = _read_of_hero(idea, said, known, once=plain != sentence)
        return replace(told, gender=told.gender or GENDERS.get(who))
    tokens = plain.split(" ")
    subject = read_subject(tokens, names=known.names, kinds=known.kinds)
    if subject is None:
        return idea
    first, *others = subject.actors
    is_known = tokens[0].lower() in ("the", "this", "our", "my") and first.kind == idea.kind
    if first.name and not idea.name and is_known:
        idea = replace(idea, name=first.name, gender=idea.gender or first.gender)
    again = first.name in idea.name.split(" ") or first.name == idea.name if first.name else first.kind == idea.kind
    if again and (first.name or tokens[0].lower() in ("the", "this", "our")):
        said = " ".join(tokens[subject.num_tokens :])
        idea = _with_companions(idea, others, known)
        return _read_of_hero(idea, said, known, once=plain != sentence)
    return _with_companions(idea, subject.actors, known)


def _may_be_hero(pronoun: str, said: str, idea: Idea) -> bool:
    """Whether a pronoun can mean the hero: nobody else does where no more was said than who that is."""
    if pronoun == "it" and is_of_world(f"it {said}"):
        return False
    is_all_known = not (idea.jobs or idea.event or idea.fear or idea.wish or idea.thing or idea.companions)
    return is_all_known or pronoun in ("they", idea.gender) or idea.gender is None


def _read_of_hero(idea: Idea, said: str, known: _Known, *, once: bool) -> Idea:
    """The idea with what a later sentence says of its hero.

    What was done "one day" befell the hero. What follows upon a trouble that is known is left out, and so is what is
    done to "it" or "them".
    """
    together = (
        read_subject(said.split(" ")[1:], names=known.names, kinds=known.kinds) if said.startswith("and ") else None
    )
    if together is not None:
        idea = _with_companions(idea, together.actors, known)
        said = " ".join(said.split(" ")[1 + together.num_tokens :])
    if not once:
        idea, said = _undressed(idea, said, known)
    told = _read_rest(idea, said, known, habitual=True)
    done = [job for job in told.jobs[len(idea.jobs) :] if not _OF_SOMETHING.search(job)]
    if idea.wish or idea.thing or idea.fear:
        done = [job for job in done if job.startswith(_LASTING)]
    is_known_thing = _OF_SOMETHING.search(told.thing) is not None
    event = done[0] if once and done and not told.event else told.event
    return replace(
        told,
        jobs=idea.jobs if once else (*idea.jobs, *done),
        event=event,
        wish=idea.wish if _OF_SOMETHING.search(told.wish) else told.wish,
        thing=idea.thing if is_known_thing else told.thing,
        is_lost=idea.is_lost if is_known_thing else told.is_lost,
    )


def _with_companions(idea: Idea, actors: Sequence[Actor], known: _Known) -> Idea:
    """The idea with those who have a name or can be drawn; of others a later sentence tells nothing."""
    drawable = [actor for actor in actors if actor.name or drawn_kind(actor.kind) in known.kinds]
    return replace(idea, companions=tuple(dict.fromkeys((*idea.companions, *drawable))))
