"""A finished book is edited, and exactly the pictures whose inputs changed are drawn again."""

import json
import shutil
from pathlib import Path

import pytest
from PIL import Image

from api.binding import read_record
from api.book_lock import BookLock, LockedPicture, current_versions, read_lock_only
from api.cli import main
from api.commands.edit import PageChanges, edit_book
from api.commands.render import parse_choices, parse_pages
from api.errors import LockMismatch, UsageError
from api.rerender import rerender_book
from api.settings import Settings
from api.storybook import make_storybook
from api.tokens import estimate_tokens, prompt_counter
from concepts.bank import ConceptBank
from concepts.errors import ConceptNotMentioned, WrongBaseModel
from generator.images import read_metadata
from story.errors import InvalidRequest, UnsafeRequest
from story.schema import Box, Face, SpokenLine, Story
from tests.api.builders import PlainRenderer, PlainWriter, a_request, plain_bank, plain_studio
from tests.concepts.builders import a_concept, add_concept, contents

TEMPLATES_DIR = Settings().templates_dir


@pytest.fixture
def bank(tmp_path: Path) -> ConceptBank:
    return plain_bank(tmp_path)


@pytest.fixture
def book(bank: ConceptBank, tmp_path: Path) -> Path:
    made = make_storybook(
        a_request(bank),
        writer=PlainWriter(),
        writer_name="a plain writer",
        studio=plain_studio(bank),
        out_dir=tmp_path / "fox",
        templates_dir=TEMPLATES_DIR,
    )
    return made.folder


def edit(book: Path, bank: ConceptBank, **changes: object) -> list[int]:
    outcome = edit_book(book, PageChanges(**changes), bank=bank, environment={})  # type: ignore[arg-type]
    pages = outcome.data["to_draw"]
    assert isinstance(pages, list)
    return [int(str(page)) for page in pages]


def pictures(book: Path) -> dict[str, bytes]:
    return {name: data for name, data in contents(book).items() if name.startswith("pages/") and data}


def prompts_drawn(renderer: PlainRenderer) -> list[str]:
    return [bound.prompt for bound, _ in renderer.drawn]


def test_one_word_of_page_threes_prompt_draws_one_picture(book: Path, bank: ConceptBank) -> None:
    before = pictures(book)
    assert edit(book, bank, page=3, prompt="a fox in the forest 3") == [3]
    renderer = PlainRenderer()
    done = rerender_book(book, studio=plain_studio(bank, renderer=renderer), templates_dir=TEMPLATES_DIR)
    assert done.drawn == (3,)
    assert prompts_drawn(renderer) == ["a fox in the forest 3"]
    after = pictures(book)
    assert [name for name in before if before[name] != after[name]] == ["pages/page-03.png"]
    assert read_metadata(book / "pages" / "page-03.png").prompt == "a fox in the forest 3"
    lock = BookLock.model_validate_json((book / "book.lock").read_bytes())
    assert [picture.prompt for picture in lock.pictures][3] == "a fox in the forest 3"


def test_editing_by_hand_does_the_same_and_words_draw_nothing(book: Path, bank: ConceptBank) -> None:
    story = json.loads((book / "story.json").read_text(encoding="utf-8"))
    story["pages"][0]["text"] = "Other words."
    (book / "story.json").write_text(json.dumps(story), encoding="utf-8")
    before = pictures(book)
    done = rerender_book(book, studio=plain_studio(bank), templates_dir=TEMPLATES_DIR)
    assert done.drawn == () and pictures(book) == before
    assert "Other words." in (book / "book.html").read_text(encoding="utf-8")


def test_a_page_taken_out_leaves_the_pictures_of_the_others(book: Path, bank: ConceptBank) -> None:
    before = pictures(book)
    story = json.loads((book / "story.json").read_text(encoding="utf-8"))
    del story["pages"][1]
    (book / "story.json").write_text(json.dumps(story), encoding="utf-8")
    done = rerender_book(book, studio=plain_studio(bank), templates_dir=TEMPLATES_DIR)
    assert done.drawn == ()
    after = pictures(book)
    assert after["pages/page-02.png"] == before["pages/page-03.png"]
    assert "pages/page-04.png" not in after


