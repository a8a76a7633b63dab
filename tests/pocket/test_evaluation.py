"""The verdict on what the model draws counts what was asked for, and asks for what training never drew."""

from dataclasses import replace

import numpy as np
import pytest
from PIL import Image

from pocket.evaluation import agreement, contact_sheet, full_captions, unseen_scenes
from pocket.probe import readings_of
from pocket.world.schema import combination_is_held_out, sample_scene
from tests.pocket.builders import character, scene, thing
from tests.pocket.test_probe import right_answers

ASKED = scene(
    character("fox", colour="blue", clothing=thing("scarf", "red"), held=thing("lantern")),
    character("cat", colour="white"),
    place="beach",
    light="fog",
)
(READ,) = readings_of(right_answers(ASKED))


def test_reading_the_truth_agrees_in_everything() -> None:
    scenes = [sample_scene(np.random.default_rng(seed)) for seed in range(60)]
    shares = agreement(scenes, readings_of(right_answers(*scenes)))
    assert set(shares) == {
        "place", "light", "number", "kind", "pose", "colour", "pattern", "clothes", "clothes colour", "held",
    }  # fmt: skip
    assert set(shares.values()) == {1.0}


@pytest.mark.parametrize(
    ("name", "changes", "share"),
    [
        ("kind", {"kind": "bear"}, 0.5),
        ("pose", {"pose": "jumping"}, 0.5),
        ("colour", {"colour": "gold"}, 0.5),
        ("pattern", {"pattern": "golden"}, 0.5),
        ("clothes", {"clothing": "hat"}, 0.5),
        ("clothes colour", {"clothing_colour": "green"}, 0.0),
        ("held", {"held": "umbrella"}, 0.0),
    ],
)
def test_one_wrong_reading_lowers_its_share_and_no_other(name: str, changes: dict[str, str], share: float) -> None:
    first, second = READ.figures
    reading = replace(READ, figures=(replace(first, **changes), second))
    shares = agreement([ASKED], [reading])
    assert {n: s for n, s in shares.items() if s != 1} == {name: share}


def test_a_missing_figure_is_wrong_in_all_that_was_asked_of_it() -> None:
    shares = agreement([ASKED], [replace(READ, figures=READ.figures[:1])])
    assert (shares["number"], shares["kind"], shares["pose"], shares["held"]) == (0, 0.5, 0.5, 1)


def test_figures_in_the_wrong_order_do_not_agree() -> None:
    assert agreement([ASKED], [replace(READ, figures=READ.figures[::-1])])["kind"] == 0


def test_shares_are_means_over_scenes() -> None:
    shares = agreement([ASKED, ASKED], [READ, replace(READ, place="snow")])
    assert (shares["place"], shares["light"]) == (0.5, 1)


def test_unseen_scenes_are_unseen_and_their_captions_repeatable() -> None:
    scenes = unseen_scenes(8, seed=1)
    assert len(scenes) == 8
    assert all(combination_is_held_out(shown) for shown in scenes)
    assert scenes == unseen_scenes(8, seed=1) != unseen_scenes(8, seed=2)
    for shown, text in zip(scenes, full_captions(scenes, seed=1), strict=True):
        assert shown.characters[0].kind in text
        assert shown.place in text


def test_a_sheet_has_a_cell_for_every_picture() -> None:
    sheet = contact_sheet([Image.new("RGB", (64, 64), "red")] * 5, ["a fox in the snow"] * 5, columns=3)
    assert sheet.size == (600, 500)
    assert sheet.getpixel((100, 100)) == sheet.getpixel((300, 350)) == (255, 0, 0)
    assert sheet.getpixel((500, 350)) == (255, 255, 255)
