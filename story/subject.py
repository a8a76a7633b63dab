"""Reads who an idea is about: the words before its verb, as actors with their kinds and names.

Names are told from nouns by their capitals, by where they stand, and, at the start of an idea, by what follows them.
"""

import re
from dataclasses import dataclass, replace

from story.grammar import Gender, base_form, singular
from story.names import COMMON_NAMES, with_capitals

COMMON_ENGLISH = frozenset(
    "a an the and but or who that which to of in on at with for is was are be has had his her its their my your about"
    " from not no i we he she it they".split()
)
WHERE = ("in", "on", "at", "under", "by", "near", "beside", "behind")
"""What says where somebody lives: "a fox by the sea"."""
GENDERS: dict[str, Gender] = {
    "girl": "she", "princess": "she", "queen": "she", "vixen": "she", "witch": "she", "grandma": "she",
    "mermaid": "she", "boy": "he", "prince": "he", "king": "he", "wizard": "he", "grandpa": "he", "tomcat": "he",
    "her": "she", "she": "she", "his": "he", "he": "he", "its": "it", "it": "it", "aunt": "she", "uncle": "he",
    "mum": "she", "mom": "she", "dad": "he", "granny": "she", "grandad": "he", "lady": "she", "mr": "he", "mrs": "she",
    "sir": "he", "ms": "she",
}  # fmt: skip
_KIND_SYNONYMS = {
    "kitten": "cat", "kitty": "cat", "tomcat": "cat", "bunny": "rabbit", "hare": "rabbit", "cub": "bear",
    "teddy": "bear", "android": "robot", "vixen": "fox", "girl": "child", "boy": "child", "kid": "child",
    "toddler": "child", "baby": "child", "princess": "child", "prince": "child",
}  # fmt: skip
_CHILDREN = {
    "daughter": "girl", "granddaughter": "girl", "niece": "girl", "sister": "girl",
    "son": "boy", "grandson": "boy", "nephew": "boy", "brother": "boy",
}  # fmt: skip
"""What a story calls somebody's child: it does not know whose."""
_ARTICLES = frozenset("a an the my our your one some this".split())
_OWNERS = frozenset("her his its their".split())
_NUMBERS = frozenset("two three four five six seven".split())
_TITLES = frozenset(
    "princess prince queen king captain grandma grandpa granny grandad aunt auntie uncle doctor dr mr mrs miss sir lady"
    " mum mom mummy mommy dad daddy mama papa".split()
)
_FORMS_OF_ADDRESS = frozenset("mr mrs miss dr".split())
ADJECTIVES = frozenset(
    "little small tiny big large huge young old brave shy funny clever lonely happy sad grumpy sleepy hungry lazy kind"
    " lovely friendly naughty curious magic red blue green yellow white black brown grey golden pink purple".split()
)
HAPPENINGS = frozenset(
    "day night trip journey adventure party birthday summer winter spring autumn walk picnic song world game race war"
    " christmas holiday dream visit evening morning".split()
)
_ANYBODY = frozenset("friend someone somebody character hero animal creature person".split())
_NO_NAMES = frozenset(
    "how why what when where if there here this that these those everyone everybody nobody nothing something everything"
    " once never always under over into inside outside behind through across around after before about without between"
    " friendship love peace school bedtime breakfast dinner halloween easter home nature music snow rain wind fire"
    " water ice sun moon stars thunder magic time life god all many most both each every other another any no yes"
    " please can could should may must let maybe perhaps later soon finally meanwhile next also".split()
)
_NO_FIRST_NAMES = COMMON_ENGLISH | _ARTICLES | _OWNERS | _NUMBERS | frozenset("out off up him them me".split())
_NO_NAME_ENDINGS = ("ing", "ship", "ness", "tion", "ment", "hood", "time", "day")
_FINITE = frozenset(
    "is was isn't wasn't has had can can't cannot could couldn't does doesn't did didn't won't will would".split()
)
_CALLED = ("called", "named")
_SIGHTS = frozenset("sun moon star stars sky sea ocean wind rain snow storm thunder rainbow cloud clouds fog".split())
"""What nobody can find or lose: an idea about somebody and one of these is a question about it."""
_THINGS = frozenset(
    "key keys map treasure egg balloon balloons lamp lantern hat scarf ring book box boat ship tree beanstalk castle"
    " cave house door garden island rocket train bike bicycle car ball kite umbrella shoe shoes sword crown flower cake"
    " apple pumpkin stone feather shell bell clock watch mirror letter song drum piano mittens glasses blanket".split()
)
_GROUPS = frozenset("family group herd pair couple band pack flock team class gang bunch".split())
_MISSED = frozenset("lost missing stolen hidden forgotten".split())
_STOPS = (
    _FINITE
    | frozenset("who that which whose with called named from and goes never always only often sometimes".split())
    | frozenset(WHERE)
)


