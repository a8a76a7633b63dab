"""Reads the clauses of an idea: what somebody does, fears, wishes for or seeks, and what befell that one.

Knows verbs and what stands behind them, and not who it is. Denied deeds stay denied, and are neither wish nor fear.
"""

import re
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import TypeVar

from story.grammar import (
    BASE_VERBS,
    base_form,
    gerund_phrase,
    is_adverb,
    is_plural,
    past_form,
    past_phrase,
    third_person,
)
from story.subject import ADJECTIVES, HAPPENINGS, without_place

MAX_JOBS = 3

_CLAUSE_BREAK = re.compile(
    r"\s*(?:,\s*(?:and|but|so)?|\band\b|\bbut\b|\bbecause\b|;"
    r"|\bso\b(?=\s+(?:(?:he|she|it|they|we|I|an?|the|his|her|its|their|my)\b|[A-Z])))\s+"
)
_ADVERBIAL = re.compile(r"^(?:one (?:day|night|morning|evening)|once|today|always)\s+", re.IGNORECASE)
_DENIED = re.compile(r"^(never|(?:does|did|do)(?:n't| not)|(?:wo|would)n't|(?:will|would) not)\s+(?:ever )?(.+)$")
_AGE = re.compile(
    r"^(?:is|was|are|were)\s+(?:\d+|two|three|four|five|six|seven|eight|nine|ten)(?: years? old)?(?: \w+)?$"
)
_FEAR = re.compile(
    r"^(?:(?:is|was|are|were|feels|felt|gets|got)\s+)?(?:so |very |a bit |a little |really |always |terribly )*"
    r"(?:afraid|scared|frightened|terrified|nervous)\s+(of|to|about|by|at)\s+(.+)$"
)
_FEAR_VERB = re.compile(r"^(?:fears?|feared|hates?|hated|(?:does|did|do)(?:n't| not) like)\s+(?:to\s+)?(.+)$")
_WISH = re.compile(
    r"^(?:really |always |so |only |just )*(?:wants?|wanted|wish(?:es|ed)?|longs?|longed|hopes?|hoped|needs?|needed|"
    r"tries|tried|try|learns?|learned|learnt|decides?|decided|(?:would|'d) (?:like|love)|has|had|dreams?|dreamed|"
    r"dreamt|is learning|is trying|was trying)\s+(?:how )?to\s+(.+)$"
)
_DREAM = re.compile(r"^(?:dreams?|dreamed|dreamt)\s+(?:of|about)\s+(?:being able to\s+)?(.+)$")
_CANNOT = re.compile(r"^(?:can(?:'t|not| not)|could(?:n't| not)|(?:is|was) (?:un|not )able to)\s+(.+)$")
_WANT_THING = re.compile(r"^(?:wants?|wanted|wish(?:es|ed)? for|longs? for|longed for|needs?|needed)\s+(.+)$")
_SEEK = re.compile(
    r"^(?:is |was |goes |went )?(?:look(?:s|ed|ing)?|search(?:es|ed|ing)?|hunt(?:s|ed|ing)?)\s+(?:everywhere )?for"
    r"\s+(.+)$|^(?:seeks?|sought|has lost|had lost|loses?|lost|(?:can't|cannot|couldn't|could not) find)\s+(.+)$"
)
_EVENTS = frozenset(
    "build make find meet go travel save rescue visit discover become invent befriend help fly sail cross climb catch"
    " repair fix mend plant win swim steal grow cook start open explore chase learn teach share invite bring".split()
)
_BEHIND_VERBS = frozenset("away out up down to in into from on her his him its it them the a an".split()) | {""}
_STATES = frozenset("be have love like enjoy live know own wear carry hold".split())
_MISHAP = re.compile(
    r"(?:run|go|move) away\b|get (?:lost|stuck|hurt|sick|ill)\b|(?:break|cry|fall|forget|lose|miss|worry)\b"
)
"""What somebody does who did not wish for it."""
_OF_SOMEBODY = rf"so |very |also |(?:{'|'.join(sorted(ADJECTIVES))}|afraid|able|not|looking|searching|\w+ed|\w+en)\b"
MAIN_VERB = (
    r"(?:wants|wanted|needs|dreams|loses|lost|never|always|is|was|has|had"
    r"|can(?:'t|not)|could(?:n't| not)|does(?:n't| not))"
)
_MEANWHILE = re.compile(
    r"^(?:it (?:is|was) )?\w+ing(?: (?!(?:who|that|which|when|while|until|if|how|he|she|it|they|i|we|you)\b)\S+)*?"
    rf" (?={MAIN_VERB}\b)"
)
"""What somebody, or the weather, is doing while the verb behind it is told: "sitting still" before "wants to move"."""
_OF_WORLD = re.compile(rf"^it (?:is|was) (?!{_OF_SOMEBODY})")