def test_a_concept_learnt_again_draws_its_pages_again(book: Path, bank: ConceptBank, tmp_path: Path) -> None:
    add_concept(bank, a_concept(direction=b"other"), tmp_path / "again", direction=b"other", replace=True)
    done = rerender_book(book, studio=plain_studio(bank), templates_dir=TEMPLATES_DIR)
    assert done.drawn == (0, 1, 2, 3, 4)


def test_exported_editions_are_bound_again_and_told(book: Path, bank: ConceptBank) -> None:
    assert main(["export", str(book), "--format", "epub-reflow"]) == 0
    old = (book / "book-reflow.epub").read_bytes()
    edit(book, bank, page=3, text="Other words.")
    done = rerender_book(book, studio=plain_studio(bank), templates_dir=TEMPLATES_DIR)
    assert [path.name for path in done.editions] == ["book.html", "book-reflow.epub"]
    assert (book / "book-reflow.epub").read_bytes() != old
    assert "book-reflow.epub, exported before, is bound again with the looks" in done.warnings[-1]
    assert read_record(book).formats == ("html",)


def test_faces_go_with_the_pictures_that_show_them(book: Path, bank: ConceptBank) -> None:
    faces = {
        f"page-0{number}": (Face(concept="rusty", box=Box(left=number / 10, top=0, right=1, bottom=1)),)
        for number in (1, 3, 4)
    }
    record = read_record(book).model_copy(update={"faces": faces})
    (book / "book.json").write_text(record.model_dump_json(), encoding="utf-8")
    edit(book, bank, page=4, prompt="a fox in the forest 4")
    story = json.loads((book / "story.json").read_text(encoding="utf-8"))
    del story["pages"][1]
    (book / "story.json").write_text(json.dumps(story), encoding="utf-8")

    done = rerender_book(book, studio=plain_studio(bank), templates_dir=TEMPLATES_DIR)
    assert done.drawn == (3,)
    assert read_record(book).faces == {"page-01": faces["page-01"], "page-02": faces["page-03"]}
    assert done.warnings == ("book.json forgets the faces of the old page-04: say where new pictures have them.",)
    edit(book, bank, page=1, prompt="a fox in the forest 1")
    done = rerender_book(book, studio=plain_studio(bank), templates_dir=TEMPLATES_DIR)
    assert [*read_record(book).faces] == ["page-02"]
    assert "the old page-01:" in done.warnings[0]


def lock_of(book: Path) -> BookLock:
    return read_lock_only(book / "book.lock")[0]


@pytest.fixture
def old_book(book: Path) -> Path:
    """A book that was drawn with another torch."""
    lock = lock_of(book)
    lock = lock.model_copy(update={"versions": {**lock.versions, "torch": "1.0.0"}})
    (book / "book.lock").write_text(lock.model_dump_json(), encoding="utf-8")
    return book


def test_a_lock_keeps_its_versions_while_a_picture_of_them_is_left(old_book: Path, bank: ConceptBank) -> None:
    done = rerender_book(old_book, studio=plain_studio(bank), templates_dir=TEMPLATES_DIR)
    assert (done.drawn, done.warnings, lock_of(old_book).versions["torch"]) == ((), (), "1.0.0")
    edit(old_book, bank, page=3, prompt="a fox in the forest 3")
    done = rerender_book(old_book, studio=plain_studio(bank), templates_dir=TEMPLATES_DIR)
    assert (done.drawn, lock_of(old_book).versions["torch"]) == ((3,), "1.0.0")
    assert [warning[:28] for warning in done.warnings] == ["Drawn with torch 1.0.0 first"]


