"""A ready script becomes a book on the command line, and goes back to where ViStoryBench's scorer reads it."""

import json
from pathlib import Path

import pytest

from api import exit_codes
from api.binding import BenchmarkStory, read_record
from api.cli import main
from api.commands.import_script import import_script
from api.console import Reporter
from api.settings import SAMPLE_BANK_DIR, Settings
from api.storybook import make_storybook
from concepts.bank import ConceptBank
from story.errors import UnsafeRequest
from story.schema import Story
from tests.api.builders import PlainWriter, a_request, plain_bank, plain_studio
from tests.concepts.builders import contents
from tests.story.test_safety import moderation
from tests.story.test_script import SCRIPT, a_benchmark_story, a_script

RUN = "20261124-180000"
BANK = ["--bank", str(SAMPLE_BANK_DIR)]


def a_book(folder: Path, *, benchmark: BenchmarkStory | None) -> Path:
    """A book of four pages, drawn without a model."""
    bank = plain_bank(folder)
    make_storybook(
        a_request(bank),
        writer=PlainWriter(),
        writer_name="a plain writer",
        studio=plain_studio(bank),
        out_dir=folder / "book",
        templates_dir=Settings().templates_dir,
        benchmark=benchmark,
    )
    return folder / "book"


@pytest.mark.usefixtures("pocket_model_dir")
def test_a_benchmark_story_becomes_a_book_and_goes_back(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    script = a_benchmark_story(tmp_path)
    book = tmp_path / "book"
    words = ["book", "import", str(script), "--cast", "Red Fox=rusty", "--out", str(book), *BANK, "--json"]
    assert main(words) == exit_codes.OK
    told = json.loads(capsys.readouterr().out)
    assert (told["title"], told["pages"], told["cast"][0]) == ("Story 07", 3, "rusty")
    story = Story.model_validate_json((book / "story.json").read_bytes())
    assert all("rusty" in scene.concepts for scene in story.scenes)
    assert "Red Fox" in (book / "book.html").read_text(encoding="utf-8")

    assert main(["export", str(book), "--vistorybench", str(tmp_path / "outputs"), "--run", RUN]) == exit_codes.OK
    files = {name: data for name, data in contents(tmp_path / "outputs").items() if not name.endswith("/")}
    place = f"fableverse/pocket/en/{RUN}/07/shots"
    assert sorted(files) == [f"{place}/shot_{shot:02}.png" for shot in (1, 2, 4)]
    assert files[f"{place}/shot_04.png"] == (book / "pages" / "page-03.png").read_bytes()


def test_where_a_book_came_from_is_kept(tmp_path: Path) -> None:
    origin = BenchmarkStory(story="01", shots=(1, 2, 3, 4))
    assert read_record(a_book(tmp_path, benchmark=origin)).benchmark == origin


@pytest.mark.usefixtures("pocket_model_dir")
def test_a_script_is_moderated_where_that_is_demanded(tmp_path: Path) -> None:
    text = SCRIPT.replace("Luna came by.", "An odd cat came by.")
    with moderation(200, ["harassment"]) as base_url, pytest.raises(UnsafeRequest, match="page 2 .*harassment"):
        import_script(
            a_script(tmp_path, text),
            settings=Settings(llm="openai:x", base_url=base_url, moderation="on"),
            bank=ConceptBank(SAMPLE_BANK_DIR),
            cast={},
            title=None,
            language="en",
            seed=0,
            strengths={},
            out_dir=tmp_path / "out",
            formats=("html",),
            changes={},
            reporter=Reporter(),
        )
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("more", "code", "message"),
    [
        (["--cast", "Fox"], exit_codes.USAGE, "--cast 'Fox' is no name and concept"),
        (["--cast", "Fox=nobody"], exit_codes.BAD_INPUT, "nobody"),
        (["--language", "??"], exit_codes.BAD_INPUT, "no language tag"),
        (["--moderation", "on"], exit_codes.STORY, "OpenAI's moderation of texts needs a key"),
    ],
)
def test_what_cannot_be_imported_is_told_before_anything_is_loaded(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], more: list[str], code: int, message: str
) -> None:
    assert main(["book", "import", str(a_script(tmp_path)), *more, "--out", str(tmp_path / "out"), *BANK]) == code
    assert message in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("more", "benchmark", "message"),
    [
        ([], None, "is not the book of a ViStoryBench story"),
        ([], BenchmarkStory(story="01", shots=(1,)), "is not the book of a ViStoryBench story"),
        (["--run", "today"], BenchmarkStory(story="01", shots=(1, 2, 3, 4)), "'today' is no name"),
        (["--format", "pdf"], None, "leave --format and --out out"),
    ],
)
def test_pictures_that_the_scorer_could_not_read_are_not_written(
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    more: list[str],
    benchmark: BenchmarkStory | None,
    message: str,
) -> None:
    book = a_book(tmp_path, benchmark=benchmark)
    assert main(["export", str(book), "--vistorybench", str(tmp_path / "o"), *more]) == exit_codes.USAGE
    assert message in capsys.readouterr().err
    assert not (tmp_path / "o").exists()
