"""Makes the story of a ready script: characters become the words of their concepts, and every page is checked.

Knows how prompts are bound, and neither files nor what draws.
"""

import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from concepts.binding import find_word
from concepts.lexicon import Lexicon
from concepts.schema import ConceptCard
from story.checks import MAX_CHARACTERS, Problem, check_alt, check_page, check_scene, free_mentions
from story.errors import InvalidScript
from story.grammar import with_article
from story.languages import primary_language
from story.safety import SafetyGate
from story.schema import LineupMember, Page, Scene, SpokenLine, Story, StoryRequest, WrittenStory
from story.script import Script, ScriptPage, ScriptPicture
from story.sentences import sentences_of

_DETERMINERS = frozenset("a an the this that his her its their my our your one another".split())
_BEFORE_ADJECTIVES = _DETERMINERS - {"this", "that", "her", "one", "another"}
"""Those that hardly stand for somebody themselves, as in "beside her sits Rusty"."""
_HANDLE = re.compile(r"(?<!\w)@\w")
_POSSESSIVE = re.compile(r"['’]s\b")
Span = tuple[int, int]


class ScriptWriter:
    """Gives a script as the story, whatever is asked for but its language.

    Args:
        script: What the story says.
        cast: Which concept draws whom, by the name in the script, in any case. In a script in Markdown, whoever is
            called like a character of the bank and written like it is that one ("Clover", and not "in the clover"),
            and handles such as @rusty are names too.
        gate: What may be read by children.
        count_tokens: Tokens of a prompt as the text encoder counts them.
        max_tokens: The encoder's limit.
        lexicon: What the model can draw, where it says so.
    """

    def __init__(
        self,
        script: Script,
        cast: Mapping[str, ConceptCard],
        *,
        gate: SafetyGate,
        count_tokens: Callable[[str], int],
        max_tokens: int,
        lexicon: Lexicon | None = None,
    ) -> None:
        self.script = script
        self.cast = dict(cast)
        self.gate = gate
        self.count_tokens = count_tokens
        self.max_tokens = max_tokens
        self.lexicon = lexicon

    def write(self, request: StoryRequest) -> WrittenStory:
        """The story, with a warning for each character that no concept draws, and of pictures of what the model lacks.

        Raises:
            InvalidScript: A picture cannot be drawn as it is written, or somebody of the cast is not in the script.
            UnsafeRequest: A part is not for children.
        """
        script, catalog = self.script, request.catalog
        names = self._names(catalog)
        cover = self._scene(script.cover, names, catalog, words=script.title, language=request.language)
        self._refuse("the cover", check_scene(cover, **self._limits(catalog)))
        pages = tuple(self._page(number, page, names, request) for number, page in enumerate(script.pages, start=1))
        story = Story(
            title=script.title,
            language=request.language,
            lineup=tuple(
                LineupMember(name=name, word=card.word, concept=card.id) for name, card in _one_name_each(names).items()
            ),
            cover=cover,
            pages=pages,
        )
        shown = {name for page in script.pages for name in page.picture.on_stage}
        warnings = tuple(
            f'{name!r} has no concept, so its looks may change from page to page; bind it with --cast "{name}=ID".'
            for name in sorted(shown - names.keys())
        )
        return self.gate.check_story(WrittenStory(story=story, warnings=(*warnings, *self._strange(story, catalog))))

    def _strange(self, story: Story, catalog: Sequence[ConceptCard]) -> tuple[str, ...]:
        """A warning of the pictures in which the model can draw nobody."""
        if self.lexicon is None:
            return ()
        figures = {*self.lexicon.characters, *(card.word for card in catalog if card.kind == "character")}
        pages = [
            f"page {number}" if number else "the cover"
            for number, scene in enumerate(story.scenes)
            if not any(find_word(scene.prompt, figure) for figure in figures)
        ]
        if not pages:
            return ()
        return (
            f"On {', '.join(pages)} the prompt names nobody whom the model can draw, so the picture shows something "
            f"else. It can draw {', '.join(sorted(figures))}.",
        )

    def _names(self, catalog: Sequence[ConceptCard]) -> dict[str, ConceptCard]:
        """Who is drawn by which concept; those who are in the script."""
        names = dict(self.cast)
        if not self.script.is_prose:
            handles = {f"@{card.id}": card for card in catalog}
            names = {card.name: card for card in catalog if card.kind == "character"} | handles | names
        present = {name: card for name, card in names.items() if self._is_there(name)}
        for name in self.cast:
            if name not in present:
                raise InvalidScript(
                    f"{name!r} of the cast is in no picture and says nothing. Its name has to be written as in the "
                    f"script{': ' if self.script.looks else ''}{', '.join(self.script.looks)}. Correct --cast."
                )
        return present

    def _is_there(self, name: str) -> bool:
        pictures = [self.script.cover, *(page.picture for page in self.script.pages)]
        speakers = {speaker for page in self.script.pages for speaker, _ in page.speech}
        return name in speakers or any(name in each.on_stage or self._mentions(each.prompt, name) for each in pictures)

    def _mentions(self, prompt: str, name: str) -> list[Span]:
        """Where a name stands as a whole."""
        any_case = name in self.cast or name.startswith("@")
        pattern = re.compile(rf"(?<!\w){re.escape(name)}(?!\w)", re.IGNORECASE if any_case else re.NOFLAG)
        return [match.span() for match in pattern.finditer(prompt)]

    def _page(self, number: int, page: ScriptPage, names: Mapping[str, ConceptCard], request: StoryRequest) -> Page:
        bound = Page(
            text=page.text,
            speech=tuple(
                SpokenLine(speaker=names[speaker].id if speaker in names else speaker, text=words)
                for speaker, words in page.speech
            ),
            scene=self._scene(page.picture, names, request.catalog, words=page.text, language=request.language),
        )
        self._refuse(f"page {number}", check_page(bound, **self._limits(request.catalog)))
        return bound

    def _scene(
        self,
        picture: ScriptPicture,
        names: Mapping[str, ConceptCard],
        catalog: Sequence[ConceptCard],
        *,
        words: str,
        language: str,
    ) -> Scene:
        said = {span: name for name in names for span in self._mentions(picture.prompt, name)}
        prompt, own = _named(picture, names, said, nouns=_nouns(catalog, self.lexicon))
        if self.script.is_prose:
            prompt = self._fitted(prompt, picture, names, catalog, own)
        cards = (*(card for card in catalog if card.id in own), *catalog)
        listed = [
            next(card.id for card in cards if card.word.casefold() == word) for word in free_mentions(prompt, catalog)
        ]
        # Names say more than the concepts' words, but nobody is read "@rusty".
        described = _as_sentence(prompt if _HANDLE.search(picture.prompt) else picture.prompt)
        sentence = next(iter(sentences_of(" ".join(words.split()))), (words, ""))[0]
        # Prompts are English, so in another language a sentence of the page is the better stopgap.
        others = (described,) if primary_language(language) == "en" else (sentence, described)
        alts = [alt for alt in (picture.alt, *others) if not check_alt(alt)]
        return Scene(prompt=prompt, concepts=tuple(listed), alt=alts[0] if alts else picture.alt)

    def _fitted(
        self,
        prompt: str,
        picture: ScriptPicture,
        names: Mapping[str, ConceptCard],
        catalog: Sequence[ConceptCard],
        own: Sequence[str],
    ) -> str:
        """Prose as the picture model takes it: each concept's word once, and no more than fits."""
        prompt = _said_once(prompt, catalog, own)
        while " " in prompt and self.count_tokens(prompt) > self.max_tokens:
            prompt = prompt.rpartition(" ")[0].rstrip(" ,;:-")
        looks = [
            f"{name}: {self.script.looks[name]}"
            for name in picture.on_stage
            if name not in names and self.script.looks.get(name)
        ]
        for extra in (*looks, *picture.extras):
            longer = _said_once(f"{prompt.rstrip('.')}. {extra}", catalog, own)
            if self.count_tokens(longer) <= self.max_tokens:
                prompt = longer
        return prompt

    def _limits(self, catalog: Sequence[ConceptCard]) -> dict[str, Any]:
        return {"catalog": catalog, "count_tokens": self.count_tokens, "max_tokens": self.max_tokens}

    def _refuse(self, where: str, problems: Sequence[Problem]) -> None:
        if problems:
            raise InvalidScript(f"The script cannot become a book: {where}: {problems[0].message}.")


