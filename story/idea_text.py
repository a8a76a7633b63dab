"""The plain text of an idea: one line without markup, in sentences, without the words that ask for a story.

Knows how people ask for stories and begin them, and nothing of whom an idea is about.
"""

import re
import unicodedata

MAX_IDEA_LENGTH = 480
MAX_SENTENCE_LENGTH = 160

_SENTENCE_END = re.compile(r"(?<=[.!?])(?<!\b[A-Z]\.)(?<!\b(?i:mr|ms|dr|st)\.)(?<!\b(?i:mrs)\.)\s+")
_CLAUSE_END = re.compile(r"[,;:] | (?:and|but|so|because|when|while|until) ")
_TITLE_STOP = re.compile(r"\b(mr|mrs|ms|dr|st|[A-Z])\.(?= )", re.IGNORECASE)
_STORY = (
    r"(?:(?:a|an|the|another|one|some) )?(?:(?:little|short|long|funny|bedtime|new|nice|good|picture|children's) )*"
    r"(?:stor(?:y|ies)|tale|book|storybook|fairy ?tale)"
)
_REQUEST = (
    r"(?:please,? |(?:could|can|would|will) (?:you|i|we) |let(?:'s| us) "
    r"|(?:i|we)(?:'d| would)? (?:want|need|like|love) )*"
    r"(?:(?:you )?to )?(?:(?:please )?(?:tell|write|make(?: up)?|give|read|hear|have|create|invent) (?:me |us )?)?"
)
_PREAMBLE = re.compile(
    rf"^{_REQUEST}{_STORY}"
    r"(?:(?: for [^,:]{1,40}?)? (?:about|of|where|in which)(?::| that)?| for| with(?= an? )|:| -) "
    r"|^(?:it|this|the story|the book)(?:'s| is| should be| could be) about ",
    re.IGNORECASE,
)
_HEADING = re.compile(r"^(?:The|How|A) [^-:,]{1,40} ?[-:] (?=(?:an?|the|two|my) )")
_ONLY_ASKED = re.compile(rf"^{_REQUEST}{_STORY}(?: please)?$", re.IGNORECASE)
_ONCE = re.compile(
    r"^(?:once upon a time|(?:a )?long(?:,? long)*(?: time)? ago|once|in a (?:land )?far(?: |-)?away(?: land)?),? "
    r"(?:(?:in|on|at|under|by|near) [^,]{1,40}?,? (?=there )|(?:in|on|at|under|by|near) [^,]{1,40}, )?",
    re.IGNORECASE,
)
_THERE = re.compile(r"^there(?:'s| once| is| are| was| were| lived| lives| live)+ (?:once )?", re.IGNORECASE)
_NUMBER = r"(?:\d{1,2}|two|three|four|five|six|seven|eight|nine|ten)"
_SPELT_OUT: tuple[tuple[re.Pattern[str], str], ...] = tuple(
    (re.compile(pattern, re.IGNORECASE), plain)
    for pattern, plain in (
        (r"\b(who|that|he|she|it|they)'s (?=(?:lost|got|been|had|gone|found|forgotten|broken|never) )", r"\1 has "),
        (r"\b(who|that|he|she|it|there)'s\b", r"\1 is"),
        (r"\b(who|they)'re\b", r"\1 are"),
        (r"\b(is|was|are|were|has|had)n't\b", r"\1 not"),
        (r"\s*:| -(?= )", ","),
        # How old somebody is.
        (rf",? (?:who (?:is|was|are) |aged |age ){_NUMBER}(?: years old)?(?=$|[ ,])|, \d{{1,2}}(?=,|$| and )", ""),
        (
            rf"(?<!is )(?<!was )\b{_NUMBER}[ -]years?[ -]old,? "
            r"(?=\w)(?!(?:who|that|and|with|is|was|has|can|cannot|wants?|loves?|called|named|in|from)\b)",
            "",
        ),
        (rf"\b{_NUMBER}[ -]year[ -]old\b", "child"),
        (r"^(?:two )?twin (?!(?:is|was|has)\b|\w+ss\b)(?=\w+s\b)", "two "),
        # What somebody is called.
        (r"^my name is (\w+),? (?:and )?i\b", r"\1 who"),
        (r",? whose name (?:is|was)\b", " called"),
        (r"^his name (?:is|was)\b", "he called"),
        (r"^her name (?:is|was)\b", "she called"),
        (r"^its name (?:is|was)\b", "it called"),
        (r"^((?:the|this|our|my) \w+)'s name (?:is|was)\b", r"\1 called"),
        (r",?(?: (?:who|that|which))?(?: (?:is|was))? (called|named)\b", r" \1"),
    )
)


def clean_idea(text: str) -> str:
    """The idea on one line without markup, control characters, symbols, asides in brackets or outer quotes.

    A long one is cut at the end of a sentence, or of a clause, or of a word, so that it has 480 characters at most.
    """
    text = re.sub(r"<[^<>]*>", " ", unicodedata.normalize("NFC", text[:4000]))
    without_asides = re.sub(r"\s*\([^()]*\)", "", text)
    text = without_asides if any(char.isalpha() for char in without_asides) else text
    text = re.sub(r"(?<=\w)\s*\n\s*\n", ". ", text)
    kept = "".join(
        char if unicodedata.category(char)[0] in "LMN" or char in " -,.;:!?'" else _plain(char) for char in text
    )
    kept = _cut(re.sub(r"\s+", " ", kept).strip(" ,.;:!?-'"), MAX_IDEA_LENGTH)
    return kept if any(char.isalpha() for char in kept) else ""


def _plain(char: str) -> str:
    return "'" if char in "’‘`´" else "-" if char in "–—" else " "


def _cut(text: str, limit: int) -> str:
    if len(text) <= limit:
        return text
    head = text[: limit + 1]
    ends = next((found for end in (_SENTENCE_END, _CLAUSE_END) if (found := list(end.finditer(head)))), [])
    at = ends[-1].start() if ends else head.rfind(" ")
    return head[: at if at > 0 else limit].rstrip(" ,.;:!?-")


def plain_sentences(idea: str) -> tuple[str, ...]:
    """The sentences of a clean idea without their stops, each at most 160 characters long, without what asks for it.

    "Tell me a story. Once there was a fox who swims." → ("a fox who swims",). A heading's words are left out.
    """
    parts = [_TITLE_STOP.sub(r"\1", part.strip(" ,.;:!?-'")) for part in _SENTENCE_END.split(idea)]
    asked = [
        _THERE.sub("", _ONCE.sub("", _HEADING.sub("", _PREAMBLE.sub("", part))))
        for part in parts
        if not _ONLY_ASKED.match(part)
    ]
    return tuple(_cut(part, MAX_SENTENCE_LENGTH) for part in asked if part) or tuple(part for part in parts if part)


def spelt_out(sentence: str) -> str:
    """A sentence without ages and short forms: "Tom, who's 3 and isn't shy" → "Tom, who is not shy"."""
    for pattern, plain in _SPELT_OUT:
        sentence = pattern.sub(plain, sentence)
    return sentence.strip(" ,")
