"""The built-in storyteller: a seeded planner over story arcs, no language model, no network.

It reads the idea, sets a stage, chooses an arc that the idea can carry, spreads its beats over the pages, and fills
them with the idea's own words. The same request gives the same story on every machine. It knows English only.
"""

import random
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

from concepts.lexicon import Lexicon
from story.arcs import everyday, fear, friends, quest, sleep, wish
from story.arcs.model import Arc, Beat
from story.arcs.shared import (
    CARRIED_LINES,
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
    STANDING_LINES,
)
from story.casting import set_stage
from story.checks import Problem, check_page, check_scene, undrawn_cast
from story.dialogue import part_speech
from story.dressing import Dress
from story.errors import InvalidRequest
from story.grammar import tidy, with_article
from story.idea import Idea, read_idea
from story.idea_props import PropWords
from story.reading import cut_sentences, too_hard
from story.schema import Page, Scene, Story, StoryRequest, WrittenStory
from story.stage import Beside, Character, Mood, Picture, Shot, Stage, make_picture
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

_GUESTS: tuple[Beside, ...] = ("others", "company")
_FOUND = 6
"""The step at which a search ends, counted from the opening."""
# Who has no friend yet must not be given one on the first page.
_LONELY = re.compile(r"\b(?:friends?|lonely|alone)\b")
_OWN = re.compile(r"\band (?:his|her|its|their)\b")
"""What is said of a companion who is no stranger: "a bear and her cub"."""
_NIGHT_LIGHTS = ("moonlight", "lamplight")
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
        words = PropWords.of(self.lexicon, request.catalog)
        idea = read_idea(request.idea, names=names, kinds=kinds, drawn=words)
        stage = set_stage(request, idea=idea, lexicon=self.lexicon, rng=rng)
        arc = _choose_arc(idea, stage, rng)
        if arc.night:
            stage = _darkened(stage)
        fields = story_fields(_playable(idea, stage), stage, rng)
        fields |= {"refrain": choose_line(arc.refrains, fields, rng)}
        guests = frozenset[Beside](who for who in _GUESTS if stage.beside(who))
        told = _spread(_Teller(arc=arc, fields=fields, age=request.age, rng=rng, guests=guests), request.pages)
        title = choose_title(arc, fields, rng)
        cover = self._picture(Shot(hero=stage.cover_mood, friend=None if arc.stranger else "calm", light="key"), stage)
        pictures = self._pictures(told, stage)
        pages = _bound(told, pictures, age=request.age)
        if request.speech:
            pages = tuple(_spoken(page, each.figures) for page, each in zip(pages, pictures, strict=True))
        story = Story(title=title, cover=cover.scene, pages=pages)
        self._refuse(self._check_scene(story.cover, request))
        for page in story.pages:
            self._refuse(self._check_page(page, request))
        warnings = (
            *undrawn_cast(story, request.cast),
            *_undrawn_told((cover, *pictures), stage),
            *_undrawn_props(story, idea, stage.dress),
        )
        return WrittenStory(story=story, warnings=warnings)

    def plain_scene(self, request: StoryRequest, concept_ids: Sequence[str]) -> Scene:
        """A scene with the listed characters, at most two, that is sure to pass; for scenes nobody could mend."""
        shown = tuple(card for card in request.catalog if card.id in concept_ids and card.kind == "character")
        asked = request.model_copy(update={"cast": shown or request.cast})
        stage = set_stage(asked, idea=Idea(), lexicon=self.lexicon, rng=random.Random(request.seed))
        scene = self._picture(Shot(hero="still", friend="calm" if len(shown) > 1 else None), stage).scene
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
        told = [teller.quiet(index) for index in range(len(INTERLUDES))]
        pages = _bound(told, self._pictures(told, stage), age=request.age)
        for page in pages:
            self._refuse(self._check_page(page, request))
        return pages

    def _pictures(self, told: Sequence[_ToldBeat], stage: Stage) -> list[Picture]:
        """The pages' pictures; a pose tells two in a row apart that would have the same prompt."""
        pictures: list[Picture] = []
        for page in told:
            picture = self._picture(page.shot, stage)
            is_again = pictures != [] and picture.scene.prompt == pictures[-1].scene.prompt
            if is_again and page.shot.hero is not None:
                picture = self._picture(replace(page.shot, hero=_OTHER_MOOD[page.shot.hero]), stage)
            pictures.append(picture)
        return pictures

    def _picture(self, shot: Shot, stage: Stage) -> Picture:
        """The shot's picture, with less in it where the encoder takes too few words for all."""
        bare = replace(shot, held=False, boat=False, painted=False)
        empty = replace(stage, dress=replace(stage.dress, carried="", found_held="", standing=""))
        for simpler, there in ((shot, stage), (bare, empty)):
            picture = make_picture(simpler, there)
            if self.count_tokens(picture.scene.prompt) <= self.max_tokens:
                return picture
        return make_picture(replace(bare, friend=None) if bare.hero else bare, empty)

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
    guests: frozenset[Beside] = frozenset()
    """Of the others and the company, who can be drawn beside the hero."""

    def opening(self, *, introduces_friend: bool) -> _ToldBeat:
        """The opening, with what the pictures show and it does not yet say: the friend's kind, the hero's clothes."""
        told = self._tell(OPENING, without=frozenset({"friend"}) if self.arc.stranger else frozenset())
        if introduces_friend and not self.arc.stranger and self.fields["a_fkind"] not in told.text:
            told = self._with_line(told, FRIEND_LINES)
        if "company" in self.fields:
            told = replace(told, text=f"{told.text} {choose_line(COMPANY_LINES, self.fields, self.rng)}")
            if "company" in self.guests and told.shot.friend is None:
                told = replace(told, shot=replace(told.shot, friend="still", beside="company"))
        own = (("garment", GARMENT_LINES), ("a_carried", CARRIED_LINES), ("a_standing", STANDING_LINES))
        for thing, lines in own:
            if thing in self.fields:
                told = replace(told, text=f"{told.text} {tidy(choose_line(lines, self.fields, self.rng))}")
        return told

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
        if "others" in self.guests:
            return replace(told, shot=replace(told.shot, beside="others"))
        if "company" in self.guests and not sleeps:
            return replace(told, shot=replace(told.shot, beside="company"))
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
    if "thing" in teller.arc.needs:
        steps[_FOUND:] = [_with_found(step) for step in steps[_FOUND:]]
    if num_pages < len(steps):
        groups = [[steps[index] for index in group] for group in _MERGED[num_pages]]
        return [_ToldBeat(text="\n\n".join(b.text for b in group), shot=group[-1].shot) for group in groups]
    pages: list[_ToldBeat] = []
    for index, step in enumerate(steps):
        pages.append(step)
        if index in joining:
            quiet = teller.quiet(index)
            pages.append(_with_found(quiet) if step.shot.found else quiet)
    return pages


