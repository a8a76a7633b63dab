"""A finished book is edited, and exactly the pictures whose inputs changed are drawn again."""

import json
import shutil
from pathlib import Path

import pytest
from PIL import Image

from api.binding import read_record
from api.book_lock import BookLock, LockedPicture, current_versions, read_lock_only
from api.cli import main
from api.commands.render import parse_choices, parse_pages
from api.errors import LockMismatch, UsageError
from api.rerender import rerender_book
from concepts.bank import ConceptBank
from generator.images import read_metadata
from story.schema import Box, Face
from tests.api.builders import TEMPLATES_DIR, PlainRenderer, edit, plain_studio
from tests.concepts.builders import a_concept, add_concept, contents

pytest_plugins = ["tests.api.finished"]


def pictures(book: Path) -> dict[str, bytes]:
    return {name: data for name, data in contents(book).items() if name.startswith("pages/") and data}


def lock_of(book: Path) -> BookLock:
    return read_lock_only(book / "book.lock")[0]


def prompts_drawn(renderer: PlainRenderer) -> list[str]:
    return [bound.prompt for bound, _ in renderer.drawn]


def test_one_word_of_page_threes_prompt_draws_one_picture(book: Path, bank: ConceptBank) -> None:
    before = pictures(book)
    assert edit(book, bank, page=3, prompt="a fox in the forest 3") == [3]
    renderer = PlainRenderer()
    done = rerender_book(book, studio=plain_studio(bank, renderer=renderer), templates_dir=TEMPLATES_DIR)
    assert done.drawn == (3,)
    assert prompts_drawn(renderer) == ["a fox in the forest 3"]
    after = pictures(book)
    assert [name for name in before if before[name] != after[name]] == ["pages/page-03.png"]
    assert read_metadata(book / "pages" / "page-03.png").prompt == "a fox in the forest 3"
    lock = BookLock.model_validate_json((book / "book.lock").read_bytes())
    assert [picture.prompt for picture in lock.pictures][3] == "a fox in the forest 3"


def test_editing_by_hand_does_the_same_and_words_draw_nothing(book: Path, bank: ConceptBank) -> None:
    story = json.loads((book / "story.json").read_text(encoding="utf-8"))
    story["pages"][0]["text"] = "Other words."
    (book / "story.json").write_text(json.dumps(story), encoding="utf-8")
    before = pictures(book)
    done = rerender_book(book, studio=plain_studio(bank), templates_dir=TEMPLATES_DIR)
    assert done.drawn == () and pictures(book) == before
    assert "Other words." in (book / "book.html").read_text(encoding="utf-8")


def test_a_page_taken_out_leaves_the_pictures_of_the_others(book: Path, bank: ConceptBank) -> None:
    before = pictures(book)
    story = json.loads((book / "story.json").read_text(encoding="utf-8"))
    del story["pages"][1]
    (book / "story.json").write_text(json.dumps(story), encoding="utf-8")
    done = rerender_book(book, studio=plain_studio(bank), templates_dir=TEMPLATES_DIR)
    assert done.drawn == ()
    after = pictures(book)
    assert after["pages/page-02.png"] == before["pages/page-03.png"]
    assert "pages/page-04.png" not in after


def test_a_page_given_anothers_prompt_is_drawn_and_the_other_keeps_its_picture(book: Path, bank: ConceptBank) -> None:
    before = pictures(book)
    theirs = lock_of(book).pictures[3]
    edit(book, bank, page=2, prompt=theirs.prompt)
    done = rerender_book(book, studio=plain_studio(bank), templates_dir=TEMPLATES_DIR)
    assert done.drawn == (2,)
    assert [name for name, data in pictures(book).items() if data != before[name]] == ["pages/page-02.png"]
    assert lock_of(book).pictures[3] == theirs


def test_a_concept_learnt_again_draws_its_pages_again(book: Path, bank: ConceptBank, tmp_path: Path) -> None:
    add_concept(bank, a_concept(direction=b"other"), tmp_path / "again", direction=b"other", replace=True)
    done = rerender_book(book, studio=plain_studio(bank), templates_dir=TEMPLATES_DIR)
    assert done.drawn == (0, 1, 2, 3, 4)


