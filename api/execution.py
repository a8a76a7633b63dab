"""Runs the command that the command line asks for, prints its result, and turns errors into messages and exit codes.

The only place that prints results and that catches what the packages raise.
"""

import argparse
import json
import os
import sys
from dataclasses import fields, replace
from pathlib import Path

from api.banks import open_bank
from api.console import Reporter
from api.errors import UsageError, as_memory_error, as_output_error, exit_code_of, notes_of
from api.libraries import quiet_libraries
from api.outcome import Outcome
from api.settings import Settings
from concepts.errors import FableverseError

_OF_AN_IDEA = (
    *("cast", "pages", "age", "seed", "strength", "language", "second_language"),
    *("llm", "base_url", "budget_usd", "concept_guidance"),
)
"""What the command line may say of a book that is made from an idea, and not of one that is drawn by its lock."""


def execute(arguments: argparse.Namespace) -> int:
    """Does what the command line asks for and returns the exit code.

    Standard output gets the result alone: lines, or with `--json` one object, for a failure too. An error that is
    nobody's to repair but the programmer's comes through.
    """
    wants_json: bool = arguments.json
    try:
        outcome = _run(arguments)
        print(json.dumps(outcome.data, ensure_ascii=False) if wants_json else "\n".join(outcome.lines), flush=True)
    except BrokenPipeError as error:
        return _reader_gone(error)
    except KeyboardInterrupt as error:
        return report_failure(error, wants_json=wants_json)
    except FableverseError as error:
        return report_failure(error, wants_json=wants_json)
    except Exception as error:
        known = as_output_error(error) or as_memory_error(error)
        if known is None:
            raise
        return report_failure(known, wants_json=wants_json)
    return outcome.exit_code


def report_failure(error: FableverseError | KeyboardInterrupt, *, wants_json: bool) -> int:
    """Tells what went wrong on standard error, with `--json` on standard output too, and returns the exit code."""
    code, message = exit_code_of(error), " ".join((str(error) or "Interrupted.", *notes_of(error)))
    try:
        if wants_json:
            failure = {"type": type(error).__name__, "message": message, "exit_code": code}
            print(json.dumps({"error": failure}, ensure_ascii=False), flush=True)
        print(f"fableverse: {message}", file=sys.stderr)
    except BrokenPipeError as gone:
        return _reader_gone(gone)
    return code


