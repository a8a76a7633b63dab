"""The built-in storyteller: a seeded planner over story arcs, no language model, no network.

It reads the idea, sets a stage, chooses an arc that the idea can carry, spreads its beats over the pages, and fills
them with the idea's own words. The same request gives the same story on every machine. It knows English only.
"""

import random
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

from concepts.binding import find_word
from concepts.lexicon import Lexicon
from story.arcs import everyday, fear, friends, quest, sleep, wish
from story.arcs.model import Arc, Beat
from story.arcs.shared import (
    COMPANY_ENDINGS,
    COMPANY_ENDINGS_ASLEEP,
    COMPANY_LINES,
    FRIEND_LINES,
    GARMENT_LINES,
    INTERLUDES,
    OPENING,
    OTHERS_LINES,
    OTHERS_LINES_ASLEEP,
    ROLE_LINES,
    ROLE_LINES_ASLEEP,
)
from story.casting import set_stage
from story.checks import Problem, check_page, check_scene
from story.dialogue import part_speech
from story.errors import InvalidRequest
from story.grammar import tidy
from story.idea import Idea, read_idea
from story.reading import cut_sentences, too_hard
from story.schema import Page, Scene, Story, StoryRequest, WrittenStory
from story.stage import Mood, Shot, Stage, make_scene
from story.subject import drawn_kind
from story.telling import choose_line, choose_telling, choose_title, fill, story_fields

ARCS: tuple[Arc, ...] = (*fear.ARCS, *sleep.ARCS, *wish.ARCS, *quest.ARCS, *everyday.ARCS, *friends.ARCS)

# Which beats (0 is the opening) share a page in books shorter than eight pages.
_MERGED: Mapping[int, tuple[tuple[int, ...], ...]] = {
    4: ((0, 1), (2, 3, 4), (5, 6), (7,)),
    5: ((0, 1), (2, 3), (4, 5), (6,), (7,)),
    6: ((0, 1), (2,), (3,), (4, 5), (6,), (7,)),
    7: ((0, 1), (2,), (3,), (4,), (5,), (6,), (7,)),
}
# The order in which quiet pages join books longer than eight pages, as indexes of `INTERLUDES`.
_JOINING = (7, 0, 3, 5, 1, 6, 2, 4)

# Who has no friend yet must not be given one on the first page.
_LONELY = re.compile(r"\b(?:friends?|lonely|alone)\b")
_OTHER_MOOD: Mapping[Mood, Mood] = {"glad": "still", "still": "calm", "calm": "still", "asleep": "asleep"}


@dataclass(frozen=True, kw_only=True)
class _ToldBeat:
    text: str
    shot: Shot


