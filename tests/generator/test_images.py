"""Pictures that say how they were drawn."""

from pathlib import Path

import pytest
from PIL import Image, PngImagePlugin

from concepts.errors import UnreadablePicture
from generator.images import PictureMetadata, read_metadata, save_picture
from generator.settings import FLUX_DEV_SETTINGS

METADATA = PictureMetadata(
    prompt='a <b>füchs</b> "waves" 🦊',
    seed=7,
    concepts={"rusty": "0" * 64},
    strengths={"rusty": 0.5},
    settings=FLUX_DEV_SETTINGS,
    model="pocket",
    fingerprint="1" * 64,
)


def picture() -> Image.Image:
    return Image.linear_gradient("L").convert("RGB")


def test_pixels_and_metadata_come_back(tmp_path: Path) -> None:
    path = tmp_path / "page.png"
    save_picture(picture(), path, metadata=METADATA)
    assert read_metadata(path) == METADATA
    with Image.open(path) as saved:
        assert saved.tobytes() == picture().tobytes()
        assert saved.info["Description"] == METADATA.prompt
    assert [entry.name for entry in tmp_path.iterdir()] == ["page.png"]


def test_a_save_that_fails_leaves_the_earlier_picture(tmp_path: Path) -> None:
    path = tmp_path / "page.png"
    save_picture(picture(), path, metadata=METADATA)
    with pytest.raises(OSError, match="cannot write mode"):
        save_picture(Image.new("F", (2, 2)), path, metadata=METADATA)
    assert read_metadata(path) == METADATA
    assert [entry.name for entry in tmp_path.iterdir()] == ["page.png"]


def with_text(path: Path, key: str, text: str) -> None:
    chunks = PngImagePlugin.PngInfo()
    chunks.add_itxt(key, text)
    picture().save(path, pnginfo=chunks)


@pytest.mark.parametrize(
    ("key", "text", "message"),
    [
        ("Comment", "hello", "does not say"),
        ("fableverse", "{", "another form"),
        ("fableverse", METADATA.model_dump_json().replace('"seed":7', '"seed":"seven"'), "seed"),
        ("fableverse", METADATA.model_dump_json().replace('"height":1024', '"height":3'), "height is 3"),
    ],
    ids=["no-metadata", "no-json", "bad-field", "bad-settings"],
)
def test_foreign_metadata_is_refused(tmp_path: Path, key: str, text: str, message: str) -> None:
    with_text(tmp_path / "page.png", key, text)
    with pytest.raises(UnreadablePicture, match=message):
        read_metadata(tmp_path / "page.png")


def test_files_that_are_no_png_are_refused(tmp_path: Path) -> None:
    (tmp_path / "page.png").write_bytes(b"not a picture")
    picture().save(tmp_path / "page.jpg")
    for name in ("page.png", "page.jpg", "missing.png"):
        with pytest.raises(UnreadablePicture, match=name):
            read_metadata(tmp_path / name)
