"""What stands in for what a language model could not write: deterministic, and sure to pass the checks or None.

Knows the rules and the outline, and no language model.
"""

from story.checks import free_mentions
from story.draft import Beat, Shown, Text
from story.grammar import with_article
from story.lineup import carry
from story.reading import cut_sentences
from story.rules import Rules
from story.storyteller import Storyteller

_PLAIN_POSES = ("standing", "sitting")


def plain_text(text: Text | None, beat: Beat, rules: Rules) -> Text | None:
    """The text with its speech left out or its sentences cut, or the outline's sentence; None where none may stand."""
    options = [text.model_copy(update={"speech": ()})] if text else []
    options += [Text(text=cut_sentences(text.text), second_text=cut_sentences(text.second_text))] if text else []
    if beat.beat and rules.request.second_language is None:
        options += [Text(text=beat.beat), Text(text=cut_sentences(beat.beat))]
    return next((option for option in options if not rules.text(option, beat)), None)


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
