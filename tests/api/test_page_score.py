"""The page score, on pictures of which it is known what they show: those that the picture world draws."""

from dataclasses import dataclass

import numpy as np
import pytest
from PIL import Image

from api.book_lock import LockedModel, LockedPicture, locked_picture
from api.page_score import ProbeScorer
from api.settings import LEXICON_PATH, SAMPLE_BANK_DIR
from concepts.bank import ConceptBank
from concepts.lexicon import Lexicon
from pocket.world.captions import PLAIN, write_caption
from pocket.world.drawing import draw_scene
from pocket.world.schema import sample_scene
from story.schema import Scene

NUM_PICTURES = 10


@dataclass(frozen=True)
class Drawn:
    """A picture of the world and its full caption."""

    image: Image.Image
    caption: str


@pytest.fixture(scope="module")
def scorer() -> ProbeScorer:
    return ProbeScorer(ConceptBank(SAMPLE_BANK_DIR), Lexicon.load(LEXICON_PATH))


@pytest.fixture(scope="module")
def pictures() -> list[Drawn]:
    """Half of them with one figure, half with two."""
    rng = np.random.default_rng(11)
    scenes = [sample_scene(rng, num_characters=1 + index % 2) for index in range(NUM_PICTURES)]
    return [Drawn(Image.fromarray(draw_scene(each)), write_caption(each, rng, PLAIN).text) for each in scenes]


def plain(prompt: str) -> LockedPicture:
    return LockedPicture(prompt=prompt, seed=0, mentions=(), concepts={})


def test_a_picture_of_all_that_is_asked_for_has_nearly_full_marks(scorer: ProbeScorer, pictures: list[Drawn]) -> None:
    scores = [scorer.score(each.image, plain(each.caption)) for each in pictures]
    assert np.mean(scores) >= 0.95, scores


def test_every_picture_suits_its_own_caption_best(scorer: ProbeScorer, pictures: list[Drawn]) -> None:
    for own in pictures:
        best = max(pictures, key=lambda each: scorer.score(own.image, plain(each.caption)))
        assert best is own


@pytest.mark.parametrize(
    "words",
    [("fox", "cat", "rabbit", "bear", "robot", "child"), ("standing", "sitting", "waving", "jumping", "sleeping"),
     ("in daylight", "at sunset", "in the moonlight", "in the lamplight", "in the fog"),
     ("in the meadow", "in the forest", "on the beach", "in the snow", "in the town", "in the bedroom")],
    ids=["kind", "pose", "light", "place"],
)  # fmt: skip
def test_whatever_is_not_as_asked_costs_marks(
    scorer: ProbeScorer, pictures: list[Drawn], words: tuple[str, ...]
) -> None:
    costs = []
    for each in pictures[::2]:
        asked = next((word for word in words if word in each.caption), None)
        if asked is not None:
            other = each.caption.replace(asked, words[words.index(asked) - 1])
            costs.append(scorer.score(each.image, plain(each.caption)) - scorer.score(each.image, plain(other)))
    assert len(costs) >= 3 and np.mean(costs) > 0.08, costs


def test_a_concept_has_to_look_like_its_source(scorer: ProbeScorer) -> None:
    """The source's own caption, with its own picture and with one of other colours."""
    bank = ConceptBank(SAMPLE_BANK_DIR)
    concept = bank.get("clover")
    model = LockedModel(source="pocket", name="Pocket", fingerprint=concept.base_model)
    scene = Scene(prompt=concept.caption, concepts=("clover",), alt="")
    asked = locked_picture(scene, bank=bank, model=model, seed=0)
    with Image.open(bank.source_path("clover")) as opened:
        source = opened.convert("RGB")
    red, green, blue = source.split()
    swapped = Image.merge("RGB", (blue, red, green))
    assert scorer.score(source, asked) >= 0.9
    assert scorer.score(swapped, asked) < scorer.score(source, asked) - 0.05
