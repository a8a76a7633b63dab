"""What a node does is what the model in the service's own process does, with nothing but what travels to it."""

import logging
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from torch.nn.functional import cosine_similarity

from api.cluster.node import CalledOff, Made, NodeModel, Told
from api.cluster.shipping import pack, pack_directions, unpack
from api.commands.learn import recipe_of
from api.service.own_model import OwnModel
from api.service.picture_model import LearningOrder
from api.settings import SAMPLE_BANK_DIR, WantedModel
from concepts.bank import ConceptBank
from concepts.binding import expand_handles
from concepts.errors import DamagedConcept
from generator.directions import load_direction
from generator.errors import InvalidSettings
from generator.recipe import ConceptRequest, LearningRecipe
from generator.settings import RenderSettings

BANK = ConceptBank(SAMPLE_BANK_DIR)
BOUND = expand_handles("a @rusty waving in the snow", BANK)
READ_WITH = (BOUND.prompt, "a cat")
SMALL = RenderSettings(num_inference_steps=3, guidance_scale=2.5, height=256, width=256, max_sequence_length=64)


@pytest.fixture(scope="module")
def node(pocket_model_dir: Path) -> NodeModel:
    return NodeModel(WantedModel(source=str(pocket_model_dir)))


def drawing(*, wants_previews: bool = False, **options: Any) -> dict[str, Any]:
    options = {
        "seed": 4,
        "settings": SMALL,
        "strengths": None,
        "slides": (),
        "read_with": READ_WITH,
        **options,
    }
    concepts = pack_directions(BANK, ["rusty"])
    return {"bound": BOUND, "concepts": concepts, "wants_previews": wants_previews, "options": options}


def order_with(recipe: LearningRecipe) -> LearningOrder:
    return LearningOrder(
        picture=Image.open(BANK.source_path("rusty")).convert("RGB"),
        caption=BANK.get("rusty").caption,
        concepts=(ConceptRequest(id="rufus", word=BANK.get("rusty").word, kind="character"),),
        recipe=recipe,
    )


def test_a_picture_is_the_same_and_its_steps_are_told(node: NodeModel, pocket_model_dir: Path) -> None:
    node.load()
    *steps, made = node.work(1, "render", drawing())
    assert steps[0] == Told("on_step", (1, 3)) and steps[-1] == Told("on_step", (3, 3)), "others may follow too fast"
    renderer = OwnModel(WantedModel(source=str(pocket_model_dir))).renderer(BANK)
    here = renderer.render(BOUND, seed=4, settings=SMALL, read_with=READ_WITH)
    assert isinstance(made, Made) and np.array_equal(np.asarray(made.value), np.asarray(here))


def test_previews_go_before_the_steps_that_are_told(node: NodeModel) -> None:
    long = replace(SMALL, num_inference_steps=60)
    *told, _ = node.work(8, "render", drawing(settings=long, wants_previews=True))
    names = [each.callback for each in told if isinstance(each, Told)]
    assert names[0] == "on_step" and "on_preview" in names
    pairs = list(zip(names, names[1:], strict=False))
    assert ("on_preview", "on_preview") not in pairs
    assert all(
        isinstance(each, Told) and each.values[0].size == (64, 64) for each in told if each.callback == "on_preview"
    )


def test_what_the_work_raises_comes_through_and_the_next_piece_is_done(node: NodeModel) -> None:
    with pytest.raises(InvalidSettings):
        list(node.work(2, "render", drawing(strengths={"night": 1.0})))
    assert isinstance(list(node.work(3, "render", drawing()))[-1], Made)


def test_work_that_is_called_off_ends_at_the_next_step(node: NodeModel) -> None:
    pieces = node.work(4, "render", drawing())
    next(pieces)
    node.call_off(4)
    with pytest.raises(CalledOff):
        list(pieces)
    assert isinstance(list(node.work(5, "render", drawing()))[-1], Made), "later work is not called off"


