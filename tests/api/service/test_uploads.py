"""Uploaded pictures are decoded apart and written anew; bombs and what only looks like a picture are refused."""

import asyncio
import io
import struct
import zlib
from concurrent.futures import ThreadPoolExecutor

import pytest
from PIL import Image
from PIL.PngImagePlugin import PngInfo

from api.service.uploads import LONGEST_SIDE, DecodingLimits, reencode, take_in
from concepts.errors import UnreadablePicture


def png(width: int, height: int, rows: int | None = None) -> bytes:
    """A grey PNG that says it has this size, with as many rows as it says or as given."""

    def chunk(name: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))

    head = struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)
    lines = zlib.compress(bytes((width + 1) * (height if rows is None else rows)), 9)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", lines) + chunk(b"IEND", b"")


def test_nothing_but_pixels_comes_through() -> None:
    picture = Image.new("RGB", (9, 6), "orange")
    words = PngInfo()
    words.add_text("comment", "<script>SECRET</script>")
    exif = Image.Exif()
    exif[0x010E] = "SECRET"
    raw = io.BytesIO()
    picture.save(raw, "PNG", pnginfo=words, exif=exif)
    out = reencode(raw.getvalue() + b"<script>SECRET</script>")
    reread = Image.open(io.BytesIO(out))
    assert b"SECRET" in raw.getvalue() and b"SECRET" not in out
    assert (reread.format, reread.size, reread.info) == ("PNG", (9, 6), {})
    assert reread.getpixel((0, 0)) == (255, 165, 0)


def test_a_large_picture_is_kept_smaller_and_whole() -> None:
    picture = Image.new("RGB", (3000, 2000), "orange")
    picture.paste("navy", (1500, 0, 3000, 2000))
    raw = io.BytesIO()
    picture.save(raw, "JPEG", quality=95)
    kept = Image.open(io.BytesIO(reencode(raw.getvalue())))
    assert kept.size == (LONGEST_SIDE, LONGEST_SIDE * 2 // 3)
    for place, colour in {(10, 10): (255, 165, 0), (kept.width - 10, kept.height - 10): (0, 0, 128)}.items():
        found = kept.getpixel(place)
        assert isinstance(found, tuple) and all(abs(a - b) < 6 for a, b in zip(found, colour, strict=True))


@pytest.mark.parametrize(
    "upload",
    [
        png(12_000, 12_000, rows=1),
        png(60_000, 60_000, rows=1),
        b"",
        b"<svg xmlns='http://www.w3.org/2000/svg'><script>alert(1)</script></svg>",
        b"<html><script>alert(1)</script></html>",
        b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n",
        b"GIF89a\x01\x00\x01\x00\x00\x00\x00;",
        png(64, 64)[:-40],
    ],
    ids=["bomb", "huge-bomb", "empty", "svg", "html", "eps", "gif", "truncated"],
)
def test_what_is_no_decent_picture_is_refused(upload: bytes) -> None:
    with pytest.raises(UnreadablePicture) as refusal:
        reencode(upload)
    assert "/tmp" not in str(refusal.value)


def test_a_picture_that_takes_too_much_memory_is_refused_and_the_service_lives() -> None:
    with pytest.raises(UnreadablePicture):
        reencode(png(4900, 4900), limits=DecodingLimits(memory_bytes=96 * 1024 * 1024))


def test_pictures_that_are_taken_in_keep_nobody_else_waiting() -> None:
    async def take_one_in() -> bytes:
        everybodys = ThreadPoolExecutor()
        asyncio.get_running_loop().set_default_executor(everybodys)
        everybodys.shutdown()  # none of its threads is to be had
        return await take_in(png(8, 8))

    assert Image.open(io.BytesIO(asyncio.run(take_one_in()))).size == (8, 8)
