"""Writes files whole or not at all. Knows nothing of what is in them."""

import os
import secrets
from pathlib import Path


def write_whole(path: Path, data: bytes, *, work_dir: Path | None = None) -> None:
    """Put a file in place in one step: whoever looks sees the old file or the new one, never a part.

    What was written outlives a crash of the machine; several may write the same file at once.

    Args:
        path: In a folder that is there.
        data: All of it.
        work_dir: Where the file is while it is unfinished, on the same file system; by default its own folder.
    """
    unfinished = (work_dir or path.parent) / f".{path.name}-{secrets.token_hex(4)}"
    try:
        with unfinished.open("wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        unfinished.replace(path)
    finally:
        unfinished.unlink(missing_ok=True)
