"""A bank keeps concepts whole: what is damaged is named, and a failing write changes nothing."""

import json
import os
import shutil
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path

import pytest
from PIL import Image

from concepts.bank import ABANDONED_S, SETTLED_NS, ConceptBank, _hash_of_state, hash_direction, seed_bank
from concepts.errors import (
    ConceptExists,
    DamagedConcept,
    ForeignFiles,
    InvalidConcept,
    UnknownConcept,
    UnreadablePicture,
)
from tests.concepts.builders import a_concept, add_concept, contents

FILES = {"concept.json", "direction.safetensors", "preview.png", "source.png"}


@pytest.fixture
def bank(tmp_path: Path) -> ConceptBank:
    """A bank of one concept, rusty."""
    bank = ConceptBank(tmp_path / "bank")
    add_concept(bank, a_concept(), tmp_path / "workshop")
    return bank


def test_an_added_concept_is_found_with_its_files(bank: ConceptBank) -> None:
    assert bank.get("rusty") == a_concept()
    assert {path.name for path in (bank.folder / "rusty").iterdir()} == FILES
    assert bank.direction_path("rusty").read_bytes() == b"direction bytes"
    assert hash_direction(bank.direction_path("rusty")) == a_concept().direction_sha256


def test_pictures_are_kept_as_png_whatever_they_were(bank: ConceptBank) -> None:
    with Image.open(bank.source_path("rusty")) as source, Image.open(bank.preview_path("rusty")) as preview:
        assert (source.format, source.size) == ("PNG", (4, 3))
        assert preview.getpixel((0, 0)) == (0, 0, 255)


def test_where_a_photo_was_taken_is_not_kept(bank: ConceptBank, tmp_path: Path) -> None:
    photo = tmp_path / "photo.jpg"
    exif = Image.Exif()
    exif[0x010E] = "our home address"
    Image.new("RGB", (4, 3)).save(photo, exif=exif)
    assert b"our home address" in photo.read_bytes()
    bank.add(a_concept("home"), source=photo, direction=tmp_path / "workshop/learnt.safetensors", preview=photo)
    assert b"our home address" not in bank.source_path("home").read_bytes()


def test_a_bank_whose_folder_does_not_exist_is_empty(tmp_path: Path) -> None:
    bank = ConceptBank(tmp_path / "none")
    assert bank.list() == ()
    assert bank.catalog() == ()
    with pytest.raises(UnknownConcept, match="the bank is empty"):
        bank.get("rusty")
    assert not bank.folder.exists()


def test_the_list_is_sorted_by_id_and_passes_over_what_is_no_folder(bank: ConceptBank, tmp_path: Path) -> None:
    add_concept(bank, a_concept("ada", "child"), tmp_path / "workshop")
    (bank.folder / "README.md").write_text("mine")
    (bank.folder / ".git").mkdir()
    assert [concept.id for concept in bank.list()] == ["ada", "rusty"]
    assert bank.catalog() == (a_concept("ada", "child").card(), a_concept().card())


def test_an_unknown_id_is_answered_with_similar_ones(bank: ConceptBank) -> None:
    with pytest.raises(UnknownConcept, match="'rustie'.*did you mean rusty"):
        bank.get("rustie")
    with pytest.raises(UnknownConcept, match="it has rusty"):
        bank.get("zebra")


OPERATIONS: list[Callable[[ConceptBank, str], object]] = [
    ConceptBank.get,
    ConceptBank.remove,
    ConceptBank.direction_path,
    ConceptBank.source_path,
    ConceptBank.preview_path,
]


@pytest.mark.parametrize("operation", OPERATIONS, ids=lambda operation: operation.__name__)
@pytest.mark.parametrize("concept_id", ["../bank/rusty", "/", "..", ".", "", "rusty/", "rusty\0"])
def test_an_id_that_is_a_path_is_refused(
    bank: ConceptBank, operation: Callable[[ConceptBank, str], object], concept_id: str
) -> None:
    before = contents(bank.folder)
    with pytest.raises(InvalidConcept):
        operation(bank, concept_id)
    assert contents(bank.folder) == before


