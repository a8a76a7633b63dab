"""The probe's answers are worded as the world words them, and it learns only from what there is to read."""

import numpy as np
import pytest
import torch
from PIL import Image
from torch import Tensor

from pocket.probe import (
    FIGURE_ATTRIBUTES,
    FIGURE_MEASURES,
    NUM_SLOTS,
    SCENE_ATTRIBUTES,
    SCENE_MEASURES,
    Figure,
    Probe,
    read_pictures,
    readings_of,
    to_probe_input,
)
from pocket.training.probe import IGNORED, _loss, truth_of
from pocket.world.schema import Scene
from tests.pocket.builders import character, scene, thing

PAIR = scene(
    character("fox", colour="blue", pattern="striped", pose="waving", clothing=thing("scarf", "red")),
    character("bear", pattern="golden", held=thing("lantern")),
    place="beach",
    light="fog",
)
SINGLE = scene(character("cat", colour="white"), place="town", light="sunset", boat=thing("boat", "pink"))


def _right_logits(truth: dict[str, Tensor]) -> dict[str, Tensor]:
    values = FIGURE_ATTRIBUTES | SCENE_ATTRIBUTES
    logits = {
        name: 30.0 * torch.nn.functional.one_hot(truth[name].clamp(min=0), len(values[name])).float() for name in values
    }
    share = truth["coverage"] / truth["coverage"].sum(-1, keepdim=True).clamp(min=1)
    measures = {name: truth[name].nan_to_num(0.5) for name in (*FIGURE_MEASURES, *SCENE_MEASURES)}
    return logits | measures | {"where": share}


def _truth(*scenes: Scene) -> dict[str, Tensor]:
    """The truth with the whole of each figure in one cell of its own."""
    truth = truth_of(list(scenes))
    truth["coverage"] = torch.zeros(len(scenes), NUM_SLOTS, 64)
    for i, shown in enumerate(scenes):
        for slot in range(len(shown.characters)):
            truth["coverage"][i, slot, 10 * slot] = 1
    return truth


def right_answers(*scenes: Scene) -> dict[str, Tensor]:
    """What a probe that is always right answers; where there is nothing to read it names its first class."""
    return _right_logits(_truth(*scenes))


def test_the_truth_read_back_is_the_scene() -> None:
    pair, single = readings_of(right_answers(PAIR, SINGLE))
    fox, bear = pair.figures
    assert (pair.place, pair.light, pair.object) == ("beach", "fog", "none")
    assert fox == Figure(
        kind="fox",
        colour="blue",
        pattern="striped",
        pose="waving",
        clothing="scarf",
        clothing_colour="red",
        held="none",
        ears=str(PAIR.characters[0].look.ears),
        tail=str(PAIR.characters[0].look.tail),
        tint=fox.tint,
        accent=fox.accent,
        clothing_tint=fox.clothing_tint,
        build=fox.build,
    )
    look = PAIR.characters[0].look
    assert fox.tint == pytest.approx(look.tint)
    assert fox.accent == pytest.approx(look.accent)
    assert fox.clothing_tint == pytest.approx(PAIR.characters[0].clothing.tint)
    assert fox.build == pytest.approx((1 + look.build) / 2)
    assert pair.light_hue == pytest.approx((1 + PAIR.light_hue) / 2)
    assert pair.layout == str(PAIR.layout)
    assert (bear.kind, bear.colour, bear.pattern, bear.held) == ("bear", "gold", "golden", "lantern")
    assert (bear.clothing, bear.clothing_colour, bear.clothing_tint) == ("none", None, None)
    assert [figure.kind for figure in single.figures] == ["cat"]
    assert single.object == "boat"


def test_where_nothing_is_shown_nothing_is_true() -> None:
    truth = truth_of([PAIR, SINGLE])
    assert truth["clothing_colour"].tolist()[0][1] == IGNORED
    assert [truth[name][1, 1].item() == IGNORED for name in FIGURE_ATTRIBUTES if name != "kind"] == [True] * 8
    assert FIGURE_ATTRIBUTES["kind"][truth["kind"][1, 1]] == "none"
    assert truth["tint"][0, 1].isnan().all(), "gold has no tint"
    assert truth["tint"][1, 1].isnan().all()


def test_being_right_costs_nothing_and_every_wrong_answer_something() -> None:
    truth = _truth(PAIR, SINGLE)
    right = _right_logits(truth)
    assert _loss(right, truth) < 1e-4
    for name in right:
        is_one_number = right[name].shape[-1] == 1
        wrong = right | {name: (right[name] + 0.5) % 1 if is_one_number else right[name].roll(1, dims=-1)}
        assert _loss(wrong, truth) > 0.02, name


def test_answers_where_there_is_nothing_to_read_cost_nothing() -> None:
    truth = _truth(PAIR, SINGLE)
    logits = _right_logits(truth)
    before = _loss(logits, truth)
    for name in FIGURE_ATTRIBUTES:
        if name != "kind":
            logits[name][1, 1] = torch.randn(len(FIGURE_ATTRIBUTES[name]))
    logits["clothing_colour"][0, 1] = torch.randn(8)
    logits["tint"][0, 1] = 0.9
    logits["tint"][1, 1] = 0.1
    logits["where"][1, 1] = 1 / 64
    assert torch.equal(_loss(logits, truth), before)


def test_a_probe_answers_every_attribute_and_looks_somewhere() -> None:
    torch.manual_seed(0)
    with torch.no_grad():
        logits = Probe()(torch.rand(2, 3, 128, 128))
    for name, values in FIGURE_ATTRIBUTES.items():
        assert logits[name].shape == (2, NUM_SLOTS, len(values))
    for name, values in SCENE_ATTRIBUTES.items():
        assert logits[name].shape == (2, len(values))
    for name, size in FIGURE_MEASURES.items():
        assert logits[name].shape == (2, NUM_SLOTS, size)
    assert logits["light_hue"].shape == (2, 1)
    torch.testing.assert_close(logits["where"].sum(-1), torch.ones(2, NUM_SLOTS))


def test_pictures_of_any_size_and_mode_are_read() -> None:
    torch.manual_seed(0)
    pictures = [Image.new("RGB", (256, 256), "red"), Image.new("L", (100, 40), 90)]
    readings = read_pictures(Probe().eval(), pictures)
    assert len(readings) == 2
    for reading in readings:
        assert reading.place in SCENE_ATTRIBUTES["place"]
        assert len(reading.figures) <= NUM_SLOTS


def test_probe_input_is_the_mean_of_four_pixels() -> None:
    pixels = np.zeros((1, 256, 256, 3), np.uint8)
    pixels[0, 2:4, 6:8, 1] = [[255, 255], [0, 0]]
    tensor = to_probe_input(pixels)
    assert tensor.shape == (1, 3, 128, 128)
    assert tensor[0, 1, 1, 3].item() == pytest.approx(0, abs=1e-6)
    assert tensor[0, 0, 1, 3].item() == -1
