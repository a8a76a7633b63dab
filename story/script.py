"""Reads ready stories: scripts in Markdown, and the JSON form of ViStoryBench's stories. Knows no bank and no model.

A script in Markdown is what a person would write:

    # The Fox Who Could Not Sleep

    > Rusty standing in the bedroom in the moonlight

    ## Page 1

    Rusty lay in bed. He shut one eye.

    - Rusty: I cannot sleep.

    > Rusty sitting in the bedroom in the lamplight
    >
    > Rusty sits up in bed, wide awake.

The title; each page under a heading of its own; its text; what somebody says as a list; and quoted, in one line, the
prompt of its picture, with the picture in words below it if wanted. What stands quoted under the title is the cover's
picture.
"""

import json
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

from markdown_it import MarkdownIt
from markdown_it.token import Token
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from story.errors import InvalidScript
from story.languages import primary_language

_SAID = re.compile(r"\s*([^:：]{1,40})[:：]\s*(\S.*)", re.DOTALL)
_QUOTED = re.compile(r'"([^"]*)"|[“„”]([^“„”]*)[“”]|«([^«»]*)»|»([^«»]*)«|「([^「」]*)」')
"""One pair of quotes around everything."""
_MAX_BYTES = 4_000_000


class _Frozen(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class ScriptPicture(_Frozen):
    """A picture as a script has it: characters by their names."""

    prompt: str
    alt: str = ""
    on_stage: tuple[str, ...] = ()
    """Names of those who have to be in it, whether the prompt names them or not."""
    extras: tuple[str, ...] = ()
    """More of the prompt, taken as far as the picture model has room."""


class ScriptPage(_Frozen):
    """A page as a script has it."""

    text: str
    speech: tuple[tuple[str, str], ...] = ()
    """Who says what."""
    picture: ScriptPicture
    shot: int | None = None
    """Its number in ViStoryBench's story."""


class Script(_Frozen):
    """A ready story, not yet bound to concepts."""

    title: str
    cover: ScriptPicture
    pages: Annotated[tuple[ScriptPage, ...], Field(min_length=1)]
    looks: dict[str, str] = {}
    """What characters look like, by name, for those that no concept draws."""
    is_prose: bool = False
    """Whether prompts were written for no picture model, so that they are fitted to it and not refused."""


def read_script(path: Path, *, language: str = "en", title: str | None = None) -> Script:
    """The script in a file: JSON where its name ends in ".json", else Markdown.

    Args:
        path: UTF-8 text.
        language: Of the story; a ViStoryBench story has its texts in English and Chinese.
        title: Instead of the script's own.

    Raises:
        InvalidScript: It is not in that form; the message says where.
        OSError: It cannot be read.
    """
    if path.stat().st_size > _MAX_BYTES:
        raise InvalidScript(f"{str(path)!r} is larger than {_MAX_BYTES // 10**6} MB, so it is no story. Name another.")
    try:
        text = path.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError as error:
        raise InvalidScript(f"{str(path)!r} is no UTF-8 text: {error}. Save it as UTF-8.") from error
    if path.suffix.lower() == ".json":
        name = path.parent.name if path.stem == "story" else path.stem
        script = _of_vistorybench(text, path, language=language, title=title or f"Story {name}")
    else:
        script = _of_markdown(text, path)
    return script.model_copy(update={"title": title}) if title else script


class _Section:
    """What stands under one heading."""

    def __init__(self, heading: str) -> None:
        self.heading = heading
        self.paragraphs: list[str] = []
        self.said: list[str] = []
        self.quoted: list[str] = []

    def picture(self) -> ScriptPicture | None:
        if not self.quoted:
            return None
        return ScriptPicture(prompt=_one_line(self.quoted[0]), alt=_one_line(" ".join(self.quoted[1:])))

    def page(self, path: Path) -> ScriptPage:
        picture = self.picture()
        if picture is None:
            raise InvalidScript(
                f"{str(path)!r}: {self.heading!r} has no picture. Each page has its picture's prompt in a quoted line, "
                'as in "> a fox sleeping in the bedroom". Add it.'
            )
        speech: list[tuple[str, str]] = []
        for line in self.said:
            match = _SAID.fullmatch(line)
            if match is None:
                raise InvalidScript(
                    f"{str(path)!r}: {self.heading!r} has the list item {line!r}. A list says who speaks and what, as "
                    'in "- Rusty: I cannot sleep." Write it so, or as a paragraph.'
                )
            words = _without_quotes(_one_line(match[2]))
            if not words:
                raise InvalidScript(
                    f"{str(path)!r}: {self.heading!r} has the list item {line!r}, in which nothing is said between the "
                    "quotes. Write what is said, or leave the item out."
                )
            speech.append((match[1].strip(), words))
        return ScriptPage(text="\n\n".join(self.paragraphs), speech=tuple(speech), picture=picture)


def _of_markdown(text: str, path: Path) -> Script:
    top, *pages = _sections(text, path)
    if not top.heading or not pages:
        what = "has no title" if not top.heading else "has no page"
        raise InvalidScript(
            f'{str(path)!r} {what}. A script begins with "# Title", and each page with a heading such as "## Page 1". '
            "Add them."
        )
    if top.paragraphs or top.said:
        raise InvalidScript(
            f"{str(path)!r} has words under its title that are on no page: {(top.paragraphs + top.said)[0][:60]!r}. "
            'Put them under a heading such as "## Page 1".'
        )
    told = tuple(section.page(path) for section in pages)
    return Script(title=top.heading, cover=top.picture() or told[0].picture, pages=told)


def _sections(text: str, path: Path) -> list[_Section]:
    """What stands under the title, then under each heading below it."""
    tokens = MarkdownIt("commonmark", {"html": False}).parse(text)
    lines = text.split("\n")
    sections = [_Section("")]
    inside: list[str] = []
    for before, token in zip([None, *tokens], tokens, strict=False):
        if token.type in ("blockquote_open", "list_item_open"):
            inside.append(token.type)
        elif token.type in ("blockquote_close", "list_item_close"):
            inside.pop()
        elif token.type in ("fence", "code_block"):
            raise InvalidScript(
                f"{str(path)!r} has a block of code: {token.content[:60]!r}. Begin lines of text at the margin."
            )
        elif token.type == "inline":
            words = _plain(token)
            if before is not None and before.type == "heading_open":
                _add_heading(sections, int(before.tag[1:]), words, path)
            elif not inside:
                sections[-1].paragraphs.append(words)
            else:
                part = sections[-1].said if inside[-1] == "list_item_open" else sections[-1].quoted
                is_prompt = part is sections[-1].quoted and not part
                _check_lines(token, lines, path, is_quoted="blockquote_open" in inside, is_prompt=is_prompt)
                part.append(words)
    return sections


def _check_lines(token: Token, lines: Sequence[str], path: Path, *, is_quoted: bool, is_prompt: bool) -> None:
    """Refuse a list item or quoted paragraph with a line that Markdown counts to it, though it is not marked so.

    A prompt has one line, since the next may be meant for the picture in words.
    """
    first, end = token.map or (0, 0)
    for number, line in enumerate(lines[first + 1 : end], start=first + 2):
        is_marked = line.lstrip().startswith(">") if is_quoted else line[:1].isspace()
        if not is_marked:
            what = "a quoted line" if is_quoted else "a list item"
            raise InvalidScript(
                f"{str(path)!r}, line {number}: {line[:60]!r} stands right below {what}, so that Markdown counts it to "
                "that. Leave an empty line between them."
            )
        if is_prompt:
            raise InvalidScript(
                f"{str(path)!r}, line {number}: {line[:60]!r} goes on with the prompt above it. Write a prompt in one "
                'line, and a line with nothing but ">" between it and the picture in words.'
            )


def _add_heading(sections: list[_Section], level: int, words: str, path: Path) -> None:
    if level > 1:
        sections.append(_Section(words))
        return
    if len(sections) > 1 or sections[0].heading:
        raise InvalidScript(f'{str(path)!r} has a second title, {words!r}. A script has one; pages begin with "##".')
    sections[0].heading = words


def _plain(token: Token) -> str:
    """The words of a paragraph without emphasis, links and the like."""
    words = ""
    for child in token.children or ():
        if child.type in ("softbreak", "hardbreak"):
            words += "\n" if child.type == "hardbreak" else " "
        else:
            words += child.content
    return words.strip()


class _Shot(BaseModel):
    """What is read of a shot; what else it has is left aside."""

    index: int
    setting: dict[str, str] = Field(alias="Setting Description")
    plot: dict[str, str] = Field(alias="Plot Correspondence")
    appearing: dict[str, list[str]] = Field(alias="Characters Appearing")
    static: dict[str, str] = Field(alias="Static Shot Description")
    perspective: dict[str, str] = Field(alias="Shot Perspective Design")


class _Character(BaseModel):
    """What is read of a character."""

    prompt_en: str = ""


class _Benchmarked(BaseModel):
    """A story.json of ViStoryBench."""

    characters: dict[str, _Character] = Field(alias="Characters")
    shots: list[_Shot] = Field(alias="Shots", min_length=1)


def _of_vistorybench(text: str, path: Path, *, language: str, title: str) -> Script:
    """Texts are in the story's language, prompts in English; each shot becomes a page, and the first one the cover."""
    key = "ch" if primary_language(language) == "zh" else primary_language(language)
    try:
        story = _Benchmarked.model_validate(json.loads(text))
        pages = tuple(_page_of(shot, key) for shot in story.shots)
    except (ValidationError, ValueError, KeyError) as error:
        raise InvalidScript(
            f'{str(path)!r} is no story of ViStoryBench in language {language!r}: {error}. It has "Characters" and '
            '"Shots", with texts for "en" and "ch". Correct it, or write the script in Markdown.'
        ) from error
    looks = {name: _one_line(character.prompt_en) for name, character in story.characters.items()}
    return Script(title=title, cover=pages[0].picture, pages=pages, looks=looks, is_prose=True)


def _page_of(shot: _Shot, key: str) -> ScriptPage:
    picture = ScriptPicture(
        prompt=_one_line(shot.static["en"]),
        alt=_one_line(shot.static[key]),
        on_stage=tuple(name.strip() for name in shot.appearing["en"]),
        extras=tuple(_one_line(each["en"]) for each in (shot.setting, shot.perspective)),
    )
    return ScriptPage(text=shot.plot[key].strip(), picture=picture, shot=shot.index)


def _one_line(text: str) -> str:
    return " ".join(text.split())


def _without_quotes(words: str) -> str:
    """What is said in one pair of quotes; words that are quoted only in parts stay as they are."""
    match = _QUOTED.fullmatch(words)
    return words if match is None else next(inside for inside in match.groups() if inside is not None).strip()
