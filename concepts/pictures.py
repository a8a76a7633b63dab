"""Opens pictures that a person hands in, and refuses those that cannot or should not be decoded.

Knows nothing of concepts or models; what comes out is always upright RGB with its pixels in memory.
"""

import struct
import warnings
import zlib
from pathlib import Path

from PIL import Image, ImageOps

from concepts.errors import UnreadablePicture

# Named, so that no format is tried that starts other programs (EPS) or is a document (PDF).
FORMATS = ("PNG", "JPEG", "WEBP", "GIF", "BMP", "TIFF")
# What Pillow's decoders are known to raise on broken files, beside their own UnidentifiedImageError (an OSError).
_BROKEN = (OSError, SyntaxError, ValueError, EOFError, IndexError, KeyError, TypeError, struct.error, zlib.error)


def open_picture(path: Path, *, max_megapixels: float = 25, formats: tuple[str, ...] = FORMATS) -> Image.Image:
    """The picture in a file: RGB, upright as its EXIF orientation says, fully decoded, the file closed again.

    Of an animation it is the first frame; transparent parts become white. The size is checked from the header,
    before any pixel is decoded, and the limit is this function's own: Pillow's warning about large pictures is
    never shown.

    Args:
        path: A PNG, JPEG, WebP, GIF, BMP or TIFF file, recognised by content, not by name.
        max_megapixels: Most pixels allowed, in millions.
        formats: Those of the six that are accepted, by Pillow's names.

    Raises:
        UnreadablePicture: The file is missing, is no picture of these formats, is broken or truncated, or is
            too large.
    """
    try:
        if path.stat().st_size == 0:
            raise UnreadablePicture(f"{str(path)!r} is empty: a picture is needed. Use another file.")
        with _open_lazily(path, formats) as image:
            if image.width * image.height > max_megapixels * 1e6:
                raise _too_large(path, f"{image.width} × {image.height} pixels", max_megapixels)
            image.load()
            return _on_white(ImageOps.exif_transpose(image))
    except Image.DecompressionBombError as error:
        raise _too_large(path, "hundreds of megapixels", max_megapixels) from error
    except FileNotFoundError as error:
        raise UnreadablePicture(f"There is no file {str(path)!r}: check the path of the picture.") from error
    except _BROKEN as error:
        raise UnreadablePicture(
            f"{str(path)!r} cannot be read as a picture ({error}): it must be a whole {', '.join(formats)} file. "
            "Open it in a picture program and save it again, or use another file."
        ) from error


def _open_lazily(path: Path, formats: tuple[str, ...]) -> Image.Image:
    """The picture with only its header read; Pillow's warning about size is left to the caller's own limit."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", Image.DecompressionBombWarning)
        return Image.open(path, formats=formats)


def _too_large(path: Path, size: str, max_megapixels: float) -> UnreadablePicture:
    return UnreadablePicture(
        f"{str(path)!r} has {size}: at most {max_megapixels:g} megapixels are read. Shrink the picture first."
    )


def _on_white(image: Image.Image) -> Image.Image:
    """An RGB copy; transparent parts show white, and 16-bit grey keeps its tones."""
    if image.mode.startswith("I"):  # 16 bits; a plain conversion would cut everything above 255 to white
        return image.convert("I").point(lambda value: value * (1 / 257)).convert("RGB")
    if image.has_transparency_data:
        coloured = image.convert("RGBA")
        return Image.alpha_composite(Image.new("RGBA", coloured.size, "white"), coloured).convert("RGB")
    return image.convert("RGB")
