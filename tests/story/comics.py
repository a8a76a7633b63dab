"""A story told in speech, and pictures of which it is known whose face is where."""

from pathlib import Path

from PIL import Image, ImageDraw

from concepts.schema import ConceptCard
from story.book import Book
from story.design import Design
from story.schema import Box, Face, Page, Scene, SpokenLine, Story
from tests.story.book_samples import CAST, as_book, paint

_LINES = (
    (("rusty", "Good evening, Luna! Is your lamp lit?"), ("luna", "Not yet. I cannot find a match.")),
    (("luna", "Look, a boat!"), ("rusty", "It is much too close to the rocks."), ("luna", "Then we must hurry!")),
    (("rusty", "Here, take my lantern."),),
    (("luna", "They see us!"), ("rusty", "They are turning.")),
)
_TEXTS = (
    "On the hill above the sea two friends met.",
    "The wind rose.",
    "Rusty had an idea.",
    "Far out a horn sounded.",
)


def comic_story(*, pages: int = 4, language: str = "en") -> Story:
    """A story whose pages have a short text and one to three lines of speech."""
    return Story(
        title="The Lamp on the Hill",
        language=language,
        cover=Scene(prompt="a fox and a cat", alt="A fox and a cat on a hill."),
        pages=tuple(
            Page(
                text=_TEXTS[index % 4],
                speech=tuple(SpokenLine(speaker=speaker, text=text) for speaker, text in _LINES[index % 4]),
                scene=Scene(prompt="a fox and a cat", alt=f"A fox and a cat talk, picture {index + 1}."),
            )
            for index in range(pages)
        ),
    )


def comic_faces(number: int) -> tuple[Face, ...]:
    """Where `comic_book` draws both faces on a page's picture."""
    left = 0.16 + 0.04 * (number % 3)
    return (
        Face(concept="rusty", box=Box(left=left, top=0.5, right=left + 0.17, bottom=0.65)),
        Face(concept="luna", box=Box(left=0.64, top=0.46, right=0.8, bottom=0.6)),
    )


def comic_book(folder: Path, story: Story, *, design: Design | None = None, knows_faces: bool = True) -> Book:
    """The book of that story, drawn with Pillow."""
    folder.mkdir(parents=True, exist_ok=True)
    paths = [paint(folder / f"comic-{number}.png", seed=20 + number, size=384) for number in range(len(story.scenes))]
    for number, path in enumerate(paths):
        with Image.open(path) as opened:
            picture = opened.convert("RGB")
        for face, colour in zip(comic_faces(number), ((214, 104, 40), (96, 110, 190)), strict=True):
            _draw_figure(ImageDraw.Draw(picture), face.box, colour, picture.width)
        picture.save(path)
    faces = {f"page-{number:02}": comic_faces(number) for number in range(1, len(paths))}
    luna = ConceptCard(id="luna", name="Luna", word="cat", kind="character", caption="a cat")
    return as_book(
        story, paths, cast=(*CAST, luna), design=design or Design(layout="comic"), faces=faces if knows_faces else None
    )


def _draw_figure(draw: ImageDraw.ImageDraw, face: Box, colour: tuple[int, int, int], size: int) -> None:
    left, top, right, bottom = (round(size * edge) for edge in (face.left, face.top, face.right, face.bottom))
    draw.ellipse([left - 6, bottom - 12, right + 6, bottom + 90], fill=colour)
    for ear in (left + 4, right - 22):
        draw.polygon([(ear, top + 14), (ear + 9, top - 16), (ear + 20, top + 12)], fill=colour)
    draw.ellipse([left, top, right, bottom], fill=colour)
    for eye in (left + (right - left) // 3, left + 2 * (right - left) // 3):
        draw.ellipse([eye - 4, top + 20, eye + 4, top + 28], fill="white")
        draw.ellipse([eye - 2, top + 22, eye + 2, top + 26], fill="black")