@pytest.mark.parametrize(
    "text",
    [
        b"",
        b"{",
        b"\xff\xfe",
        b"[]",
        json.dumps(a_concept().model_dump() | {"extra": 1}).encode(),
        json.dumps(a_concept().model_dump() | {"id": "../../etc"}).encode(),
        json.dumps(a_concept().model_dump() | {"id": "ada"}).encode(),
    ],
    ids=["empty", "cut", "no text", "no object", "unknown field", "hostile id", "another's id"],
)
def test_a_damaged_description_is_named(bank: ConceptBank, text: bytes) -> None:
    (bank.folder / "rusty/concept.json").write_bytes(text)
    with pytest.raises(DamagedConcept, match="rusty/concept.json"):
        bank.get("rusty")
    (name,) = bank.damaged()
    assert name == "rusty" and "rusty/concept.json" in str(bank.damaged()[name])
    add_concept(bank, a_concept("ada"), bank.folder.parent / "workshop", replace=True)
    assert [concept.id for concept in bank.list()] == ["ada"] == [card.id for card in bank.catalog()]


def test_a_changed_direction_is_named(bank: ConceptBank) -> None:
    bank.direction_path("rusty").write_bytes(b"direction byteS")
    with pytest.raises(DamagedConcept, match="rusty/direction.safetensors"):
        bank.get("rusty")


def test_a_direction_is_hashed_once_until_it_changes_whatever_time_its_file_has(bank: ConceptBank) -> None:
    path = bank.direction_path("rusty")
    long_ago_ns = time.time_ns() - 10 * SETTLED_NS
    os.utime(path, ns=(long_ago_ns, long_ago_ns))
    before = _hash_of_state.cache_info()
    for _ in range(3):
        assert bank.get("rusty") == a_concept()
    after = _hash_of_state.cache_info()
    assert (after.misses - before.misses, after.hits - before.hits) == (1, 2)
    path.write_bytes(b"direction byteS")
    os.utime(path, ns=(long_ago_ns, long_ago_ns))
    with pytest.raises(DamagedConcept, match="rusty/direction.safetensors"):
        bank.get("rusty")


@pytest.mark.parametrize("name", sorted(FILES))
def test_a_missing_file_is_named(bank: ConceptBank, name: str) -> None:
    (bank.folder / "rusty" / name).unlink()
    with pytest.raises(DamagedConcept, match=f"rusty/{name}' is missing"):
        bank.get("rusty")


@pytest.mark.parametrize("name", sorted(FILES))
def test_a_file_that_is_a_link_is_refused(bank: ConceptBank, tmp_path: Path, name: str) -> None:
    path = bank.folder / "rusty" / name
    outside = path.rename(tmp_path / "outside")
    path.symlink_to(outside)
    with pytest.raises(DamagedConcept, match=f"rusty/{name}' is a link"):
        bank.get("rusty")
    with pytest.raises(DamagedConcept, match="is a link"):
        bank.source_path("rusty")


def test_a_folder_that_is_a_link_is_refused_and_its_removal_spares_the_target(
    bank: ConceptBank, tmp_path: Path
) -> None:
    outside = (bank.folder / "rusty").rename(tmp_path / "rusty")
    (bank.folder / "rusty").symlink_to(outside)
    with pytest.raises(DamagedConcept, match="rusty' is a link"):
        bank.get("rusty")
    bank.remove("rusty")
    assert bank.list() == ()
    assert {path.name for path in outside.iterdir()} == FILES


def test_a_failing_add_leaves_the_bank_byte_identical_when_an_input_is_bad(bank: ConceptBank, tmp_path: Path) -> None:
    before = contents(bank.folder)
    text = tmp_path / "no-picture.png"
    text.write_text("hello")
    direction, picture = tmp_path / "workshop/learnt.safetensors", tmp_path / "workshop/drawn.png"
    for concept_id in ("ada", "rusty"):
        concept = a_concept(concept_id)
        with pytest.raises(UnreadablePicture, match="no-picture"):
            bank.add(concept, source=text, direction=direction, preview=picture, replace=True)
        with pytest.raises(UnreadablePicture, match="no-picture"):
            bank.add(concept, source=picture, direction=direction, preview=text, replace=True)
        with pytest.raises(DamagedConcept, match="no-picture"):
            bank.add(concept, source=picture, direction=text, preview=picture, replace=True)
    assert contents(bank.folder) == before


def test_a_failing_add_leaves_the_bank_byte_identical_when_the_last_rename_fails(
    bank: ConceptBank, tmp_path: Path
) -> None:
    # Something foreign stands where the old folder is to be set aside, so the exchange fails after all is written.
    (bank.folder / ".old-rusty").write_text("in the way")
    before = contents(bank.folder)
    with pytest.raises(OSError):
        add_concept(bank, a_concept(word="vixen"), tmp_path / "workshop", replace=True)
    assert contents(bank.folder) == before


