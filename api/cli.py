"""The `fableverse` command: what can be said on the command line, and where it goes.

Imports nothing heavy at the top, so that `--help` is quick: what a command needs is imported when it runs.
"""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import NoReturn, TypeAlias

import api
from api.cli_bench import add_bench
from api.cli_common import a_path, add_common, add_guidance, add_length, dollars_number, seconds_number, seed_number
from api.cli_keys import add_cluster, add_data, add_keys
from api.exit_codes import MEANINGS


class _CommandLineError(Exception):
    """Raised by the parser and answered in `main`."""


class _Parser(argparse.ArgumentParser):
    """A parser that raises instead of ending the program, so that `--json` has its one object for faults too."""

    def error(self, message: str) -> NoReturn:
        raise _CommandLineError(f"{message[:1].upper()}{message[1:]}. See {self.prog} --help.")


_EITHER = argparse.BooleanOptionalAction
Commands: TypeAlias = "argparse._SubParsersAction[_Parser]"


def main(argv: Sequence[str] | None = None) -> int:
    """Runs one command and returns the exit code; `argv` is by default the program's own."""
    words = _with_actions(sys.argv[1:] if argv is None else list(argv))
    try:
        arguments = _parser().parse_args(words)
    except _CommandLineError as error:
        from api.errors import UsageError
        from api.execution import report_failure

        options = words[: words.index("--")] if "--" in words else words
        return report_failure(UsageError(str(error)), wants_json="--json" in options)
    from api.execution import execute

    return execute(arguments)


def _with_actions(words: list[str]) -> list[str]:
    """The words with "book edit" and the like as one, so that they are commands and no ideas."""
    joined = " ".join(words[:2])
    return [joined, *words[2:]] if joined in ("book edit", "book import", "book narrate", "book render") else words