class Storyteller:
    """Writes stories from arcs. Keeps nothing between stories, so one may serve many threads."""

    def __init__(self, lexicon: Lexicon, *, count_tokens: Callable[[str], int], max_tokens: int) -> None:
        self.lexicon = lexicon
        self.count_tokens = count_tokens
        self.max_tokens = max_tokens

    def write(self, request: StoryRequest) -> WrittenStory:
        """A checked story for any idea whatever; words that cannot be read are quoted or left out.

        Raises:
            InvalidRequest: No scene can be proven: the encoder takes too few words, or a concept of the bank is
                named by a word that every sentence needs ("in").
        """
        rng = random.Random(f"{request.seed} {request.idea}")
        names = tuple(card.name for card in request.catalog if card.kind == "character")
        kinds = (*(card.word for card in request.catalog if card.kind == "character"), *self.lexicon.characters)
        idea = read_idea(request.idea, names=names, kinds=kinds)
        stage = set_stage(request, idea=idea, lexicon=self.lexicon, rng=rng)
        arc = _choose_arc(idea, stage, rng)
        if arc.night:
            stage = _darkened(stage)
        fields = story_fields(_playable(idea, stage), stage, rng)
        fields |= {"refrain": choose_line(arc.refrains, fields, rng)}
        pages = _spread(_Teller(arc=arc, fields=fields, age=request.age, rng=rng), request.pages)
        story = Story(
            title=choose_title(arc, fields, rng),
            cover=self._scene(Shot(hero="glad", friend=None if arc.stranger else "calm", light="key"), stage),
            pages=self._illustrated(pages, stage, age=request.age),
        )
        if request.speech:
            story = story.model_copy(update={"pages": tuple(_spoken(page, stage) for page in story.pages)})
        self._refuse(self._check_scene(story.cover, request))
        for page in story.pages:
            self._refuse(self._check_page(page, request))
        return WrittenStory(story=story)

    def plain_scene(self, request: StoryRequest, concept_ids: Sequence[str]) -> Scene:
        """A scene with the listed characters, at most two, that is sure to pass; for scenes nobody could mend."""
        shown = tuple(card for card in request.catalog if card.id in concept_ids and card.kind == "character")
        asked = request.model_copy(update={"cast": shown or request.cast})
        stage = set_stage(asked, idea=Idea(), lexicon=self.lexicon, rng=random.Random(request.seed))
        scene = self._scene(Shot(hero="still", friend="calm" if len(shown) > 1 else None), stage)
        self._refuse(self._check_scene(scene, request))
        return scene

    def quiet_pages(self, request: StoryRequest, concept_ids: Sequence[str]) -> tuple[Page, ...]:
        """Eight pages about the first of the listed characters that fit into any story; for pages nobody wrote.

        Raises:
            InvalidRequest: As `write`.
        """
        shown = tuple(card for card in request.catalog if card.id in concept_ids and card.kind == "character")
        rng = random.Random(request.seed)
        asked = request.model_copy(update={"cast": tuple(sorted(shown, key=lambda card: concept_ids.index(card.id)))})
        stage = set_stage(asked if shown else request, idea=Idea(), lexicon=self.lexicon, rng=rng)
        fields = story_fields(Idea(), stage, rng)
        teller = _Teller(arc=everyday.QUESTION, fields=fields, age=request.age, rng=rng)
        pages = self._illustrated([teller.quiet(index) for index in range(len(INTERLUDES))], stage, age=request.age)
        for page in pages:
            self._refuse(self._check_page(page, request))
        return pages

    def _illustrated(self, told: Sequence[_ToldBeat], stage: Stage, *, age: int) -> tuple[Page, ...]:
        """The pages with their scenes; texts that are too hard for the age have their sentences cut.

        A pose tells two pictures in a row apart that would have the same prompt.
        """
        pages: list[Page] = []
        for page in told:
            scene = self._scene(page.shot, stage)
            if pages and scene.prompt == pages[-1].scene.prompt and page.shot.hero is not None:
                scene = self._scene(replace(page.shot, hero=_OTHER_MOOD[page.shot.hero]), stage)
            hard = too_hard(page.text, age=age, language="en")
            pages.append(Page(text=cut_sentences(page.text) if hard else page.text, scene=scene))
        return tuple(pages)

    def _scene(self, shot: Shot, stage: Stage) -> Scene:
        """The shot's scene, with less in it where the encoder takes too few words for all."""
        bare = replace(shot, held=False, boat=False, painted=False)
        for simpler in (shot, bare):
            scene = make_scene(simpler, stage)
            if self.count_tokens(scene.prompt) <= self.max_tokens:
                return scene
        return make_scene(replace(bare, friend=None) if bare.hero else bare, stage)

    def _check_scene(self, scene: Scene, request: StoryRequest) -> tuple[Problem, ...]:
        return check_scene(scene, catalog=request.catalog, count_tokens=self.count_tokens, max_tokens=self.max_tokens)

    def _check_page(self, page: Page, request: StoryRequest) -> tuple[Problem, ...]:
        return check_page(page, catalog=request.catalog, count_tokens=self.count_tokens, max_tokens=self.max_tokens)

    def _refuse(self, problems: Sequence[Problem]) -> None:
        if problems:
            raise InvalidRequest(
                f"This bank and text encoder leave no scene that can be drawn: {problems[0].message}. Every scene "
                "must name its concepts once and fit the encoder. Learn that concept under another word, or use a "
                "model that takes more words."
            )


