"""What stands in for what a language model could not write: deterministic, and sure to pass the checks or None.

Knows the rules and the outline, and no language model.
"""

from collections.abc import Callable
from functools import partial
from unicodedata import east_asian_width

from story.checks import free_mentions
from story.draft import Beat, Shown, Text
from story.grammar import with_article
from story.lineup import carry
from story.reading import cut_sentences
from story.rules import Rules
from story.sentences import paragraphs_of, sentences_of
from story.storyteller import Storyteller

_PLAIN_POSES = ("standing", "sitting")


def plain_text(text: Text | None, beat: Beat, rules: Rules) -> Text | None:
    """The text made plainer without speech, or the outline's sentence; None where none may stand.

    Of what is sure to pass the first is taken: the text as it is; with its sentences cut; in one paragraph, which
    makes two languages match; the outline's sentence; the text's first sentences, as many as are in order.
    """
    options: list[Text] = []
    if text:
        joined = _both(text, _joined)
        options += [_both(text, str), _both(text, cut_sentences), joined, _both(joined, cut_sentences)]
    if beat.beat and rules.request.second_language is None:
        options += [Text(text=beat.beat), Text(text=cut_sentences(beat.beat))]
    if text:
        options += _shortened(text)
    return next((option for option in options if not rules.text(option, beat)), None)


def _both(text: Text, change: Callable[[str], str]) -> Text:
    """The text changed alike in both languages, without speech."""
    return Text(text=change(text.text), second_text=change(text.second_text))


def _joined(text: str) -> str:
    """A text in one paragraph; after a wide full stop, as in Chinese, no space is written."""
    joined = ""
    for paragraph in paragraphs_of(text):
        gap = " " if joined and east_asian_width(joined[-1]) not in "WF" else ""
        joined += gap + paragraph
    return joined


def _shortened(text: Text) -> list[Text]:
    """The text with ever fewer sentences from its beginning, as many in both languages, the longest first."""
    counts = [len(sentences_of(side)) for side in (_joined(text.text), _joined(text.second_text)) if side]
    return [
        _both(text, change)
        for number in range(min(counts, default=0), 0, -1)
        for change in (partial(_begun, number), partial(_begun_and_cut, number))
    ]


def _begun(number: int, text: str) -> str:
    return "".join(sentence + gap for sentence, gap in sentences_of(_joined(text))[:number]).strip()


def _begun_and_cut(number: int, text: str) -> str:
    return cut_sentences(_begun(number, text))


def plain_shown(beat: Beat, rules: Rules, storyteller: Storyteller) -> Shown:
    """Who is in the picture, standing or sitting in its place; what the storyteller draws where that fails."""
    banked = {card.word.casefold() for card in rules.request.catalog}
    drawable = rules.lexicon.poses or _PLAIN_POSES
    poses = [pose for pose in _PLAIN_POSES if pose not in banked and pose in drawable]
    figures = [
        " ".join([with_article(member.word), *poses[index : index + 1]]) for index, member in enumerate(beat.who)
    ]
    prompt, concepts = carry(
        " and ".join(figures), [], beat.on_stage, catalog=rules.request.catalog, lexicon=rules.lexicon
    )
    mentioned = free_mentions(prompt, rules.request.catalog)
    own = [member.concept for member in beat.who if member.concept]
    listed = {card.word.casefold(): card.id for card in reversed(rules.request.catalog)}
    listed |= {card.word.casefold(): card.id for card in rules.request.catalog if card.id in (*own, *concepts)}
    shown = Shown(prompt=prompt, concepts=tuple(listed[word] for word in mentioned))
    if not rules.scene(shown, beat):
        return shown
    scene = storyteller.plain_scene(rules.request, own)
    return Shown(prompt=scene.prompt, concepts=scene.concepts)


def plain_alt(beat: Beat, words: str, prompt: str, rules: Rules) -> str:
    """Who is in the picture by name and what happens, in the story's language; the names alone where that fails."""
    names = ", ".join(member.name for member in beat.who)
    options = [f"{names}: {words}" if names else words, words, f"{names}."]
    return next((option for option in options if not rules.alt(option, prompt)), names)
