"""All that has to hold of a story written for one request, stage by stage: the checks put together.

Knows neither who wrote the words nor how to mend them. Each method gives messages, worded for whoever wrote the words.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Self

from concepts.lexicon import Lexicon
from story.answers import MAX_ALT_CHARACTERS, MAX_LINE_CHARACTERS, MAX_LINES, MAX_TITLE_CHARACTERS, max_text_characters
from story.checks import MAX_CHARACTERS, check_alt, check_prompt, check_text, has_markup
from story.draft import Beat, Outline, Shown, Text
from story.languages import has_letters_beside, is_in_language, name_of
from story.lineup import check_lineup
from story.reading import too_hard
from story.safety import SafetyGate
from story.schema import LineupMember, SpokenLine, Story, StoryRequest
from story.sentences import cut_at_word

PROMPT_LANGUAGE = "en"
"""What the picture models read."""


@dataclass(frozen=True, kw_only=True)
class Rules:
    """The rules for one request."""

    request: StoryRequest
    lexicon: Lexicon
    """What the picture model can draw; empty where it does not say."""
    gate: SafetyGate
    count_tokens: Callable[[str], int]
    max_tokens: int
    names: tuple[str, ...] = ()
    """Of the line-up, as far as it is settled; texts in any language may have them in their own letters."""
    _verdicts: dict[str, tuple[str, ...]] = field(default_factory=dict)

    def judge(self, texts: Iterable[str]) -> None:
        """Have all texts that are new judged for safety at once.

        Raises:
            ModerationUnavailable: There is no verdict.
        """
        new = [text for text in dict.fromkeys(texts) if text and text not in self._verdicts]
        self._verdicts.update(zip(new, self.gate.reasons(new), strict=True))

    def naming(self, lineup: Sequence[LineupMember]) -> Self:
        """The same rules where this line-up is settled; verdicts are shared."""
        return replace(self, names=tuple(member.name for member in lineup))

    def is_for_children(self, text: str) -> bool:
        """Whether a text may be shown.

        Raises:
            ModerationUnavailable: There is no verdict.
        """
        return not self._unsafe("it", text)

    def outline(self, outline: Outline | None) -> list[str]:
        """What is wrong with an outline."""
        if outline is None:
            return ["the outline is missing; write it"]
        named = self.naming(outline.lineup)
        found = named._titles(outline.title, outline.second_title)
        if not outline.lineup:
            found.append("there are no characters; settle who is drawn")
        for member in outline.lineup:
            found += self._words(f"the name {member.name!r}", member.name, is_name=True)
            if not member.word:
                found.append(f"{member.name!r} has no noun that is one plain English word; give it one")
            found += self._drawn(f"the look of {member.name!r}", member.look)
        dressed = (*outline.lineup, *(member for beat in outline.beats for member in beat.who))
        for name, wears in dict.fromkeys((member.name, member.wears) for member in dressed):
            found += self._drawn(f"what {name!r} wears", wears)
        nouns = [member.word.casefold() for member in outline.lineup]
        twice = sorted({noun for noun in nouns if noun and nouns.count(noun) > 1})
        found += [f"two characters have the noun {noun!r}; keep one of them" for noun in twice]
        found += self._absent_cast(outline)
        for number, beat in enumerate(outline.beats[1:], start=1):
            found += named._beat(number, beat)
        return found

    def text(self, text: Text | None, beat: Beat | None) -> list[str]:
        """What is wrong with a page's words; without a beat anybody may speak."""
        if text is None:
            return ["the page is missing; write it"]
        found = self._page_text("the text", text.text, self.request.language)
        second = self.request.second_language
        if second is not None:
            found += self._page_text("the second text", text.second_text, second)
            if _paragraphs(text.text) != _paragraphs(text.second_text):
                found.append("the two texts have not the same number of paragraphs; make them match")
        return found + self._speech(text.speech, beat)

    def scene(self, shown: Shown | None, beat: Beat | None) -> list[str]:
        """What is wrong with a prompt and its concepts; without a beat the line-up is not looked at."""
        if shown is None:
            return ["the scene is missing; write it"]
        catalog = self.request.catalog
        problems = list(
            check_prompt(
                shown.prompt,
                shown.concepts,
                catalog=catalog,
                count_tokens=self.count_tokens,
                max_tokens=self.max_tokens,
            )
        )
        if beat is not None and shown.prompt.strip():
            problems += check_lineup(shown.prompt, shown.concepts, beat.on_stage, catalog=catalog, lexicon=self.lexicon)
        found = [problem.message for problem in problems]
        if not is_in_language(shown.prompt, PROMPT_LANGUAGE):
            found.append(f"the prompt is not in {name_of(PROMPT_LANGUAGE)}; write it in that language")
        elif has_letters_beside(shown.prompt, PROMPT_LANGUAGE, names=[card.word for card in catalog]):
            found.append(f"the prompt has letters that are not Latin; write all of it in {name_of(PROMPT_LANGUAGE)}")
        return found + self._unsafe("the prompt", shown.prompt)

    def alt(self, alt: str | None, prompt: str) -> list[str]:
        """What is wrong with a picture's alternative text, which says more than the prompt does: who it is."""
        if alt is None:
            return ["the alternative text is missing; write it"]
        found = [problem.message for problem in check_alt(alt)]
        if _plain(alt) == _plain(prompt):
            found.append("the alternative text is the prompt; describe the picture for a listener, with names")
        if len(alt) > MAX_ALT_CHARACTERS:
            found.append(f"the alternative text has {len(alt)} characters; at most {MAX_ALT_CHARACTERS} are in order")
        return found + self._language("the alternative text", alt, self.request.language) + self._unsafe("it", alt)

    def story(self, story: Story, beats: Mapping[int, Beat]) -> list[str]:
        """What is wrong with a whole story, each message with its place; the proof before anything is drawn.

        Args:
            beats: What the pictures have to keep to, by page; a page without one need not.
        """
        self.judge([story.title, story.second_title])
        self.judge(text for page in story.pages for text in (page.text, page.second_text))
        self.judge(line.text for page in story.pages for line in page.speech)
        self.judge(text for scene in story.scenes for text in (scene.prompt, scene.alt))
        named = self.naming(story.lineup)
        found = named._titles(story.title, story.second_title)
        for number, scene in enumerate(story.scenes):
            messages = self.scene(Shown(prompt=scene.prompt, concepts=scene.concepts), beats.get(number))
            messages += named.alt(scene.alt, scene.prompt)
            if number:
                page = story.pages[number - 1]
                words = Text(text=page.text, second_text=page.second_text, speech=page.speech)
                messages += named.text(words, beats.get(number))
            found += [f"page {number}: {message}" for message in messages]
        return found

    def bad_words_of(self, outline: Outline) -> frozenset[str]:
        """Titles, also when cut, names, beats, places, looks and clothes of an outline that may not be used at all."""
        named = self.naming(outline.lineup)
        bad = {member.name for member in outline.lineup if self._words("it", member.name, is_name=True)}
        bad |= {beat.beat for beat in outline.beats if named._words("it", beat.beat, is_name=True)}
        titles = {self.request.language: outline.title, self.request.second_language: outline.second_title}
        for language, title in titles.items():
            if language and named._words("it", cut_at_word(title, MAX_TITLE_CHARACTERS), language=language):
                bad.add(title)
        members = (*outline.lineup, *(member for beat in outline.beats for member in beat.who))
        phrases = {*(beat.place for beat in outline.beats), *(p for each in members for p in (each.look, each.wears))}
        return frozenset(bad | {phrase for phrase in phrases if self._drawn("it", phrase)})

    def _titles(self, title: str, second_title: str) -> list[str]:
        found = self._words("the title", title, most=MAX_TITLE_CHARACTERS)
        second = self.request.second_language
        if second is not None:
            found += self._words("the second title", second_title, most=MAX_TITLE_CHARACTERS, language=second)
        return found

    def _speech(self, speech: Sequence[SpokenLine], beat: Beat | None) -> list[str]:
        found = [f"{len(speech)} lines are said; at most {MAX_LINES} are in order"] if len(speech) > MAX_LINES else []
        on_stage = {member.concept or member.name for member in beat.who} if beat else None
        for line in speech:
            if on_stage is not None and line.speaker not in on_stage:
                found.append(f"{line.speaker!r} speaks and is not in the picture; give the line to somebody who is")
            found += self._words("a line of speech", line.text, most=MAX_LINE_CHARACTERS)
        return found

    def _absent_cast(self, outline: Outline) -> list[str]:
        present = {member.concept for member in outline.lineup}
        return [
            f"{card.name} ({card.id!r}) has to be in this book and is not among the characters; give it a part"
            for card in self.request.cast
            if card.kind == "character" and card.id not in present
        ]

    def _beat(self, number: int, beat: Beat) -> list[str]:
        if not beat.beat:
            return [f"page {number} has no beat; say what happens"]
        found = self._words(f"the beat of page {number}", beat.beat)
        if not beat.who:
            found.append(f"page {number} shows none of the characters; name one or two of them in who")
        if len(beat.who) > MAX_CHARACTERS:
            found.append(
                f"page {number} shows more than {MAX_CHARACTERS} characters; leave the others for another page"
            )
        if self._drawn("it", beat.place):
            found.append(f"the place of page {number} is no plain English phrase; write one such as 'in the snow'")
        return found

    def _page_text(self, what: str, text: str, language: str) -> list[str]:
        found = [problem.message for problem in check_text(text)]
        most = max_text_characters(self.request.age)
        if len(text) > most:
            found.append(f"{what} has {len(text)} characters; at most {most} are in order")
        if hard := too_hard(text, age=self.request.age, language=language):
            found.append(f"{what} is too hard: {hard}")
        return found + self._language(what, text, language) + self._unsafe(what, text)

    def _words(
        self, what: str, text: str, *, most: int | None = None, language: str | None = None, is_name: bool = False
    ) -> list[str]:
        if not text.strip():
            return [f"{what} is empty; write it"]
        found = [f"{what} contains markup; write plain words"] if has_markup(text) else []
        if most is not None and len(text) > most:
            found.append(f"{what} has {len(text)} characters; at most {most} are in order")
        if not is_name or len(text.split()) > 1:
            found += self._language(what, text, language or self.request.language)
        return found + self._unsafe(what, text)

    def _drawn(self, what: str, phrase: str) -> list[str]:
        """What is wrong with a phrase that is put into prompts; it may be empty."""
        if not phrase:
            return []
        if has_letters_beside(phrase, PROMPT_LANGUAGE, names=[card.word for card in self.request.catalog]):
            return [f"{what} has letters that are not Latin; write it in {name_of(PROMPT_LANGUAGE)}"]
        return self._words(what, phrase, is_name=True, language=PROMPT_LANGUAGE)

    def _language(self, what: str, text: str, language: str) -> list[str]:
        cards = (*self.request.cast, *(card for card in self.request.catalog if card.kind == "character"))
        if is_in_language(text, language, names=(*self.names, *(card.name for card in cards))):
            return []
        return [f"{what} is not in {name_of(language)}; write it in that"]

    def _unsafe(self, what: str, text: str) -> list[str]:
        self.judge([text])
        reasons = self._verdicts.get(text, ())
        return [f"{what} is not for children ({', '.join(reasons)}); write it without that"] if reasons else []


def _paragraphs(text: str) -> int:
    return len([part for part in text.split("\n\n") if part.strip()])


def _plain(text: str) -> str:
    return " ".join(text.casefold().split()).rstrip(".!")


def words_of(items: Sequence[Outline | Text | Shown | str]) -> list[str]:
    """All texts in the items of a stage, to be judged."""
    words: list[str] = []
    for item in items:
        if isinstance(item, Outline):
            words += [item.title, item.second_title]
            words += [text for beat in item.beats for text in (beat.beat, beat.place)]
            members = (*item.lineup, *(member for beat in item.beats for member in beat.who))
            words += [text for member in members for text in (member.name, member.look, member.wears)]
        elif isinstance(item, Text):
            words += [item.text, item.second_text, *(line.text for line in item.speech)]
        else:
            words.append(item.prompt if isinstance(item, Shown) else item)
    return words
