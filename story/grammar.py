"""Small English grammar for the built-in storyteller: verb forms, plurals, articles, pronouns, capitals, tidy text.

Knows the words in its tables and the regular rules; an unknown verb is treated as regular. Knows nothing of stories.
"""

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

# base: (past, third person singular where irregular)
IRREGULAR_PAST = {
    "be": "was", "become": "became", "begin": "began", "bite": "bit", "blow": "blew", "break": "broke",
    "bring": "brought", "build": "built", "buy": "bought", "can": "could", "catch": "caught", "choose": "chose",
    "climb": "climbed", "come": "came", "cut": "cut", "dig": "dug", "do": "did", "draw": "drew", "dream": "dreamed",
    "drink": "drank", "drive": "drove", "eat": "ate", "fall": "fell", "feed": "fed", "feel": "felt", "fight": "fought",
    "find": "found", "fit": "fitted", "fly": "flew", "forget": "forgot", "get": "got", "give": "gave", "go": "went",
    "grow": "grew", "hang": "hung", "have": "had", "hear": "heard", "hide": "hid", "hold": "held", "keep": "kept",
    "know": "knew", "lead": "led", "learn": "learned", "leave": "left", "light": "lit", "lose": "lost", "make": "made",
    "mean": "meant", "meet": "met", "pay": "paid", "put": "put", "read": "read", "ride": "rode", "ring": "rang",
    "run": "ran", "say": "said", "see": "saw", "sell": "sold", "send": "sent", "shake": "shook", "shine": "shone",
    "sing": "sang", "sit": "sat", "sleep": "slept", "speak": "spoke", "spend": "spent", "stand": "stood",
    "steal": "stole", "sweep": "swept", "swim": "swam", "take": "took", "teach": "taught", "tell": "told",
    "think": "thought", "throw": "threw", "understand": "understood", "wake": "woke", "wear": "wore", "win": "won",
    "write": "wrote",
}  # fmt: skip
REGULAR_VERBS = (
    "ask bake belong bounce brush call care carry chase clean climb collect cook count cross cry dance deliver discover"
    " dress enjoy explore fear fix follow grumble guard hate help hope hug hunt invent invite jump juggle kick laugh"
    " like listen live long look love mend miss move need notice open own paint plan plant play practise practice"
    " pretend protect race raise refuse remember repair rescue roll row sail save scare search share shout skate smile"
    " sneeze sort start stay stop study talk tend tidy travel try turn use visit wait walk want wash watch wave whisper"
    " whistle wish wonder work worry yawn fish garden"
).split()
BASE_VERBS = frozenset(IRREGULAR_PAST) | frozenset(REGULAR_VERBS)
_DOUBLING = frozenset("stop hug hop plan skip drop grab chat nap clap slip trip tap beg pat run swim sit get put cut "
                      "dig win begin forget hit travel quarrel".split())  # fmt: skip
_ADVERBS = frozenset("never always also just only ever still often sometimes soon".split())
# Nouns as often as verbs: alone behind an object they are nouns, "catch crabs and fish".
_ALSO_NOUNS = frozenset("fish garden plant light dress".split())
_SAID_OF = re.compile(r"\b(he|she|it|they|who|that|which) (?!(?:he|she|it|they|who)\b)(\w+(?:'t)?)")
_IRREGULAR_SAID = {
    "are": "were", "aren't": "weren't", "isn't": "wasn't", "can": "could", "can't": "couldn't", "cannot": "could not",
    "doesn't": "didn't", "hasn't": "hadn't",
}  # fmt: skip
_IRREGULAR_PLURALS = {
    "children": "child", "people": "person", "mice": "mouse", "geese": "goose", "men": "man", "women": "woman",
    "feet": "foot", "teeth": "tooth", "oxen": "ox", "wolves": "wolf", "elves": "elf", "leaves": "leaf",
    "calves": "calf", "thieves": "thief", "knives": "knife", "wives": "wife", "loaves": "loaf", "shelves": "shelf",
    "scarves": "scarf", "dwarves": "dwarf", "halves": "half", "hooves": "hoof", "buses": "bus", "shoes": "shoe",
    "canoes": "canoe", "toes": "toe", "pixies": "pixie", "cookies": "cookie", "brownies": "brownie", "genies": "genie",
    "zombies": "zombie", "pies": "pie", "ties": "tie", "axes": "axe", "octopuses": "octopus", "walruses": "walrus",
    "christmas": "christmas",
}  # fmt: skip
_VOWEL_SOUND_EXCEPTIONS = re.compile(r"(?:uni(?!n)|us[eu]|eu|one\b|once\b|u\b|ukulele)", re.IGNORECASE)
_SILENT_H = re.compile(r"(?:hour|honest|honour|honor|heir)", re.IGNORECASE)
_ARTICLE = re.compile(r"\b([Aa])(n?) (?=([A-Za-z]+))")
_SMALL_WORDS = frozenset("a an and at but by for from in of on or the to with".split())


