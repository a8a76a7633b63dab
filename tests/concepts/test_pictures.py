"""Pictures come out upright, RGB and whole, or not at all."""

import io
import struct
import warnings
import zlib
from collections.abc import Callable
from pathlib import Path

import pytest
from PIL import Image

from concepts.errors import UnreadablePicture
from concepts.pictures import open_picture


def png_header(width: int, height: int) -> bytes:
    """A PNG that only claims its size: there are no pixels behind the header."""
    header = b"IHDR" + struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    end = struct.pack(">I", 0) + b"IDAT" + struct.pack(">I", zlib.crc32(b"IDAT"))
    return b"\x89PNG\r\n\x1a\n" + struct.pack(">I", 13) + header + struct.pack(">I", zlib.crc32(header)) + end


def encoded(image: Image.Image, image_format: str) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, image_format)
    return buffer.getvalue()


def noise() -> Image.Image:
    return Image.effect_noise((64, 64), 80).convert("RGB")


@pytest.mark.parametrize("size", [(5001, 5000), (10_000, 10_000), (50_000, 50_000)], ids=str)
def test_a_picture_above_the_limit_is_refused_from_its_header_without_a_warning(
    tmp_path: Path, size: tuple[int, int]
) -> None:
    path = tmp_path / "bomb.png"
    path.write_bytes(png_header(*size))
    with warnings.catch_warnings(record=True) as shown:
        warnings.simplefilter("always")
        with pytest.raises(UnreadablePicture, match="bomb.png.*at most 25 megapixels"):
            open_picture(path)
    assert shown == []


def test_a_picture_of_exactly_the_limit_is_read(tmp_path: Path) -> None:
    path = tmp_path / "picture.png"
    Image.new("RGB", (100, 50)).save(path)
    assert open_picture(path, max_megapixels=0.005).size == (100, 50)
    with pytest.raises(UnreadablePicture, match="100 × 50"):
        open_picture(path, max_megapixels=0.0049)


@pytest.mark.parametrize("image_format", ["PNG", "JPEG", "WEBP", "GIF", "BMP"])
def test_a_truncated_picture_is_refused(tmp_path: Path, image_format: str) -> None:
    path = tmp_path / "half"
    whole = encoded(noise(), image_format)
    path.write_bytes(whole[: len(whole) // 2])
    with pytest.raises(UnreadablePicture, match="cannot be read as a picture"):
        open_picture(path)


@pytest.mark.parametrize(
    "content",
    [b"hello", b"<svg xmlns='http://www.w3.org/2000/svg'/>", b"%!PS-Adobe-3.0 EPSF-3.0\n", b"\x89PNG\r\n\x1a\n" * 9],
    ids=["text", "svg", "eps", "signature only"],
)
def test_what_is_no_picture_is_refused_whatever_its_name(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "fox.png"
    path.write_bytes(content)
    with pytest.raises(UnreadablePicture, match="fox.png"):
        open_picture(path)


def test_a_format_that_is_not_offered_is_refused_though_pillow_reads_it(tmp_path: Path) -> None:
    path = tmp_path / "fox.png"
    path.write_bytes(encoded(noise(), "PPM"))
    with pytest.raises(UnreadablePicture, match="cannot be read as a picture"):
        open_picture(path)


def test_an_empty_file_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "empty.png"
    path.touch()
    with pytest.raises(UnreadablePicture, match="is empty"):
        open_picture(path)


def test_a_picture_without_pixels_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "zero.png"
    path.write_bytes(png_header(0, 10))
    with pytest.raises(UnreadablePicture, match="zero.png"):
        open_picture(path)


def test_a_missing_file_and_a_folder_are_refused(tmp_path: Path) -> None:
    with pytest.raises(UnreadablePicture, match="There is no file"):
        open_picture(tmp_path / "none.png")
    with pytest.raises(UnreadablePicture, match="cannot be read"):
        open_picture(tmp_path)


@pytest.mark.parametrize("image_format", ["GIF", "PNG", "WEBP"])
def test_an_animation_gives_its_first_frame(tmp_path: Path, image_format: str) -> None:
    path = tmp_path / "moving"
    frames = [Image.new("RGB", (8, 8), colour) for colour in ("red", "blue")]
    frames[0].save(path, image_format, save_all=True, append_images=frames[1:], lossless=True)
    assert open_picture(path).getpixel((4, 4)) == (255, 0, 0)


def test_the_exif_orientation_is_applied(tmp_path: Path) -> None:
    image = Image.new("RGB", (4, 2), "white")
    image.putpixel((0, 0), (0, 0, 0))
    exif = Image.Exif()
    exif[0x0112] = 6  # the camera was turned: show it a quarter turn clockwise
    path = tmp_path / "turned.png"
    image.save(path, exif=exif)
    opened = open_picture(path)
    assert opened.size == (2, 4)
    assert opened.getpixel((1, 0)) == (0, 0, 0)


def transparent_palette() -> Image.Image:
    image = Image.new("P", (2, 2), 0)
    image.putpalette([10, 20, 30])
    image.info["transparency"] = 0
    return image


@pytest.mark.parametrize(
    ("make", "expected"),
    [
        (lambda: Image.new("RGBA", (2, 2), (200, 0, 0, 0)), (255, 255, 255)),
        (lambda: Image.new("RGBA", (2, 2), (0, 0, 0, 51)), (204, 204, 204)),
        (lambda: Image.new("LA", (2, 2), (0, 0)), (255, 255, 255)),
        (transparent_palette, (255, 255, 255)),
        (lambda: Image.new("I;16", (2, 2), 32896), (128, 128, 128)),
        (lambda: Image.new("1", (2, 2), 1), (255, 255, 255)),
    ],
    ids=["clear", "veil", "grey with alpha", "palette", "16 bits", "1 bit"],
)
def test_every_mode_becomes_rgb_on_white(
    tmp_path: Path, make: Callable[[], Image.Image], expected: tuple[int, int, int]
) -> None:
    path = tmp_path / "picture.png"
    make().save(path)
    opened = open_picture(path)
    assert opened.mode == "RGB"
    assert opened.getpixel((1, 1)) == expected


def test_the_picture_outlives_its_file(tmp_path: Path) -> None:
    path = tmp_path / "picture.png"
    Image.new("RGB", (2, 2), "red").save(path)
    opened = open_picture(path)
    path.unlink()
    assert opened.getpixel((0, 0)) == (255, 0, 0)
