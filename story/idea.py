"""Reads a person's idea: who it is about, what that one does, fears, wishes for or seeks.

Knows English only and no story: whatever cannot be read this way comes back as a plain topic, or as the quoted words,
or as nothing. An idea is data; markup and control characters never leave this file.
"""

import re
import unicodedata
from dataclasses import dataclass, replace

from story.grammar import BASE_VERBS, Gender, base_form, gerund, past_form
from story.idea_props import Props, PropWords, take_props
from story.subject import (
    COMMON_ENGLISH,
    GENDERS,
    HAPPENINGS,
    WHERE,
    Actor,
    begins_with_name,
    name_capitals,
    read_subject,
)

MAX_IDEA_LENGTH = 160

_PREAMBLE = re.compile(
    r"^(?:please |could you |can you )?(?:(?:tell|write|make|give|read) (?:me |us )?)?(?:(?:a|an|the) )?"
    r"(?:(?:little|short|funny|bedtime|new|nice|picture) )*(?:story|tale|book|storybook|fairy tale)"
    r" (?:about|of|where|in which|for) ",
    re.IGNORECASE,
)
_FRAME = re.compile(r"^(?:[Hh]ow|[Ww]hen|[Tt]he (?:day|night|time)(?: that| when)?) (?=[A-Z])")
"""What stands before a sentence that is the idea: "How Emma learned to swim"."""
_GONE = re.compile(
    r"^(?:(?:has|had|is|was) )?(?:(?:ran|run|runs|gone|went|goes) away|(?:(?:got|gets|went|gone) )?(?:lost|missing))$"
)
"""What is said of somebody's own that is not there any more: "my dog ran away"."""
_CAUSE = re.compile(r"\s*\bbecause of\s+[^,;]+")
_CLAUSE_BREAK = re.compile(r"\s*(?:,\s*(?:and|but|so)?|\band\b|\bbut\b|\bso\b|\bbecause\b|;)\s+")
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
_SLEEP = re.compile(r"(?:sleep|nap|fall asleep|(?:go|get)(?: back)? to (?:sleep|bed)|(?:take|have) an? (?:\w+ )?nap)\b")
_WANT_THING = re.compile(r"^(?:wants?|wanted|wish(?:es|ed)? for|longs? for|longed for|needs?|needed)\s+(.+)$")
_SEEK = re.compile(
    r"^(?:is |was |goes |went )?(?:look(?:s|ed|ing)?|search(?:es|ed|ing)?|hunt(?:s|ed|ing)?)\s+(?:everywhere )?for"
    r"\s+(.+)$|^(?:seeks?|sought|has lost|had lost|loses?|lost|can(?:'t|not) find)\s+(.+)$"
)
_EVENTS = frozenset(
    "build make find meet go travel save rescue visit discover become invent befriend help fly sail cross climb catch"
    " repair fix mend plant win swim steal grow cook start open explore chase learn teach share invite bring".split()
)
_STATES = frozenset("be have love like enjoy live know own".split())
_MISHAP = re.compile(
    r"(?:run|go|move) away\b|get (?:lost|stuck|hurt|sick|ill)\b|(?:break|cry|fall|forget|lose|miss|worry)\b"
)
"""What somebody does who did not wish for it."""


@dataclass(frozen=True, kw_only=True)
class Idea:
    """What an idea says, as phrases that fit into sentences; what it does not say is empty."""

    words: str = ""
    """The idea itself, cleaned and shortened."""
    kind: str = ""
    """Head noun of the one it is about: "cat", "dragon"; lower case."""
    hero: str = ""
    """The same with its adjectives and without article: "small grey cat"."""
    name: str = ""
    """Given name, when the idea gives one."""
    gender: Gender | None = None
    companions: tuple[Actor, ...] = ()
    """Who else it is about, in its order; the first of them is the hero's friend."""
    jobs: tuple[str, ...] = ()
    """Past-tense verb phrases of what it habitually does: "kept a lighthouse"."""
    event: str = ""
    """Past-tense verb phrase of what befell it: "moved away"."""
    fear: str = ""
    """Noun phrase: "the dark", "swimming"."""
    wish: str = ""
    """Verb phrase in base form: "learn to swim"."""
    thing: str = ""
    """Noun phrase of what is sought or lost: "her lost hat"."""
    is_lost: bool = False
    """Whether the idea says that the thing was lost."""
    topic: str = ""
    """Noun phrase, when the idea names no actor: "friendship"."""
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


