"""Parts text into paragraphs and sentences, and shortens it, in any script. Knows nothing of pages."""

import re
import unicodedata

_PARAGRAPH_END = re.compile(r"\n[^\S\n]*\n\s*")
_FULL_STOPS = ".!?…‥。．！？｡؟۔।॥։።"
_CLOSERS = "\"'”’“‘»›)]}」』】）〉》"
_SENTENCE_END = re.compile(
    rf"(?<=[{re.escape(_FULL_STOPS)}])(?P<close>[{re.escape(_CLOSERS)}]*)(?P<gap>\s+|(?<=[。．！？｡])|(?<=[」』】）〉》]))"
)
_SMALL_LETTER = re.compile(r"[a-zà-öø-ÿ]")
_TITLE = re.compile(r"\b(?:Mr|Mrs|Ms|Dr|St|Fr|Hr)\.$")


def paragraphs_of(text: str) -> tuple[str, ...]:
    """The paragraphs of a text, which blank lines part; none is empty."""
    return tuple(part.strip() for part in _PARAGRAPH_END.split(text.strip()) if part.strip())


def cut_at_word(text: str, most: int) -> str:
    """The text with so many characters at most, cut between words where spaces part them."""
    if len(text) <= most:
        return text
    end = text.rfind(" ", 0, most + 1)
    if end <= 0:
        end = most
        while end > 1 and unicodedata.category(text[end]).startswith("M"):  # a mark stays with its letter
            end -= 1
    return text[:end].rstrip(" ,;:–—-،，、；")


def sentences_of(paragraph: str) -> tuple[tuple[str, str], ...]:
    """Each sentence with the white space after it: joined again they are the paragraph, character by character.

    A sentence ends at a full stop, with the quotes that close behind it, unless a small letter follows: '"Stop!" he
    said.' is one sentence. A title such as "Mr." ends none; of other abbreviations nothing is known.
    """
    sentences: list[tuple[str, str]] = []
    start = 0
    for match in _SENTENCE_END.finditer(paragraph):
        sentence, rest = paragraph[start : match.end("close")], paragraph[match.end() :]
        if not rest or _SMALL_LETTER.match(rest) or _TITLE.search(sentence):
            continue
        sentences.append((sentence, match["gap"]))
        start = match.end()
    if start < len(paragraph):
        sentences.append((paragraph[start:], ""))
    return tuple(sentences)
