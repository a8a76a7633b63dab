"""An idea becomes a whole book on disk, the same book for the same lock, and never half a book."""

import errno
import json
from dataclasses import replace
from pathlib import Path

import pytest

from api.binding import RECORD_FILENAME, read_record
from api.book_folder import BookAsFound
from api.book_lock import BookLock, locked_model, moved_lock, read_lock
from api.errors import LockMismatch
from api.settings import Settings
from api.storybook import DrawingProgress, Storybook, make_storybook, redraw_storybook
from concepts.bank import ConceptBank
from concepts.errors import ConceptNotMentioned
from generator.images import read_metadata
from generator.plan import Numbers
from story.schema import Box, Face
from tests.api.builders import SETTINGS, TEMPLATES_DIR, PlainRenderer, PlainWriter, a_request, plain_bank, plain_studio
from tests.concepts.builders import a_concept, add_concept, contents


@pytest.fixture
def bank(tmp_path: Path) -> ConceptBank:
    return plain_bank(tmp_path)


def make(bank: ConceptBank, out_dir: Path, *, renderer: PlainRenderer | None = None, seed: int = 7) -> Storybook:
    return make_storybook(
        a_request(bank, seed=seed),
        writer=PlainWriter(),
        writer_name="a plain writer",
        studio=plain_studio(bank, renderer=renderer),
        out_dir=out_dir,
        templates_dir=TEMPLATES_DIR,
    )


def redraw(
    bank: ConceptBank, lock_path: Path, out_dir: Path, *, fingerprint: str = "f1", revision: str | None = None
) -> Storybook:
    lock, story = read_lock(lock_path)
    studio = plain_studio(bank, fingerprint=fingerprint)
    studio = replace(studio, model=studio.model.model_copy(update={"revision": revision}))
    folder = lock_path.parent
    return redraw_storybook(
        lock,
        story,
        read_record(folder),
        earlier=BookAsFound.of(folder),
        studio=studio,
        out_dir=out_dir,
        templates_dir=TEMPLATES_DIR,
    )


def edit(path: Path, old: str, new: str) -> None:
    text = path.read_text(encoding="utf-8")
    assert old in text
    path.write_text(text.replace(old, new), encoding="utf-8")


def test_a_book_has_all_its_files_and_says_where_it_is(bank: ConceptBank, tmp_path: Path) -> None:
    book = make(bank, tmp_path / "out" / "fox")
    assert book.editions == (tmp_path / "out" / "fox" / "book.html",)
    pictures = {f"pages/{name}.png" for name in ("cover", "page-01", "page-02", "page-03", "page-04")}
    assert contents(book.folder).keys() == {
        "book.html", "story.json", "book.json", "book.lock", "pages/", "cast/", "cast/rusty.png",
    } | pictures  # fmt: skip
    assert book.warnings == ("a small thing",)
    assert "The &lt;Fox&gt;" in book.editions[0].read_text(encoding="utf-8")


def test_each_picture_has_its_own_seed_and_its_concepts_bound(bank: ConceptBank, tmp_path: Path) -> None:
    renderer = PlainRenderer()
    make(bank, tmp_path / "fox", renderer=renderer)
    assert [seed for _, seed in renderer.drawn] == [7, 8, 9, 10, 11]
    assert [bound.prompt for bound, _ in renderer.drawn][:2] == ["a fox in the snow 0", "a fox in the snow 1"]
    mentions = [mention for bound, _ in renderer.drawn for mention in bound.mentions]
    assert [(each.concept_id, each.start, each.stop) for each in mentions] == [("rusty", 2, 5)] * 5


def test_after_the_last_seed_comes_the_first(bank: ConceptBank, tmp_path: Path) -> None:
    renderer = PlainRenderer()
    make(bank, tmp_path / "fox", renderer=renderer, seed=2**32 - 2)
    assert [seed for _, seed in renderer.drawn] == [2**32 - 2, 2**32 - 1, 0, 1, 2]


