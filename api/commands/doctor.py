"""`fableverse doctor`: what works here, on one screen.

Each check tries the thing itself: the picture model is loaded, the language model is asked, the disk is measured. What
only some uses need and is not there is "absent" and no fault.
"""

import shutil
import subprocess
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, JsonValue

from api.cluster.address import check_cluster
from api.errors import exit_code_of
from api.exit_codes import DISK, OK, STORY
from api.outcome import Outcome
from api.outlook import outlook_of
from api.settings import SAMPLE_BANK_DIR, Settings, WantedModel
from api.storybook import Studio
from api.writers import STORYTELLER_NAME, open_gate, open_language_model, price_of
from concepts.bank import ConceptBank
from concepts.errors import FableverseError
from generator.plan import Machine, gigabytes
from story.editions.pdf import load_weasyprint
from story.errors import BookError
from story.llm import Message

LEAST_FREE_BYTES = 500 * 2**20
_PICTURES_OF_A_BOOK = 9
_JAVA_TIMEOUT_S = 20.0

Status = Literal["works", "absent", "broken"]


@dataclass(frozen=True, kw_only=True)
class Finding:
    """What one check found."""

    name: str
    status: Status
    detail: str
    exit_code: int = OK
    """Of what will fail, where something is broken."""


class Ready(BaseModel):
    """What the language model is asked for: the smallest answer of a shape."""

    model_config = ConfigDict(json_schema_extra={"additionalProperties": False})

    word: str = Field(description="the word ready", json_schema_extra={"maxLength": 20})


def examine(
    settings: Settings, *, folder: Path, environment: Mapping[str, str], tell: Callable[[str], None]
) -> Outcome:
    """All findings, a line each; the exit code is that of the first broken thing.

    Args:
        settings: What is to be tried.
        folder: Where books would be written.
        environment: Of this process: PATH, where programs are looked for, and what Ray is told by.
        tell: Told what takes a while.
    """
    search_path = environment.get("PATH", "")
    tell("Planning how to draw, loading the picture model and asking the language model …")
    findings = [
        _configuration(settings),
        *_picture_model_and_bank(settings, tell),
        _cluster(settings, environment),
        _language_model(settings),
        _moderation(settings),
        _program("chromium", "screenshots and browser tests", search_path),
        _java(search_path),
        _pdf(),
        _program("espeak-ng", "books read aloud without your own recordings", search_path),
        _disk(folder),
    ]
    broken = [finding for finding in findings if finding.status == "broken"]
    data: dict[str, JsonValue] = {
        finding.name: {"status": finding.status, "detail": finding.detail} for finding in findings
    }
    return Outcome(
        lines=tuple(f"{finding.status:<7} {finding.name:<15} {finding.detail}" for finding in findings),
        data=data,
        exit_code=broken[0].exit_code if broken else OK,
    )


def _configuration(settings: Settings) -> Finding:
    where = f"{settings.config_path}" if settings.config_path else "no fableverse.toml; flags and environment alone"
    return Finding(name="configuration", status="works", detail=where)


def _picture_model_and_bank(settings: Settings, tell: Callable[[str], None]) -> list[Finding]:
    """What it computes on, how it is to draw, the picture model, loaded, and the bank, as that model can use it."""
    from api.studio import open_studio  # loads torch, which is part of what is tried
    from generator.machine import look

    machine = look()
    found = [_gpu(machine)]
    started = time.perf_counter()
    try:
        found += _plan(settings.wanted_model, machine, tell)
        folder = settings.bank_dir if settings.bank_dir.exists() else SAMPLE_BANK_DIR
        bank = ConceptBank(folder)
        studio = open_studio(settings.wanted_model, bank, pictures=_PICTURES_OF_A_BOOK, tell=tell)
    except FableverseError as error:
        broken = Finding(name="picture model", status="broken", detail=str(error), exit_code=exit_code_of(error))
        return [*found, broken]
    seconds = time.perf_counter() - started
    model = studio.model
    detail = f"{model.name}, loaded in {seconds:.1f} s, {model.identity}"
    return [*found, Finding(name="picture model", status="works", detail=detail), _bank(studio)]


def _plan(wanted: WantedModel, machine: Machine, tell: Callable[[str], None]) -> list[Finding]:
    """How a book will be drawn, and why so; told before the model is loaded."""
    outlook = outlook_of(wanted, machine, pictures=_PICTURES_OF_A_BOOK)
    plan = outlook.plans[0]
    of_what = "" if outlook.is_known else f"; {wanted.source} is not here yet and taken for FLUX.1-dev"
    detail = f"{wanted.profile}: {plan.summary()}{of_what}"
    tell(f"Plan: {detail}")
    return [Finding(name="plan", status="works", detail=detail), *map(_reason, plan.reasons)]


def _reason(line: str) -> Finding:
    """A choice of the plan and why, or what there is too little of."""
    what, _, why = line.partition(": ")
    return Finding(name=f"  {what}", status="absent" if what == "warning" else "works", detail=why)


