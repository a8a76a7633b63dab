"""What the command line says without a model: help, usage, exit codes, JSON, the bank's commands."""

import json
import os
import re
import subprocess
import sys
from functools import partial
from pathlib import Path

import pytest

from api import exit_codes
from api.cli import main
from api.cli_common import a_path
from api.commands.learn import parse_concept, recipe_of
from api.errors import UsageError
from generator.recipe import LearningRecipe
from tests.api.builders import noise_picture, plain_bank
from tests.concepts.builders import contents

ROOT = Path(__file__).resolve().parents[2]
FABLEVERSE = Path(sys.executable).with_name("fableverse")
HEAVY = {"torch", "diffusers", "transformers", "ray", "langchain", "rich", "pydantic"}


@pytest.fixture
def bank_dir(tmp_path: Path) -> Path:
    return plain_bank(tmp_path).folder


def test_help_loads_nothing_heavy_and_lists_the_exit_codes() -> None:
    code = (
        "import sys\nfrom api.cli import main\ntry:\n    main(['--help'])\nexcept SystemExit as end:\n"
        f"    assert end.code == 0\nloaded = {HEAVY!r} & sys.modules.keys()\nassert not loaded, loaded"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    listed = re.findall(r"^ +(\d+)  (.+)$", done.stdout, re.MULTILINE)
    assert listed == [(str(number), meaning) for number, meaning in exit_codes.MEANINGS.items()]


def test_help_takes_less_than_half_a_second_of_work() -> None:
    before = os.times()
    subprocess.run([FABLEVERSE, "--help"], check=True, capture_output=True)
    after = os.times()
    spent_s = after.children_user + after.children_system - before.children_user - before.children_system
    assert spent_s < 0.5, f"--help took {spent_s:.2f} s of processor time"


@pytest.mark.parametrize("command", ["book", "export", "learn", "bank", "draw", "compose"])
def test_every_command_has_help(command: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as end:
        main([command, "--help"])
    assert end.value.code == 0
    assert f"usage: fableverse {command}" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ([], "COMMAND"),
        (["tell"], "invalid choice: 'tell'"),
        (["book"], "either an idea or --lock"),
        (["book", "fox", "--lock", "book.lock"], "either an idea or --lock"),
        (["book", "--lock", "book.lock", "--strength", "rusty=2"], "A lock keeps .* give --strength with an idea"),
        (["book", "--lock", "book.lock", "--concept-guidance", "2"], "the guidance it was drawn with"),
        (["book", "--lock", "book.lock", "--seed", "0", "--cast", "rusty"], "give --cast, --seed with an idea"),
        (["book", "--lock", "book.lock", "--pages", "4", "--age", "5"], "give --pages, --age with"),
        (["book", "--lock", "book.lock", "--language", "en", "--second-language", "de"], "--language, --second-lang"),
        (["book", "--lock", "book.lock", "--llm", "openai:x", "--budget", "1"], "give --llm, --budget with"),
        (["keys", "create", "mum", "--days", "1e300"], "--days.*up to 36500"),
        (["keys", "create", "mum", "--days", "-1"], "--days"),
        (["keys", "create", "mum", "--days", "nan"], "--days"),
        (["keys", "list", "--database", "nonsense"], "The database cannot be opened.*--database"),
        (["keys", "list", "--database", "mysql://here/x"], "'mysql' is neither PostgreSQL nor SQLite"),
        (["keys", "list", "--database", "postgresql://here:port/x"], "The database cannot be opened"),
        (["keys", "list", "--database", "sqlite:////no/such/folder/x"], "unable to open"),
        (["serve", "--database", "nonsense://"], "'nonsense' is neither"),
        (["serve", "--store", "nope://x"], "The store cannot be used: Protocol not known: nope.*--store"),
        (["serve", "--store", "github://x"], "The store cannot be used"),
        (["book", "render", "a-book", "--concept-guidance", "2"], "--concept-guidance"),
        (["book", "fox", "--strength", "rusty"], "rusty=0.8"),
        (["draw", "a @rusty", "--strength", "luna=2"], "names @rusty"),
        (["draw", "a @rusty", "--slide", "rusty: soft"], "TARGET: MORE OF THIS"),
        (["draw", "a @rusty", "--slide", "bear: soft - hard = 1"], "'bear'.*nowhere"),
        (["book", "fox", "--pages", "many"], "--pages.*'many'"),
        (["book", "fox", "--pages", "0"], "--pages: '0' is no whole number of pages from 4 to 16"),
        (["book", "fox", "--pages", "500"], "--pages: '500' is no whole number of pages from 4 to 16"),
        (["book", "fox", "--age", "200"], "--age: '200' is no whole number of years from 3 to 10"),
        (["draw", ""], "no prompt to draw"),
        (["draw", "   "], "no prompt to draw"),
        (["draw", "a @rusty", "-o", "page.gif"], "'page.gif' does not end in .png"),
        (["book", "fox", "--seed", "-1"], "--seed"),
        (["learn", "fox.png", "--caption", "a fox", "--concept", "rusty"], r"rusty=fox:character"),
    ],
)
def test_a_wrong_command_line_ends_with_2(
    words: list[str], message: str, bank_dir: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    bank = ["--bank", str(bank_dir)] if words[:1] in (["book"], ["learn"], ["draw"]) else []
    data = ["--data", str(tmp_path)] if words[:1] in (["keys"], ["serve"]) else []
    assert main([*words, *bank, *data]) == exit_codes.USAGE
    captured = capsys.readouterr()
    assert re.search(message, captured.err) and "Serving" not in captured.err
    assert captured.out == ""


@pytest.mark.parametrize(
    ("words", "code", "kind"),
    [
        (["book", "fox", "--cast", "rustic"], exit_codes.BAD_INPUT, "UnknownConcept"),
        (["book", "fox", "--cast", "rusty,rusty"], exit_codes.BAD_INPUT, "InvalidRequest"),
        (["book", "fox", "--pages", "99"], exit_codes.USAGE, "UsageError"),
        (["book", "fox", "--llm", "openai:gpt-5-mini"], exit_codes.STORY, "LanguageModelError"),
        (["serve", "--llm", "openai:gpt-5-mini"], exit_codes.STORY, "LanguageModelError"),
        (["book", "fox", "--llm", "gpt-5-mini"], exit_codes.STORY, "LanguageModelError"),
        (["book", "fox", "--model", "no/such/model"], exit_codes.MODEL, "ModelNotFound"),
        (["book", "--lock", "missing.lock"], exit_codes.DISK, "OutputError"),
        (["draw", "a @rustic"], exit_codes.BAD_INPUT, "UnknownConcept"),
        (["draw", "a @rusty", "-o", "no/such/folder/page.png"], exit_codes.DISK, "OutputError"),
        (["draw", "a @rusty", "-o", "page.jpg"], exit_codes.USAGE, "UsageError"),
        (["bank", "show", "../rusty"], exit_codes.BAD_INPUT, "InvalidConcept"),
        (["bank", "remove", "rusty", "nobody"], exit_codes.BAD_INPUT, "UnknownConcept"),
        (["book", "--no-such-option"], exit_codes.USAGE, "UsageError"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else None,
)
def test_with_json_a_failure_is_one_object_and_the_bank_stays(
    words: list[str], code: int, kind: str, bank_dir: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    before = contents(bank_dir)
    assert main([*words, "--bank", str(bank_dir), "--json"]) == code
    captured = capsys.readouterr()
    error = json.loads(captured.out)["error"]
    assert (error["type"], error["exit_code"]) == (kind, code)
    assert error["message"] in captured.err
    assert contents(bank_dir) == before


def test_an_out_folder_that_is_a_file_is_refused(
    bank_dir: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "taken").write_text("precious")
    words = ["book", "fox", "--bank", str(bank_dir), "--out"]
    assert main([*words, str(tmp_path / "taken")]) == exit_codes.DISK
    assert "is a file, but a book is a folder" in capsys.readouterr().err
    assert (tmp_path / "taken").read_text() == "precious"


@pytest.mark.parametrize(
    ("make_file", "caption", "message"),
    [
        (lambda path: path.write_text("no picture"), "a fox", "cannot be read as a picture"),
        (lambda path: path.unlink(missing_ok=True), "a fox", "There is no file"),
    ],
    ids=["no picture", "no file"],
)
def test_learning_from_no_picture_is_refused_before_anything_is_loaded(
    make_file: object, caption: str, message: str, bank_dir: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert callable(make_file)
    make_file(tmp_path / "picture.png")
    words = ["learn", str(tmp_path / "picture.png"), "--caption", caption, "--concept", "new=fox:character"]
    assert main([*words, "--bank", str(bank_dir)]) == exit_codes.BAD_INPUT
    assert message in capsys.readouterr().err


def test_learning_a_taken_id_is_refused_before_anything_is_loaded(
    bank_dir: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    picture = noise_picture(tmp_path / "fox.png")
    words = ["learn", str(picture), "--caption", "a fox", "--concept", "rusty=fox:character"]
    assert main([*words, "--bank", str(bank_dir)]) == exit_codes.BAD_INPUT
    assert "already has 'rusty'" in capsys.readouterr().err


@pytest.mark.parametrize("more", [[], ["--distinct"]])
def test_a_caption_without_a_concepts_word_is_refused_before_anything_is_loaded(
    more: list[str], bank_dir: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    picture = noise_picture(tmp_path / "fox.png")
    words = ["learn", str(picture), "--caption", "a fox", "--concept", "tom=cat:character", *more]
    assert main([*words, "--bank", str(bank_dir)]) == exit_codes.BAD_INPUT
    said = capsys.readouterr().err
    assert "does not contain 'cat', the word of concept 'tom'" in said
    assert "Loading" not in said and "Note" not in said


@pytest.mark.parametrize(
    "words",
    [
        ["draw", "a @rusty who murders"],
        ["draw", "a @rusty", "--slide", "rusty: a bloodbath - peace = 1"],
        ["compose", "a @rusty", "in a bloodbath"],
        ["learn", "fox.png", "--caption", "a fox in a bloodbath", "--concept", "tom=fox:character"],
        [
            "learn",
            "fox.png",
            "--caption",
            "a fox",
            "--concept",
            "tom=fox:character",
            "--also",
            "fox.png",
            "a fox, a murder",
        ],
    ],
    ids=" ".join,
)
def test_what_is_not_for_children_is_refused_before_anything_is_loaded(
    words: list[str], bank_dir: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    picture = str(noise_picture(tmp_path / "fox.png"))
    words = [picture if word == "fox.png" else word for word in words]
    out = [] if words[0] == "learn" else ["-o", str(tmp_path / "page.png")]
    assert main([*words, *out, "--bank", str(bank_dir)]) == exit_codes.BAD_INPUT
    said = capsys.readouterr().err
    assert "is not for children (violence)" in said and "Loading" not in said


def test_without_the_verdict_of_moderation_nothing_is_drawn(
    bank_dir: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ["draw", "a @rusty", "-o", str(tmp_path / "page.png"), "--moderation", "on", "--bank", str(bank_dir)]
    assert main(words) == exit_codes.STORY
    said = capsys.readouterr().err
    assert "moderation of texts needs a key" in said and "Loading" not in said


def test_a_language_model_without_its_key_is_refused_before_anything_is_loaded(
    bank_dir: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ["book", "a fox", "--llm", "openai:gpt-5-mini", "--out", str(tmp_path / "book")]
    assert main([*words, "--bank", str(bank_dir)]) == exit_codes.STORY
    said = capsys.readouterr().err
    assert "needs a key. Set OPENAI_API_KEY" in said
    assert "Loading" not in said and "It takes about" not in said


def test_the_bank_is_listed_as_a_table_and_as_json(bank_dir: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["bank", "list", "--bank", str(bank_dir)]) == exit_codes.OK
    assert capsys.readouterr().out.split() == ["ID", "WORD", "KIND", "MODEL", "rusty", "fox", "character", "pocket"]
    assert main(["bank", "list", "--bank", str(bank_dir), "--json"]) == exit_codes.OK
    (concept,) = json.loads(capsys.readouterr().out)["concepts"]
    assert (concept["id"], concept["name"], concept["word"]) == ("rusty", "Rusty", "fox")


def test_a_damaged_concept_is_named_and_the_others_are_listed(
    bank_dir: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (bank_dir / "ada").mkdir()
    (bank_dir / "ada" / "concept.json").write_text("{}")
    assert main(["bank", "list", "--bank", str(bank_dir)]) == exit_codes.BAD_INPUT
    told = capsys.readouterr()
    assert "rusty" in told.out and "ada" not in told.out and "ada/direction.safetensors' is missing" in told.err
    assert main(["bank", "list", "--bank", str(bank_dir), "--json"]) == exit_codes.BAD_INPUT
    found = json.loads(capsys.readouterr().out)
    assert [concept["id"] for concept in found["concepts"]] == ["rusty"] and [*found["damaged"]] == ["ada"]


def test_a_concept_is_shown_moved_and_removed(
    bank_dir: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["bank", "show", "rusty", "--bank", str(bank_dir), "--json"]) == exit_codes.OK
    assert json.loads(capsys.readouterr().out)["files"]["source"] == str(bank_dir / "rusty" / "source.png")
    other = tmp_path / "other"
    other.mkdir()
    assert main(["bank", "add", str(bank_dir / "rusty"), "--bank", str(other)]) == exit_codes.OK
    assert main(["bank", "remove", "rusty", "--bank", str(bank_dir)]) == exit_codes.OK
    assert sorted(path.name for path in other.iterdir()) == ["rusty"]
    assert list(bank_dir.iterdir()) == []


def test_removing_what_is_no_concept_deletes_nothing(bank_dir: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (bank_dir / "src").mkdir()
    (bank_dir / "src" / "main.py").write_text("mine")
    assert main(["bank", "remove", "rusty", "src", "--bank", str(bank_dir)]) == exit_codes.BAD_INPUT
    assert "no concept 'src'" in capsys.readouterr().err
    assert (bank_dir / "src" / "main.py").is_file() and (bank_dir / "rusty" / "concept.json").is_file()


def test_learning_in_the_place_of_something_else_is_refused_before_anything_is_loaded(
    bank_dir: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (bank_dir / "src").mkdir()
    (bank_dir / "src" / "main.py").write_text("mine")
    picture = noise_picture(tmp_path / "fox.png")
    words = ["learn", str(picture), "--caption", "a cat", "--concept", "src=cat:character", "--replace", "--steps", "2"]
    assert main([*words, "--bank", str(bank_dir)]) == exit_codes.BAD_INPUT
    said = capsys.readouterr().err
    assert "holds 'main.py'" in said and "Loading" not in said


def test_a_bank_that_is_a_file_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "file").write_text("no bank")
    assert main(["bank", "list", "--bank", str(tmp_path / "file")]) == exit_codes.BAD_INPUT
    said = capsys.readouterr()
    assert "is a file, but a bank is a folder" in said.err and said.out == ""


def test_a_bank_in_a_home_folder_is_found_where_the_shell_left_its_sign(capsys: pytest.CaptureFixture[str]) -> None:
    assert a_path("~/bank") == Path.home() / "bank"
    assert main(["bank", "list", "--bank=~nobody-of-this-name/bank"]) == exit_codes.USAGE
    assert "nobody's home folder is known by that name" in capsys.readouterr().err


def test_a_reader_that_goes_away_ends_quietly(bank_dir: Path) -> None:
    reader, writer = os.pipe()
    os.close(reader)
    command = [FABLEVERSE, "bank", "list", "--bank", str(bank_dir)]
    done = subprocess.run(command, stdout=writer, stderr=subprocess.PIPE, text=True, check=False)
    os.close(writer)
    assert (done.returncode, done.stderr) == (exit_codes.BROKEN_PIPE, "")


@pytest.mark.parametrize("concept_id", ["nosuch", "Not an id"])
def test_a_reader_that_goes_away_before_a_failure_is_told_ends_quietly(bank_dir: Path, concept_id: str) -> None:
    reader, writer = os.pipe()
    os.close(reader)
    command = [FABLEVERSE, "bank", "show", concept_id, "--json", "--bank", str(bank_dir)]
    done = subprocess.run(command, stdout=writer, stderr=subprocess.PIPE, text=True, check=False)
    os.close(writer)
    assert done.returncode == exit_codes.BROKEN_PIPE and "Traceback" not in done.stderr


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("rusty=fox:character", ("rusty", "fox", "character")),
        ("hat-1=straw hat:clothing", ("hat-1", "straw hat", "clothing")),
    ],
)
def test_a_concept_is_written_as_id_word_and_kind(text: str, expected: tuple[str, str, str]) -> None:
    concept = parse_concept(text)
    assert (concept.id, concept.word, concept.kind) == expected


@pytest.mark.parametrize("text", ["rusty", "rusty=fox", "rusty:character", "rusty=fox:hero"])
def test_a_concept_written_otherwise_is_refused(text: str) -> None:
    with pytest.raises(UsageError, match=re.escape(repr(text))):
        parse_concept(text)


small_recipe = partial(recipe_of, num_parameters=9_000_000)


@pytest.mark.parametrize("steps", [2, 26, 500])
def test_steps_are_shared_out_between_both_stages(steps: int) -> None:
    recipe, default = small_recipe(steps=steps, seed=3), small_recipe(steps=None, seed=3)
    assert recipe.num_steps == steps and min(recipe.stage1_steps, recipe.stage2_steps) >= 1
    share = default.stage1_steps / default.num_steps
    assert recipe.stage1_steps == pytest.approx(max(1, steps * share), abs=0.51)
    assert recipe.seed == default.seed == 3


def test_quick_learning_takes_fewer_and_smaller_steps() -> None:
    quick, default = small_recipe(steps=None, seed=3, quick=True), small_recipe(steps=None, seed=3)
    assert quick.num_steps < default.num_steps and quick.batch_size < default.batch_size
    assert quick.stage1_steps / quick.num_steps == pytest.approx(default.stage1_steps / default.num_steps, abs=0.01)
    asked = small_recipe(steps=30, seed=3, quick=True, directions="concept_mod")
    assert (asked.num_steps, asked.directions) == (30, "concept_mod")


def test_large_models_learn_by_the_paper_and_small_ones_as_was_measured() -> None:
    large = recipe_of(num_parameters=12_000_000_000, steps=None, seed=3)
    assert (large.stage1_steps, large.stage2_steps, large.seed) == (800, 600, 3)
    assert (large.stage1_high_noise_share, large.stage2_high_noise_share, large.isolation_fraction) == (0.92, 0.08, 0.5)
    quick = recipe_of(num_parameters=12_000_000_000, steps=None, seed=3, quick=True)
    assert 4 * quick.num_steps == large.num_steps
    assert small_recipe(steps=None, seed=3) == LearningRecipe(seed=3)


def test_too_few_steps_are_refused() -> None:
    with pytest.raises(UsageError, match="--steps 1"):
        small_recipe(steps=1, seed=0)