def test_a_picture_file_says_how_it_was_drawn(bank: ConceptBank, tmp_path: Path) -> None:
    book = make(bank, tmp_path / "fox")
    metadata = read_metadata(book.pictures[2])
    assert (metadata.prompt, metadata.seed, metadata.settings) == ("a fox in the snow 2", 9, SETTINGS)
    assert metadata.concepts == {"rusty": a_concept().direction_sha256}
    assert metadata.fingerprint == "f1"


def test_the_lock_records_what_decides_the_pictures(bank: ConceptBank, tmp_path: Path) -> None:
    book = make(bank, tmp_path / "fox")
    lock = json.loads((tmp_path / "fox" / "book.lock").read_text(encoding="utf-8"))
    assert lock["idea"] == "a fox & <a friend>"
    of_model = {"source": "pocket", "name": "Pocket", "fingerprint": "f1", "revision": None}
    numbers = {"dtype": "float32", "weights": "plain", "cache_threshold": 0.0}
    assert lock["model"] == {**of_model, "numbers": numbers}
    assert lock["pictures"][0]["concepts"] == {"rusty": a_concept().direction_sha256}
    assert lock["versions"].keys() == {"fableverse", "torch", "diffusers", "transformers"}
    assert BookLock.model_validate(lock) == book.lock


def test_drawing_is_told_of_step_by_step(bank: ConceptBank, tmp_path: Path) -> None:
    told: list[DrawingProgress] = []
    make_storybook(
        a_request(bank),
        writer=PlainWriter(),
        writer_name="a plain writer",
        studio=plain_studio(bank),
        out_dir=tmp_path / "fox",
        templates_dir=TEMPLATES_DIR,
        on_drawing=told.append,
    )
    assert [(each.picture, each.step) for each in told] == [(picture, step) for picture in range(5) for step in (1, 2)]
    assert {(each.num_pictures, each.num_steps) for each in told} == {(5, 2)}


def test_the_same_lock_gives_the_same_bytes_elsewhere(bank: ConceptBank, tmp_path: Path) -> None:
    make(bank, tmp_path / "first")
    redraw(bank, tmp_path / "first" / "book.lock", tmp_path / "second")
    assert contents(tmp_path / "second") == contents(tmp_path / "first")
    assert contents(tmp_path / "second")["pages/cover.png"]


def test_another_seed_gives_other_pictures(bank: ConceptBank, tmp_path: Path) -> None:
    first, second = make(bank, tmp_path / "first"), make(bank, tmp_path / "second", seed=8)
    assert first.pictures[0].read_bytes() != second.pictures[0].read_bytes()


def test_edited_words_are_bound_with_the_same_pictures(bank: ConceptBank, tmp_path: Path) -> None:
    book = make(bank, tmp_path / "fox")
    before = [path.read_bytes() for path in book.pictures]
    edit(tmp_path / "fox" / "story.json", "Text 2.", "Better words.")
    again = redraw(bank, tmp_path / "fox" / "book.lock", tmp_path / "fox")
    assert [path.read_bytes() for path in again.pictures] == before
    assert "Better words." in again.editions[0].read_text(encoding="utf-8")


def test_what_people_added_to_a_book_outlives_its_redrawing(bank: ConceptBank, tmp_path: Path) -> None:
    folder = make(bank, tmp_path / "fox").folder
    added = {
        folder / "candidates" / "page-01-seed-9.png": b"candidate",
        folder / "audio" / "page-01.mp3": b"sound",
        folder / "replies.jsonl": b"{}",
    }
    for path, content in added.items():
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(content)
    face = Face(concept="rusty", box=Box(left=0.25, top=0.25, right=0.5, bottom=0.5))
    record = read_record(folder).model_copy(update={"faces": {"page-01": (face,)}})
    (folder / RECORD_FILENAME).write_text(record.model_dump_json(), encoding="utf-8")
    redraw(bank, folder / "book.lock", folder)
    assert {path: path.read_bytes() for path in added} == added
    assert read_record(folder) == record


