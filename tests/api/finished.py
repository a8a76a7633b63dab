"""A finished book of five plain pictures, to be edited and drawn again: name this file in `pytest_plugins`."""

from pathlib import Path

import pytest

from api.storybook import make_storybook
from concepts.bank import ConceptBank
from tests.api.builders import TEMPLATES_DIR, PlainWriter, a_request, plain_bank, plain_studio


@pytest.fixture
def bank(tmp_path: Path) -> ConceptBank:
    return plain_bank(tmp_path)


@pytest.fixture
def book(bank: ConceptBank, tmp_path: Path) -> Path:
    made = make_storybook(
        a_request(bank),
        writer=PlainWriter(),
        writer_name="a plain writer",
        studio=plain_studio(bank),
        out_dir=tmp_path / "out" / "fox",
        templates_dir=TEMPLATES_DIR,
    )
    return made.folder