def test_a_lock_of_new_pictures_alone_has_their_versions(old_book: Path, bank: ConceptBank, tmp_path: Path) -> None:
    add_concept(bank, a_concept(direction=b"other"), tmp_path / "again", direction=b"other", replace=True)
    done = rerender_book(old_book, studio=plain_studio(bank), templates_dir=TEMPLATES_DIR)
    assert (done.warnings, lock_of(old_book).versions) == ((), current_versions())


class SecondIsBest:
    """Prefers the second of two pictures."""

    def __init__(self) -> None:
        self.times = 0

    def score(self, image: Image.Image, picture: LockedPicture) -> float:
        del image, picture
        self.times += 1
        return 1 - self.times % 2


def test_candidates_count_with_the_versions_that_drew_them(old_book: Path, bank: ConceptBank) -> None:
    done = rerender_book(
        old_book,
        studio=plain_studio(bank),
        templates_dir=TEMPLATES_DIR,
        several=(0, 1, 2, 3, 4),
        num_candidates=2,
        scorer=SecondIsBest(),
    )
    lock = lock_of(old_book)
    assert (done.drawn, lock.versions, done.warnings) == ((0, 1, 2, 3, 4), current_versions(), ())
    lock = lock.model_copy(update={"versions": {**lock.versions, "torch": "1.0.0"}})
    (old_book / "book.lock").write_text(lock.model_dump_json(), encoding="utf-8")
    firsts = {each.page: each.seed for each in done.candidates[::2]}
    done = rerender_book(old_book, studio=plain_studio(bank), templates_dir=TEMPLATES_DIR, choices=firsts)
    assert (done.drawn, lock_of(old_book).versions["torch"]) == ((0, 1, 2, 3, 4), "1.0.0")


class DarkestIsBest:
    """Prefers dark pictures, and remembers what it saw."""

    def __init__(self) -> None:
        self.seen: list[tuple[int, float]] = []

    def score(self, image: Image.Image, picture: LockedPicture) -> float:
        red, green, blue = image.getpixel((0, 0))  # type: ignore[misc]
        score = 1 - (red + green + blue) / 765
        self.seen.append((picture.seed, score))
        return score


def test_of_several_candidates_the_best_is_taken_and_all_are_kept(book: Path, bank: ConceptBank) -> None:
    before = pictures(book)
    scorer = DarkestIsBest()
    done = rerender_book(
        book,
        studio=plain_studio(bank),
        templates_dir=TEMPLATES_DIR,
        several=(3,),
        num_candidates=4,
        scorer=scorer,
    )
    assert len(done.candidates) == len(scorer.seen) == 4
    best = max(done.candidates, key=lambda each: each.score or 0)
    kept = sorted((book / "candidates").iterdir())
    assert len(kept) == 4
    assert (book / "pages/page-03.png").read_bytes() == (
        book / "candidates" / f"page-03-seed-{best.seed}.png"
    ).read_bytes()
    after = pictures(book)
    assert {name for name in before if before[name] != after[name]} <= {"pages/page-03.png"}
    other = next(each for each in done.candidates if each.seed != best.seed)
    renderer = PlainRenderer()
    chosen = rerender_book(
        book,
        studio=plain_studio(bank, renderer=renderer),
        templates_dir=TEMPLATES_DIR,
        choices={3: other.seed},
    )
    assert chosen.drawn == (3,) and renderer.drawn == []
    assert read_metadata(book / "pages/page-03.png").seed == other.seed


def test_what_is_not_there_cannot_be_chosen(book: Path, bank: ConceptBank) -> None:
    with pytest.raises(UsageError, match="no candidate 5 for page 3"):
        rerender_book(book, studio=plain_studio(bank), templates_dir=TEMPLATES_DIR, choices={3: 5})
    with pytest.raises(UsageError, match="no page 9"):
        rerender_book(book, studio=plain_studio(bank), templates_dir=TEMPLATES_DIR, several=(9,), num_candidates=2)
    with pytest.raises(LockMismatch, match="Use the model that drew it"):
        rerender_book(book, studio=plain_studio(bank, fingerprint="f2"), templates_dir=TEMPLATES_DIR)