def test_an_id_in_use_is_refused_unless_replaced(bank: ConceptBank, tmp_path: Path) -> None:
    before = contents(bank.folder)
    vixen = a_concept(word="vixen", direction=b"other")
    with pytest.raises(ConceptExists, match="'rusty'"):
        add_concept(bank, vixen, tmp_path / "workshop", direction=b"other")
    assert contents(bank.folder) == before
    add_concept(bank, vixen, tmp_path / "workshop", direction=b"other", replace=True)
    assert bank.get("rusty").word == "vixen"
    assert {path.name for path in bank.folder.iterdir()} == {"rusty"}


def test_a_crash_between_the_two_renames_of_a_replacement_loses_nothing(bank: ConceptBank, tmp_path: Path) -> None:
    (bank.folder / "rusty").rename(bank.folder / ".old-rusty")
    assert [concept.id for concept in bank.list()] == ["rusty"]
    assert bank.get("rusty") == a_concept()
    assert bank.source_path("rusty").is_file()
    with pytest.raises(ConceptExists):
        add_concept(bank, a_concept(), tmp_path / "workshop")
    add_concept(bank, a_concept(word="vixen"), tmp_path / "workshop", replace=True)
    assert bank.get("rusty").word == "vixen"
    assert {path.name for path in bank.folder.iterdir()} == {"rusty"}


def test_a_crash_before_the_replaced_folder_is_deleted_keeps_the_new_one(bank: ConceptBank, tmp_path: Path) -> None:
    (bank.folder / "rusty").rename(bank.folder / ".old-rusty")
    add_concept(ConceptBank(tmp_path / "other"), a_concept(word="vixen"), tmp_path / "workshop")
    (tmp_path / "other/rusty").rename(bank.folder / "rusty")
    assert [concept.word for concept in bank.list()] == ["vixen"]
    bank.remove("rusty")
    assert list(bank.folder.iterdir()) == []


def test_an_unfinished_write_is_no_concept(bank: ConceptBank) -> None:
    (bank.folder / ".new-ada-0a1b2c3d").mkdir()
    assert [concept.id for concept in bank.list()] == ["rusty"]


@pytest.mark.parametrize("change", ["add", "remove"])
def test_what_killed_writes_left_goes_with_a_later_change(bank: ConceptBank, tmp_path: Path, change: str) -> None:
    an_hour_ago = time.time() - ABANDONED_S - 1
    for name in (".new-ada-0a1b2c3d", ".removed-tom-0a1b2c3d", ".new-eve-0a1b2c3d"):
        shutil.copytree(bank.folder / "rusty", bank.folder / name)
        os.utime(bank.folder / name, None if "eve" in name else (an_hour_ago, an_hour_ago))
    if change == "add":
        add_concept(bank, a_concept("rex"), tmp_path / "workshop")
    else:
        bank.remove("rusty")
    left = {"rusty", "rex"} if change == "add" else set()
    assert {path.name for path in bank.folder.iterdir()} == left | {".new-eve-0a1b2c3d"}, "the new one is being written"


def test_a_removed_concept_is_gone_with_its_files(bank: ConceptBank) -> None:
    bank.remove("rusty")
    assert list(bank.folder.iterdir()) == []
    with pytest.raises(UnknownConcept):
        bank.remove("rusty")


def test_what_a_system_puts_into_every_folder_keeps_no_concept(bank: ConceptBank, tmp_path: Path) -> None:
    (bank.folder / "rusty/.DS_Store").write_bytes(b"\0")
    add_concept(bank, a_concept(word="vixen"), tmp_path / "workshop", replace=True)
    assert bank.get("rusty").word == "vixen"
    (bank.folder / "rusty/Thumbs.db").write_bytes(b"\0")
    bank.remove("rusty")
    assert bank.ids() == ()


def test_a_damaged_concept_can_be_removed(bank: ConceptBank) -> None:
    (bank.folder / "rusty/concept.json").unlink()
    bank.remove("rusty")
    assert bank.list() == ()


def test_a_folder_without_a_concepts_files_is_no_concept_and_left_alone(bank: ConceptBank, tmp_path: Path) -> None:
    (bank.folder / "src").mkdir()
    (bank.folder / "src/main.py").write_text("mine")
    (bank.folder / "empty").mkdir()
    before = contents(bank.folder)
    assert bank.ids() == ("rusty",) and [concept.id for concept in bank.list()] == ["rusty"]
    for name in ("src", "empty"):
        for refused in (bank.get, bank.remove, bank.check_removal):
            with pytest.raises(UnknownConcept, match=f"no concept '{name}'"):
                refused(name)
    for replace in (False, True):
        with pytest.raises(ForeignFiles, match="'src'.*'main.py'"):
            add_concept(bank, a_concept("src"), tmp_path / "workshop", replace=replace)
    assert contents(bank.folder) == before
    add_concept(bank, a_concept("empty"), tmp_path / "workshop")
    assert bank.ids() == ("empty", "rusty")


