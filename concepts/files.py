"""Writes files whole or not at all. Knows nothing of what is in them."""

import os
import secrets
from pathlib import Path


def write_whole(path: Path, data: bytes) -> None:
    """Put a file in place in one step: whoever looks sees the old file or the new one, never a part.

    The folder must exist. What was written outlives a crash of the machine; several may write the same file at once.
    """
    unfinished = path.with_name(f".{path.name}-{secrets.token_hex(4)}")
    try:
        with unfinished.open("wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        unfinished.replace(path)
    finally:
        unfinished.unlink(missing_ok=True)