def test_a_candidate_of_a_page_that_was_taken_out_cannot_be_chosen(book: Path, bank: ConceptBank) -> None:
    (book / "candidates").mkdir()
    shutil.copy(book / "pages/page-04.png", book / "candidates/page-04-seed-5.png")
    story = json.loads((book / "story.json").read_text(encoding="utf-8"))
    story["pages"].pop()
    (book / "story.json").write_text(json.dumps(story), encoding="utf-8")
    with pytest.raises(UsageError, match="no page 4: its pages are 1 to 3"):
        rerender_book(book, studio=plain_studio(bank), templates_dir=TEMPLATES_DIR, choices={4: 5})


@pytest.mark.parametrize(
    ("words", "named"),
    [
        (["--choose", "9=5"], "no page 9"),
        (["--choose", "3=5"], "no candidate 5 for page 3"),
        (["--pages", "9", "--candidates", "2"], "no page 9"),
    ],
)
def test_what_is_not_there_is_told_before_anything_is_loaded(
    book: Path, bank: ConceptBank, words: list[str], named: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["book", "render", str(book), *words, "--bank", str(bank.folder)]) == 2
    said = capsys.readouterr().err
    assert named in said and "Loading" not in said


@pytest.mark.parametrize(
    ("changes", "error", "named"),
    [
        ({"page": 3, "prompt": "a fox and a fox"}, InvalidRequest, "page 3.*exactly once"),
        ({"page": 3, "text": "<script>"}, InvalidRequest, "page 3.*markup"),
        ({"page": 3, "alt": ""}, InvalidRequest, "empty"),
        ({"title": " "}, InvalidRequest, "no title"),
        ({"page": 3, "text": "The fox was murdered."}, UnsafeRequest, "violence"),
        ({"page": 9, "text": "x"}, UsageError, "1 to 4"),
        ({"text": "x"}, UsageError, "--page"),
        ({"page": 0, "text": "x"}, UsageError, "--title"),
        ({"page": 0, "speech": ()}, UsageError, "--title"),
        ({"page": 3, "second_text": "x"}, UsageError, "in one language"),
        ({"second_title": "x"}, UsageError, "in one language"),
        ({"page": 3, "speech": (SpokenLine(speaker="rusty", text="<b>"),)}, InvalidRequest, "page 3.*markup"),
        ({"page": 3, "speech": (SpokenLine(speaker="rusty", text="I will kill you."),)}, UnsafeRequest, "page 3"),
        ({}, UsageError, "No editor is set"),
    ],
)
def test_an_edit_that_cannot_be_drawn_or_shown_changes_nothing(
    book: Path, bank: ConceptBank, changes: dict[str, object], error: type[Exception], named: str
) -> None:
    before = contents(book)
    with pytest.raises(error, match=named):
        edit(book, bank, **changes)
    assert contents(book) == before


def learn(bank: ConceptBank, workshop: Path, concept_id: str, word: str, *, base_model: str = "f1") -> None:
    add_concept(bank, a_concept(concept_id, word).model_copy(update={"base_model": base_model}), workshop)


def test_what_is_learnt_later_is_held_against_new_prompts_only(book: Path, bank: ConceptBank, tmp_path: Path) -> None:
    learn(bank, tmp_path / "later", "snowy", "snow")
    assert edit(book, bank, title="Another title") == []
    assert edit(book, bank, page=3, text="Other words.") == []
    assert edit(book, bank, page=3, prompt="a fox in deep snow") == [3]
    story = Story.model_validate_json((book / "story.json").read_bytes())
    assert [scene.concepts for scene in story.scenes][2:4] == [("rusty",), ("rusty", "snowy")]
    unlisted = story.pages[1].model_copy(update={"scene": story.pages[1].scene.model_copy(update={"prompt": "snow"})})
    pages = (story.pages[0], unlisted, *story.pages[2:])
    (book / "story.json").write_text(story.model_copy(update={"pages": pages}).model_dump_json(), encoding="utf-8")
    with pytest.raises(InvalidRequest, match="page 2: .*lacks 'fox'"):
        edit(book, bank, title="A third title")