@dataclass(frozen=True, kw_only=True)
class _Teller:
    """Tells single beats of one story, in the order it is asked."""

    arc: Arc
    fields: Mapping[str, str]
    age: int
    rng: random.Random

    def opening(self, *, introduces_friend: bool) -> _ToldBeat:
        """The opening, with what the pictures show and it does not yet say: the friend's kind, the hero's clothes."""
        told = self._tell(OPENING, without=frozenset({"friend"}) if self.arc.stranger else frozenset())
        if introduces_friend and not self.arc.stranger and self.fields["a_fkind"] not in told.text:
            told = self._with_line(told, FRIEND_LINES)
        if "company" in self.fields:
            told = replace(told, text=f"{told.text} {choose_line(COMPANY_LINES, self.fields, self.rng)}")
        if "garment" not in self.fields:
            return told
        return replace(told, text=f"{told.text} {choose_line(GARMENT_LINES, self.fields, self.rng)}")

    def step(self, beat: Beat) -> _ToldBeat:
        return self._tell(beat)

    def strand(self) -> list[_ToldBeat]:
        """The arc's beats in order; in an arc of strands, all after the want are told from one of them."""
        if not self.arc.strands:
            return [self.step(beat) for beat in self.arc.beats]
        want, *later = self.arc.beats
        strand = self.rng.randrange(min(len(beat.tellings) for beat in later))
        return [self.step(want), *(self.step(replace(beat, tellings=(beat.tellings[strand],))) for beat in later)]

    def ended(self, told: _ToldBeat) -> _ToldBeat:
        """The last beat, with a word to those who did not come in before and to a game that was played."""
        sleeps = told.shot.hero == "asleep"
        if "company" in self.fields:
            told = self._with_line(told, COMPANY_ENDINGS_ASLEEP if sleeps else COMPANY_ENDINGS)
        if "others" in self.fields:
            told = self._with_line(told, OTHERS_LINES_ASLEEP if sleeps else OTHERS_LINES)
        if "role" in self.fields:
            told = self._with_line(told, ROLE_LINES_ASLEEP if sleeps else ROLE_LINES)
        return told

    def _with_line(self, told: _ToldBeat, lines: Sequence[str]) -> _ToldBeat:
        line = choose_line(lines, self.fields, self.rng)
        return replace(told, text=f"{told.text}\n\n{tidy(line)}")

    def quiet(self, index: int) -> _ToldBeat:
        """The quiet page after a beat, dark in an arc of one night and at home where the hero stays there."""
        told = self.step(self.arc.quiet.get(index, INTERLUDES[index]))
        shot = told.shot
        if self.arc.night and shot.light in ("day", "evening") and index > 0:
            shot = replace(shot, light="key")
        if self.arc.stays_home and shot.at != "bed":
            shot = replace(shot, at="home")
        return replace(told, shot=shot)

    def _tell(self, beat: Beat, *, without: frozenset[str] = frozenset()) -> _ToldBeat:
        telling = choose_telling(beat, self.fields, self.rng, without=without)
        return _ToldBeat(text=fill(telling, self.fields, age=self.age), shot=telling.shot or beat.shot)


def _spread(teller: _Teller, num_pages: int) -> list[_ToldBeat]:
    """The beats over so many pages: merged in a short book, with quiet pages between them in a long one."""
    joining = set(_JOINING[: max(0, num_pages - 1 - len(teller.arc.beats))])
    *told, last = teller.strand()
    steps = [teller.opening(introduces_friend=0 not in joining), *told, teller.ended(last)]
    if num_pages < len(steps):
        groups = [[steps[index] for index in group] for group in _MERGED[num_pages]]
        return [_ToldBeat(text="\n\n".join(b.text for b in group), shot=group[-1].shot) for group in groups]
    pages: list[_ToldBeat] = []
    for index, step in enumerate(steps):
        pages += [step, teller.quiet(index)] if index in joining else [step]
    return pages


def _spoken(page: Page, stage: Stage) -> Page:
    """The page with what those in its picture say at its end as speech."""
    drawn = [each for each in (stage.hero, stage.friend) if find_word(page.scene.prompt, each.word)]
    text, speech = part_speech(page.text, {each.name: each.concept_id or each.name for each in drawn})
    return page.model_copy(update={"text": text, "speech": speech})


def _darkened(stage: Stage) -> Stage:
    """The stage with a key light of the night, unless the cast has chosen one."""
    chosen = any(card.kind == "lighting" for card in stage.cast) or stage.key_light in ("moonlight", "lamplight")
    night = next((key for key in ("moonlight", "lamplight") if key in stage.lexicon.lights), stage.key_light)
    return stage if chosen else replace(stage, key_light=night)


def _playable(idea: Idea, stage: Stage) -> Idea:
    """The idea without its hero's own noun where the stage shows just that; what is left has to be played at."""
    is_shown = not idea.kind or drawn_kind(idea.kind) == stage.hero.word or idea.kind == stage.hero.kind
    return replace(idea, hero="" if is_shown else idea.hero)


def _choose_arc(idea: Idea, stage: Stage, rng: random.Random) -> Arc:
    """An arc for what the idea says most clearly; an idea that names no trouble may have any of the everyday arcs."""
    if _LONELY.search(" ".join((idea.wish, idea.thing, *idea.jobs))):
        return friends.UNLIKE
    if idea.fear and idea.wish:
        return sleep.BRAVE_ASLEEP if idea.sleep else fear.BESIDE
    given = {"fear": idea.fear, "sleep": idea.sleep, "wish": idea.wish, "thing": idea.thing, "topic": idea.topic}
    for name, value in given.items():
        if value:
            return rng.choice([arc for arc in ARCS if arc.needs == {name}])
    has_friend = bool(stage.company or idea.friend.name)
    return rng.choice([arc for arc in ARCS if not arc.needs and not (arc.stranger and has_friend)])