def clean_idea(text: str) -> str:
    """The idea on one line without markup, control characters, symbols or outer quotes, at most 160 characters."""
    text = re.sub(r"<[^<>]*>", " ", unicodedata.normalize("NFC", text[:4000]))
    kept = "".join(
        char if unicodedata.category(char)[0] in "LMN" or char in " -,.;:!?'" else _plain(char) for char in text
    )
    kept = re.sub(r"\s+", " ", kept).strip(" ,.;:!?-'")
    if len(kept) > MAX_IDEA_LENGTH:
        kept = kept[: MAX_IDEA_LENGTH + 1].rsplit(" ", 1)[0][:MAX_IDEA_LENGTH].rstrip(" ,;:-")
    return kept if any(char.isalpha() for char in kept) else ""


def _plain(char: str) -> str:
    return "'" if char in "’‘`´" else "-" if char in "–—" else " "


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
    words = clean_idea(text)
    if not words:
        return Idea()
    body = name_capitals(_PREAMBLE.sub("", words).strip())
    framed = _FRAME.sub("", body)
    body = framed if begins_with_name(framed.split(" ")) else body
    tokens = body.split(" ")
    if not _looks_english(tokens):
        return Idea(words=words, quote=words)
    told, props = take_props(body, drawn or PropWords(), kinds=(*kinds, *names))
    idea = _read_actors(told.split(" "), names=names, kinds=kinds)
    if idea is None and told != body:
        idea, props = _read_actors(tokens, names=names, kinds=kinds), Props()
    if idea is None:
        if len(tokens) <= 8 and not any(base_form(token) for token in tokens[1:] if token.lower() not in ("light",)):
            is_named = tokens[0].endswith("'s") or tokens[1:] != [] and tokens[1][:1].isupper()
            return Idea(words=words, topic=body if is_named else _decapitalised(body))
        return Idea(words=words, quote=words)
    return replace(idea, words=words, props=props)


def _looks_english(tokens: list[str]) -> bool:
    lower = [token.strip(",.;:!?").lower() for token in tokens]
    if not all(char.isascii() or unicodedata.name(char, "").startswith("LATIN") for char in "".join(tokens)):
        return False
    foreign = sum(any(not char.isascii() for char in token) for token in lower)
    known = sum(token in COMMON_ENGLISH or base_form(token) is not None for token in lower)
    return known > foreign if len(tokens) >= 3 else foreign == 0


def _read_actors(tokens: list[str], *, names: tuple[str, ...], kinds: tuple[str, ...]) -> Idea | None:
    subject = read_subject(tokens, names=names, kinds=kinds)
    if subject is None:
        return None
    rest = " ".join(tokens[subject.num_tokens :])
    if tokens[0].lower() in ("my", "our") and _GONE.match(rest):
        return Idea(thing=_decapitalised(" ".join(tokens[: subject.num_tokens])), is_lost=True)
    hero, *others = subject.actors
    words = [token.strip(",").lower() for token in tokens[: subject.num_tokens]]
    said: Gender | None = next((GENDERS[word] for word in words if word in GENDERS), None)
    idea = Idea(kind=hero.kind, hero=hero.phrase, name=hero.name, gender=hero.gender or said, companions=tuple(others))
    return _read_rest(idea, rest)


def _read_rest(idea: Idea, rest: str) -> Idea:
    rest = _CAUSE.sub("", rest).strip(" ,")
    named = re.match(r"^(?:who is |who's |that is )?(?:called|named)\s+([^\s,]+),?\s*(.*)$", rest)
    if named:
        idea, rest = replace(idea, name=named[1].strip(".'")), named[2]
    relative = re.match(r"^(?:who|that|which)\s+(?:is |was )?(?=called)|^(?:who|that|which)\s+", rest)
    is_relative = relative is not None
    rest = rest[relative.end() :] if relative else rest
    trait = re.match(rf"^(with|from|{'|'.join(WHERE)})\s+(.+)$", rest)
    if trait:
        verb = {"with": "had", "from": "came from"}.get(trait[1], f"lived {trait[1]}")
        head, _, tail = trait[2].partition(" who ")
        idea = replace(idea, jobs=(f"{verb} {head}",))
        rest, is_relative = tail, True
    clauses = [clause.strip(" ,") for clause in _CLAUSE_BREAK.split(rest) if clause.strip(" ,")]
    for clause in _rejoin(clauses):
        idea = _read_clause(idea, clause, habitual=is_relative)
    gender = next((GENDERS[word] for word in rest.lower().split() if word in GENDERS), None)
    return replace(idea, gender=idea.gender or gender)