def _reader_gone(error: BrokenPipeError) -> int:
    """The exit code when whoever read the output went away; Python no longer complains when it flushes at the end."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    return exit_code_of(error)


def _run(arguments: argparse.Namespace) -> Outcome:
    quiet_libraries()
    settings = Settings.read(os.environ, folder=Path.cwd())
    named = {field.name: getattr(arguments, field.name, None) for field in fields(Settings)}
    settings = replace(settings, **{name: value for name, value in named.items() if value is not None})
    return _COMMANDS[arguments.command](arguments, settings, Reporter())


def _book(arguments: argparse.Namespace, settings: Settings, reporter: Reporter) -> Outcome:
    from api.commands.book import make_book, redraw_book
    from api.strengths import parse_strengths

    if (arguments.idea is None) == (arguments.lock is None):
        raise UsageError("A book needs either an idea or --lock. See fableverse book --help.")
    given = [name for name in _OF_AN_IDEA if getattr(arguments, name) not in (None, [])]
    if arguments.lock is not None and given:
        options = ", ".join("--" + name.removesuffix("_usd").replace("_", "-") for name in given)
        raise UsageError(
            f"A lock keeps the story, and the strengths and the guidance it was drawn with: give {options} with an "
            "idea, not with --lock."
        )
    strengths = parse_strengths(arguments.strength)
    bank = open_bank(settings.bank_dir, tell=reporter.note)
    if arguments.lock is not None:
        return redraw_book(
            arguments.lock,
            model=arguments.model,
            revision=arguments.revision,
            settings=settings,
            bank=bank,
            out_dir=arguments.out,
            formats=_formats(arguments),
            changes=_design_changes(arguments),
            reporter=reporter,
        )
    return make_book(
        arguments.idea,
        settings=settings,
        bank=bank,
        cast=_names(arguments.cast or ""),
        pages=8 if arguments.pages is None else arguments.pages,
        age=5 if arguments.age is None else arguments.age,
        seed=arguments.seed or 0,
        language="en" if arguments.language is None else arguments.language,
        second_language=arguments.second_language,
        strengths=strengths,
        out_dir=arguments.out,
        formats=_formats(arguments) or ("html",),
        changes=_design_changes(arguments),
        reporter=reporter,
    )


def _import(arguments: argparse.Namespace, settings: Settings, reporter: Reporter) -> Outcome:
    from api.commands.import_script import import_script, parse_cast
    from api.strengths import parse_strengths

    return import_script(
        arguments.script,
        settings=settings,
        bank=open_bank(settings.bank_dir, tell=reporter.note),
        cast=parse_cast(arguments.cast),
        title=arguments.title,
        language=arguments.language,
        seed=arguments.seed,
        strengths=parse_strengths(arguments.strength),
        out_dir=arguments.out,
        formats=_formats(arguments) or ("html",),
        changes=_design_changes(arguments),
        reporter=reporter,
    )


def _edit(arguments: argparse.Namespace, settings: Settings, reporter: Reporter) -> Outcome:
    from api.commands.edit import PageChanges, edit_book, parse_speech
    from api.writers import open_gate

    changes = PageChanges(
        page=arguments.page,
        title=arguments.title,
        second_title=arguments.second_title,
        text=arguments.text,
        second_text=arguments.second_text,
        prompt=arguments.prompt,
        alt=arguments.alt,
        speech=parse_speech(arguments.say),
    )
    bank = open_bank(settings.bank_dir, tell=reporter.note)
    return edit_book(arguments.folder, changes, bank=bank, gate=open_gate(settings), environment=os.environ)


def _render(arguments: argparse.Namespace, settings: Settings, reporter: Reporter) -> Outcome:
    from api.commands.render import parse_choices, parse_pages, render_book

    return render_book(
        arguments.folder,
        pages=parse_pages(arguments.pages),
        candidates=arguments.candidates,
        choices=parse_choices(arguments.choose),
        model=arguments.model,
        revision=arguments.revision,
        settings=settings,
        bank=open_bank(settings.bank_dir, tell=reporter.note),
        reporter=reporter,
    )


def _narrate(arguments: argparse.Namespace, settings: Settings, reporter: Reporter) -> Outcome:
    from api.commands.narrate import narrate_book

    return narrate_book(
        arguments.folder,
        audio=arguments.audio,
        narrator=arguments.narrator,
        voice=arguments.voice,
        speed=arguments.speed,
        settings=settings,
        search_path=os.environ.get("PATH", ""),
        tell=reporter.note,
    )


def _export(arguments: argparse.Namespace, settings: Settings, _: Reporter) -> Outcome:
    from api.commands.export import export_editions, export_shots

    if arguments.vistorybench is not None:
        if arguments.format is not None or arguments.out is not None:
            raise UsageError("--vistorybench writes pictures and no edition: leave --format and --out out.")
        return export_shots(arguments.folder, arguments.vistorybench, run=arguments.run)
    if arguments.run is not None:
        raise UsageError("--run is the name of a run for --vistorybench. Give both, or leave it out.")
    return export_editions(
        arguments.folder,
        formats=_formats(arguments) or ("html",),
        changes=_design_changes(arguments),
        out_dir=arguments.out,
        settings=settings,
    )


def _formats(arguments: argparse.Namespace) -> tuple[str, ...] | None:
    """The editions that `--format` names, or None without it."""
    from story.editions.formats import check_formats
    from story.errors import BookError

    if arguments.format is None:
        return None
    try:
        return check_formats(_names(arguments.format))
    except BookError as error:
        raise UsageError(f"--format: {error}") from error


def _design_changes(arguments: argparse.Namespace) -> dict[str, object]:
    """What the command line says of a book's looks, by field of `Design`."""
    from story.design import Design

    named = {name: getattr(arguments, name) for name in Design.model_fields}
    return {name: value for name, value in named.items() if value is not None}


def _learn(arguments: argparse.Namespace, settings: Settings, reporter: Reporter) -> Outcome:
    from api.commands.learn import learn_from_pictures, parse_concept, recipe_of
    from api.outlook import num_parameters_of
    from api.writers import check_language_model

    if (arguments.llm, arguments.base_url) != (None, None):
        check_language_model(settings)  # one that is not asked for here may fail: templates do as well
    return learn_from_pictures(
        [(arguments.picture, arguments.caption), *((Path(path), caption) for path, caption in arguments.also)],
        concepts=[parse_concept(text) for text in arguments.concept],
        bank=open_bank(settings.bank_dir, tell=reporter.note),
        recipe=recipe_of(
            num_parameters=num_parameters_of(settings.wanted_model),
            steps=arguments.steps,
            seed=arguments.seed,
            directions=arguments.directions,
            joint=arguments.joint,
            quick=arguments.quick,
        ),
        distinct=arguments.distinct,
        replace=arguments.replace,
        settings=settings,
        reporter=reporter,
    )


