"""Pictures as PNG files that say how they were drawn. Knows Pillow, and nothing of models."""

from io import BytesIO
from pathlib import Path

from PIL import Image, PngImagePlugin
from pydantic import BaseModel, ConfigDict, ValidationError

from concepts.errors import UnreadablePicture
from concepts.files import write_whole
from generator.errors import InvalidSettings
from generator.settings import RenderSettings
from generator.slides import Slide

METADATA_KEY = "fableverse"


class PictureMetadata(BaseModel):
    """All that is needed to draw a picture again, kept in its file."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    prompt: str
    seed: int
    concepts: dict[str, str]
    """SHA-256 of the direction by concept id; empty without concepts."""
    strengths: dict[str, float] = {}
    """By concept id, for the concepts drawn with another strength than 1."""
    slides: tuple[Slide, ...] = ()
    """Text-driven directions, in the order they were given."""
    settings: RenderSettings
    model: str
    """Name of the model, for people."""
    fingerprint: str
    """Of the model's weights."""


def save_picture(image: Image.Image, path: Path, *, metadata: PictureMetadata) -> None:
    """Write a PNG whole or not at all, with the prompt as its description and `metadata` as JSON (iTXt chunks).

    The folder must exist; a file in that place is replaced.
    """
    chunks = PngImagePlugin.PngInfo()
    chunks.add_itxt("Description", metadata.prompt)
    chunks.add_itxt("Software", "Fableverse")
    chunks.add_itxt(METADATA_KEY, metadata.model_dump_json())
    save_png(image, path, chunks=chunks)


def save_png(image: Image.Image, path: Path, *, chunks: PngImagePlugin.PngInfo | None = None) -> None:
    """Write a PNG whole or not at all; the folder must exist, a file in that place is replaced."""
    content = BytesIO()
    image.save(content, format="PNG", pnginfo=chunks)
    write_whole(path, content.getvalue())


def read_metadata(path: Path) -> PictureMetadata:
    """How the picture in a PNG file was drawn.

    Raises:
        UnreadablePicture: The file is missing, is no PNG, or was not written by `save_picture`.
    """
    try:
        with Image.open(path, formats=["PNG"]) as image:
            text = image.info.get(METADATA_KEY)
    except (OSError, SyntaxError, ValueError, Image.DecompressionBombError) as error:
        raise UnreadablePicture(
            f"{str(path)!r} cannot be read as a PNG ({error}); only PNG files say how they were drawn. "
            "Use a picture that Fableverse has drawn."
        ) from error
    if not isinstance(text, str):
        raise UnreadablePicture(
            f"{str(path)!r} does not say how it was drawn: it has no {METADATA_KEY!r} text. "
            "Use a picture that Fableverse has drawn, as it left it."
        )
    try:
        return PictureMetadata.model_validate_json(text)
    except (ValidationError, InvalidSettings) as error:
        raise UnreadablePicture(
            f"{str(path)!r} says how it was drawn in another form than this version writes: {error} "
            "Use the version that drew it."
        ) from error
