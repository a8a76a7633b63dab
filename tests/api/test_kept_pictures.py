"""Pictures outlive whatever stops a book, and the same command draws only those that are missing."""

import json
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from PIL import Image

from api.binding import read_record
from api.book_folder import BookAsFound
from api.book_lock import LOCK_FILENAME, LockedPicture, read_lock
from api.errors import notes_of
from api.execution import report_failure
from api.exit_codes import INTERRUPTED
from api.rerender import rerender_book
from api.settings import SAMPLE_BANK_DIR, WantedModel
from api.storybook import DrawingProgress, Storybook, Studio, make_storybook, redraw_storybook
from concepts.bank import ConceptBank
from generator.errors import NoPicture
from generator.plan import Numbers
from tests.api.builders import TEMPLATES_DIR, PlainRenderer, PlainWriter, a_request, plain_studio
from tests.api.test_drawn_numbers import PLAIN, STORED, stepping_studio
from tests.concepts.builders import a_concept, add_concept, contents

pytest_plugins = ["tests.api.finished"]

TAKEN_OVER = "3 pictures were drawn before, by a run that was stopped, and not drawn again."


def make(studio: Studio, out_dir: Path, *, seed: int = 7, pages: int = 4, **more: Any) -> Storybook:
    return make_storybook(
        a_request(studio.bank, seed=seed, pages=pages),
        writer=PlainWriter(),
        writer_name="a plain writer",
        studio=studio,
        out_dir=out_dir,
        templates_dir=TEMPLATES_DIR,
        **more,
    )


def stop(bank: ConceptBank, out_dir: Path, error: BaseException | None = None, *, after: int = 3) -> str:
    """Begin a book and stop before its last pictures; the note that is made of what is kept."""
    error = error or KeyboardInterrupt()
    with pytest.raises(type(error)) as caught:
        make(plain_studio(bank, renderer=PlainRenderer(failures={after: error})), out_dir)
    return " ".join(notes_of(caught.value))


def seeds_drawn(renderer: PlainRenderer) -> list[int]:
    return [seed for _, seed in renderer.drawn]


@pytest.mark.parametrize("error", [KeyboardInterrupt(), NoPicture("It overflowed."), OSError(28, "No space left")])
def test_the_same_command_draws_what_is_missing_and_the_book_is_the_same(
    bank: ConceptBank, tmp_path: Path, error: BaseException
) -> None:
    whole = make(plain_studio(bank), tmp_path / "whole")
    stop(bank, tmp_path / "out" / "fox", error)
    renderer = PlainRenderer()
    book = make(plain_studio(bank, renderer=renderer), tmp_path / "out" / "fox")
    assert seeds_drawn(renderer) == [10, 11]
    assert book.warnings == (*whole.warnings, TAKEN_OVER)
    assert contents(book.folder) == contents(whole.folder)
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["fox"], "nothing is kept any more"


@pytest.mark.parametrize("error", [KeyboardInterrupt(), NoPicture("x"), OSError(28, "x"), ZeroDivisionError()])
def test_whoever_is_stopped_is_told_that_pictures_are_kept(
    bank: ConceptBank, tmp_path: Path, error: BaseException
) -> None:
    way_on = "drawn already and kept: the same command goes on from there."
    assert stop(bank, tmp_path / "fox", error) == f"3 pictures were {way_on}"
    assert stop(bank, tmp_path / "fox", after=1) == f"4 pictures were {way_on}"
    assert stop(bank, tmp_path / "cat", after=0) == ""


def test_what_is_kept_is_told_on_the_screen(capsys: pytest.CaptureFixture[str]) -> None:
    error = KeyboardInterrupt()
    error.add_note("3 pictures were kept.")
    assert report_failure(error, wants_json=True) == INTERRUPTED
    told = capsys.readouterr()
    assert told.err == "fableverse: Interrupted. 3 pictures were kept.\n"
    assert json.loads(told.out)["error"]["message"] == "Interrupted. 3 pictures were kept."


def test_the_book_that_is_there_stays_until_the_new_one_is_whole(book: Path, bank: ConceptBank) -> None:
    before, found = contents(book), BookAsFound.of(book)
    lock, story = read_lock(book / LOCK_FILENAME)

    def redraw(renderer: PlainRenderer) -> Storybook:
        studio = plain_studio(bank, renderer=renderer)
        record = read_record(book)
        return redraw_storybook(
            lock, story, record, earlier=found, studio=studio, out_dir=book, templates_dir=TEMPLATES_DIR
        )

    with pytest.raises(KeyboardInterrupt):
        redraw(PlainRenderer(failures={3: KeyboardInterrupt()}))
    assert contents(book) == before
    renderer = PlainRenderer()
    assert redraw(renderer).warnings == (TAKEN_OVER,)
    assert seeds_drawn(renderer) == [10, 11]
    assert contents(book) == before