def test_concepts_of_another_model_are_none_of_the_books(book: Path, bank: ConceptBank, tmp_path: Path) -> None:
    learn(bank, tmp_path / "other", "snowy", "snow", base_model="f2")
    assert edit(book, bank, title="Another title") == []
    assert edit(book, bank, page=3, prompt="a fox in deep snow") == [3]
    story = Story.model_validate_json((book / "story.json").read_bytes())
    assert story.pages[2].scene.concepts == ("rusty",)
    text = (book / "story.json").read_text(encoding="utf-8").replace('deep snow"', 'very deep snow"')
    listed = text.replace('"rusty"\n', '"rusty", "snowy"\n')
    assert listed != text
    (book / "story.json").write_text(listed, encoding="utf-8")
    with pytest.raises(WrongBaseModel, match="'snowy' was learnt on 'pocket' .f2., but the book is drawn with"):
        edit(book, bank, title="A third title")


def test_a_concept_learnt_again_on_another_model_changes_nothing(book: Path, bank: ConceptBank, tmp_path: Path) -> None:
    concept = a_concept(direction=b"other").model_copy(update={"base_model": "f2"})
    add_concept(bank, concept, tmp_path / "again", direction=b"other", replace=True)
    before = contents(book)
    with pytest.raises(WrongBaseModel, match="'rusty'"):
        edit(book, bank, title="Another title")
    assert contents(book) == before


def test_prompts_are_as_long_as_the_books_own_model_reads(book: Path, bank: ConceptBank) -> None:
    prompt = (
        "a gentle little fox wearing a scarf holding an umbrella standing and a gentle little robot wearing glasses "
        "holding a lantern waving in the bedroom in the lamplight, a picture book illustration"
    )
    lock = json.loads((book / "book.lock").read_text(encoding="utf-8"))
    lock["settings"]["max_sequence_length"] = prompt_counter("pocket")(prompt)
    assert lock["settings"]["max_sequence_length"] < estimate_tokens(prompt)
    (book / "book.lock").write_text(json.dumps(lock), encoding="utf-8")
    assert edit(book, bank, page=3, prompt=prompt) == [3]
    with pytest.raises(InvalidRequest, match="shorten it"):
        edit(book, bank, page=3, prompt=f"{prompt} again")


def test_a_hand_edit_that_drops_a_word_is_refused_before_drawing(book: Path, bank: ConceptBank) -> None:
    text = (book / "story.json").read_text(encoding="utf-8")
    (book / "story.json").write_text(text.replace("a fox in the snow 3", "a wolf in the snow 3"), encoding="utf-8")
    before = contents(book)
    with pytest.raises(ConceptNotMentioned):
        rerender_book(book, studio=plain_studio(bank), templates_dir=TEMPLATES_DIR)
    assert contents(book) == before