def test_an_edited_prompt_does_not_fit_its_lock(bank: ConceptBank, tmp_path: Path) -> None:
    make(bank, tmp_path / "fox")
    edit(tmp_path / "fox" / "story.json", "in the snow 3", "in the rain 3")
    with pytest.raises(LockMismatch, match=r"prompts in .*story\.json' are not those"):
        read_lock(tmp_path / "fox" / "book.lock")


def test_a_lock_does_not_fit_a_concept_learnt_again(bank: ConceptBank, tmp_path: Path) -> None:
    make(bank, tmp_path / "fox")
    before = contents(tmp_path / "fox")
    add_concept(bank, a_concept(direction=b"other"), tmp_path / "workshop", direction=b"other", replace=True)
    with pytest.raises(LockMismatch, match="'rusty'.*learnt again"):
        redraw(bank, tmp_path / "fox" / "book.lock", tmp_path / "fox")
    assert contents(tmp_path / "fox") == before


def test_a_lock_does_not_fit_other_weights(bank: ConceptBank, tmp_path: Path) -> None:
    make(bank, tmp_path / "fox")
    with pytest.raises(LockMismatch, match="fingerprint f1, but what is loaded has fingerprint f2:"):
        redraw(bank, tmp_path / "fox" / "book.lock", tmp_path / "fox", fingerprint="f2")


def test_a_lock_names_the_commit_that_drew_it_and_other_weights_are_told_with_theirs(
    bank: ConceptBank, tmp_path: Path
) -> None:
    make(bank, tmp_path / "fox")
    lock_path = tmp_path / "fox" / "book.lock"
    assert redraw(bank, lock_path, tmp_path / "fox", revision="abc").lock.model.revision == "abc"
    lock, _ = read_lock(lock_path)
    assert locked_model(lock, Settings()).revision == "abc"
    assert moved_lock(lock, source="pocket", revision=None) == lock, "asked for without a revision, it is this one"
    with pytest.raises(LockMismatch, match="fingerprint f1 of revision abc, but .* has fingerprint f2 of revision def"):
        redraw(bank, lock_path, tmp_path / "fox", fingerprint="f2", revision="def")


def test_other_numbers_are_asked_for_first_and_told_where_they_cannot_be_had(bank: ConceptBank, tmp_path: Path) -> None:
    make(bank, tmp_path / "fox")
    edit(tmp_path / "fox" / "book.lock", '"dtype": "float32"', '"dtype": "bfloat16"')
    lock, _ = read_lock(tmp_path / "fox" / "book.lock")
    assert locked_model(lock, Settings()).numbers == Numbers(dtype="bfloat16")
    (warning,) = redraw(bank, tmp_path / "fox" / "book.lock", tmp_path / "fox").warnings
    assert warning.startswith("Drawn in bfloat16 first and in float32 now")


def test_a_lock_that_names_no_numbers_asks_for_none(bank: ConceptBank, tmp_path: Path) -> None:
    make(bank, tmp_path / "fox")
    path = tmp_path / "fox" / "book.lock"
    content = json.loads(path.read_text(encoding="utf-8"))
    del content["model"]["numbers"]
    path.write_text(json.dumps(content), encoding="utf-8")
    lock, _ = read_lock(path)
    assert locked_model(lock, Settings()).numbers is None
    assert redraw(bank, tmp_path / "fox" / "book.lock", tmp_path / "fox").warnings == ()


def test_a_lock_moves_with_its_model_and_keeps_its_fingerprint(bank: ConceptBank, tmp_path: Path) -> None:
    lock = make(bank, tmp_path / "fox").lock
    there = moved_lock(lock, source="them/flux", revision="abc")
    assert locked_model(there, Settings(model="pocket")).source == "them/flux"
    assert there.model.fingerprint == lock.model.fingerprint
    assert (
        moved_lock(there, source=None, revision=None) == moved_lock(there, source="them/flux", revision=None) == there
    )
    assert moved_lock(there, source=None, revision="def").model.revision == "def"
    assert moved_lock(there, source="models/flux", revision=None).model.revision is None


