"""What the service knows of its model is of the wishes that it was started with, not of another start's."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from api.service.database import Database
from api.service.model_info import ask_model, tell_model
from api.service.own_model import OwnModel
from api.service.payloads import ModelInfo
from api.settings import LEXICON_PATH, WantedModel
from concepts.lexicon import Lexicon
from generator.settings import FLUX_DEV_SETTINGS
from tests.api.builders import MODEL
from tests.generator.tiny import TINY_SETTINGS

WANTED = WantedModel(source="pocket", profile="fast")
INFO = ModelInfo(model=MODEL, settings=FLUX_DEV_SETTINGS, lexicon=Lexicon.load(LEXICON_PATH))


@pytest.fixture
def database(tmp_path: Path) -> Iterator[Database]:
    database = Database.open(f"sqlite:///{tmp_path / 'test.sqlite'}")
    yield database
    database.close()


def test_what_was_told_last_is_known_to_those_who_wish_for_the_same(database: Database) -> None:
    assert ask_model(database, wanted=WANTED) is None
    tell_model(database, INFO.model_copy(update={"settings": TINY_SETTINGS}), wanted=WANTED)
    tell_model(database, INFO, wanted=WANTED)
    tell_model(database, INFO.model_copy(update={"settings": TINY_SETTINGS}), wanted=replace(WANTED, profile="draft"))
    assert ask_model(database, wanted=WANTED) == INFO
    assert ask_model(database, wanted=replace(WANTED, memory="8GB")) == INFO, "which draws the same"


def test_the_commit_of_what_was_wished_for_without_a_revision_is_known(database: Database) -> None:
    pinned = INFO.model_copy(update={"model": MODEL.model_copy(update={"revision": "1" * 40})})
    tell_model(database, pinned, wanted=WANTED)
    assert ask_model(database, wanted=WANTED) == pinned


@pytest.mark.usefixtures("pocket_model_dir")
def test_it_is_told_what_the_model_can_draw() -> None:
    assert OwnModel(WantedModel()).load().lexicon == INFO.lexicon


@pytest.mark.parametrize(
    "other",
    [
        replace(WANTED, profile="draft"),
        replace(WANTED, source="black-forest-labs/FLUX.1-dev"),
        replace(WANTED, revision="v2"),
        replace(WANTED, concept_guidance=2.0),
    ],
    ids=["profile", "source", "revision", "guidance"],
)
def test_a_model_that_was_loaded_for_other_wishes_is_not_known(database: Database, other: WantedModel) -> None:
    tell_model(database, INFO, wanted=WANTED)
    assert ask_model(database, wanted=other) is None
