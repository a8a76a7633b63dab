"""Parts text into paragraphs and sentences, in any script. Knows nothing of pages."""

import re

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
