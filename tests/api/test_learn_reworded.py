"""`fableverse learn` with a language model that rewords captions: real HTTP, and a tiny model."""

import json
import subprocess
from collections.abc import Iterator, Sequence
from dataclasses import asdict
from pathlib import Path

import pytest

from api import exit_codes
from api.cli import main
from api.commands.learn import learn_from_pictures, recipe_of
from api.console import Reporter
from api.settings import Settings
from concepts.bank import ConceptBank
from generator.recipe import ConceptRequest
from story.schema import StoryRequest
from tests.api.builders import SETTINGS, noise_picture
from tests.api.test_commands import FABLEVERSE, interrupt_learning, listening_to_ctrl_c
from tests.generator.tiny import tiny_pipeline
from tests.story.brain import PARAPHRASES
from tests.story.builders import BANK
from tests.story.misbehaving_server import MisbehavingServer, misbehaving

__all__ = ["listening_to_ctrl_c"]

CAPTION = "a fox in the snow"


@pytest.fixture(scope="module")
def model_dir(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("model")
    tiny_pipeline().save_pretrained(folder)
    (folder / "fableverse.json").write_text(json.dumps({"name": "Tiny", **asdict(SETTINGS), "num_inference_steps": 1}))
    return folder


@pytest.fixture
def server() -> Iterator[MisbehavingServer]:
    with misbehaving(StoryRequest(idea="a fox", catalog=BANK, pages=4)) as server:
        yield server


def command(picture: Path, bank_dir: Path, *, llm: Sequence[str] = (), steps: int = 2) -> list[str]:
    bank_dir.mkdir(exist_ok=True)
    words = ["learn", str(picture), "--caption", CAPTION, "--concept", "rufus=fox:character", "--steps", str(steps)]
    return [*words, "--bank", str(bank_dir), *llm]


def asked_of(server: MisbehavingServer) -> list[str]:
    return ["--llm", "openai:tiny", "--base-url", server.address, "--moderation", "off"]


def test_each_caption_is_reworded_as_it_is_learnt(
    server: MisbehavingServer, model_dir: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    noise_picture(tmp_path / "fox.png")
    bank_dir, model = tmp_path / "bank", ["--model", str(model_dir)]
    assert main([*command(tmp_path / "fox.png", bank_dir), *model]) == exit_codes.OK
    assert "paraphrases" not in ConceptBank(bank_dir).get("rufus").recipe
    words = ["learn", str(tmp_path / "fox.png"), "--caption", CAPTION, "--concept", "ruby=fox:character"]
    also = ["--also", str(tmp_path / "fox.png"), "a hat", "--concept", "topper=hat:clothing"]
    options = ["--distinct", "--steps", "2", "--bank", str(bank_dir), *model, *asked_of(server)]
    server.brain.paraphrases = [text.replace("fox", "second fox") for text in PARAPHRASES]
    assert main([*words, *also, *options]) == exit_codes.OK
    asked = [request["messages"][0]["content"] for request in server.requests]
    assert '"a second fox in the snow"' in asked[0] and '["second fox"]' in asked[0]
    assert len(asked) == 3 and all('"a hat"' in each for each in asked[1:]), "asked once more for the hat"
    assert ConceptBank(bank_dir).get("topper").recipe["paraphrases"] == [server.brain.paraphrases, []]
    told = capsys.readouterr().err
    assert "Rewording the captions with openai:tiny" in told and "so templates reword it" in told


def test_a_language_model_that_fails_loses_no_learning(
    server: MisbehavingServer, model_dir: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    server.next_behaviour = lambda: "failing"
    noise_picture(tmp_path / "fox.png")
    words = command(tmp_path / "fox.png", tmp_path / "bank", llm=asked_of(server))
    assert main([*words, "--model", str(model_dir)]) == exit_codes.OK
    assert "Note: Templates reword the captions, as openai:tiny cannot: " in capsys.readouterr().err
    assert "paraphrases" not in ConceptBank(tmp_path / "bank").get("rufus").recipe


def test_one_that_is_named_and_cannot_be_used_is_refused_and_one_of_the_settings_is_not(
    model_dir: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    noise_picture(tmp_path / "fox.png")
    words = command(tmp_path / "fox.png", tmp_path / "bank", llm=["--llm", "openai:tiny"])
    assert main([*words, "--model", str(model_dir)]) == exit_codes.STORY
    assert "Loading" not in capsys.readouterr().err
    learn_from_pictures(
        [(tmp_path / "fox.png", CAPTION)],
        concepts=[ConceptRequest(id="rufus", word="fox", kind="character")],
        bank=ConceptBank(tmp_path / "bank"),
        recipe=recipe_of(num_parameters=0, steps=2, seed=0),
        distinct=False,
        replace=False,
        settings=Settings(model=str(model_dir), llm="openai:tiny", moderation="off"),
        reporter=Reporter(),
    )
    assert "as openai:tiny cannot: " in capsys.readouterr().err


@pytest.mark.usefixtures("listening_to_ctrl_c")
def test_an_interrupted_learning_goes_on_with_the_captions_that_it_began_with(
    server: MisbehavingServer, model_dir: Path, tmp_path: Path
) -> None:
    noise_picture(tmp_path / "fox.png")
    words = command(tmp_path / "fox.png", tmp_path / "bank", llm=asked_of(server), steps=12)
    whole = [str(FABLEVERSE), *words, "--model", str(model_dir)]
    interrupt_learning(whole)
    left = {path.name.partition(".")[2] for path in (tmp_path / "bank" / ".learning").glob("[0-9a-f]*")}
    assert left == {"safetensors", "captions.json"}
    server.brain.paraphrases = PARAPHRASES[::-1]
    done = subprocess.run(whole, capture_output=True, text=True, check=False)
    assert done.returncode == exit_codes.OK, done.stderr
    assert "Going on where learning was interrupted" in done.stderr and "Rewording" not in done.stderr
    assert ConceptBank(tmp_path / "bank").get("rufus").recipe["paraphrases"] == [list(PARAPHRASES)]
    assert len(server.requests) == 1 and not list((tmp_path / "bank" / ".learning").glob("*.json"))
