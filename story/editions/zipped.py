"""An EPUB's container: files in, one zip out, always the same bytes for the same files. Knows no book."""

import io
import zipfile
from collections.abc import Mapping

_DAWN = (1980, 1, 1, 0, 0, 0)
"""The earliest time a zip can tell; the files' own would make equal books differ."""
_CONTAINER = b"""<?xml version="1.0" encoding="UTF-8"?>
<container version="1.0" xmlns="urn:oasis:names:tc:opendocument:xmlns:container">
<rootfiles><rootfile full-path="EPUB/package.opf" media-type="application/oebps-package+xml"/></rootfiles>
</container>
"""


def zip_epub(files: Mapping[str, bytes]) -> bytes:
    """The publication whose files are given by their names within `EPUB/`, among them `package.opf`."""
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        # A reading system knows an EPUB by these bytes at a fixed place, so this file comes first and uncompressed.
        _add(archive, "mimetype", b"application/epub+zip", zipfile.ZIP_STORED)
        _add(archive, "META-INF/container.xml", _CONTAINER, zipfile.ZIP_DEFLATED)
        for name, data in files.items():
            _add(archive, f"EPUB/{name}", data, zipfile.ZIP_DEFLATED)
    return packed.getvalue()


def _add(archive: zipfile.ZipFile, name: str, data: bytes, compression: int) -> None:
    entry = zipfile.ZipInfo(name, _DAWN)
    entry.compress_type = compression
    entry.external_attr = 0o644 << 16
    archive.writestr(entry, data)
