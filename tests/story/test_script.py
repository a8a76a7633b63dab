"""Ready scripts: what can be read, how characters become concepts, and what is refused with advice."""

import json
import re
from pathlib import Path
from typing import Any

import pytest

from api.settings import LEXICON_PATH, SAMPLE_BANK_DIR
from concepts.bank import ConceptBank
from concepts.lexicon import Lexicon
from concepts.schema import ConceptCard, ConceptKind
from story.checks import check_page, check_scene
from story.errors import InvalidScript, UnsafeRequest
from story.safety import SafetyGate
from story.schema import SpokenLine, StoryRequest, WrittenStory
from story.script import read_script
from story.script_binding import ScriptWriter
from tests.story.builders import count_words

README = Path(__file__).resolve().parents[2] / "README.md"
SCRIPT = """# The Fox Who *Could Not* Sleep

> Rusty standing in the bedroom in the moonlight

## Page 1

Rusty lay in bed. He shut one eye.

Sleep did not come.

- Rusty: “I cannot sleep.”
- Old Mole: Then count to ten: one, two.

> Rusty sitting in the bedroom and Rusty's lamp beside it
>
> Rusty sits up in bed, wide awake.

## Page 2

Luna came by.

> the small Cat and @rusty waving in the snow
"""


def card(concept_id: str, word: str, kind: ConceptKind = "character") -> ConceptCard:
    return ConceptCard(id=concept_id, name=concept_id.title(), word=word, kind=kind, caption=f"a {word}")


CATALOG = (card("rusty", "fox"), card("luna", "cat"), card("bruno", "bear"), card("night", "moonlight", "lighting"))


def written(
    path: Path,
    *,
    language: str = "en",
    cast: dict[str, str] | None = None,
    catalog: tuple[ConceptCard, ...] = CATALOG,
    max_tokens: int = 60,
    lexicon: Lexicon | None = None,
) -> WrittenStory:
    cards = {each.id: each for each in catalog}
    writer = ScriptWriter(
        read_script(path, language=language),
        {name: cards[concept_id] for name, concept_id in (cast or {}).items()},
        gate=SafetyGate(),
        count_tokens=count_words,
        max_tokens=max_tokens,
        lexicon=lexicon,
    )
    return writer.write(StoryRequest(idea="", catalog=catalog, language=language))


def a_script(folder: Path, text: str = SCRIPT) -> Path:
    path = folder / "script.md"
    path.write_text(text, encoding="utf-8")
    return path


def test_a_script_becomes_a_story_of_the_banks_concepts(tmp_path: Path) -> None:
    story = written(a_script(tmp_path), cast={"Cat": "luna"}).story
    assert story.title == "The Fox Who Could Not Sleep"
    assert story.cover.prompt == "a fox standing in the bedroom in the moonlight"
    assert set(story.cover.concepts) == {"rusty", "night"}
    first, second = story.pages
    assert first.text == "Rusty lay in bed. He shut one eye.\n\nSleep did not come."
    assert first.speech == (
        SpokenLine(speaker="rusty", text="I cannot sleep."),
        SpokenLine(speaker="Old Mole", text="Then count to ten: one, two."),
    )
    assert first.scene.prompt == "a fox sitting in the bedroom and its lamp beside it"
    assert first.scene.alt == "Rusty sits up in bed, wide awake."
    assert second.scene.prompt == "the small cat and a fox waving in the snow"
    assert second.scene.concepts == ("rusty", "luna")
    assert [(member.name, member.concept) for member in story.lineup] == [("Rusty", "rusty"), ("Cat", "luna")]


@pytest.mark.parametrize(
    ("written_down", "said"),
    [
        ('"I cannot sleep."', "I cannot sleep."),
        ("„Ich wache.“", "Ich wache."),
        ("”Jag vakar.”", "Jag vakar."),
        ("«Je veille.»", "Je veille."),
        ("»Ich wache.«", "Ich wache."),
        ("「眠れない。」", "眠れない。"),
        ('Mother said "no"', 'Mother said "no"'),
        ('"No" is what she said', '"No" is what she said'),
        ('"Stop!" he cried. "Now!"', '"Stop!" he cried. "Now!"'),
        ("“Stop!” he cried. “Now!”", "“Stop!” he cried. “Now!”"),
        ("“Mother said 'no'”", "Mother said 'no'"),
    ],
)
def test_quotes_are_left_out_only_where_they_are_around_everything(
    tmp_path: Path, written_down: str, said: str
) -> None:
    script = read_script(a_script(tmp_path, SCRIPT.replace("“I cannot sleep.”", written_down)))
    assert script.pages[0].speech[0] == ("Rusty", said)