@dataclass(frozen=True, kw_only=True)
class Deeds:
    """What is said of somebody, as phrases that fit into sentences; what is not said is empty."""

    jobs: tuple[str, ...] = ()
    """Past-tense verb phrases of what that one habitually does: "kept a lighthouse"."""
    event: str = ""
    """Past-tense verb phrase of what befell that one: "moved away"."""
    fear: str = ""
    """Noun phrase: "the dark", "swimming"."""
    wish: str = ""
    """Verb phrase in base form: "learn to swim"."""
    thing: str = ""
    """Noun phrase of what is sought or lost: "her lost hat"."""
    is_lost: bool = False
    """Whether the thing is said to be lost."""


AnyDeeds = TypeVar("AnyDeeds", bound=Deeds)


def read_clauses(deeds: AnyDeeds, text: str, *, habitual: bool) -> AnyDeeds:
    """The deeds with those that a predicate tells: "keeps a lighthouse and is afraid of the dark".

    Args:
        deeds: What is known already; the first wish, fear and thing are kept.
        text: Words behind somebody, or behind "somebody who".
        habitual: Whether they say what that one always does, and not what happens once.
    """
    clauses = [clause.strip(" ,") for clause in _CLAUSE_BREAK.split(text) if clause.strip(" ,")]
    for clause in _rejoin(clauses):
        deeds = _read_clause(deeds, clause, habitual=habitual)
    return replace(deeds, jobs=deeds.jobs[:MAX_JOBS])


def _rejoin(clauses: list[str]) -> list[str]:
    """Clauses again, with the pieces that go on put back: "bread" of "bakes cake and bread", "fly" of "wants to run
    and fly". Pieces about somebody else are left out: "his friend helps him".
    """
    joined: list[str] = []
    for clause in clauses:
        clause = _MEANWHILE.sub("", clause)
        is_world = is_of_world(clause)
        clause = re.sub(r"^(?:then\s+)?(?:(?:who|that|which|he|she|it|they|I|we)\s+)?", "", clause)
        first = re.split(r"[ ']", clause.lower(), maxsplit=1)[0]
        starts = base_form(first) is not None or _FEAR.match(clause) or _WISH.match(clause) or _CANNOT.match(clause)
        starts = starts or first in ("is", "was", "does", "did", "really", "always", "never", "would", "has", "had")
        starts = starts or _DENIED.match(clause) or is_adverb(first)
        goes_on = joined != [] and first in BASE_VERBS and _is_open(joined[-1])
        if joined and (is_world or _is_of_another(clause)):
            continue
        if joined and (goes_on or not starts):
            joined[-1] += f" and {clause}"
        else:
            joined.append(clause)
    return joined


def is_of_world(clause: str) -> bool:
    """Whether "it is" is rather said of the world than of somebody: "it is dark", but not "it is lonely"."""
    return _OF_WORLD.match(clause) is not None


def _is_open(clause: str) -> bool:
    """Whether a verb in base form may be joined to it: it wishes, or its own verb is in that form."""
    verb = clause.partition(" ")[0]
    return _WISH.match(clause) is not None or _CANNOT.match(clause) is not None or verb in BASE_VERBS - {"can"}


def _is_of_another(clause: str) -> bool:
    """Whether a piece has a subject of its own: "his friend the cat helps him", but not "a dog that barks"."""
    article, *words = re.split(r" (?:who|that|which)\b", clause)[0].split(" ")
    pairs = ((base_form(word), word, after) for word, after in pairwise([*words[1:], ""]))
    is_said = any(base and (word == third_person(base) or _is_past(base, word, after)) for base, word, after in pairs)
    return article in ("a", "an", "the", "his", "her", "its", "their") and is_said