def test_exported_editions_are_bound_again_and_told(book: Path, bank: ConceptBank) -> None:
    assert main(["export", str(book), "--format", "epub-reflow"]) == 0
    old = (book / "book-reflow.epub").read_bytes()
    edit(book, bank, page=3, text="Other words.")
    done = rerender_book(book, studio=plain_studio(bank), templates_dir=TEMPLATES_DIR)
    assert [path.name for path in done.editions] == ["book.html", "book-reflow.epub"]
    assert (book / "book-reflow.epub").read_bytes() != old
    assert "book-reflow.epub, exported before, is bound again with the looks" in done.warnings[-1]
    assert read_record(book).formats == ("html",)


def test_faces_go_with_the_pictures_that_show_them(book: Path, bank: ConceptBank) -> None:
    faces = {
        f"page-0{number}": (Face(concept="rusty", box=Box(left=number / 10, top=0, right=1, bottom=1)),)
        for number in (1, 3, 4)
    }
    record = read_record(book).model_copy(update={"faces": faces})
    (book / "book.json").write_text(record.model_dump_json(), encoding="utf-8")
    edit(book, bank, page=4, prompt="a fox in the forest 4")
    story = json.loads((book / "story.json").read_text(encoding="utf-8"))
    del story["pages"][1]
    (book / "story.json").write_text(json.dumps(story), encoding="utf-8")

    done = rerender_book(book, studio=plain_studio(bank), templates_dir=TEMPLATES_DIR)
    assert done.drawn == (3,)
    assert read_record(book).faces == {"page-01": faces["page-01"], "page-02": faces["page-03"]}
    assert done.warnings == ("book.json forgets the faces of the old page-04: say where new pictures have them.",)
    edit(book, bank, page=1, prompt="a fox in the forest 1")
    done = rerender_book(book, studio=plain_studio(bank), templates_dir=TEMPLATES_DIR)
    assert [*read_record(book).faces] == ["page-02"]
    assert "the old page-01:" in done.warnings[0]


@pytest.fixture
def old_book(book: Path) -> Path:
    """A book that was drawn with another torch."""
    lock = lock_of(book)
    lock = lock.model_copy(update={"versions": {**lock.versions, "torch": "1.0.0"}})
    (book / "book.lock").write_text(lock.model_dump_json(), encoding="utf-8")
    return book


def test_a_lock_keeps_its_versions_while_a_picture_of_them_is_left(old_book: Path, bank: ConceptBank) -> None:
    done = rerender_book(old_book, studio=plain_studio(bank), templates_dir=TEMPLATES_DIR)
    assert (done.drawn, done.warnings, lock_of(old_book).versions["torch"]) == ((), (), "1.0.0")
    edit(old_book, bank, page=3, prompt="a fox in the forest 3")
    done = rerender_book(old_book, studio=plain_studio(bank), templates_dir=TEMPLATES_DIR)
    assert (done.drawn, lock_of(old_book).versions["torch"]) == ((3,), "1.0.0")
    assert [warning[:28] for warning in done.warnings] == ["Drawn with torch 1.0.0 first"]


def test_a_lock_of_new_pictures_alone_has_their_versions(old_book: Path, bank: ConceptBank, tmp_path: Path) -> None:
    add_concept(bank, a_concept(direction=b"other"), tmp_path / "again", direction=b"other", replace=True)
    done = rerender_book(old_book, studio=plain_studio(bank), templates_dir=TEMPLATES_DIR)
    assert (done.warnings, lock_of(old_book).versions) == ((), current_versions())


class SecondIsBest:
    """Prefers the second of two pictures."""

    def __init__(self) -> None:
        self.times = 0

    def score(self, image: Image.Image, picture: LockedPicture) -> float:
        del image, picture
        self.times += 1
        return 1 - self.times % 2


def test_candidates_count_with_the_versions_that_drew_them(old_book: Path, bank: ConceptBank) -> None:
    done = rerender_book(
        old_book,
        studio=plain_studio(bank),
        templates_dir=TEMPLATES_DIR,
        several=(0, 1, 2, 3, 4),
        num_candidates=2,
        scorer=SecondIsBest(),
    )
    lock = lock_of(old_book)
    assert (done.drawn, lock.versions, done.warnings) == ((0, 1, 2, 3, 4), current_versions(), ())
    lock = lock.model_copy(update={"versions": {**lock.versions, "torch": "1.0.0"}})
    (old_book / "book.lock").write_text(lock.model_dump_json(), encoding="utf-8")
    firsts = {each.page: each.seed for each in done.candidates[::2]}
    done = rerender_book(old_book, studio=plain_studio(bank), templates_dir=TEMPLATES_DIR, choices=firsts)
    assert (done.drawn, lock_of(old_book).versions["torch"]) == ((0, 1, 2, 3, 4), "1.0.0")


