"""The shipped program as a person runs it: the console script, the pocket model, the sample bank, one idea."""

import json
import os
import subprocess
import sys
import time
from html.parser import HTMLParser
from pathlib import Path

import pytest
from PIL import Image

from generator.images import read_metadata

FABLEVERSE = Path(sys.executable).with_name("fableverse")
IDEA = "a cat who keeps a lighthouse & is afraid of the <dark>"


class BookReader(HTMLParser):
    """Collects what a book page is made of."""

    def __init__(self) -> None:
        super().__init__()
        self.images: list[dict[str, str | None]] = []
        self.outside: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag == "img":
            self.images.append(dict(attrs))
        for name, value in attrs:
            if name in ("src", "href") and not (value or "").startswith(("data:", "#")):
                self.outside.append(f"{tag} {name}={value}")


@pytest.fixture(scope="module")
def made(pocket_model_dir: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[str, object], float]:
    """A book of eight pages made in an empty folder: the folder, what was told, and the seconds it took."""
    assert pocket_model_dir.is_dir()
    home = tmp_path_factory.mktemp("home")
    started = time.monotonic()
    done = subprocess.run(
        [FABLEVERSE, "book", "--json", "--seed", "7", "--", IDEA], cwd=home, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    return home, json.loads(done.stdout), time.monotonic() - started


def test_the_book_is_whole(made: tuple[Path, dict[str, object], float]) -> None:
    home, told, _ = made
    out_dir = home / "out" / "a-cat-who-keeps-a-lighthouse-is-afraid-of-the-dark"
    assert home / str(told["book"]) == out_dir / "book.html"
    reader = BookReader()
    reader.feed((out_dir / "book.html").read_text(encoding="utf-8"))
    assert reader.outside == []
    assert len(reader.images) >= 9
    assert all(image["alt"] is not None for image in reader.images)
    assert sorted(path.name for path in (out_dir / "pages").iterdir()) == [
        "cover.png",
        *(f"page-{number:02}.png" for number in range(1, 9)),
    ]


def test_every_picture_shows_something_and_says_how_it_was_drawn(made: tuple[Path, dict[str, object], float]) -> None:
    home, told, _ = made
    for picture in told["pictures"] if isinstance(told["pictures"], list) else []:
        with Image.open(home / picture) as image:
            colours = image.convert("RGB").getcolors(image.width * image.height) or []
        assert len(colours) > 500, picture
        assert read_metadata(home / picture).prompt


def test_a_concept_of_the_sample_bank_recurs(made: tuple[Path, dict[str, object], float]) -> None:
    home, told, _ = made
    pictures = told["pictures"]
    assert isinstance(pictures, list)
    on_stage = [set(read_metadata(home / picture).concepts) for picture in pictures]
    cast = told["cast"]
    assert isinstance(cast, list) and cast
    assert max(sum(member in concepts for concepts in on_stage) for member in cast) >= 5


def test_the_lock_draws_the_same_pictures_again(made: tuple[Path, dict[str, object], float]) -> None:
    home, told, _ = made
    lock = Path(str(told["book"])).with_name("book.lock")
    done = subprocess.run(
        [FABLEVERSE, "book", "--lock", lock, "--out", "again"], cwd=home, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout == "again/book.html\n"
    for picture in sorted((home / lock.parent / "pages").iterdir()):
        assert (home / "again" / "pages" / picture.name).read_bytes() == picture.read_bytes(), picture.name


def test_a_book_takes_at_most_three_minutes(made: tuple[Path, dict[str, object], float]) -> None:
    _, told, seconds = made
    assert seconds < 180, f"{seconds:.0f} s on {os.cpu_count()} cores, of which {told['seconds']}"