def _one_name_each(names: Mapping[str, ConceptCard]) -> dict[str, ConceptCard]:
    seen: dict[str, tuple[str, ConceptCard]] = {}
    for name, card in names.items():
        seen.setdefault(card.id, (name, card))
    return dict(seen.values())


def _nouns(catalog: Sequence[ConceptCard], lexicon: Lexicon | None) -> frozenset[str]:
    """Words that are known to name something, the last of several, in lower case."""
    phrases = [card.word for card in catalog if card.kind in ("character", "object", "clothing", "place", "lighting")]
    if lexicon is not None:
        phrases += [*lexicon.characters, *lexicon.clothing, *lexicon.held_objects, *lexicon.objects]
        phrases += [*lexicon.places.values(), *lexicon.lights.values()]
    return frozenset(phrase.lower().split()[-1] for phrase in phrases if phrase)


def _named(
    picture: ScriptPicture, names: Mapping[str, ConceptCard], mentions: Mapping[Span, str], *, nouns: frozenset[str]
) -> tuple[str, list[str]]:
    """The prompt with concepts' words for names, and the ids of those who are in it, at most as many as are drawn.

    A name is said as its word the first time, and as "it" from then on. Those on stage whom the prompt does not name
    come first.
    """
    prompt = picture.prompt
    free = sorted(item for item in mentions.items() if not any(_holds(other, item[0]) for other in mentions))
    unnamed = [name for name in picture.on_stage if name in names and name not in {name for _, name in free}]
    on_stage = list(dict.fromkeys(names[name].id for name in (*(name for _, name in free), *unnamed)))[:MAX_CHARACTERS]
    said: set[str] = set()
    done, at = "", 0
    for (start, stop), name in free:
        card = names[name]
        done += prompt[at:start]
        if card.id in said:
            owns = _POSSESSIVE.match(prompt, stop)
            done, stop = (f"{done}its", owns.end()) if owns else (f"{done}it", stop)
        else:
            done += _words_for(card, prompt[:start], prompt[start:stop], nouns)
        said.add(card.id)
        at = stop
    done += prompt[at:]
    lead = " and ".join(with_article(names[name].word) for name in unnamed if names[name].id in on_stage)
    return (f"{lead}, {done}" if lead else done), on_stage