def test_a_picture_without_words_is_described_by_its_prompt(tmp_path: Path) -> None:
    text = SCRIPT.replace("> Rusty standing in the bedroom in the moonlight", "> a fox sitting in the forest")
    story = written(a_script(tmp_path, text), cast={"Cat": "luna"}).story
    assert story.cover.alt == "A fox sitting in the forest."
    assert story.pages[1].scene.alt == "The small cat and a fox waving in the snow."
    named = written(a_script(tmp_path, SCRIPT), cast={"Cat": "luna"}).story
    assert named.cover.alt == "Rusty standing in the bedroom in the moonlight."


def test_in_another_language_a_sentence_of_the_page_describes_its_picture(tmp_path: Path) -> None:
    story = written(a_script(tmp_path), cast={"Cat": "luna"}, language="de").story
    assert story.pages[1].scene.alt == "Luna came by."


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("# The Fox Who *Could Not* Sleep", "The Fox", "has no title"),
        ("## Page 2", "# Page 2", "has a second title, 'Page 2'"),
        ("- Rusty: “I cannot sleep.”", "- I cannot sleep", "has the list item 'I cannot sleep'"),
        ("> the small Cat and @rusty waving in the snow", "", "'Page 2' has no picture"),
        ("Luna came by.", "", "page 2: the page has no text"),
        ("Luna came by.", "    Luna came by.", "block of code"),
        ("Luna came by.", "<script>alert(1)</script>", "page 2: the text contains markup"),
        ("“I cannot sleep.”", '""', "'Page 1' has the list item .* nothing is said between the quotes"),
        ("“I cannot sleep.”", "“ ”", "'Page 1' has the list item .* nothing is said between the quotes"),
        ("- Rusty: “I", "- Rusty: “<b>I", "page 1: what somebody says contains markup"),
        ("@rusty waving", "@rusty and a fox waving", "page 2: the prompt says 'fox'.* 2 times"),
        ("@rusty waving", "@rusty and Bruno waving", "page 2: more than 2 characters"),
        ("@rusty waving", " ".join(["very"] * 60), "page 2: the prompt has 6. tokens and 60 fit"),
    ],
)
def test_what_cannot_become_a_book_is_refused_with_its_place(tmp_path: Path, old: str, new: str, message: str) -> None:
    with pytest.raises(InvalidScript, match=message):
        written(a_script(tmp_path, SCRIPT.replace(old, new)), cast={"Cat": "luna"})


@pytest.mark.parametrize(
    ("said", "prompt"),
    [
        ("In the snow Rusty waves", "In the snow a fox waves"),
        ("On the beach Rusty waves", "On the beach a fox waves"),
        ("In the kitchen, Rusty waves", "In the kitchen, a fox waves"),
        ("In the moonlight Rusty and the small Cat wave", "In the moonlight a fox and the small cat wave"),
        ("beside her sits Rusty", "beside her sits a fox"),
        ("the Rusty of old", "the fox of old"),
        ("his little Rusty waving", "his little fox waving"),
        ("Rusty waving", "a fox waving"),
    ],
)
def test_a_name_takes_an_article_unless_it_has_one(tmp_path: Path, said: str, prompt: str) -> None:
    text = SCRIPT.replace("> Rusty standing in the bedroom in the moonlight", f"> {said}")
    story = written(a_script(tmp_path, text), cast={"Cat": "luna"}, lexicon=Lexicon.load(LEXICON_PATH)).story
    assert story.cover.prompt == prompt


