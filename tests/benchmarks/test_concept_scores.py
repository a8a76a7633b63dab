"""What a score is worth: a copy is perfect, each fault costs what it should, and the judge is good enough to tell."""

from dataclasses import replace

import numpy as np
import pytest
from PIL import Image

from benchmarks.concepts.benchmark import Plan, assess_judge, make_plan_cases
from benchmarks.concepts.cases import Case
from benchmarks.concepts.scores import Score, score
from pocket.probe import Reading, load_probe, read_pictures
from pocket.world.drawing import draw_scene
from pocket.world.schema import CHARACTERS, COLOURS, PLACES, Scene, Thing, tint_near

PROBE = load_probe()
CASES = make_plan_cases(Plan(num_sources=8, seed=5), PROBE)


def read(*scenes: Scene) -> list[Reading]:
    return read_pictures(PROBE, [Image.fromarray(draw_scene(scene)) for scene in scenes])


def score_scene(case: Case, scene: Scene) -> Score:
    drawn, *sources = read(scene, *(source.scene for source in case.sources))
    return score(case, drawn, sources)


def case_with(*kinds: str, task: str = "decomposition") -> Case:
    return next(
        case for case in CASES if case.task == task and {concept.kind for concept in case.concepts} == set(kinds)
    )


@pytest.mark.parametrize("case", [case for case in CASES if case.task == "decomposition"], ids=lambda case: case.name)
def test_a_copy_of_the_source_preserves_every_concept(case: Case) -> None:
    (source,) = case.sources
    # The figures that carry the concepts in the new scene are the source's own in the copy.
    copied = replace(case, carriers=tuple(c.figure for c in case.concepts), wanted=source.scene)
    assert score_scene(copied, source.scene).cp == pytest.approx(1)


def test_the_wanted_pictures_score_far_higher_than_the_sources_themselves_keep_to_the_prompt() -> None:
    judge = assess_judge(CASES, PROBE)
    for cp, pf in judge.clean.values():
        assert cp > 0.75
        assert pf > 0.95
    copies = [score_scene(case, case.sources[0].scene).pf for case in CASES]
    assert np.mean(copies) < 0.6


def test_the_judge_reads_what_scores_depend_on() -> None:
    accuracy = assess_judge(CASES, PROBE).accuracy
    assert min(accuracy[name] for name in ("kind", "colour", "pose", "clothing", "place", "light", "number")) > 0.9


def test_the_wrong_colour_costs_preservation_and_not_fidelity() -> None:
    case = case_with("character", "clothing")
    hero = case.wanted.characters[0]
    other = COLOURS[(COLOURS.index(hero.look.colour) + 4) % len(COLOURS)]
    look = replace(hero.look, colour=other, tint=tint_near(other, np.random.default_rng(0)), pattern="plain")
    right, wrong = (
        score_scene(case, replace(case.wanted, characters=(replace(hero, look=each),))) for each in (hero.look, look)
    )
    assert wrong.cp < right.cp - 0.15
    assert wrong.pf == right.pf


def test_another_kind_of_figure_costs_both() -> None:
    case = case_with("character", "lighting")
    hero = case.wanted.characters[0]
    kind = next(kind for kind in CHARACTERS if kind != hero.kind)
    right = score_scene(case, case.wanted)
    wrong = score_scene(case, replace(case.wanted, characters=(replace(hero, kind=kind),)))
    assert wrong.cp < right.cp
    assert wrong.pf < right.pf


def test_the_poser_in_place_of_the_named_figure_is_a_leak_and_no_fidelity() -> None:
    case = case_with("material", "pose")
    poser = case.sources[0].scene.characters[0]
    right = score_scene(case, case.wanted)
    wrong = score_scene(case, replace(case.wanted, characters=(poser,)))
    assert wrong.pf < right.pf
    assert {leak.what for leak in wrong.leaks if leak.leaked} >= {"kind", "colour"}
    assert not any(leak.leaked for leak in right.leaks)


def test_the_place_of_the_source_is_a_leak() -> None:
    case = case_with("character", "clothing")
    wrong = score_scene(case, replace(case.wanted, place=case.sources[0].scene.place))
    assert [leak.what for leak in wrong.leaks if leak.leaked] == ["place"]
    assert wrong.pf < score_scene(case, case.wanted).pf


def test_clothes_that_the_prompt_leaves_open_are_a_leak_when_the_source_wears_them() -> None:
    case = next(
        case
        for case in CASES
        if case.task == "full"
        and any(source.scene.characters[0].clothing for source in case.sources)
        and not any(concept.kind == "clothing" for concept in case.concepts)
    )
    worn = next(s.scene.characters[0].clothing for s in case.sources if s.scene.characters[0].clothing is not None)
    first, *rest = case.wanted.characters
    wrong = score_scene(case, replace(case.wanted, characters=(replace(first, clothing=worn), *rest)))
    assert "clothing" in {leak.what for leak in wrong.leaks if leak.leaked}
    assert wrong.pf < score_scene(case, case.wanted).pf


def test_a_picture_without_figures_keeps_no_figure() -> None:
    case = case_with("character", "clothing")
    empty = replace(read(case.wanted)[0], figures=())
    result = score(case, empty, read(*(source.scene for source in case.sources)))
    assert result.cp == 0
    assert result.pf < 0.5


def test_a_hat_for_a_scarf_is_no_scarf() -> None:
    case = case_with("character", "clothing")
    hero = case.wanted.characters[0]
    assert hero.clothing is not None
    other = Thing(name={"scarf": "hat", "hat": "scarf"}[hero.clothing.name], colour="red", tint=(0.8, 0.2, 0.2))
    wrong = score_scene(case, replace(case.wanted, characters=(replace(hero, clothing=other),)))
    assert wrong.cp < score_scene(case, case.wanted).cp - 0.2
    assert wrong.pf < score_scene(case, case.wanted).pf


def test_no_place_is_like_another() -> None:
    case = CASES[0]
    fidelity = {place: score_scene(case, replace(case.wanted, place=place)).pf for place in PLACES}
    right = fidelity.pop(case.wanted.place)
    assert right > max(fidelity.values())