def _as_sentence(prompt: str) -> str:
    text = prompt.strip()
    return text[:1].upper() + text[1:] + ("" if text.endswith((".", "!", "?")) else ".")


def _words_for(card: ConceptCard, before: str, name: str, nouns: frozenset[str]) -> str:
    """The concept's word, with an article where a proper name stood."""
    is_common = name.islower() and not name.startswith("@")
    return card.word if is_common or _has_determiner(before, nouns) else with_article(card.word)


def _has_determiner(before: str, nouns: frozenset[str]) -> bool:
    """Whether a name has an article or the like, maybe with an adjective: "the small Cat", not "in the snow Rusty"."""
    *_, last_but_one, last = ["", "", *before.lower().split()]
    return last in _DETERMINERS or (last_but_one in _BEFORE_ADJECTIVES and last.isalpha() and last not in nouns)


def _said_once(prompt: str, catalog: Sequence[ConceptCard], own: Sequence[str]) -> str:
    """The prompt without repeated words of the bank, and without characters beyond those who are on stage."""
    characters = {card.word.casefold() for card in catalog if card.kind == "character"}
    kept = {card.word.casefold() for card in catalog if card.id in own}
    drop: list[tuple[Span, str]] = []
    for word, spans in free_mentions(prompt, catalog).items():
        if word in characters and word not in kept and len(kept) < MAX_CHARACTERS:
            kept.add(word)
        is_extra = word in characters and word not in kept
        drop += [(span, "one" if word in characters else "") for span in (spans if is_extra else spans[1:])]
    for (start, stop), instead in sorted(drop, reverse=True):
        prompt = prompt[:start] + instead + prompt[stop:]
    return " ".join(prompt.split())


def _holds(outer: Span, inner: Span) -> bool:
    return outer != inner and outer[0] <= inner[0] and inner[1] <= outer[1]
