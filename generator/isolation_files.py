"""Where isolation pictures are kept from one learning to the next, and for how long. Needs no torch."""

import time
from pathlib import Path

UNUSED_S = 7 * 24 * 3600.0
"""How long a kept picture waits for learning that needs it again."""
_PREFIX = "isolation-"


def isolation_path(cache_dir: Path, digest: str) -> Path:
    """The file of the picture that a request has this digest of."""
    return cache_dir / f"{_PREFIX}{digest[:16]}.safetensors"


def clear_isolation(cache_dir: Path, *, unused_s: float = UNUSED_S) -> None:
    """Delete kept pictures, and their locks, that no learning has used for so many seconds."""
    for path in cache_dir.glob(f"{_PREFIX}*"):
        try:
            if path.stat().st_mtime < time.time() - unused_s:
                path.unlink()
        except FileNotFoundError:
            pass  # somebody else cleared it