def _is_past(base: str, word: str, after: str) -> bool:
    """Whether it is a verb's past and no adjective: "moved away", but not "painted shoes"."""
    return word == past_form(base) != base and after in _BEHIND_VERBS


def _read_clause(deeds: AnyDeeds, clause: str, *, habitual: bool) -> AnyDeeds:
    clause = decapitalised(_ADVERBIAL.sub("", clause))
    if _AGE.match(clause):
        return deeds
    fear = _FEAR.match(clause) or _FEAR_VERB.match(clause)
    if fear and not deeds.fear:
        return replace(deeds, fear=_as_noun(fear[fear.lastindex or 1]))
    denied = _DENIED.match(clause)
    if denied:
        return replace(deeds, jobs=(*deeds.jobs, _denied_past(denied[1], denied[2])))
    seek = _SEEK.match(clause)
    if seek and not deeds.thing:
        is_lost = re.search(r"\b(?:lost|loses?)\b", clause[: seek.start(2)]) is not None if seek[2] else False
        thing = seek[1] or seek[2]
        return replace(deeds, thing=without_place(thing) if is_lost else thing, is_lost=is_lost)
    dream = _DREAM.match(clause)
    if dream and not deeds.wish:
        return replace(deeds, wish=_as_verb(dream[1]))
    wish = _WISH.match(clause) or _CANNOT.match(clause)
    if wish and not deeds.wish and not re.match(r"^not\b", wish[1]):
        return replace(deeds, wish=re.sub(r"^(?:learn|try) (?:how )?to ", "", wish[1]))
    want = _WANT_THING.match(clause)
    if want and not deeds.thing:
        return replace(deeds, thing=want[1])
    return _read_plain_clause(deeds, clause, habitual=habitual)


def _denied_past(denial: str, phrase: str) -> str:
    """What somebody never does, as past: "never gave up", "did not bark", "would not eat"."""
    if denial == "never":
        return f"never {_past_of(phrase)}"
    return f"{'did' if denial.startswith('d') else 'would'} not {phrase}"


def _past_of(phrase: str) -> str:
    """A verb phrase in any form, as past."""
    verb, _, after = phrase.partition(" ")
    return past_phrase(f"{base_form(verb) or verb} {after}".strip())


def _read_plain_clause(deeds: AnyDeeds, clause: str, *, habitual: bool) -> AnyDeeds:
    first, _, after = clause.partition(" ")
    base = base_form(first)
    if is_adverb(first) and base_form(after.partition(" ")[0]):
        return replace(deeds, jobs=(*deeds.jobs, f"{first} {_past_of(after)}"))
    if base is None or (base == "be" and (not after or (first in ("are", "were") and is_plural(after)))):
        return deeds
    going = re.match(r"^(?:is|was|are|were) (?:going to )?(\w+)(.*)$", clause)
    if going and going[1].endswith("ing") and base_form(going[1]):
        base, after, habitual = base_form(going[1]) or "", going[2].strip(), False
    phrase = f"{base} {after}".strip()
    if not habitual and _MISHAP.match(phrase):
        return replace(deeds, event=past_phrase(phrase))
    is_state = base in _STATES and phrase.split(" ")[-1] not in HAPPENINGS
    is_wished = base in _EVENTS if habitual else not is_state
    if is_wished and not (deeds.wish or deeds.thing or deeds.fear):
        return replace(deeds, wish=re.split(r" (?:when|while|until) ", phrase)[0])
    return replace(deeds, jobs=(*deeds.jobs, past_phrase(phrase)))


def _as_noun(phrase: str) -> str:
    first = phrase.partition(" ")[0]
    is_base_verb = first in BASE_VERBS and first not in ("light", "fear", "dream", "fish", "play")
    return gerund_phrase(phrase) if is_base_verb else phrase


def _as_verb(phrase: str) -> str:
    first, _, after = phrase.partition(" ")
    base = base_form(first) if first.endswith("ing") else None
    return f"{base} {after}".strip() if base else f"find {phrase}"


def decapitalised(text: str) -> str:
    """The text with a small first letter, unless its first word is "I" or has capitals inside."""
    first = text.partition(" ")[0]
    return text if first == "I" or not first[1:].islower() and len(first) > 1 else text[:1].lower() + text[1:]
