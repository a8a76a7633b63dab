"""The commands with a real, tiny, random model: learn, draw, a book, the same book again, an interruption."""

import json
import re
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator, Sequence
from dataclasses import asdict
from pathlib import Path

import pytest

from api import exit_codes
from api.cli import main
from concepts.bank import ConceptBank
from generator.images import read_metadata
from story.schema import Story, StoryRequest
from tests.api.builders import SETTINGS, noise_picture
from tests.concepts.builders import a_concept, add_concept, contents
from tests.generator.tiny import tiny_pipeline
from tests.story.builders import BANK
from tests.story.misbehaving_server import misbehaving

FABLEVERSE = Path(sys.executable).with_name("fableverse")


@pytest.fixture(scope="module")
def workplace(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A tiny model in `model`, a picture, and a bank with what was learnt from it by the command."""
    folder = tmp_path_factory.mktemp("workplace")
    tiny_pipeline().save_pretrained(folder / "model")
    (folder / "model" / "fableverse.json").write_text(json.dumps({"name": "Tiny", **asdict(SETTINGS)}))
    noise_picture(folder / "fox.png")
    (folder / "bank").mkdir()
    assert main(learn_command(folder, "rusty", steps=16)) == exit_codes.OK
    return folder


def common(folder: Path) -> list[str]:
    return ["--model", str(folder / "model"), "--bank", str(folder / "bank")]


def learn_command(folder: Path, concept_id: str, *, steps: int) -> list[str]:
    concepts = ["--concept", f"{concept_id}=fox:character", "--concept", f"{concept_id}-snow=snow:place"]
    caption = ["--caption", "a fox in the snow", "--steps", str(steps)]
    return ["learn", str(folder / "fox.png"), *caption, *concepts, *common(folder)]


def test_what_was_learnt_is_in_the_bank_and_nothing_is_left_to_resume(workplace: Path) -> None:
    names = {path.name for path in (workplace / "bank").iterdir()}
    assert names == {"rusty", "rusty-snow", ".learning"}
    assert {path.name[:10] for path in (workplace / "bank" / ".learning").iterdir()} == {"isolation-"}


def test_a_picture_is_drawn_with_the_concept_at_its_word(workplace: Path, tmp_path: Path) -> None:
    words = ["draw", "a @rusty waving", "-o", str(tmp_path / "page.png"), "--seed", "3", *common(workplace)]
    assert main(words) == exit_codes.OK
    metadata = read_metadata(tmp_path / "page.png")
    assert (metadata.prompt, metadata.seed, list(metadata.concepts)) == ("a fox waving", 3, ["rusty"])


def test_a_picture_is_drawn_with_a_strength_and_slides(workplace: Path, tmp_path: Path) -> None:
    path, slides = tmp_path / "page.png", ["--slide", "rusty: wild - calm = 1.5", "--slide", "*: dusk - day = 1"]
    words = ["draw", "a @rusty waving", "-o", str(path), "--strength", "rusty=0.8", *slides, *common(workplace)]
    assert main(words) == exit_codes.OK
    metadata = read_metadata(path)
    assert metadata.strengths == {"rusty": 0.8}
    assert [(slide.target, slide.towards, slide.weight) for slide in metadata.slides] == [
        ("rusty", "wild", 1.5),
        ("*", "dusk", 1.0),
    ]


def test_pictures_are_learnt_jointly_and_a_second_fox_gets_a_word_of_its_own(
    workplace: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    shutil.copytree(workplace / "bank", tmp_path / "bank")
    noise_picture(tmp_path / "hat.png", size=(16, 16))
    model = ["--model", str(workplace / "model"), "--bank", str(tmp_path / "bank")]
    words = ["learn", str(workplace / "fox.png"), "--caption", "a fox waves", "--concept", "rufus=fox:character"]
    also = ["--also", str(tmp_path / "hat.png"), "a hat in the snow", "--concept", "topper=hat:clothing"]
    options = ["--joint", "--distinct", "--directions", "concept_mod", "--steps", "2"]
    assert main([*words, *also, *options, *model]) == exit_codes.OK
    assert "rufus is learnt as 'second fox', because 'fox' is taken" in capsys.readouterr().err
    bank = ConceptBank(tmp_path / "bank")
    rufus, topper = bank.get("rufus"), bank.get("topper")
    assert (rufus.word, rufus.caption, topper.caption) == ("second fox", "a second fox waves", "a hat in the snow")
    assert (rufus.recipe["directions"], rufus.recipe["joint_fraction"]) == ("concept_mod", 0.3)
    draw = ["draw", "a @rusty and a @rufus", "-o", str(tmp_path / "two.png"), *model]
    assert main(draw) == exit_codes.OK
    assert read_metadata(tmp_path / "two.png").prompt == "a fox and a second fox"


def test_a_word_that_is_taken_is_noted_with_the_cure(
    workplace: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    shutil.copytree(workplace / "bank", tmp_path / "bank")
    words = ["learn", str(workplace / "fox.png"), "--caption", "a fox", "--concept", "rufus=fox:character"]
    model = ["--model", str(workplace / "model"), "--bank", str(tmp_path / "bank")]
    assert main([*words, "--steps", "2", *model]) == exit_codes.OK
    assert "'fox' also names rusty, and one prompt cannot have both. Give --distinct" in capsys.readouterr().err


def test_a_bank_is_checked_and_drawn_again(workplace: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    shutil.copytree(workplace / "bank", tmp_path / "bank")
    (tmp_path / "bank" / "rusty" / "preview.png").write_bytes(b"broken")
    check = ["bank", "check", "--bank", str(tmp_path / "bank")]
    assert main(check) == exit_codes.BAD_INPUT
    assert re.search(r"rusty +faulty\n  - .*preview\.png", capsys.readouterr().out)
    assert main([*check, "rusty-snow", "--redraw", "--model", str(workplace / "model"), "--json"]) in (0, 3)
    (told,) = json.loads(capsys.readouterr().out)["concepts"]
    assert told["id"] == "rusty-snow"
    assert told["note"] is None
    assert not any("grey levels" in fault for fault in told["faults"]), "few steps draw the same preview again"
    assert main([*check, "luna"]) == exit_codes.BAD_INPUT


def test_a_book_is_made_and_made_again_by_its_lock(
    workplace: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ["book", "a fox who is afraid of the dark", "--pages", "4", "--cast", "rusty", "--seed", "7"]
    assert main([*words, "--out", str(tmp_path / "first"), *common(workplace)]) == exit_codes.OK
    assert capsys.readouterr().out == f"{tmp_path / 'first' / 'book.html'}\n"
    again = ["book", "--lock", str(tmp_path / "first" / "book.lock"), "--out", str(tmp_path / "second")]
    assert main([*again, "--bank", str(workplace / "bank"), "--json"]) == exit_codes.OK
    told = json.loads(capsys.readouterr().out)
    assert (told["book"], told["pages"], told["seed"]) == (str(tmp_path / "second" / "book.html"), 4, 7)
    assert "rusty" in told["cast"]
    first, second = contents(tmp_path / "first"), contents(tmp_path / "second")
    assert first.keys() == second.keys()
    assert [name for name in first if first[name] != second[name]] == []


def test_what_is_learnt_later_keeps_no_book_from_being_drawn_again(
    workplace: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    shutil.copytree(workplace / "bank", tmp_path / "bank")
    bank = ConceptBank(tmp_path / "bank")
    model = ["--model", str(workplace / "model"), "--bank", str(tmp_path / "bank")]
    words = ["book", "a fox", "--pages", "4", "--cast", "rusty", "--out", str(tmp_path / "fox")]
    assert main([*words, *model]) == exit_codes.OK
    story = Story.model_validate_json((tmp_path / "fox" / "story.json").read_bytes())
    later = a_concept("later", story.cover.prompt.split()[-1])
    add_concept(bank, later.model_copy(update={"base_model": bank.get("rusty").base_model}), tmp_path / "workshop")
    capsys.readouterr()
    assert main(["book", "render", str(tmp_path / "fox"), *model[2:], "--json"]) == exit_codes.OK
    assert json.loads(capsys.readouterr().out)["drawn"] == []


def test_a_lock_whose_model_was_moved_is_told_where_it_is(
    workplace: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    shutil.copytree(workplace / "model", tmp_path / "model")
    tiny_pipeline(seed=1).save_pretrained(tmp_path / "other")
    bank, book = ["--bank", str(workplace / "bank")], tmp_path / "fox"
    words = ["book", "a fox", "--pages", "4", "--cast", "rusty", "--out", str(book)]
    assert main([*words, "--model", str(tmp_path / "model"), *bank]) == exit_codes.OK
    pictures = {path.name: path.read_bytes() for path in (book / "pages").iterdir()}
    (tmp_path / "model").rename(tmp_path / "moved")
    render, again = ["book", "render", str(book), *bank], ["book", "--lock", str(book / "book.lock"), *bank]
    for command in (render, again):
        assert main(command) == exit_codes.MODEL
        assert "lies elsewhere now, say where with --model" in capsys.readouterr().err
        assert main([*command, "--model", str(tmp_path / "other")]) == exit_codes.BAD_INPUT
        assert "other weights draw other pictures" in capsys.readouterr().err
    assert main([*render, "--model", str(tmp_path / "moved")]) == exit_codes.OK
    assert main(render) == exit_codes.OK, "the lock says from now on where the model is"
    (tmp_path / "moved").rename(tmp_path / "model")
    assert main([*again, "--model", str(tmp_path / "model")]) == exit_codes.OK
    assert main(again) == exit_codes.OK
    assert {path.name: path.read_bytes() for path in (book / "pages").iterdir()} == pictures


def test_a_cast_of_another_model_is_refused_before_a_story_is_written(
    workplace: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    tiny_pipeline(seed=1).save_pretrained(tmp_path / "other")
    words = ["book", "a fox", "--cast", "rusty", "--out", str(tmp_path / "fox"), "--bank", str(workplace / "bank")]
    assert main([*words, "--model", str(tmp_path / "other")]) == exit_codes.BAD_INPUT
    assert "'rusty', learnt on another model" in capsys.readouterr().err
    assert not (tmp_path / "fox").exists()


@pytest.fixture
def listening_to_ctrl_c() -> Iterator[None]:
    """A child started now heeds SIGINT, even where the tests were started in the background and ignore it."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


def interrupt_learning(command: Sequence[str]) -> str:
    """Ctrl-C once learning has begun; what is said after that."""
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as process:
        assert process.stderr is not None
        for line in process.stderr:
            if line.startswith("Learning, stage 1"):
                process.send_signal(signal.SIGINT)
                break
        rest = process.stderr.read()
    assert process.returncode == exit_codes.INTERRUPTED, rest
    return rest


@pytest.mark.usefixtures("listening_to_ctrl_c")
def test_an_interrupted_learning_says_how_to_go_on_and_goes_on(workplace: Path) -> None:
    command = [str(FABLEVERSE), *learn_command(workplace, "later", steps=12)]
    rest = interrupt_learning(command)
    assert "run the same command to go on there" in rest
    assert not (workplace / "bank" / "later").exists()
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == exit_codes.OK, done.stderr
    assert "Going on where learning was interrupted" in done.stderr
    assert (workplace / "bank" / "later" / "direction.safetensors").is_file()


def test_a_story_that_was_begun_is_gone_on_with_by_its_own_command_alone(
    workplace: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ["book", "a fox", "--pages", "4", "--out", str(tmp_path / "fox"), *common(workplace)]
    runs: list[tuple[list[str], str, bool]] = [([], "Outline", False), (["--age", "6"], "Outline", True)]
    runs.append(([], "Texts", True))
    with misbehaving(StoryRequest(idea="a fox", catalog=BANK, pages=4)) as server:
        for options, first_stage, is_told in runs:
            server.next_behaviour = lambda: "failing" if server.requests[1:] else "good"
            server.requests.clear()
            assert main([*words, *options, "--llm", "openai:tiny", "--base-url", server.address]) == exit_codes.STORY
            assert server.requests[0]["response_format"]["json_schema"]["name"] == f"{first_stage}Answer"
            assert ("keeps the story that another command" in capsys.readouterr().err) == is_told