def _with_found(told: _ToldBeat) -> _ToldBeat:
    return replace(told, shot=replace(told.shot, found=True))


def _bound(told: Sequence[_ToldBeat], pictures: Sequence[Picture], *, age: int) -> tuple[Page, ...]:
    """Texts and scenes as pages; texts that are too hard for the age have their sentences cut."""
    texts = (cut_sentences(each.text) if too_hard(each.text, age=age, language="en") else each.text for each in told)
    return tuple(Page(text=text, scene=picture.scene) for text, picture in zip(texts, pictures, strict=True))


def _spoken(page: Page, figures: Sequence[Character]) -> Page:
    """The page with what those in its picture say at its end as speech."""
    text, speech = part_speech(page.text, {each.name: each.concept_id or each.name for each in figures})
    return page.model_copy(update={"text": text, "speech": speech})


def _undrawn_told(pictures: Sequence[Picture], stage: Stage) -> tuple[str, ...]:
    """A warning for each whom the idea names and no picture shows."""
    drawn = {figure.name for picture in pictures for figure in picture.figures}
    warnings: list[str] = []
    for each in stage.told:
        reason = "a picture shows two figures at most"
        if not each.word:
            reason = f"neither the bank nor the picture model knows {with_article(each.kind)}"
        elif stage.is_taken(each):
            reason = f"the word {each.word!r} draws somebody else of the bank, and a picture has it once"
        if each.name not in drawn:
            warnings.append(f"{each.name} is in no picture: {reason}.")
    return tuple(warnings)


def _undrawn_props(story: Story, idea: Idea, dress: Dress) -> tuple[str, ...]:
    """A warning for each thing of the idea that no picture shows, and why where another stands in for it."""
    prompts = " ".join(scene.prompt for scene in story.scenes)
    told = idea.props
    pairs = ((told.garment, dress.garment), (told.held, dress.carried), (told.thing, dress.standing))
    replaced = [thing for thing, drawn in pairs if drawn not in ("", thing) and drawn in prompts]
    instead = ": what is cast, or a concept of that word, is drawn instead"
    return tuple(
        f"No picture shows the idea's {thing!r}{instead if thing in replaced else ''}."
        for thing in (told.garment, told.held, told.thing, *told.beyond)
        if thing and thing not in prompts
    )


def _darkened(stage: Stage) -> Stage:
    """The stage with a key light of the night, unless the cast has chosen one."""
    chosen = any(card.kind == "lighting" for card in stage.cast) or stage.key_light in _NIGHT_LIGHTS
    night = next((key for key in _NIGHT_LIGHTS if key in stage.lexicon.lights), stage.key_light)
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
    needs = frozenset([name for name, value in given.items() if value][:1])
    has_friend = bool(stage.company or idea.friend.name or _OWN.search(idea.words))
    fitting = [arc for arc in ARCS if arc.needs == needs and not (arc.stranger and has_friend)]
    is_light = idea.props.light not in ("", *_NIGHT_LIGHTS)
    by_day = [arc for arc in fitting if not (is_light and arc.night)]
    return rng.choice(by_day or fitting)