@dataclass(frozen=True, kw_only=True)
class Actor:
    """Somebody of an idea; what it does not say is empty."""

    kind: str = ""
    """Head noun: "cat", "dragon"; lower case."""
    phrase: str = ""
    """The same with its adjectives and without article: "small grey cat"."""
    name: str = ""
    """Given name."""
    gender: Gender | None = None


@dataclass(frozen=True, kw_only=True)
class Subject:
    """The actors of an idea in the order in which it names them, and how many of its words that takes."""

    actors: tuple[Actor, ...]
    num_tokens: int
    thing: str = ""
    """What stands beside them in an idea that says nothing else: "the lost key"."""
    sight: str = ""
    """The same, where it is nothing that can be found: "the moon"."""


def drawn_kind(noun: str) -> str:
    """The noun a picture model is more likely to know: "kitten" → "cat"; any other noun is itself."""
    return _KIND_SYNONYMS.get(noun, noun)


def name_capitals(text: str) -> str:
    """An idea that was typed in small letters, with capitals at its names: "max the dog" is "Max the dog"."""
    return " ".join(with_capitals(text.split(" "), before_names=_TITLES | {"called", "named"}))


def without_place(phrase: str) -> str:
    """A noun phrase without what says where: "his lantern in the forest" is "his lantern"."""
    return re.split(rf" (?:{'|'.join(WHERE)}) ", phrase)[0]


def begins_with_name(tokens: list[str], *, known: frozenset[str] = frozenset()) -> bool:
    """Whether the first word is somebody's name: a common one, or one that does what names do.

    Args:
        tokens: The words of an idea.
        known: Nouns that are no names, in lower case.
    """
    first = tokens[0].strip(",")
    lower = first.lower()
    if not first[:1].isupper() or not first[1:].islower() or lower.endswith("'s"):
        return False
    if lower in COMMON_ENGLISH | _ARTICLES | _NUMBERS | _TITLES | HAPPENINGS | _ANYBODY | _NO_NAMES | known:
        return False
    if lower in COMMON_NAMES:
        return True
    at = next((at for at, token in enumerate(tokens) if not token[:1].isupper()), len(tokens))
    is_noun = bool({token.lower() for token in tokens[:at]} & known)
    if lower.endswith(_NO_NAME_ENDINGS) or is_noun or at > 2 or len(tokens) < at + 2:
        return False
    following, after = tokens[at], tokens[at + 1]
    if tokens[at - 1].endswith(",") or following == "and":
        noun = {token.strip(",").lower() for token in tokens[at : at + 3]} & known
        return following == "who" or after[:1].isupper() and after != "I" or after in _ARTICLES | _OWNERS or bool(noun)
    if following == "the":
        return base_form(lower) is None
    return following == "who" or _is_said_of_one(following, first)


def _is_said_of_one(verb: str, who: str) -> bool:
    """Whether it is a verb in a form that one has: "Emma loses", "Emma lost", but not "Dogs like", "Dogs liked"."""
    return is_finite(verb) and (not who.endswith("s") or verb.endswith("s"))


def is_finite(verb: str) -> bool:
    """Whether it can only be a verb in a form of its own: "is", "loses", "lost", but not "lose" or "losing"."""
    return verb in _FINITE or base_form(verb) not in (None, verb) and not verb.endswith("ing")


def read_subject(tokens: list[str], *, names: tuple[str, ...], kinds: tuple[str, ...]) -> Subject | None:
    """Who the idea is about, or None where it does not begin with anybody.

    Args:
        tokens: The words of the idea.
        names: Names of known characters.
        kinds: Words of known characters.
    """
    named = {name.lower(): name for name in names}
    nouns = frozenset(kind.lower() for kind in kinds) | frozenset(_KIND_SYNONYMS) | frozenset(_CHILDREN)
    known = nouns | frozenset(named)
    end = _end_of_subject(tokens, known=known)
    has_name = begins_with_name(tokens, known=known)
    parts = [_without_name(part) for part in _parts(tokens[:end])]
    words = [word.lower() for part, _ in parts for word in part]
    if not words or max(len(part) for part, _ in parts) > 6 or words[-1] in COMMON_ENGLISH:
        return None
    if words[0] not in known and not has_name and (base_form(words[0]) or words[0] in _NO_NAMES):
        return None
    is_titled = words[0] in _TITLES and (words[1:] != [] or tokens[end:] != [] and tokens[end] != "and")
    if not (has_name or is_titled or words[0] in _ARTICLES | _NUMBERS or known & set(words)):
        return None
    actors = [
        _read_actor(part, called=name, named=named, nouns=nouns, may_be_name=bool(at) or has_name)
        for at, (part, name) in enumerate(parts)
    ]
    is_whole = end == len(tokens)
    is_topic = is_whole and words[-1] not in known and not any(actor.name for actor in actors)
    if (is_topic and words[0] in ("the", "my", "our", "your", "this")) or (
        words[-1] in HAPPENINGS and not parts[-1][1]
    ):
        return None
    if len(actors) == 2 and not actors[0].kind and not actors[1].name and "and" not in tokens[:end]:
        actors = [_with_apposition(*actors)]
    subject = Subject(actors=tuple(actors), num_tokens=end)
    return _without_things(subject, nouns) if is_whole else subject


