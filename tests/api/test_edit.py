"""A finished book's words are edited: what is refused changes nothing, what is left behind is told."""

import json
from pathlib import Path

import pytest

from api import exit_codes
from api.cli import main
from api.commands.edit import PageChanges, edit_book
from api.errors import UsageError
from api.rerender import rerender_book
from api.settings import Settings
from api.tokens import estimate_tokens, prompt_counter
from api.writers import open_gate
from concepts.bank import ConceptBank
from concepts.errors import ConceptNotMentioned, WrongBaseModel
from story.errors import InvalidRequest, UnsafeRequest
from story.safety import SafetyGate
from story.schema import SpokenLine, Story
from tests.api.builders import TEMPLATES_DIR, edit, plain_studio
from tests.concepts.builders import a_concept, add_concept, contents
from tests.story.test_safety import moderation

pytest_plugins = ["tests.api.finished"]


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


def test_an_edit_is_moderated_where_that_is_demanded(
    book: Path, bank: ConceptBank, capsys: pytest.CaptureFixture[str]
) -> None:
    before = contents(book)
    changes = PageChanges(page=3, text="An odd day.")
    with moderation(200, ["harassment"]) as base_url, pytest.raises(UnsafeRequest, match="page 3 .*harassment"):
        gate = open_gate(Settings(llm="openai:x", base_url=base_url, moderation="on"))
        edit_book(book, changes, bank=bank, gate=gate, environment={})
    words = ["--bank", str(bank.folder), "--moderation", "on"]
    assert main(["book", "edit", str(book), "--page", "3", "--text", "A day.", *words]) == exit_codes.STORY
    assert "moderation of texts needs a key" in capsys.readouterr().err
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
    outcome = edit_book(book, PageChanges(**changes), bank=bank, gate=SafetyGate(), environment={})  # type: ignore[arg-type]
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