def _bank(arguments: argparse.Namespace, settings: Settings, reporter: Reporter) -> Outcome:
    from api.commands.bank import add_folder, list_concepts, remove_concepts, show_concept

    bank = open_bank(settings.bank_dir, tell=reporter.note)
    if arguments.action == "check":
        from api.commands.bank_check import check_bank  # loads torch

        return check_bank(bank, arguments.ids, redraw=arguments.redraw, model=settings.wanted_model, reporter=reporter)
    if arguments.action == "list":
        return list_concepts(bank, reporter=reporter)
    if arguments.action == "show":
        return show_concept(bank, arguments.id)
    if arguments.action == "add":
        return add_folder(bank, arguments.folder, replace=arguments.replace)
    return remove_concepts(bank, arguments.ids)


def _draw(arguments: argparse.Namespace, settings: Settings, reporter: Reporter) -> Outcome:
    from api.commands.draw import draw_picture
    from api.strengths import parse_strengths
    from api.writers import open_gate
    from generator.slides import parse_slide

    return draw_picture(
        arguments.prompt,
        bank=open_bank(settings.bank_dir, tell=reporter.note),
        out_path=arguments.out,
        seed=arguments.seed,
        strengths=parse_strengths(arguments.strength),
        slides=[parse_slide(text) for text in arguments.slide],
        model=settings.wanted_model,
        gate=open_gate(settings),
        reporter=reporter,
    )


def _compose(arguments: argparse.Namespace, settings: Settings, reporter: Reporter) -> Outcome:
    from api.commands.compose import compose_pictures
    from api.strengths import parse_strengths
    from api.writers import open_gate

    return compose_pictures(
        arguments.phrases,
        bank=open_bank(settings.bank_dir, tell=reporter.note),
        out_dir=arguments.out,
        seed=arguments.seed,
        strengths=parse_strengths(arguments.strength),
        model=settings.wanted_model,
        gate=open_gate(settings),
        reporter=reporter,
    )


def _doctor(arguments: argparse.Namespace, settings: Settings, reporter: Reporter) -> Outcome:
    from api.commands.doctor import examine

    del arguments
    return examine(settings, folder=Path.cwd(), environment=os.environ, tell=reporter.note)


def _serve(arguments: argparse.Namespace, settings: Settings, reporter: Reporter) -> Outcome:
    from api.cluster.address import check_cluster
    from api.commands.serve import serve
    from api.service.settings import ServiceSettings

    if settings.cluster is not None:
        check_cluster(settings.cluster, os.environ)
    service = ServiceSettings(
        data_dir=arguments.data,
        host=arguments.host,
        port=arguments.port,
        ask_keys=arguments.ask_keys,
        private_webhooks=arguments.private_webhooks,
        database_url=arguments.database,
        store_url=arguments.store,
        idle_unload_s=arguments.idle_unload,
        base=settings,
    )
    return serve(service, reporter=reporter)


def _bench(arguments: argparse.Namespace, settings: Settings, reporter: Reporter) -> Outcome:
    from api.commands.bench import compare_methods

    return compare_methods(
        quick=arguments.quick,
        methods=_names(arguments.methods),
        tasks=_names(arguments.tasks),
        num_sources=arguments.cases,
        seed=arguments.seed,
        model=settings.model,
        num_workers=arguments.workers,
        cache_dir=arguments.cache,
        results_dir=arguments.results,
        beside=arguments.beside,
        reporter=reporter,
    )


def _names(text: str) -> list[str]:
    return [name.strip() for name in text.split(",") if name.strip()]


def _keys(arguments: argparse.Namespace, settings: Settings, _: Reporter) -> Outcome:
    from api.commands.keys import create_key, list_keys, revoke_key
    from api.service.settings import ServiceSettings

    service = ServiceSettings(data_dir=arguments.data, database_url=arguments.database, base=settings)
    if arguments.action == "list":
        return list_keys(service)
    if arguments.action == "revoke":
        return revoke_key(service, arguments.id)
    return create_key(service, arguments.owner, scopes=arguments.scope or ("read", "write"), days=arguments.days)


_COMMANDS = {
    "keys": _keys,
    "serve": _serve,
    "doctor": _doctor,
    "book": _book,
    "book import": _import,
    "book edit": _edit,
    "book render": _render,
    "book narrate": _narrate,
    "export": _export,
    "learn": _learn,
    "bank": _bank,
    "draw": _draw,
    "compose": _compose,
    "bench": _bench,
}