@pytest.mark.parametrize("other", ["seed", "direction", "weights", "numbers", "settings", "strengths"])
def test_a_picture_that_would_come_out_otherwise_is_drawn(bank: ConceptBank, tmp_path: Path, other: str) -> None:
    stop(bank, tmp_path / "fox")
    renderer = PlainRenderer()
    studio = plain_studio(bank, renderer=renderer)
    options: dict[str, Any] = {}
    if other == "seed":
        options["seed"] = 20
    elif other == "direction":
        add_concept(bank, a_concept(direction=b"other"), tmp_path / "again", direction=b"other", replace=True)
    elif other == "weights":
        again = a_concept().model_copy(update={"base_model": "f2"})
        add_concept(bank, again, tmp_path / "again", replace=True)
        studio = plain_studio(bank, renderer=renderer, fingerprint="f2")
    elif other == "numbers":
        studio = replace(studio, model=studio.model.model_copy(update={"numbers": Numbers(dtype="bfloat16")}))
    elif other == "settings":
        studio = replace(studio, settings=replace(studio.settings, num_inference_steps=3))
    else:
        options["strengths"] = {"rusty": 0.5}
    assert TAKEN_OVER not in make(studio, tmp_path / "fox", **options).warnings
    assert len(renderer.drawn) == 5


@pytest.mark.parametrize("suffix", [".png", ".json"])
def test_a_kept_picture_that_is_damaged_is_drawn_again(bank: ConceptBank, tmp_path: Path, suffix: str) -> None:
    stop(bank, tmp_path / "fox")
    for path in (tmp_path / ".fox.pictures").glob(f"*{suffix}"):
        path.write_bytes(path.read_bytes()[:20])
    renderer = PlainRenderer()
    make(plain_studio(bank, renderer=renderer), tmp_path / "fox")
    assert len(renderer.drawn) == 5


def test_kept_pictures_of_other_numbers_are_named_as_if_they_were_drawn_now(bank: ConceptBank, tmp_path: Path) -> None:
    overflow = {PLAIN: {1: torch.OutOfMemoryError("CUDA out of memory")}, STORED: {2: NoPicture("It overflowed.")}}
    with pytest.raises(NoPicture):
        make(stepping_studio(bank, failures=overflow), tmp_path / "fox")
    book = make(stepping_studio(bank, failures={}), tmp_path / "fox")
    assert book.warnings[1:] == (
        TAKEN_OVER,
        "Pages 1 to 2 were drawn in float32, weights kept in fp8; drawing began in float32: pictures differ.",
    )


class Judge:
    """Prefers large seeds."""

    def score(self, image: Image.Image, picture: LockedPicture) -> float:
        assert image.size == (32, 16)
        return picture.seed / 2**32


def test_candidates_are_taken_over_with_what_they_are_worth(book: Path, bank: ConceptBank) -> None:
    def render(failures: Mapping[int, BaseException]) -> tuple[PlainRenderer, Any]:
        renderer = PlainRenderer(failures=failures)
        studio = plain_studio(bank, renderer=renderer)
        wish: dict[str, Any] = {"several": (1, 3), "num_candidates": 2, "scorer": Judge()}
        return renderer, rerender_book(book, studio=studio, templates_dir=TEMPLATES_DIR, **wish)

    before = contents(book)
    with pytest.raises(KeyboardInterrupt, match="3 pictures were drawn already and kept"):
        render({3: KeyboardInterrupt()})
    assert contents(book) == before
    renderer, done = render({})
    assert len(renderer.drawn) == 1
    assert [each.score == each.seed / 2**32 for each in done.candidates] == [True] * 4
    assert done.warnings == (TAKEN_OVER,)
    lock, _ = read_lock(book / LOCK_FILENAME)
    assert [lock.pictures[page].seed for page in (1, 3)] == [1_000_011, 1_000_013]
    assert [path.name for path in book.parent.iterdir()] == ["fox"]


def test_pockets_pictures_come_out_to_the_byte_though_they_are_drawn_together(
    pocket_model_dir: Path, tmp_path: Path
) -> None:
    assert pocket_model_dir.is_dir()
    from api.studio import open_studio

    studio = open_studio(WantedModel(source="pocket"), ConceptBank(SAMPLE_BANK_DIR), pictures=9, tell=lambda _: None)
    studio = replace(studio, settings=replace(studio.settings, num_inference_steps=2))

    def interrupt(progress: DrawingProgress) -> None:
        if progress.picture == 7:
            raise KeyboardInterrupt

    whole = make(studio, tmp_path / "whole", pages=8)
    with pytest.raises(KeyboardInterrupt, match="6 pictures were drawn already"):
        make(studio, tmp_path / "fox", pages=8, on_drawing=interrupt)
    sorted((tmp_path / ".fox.pictures").glob("*.png"))[2].unlink()
    book = make(studio, tmp_path / "fox", pages=8)
    assert "5 pictures were drawn before" in book.warnings[-1]
    assert [path.read_bytes() for path in book.pictures] == [path.read_bytes() for path in whole.pictures]