def _parser() -> argparse.ArgumentParser:
    codes = "\n".join(f"  {code:>3}  {meaning}" for code, meaning in MEANINGS.items())
    parser = _Parser(
        prog="fableverse",
        description="Illustrated stories whose characters stay themselves on every page.",
        epilog=f"exit codes:\n{codes}",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--version", action="version", version=f"fableverse {api.__version__}")
    commands = parser.add_subparsers(title="commands", metavar="COMMAND", required=True)
    _add_book(commands)
    _add_import(commands)
    _add_edit(commands)
    _add_render(commands)
    _add_narrate(commands)
    _add_export(commands)
    _add_learn(commands)
    _add_bank(commands)
    _add_draw(commands)
    _add_doctor(commands)
    _add_compose(commands)
    _add_serve(commands)
    add_bench(commands)
    add_keys(commands)
    return parser


def _add_book(commands: Commands) -> None:
    book = commands.add_parser("book", help="turn an idea into an illustrated storybook")
    book.add_argument("idea", nargs="?", metavar="IDEA", help="what the story is about, in your own words")
    book.add_argument("--cast", metavar="ID,ID", help="concepts of the bank, the hero first")
    add_length(book)
    book.add_argument("--seed", type=seed_number, metavar="N", help="another seed, another book (default: 0)")
    _add_strength(book)
    _add_languages(book)
    _add_language_model(book)
    book.add_argument(
        "--out", type=a_path, metavar="DIR", help="the book's folder (default: out/ and the idea's words)"
    )
    book.add_argument("--lock", type=a_path, metavar="FILE", help="draw a book again by its book.lock, without an idea")
    _add_looks(book)
    add_guidance(book)
    add_common(book, with_model=True, draws=True)
    book.set_defaults(command="book")


def _add_languages(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--language", metavar="TAG", help="of the story, such as de (default: en)")
    parser.add_argument("--second-language", metavar="TAG", help="tell it in this one too, side by side")


def _add_language_model(parser: argparse.ArgumentParser, *, does: str = "write") -> None:
    parser.add_argument(
        "--llm", metavar="PROVIDER:NAME", help=f"{does} with this chat model, such as openai:gpt-5-mini"
    )
    parser.add_argument("--base-url", metavar="URL", help="address of an OpenAI-compatible endpoint")
    parser.add_argument(
        "--budget",
        dest="budget_usd",
        type=dollars_number,
        metavar="USD",
        help="what the language model may cost at most",
    )
    _add_moderation(parser)


def _add_moderation(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--moderation",
        choices=("auto", "on", "off"),
        help="ask a moderation endpoint too: OpenAI's where OpenAI itself writes (auto, the default), always or never; "
        "the one at --base-url is asked with 'on' alone",
    )


def _add_import(commands: Commands) -> None:
    script = commands.add_parser("book import", help="turn a ready script into a book")
    script.add_argument("script", type=a_path, metavar="SCRIPT", help="Markdown, or a story.json of ViStoryBench")
    script.add_argument(
        "--cast",
        action="append",
        default=[],
        metavar="NAME=ID",
        help='which concept draws whom, as in "Big Brown Rabbit=clover"; repeatable',
    )
    script.add_argument("--title", metavar="TEXT", help="the book's title (default: the script's)")
    script.add_argument("--language", default="en", metavar="TAG", help="of the script's texts (default: en)")
    script.add_argument("--seed", type=seed_number, default=0, metavar="N", help="(default: 0)")
    _add_strength(script)
    script.add_argument(
        "--out", type=a_path, metavar="DIR", help="the book's folder (default: out/ and the title's words)"
    )
    _add_looks(script)
    _add_moderation(script)
    add_guidance(script)
    add_common(script, with_model=True, draws=True)
    script.set_defaults(command="book import")


def _add_edit(commands: Commands) -> None:
    edit = commands.add_parser("book edit", help="change words of a finished book; without options, in $EDITOR")
    edit.add_argument("folder", type=a_path, metavar="DIR", help="the book's folder")
    edit.add_argument("--title", metavar="TEXT", help="the book's title")
    edit.add_argument("--second-title", metavar="TEXT", help="the same in a bilingual book's second language")
    edit.add_argument("--page", type=int, metavar="N", help="which page the other options are for; 0 is the cover")
    edit.add_argument("--text", metavar="TEXT", help="what is read aloud")
    edit.add_argument("--second-text", metavar="TEXT", help="the same in a bilingual book's second language")
    edit.add_argument("--prompt", metavar="TEXT", help="what the picture is drawn from")
    edit.add_argument(
        "--say",
        action="append",
        metavar="ID: TEXT",
        help='who says what, as in "rusty: I hear it."; repeatable',
    )
    edit.add_argument("--alt", metavar="TEXT", help="the picture in words")
    _add_moderation(edit)
    add_common(edit, with_model=False)
    edit.set_defaults(command="book edit")


def _add_render(commands: Commands) -> None:
    render = commands.add_parser("book render", help="draw the pages of an edited book that changed, and bind it")
    render.add_argument("folder", type=a_path, metavar="DIR", help="the book's folder")
    render.add_argument("--pages", default="", metavar="N,N", help="pages to draw several pictures for; 0 is the cover")
    render.add_argument("--candidates", type=int, default=1, metavar="N", help="how many for each of them")
    render.add_argument(
        "--choose", action="append", default=[], metavar="N=SEED", help="take that candidate for page N; repeatable"
    )
    _add_moderation(render)
    add_common(render, with_model=True, draws=True)
    render.set_defaults(command="book render")


def _add_narrate(commands: Commands) -> None:
    narrate = commands.add_parser("book narrate", help="have a finished book read aloud, for its EPUB editions")
    narrate.add_argument("folder", type=a_path, metavar="DIR", help="the book's folder")
    narrate.add_argument("--audio", type=a_path, metavar="DIR", help="your own recordings: page-01.mp3, page-02.wav, …")
    narrate.add_argument("--narrator", metavar="NAME", help="who reads them")
    narrate.add_argument(
        "--voice", metavar="NAME", help="of espeak-ng (default: the language's), or openai:MODEL/VOICE of an endpoint"
    )
    narrate.add_argument("--base-url", metavar="URL", help="address of an OpenAI-compatible endpoint")
    narrate.add_argument("--speed", type=int, metavar="N", help="words a minute of espeak-ng (default: 140)")
    _add_moderation(narrate)
    narrate.add_argument("--json", action="store_true", help="print one JSON object on standard output")
    narrate.set_defaults(command="book narrate")


def _add_export(commands: Commands) -> None:
    export = commands.add_parser("export", help="make more editions of a finished book, drawing nothing")
    export.add_argument("folder", type=a_path, metavar="DIR", help="the book's folder")
    export.add_argument("--out", type=a_path, metavar="DIR", help="where they go (default: the book's folder)")
    export.add_argument(
        "--vistorybench",
        type=a_path,
        metavar="DIR",
        help="instead of editions, put the pictures of an imported story where ViStoryBench's scorer reads them",
    )
    export.add_argument("--run", metavar="YYYYMMDD-HHMMSS", help="the scorer's name of the run (default: now)")
    _add_looks(export)
    _add_moderation(export)
    export.add_argument("--json", action="store_true", help="print one JSON object on standard output")
    export.set_defaults(command="export")


def _add_looks(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--format", metavar="NAME,NAME", help="editions of the book (default: html)")
    parser.add_argument("--layout", metavar="NAME", help="how picture and words share a page (default: spread)")
    parser.add_argument("--theme", metavar="NAME", help="colours and letters (default: paper)")
    parser.add_argument("--panels", type=int, choices=range(2, 7), help="most panels on a comic's page (default: 4)")
    parser.add_argument("--dyslexia", action=_EITHER, help="plain, widely set letters")
    parser.add_argument(
        "--large-print", action=_EITHER, help="letters half as large again; two panels on a comic's page at most"
    )
    parser.add_argument(
        "--print-size", choices=("square", "a4"), help="of book-print.pdf (default: square, 8.5 x 8.5 in)"
    )


def _add_learn(commands: Commands) -> None:
    learn = commands.add_parser("learn", help="learn concepts from one picture into the bank")
    learn.add_argument("picture", type=a_path, metavar="PICTURE", help="a PNG, JPEG, WebP, GIF, BMP or TIFF file")
    learn.add_argument("--caption", required=True, help='what it shows, as in "a fox wearing a scarf in the moonlight"')
    learn.add_argument(
        "--concept",
        action="append",
        required=True,
        metavar="ID=WORD:KIND",
        help="what to learn: a new id, its word in the caption and its kind, as in rusty=fox:character; repeatable",
    )
    learn.add_argument(
        "--also",
        nargs=2,
        action="append",
        default=[],
        metavar=("PICTURE", "CAPTION"),
        help="another picture, of the same concepts or of other ones that are learnt with them; repeatable",
    )
    learn.add_argument(
        "--joint", action="store_true", help="show two pictures side by side too: for concepts that blend"
    )
    learn.add_argument(
        "--distinct",
        action="store_true",
        help='give concepts whose word is taken words of their own, such as "second fox", in captions too',
    )
    learn.add_argument(
        "--directions",
        choices=("table", "concept_mod"),
        default="table",
        help="directions outright, or the paper's network that makes them (default: table)",
    )
    learn.add_argument("--quick", action="store_true", help="learn in a quarter of the time")
    learn.add_argument("--steps", type=int, metavar="N", help="learning steps altogether (default: the recipe's)")
    learn.add_argument("--seed", type=seed_number, default=0, metavar="N", help="(default: 0)")
    learn.add_argument("--replace", action="store_true", help="replace concepts of the same ids")
    _add_language_model(learn, does="reword captions")
    add_common(learn, with_model=True)
    learn.set_defaults(command="learn")


def _add_bank(commands: Commands) -> None:
    bank = commands.add_parser("bank", help="look into the bank of concepts, add to it, remove from it")
    actions = bank.add_subparsers(title="actions", metavar="ACTION", required=True)
    listing = actions.add_parser("list", help="list all concepts")
    show = actions.add_parser("show", help="say all about one concept")
    show.add_argument("id", metavar="ID")
    add = actions.add_parser("add", help="take in a concept's folder from another bank")
    add.add_argument("folder", type=a_path, metavar="FOLDER")
    add.add_argument("--replace", action="store_true", help="replace a concept of the same id")
    remove = actions.add_parser("remove", help="delete concepts and their files")
    remove.add_argument("ids", nargs="+", metavar="ID")
    check = actions.add_parser("check", help="verify concepts and say what is wrong with each")
    check.add_argument("ids", nargs="*", metavar="ID", help="(default: all)")
    check.add_argument("--redraw", action="store_true", help="load the model too, and draw each preview again")
    check.add_argument("--model", metavar="MODEL", help="for --redraw: pocket, a diffusers folder or a hub id")
    for name, parser in {"list": listing, "show": show, "add": add, "remove": remove, "check": check}.items():
        add_common(parser, with_model=False)
        parser.set_defaults(command="bank", action=name)


def _add_draw(commands: Commands) -> None:
    draw = commands.add_parser("draw", help="draw one picture")
    draw.add_argument("prompt", metavar="PROMPT", help='concepts by their handles, as in "a @rusty waving in the snow"')
    draw.add_argument("-o", "--out", type=a_path, default=Path("page.png"), metavar="FILE", help="(default: page.png)")
    draw.add_argument("--seed", type=seed_number, default=0, metavar="N", help="(default: 0)")
    _add_strength(draw)
    draw.add_argument(
        "--slide",
        action="append",
        default=[],
        metavar="SLIDE",
        help="move a concept, a word of the prompt or the whole picture (*) from one phrase towards another, as in "
        '"rusty: fluffy fur - smooth fur = 1.5"; repeatable',
    )
    _add_moderation(draw)
    add_guidance(draw)
    add_common(draw, with_model=True, draws=True)
    draw.set_defaults(command="draw")


def _add_compose(commands: Commands) -> None:
    compose = commands.add_parser(
        "compose", help="draw a picture that grows by one phrase at a time, and a sheet of it"
    )
    compose.add_argument(
        "phrases",
        nargs="+",
        metavar="PHRASE",
        help='one to nine, each added to those before, as in "a @rusty" "in the snow" "by @moon"',
    )
    compose.add_argument(
        "-o",
        "--out",
        type=a_path,
        default=Path("compose"),
        metavar="DIR",
        help="the pictures' folder (default: compose)",
    )
    compose.add_argument("--seed", type=seed_number, default=0, metavar="N", help="one for all pictures (default: 0)")
    _add_strength(compose)
    _add_moderation(compose)
    add_guidance(compose)
    add_common(compose, with_model=True, draws=True)
    compose.set_defaults(command="compose")


def _add_strength(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--strength",
        action="append",
        default=[],
        metavar="ID=NUMBER",
        help="how strongly a concept shows, 1 as learnt, as in rusty=0.8; repeatable",
    )


def _add_doctor(commands: Commands) -> None:
    doctor = commands.add_parser("doctor", help="say what works here: models, bank, GPU, browser, Java, disk")
    _add_language_model(doctor)
    add_common(doctor, with_model=True, draws=True)
    doctor.set_defaults(command="doctor")


def _add_serve(commands: Commands) -> None:
    serve = commands.add_parser("serve", help="answer requests over HTTP: books, scenes, stories, concepts")
    serve.add_argument("--host", default="127.0.0.1", metavar="ADDRESS", help="(default: 127.0.0.1)")
    serve.add_argument("--port", type=int, default=8000, metavar="N", help="0 takes any free one (default: 8000)")
    serve.add_argument("--ask-keys", action="store_true", help="ask for API keys on loopback too, as behind a proxy")
    serve.add_argument("--private-webhooks", action="store_true", help="webhooks may lie in this machine's network")
    add_data(serve)
    add_cluster(serve)
    serve.add_argument(
        "--store",
        metavar="URL",
        help="where pictures of this service alone go, as fsspec says it (default: the data folder)",
    )
    serve.add_argument(
        "--idle-unload",
        type=seconds_number,
        metavar="SECONDS",
        help="unload the picture model after so long without work",
    )
    _add_language_model(serve)
    add_guidance(serve)
    add_common(serve, with_model=True, draws=True)
    serve.set_defaults(command="serve")
