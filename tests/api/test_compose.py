"""`fableverse compose` with a tiny model: phrases grow, and nine concepts go into one picture."""

import json
from dataclasses import asdict
from pathlib import Path

import pytest
from PIL import Image

from api import exit_codes
from api.cli import main
from api.commands.compose import grow_prompt
from api.errors import UsageError
from api.settings import SAMPLE_BANK_DIR
from concepts.bank import ConceptBank
from concepts.errors import UnknownConcept
from generator.images import read_metadata
from generator.loading import load_model
from tests.api.builders import SETTINGS
from tests.generator.test_flux_renderer import add
from tests.generator.tiny import tiny_pipeline

WORDS = ("fox", "snow", "moonlight", "straw hat", "hat", "lantern", "waves", "under", "wearing")


@pytest.fixture(scope="module")
def workplace(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A tiny model, and a bank with nine concepts of it, named one to nine."""
    folder = tmp_path_factory.mktemp("workplace")
    tiny_pipeline().save_pretrained(folder / "model")
    (folder / "model" / "fableverse.json").write_text(json.dumps({"name": "Tiny", **asdict(SETTINGS)}))
    fingerprint, bank = load_model(folder / "model", device="cpu").fingerprint, ConceptBank(folder / "bank")
    for number, word in enumerate(WORDS, start=1):
        add(bank, f"c{number}", word, len(word.split()), base_model=fingerprint)
    return folder


def test_phrases_grow_into_prompts(workplace: Path) -> None:
    prompts = grow_prompt(["a @c1 ", "in the @c2"], ConceptBank(workplace / "bank"))
    assert [bound.prompt for bound in prompts] == ["a fox", "a fox in the snow"]
    assert [[mention.concept_id for mention in bound.mentions] for bound in prompts] == [["c1"], ["c1", "c2"]]


@pytest.mark.parametrize("phrases", [[""], ["a fox", " "], ["a"] * 10], ids=["empty", "blank", "ten"])
def test_phrases_that_make_no_sheet_are_refused(workplace: Path, phrases: list[str]) -> None:
    with pytest.raises(UsageError, match="1 to 9 pictures"):
        grow_prompt(phrases, ConceptBank(workplace / "bank"))


def test_an_unknown_handle_is_refused(workplace: Path) -> None:
    with pytest.raises(UnknownConcept):
        grow_prompt(["a fox", "by @nobody"], ConceptBank(workplace / "bank"))


def test_nine_concepts_are_composed_into_one_picture(workplace: Path, tmp_path: Path) -> None:
    phrases = [f"@c{number}" for number in range(1, 10)]
    common = ["--model", str(workplace / "model"), "--bank", str(workplace / "bank")]
    strength = ["--strength", "c9=0.5", "--seed", "3"]
    assert main(["compose", *phrases, "-o", str(tmp_path / "out"), *strength, *common]) == exit_codes.OK
    names = sorted(path.name for path in (tmp_path / "out").iterdir())
    assert names == [*(f"{number}.png" for number in range(1, 10)), "sheet.png"]
    first, last = (read_metadata(tmp_path / "out" / f"{number}.png") for number in (1, 9))
    assert (first.prompt, [*first.concepts], first.strengths) == ("fox", ["c1"], {})
    assert ([*last.concepts], last.strengths, last.seed) == ([f"c{number}" for number in range(1, 10)], {"c9": 0.5}, 3)
    pictures = [Image.open(tmp_path / "out" / f"{number}.png").tobytes() for number in range(1, 10)]
    assert len(set(pictures)) == 9
    with Image.open(tmp_path / "out" / "sheet.png") as sheet:
        assert sheet.width > 5 * SETTINGS.width


def test_words_beyond_what_the_model_reads_are_noted(
    workplace: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    common = ["--model", str(workplace / "model"), "--bank", str(workplace / "bank")]
    long = "in the snow " * SETTINGS.max_sequence_length
    assert main(["draw", f"a @c1 {long}", "-o", str(tmp_path / "page.png"), *common]) == exit_codes.OK
    assert "Note: The prompt has" in capsys.readouterr().err
    assert main(["compose", "a @c1", long, "-o", str(tmp_path / "out"), *common]) == exit_codes.OK
    assert "Note: The prompt has" in capsys.readouterr().err
    assert main(["draw", "a @c1", "-o", str(tmp_path / "page.png"), *common]) == exit_codes.OK
    assert "Note" not in capsys.readouterr().err


def test_a_file_in_the_folders_place_is_refused(workplace: Path, tmp_path: Path) -> None:
    (tmp_path / "out").write_text("mine")
    words = ["compose", "a @c1", "-o", str(tmp_path / "out"), "--bank", str(workplace / "bank")]
    assert main(words) == exit_codes.DISK
    assert (tmp_path / "out").read_text() == "mine"


def test_a_concept_that_is_as_another_one_of_the_bank_is_warned_of(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """With directions that were learnt: the sample bank's fox, once more under another word."""
    sample, bank = ConceptBank(SAMPLE_BANK_DIR), ConceptBank(tmp_path / "bank")
    files = {
        "source": sample.source_path("rusty"),
        "direction": sample.direction_path("rusty"),
        "preview": sample.preview_path("rusty"),
    }
    bank.add(sample.get("rusty"), **files)
    bank.add(sample.get("rusty").model_copy(update={"id": "twin", "word": "cat"}), **files)
    arguments = ["-o", str(tmp_path / "page.png"), "--bank", str(bank.folder)]
    assert main(["draw", "a @rusty and a @twin in the snow", *arguments]) == exit_codes.OK
    assert "rusty and twin are as alike as two copies" in capsys.readouterr().err
    assert main(["draw", "a @rusty and a cat in the snow", *arguments]) == exit_codes.OK
    assert "may blend" not in capsys.readouterr().err
