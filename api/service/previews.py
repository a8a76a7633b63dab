"""Pictures of how a picture stands, chosen and packed for whoever watches a job."""

import hashlib
import time
from io import BytesIO
from typing import Final

from PIL import Image

from generator.renderer import Preview

PREVIEW_EVERY_S: Final = 0.3
"""No preview is made sooner after the one before, nor after the beginning: each costs a row of the database."""
_JPEG_QUALITY: Final = 85


class Previews:
    """The latest preview of one piece of work, until it is told."""

    def __init__(self) -> None:
        self._made_at = time.monotonic()
        self._new: bytes | None = None
        self.told: dict[str, str] = {}
        """What the progress says of the latest one: a name that no other has had, so that browsers ask for it."""

    def offer(self, preview: Preview) -> None:
        """Make a preview, unless it is too early for one."""
        if time.monotonic() - self._made_at >= PREVIEW_EVERY_S:
            self.take(preview())

    def take(self, image: Image.Image) -> None:
        """This is how it stands."""
        content = BytesIO()
        image.save(content, format="JPEG", quality=_JPEG_QUALITY)
        self._made_at, self._new = time.monotonic(), content.getvalue()
        self.told = {"preview": hashlib.sha256(self._new).hexdigest()[:12]}

    def pop(self) -> bytes | None:
        """The latest one as JPEG; None where it has been taken before."""
        new, self._new = self._new, None
        return new