def test_a_concept_beside_other_files_is_neither_removed_nor_replaced(bank: ConceptBank, tmp_path: Path) -> None:
    (bank.folder / "rusty/story.txt").write_text("mine")
    before = contents(bank.folder)
    with pytest.raises(ForeignFiles, match="'rusty'.*'story.txt'"):
        bank.remove("rusty")
    with pytest.raises(ForeignFiles, match="'rusty'.*'story.txt'"):
        add_concept(bank, a_concept(), tmp_path / "workshop", replace=True)
    assert contents(bank.folder) == before and bank.get("rusty") == a_concept()


def test_a_bank_that_is_a_file_is_told(tmp_path: Path) -> None:
    (tmp_path / "bank").write_text("no folder")
    bank = ConceptBank(tmp_path / "bank")
    for look in (bank.list, bank.ids, partial(bank.get, "rusty")):
        with pytest.raises(DamagedConcept, match="bank' is a file.*Name another place"):
            look()


def test_a_folder_from_another_bank_is_taken_in_under_its_own_id(bank: ConceptBank, tmp_path: Path) -> None:
    shared = (bank.folder / "rusty").rename(tmp_path / "from a friend")
    other = ConceptBank(tmp_path / "other")
    assert other.add_folder(shared) == a_concept()
    assert other.get("rusty") == a_concept()
    with pytest.raises(ConceptExists):
        other.add_folder(shared)
    other.add_folder(shared, replace=True)


def test_a_folder_from_elsewhere_is_checked_like_the_banks_own(bank: ConceptBank, tmp_path: Path) -> None:
    shared = (bank.folder / "rusty").rename(tmp_path / "shared")
    (shared / "source.png").unlink()
    (shared / "source.png").symlink_to("/etc/hostname")
    other = ConceptBank(tmp_path / "other")
    with pytest.raises(DamagedConcept, match="is a link"):
        other.add_folder(shared)
    with pytest.raises(DamagedConcept, match="is missing"):
        other.add_folder(tmp_path / "nowhere")
    assert not other.folder.exists()


def test_a_new_bank_is_seeded_whole_and_only_once(bank: ConceptBank, tmp_path: Path) -> None:
    mine = tmp_path / "deep/mine"
    assert seed_bank(mine, bank.folder) is True
    assert contents(mine) == contents(bank.folder)
    assert {path.name for path in mine.parent.iterdir()} == {"mine"}
    ConceptBank(mine).remove("rusty")
    assert seed_bank(mine, bank.folder) is False
    assert ConceptBank(mine).list() == ()


def test_a_seeding_that_fails_half_way_leaves_nothing(bank: ConceptBank, tmp_path: Path) -> None:
    os.mkfifo(bank.folder / "no ordinary file")
    (tmp_path / "home").mkdir()
    with pytest.raises(shutil.Error):
        seed_bank(tmp_path / "home/bank", bank.folder)
    assert list((tmp_path / "home").iterdir()) == []


def test_a_missing_sample_bank_is_named_and_nothing_is_made(tmp_path: Path) -> None:
    with pytest.raises(DamagedConcept, match="samples"):
        seed_bank(tmp_path / "bank", tmp_path / "samples")
    assert list(tmp_path.iterdir()) == []


def test_a_concept_that_is_replaced_while_it_is_read_is_read_as_it_was_or_as_it_is(
    bank: ConceptBank, tmp_path: Path
) -> None:
    def write() -> None:
        for number in range(150):
            direction = bytes([number % 2]) * 100
            add_concept(bank, a_concept(direction=direction), tmp_path, direction=direction, replace=True)

    with ThreadPoolExecutor(1) as pool:
        writing = pool.submit(write)
        while not writing.done():
            assert bank.get("rusty").id == "rusty"
            assert [concept.id for concept in bank.list()] == ["rusty"]
            assert bank.direction_path("rusty").name == "direction.safetensors"
        writing.result()


def test_two_who_seed_a_bank_at_once_both_have_it(bank: ConceptBank, tmp_path: Path) -> None:
    both = threading.Barrier(2)

    def seed(number: int) -> bool:
        both.wait()
        return seed_bank(tmp_path / f"home{number}" / "bank", bank.folder)

    with ThreadPoolExecutor(2) as pool:
        for number in range(20):
            assert sorted(pool.map(seed, [number, number])) == [False, True]
            assert ConceptBank(tmp_path / f"home{number}" / "bank").ids() == ("rusty",)