def _bank(studio: Studio) -> Finding:
    """The bank's concepts, as the loaded model can use them."""
    from api.studio import fitting_cards  # loads torch

    bank = studio.bank
    try:
        faults = tuple(bank.damaged().values())
        detail = f"{bank.folder}: {len(bank.list())} concepts, {len(fitting_cards(studio))} of this model"
    except FableverseError as error:
        return Finding(name="bank", status="broken", detail=str(error), exit_code=exit_code_of(error))
    if faults:
        detail = " ".join(map(str, faults))
        return Finding(name="bank", status="broken", detail=detail, exit_code=exit_code_of(faults[0]))
    return Finding(name="bank", status="works", detail=detail)


def _gpu(machine: Machine) -> Finding:
    import torch

    if machine.gpu is not None:
        free = f"{gigabytes(machine.free_bytes)} of {gigabytes(machine.gpu_bytes)} free"
        return Finding(name="GPU", status="works", detail=f"{machine.gpu}, {free}")
    if torch.backends.mps.is_available():
        return Finding(name="GPU", status="works", detail="Apple's, through MPS")
    detail = f"pictures are drawn on {torch.get_num_threads()} processor threads; FLUX.1 wants a GPU"
    return Finding(name="GPU", status="absent", detail=detail)


def _cluster(settings: Settings, environment: Mapping[str, str]) -> Finding:
    """The cluster that the service would draw on, connected to."""
    if settings.cluster is None:
        return Finding(name="cluster", status="absent", detail="none is set; the service draws on this machine")
    try:
        check_cluster(settings.cluster, environment)
        from api.cluster.connection import describe_cluster  # loads Ray

        detail = describe_cluster(settings.cluster)
    except FableverseError as error:
        return Finding(name="cluster", status="broken", detail=str(error), exit_code=exit_code_of(error))
    return Finding(name="cluster", status="works", detail=detail)


def _language_model(settings: Settings) -> Finding:
    """A real round trip: one question with a shape, one answer."""
    if settings.llm is None:
        return Finding(name="language model", status="absent", detail=f"none is set; {STORYTELLER_NAME} writes")
    started = time.perf_counter()
    try:
        price = price_of(settings)
        question = [Message("user", 'Answer with one JSON object: {"word": "ready"}')]
        completion = open_language_model(settings).complete(question, Ready, max_tokens=2000)
    except FableverseError as error:
        return Finding(name="language model", status="broken", detail=str(error), exit_code=exit_code_of(error))
    seconds = time.perf_counter() - started
    if completion.value is None:
        detail = f"{settings.llm} answers, but not in the shape that is asked for: {completion.problem}"
        return Finding(name="language model", status="broken", detail=detail, exit_code=STORY)
    cost = "price not known" if price is None else f"{price.input_usd:g}/{price.output_usd:g} USD per million tokens"
    detail = f"{settings.llm} answered in {seconds:.1f} s with {completion.usage.output_tokens} tokens; {cost}"
    return Finding(name="language model", status="works", detail=detail)


def _moderation(settings: Settings) -> Finding:
    try:
        gate = open_gate(settings)
        if gate.moderator is None:
            return Finding(name="moderation", status="absent", detail="the local check alone, which is always on")
        gate.moderator.reasons(["a fox in the snow"])
    except FableverseError as error:
        return Finding(name="moderation", status="broken", detail=str(error), exit_code=exit_code_of(error))
    return Finding(name="moderation", status="works", detail="an endpoint's, beside the local check")


def _pdf() -> Finding:
    """Whether WeasyPrint finds the libraries that PDFs are made with."""
    try:
        weasyprint = load_weasyprint()
    except BookError as error:
        return Finding(name="pdf", status="absent", detail=str(error))
    return Finding(name="pdf", status="works", detail=f"WeasyPrint {weasyprint.__version__} and its libraries")


def _program(name: str, use: str, search_path: str) -> Finding:
    path = shutil.which(name, path=search_path)
    if path is None:
        return Finding(name=name, status="absent", detail=f"only {use} need it")
    return Finding(name=name, status="works", detail=path)


def _java(search_path: str) -> Finding:
    found = _program("java", "EPUB checks", search_path)
    if found.status != "works":
        return found
    try:
        done = subprocess.run([found.detail, "-version"], capture_output=True, text=True, timeout=_JAVA_TIMEOUT_S)
    except (OSError, subprocess.TimeoutExpired) as error:
        return Finding(name="java", status="absent", detail=f"{found.detail} does not run: {error}")
    said = (done.stderr or done.stdout).splitlines()
    if done.returncode != 0 or not said:
        return Finding(name="java", status="absent", detail=f"{found.detail} does not run; only EPUB checks need it")
    return Finding(name="java", status="works", detail=said[0])


def _disk(folder: Path) -> Finding:
    free = shutil.disk_usage(folder).free
    detail = f"{free / 2**30:.1f} GiB free in {folder}"
    if free < LEAST_FREE_BYTES:
        return Finding(name="disk", status="broken", detail=f"{detail}; a book may not fit", exit_code=DISK)
    return Finding(name="disk", status="works", detail=detail)
