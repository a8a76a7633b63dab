"""Reads who an idea is about: the words before its verb, as actors with their kinds and names.

Names are told from nouns by their capitals, by where they stand, and, at the start of an idea, by what follows them.
"""

from dataclasses import dataclass

from story.grammar import Gender, base_form
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
_ADJECTIVES = frozenset(
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
    " water ice sun moon stars thunder magic time life god".split()
)
_PLURALS = frozenset("children people mice geese men women".split())
_NO_NAME_ENDINGS = ("ing", "ship", "ness", "tion", "ment", "hood", "time", "day")
_FINITE = frozenset(
    "is was isn't wasn't has had can can't cannot could couldn't does doesn't did didn't won't will would".split()
)
_STOPS = _FINITE | frozenset("who that which whose with called named from and goes".split()) | frozenset(WHERE)


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


def drawn_kind(noun: str) -> str:
    """The noun a picture model is more likely to know: "kitten" → "cat"; any other noun is itself."""
    return _KIND_SYNONYMS.get(noun, noun)


def is_plural(noun: str) -> bool:
    """Whether a noun looks like more than one: "elves", "mice"."""
    return noun in _PLURALS or (noun.endswith("s") and not noun.endswith("ss"))


def name_capitals(text: str) -> str:
    """An idea that was typed in small letters, with capitals at its names: "max the dog" is "Max the dog"."""
    return " ".join(with_capitals(text.split(" "), before_names=_TITLES | {"called", "named"}))


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
    base = base_form(verb)
    is_finite = verb in _FINITE or base not in (None, verb) and not verb.endswith("ing")
    return is_finite and (not who.endswith("s") or verb.endswith("s"))


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
    words = [token.strip(",.").lower() for token in tokens[:end]]
    parts = _parts(tokens[:end])
    if not words or max(map(len, parts)) > 6 or words[-1] in COMMON_ENGLISH:
        return None
    is_titled = words[0] in _TITLES and (words[1:] != [] or tokens[end:] != [] and tokens[end] != "and")
    if not (has_name or is_titled or words[0] in _ARTICLES | _NUMBERS or known & set(words)):
        return None
    actors = [
        _read_actor(part, named=named, nouns=nouns, may_be_name=bool(at) or has_name) for at, part in enumerate(parts)
    ]
    is_topic = end == len(tokens) and words[-1] not in known and not any(actor.name for actor in actors)
    if (is_topic and words[0] in ("the", "my", "our", "your", "this")) or words[-1] in HAPPENINGS:
        return None
    return Subject(actors=_without_apposition(actors, words), num_tokens=end)


def _end_of_subject(tokens: list[str], *, known: frozenset[str]) -> int:
    for index, token in enumerate(tokens[1:], start=1):
        lower, before = token.strip(",").lower(), tokens[index - 1]
        if before.endswith(",") and not _is_listed(tokens[index:], known=known):
            return index
        if lower == "and" and _is_listed(tokens[index:], known=known):
            continue
        is_verb = base_form(lower) is not None and before.strip(",").lower() not in _ARTICLES | _OWNERS | {"and"}
        if lower in _STOPS or is_verb:
            return index
    return len(tokens)


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
        return words[0] in _OWNERS or bool({*words} & (_ARTICLES | known))
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


def _read_actor(words: list[str], *, named: dict[str, str], nouns: frozenset[str], may_be_name: bool) -> Actor:
    """One actor from "a small grey cat", "my dog Max", "Max the dog", "Aunt Rose" or "Emma"."""
    lead = words[0].lower()
    name = next((named[word.lower()] for word in words if word.lower() in named), "")
    owned = next((at for at, word in enumerate(words) if word[:1].isupper() and word.endswith("'s")), -1) + 1
    body = [word for word in words[owned:] if word.lower() not in _ARTICLES | _OWNERS | _NUMBERS | set(named)]
    if lead in _FORMS_OF_ADDRESS and not name:
        name, body = " ".join(words), [word for word in body[1:] if word.lower() in nouns]
    elif not name and may_be_name and words[0][:1].isupper() and lead not in _ARTICLES | nouns | _TITLES:
        at = next((at for at, word in enumerate(body) if not word[:1].isupper()), len(body))
        name, body = " ".join(body[:at]), body[at:]
    elif not name:
        at = _end_of_noun(body, nouns=nouns, is_any=lead in ("a", "an", "one", "some"))
        name, body = " ".join(body[at:]), body[:at]
    lower = [word.lower() for word in body]
    if lead in _NUMBERS and lower and lower[-1].endswith("s"):
        lower[-1] = lower[-1][:-1]
    lower = [_CHILDREN.get(word.removesuffix("s"), word) for word in lower]
    if lower and lower[-1] in _ANYBODY:
        lower = []
    said: list[Gender] = [GENDERS[word] for word in (lead, *lower) if word in GENDERS and word not in _OWNERS]
    gender = said[0] if said else COMMON_NAMES.get(name.lower())
    return Actor(kind=lower[-1] if lower else "", phrase=" ".join(lower), name=name, gender=gender)


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
    is_noun = noun in nouns | _TITLES or not is_any and noun not in _ADJECTIVES
    return at if is_noun else len(body)


def _without_apposition(actors: list[Actor], words: list[str]) -> tuple[Actor, ...]:
    """The actors, with a name and what that one is made one: "Nora, a small fox, wants to dance"."""
    if len(actors) != 2 or "and" in words or actors[0].kind or actors[1].name:
        return tuple(actors)
    name, what = actors
    return (Actor(kind=what.kind, phrase=what.phrase, name=name.name, gender=name.gender or what.gender),)