class DarkestIsBest:
    """Prefers dark pictures, and remembers what it saw."""

    def __init__(self) -> None:
        self.seen: list[tuple[int, float]] = []

    def score(self, image: Image.Image, picture: LockedPicture) -> float:
        red, green, blue = image.getpixel((0, 0))  # type: ignore[misc]
        score = 1 - (red + green + blue) / 765
        self.seen.append((picture.seed, score))
        return score


def test_of_several_candidates_the_best_is_taken_and_all_are_kept(book: Path, bank: ConceptBank) -> None:
    before = pictures(book)
    scorer = DarkestIsBest()
    done = rerender_book(
        book,
        studio=plain_studio(bank),
        templates_dir=TEMPLATES_DIR,
        several=(3,),
        num_candidates=4,
        scorer=scorer,
    )
    assert len(done.candidates) == len(scorer.seen) == 4
    best = max(done.candidates, key=lambda each: each.score or 0)
    kept = sorted((book / "candidates").iterdir())
    assert len(kept) == 4
    assert (book / "pages/page-03.png").read_bytes() == (
        book / "candidates" / f"page-03-seed-{best.seed}.png"
    ).read_bytes()
    after = pictures(book)
    assert {name for name in before if before[name] != after[name]} <= {"pages/page-03.png"}
    other = next(each for each in done.candidates if each.seed != best.seed)
    renderer = PlainRenderer()
    chosen = rerender_book(
        book,
        studio=plain_studio(bank, renderer=renderer),
        templates_dir=TEMPLATES_DIR,
        choices={3: other.seed},
    )
    assert chosen.drawn == (3,) and renderer.drawn == []
    assert read_metadata(book / "pages/page-03.png").seed == other.seed


def test_what_is_not_there_cannot_be_chosen(book: Path, bank: ConceptBank) -> None:
    with pytest.raises(UsageError, match="no candidate 5 for page 3"):
        rerender_book(book, studio=plain_studio(bank), templates_dir=TEMPLATES_DIR, choices={3: 5})
    with pytest.raises(UsageError, match="no page 9"):
        rerender_book(book, studio=plain_studio(bank), templates_dir=TEMPLATES_DIR, several=(9,), num_candidates=2)
    with pytest.raises(LockMismatch, match="Use the model that drew it"):
        rerender_book(book, studio=plain_studio(bank, fingerprint="f2"), templates_dir=TEMPLATES_DIR)


def test_a_candidate_of_a_page_that_was_taken_out_cannot_be_chosen(book: Path, bank: ConceptBank) -> None:
    (book / "candidates").mkdir()
    shutil.copy(book / "pages/page-04.png", book / "candidates/page-04-seed-5.png")
    story = json.loads((book / "story.json").read_text(encoding="utf-8"))
    story["pages"].pop()
    (book / "story.json").write_text(json.dumps(story), encoding="utf-8")
    with pytest.raises(UsageError, match="no page 4: its pages are 1 to 3"):
        rerender_book(book, studio=plain_studio(bank), templates_dir=TEMPLATES_DIR, choices={4: 5})


@pytest.mark.parametrize(
    ("words", "named"),
    [
        (["--choose", "9=5"], "no page 9"),
        (["--choose", "3=5"], "no candidate 5 for page 3"),
        (["--pages", "9", "--candidates", "2"], "no page 9"),
    ],
)
def test_what_is_not_there_is_told_before_anything_is_loaded(
    book: Path, bank: ConceptBank, words: list[str], named: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["book", "render", str(book), *words, "--bank", str(bank.folder)]) == 2
    said = capsys.readouterr().err
    assert named in said and "Loading" not in said


def test_pages_and_choices_are_read() -> None:
    assert parse_pages("3, 5,3") == (3, 5)
    assert parse_choices(["3=17"]) == {3: 17}
    for bad in ("x", "3-5"):
        with pytest.raises(UsageError, match="--pages"):
            parse_pages(bad)
    with pytest.raises(UsageError, match="--choose"):
        parse_choices(["3"])