@dataclass(frozen=True, kw_only=True)
class Pronouns:
    """The forms of one pronoun."""

    he: str
    him: str
    his: str
    himself: str


Gender = Literal["he", "she", "it"]
PRONOUNS: dict[Gender, Pronouns] = {
    "he": Pronouns(he="he", him="him", his="his", himself="himself"),
    "she": Pronouns(he="she", him="her", his="her", himself="herself"),
    "it": Pronouns(he="it", him="it", his="its", himself="itself"),
}


def base_form(verb: str) -> str | None:
    """The base form of a known verb in any finite form or gerund ("keeps", "kept", "keeping" → "keep"), else None."""
    return _FORMS.get(verb.lower())


def past_form(base: str) -> str:
    """The simple past of a base form: "keep" → "kept", "tidy" → "tidied", "hop" → "hopped"."""
    if base in IRREGULAR_PAST:
        return IRREGULAR_PAST[base]
    if base.endswith("e"):
        return base + "d"
    if re.search(r"[^aeiou]y$", base):
        return base[:-1] + "ied"
    return (base + base[-1] if base in _DOUBLING else base) + "ed"


def gerund(base: str) -> str:
    """The -ing form of a base form: "make" → "making", "swim" → "swimming", "be" → "being"."""
    if base in _DOUBLING:
        return base + base[-1] + "ing"
    if re.search(r"[^eoy]e$", base) and base != "be":
        return base[:-1] + "ing"
    return base + "ing"


def third_person(base: str) -> str:
    """The third person singular of a base form: "tidy" → "tidies", "go" → "goes"."""
    if base in ("be", "have", "can"):
        return {"be": "is", "have": "has", "can": "can"}[base]
    if re.search(r"(?:s|x|z|ch|sh|o)$", base):
        return base + "es"
    return base[:-1] + "ies" if re.search(r"[^aeiou]y$", base) else base + "s"


def _known_forms() -> dict[str, str]:
    forms: dict[str, str] = {"is": "be", "are": "be", "am": "be", "were": "be", "practising": "practise"}
    for base in sorted(BASE_VERBS):
        for form in (base, past_form(base), gerund(base), third_person(base)):
            forms.setdefault(form, base)
        if base.endswith("l") and base in _DOUBLING:
            forms |= {f"{base}ed": base, f"{base}ing": base}
    forms["found"], forms["left"], forms["saw"] = "find", "leave", "see"
    return forms


_FORMS = _known_forms()


def past_phrase(phrase: str) -> str:
    """A verb phrase in base form, as past, with the verbs joined to it and those of what is said in it.

    "keep a lighthouse" → "kept a lighthouse", "sing and dance" → "sang and danced", "never give up" → "never gave up".
    """
    return _SAID_OF.sub(_past_of_said, _inflected(phrase, past_form))


def gerund_phrase(phrase: str) -> str:
    """A verb phrase in base form, as gerund: "keep a lighthouse" → "keeping a lighthouse"."""
    return _inflected(phrase, gerund)


