"""Small concepts, pictures and banks for tests."""

import hashlib
from pathlib import Path

from PIL import Image

from concepts.bank import ConceptBank
from concepts.schema import Concept

DIRECTION = b"direction bytes"


def a_concept(concept_id: str = "rusty", word: str = "fox", *, direction: bytes = DIRECTION) -> Concept:
    return Concept(
        id=concept_id,
        word=word,
        kind="character",
        caption=f"a {word} wearing a scarf",
        base_model="f1",
        base_model_name="pocket",
        direction_sha256=hashlib.sha256(direction).hexdigest(),
        recipe={"seed": 7},
    )


def add_concept(
    bank: ConceptBank, concept: Concept, workshop: Path, *, direction: bytes = DIRECTION, replace: bool = False
) -> None:
    """Add a concept whose pictures and direction are first written to `workshop`."""
    workshop.mkdir(exist_ok=True)
    Image.new("RGB", (4, 3), "red").save(workshop / "photo.jpg")
    Image.new("RGB", (4, 3), "blue").save(workshop / "drawn.png")
    (workshop / "learnt.safetensors").write_bytes(direction)
    bank.add(
        concept,
        source=workshop / "photo.jpg",
        direction=workshop / "learnt.safetensors",
        preview=workshop / "drawn.png",
        replace=replace,
    )


def contents(folder: Path) -> dict[str, bytes]:
    """Every file under a folder, hidden ones also, and every folder, which ends with a slash."""
    return {
        str(path.relative_to(folder)) + ("/" if path.is_dir() else ""): b"" if path.is_dir() else path.read_bytes()
        for path in folder.rglob("*")
    }