def test_learning_goes_on_elsewhere_from_a_checkpoint_that_was_sent(node: NodeModel, tmp_path: Path) -> None:
    recipe = recipe_of(num_parameters=0, steps=3, seed=0).model_copy(
        update={"isolation_fraction": 0.0, "checkpoint_every": 1}
    )
    order = order_with(recipe)
    whole = list(node.work(6, "learn", {"order": order, "checkpoint": None}))
    checkpoint = next(each.values[0] for each in whole if isinstance(each, Told) and each.callback == "on_checkpoint")
    rest = list(node.work(7, "learn", {"order": order, "checkpoint": checkpoint}))
    assert (steps_of(whole)[0], steps_of(rest)[0]) == (1, 2)
    names = [each.callback for each in whole if isinstance(each, Told)]
    assert names.index("on_peek_step") < names.index("on_peek") < names.index("on_previews")
    previews = [each.values for each in whole if isinstance(each, Told) and each.callback == "on_previews"]
    assert previews[-1] == (16, 16) and len(previews) > 1
    banks = [
        unpack(made.value, tmp_path / str(number))
        for number, (*_, made) in enumerate((whole, rest))
        if isinstance(made, Made)
    ]
    first, second = (load_direction(bank.direction_path("rufus")).vectors.flatten() for bank in banks)
    # Not always the same bits; why is not known.
    assert cosine_similarity(first, second, dim=0) > 0.999
    assert banks[0].get("rufus").base_model == node.load().model.fingerprint


def test_pictures_beside_the_source_are_drawn_once_by_a_process(
    node: NodeModel, caplog: pytest.LogCaptureFixture
) -> None:
    order = order_with(recipe_of(num_parameters=0, steps=3, seed=0))
    with caplog.at_level(logging.INFO, "generator.isolation"):
        for number in (9, 10):
            pieces = node.work(number, "learn", {"order": order, "checkpoint": None})
            told = [next(pieces) for _ in range(2)]
            assert [each.values[0] for each in told if isinstance(each, Told)] == [1, 2]
            node.call_off(number)
            with pytest.raises(CalledOff):
                list(pieces)
    drawn = [record.getMessage() for record in caplog.records if record.name == "generator.isolation"]
    assert drawn and len(drawn) == len(set(drawn))


def test_previews_of_what_was_learnt_are_called_off_too(node: NodeModel) -> None:
    recipe = recipe_of(num_parameters=0, steps=3, seed=0).model_copy(update={"isolation_fraction": 0.0})
    pieces = node.work(11, "learn", {"order": order_with(recipe), "checkpoint": None})
    assert any(isinstance(each, Told) and each.callback == "on_previews" for each in pieces)
    node.call_off(11)
    with pytest.raises(CalledOff):
        list(pieces)


def test_a_model_that_is_loaded_within_a_piece_of_work_says_so(node: NodeModel) -> None:
    node.unload()
    told = list(node.work(12, "render", drawing()))
    assert told[:2] == [Told("on_loading", (True,)), Told("on_loading", (False,))]


def steps_of(pieces: Sequence[Told | Made]) -> list[int]:
    return [each.values[0].step for each in pieces if isinstance(each, Told) and each.callback == "on_step"]


def test_what_else_lies_in_a_concepts_folder_does_not_travel(tmp_path: Path) -> None:
    bank = unpack(pack(BANK, ["rusty"]), tmp_path / "bank")
    place = bank.direction_path("rusty").parent
    (place / "@eaDir").mkdir()
    (place / "notes.txt").write_text("mine")
    assert pack(bank, ["rusty"]) == pack(BANK, ["rusty"])


def test_a_damaged_concept_does_not_travel(tmp_path: Path) -> None:
    bank = unpack(pack(BANK, ["rusty"]), tmp_path / "bank")
    assert bank.get("rusty") == BANK.get("rusty")
    bank.direction_path("rusty").write_bytes(b"something else")
    with pytest.raises(DamagedConcept):
        pack(bank, ["rusty"])
