"""A lexicon file is read whole or refused by name."""

import json
from pathlib import Path

import pytest

from concepts.errors import DamagedLexicon
from concepts.lexicon import Lexicon

WORDS: dict[str, list[str] | dict[str, str]] = {
    "characters": ["fox"],
    "colours": ["red"],
    "clothing": ["scarf"],
    "held_objects": ["lantern"],
    "objects": ["boat"],
    "poses": {"waving": "waving"},
    "places": {"snow": "in the snow"},
    "lights": {"day": "in daylight"},
    "patterns": ["striped"],
}


def test_a_lexicon_is_read_from_its_file(tmp_path: Path) -> None:
    path = tmp_path / "lexicon.json"
    path.write_text(json.dumps(WORDS), encoding="utf-8")
    lexicon = Lexicon.load(path)
    assert lexicon.characters == ("fox",)
    assert lexicon.places == {"snow": "in the snow"}


@pytest.mark.parametrize(
    "text",
    [
        "{",
        json.dumps(WORDS | {"weather": ["rain"]}),
        json.dumps({key: WORDS[key] for key in WORDS if key != "poses"}),
        json.dumps(WORDS | {"lights": ["day"]}),
    ],
    ids=["no JSON", "unknown field", "missing field", "list for map"],
)
def test_a_file_with_other_fields_is_refused_by_name(tmp_path: Path, text: str) -> None:
    path = tmp_path / "lexicon.json"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(DamagedLexicon, match="lexicon.json"):
        Lexicon.load(path)


def test_a_missing_file_is_refused_by_name(tmp_path: Path) -> None:
    with pytest.raises(DamagedLexicon, match="nowhere.json"):
        Lexicon.load(tmp_path / "nowhere.json")
