"""Small books for tests: a story, pictures made with Pillow, a cast."""

import math
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from uuid import UUID

from PIL import Image, ImageDraw

from concepts.schema import ConceptCard
from story.book import Book, book_of
from story.design import Design
from story.editions.formats import write_editions
from story.schema import Face, Page, Scene, Story
from story.templates import TEMPLATES_DIR, Templates

CAST = (
    ConceptCard(id="rusty", name="Rusty", word="fox", kind="character", caption="a fox wearing a scarf"),
    ConceptCard(id="night-sky", name="Night Sky", word="moonlight", kind="lighting", caption="a fox in the moonlight"),
)
COLOPHON = {"Drawn by": "Pocket", "Written by": "the built-in storyteller", "Seed": "7"}


def a_story(*, pages: int = 3, title: str = "The Fox Who Kept the Light", language: str = "en") -> Story:
    """A story whose texts and alt texts are all different."""
    return Story(
        title=title,
        language=language,
        cover=Scene(prompt="a fox", concepts=("rusty",), alt="A fox looks out of a lighthouse."),
        pages=tuple(
            Page(
                text=f"On step {number} the fox stood still.\n\nThen he took one more.",
                scene=Scene(prompt="a fox", concepts=("rusty",), alt=f"A fox on step {number} of a stair."),
            )
            for number in range(1, pages + 1)
        ),
    )


def paint(path: Path, *, seed: int = 0, size: int = 256, height: int | None = None) -> Path:
    """A smooth evening sky over hills, so that it compresses as a drawn picture does."""
    picture = Image.new("RGB", (size, size))
    draw = ImageDraw.Draw(picture)
    for y in range(size):
        draw.line([(0, y), (size, y)], fill=(30 + y // 3, 40 + (y * 3) // 8, 110 - y // 6))
    hills = [(x, size * 0.7 + size * 0.06 * math.sin(x / 30 + seed)) for x in range(0, size + 1, 4)]
    draw.polygon([*hills, (size, size), (0, size)], fill=(52, 92, 70))
    draw.ellipse([60 + 10 * seed, 120, 110 + 10 * seed, 200], fill=(214, 104, 40))
    picture.resize((size, height or size)).save(path)
    return path


def paint_all(story: Story, folder: Path) -> list[Path]:
    """A picture for every scene of the story."""
    folder.mkdir(parents=True, exist_ok=True)
    return [paint(folder / f"scene-{number}.png", seed=number) for number in range(len(story.scenes))]


def make_book(folder: Path, story: Story) -> Path:
    """The whole book in `folder`, with the sample cast, one portrait and the sample colophon."""
    pictures = paint_all(story, folder / "pictures")
    return bind(story, pictures, folder, portraits={"rusty": pictures[1]})


def as_book(
    story: Story,
    pictures: Sequence[Path],
    *,
    cast: Sequence[ConceptCard] = CAST,
    colophon: Mapping[str, str] = COLOPHON,
    portraits: Mapping[str, Path] | None = None,
    design: Design | None = None,
    faces: Mapping[str, Sequence[Face]] | None = None,
) -> Book:
    """The book of a story, always of the same identity and age."""
    return book_of(
        story,
        pictures,
        cast=cast,
        colophon=colophon,
        identifier=UUID(int=7),
        modified=datetime(2026, 11, 24, 12, tzinfo=UTC),
        portraits=portraits,
        design=design,
        faces=faces,
    )


def bind(
    story: Story,
    pictures: Sequence[Path],
    folder: Path,
    *,
    cast: Sequence[ConceptCard] = CAST,
    colophon: Mapping[str, str] = COLOPHON,
    portraits: Mapping[str, Path] | None = None,
    design: Design | None = None,
    edition: str = "html",
    templates_dir: Path = TEMPLATES_DIR,
) -> Path:
    """One edition of the book in `folder`."""
    book = as_book(story, pictures, cast=cast, colophon=colophon, portraits=portraits, design=design)
    (path,) = write_editions(book, [edition], folder, templates=Templates(templates_dir))
    return path