def _inflected(phrase: str, inflect: Callable[[str], str]) -> str:
    """The phrase with its first verb in another form, and the verbs that are joined to it by "and"."""
    first, *others = phrase.split(" and ")
    parts = [_inflected_first(first, inflect)]
    for other in others:
        verb, _, after = other.partition(" ")
        is_noun = verb in _ALSO_NOUNS and not after and " " in first
        parts.append(other if is_noun or verb not in BASE_VERBS else _inflected_first(other, inflect))
    return " and ".join(parts)


def _inflected_first(phrase: str, inflect: Callable[[str], str]) -> str:
    words = phrase.split(" ")
    at = 0
    while at + 1 < len(words) and is_adverb(words[at]) and base_form(words[at + 1]):
        at += 1
    return " ".join([*words[:at], inflect(words[at]), *words[at + 1 :]])


def is_adverb(word: str) -> bool:
    """Whether a word may stand before a verb and say how or when: "never", "only", "secretly"."""
    return word in _ADVERBS or (word.endswith("ly") and base_form(word) is None)


def _past_of_said(match: re.Match[str]) -> str:
    """What is said of somebody, as past: "she is", "who lives" → "she was", "who lived"."""
    who, verb = match.groups()
    base = base_form(verb)
    is_present = base is not None and verb == third_person(base) and verb != base
    past = _IRREGULAR_SAID.get(verb) or (past_form(base) if base and is_present else verb)
    return f"{who} {past}"


def singular(noun: str) -> str:
    """One of what a noun names: "foxes" → "fox", "wolves" → "wolf"; a noun that names one is itself."""
    if noun in _IRREGULAR_PLURALS:
        return _IRREGULAR_PLURALS[noun]
    if re.search(r"[^aeiou]ies$", noun):
        return noun[:-3] + "y"
    if re.search(r"(?:ch|sh|ss|x|zz|[^aeiou]o)es$", noun):
        return noun[:-2]
    return noun if re.search(r"(?:ss|us|is|^.{0,2}s)$", noun) else noun.removesuffix("s")


def is_plural(noun: str) -> bool:
    """Whether a noun phrase names more than one: "elves", "her mittens", "the keys of the house"."""
    head = re.split(r" (?:of|in|on|at|with|from|to|for|under|that|who|which) ", noun.lower())[0]
    last = head.split(" ")[-1]
    return " and " in head or singular(last) != last


def with_article(noun: str) -> str:
    """The noun phrase with "a" or "an" as its first sound asks: "an owl", "a unicorn", "an hour"."""
    return ("an " if _starts_with_vowel_sound(noun) else "a ") + noun


def _starts_with_vowel_sound(word: str) -> bool:
    if _SILENT_H.match(word):
        return True
    return word[:1].lower() in "aeiou" and not _VOWEL_SOUND_EXCEPTIONS.match(word)


def _right_article(match: re.Match[str]) -> str:
    return match[1] + ("n " if _starts_with_vowel_sound(match[3]) else " ")


def tidy(text: str) -> str:
    """The text with single spaces, no space before a stop, right articles and capitals at sentence starts."""
    text = re.sub(r"[ \t]+", " ", text).strip()
    text = re.sub(r" ([,.;:!?])", r"\1", text)
    text = _ARTICLE.sub(_right_article, text)
    return re.sub(r"((?:^|[.!?]\s+|\n\s*)[“‘]?)([a-z])", lambda match: match[1] + match[2].upper(), text)


def title_case(text: str) -> str:
    """The text as a book's title: small words stay small inside, all else starts with a capital."""
    words = tidy(text).split(" ")
    last = len(words) - 1
    return " ".join(
        word if 0 < index < last and word.lower() in _SMALL_WORDS else _capital(word)
        for index, word in enumerate(words)
    )


def _capital(word: str) -> str:
    return re.sub(r"^([^\w]*)(\w)", lambda match: match[1] + match[2].upper(), word, count=1)


def join_names(names: list[str]) -> str:
    """Names as a list in a sentence: "", "Ann", "Ann and Bo", "Ann, Bo and Cy"."""
    *before, last = names or [""]
    return f"{', '.join(before)} and {last}" if before else last
