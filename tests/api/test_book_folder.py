"""A book's folder is replaced whole or not at all, and nothing that is no book is ever replaced."""

from pathlib import Path

import pytest

from api.book_folder import MAX_SLUG_LENGTH, replaced_book, slug_of
from api.errors import OutputError
from tests.concepts.builders import contents


def fill(folder: Path, mark: str) -> None:
    (folder / "pages").mkdir(parents=True)
    for name in ("book.html", "story.json", "book.lock", "pages/cover.png", "pages/page-01.png"):
        (folder / name).write_text(f"{mark} {name}")


@pytest.mark.parametrize(
    ("idea", "slug"),
    [
        ("a cat who keeps a lighthouse", "a-cat-who-keeps-a-lighthouse"),
        ("  It's Zoë's \"day\"; rm -rf / ", "its-zoes-day-rm-rf"),
        ("../../etc/passwd", "etc-passwd"),
    ],
)
def test_a_slug_is_the_ideas_words(idea: str, slug: str) -> None:
    assert slug_of(idea) == slug


def test_ideas_without_latin_letters_get_slugs_that_differ() -> None:
    first, second = slug_of("狐と灯台"), slug_of("猫と灯台")
    assert first != second
    assert first.startswith("book-") and len(first) < 20


def test_a_long_idea_is_cut_between_words() -> None:
    slug = slug_of("wonderful " * 20)
    assert len(slug) <= MAX_SLUG_LENGTH and slug.endswith("wonderful")


def test_a_single_endless_word_still_names_a_folder() -> None:
    assert 0 < len(slug_of("w" * 300)) <= MAX_SLUG_LENGTH


def test_a_new_book_takes_its_place_and_leaves_nothing_beside_it(tmp_path: Path) -> None:
    with replaced_book(tmp_path / "out" / "fox") as folder:
        fill(folder, "new")
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["fox"]
    assert (tmp_path / "out" / "fox" / "pages" / "cover.png").read_text() == "new pages/cover.png"


def test_a_book_is_replaced_whole(tmp_path: Path) -> None:
    fill(tmp_path / "fox", "old")
    (tmp_path / "fox" / "pages" / "page-02.png").write_text("old, and the new book has no second page")
    with replaced_book(tmp_path / "fox") as folder:
        fill(folder, "new")
    assert sorted(contents(tmp_path)) == [
        "fox/", "fox/book.html", "fox/book.lock", "fox/pages/", "fox/pages/cover.png", "fox/pages/page-01.png",
        "fox/story.json",
    ]  # fmt: skip
    assert (tmp_path / "fox" / "book.html").read_text() == "new book.html"


@pytest.mark.parametrize("error", [OSError(28, "No space left on device"), KeyboardInterrupt()], ids=["full", "Ctrl-C"])
def test_a_book_that_fails_half_way_leaves_the_old_one_untouched(tmp_path: Path, error: BaseException) -> None:
    fill(tmp_path / "fox", "old")
    before = contents(tmp_path)
    with pytest.raises(type(error)), replaced_book(tmp_path / "fox") as folder:
        (folder / "book.html").write_text("half")
        raise error
    assert contents(tmp_path) == before


@pytest.mark.parametrize("foreign", ["taxes.ods", "pages/holiday.png", ".git/config"])
def test_a_folder_with_anything_else_in_it_is_refused_at_once(tmp_path: Path, foreign: str) -> None:
    fill(tmp_path / "fox", "old")
    (tmp_path / "fox" / foreign).parent.mkdir(exist_ok=True)
    (tmp_path / "fox" / foreign).write_text("precious")
    before = contents(tmp_path)
    with (
        pytest.raises(OutputError, match=f"holds '{foreign.removesuffix('/config')}', which is no part of a book"),
        replaced_book(tmp_path / "fox"),
    ):
        pytest.fail("the body must not run")
    assert contents(tmp_path) == before


def test_what_file_browsers_leave_behind_does_not_get_in_the_way(tmp_path: Path) -> None:
    fill(tmp_path / "fox", "old")
    (tmp_path / "fox" / ".DS_Store").write_text("")
    with replaced_book(tmp_path / "fox") as folder:
        fill(folder, "new")
    assert (tmp_path / "fox" / "book.html").read_text() == "new book.html"


def test_a_file_in_the_books_place_is_refused(tmp_path: Path) -> None:
    (tmp_path / "fox").write_text("precious")
    with pytest.raises(OutputError, match=r"fox' is a file"), replaced_book(tmp_path / "fox"):
        pytest.fail("the body must not run")
    assert (tmp_path / "fox").read_text() == "precious"


def test_what_killed_runs_left_is_deleted_and_what_is_at_work_or_anothers_is_not(tmp_path: Path) -> None:
    names = {".fox-0123abcd.new", ".fox-and-cat-0123abcd.new", ".fox.new", ".fox-0123abcd.old", "fox-0123abcd.new"}
    for name in names:
        fill(tmp_path / name, "left")
    with replaced_book(tmp_path / "fox") as at_work:
        with replaced_book(tmp_path / "fox") as folder:
            assert at_work.is_dir()
            fill(folder, "second")
        fill(at_work, "first")
    assert {path.name for path in tmp_path.iterdir()} == names - {".fox-0123abcd.new"} | {"fox"}


def test_something_put_there_meanwhile_is_not_overwritten(tmp_path: Path) -> None:
    with pytest.raises(OutputError, match="notes.txt"), replaced_book(tmp_path / "fox") as folder:
        fill(folder, "new")
        (tmp_path / "fox").mkdir()
        (tmp_path / "fox" / "notes.txt").write_text("precious")
    assert (tmp_path / "fox" / "notes.txt").read_text() == "precious"