def test_a_lock_of_before_there_was_guidance_draws_without_it(bank: ConceptBank, tmp_path: Path) -> None:
    make(bank, tmp_path / "fox")
    path = tmp_path / "fox" / "book.lock"
    record = json.loads(path.read_text(encoding="utf-8"))
    assert record["settings"].pop("concept_guidance_scale") == SETTINGS.concept_guidance_scale
    del record["settings"]["concept_guidance_sigma_min"]
    path.write_text(json.dumps(record), encoding="utf-8")
    assert read_lock(path)[0].settings.concept_guidance_scale == 1


def test_other_versions_are_told_do_not_stop_and_are_those_of_the_new_lock(bank: ConceptBank, tmp_path: Path) -> None:
    lock_path = tmp_path / "fox" / "book.lock"
    make(bank, tmp_path / "fox")
    before = lock_path.read_bytes()
    edit(lock_path, '"fableverse": "', '"fableverse": "0.0.')
    assert any("0.0." in warning for warning in redraw(bank, lock_path, tmp_path / "fox").warnings)
    assert lock_path.read_bytes() == before
    assert not any("0.0." in warning for warning in redraw(bank, lock_path, tmp_path / "fox").warnings)


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ('"stop": 5', '"stop": 500'),
        ('"fableverse-book-1"', '"fableverse-book-9"'),
        ('"seed": 8', '"seed": -8'),
        ("{", ""),
    ],
    ids=["a mention outside the prompt", "another format", "a negative seed", "no JSON"],
)
def test_a_damaged_lock_is_refused(bank: ConceptBank, tmp_path: Path, old: str, new: str) -> None:
    make(bank, tmp_path / "fox")
    edit(tmp_path / "fox" / "book.lock", old, new)
    with pytest.raises(LockMismatch, match=r"book\.lock' is no lock of a book"):
        read_lock(tmp_path / "fox" / "book.lock")


@pytest.mark.parametrize(
    "error", [OSError(errno.ENOSPC, "No space left on device"), KeyboardInterrupt()], ids=["full disk", "Ctrl-C"]
)
def test_a_book_that_stops_half_way_leaves_its_pictures_and_no_other_trace(
    bank: ConceptBank, tmp_path: Path, error: BaseException
) -> None:
    with pytest.raises(type(error)):
        make(bank, tmp_path / "out" / "fox", renderer=PlainRenderer(failures={3: error}))
    left = [path for path in (tmp_path / "out").rglob("*") if path.is_file()]
    assert {path.parent.name for path in left} == {".fox.pictures"}
    kept = [read_metadata(path) for path in left if path.suffix == ".png"]
    assert sorted(each.seed for each in kept) == [7, 8, 9]


def test_a_story_that_stops_half_way_leaves_no_trace(bank: ConceptBank, tmp_path: Path) -> None:
    with pytest.raises(KeyboardInterrupt):
        make(bank, tmp_path / "out" / "fox", renderer=PlainRenderer(failures={0: KeyboardInterrupt()}))
    assert contents(tmp_path / "out") == {}


def test_a_scene_that_does_not_name_its_concept_is_refused_before_drawing(bank: ConceptBank, tmp_path: Path) -> None:
    renderer = PlainRenderer()
    with pytest.raises(ConceptNotMentioned, match="rusty"):
        make_storybook(
            a_request(bank),
            writer=PlainWriter(prompt="a wolf"),
            writer_name="a plain writer",
            studio=plain_studio(bank, renderer=renderer),
            out_dir=tmp_path / "fox",
            templates_dir=TEMPLATES_DIR,
        )
    assert renderer.drawn == []
