"""What tests of the service may ask for by name."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from story.schema import Story, StoryRequest
from tests.api.service.desk import EXAMPLE, Desk, a_desk
from tests.api.service.teller import Teller
from tests.story.builders import BANK
from tests.story.misbehaving_server import misbehaving


@pytest.fixture(scope="module")
def teller() -> Iterator[Teller]:
    teller = Teller()
    with misbehaving(StoryRequest(idea="a fox", catalog=BANK, pages=4), teller.next_behaviour) as teller.server:
        yield teller


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[Desk]:
    desk = a_desk(tmp_path, Story.model_validate_json((EXAMPLE / "story.json").read_bytes()))
    yield desk
    desk.database.close()
