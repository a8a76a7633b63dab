"""Fills an arc's templates with a story's own words.

Knows fields and tellings; which arc, which pages and which pictures is `story/storyteller.py`'s business.
"""

import random
from collections.abc import Iterable, Mapping

from story.arcs.model import Arc, Beat, Line, Telling
from story.arcs.shared import ANYWHERE_LOOKS, GLOW, PLACE_WORDS
from story.grammar import is_plural, join_names, past_phrase, tidy, title_case, with_article
from story.idea import Idea
from story.stage import Place, Spot, Stage

MAX_TITLE_LENGTH = 52

# What stands for the thing that is sought.
_IT = {"it": "it", "them": "it", "is_it": "is it", "it_was": "it was", "that": "that"}
_THEM = {"it": "they", "them": "them", "is_it": "are they", "it_was": "they were", "that": "those"}
_ONLY_ONES = frozenset("sun moon sea sky wind earth".split())


def story_fields(idea: Idea, stage: Stage, rng: random.Random) -> dict[str, str]:
    """Values of all fields that this story has, each also under its capitalised name; empty values are left out."""
    hero, friend = stage.hero, stage.friend
    values = {
        "hero": hero.name,
        "kind": hero.kind or "one",
        "a_kind": with_article(hero.kind) if hero.kind else "somebody",
        "he": hero.pronouns.he,
        "him": hero.pronouns.him,
        "his": hero.pronouns.his,
        "himself": hero.pronouns.himself,
        "friend": friend.name,
        "a_fkind": with_article(friend.kind) if friend.kind else "somebody",
        "fhe": friend.pronouns.he,
        "fhim": friend.pronouns.him,
        "fhis": friend.pronouns.his,
        "held": stage.dress.held,
        "pattern": stage.dress.paint,
        "glow": GLOW.get(stage.key_light, "when the day was done"),
        "job": _own(join_names(list(idea.jobs)), stage),
        "deed": "" if any(job.startswith("lived ") for job in idea.jobs) else _own(join_names(list(idea.jobs)), stage),
        "event": _own(idea.event, stage),
        "fear": _own(idea.fear, stage),
        "wish": _own(idea.wish, stage),
        "wish_past": _own(past_phrase(idea.wish), stage) if idea.wish else "",
        "thing": _own(idea.thing, stage),
        "lost": _own(idea.thing, stage) if idea.is_lost else "",
        "garment": stage.dress.garment,
        "a_carried": with_article(stage.dress.carried) if stage.dress.carried else "",
        "a_standing": with_article(stage.dress.standing) if stage.dress.standing else "",
        **(_THEM if is_plural(idea.thing) else _IT),
        "topic": idea.topic,
        "quote": idea.quote[:1].upper() + idea.quote[1:],
        "role": idea.hero,
        "others": join_names([each.name for each in stage.others]),
        "company": join_names([each.name for each in stage.company]),
        "a_company": join_names([f"{_introduced(each.kind)} called {each.name}" for each in stage.company]),
        "a_role": _introduced(idea.hero) if idea.hero else "",
    }
    for name, phrase in (("fear", idea.fear), ("wish", idea.wish), ("thing", idea.thing)):
        values |= {f"my_{name}": _own(phrase, stage, "my"), f"your_{name}": _own(phrase, stage, "your")}
    values |= _place_fields(stage, rng)
    fields = {name: value for name, value in values.items() if value}
    return fields | {name[0].upper() + name[1:]: value[0].upper() + value[1:] for name, value in fields.items()}


def _introduced(kind: str) -> str:
    """The kind with its article: "a fox", and "the moon", of which there is only one."""
    return f"the {kind}" if kind in _ONLY_ONES else with_article(kind)


def _own(phrase: str, stage: Stage, owner: str = "") -> str:
    """The phrase with its possessives turned to the hero's own, or to "my" or "your" where somebody speaks."""
    pronouns = stage.hero.pronouns
    his, himself = (owner, f"{owner}self") if owner else (pronouns.his, pronouns.himself)
    forms: dict[str, str] = dict.fromkeys(("his", "her", "its", "their", "my"), his)
    forms |= dict.fromkeys(("himself", "herself", "itself", "themselves"), himself)
    return " ".join(forms.get(word, word) for word in phrase.split())


def _place_fields(stage: Stage, rng: random.Random) -> dict[str, str]:
    values: dict[str, str] = {}
    spots: tuple[tuple[str, Spot], ...] = (("home", "home"), ("p1", "first"), ("p2", "second"), ("p3", "third"))
    for suffix, spot in spots:
        place: Place = stage.places[spot]
        phrase = place.phrase or "in the world"
        noun = phrase.partition(" ")[2]
        noun, at, to, looks = PLACE_WORDS.get(place.key, (noun, phrase, f"to {noun}", ANYWHERE_LOOKS))
        look = "look_home" if suffix == "home" else f"look{suffix[1]}"
        values |= {suffix: noun, f"at_{suffix}": at, f"to_{suffix}": to, look: rng.choice(looks)}
    return values


def choose_telling(
    beat: Beat, fields: Mapping[str, str], rng: random.Random, *, without: frozenset[str] = frozenset()
) -> Telling:
    """One of the beat's tellings that can be filled and says most of the idea.

    Args:
        without: Fields that must not be used here, in lower case.
    """
    fillable = [telling for telling in beat.tellings if is_fillable(telling, fields) and not telling.fields & without]
    most = max(len(telling.idea_fields) for telling in fillable)
    return rng.choice([telling for telling in fillable if len(telling.idea_fields) == most])


def is_fillable(telling: Telling, fields: Mapping[str, str]) -> bool:
    """Whether every field of the telling has a value."""
    return telling.fields <= {name.lower() for name in fields}


def choose_line(templates: Iterable[str], fields: Mapping[str, str], rng: random.Random) -> str:
    """One of the templates whose fields all have values, filled."""
    fillable = [text for text in templates if is_fillable(Telling((Line(text),)), fields)]
    return rng.choice(fillable).format_map(fields)


def fill(telling: Telling, fields: Mapping[str, str], *, age: int) -> str:
    """The telling's text for a child of that age."""
    return tidy(telling.told_at(age).format_map(fields))


def choose_title(arc: Arc, fields: Mapping[str, str], rng: random.Random) -> str:
    """One of the arc's titles that fits on a cover; the hero's name when none does."""
    titles = [title_case(choose_line([template], fields, rng)) for template in arc.titles]
    short = [title for title in titles if len(title) <= MAX_TITLE_LENGTH]
    return rng.choice(short) if short else fields["hero"]