def name_at(tokens: list[str], at: int) -> list[str]:
    """The words from there on that are somebody's name, behind "called": ["Mr", "Brown"], ["Winnie", "the", "Pooh"]."""
    first = tokens[at] if at < len(tokens) else ""
    lower = first.strip(",").lower()
    if not first or lower == "i" or (not first[:1].isupper() and lower in _NO_FIRST_NAMES | set(_STOPS)):
        return []
    end = at + 1
    while end < len(tokens) and not tokens[end - 1].endswith(","):
        is_joined = tokens[end] in ("the", "of") and tokens[end + 1 : end + 2] != [] and tokens[end + 1][:1].isupper()
        if not (is_joined or tokens[end][:1].isupper() or tokens[end - 1].lower() in _TITLES):
            break
        end += 1
    return tokens[at:end]


def kind_of_one(tokens: list[str], *, names: tuple[str, ...], kinds: tuple[str, ...]) -> Subject | None:
    """What somebody is said to be, read from the words behind "Felix is": "a small fox who wants to fly".

    None where that is what one does or is like, or nothing that is sure to be a kind: "a good swimmer", "a hero now".
    """
    subject = read_subject(tokens, names=names, kinds=kinds)
    if subject is None or tokens[0].lower() not in ("a", "an", "the"):
        return None
    *before, noun = [token.strip(",").lower() for token in tokens[1 : subject.num_tokens]] or [""]
    is_kind = noun in kinds or noun in _KIND_SYNONYMS or not _is_doer(noun)
    is_plain = [actor.kind for actor in subject.actors] == [noun] and {*before} <= ADJECTIVES
    return subject if is_kind and is_plain else None


def _is_doer(noun: str) -> bool:
    """Whether it is a verb's noun: "singer", "dancer", "swimmer", but not "tiger"."""
    stem = noun.removesuffix("er")
    return stem != noun and any(base_form(verb) for verb in (stem, f"{stem}e", stem[:-1]))


def _end_of_subject(tokens: list[str], *, known: frozenset[str]) -> int:
    index = 1
    while index < len(tokens):
        lower, before = tokens[index].strip(",").lower(), tokens[index - 1]
        if before.endswith(",") and not _is_listed(tokens[index:], known=known):
            return index
        name = name_at(tokens, index + 1) if lower in _CALLED else []
        if name or (lower == "and" and _is_listed(tokens[index:], known=known)):
            index += 1 + len(name)
            continue
        is_verb = base_form(lower) is not None and before.strip(",").lower() not in _ARTICLES | _OWNERS | {"and"}
        if lower in _STOPS or is_verb or (index > 1 and _is_unknown_verb(tokens, index)):
            return index
        index += 1
    return len(tokens)


def _is_unknown_verb(tokens: list[str], at: int) -> bool:
    """Whether a word behind "a dinosaur" can only be a verb: "hatches" in "a dinosaur hatches in a kitchen"."""
    word, following = tokens[at], tokens[at + 1].lower() if at + 1 < len(tokens) else ""
    is_like_one = (
        word.islower() and tokens[at - 1] != "of" and singular(word) != word and tokens[0].lower() in ("a", "an")
    )
    return is_like_one and following in _ARTICLES | _OWNERS | {
        *WHERE,
        "to",
        "into",
        "out",
        "up",
        "for",
        "with",
        "from",
        "",
    }


def _is_listed(tokens: list[str], *, known: frozenset[str]) -> bool:
    """Whether the words after a comma, or those after an "and", name one more: "a cat", "their dog", "Leo"."""
    is_joined = tokens[0].lower() == "and"
    ahead = tokens[1:4] if is_joined else tokens[:4]
    words = [token.strip(",").lower() for token in ahead]
    if not words or words[0] in _STOPS or words[0] == "i":
        return False
    if ahead[0][:1].isupper() or words[0] in known:
        return True
    if is_joined:
        return words[0] in _OWNERS | _NUMBERS or bool({*words} & (_ARTICLES | known))
    return words[0] in _ARTICLES | _OWNERS | _NUMBERS and bool({*words} & ({"and"} | known))