@pytest.mark.parametrize(
    ("said", "cast", "prompt"),
    [
        ("Rusty sitting in the bruno in the snow", {}, "a fox sitting in the bruno in the snow"),
        ("Rusty and Bruno in the snow", {}, "a fox and a bear in the snow"),
        ("@rusty and @Bruno in the snow", {}, "a fox and a bear in the snow"),
        ("a fox and bruno in the snow", {"Bruno": "bruno"}, "a fox and bear in the snow"),
        ("Bruno in the snow", {"bruno": "bruno"}, "a bear in the snow"),
        ("bruno in the snow", {"bruno": "bruno"}, "bear in the snow"),
    ],
)
def test_names_of_the_bank_are_read_as_written_and_those_of_the_cast_in_any_case(
    tmp_path: Path, said: str, cast: dict[str, str], prompt: str
) -> None:
    text = SCRIPT.replace("> Rusty standing in the bedroom in the moonlight", f"> {said}")
    assert written(a_script(tmp_path, text), cast={"Cat": "luna", **cast}).story.cover.prompt == prompt


def test_words_of_the_sample_bank_that_are_names_too_stay_words(tmp_path: Path) -> None:
    catalog = ConceptBank(SAMPLE_BANK_DIR).catalog()
    text = "# T\n\n> Rusty in the clover\n\n## Page 1\n\nHe ate.\n\n> a bear with an apple pip in the meadow\n"
    story = written(a_script(tmp_path, text), catalog=catalog).story
    assert [scene.prompt for scene in story.scenes] == ["a fox in the clover", "a bear with an apple pip in the meadow"]
    assert [member.name for member in story.lineup] == ["Rusty"]


def test_what_the_model_lacks_is_noted_with_its_pages(tmp_path: Path) -> None:
    lexicon = Lexicon.load(LEXICON_PATH)
    text = SCRIPT.replace("> the small Cat and @rusty waving in the snow", "> a dinosaur in the forest")
    (note,) = written(a_script(tmp_path, text), lexicon=lexicon).warnings
    assert note.startswith("On page 2 the prompt names nobody whom the model can draw")
    assert "bear, cat, child, fox" in note
    assert not written(a_script(tmp_path, text)).warnings, "of other models nothing is known"
    assert not written(a_script(tmp_path), cast={"Cat": "luna"}, lexicon=lexicon).warnings


def test_the_readmes_script_becomes_a_book_of_the_sample_bank_as_it_says(tmp_path: Path) -> None:
    readme = README.read_text(encoding="utf-8")
    script = re.search(r"```markdown\n(# .+?)```", readme, re.DOTALL)
    command = re.search(r'book import script\.md --cast "([^="]+)=(\w+)"', readme)
    assert script is not None and command is not None
    story = written(
        a_script(tmp_path, script[1]), cast={command[1]: command[2]}, catalog=ConceptBank(SAMPLE_BANK_DIR).catalog()
    ).story
    assert {*story.pages[0].scene.concepts} == {"rusty", command[2]}


def test_words_of_balloons_are_checked_for_safety_too(tmp_path: Path) -> None:
    with pytest.raises(UnsafeRequest, match="The text of page 1"):
        written(a_script(tmp_path, SCRIPT.replace("I cannot sleep.”", "I will kill you.”")))


def test_a_name_that_is_nowhere_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InvalidScript, match="'Wolf' of the cast is in no picture"):
        written(a_script(tmp_path), cast={"Wolf": "luna"})


def a_shot(index: int, *, who: list[str], static: str, plot: str = "They met.") -> dict[str, Any]:
    return {
        "index": index,
        "Setting Description": {"en": "A hill by the sea.", "ch": "海边的小山。"},
        "Plot Correspondence": {"en": plot, "ch": "他们见面了。"},
        "Characters Appearing": {"en": who, "ch": who},
        "Static Shot Description": {"en": static, "ch": "他们站着。"},
        "Shot Perspective Design": {"en": "Medium shot, eye level.", "ch": "中景。"},
    }


def a_benchmark_story(folder: Path) -> Path:
    """A story in the benchmark's form, invented here."""
    path = folder / "07" / "story.json"
    path.parent.mkdir()
    who = {"name_ch": "红", "prompt_ch": "", "tag": "non_human", "num_of_appearances": 3}
    story = {
        "Story_type": {"en": "Fable", "ch": "寓言"},
        "Characters": {
            "Red Fox": who | {"name_en": "Red Fox", "prompt_en": "An old fox in a coat."},
            "Grey Wolf": who | {"name_en": "Grey Wolf", "prompt_en": "A tall grey wolf with a stick."},
        },
        "Shots": [
            a_shot(1, who=["Red Fox"], static="Red Fox stands in the moonlight. The fox smiles in the moonlight."),
            a_shot(2, who=["Red Fox", "Grey Wolf"], static="Grey Wolf waves, and a bear and a cat look on."),
            a_shot(4, who=["Red Fox"], static=" ".join(["very"] * 90)),
        ],
    }
    path.write_text("\ufeff" + json.dumps(story), encoding="utf-8")
    return path


