"""Every error a person may see has an exit code of its own kind, and files' errors say what to do."""

import errno
import importlib
import pkgutil
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

import api.errors
from api import exit_codes
from api.errors import UsageError, as_memory_error, as_output_error, exit_code_of, notes_of
from concepts.errors import FableverseError, UnknownConcept, WrongBaseModel
from generator.errors import ModelNotFound
from story.errors import InvalidRequest, LanguageModelUnreachable

ROOT = Path(__file__).resolve().parents[2]
README = ROOT / "README.md"


def modules_with_errors() -> Iterator[str]:
    """Modules that define errors, found without importing those that do not."""
    for package in ("concepts", "story", "generator", "pocket", "api"):
        for module in pkgutil.walk_packages([str(ROOT / package)], prefix=f"{package}."):
            source = (ROOT / module.name.replace(".", "/")).with_suffix(".py")
            text = source.read_text(encoding="utf-8") if source.is_file() else ""
            if re.search(r"^class \w+\(\w*Error\)", text, re.MULTILINE):
                yield module.name


def subclasses(cls: type[FableverseError]) -> Iterator[type[FableverseError]]:
    for subclass in cls.__subclasses__():
        yield subclass
        yield from subclasses(subclass)


def test_every_error_of_every_package_has_an_exit_code() -> None:
    for name in modules_with_errors():
        importlib.import_module(name)
    errors = set(subclasses(FableverseError))
    assert {cls.__module__.split(".")[0] for cls in errors} >= {"concepts", "story", "generator", "api"}
    unmapped = [cls.__qualname__ for cls in errors if exit_code_of(cls("boom")) == exit_codes.UNEXPECTED]
    assert not unmapped, "give these a line in the table of api/errors.py"


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (UsageError("x"), 2),
        (UnknownConcept("x"), 3),
        (WrongBaseModel("x"), 3),
        (InvalidRequest("x"), 3),
        (LanguageModelUnreachable("x"), 4),
        (ModelNotFound("x"), 5),
        (api.errors.OutputError("x"), 6),
        (KeyboardInterrupt(), 130),
        (BrokenPipeError(), 141),
        (ZeroDivisionError(), 1),
        (ConnectionResetError(), 1),
    ],
    ids=lambda value: type(value).__name__ if isinstance(value, BaseException) else str(value),
)
def test_errors_end_the_program_with_the_code_of_their_kind(error: BaseException, code: int) -> None:
    assert exit_code_of(error) == code


def test_a_full_disk_is_named_with_the_file_and_what_to_do() -> None:
    error = as_output_error(OSError(errno.ENOSPC, "No space left on device", "out/fox/pages/cover.png"))
    assert error is not None
    assert re.search(r"'out/fox/pages/cover\.png'.*disk is full.*Make room", str(error))


@pytest.mark.parametrize(
    ("number", "words"),
    [(errno.EROFS, "cannot be written"), (errno.EACCES, "permission"), (errno.ENOTDIR, "a file, not a folder")],
    ids=["read-only", "forbidden", "file in the path"],
)
def test_a_place_that_cannot_be_written_says_why(number: int, words: str) -> None:
    assert words in str(as_output_error(OSError(number, "strerror", "somewhere")))


def test_errors_that_are_not_about_files_are_not_dressed_up_as_such() -> None:
    assert as_output_error(ConnectionRefusedError(errno.ECONNREFUSED, "Connection refused")) is None
    assert as_output_error(OSError("no number at all")) is None


def test_the_readme_lists_the_exit_codes() -> None:
    rows = dict(re.findall(r"^\| (\d+) \| (.+?) \|$", README.read_text(encoding="utf-8"), re.MULTILINE))
    assert rows == {str(code): meaning for code, meaning in exit_codes.MEANINGS.items()}


def test_memory_that_ran_out_is_told_with_what_to_do() -> None:
    known = as_memory_error(RuntimeError("DefaultCPUAllocator: can't allocate memory: you tried to allocate 8 bytes"))
    assert known is not None
    assert exit_code_of(known) == exit_codes.MODEL
    assert "8 bytes). End other programs" in str(known)
    assert as_memory_error(RuntimeError("size mismatch")) is None


@pytest.mark.parametrize("error", [OSError(errno.ENOSPC, "No space left on device"), MemoryError()])
def test_what_is_kept_is_told_of_errors_in_other_words_too(error: Exception) -> None:
    error.add_note("3 pictures were kept.")
    known = as_output_error(error) or as_memory_error(error)
    assert known is not None
    assert notes_of(known) == ("3 pictures were kept.",)
