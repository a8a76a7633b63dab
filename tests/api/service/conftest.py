"""What tests of the service may ask for by name."""

from collections.abc import Iterator

import pytest

from story.schema import StoryRequest
from tests.api.service.teller import Teller
from tests.story.builders import BANK
from tests.story.misbehaving_server import misbehaving


@pytest.fixture(scope="module")
def teller() -> Iterator[Teller]:
    teller = Teller()
    with misbehaving(StoryRequest(idea="a fox", catalog=BANK, pages=4), teller.next_behaviour) as teller.server:
        yield teller