@pytest.mark.parametrize("max_tokens", [60, 25])
def test_prose_of_the_benchmark_is_fitted_to_the_model(tmp_path: Path, max_tokens: int) -> None:
    written_story = written(a_benchmark_story(tmp_path), cast={"Red Fox": "rusty"}, max_tokens=max_tokens)
    story = written_story.story
    assert len(story.pages) == 3
    assert story.pages[0].text == "They met."
    assert story.pages[0].scene.prompt.startswith("a fox stands in the moonlight. The one smiles in the .")
    assert story.pages[1].scene.prompt.startswith("a fox, Grey Wolf waves, and a one and a cat look on.")
    assert story.pages[2].scene.prompt.startswith("a fox, very very")
    limits: dict[str, Any] = {"catalog": CATALOG, "count_tokens": count_words, "max_tokens": max_tokens}
    assert not check_scene(story.cover, **limits)
    assert not [problem for page in story.pages for problem in check_page(page, **limits)]
    assert all("rusty" in page.scene.concepts for page in story.pages)
    assert any("'Grey Wolf' has no concept" in warning for warning in written_story.warnings)


def test_looks_and_setting_are_added_where_there_is_room(tmp_path: Path) -> None:
    prompt = written(a_benchmark_story(tmp_path), cast={"Red Fox": "rusty"}).story.pages[1].scene.prompt
    assert prompt.endswith("A tall grey wolf with a stick. A hill by the sea. Medium shot, eye level.")


def test_the_benchmark_is_read_in_its_other_language(tmp_path: Path) -> None:
    story = written(a_benchmark_story(tmp_path), language="zh", cast={"Red Fox": "rusty"}).story
    assert (story.pages[0].text, story.pages[0].scene.alt) == ("他们见面了。", "他们站着。")
    assert story.pages[0].scene.prompt.startswith("a fox stands")


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("moonlight\n\n## Page 1", "moonlight\nHe could not sleep.\n\n## Page 1", "line 4: 'He could .* a quoted line"),
        ("wide awake.\n\n", "wide awake.\nHe sat up.\n\n", "line 17: 'He sat up.' .* right below a quoted line"),
        ("one, two.\n\n", "one, two.\nHe counted.\n\n", "line 13: 'He counted.' .* right below a list item"),
        (">\n> Rusty sits", "> Rusty sits", "line 15: '> Rusty sits .* goes on with the prompt above it"),
    ],
)
def test_a_line_that_markdown_counts_to_the_one_above_is_refused(
    tmp_path: Path, old: str, new: str, message: str
) -> None:
    assert SCRIPT.count(old) == 1
    with pytest.raises(InvalidScript, match=message):
        read_script(a_script(tmp_path, SCRIPT.replace(old, new)))


def test_lines_that_are_marked_as_going_on_are_read(tmp_path: Path) -> None:
    text = SCRIPT.replace("one, two.", "one,\n  two.").replace("in bed, wide", "in bed,\n> wide")
    assert read_script(a_script(tmp_path, text)) == read_script(a_script(tmp_path))


@pytest.mark.parametrize("text", ["[]", "{", '{"Characters": {}, "Shots": []}', '{"Characters": {}, "Shots": [{}]}'])
def test_other_json_is_refused(tmp_path: Path, text: str) -> None:
    path = tmp_path / "story.json"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(InvalidScript, match="is no story of ViStoryBench"):
        read_script(path)


def test_a_language_that_the_benchmark_lacks_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InvalidScript, match="in language 'de'"):
        read_script(a_benchmark_story(tmp_path), language="de")


def test_what_is_no_text_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "script.md"
    path.write_bytes(b"\xff\xfe\x00#")
    with pytest.raises(InvalidScript, match="no UTF-8"):
        read_script(path)