def test_the_command_line_edits(book: Path, bank: ConceptBank, capsys: pytest.CaptureFixture[str]) -> None:
    arguments = ["--page", "3", "--prompt", "a fox in the forest 3", "--bank", str(bank.folder), "--json"]
    assert main(["book", "edit", str(book), *arguments]) == 0
    assert json.loads(capsys.readouterr().out)["to_draw"] == [3]
    assert main(["book", "render", str(book), "--pages", "3", "--bank", str(bank.folder)]) == 2
    assert "go together" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"page": 3, "prompt": "a fox in the forest 3"}, "The alternative text of page 3 was written for the old"),
        ({"page": 0, "prompt": "a fox in the forest 0"}, "The alternative text of the cover was written for the old"),
        ({"page": 3, "prompt": "a fox in the forest 3", "alt": "Rusty in the forest."}, None),
        ({"page": 3, "prompt": "a fox in the snow 3"}, None),
        ({"page": 3, "text": "Other words."}, None),
    ],
)
def test_an_alternative_text_that_a_new_prompt_leaves_behind_is_told(
    book: Path, bank: ConceptBank, changes: dict[str, object], told: str | None
) -> None:
    outcome = edit_book(book, PageChanges(**changes), bank=bank, environment={})  # type: ignore[arg-type]
    assert outcome.data["alt_of_old_picture"] == ([] if told is None else [changes["page"]])
    assert told is None and "alternative text" not in outcome.lines[0] or told is not None and told in outcome.lines[0]


@pytest.fixture
def bilingual(book: Path) -> Path:
    """The same with a second language."""
    story = json.loads((book / "story.json").read_text(encoding="utf-8"))
    pages = [page | {"second_text": f"Worte {number}."} for number, page in enumerate(story["pages"], start=1)]
    story |= {"second_language": "de", "second_title": "Der Fuchs", "pages": pages}
    (book / "story.json").write_text(json.dumps(story), encoding="utf-8")
    return book


def test_a_second_language_is_edited_and_told_where_it_has_the_old_words(
    bilingual: Path, bank: ConceptBank, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ["book", "edit", str(bilingual), "--bank", str(bank.folder)]
    assert main([*words, "--title", "A Fox", "--page", "2", "--text", "New words."]) == 0
    assert "In the second language the title, page 2 has the old words" in capsys.readouterr().out
    assert main([*words, "--page", "2", "--text", "Newer words.", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["second_of_old_words"] == [2]
    both = ["--page", "2", "--text", "Newest words.", "--second-text", "Neue Worte."]
    assert main([*words, "--second-title", "Ein Fuchs", *both]) == 0
    assert "old words" not in capsys.readouterr().out
    story = Story.model_validate_json((bilingual / "story.json").read_bytes())
    assert (story.second_title, story.pages[1].second_text) == ("Ein Fuchs", "Neue Worte.")


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"page": 2, "second_text": ""}, "second language on page 2"),
        ({"second_title": " "}, "second language in its title"),
        ({"page": 2, "second_text": "<b>Worte"}, "page 2.*markup"),
    ],
)
def test_a_second_language_stays_whole(
    bilingual: Path, bank: ConceptBank, changes: dict[str, object], message: str
) -> None:
    before = contents(bilingual)
    with pytest.raises(InvalidRequest, match=message):
        edit(bilingual, bank, **changes)
    assert contents(bilingual) == before


def test_speech_is_edited_and_taken_out_again(book: Path, bank: ConceptBank) -> None:
    words = ["book", "edit", str(book), "--page", "2", "--bank", str(bank.folder)]
    assert main([*words, "--say", "rusty: Who: me?", "--say", "Mole: You."]) == 0
    page = Story.model_validate_json((book / "story.json").read_bytes()).pages[1]
    assert page.speech == (SpokenLine(speaker="rusty", text="Who: me?"), SpokenLine(speaker="Mole", text="You."))
    assert main([*words, "--say", ""]) == 0
    assert Story.model_validate_json((book / "story.json").read_bytes()).pages[1].speech == ()
    assert main([*words, "--say", "nobody"]) == 2


def test_pages_and_choices_are_read() -> None:
    assert parse_pages("3, 5,3") == (3, 5)
    assert parse_choices(["3=17"]) == {3: 17}
    for bad in ("x", "3-5"):
        with pytest.raises(UsageError, match="--pages"):
            parse_pages(bad)
    with pytest.raises(UsageError, match="--choose"):
        parse_choices(["3"])