def _rejoin(clauses: list[str]) -> list[str]:
    """Clauses again, with the pieces that hold no verb put back: "bread" of "bakes cake and bread"."""
    joined: list[str] = []
    for clause in clauses:
        clause = re.sub(r"^(?:who|that|which|he|she|it|they)\s+", "", clause)
        first = re.split(r"[ ']", clause.lower(), maxsplit=1)[0]
        starts = base_form(first) is not None or _FEAR.match(clause) or _WISH.match(clause) or _CANNOT.match(clause)
        starts = starts or first in ("is", "was", "does", "did", "really", "always", "never", "would", "has", "had")
        if joined and not starts:
            joined[-1] += f" and {clause}"
        else:
            joined.append(clause)
    return joined


def _read_clause(idea: Idea, clause: str, *, habitual: bool) -> Idea:
    clause = _decapitalised(re.sub(r"^(?:one day|once|today|never|always)\s+", "", clause, flags=re.IGNORECASE))
    fear = _FEAR.match(clause) or _FEAR_VERB.match(clause)
    if fear and not idea.fear:
        return replace(idea, fear=_as_noun(fear[fear.lastindex or 1]))
    seek = _SEEK.match(clause)
    if seek and not idea.thing:
        is_lost = re.search(r"\b(?:lost|loses?)\b", clause[: seek.start(2)]) is not None if seek[2] else False
        return replace(idea, thing=seek[1] or seek[2], is_lost=is_lost)
    dream = _DREAM.match(clause)
    if dream and not idea.wish:
        return replace(idea, wish=_as_verb(dream[1]))
    wish = _WISH.match(clause) or _CANNOT.match(clause)
    if wish and not idea.wish and not re.match(r"^not\b", wish[1]):
        return replace(idea, wish=re.sub(r"^(?:learn|try) (?:how )?to ", "", wish[1]))
    want = _WANT_THING.match(clause)
    if want and not idea.thing:
        return replace(idea, thing=want[1])
    return _read_plain_clause(idea, clause, habitual=habitual)


def _read_plain_clause(idea: Idea, clause: str, *, habitual: bool) -> Idea:
    first, _, after = clause.partition(" ")
    base = base_form(first)
    if base is None or (base == "be" and after in ("", "friends", "best friends")):
        return idea
    going = re.match(r"^(?:is|was|are|were) (?:going to )?(\w+)(.*)$", clause)
    if going and going[1].endswith("ing") and base_form(going[1]):
        base, after, habitual = base_form(going[1]) or "", going[2].strip(), False
    phrase = f"{base} {after}".strip()
    if not habitual and _MISHAP.match(phrase):
        return replace(idea, event=past_phrase(phrase))
    is_state = base in _STATES and phrase.split(" ")[-1] not in HAPPENINGS
    is_wished = base in _EVENTS if habitual else not is_state
    if is_wished and not (idea.wish or idea.thing or idea.fear):
        return replace(idea, wish=phrase)
    return replace(idea, jobs=(*idea.jobs, past_phrase(phrase)))


def past_phrase(phrase: str) -> str:
    """A verb phrase in base form, as past: "keep a lighthouse" → "kept a lighthouse"."""
    base, _, after = phrase.partition(" ")
    return f"{past_form(base)} {after}".strip()


def gerund_phrase(phrase: str) -> str:
    """A verb phrase in base form, as gerund: "keep a lighthouse" → "keeping a lighthouse"."""
    base, _, after = phrase.partition(" ")
    return f"{gerund(base)} {after}".strip()


def _as_noun(phrase: str) -> str:
    first = phrase.partition(" ")[0]
    is_base_verb = first in BASE_VERBS and first not in ("light", "fear", "dream", "fish", "play")
    return gerund_phrase(phrase) if is_base_verb else phrase


def _as_verb(phrase: str) -> str:
    first, _, after = phrase.partition(" ")
    base = base_form(first) if first.endswith("ing") else None
    return f"{base} {after}".strip() if base else f"find {phrase}"


def _decapitalised(text: str) -> str:
    first = text.partition(" ")[0]
    return text if first == "I" or not first[1:].islower() and len(first) > 1 else text[:1].lower() + text[1:]