def _parts(tokens: list[str]) -> list[list[str]]:
    """The words of each who is named, without the commas and "and"s between them."""
    parts: list[list[str]] = [[]]
    for token in tokens:
        if token.lower() == "and":
            parts.append([])
            continue
        parts[-1].append(token.strip(",."))
        if token.endswith(","):
            parts.append([])
    return [part for part in parts if part] or [[]]


def _without_name(words: list[str]) -> tuple[list[str], str]:
    """The words of an actor before "called", and the name behind it."""
    at = next((at for at, word in enumerate(words) if at and word.lower() in _CALLED), len(words))
    return words[:at], as_name(words[at + 1 :])


def as_name(words: list[str]) -> str:
    """Words as a name, with its capitals."""
    return " ".join(word if word in ("the", "of") else word[:1].upper() + word[1:] for word in words).strip(",.'")


def _read_actor(
    words: list[str], *, called: str, named: dict[str, str], nouns: frozenset[str], may_be_name: bool
) -> Actor:
    """One actor from "a small grey cat", "my dog Max", "Max the dog", "Aunt Rose" or "Emma"."""
    lead = words[0].lower()
    name = called or next((named[word.lower()] for word in words if word.lower() in named), "")
    owned = next((at for at, word in enumerate(words) if word[:1].isupper() and word.endswith("'s")), -1) + 1
    body = [word for word in words[owned:] if word.lower() not in _ARTICLES | _OWNERS | _NUMBERS | set(named)]
    if lead in _FORMS_OF_ADDRESS and not name:
        name, body = " ".join(words), [word for word in body[1:] if word.lower() in nouns]
    elif not name and may_be_name and words[0][:1].isupper() and lead not in _ARTICLES | nouns | _TITLES:
        own = name_at(words, 0)
        own = own[: own.index("the")] if "the" in own and own[-1].lower() in nouns else own
        name, body = " ".join(own), [word for word in body if word not in own]
    elif not name:
        at = _end_of_noun(body, nouns=nouns, is_any=lead in ("a", "an", "one", "some"))
        name, body = " ".join(body[at:]), body[:at]
    lower = [word.lower() for word in body]
    if lower and lead in _NUMBERS | {"some"}:
        lower[-1] = singular(lower[-1])
    if lower[1:2] == ["of"] and lower[0] in _GROUPS:
        lower = [*lower[2:-1], singular(lower[-1])]
    lower = [_CHILDREN.get(singular(word), word) for word in lower]
    lower = (
        [] if lower and lower[-1] in _ANYBODY else lower[lower.index("friend") + 1 :] if "friend" in lower else lower
    )
    said: list[Gender] = [GENDERS[word] for word in (lead, *lower) if word in GENDERS and word not in _OWNERS]
    return Actor(
        kind=lower[-1] if lower else "",
        phrase=" ".join(lower),
        name=name,
        gender=said[0] if said else gender_of_name(name),
    )


def gender_of_name(name: str) -> Gender | None:
    """Whose name it is, where one of its words says it: "Ruby", "Mr Brown", "Captain Rose"."""
    words = name.lower().split(" ")
    return next(
        (GENDERS.get(word) or COMMON_NAMES[word] for word in words if word in GENDERS or word in COMMON_NAMES), None
    )


def _end_of_noun(body: list[str], *, nouns: frozenset[str], is_any: bool) -> int:
    """Where the capitalised words that follow a noun begin; its end where there are none.

    Args:
        body: The words of an actor without its article.
        nouns: Words that are surely nouns, in lower case.
        is_any: Whether it is "a" somebody, who has a name behind known nouns only: not "a Viking", nor "a shy Viking".
    """
    at = len(body)
    while at > 1 and body[at - 1][:1].isupper() and body[at - 1].lower() not in nouns:
        at -= 1
    noun = body[at - 1].lower() if body else ""
    is_noun = noun in nouns | _TITLES or not is_any and noun not in ADJECTIVES
    return at if is_noun else len(body)


def _with_apposition(name: Actor, what: Actor) -> Actor:
    """A name and what that one is, as one: "Nora, a small fox, wants to dance"."""
    return Actor(kind=what.kind, phrase=what.phrase, name=name.name, gender=name.gender or what.gender)


def _without_things(subject: Subject, nouns: frozenset[str]) -> Subject | None:
    """The subject of an idea that says no more, with its last one as a thing where it is no person.

    None where it is about things alone: "the sun and the moon".
    """
    others, last = subject.actors[:-1], subject.actors[-1]
    if last.name or last.kind in nouns or not (last.kind in _SIGHTS | _THINGS or {*last.phrase.split()} & _MISSED):
        return subject
    if not others or others[0].kind in _SIGHTS | _THINGS:
        return None
    what = f"the {last.phrase}"
    is_sight = last.kind in _SIGHTS and not {*last.phrase.split()} & _MISSED
    return replace(subject, actors=others, thing="" if is_sight else what, sight=what if is_sight else "")
