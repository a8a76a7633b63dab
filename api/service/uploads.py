"""Takes pictures in: decoded apart from the service, in a process with little memory and time, and written anew.

What is kept is ours, pixel by pixel: no metadata, nothing appended, no second meaning for another program.
"""

import asyncio
import io
import resource
import subprocess
import sys
import tempfile
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from PIL import Image

from concepts.errors import UnreadablePicture
from concepts.pictures import open_picture

FORMATS = ("PNG", "JPEG", "WEBP")
LONGEST_SIDE = 1536
"""Pixels of what is kept: of a picture three times as wide as high there still are the 512 that are learnt from."""

_REFUSED = 3
# Threads of their own: pictures that take long keep nobody waiting but each other.
_DECODING = ThreadPoolExecutor(max_workers=2, thread_name_prefix="decoding")


@dataclass(frozen=True, kw_only=True)
class DecodingLimits:
    """What decoding one picture may cost."""

    megapixels: float = 25.0
    memory_bytes: int = 1024 * 1024 * 1024
    cpu_s: int = 10
    wall_s: float = 20.0


async def take_in(upload: bytes) -> bytes:
    """What `reencode` makes of an upload, once it is its turn.

    Raises:
        UnreadablePicture: As for `reencode`.
    """
    return await asyncio.get_running_loop().run_in_executor(_DECODING, reencode, upload)


def reencode(upload: bytes, *, limits: DecodingLimits | None = None) -> bytes:
    """The picture of an upload as a PNG of its own: RGB, upright, without metadata, of `LONGEST_SIDE` at most.

    Raises:
        UnreadablePicture: It is no whole PNG, JPEG or WebP file, is too large, or cannot be decoded within the limits.
    """
    limits = limits or DecodingLimits()
    with tempfile.TemporaryDirectory(prefix="fableverse-upload-") as folder:
        path = Path(folder, "upload")
        path.write_bytes(upload)
        command = [sys.executable, "-I", "-c", _PROGRAM, str(Path(__file__).resolve().parents[2]), str(path)]
        command += [str(limits.megapixels), str(limits.memory_bytes), str(limits.cpu_s)]
        try:
            done = subprocess.run(command, capture_output=True, timeout=limits.wall_s, check=False, env={})
        except subprocess.TimeoutExpired as error:
            raise _too_costly() from error
    if done.returncode == _REFUSED:
        raise UnreadablePicture(done.stderr.decode(errors="replace"))
    if done.returncode != 0:
        raise _too_costly()
    return done.stdout


def decode_apart(path: Path, *, megapixels: float, memory_bytes: int, cpu_s: int) -> int:
    """The work of the process apart: writes the PNG to standard output, or a refusal to standard error."""
    resource.setrlimit(resource.RLIMIT_AS, (memory_bytes, memory_bytes))
    resource.setrlimit(resource.RLIMIT_CPU, (cpu_s, cpu_s))
    resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    try:
        picture = open_picture(path, max_megapixels=megapixels, formats=FORMATS)
    except UnreadablePicture as error:
        # The path is of no use to whoever sent the picture.
        sys.stderr.write(str(error).replace(repr(str(path)), "The picture"))
        return _REFUSED
    picture.thumbnail((LONGEST_SIDE, LONGEST_SIDE), Image.Resampling.LANCZOS)
    out = io.BytesIO()
    picture.save(out, format="PNG")
    sys.stdout.buffer.write(out.getvalue())
    sys.stdout.buffer.flush()
    return 0


_PROGRAM = """
import sys
sys.path.insert(0, sys.argv[1])
from pathlib import Path
from api.service.uploads import decode_apart
sys.exit(decode_apart(
    Path(sys.argv[2]), megapixels=float(sys.argv[3]), memory_bytes=int(sys.argv[4]), cpu_s=int(sys.argv[5])
))
"""


def _too_costly() -> UnreadablePicture:
    return UnreadablePicture(
        "The picture takes too much time or memory to decode, or its file is broken. Save it again, smaller, as PNG."
    )
