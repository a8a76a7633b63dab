"""What a command has to say when it is done, for people and for programs alike."""

from dataclasses import dataclass

from pydantic import JsonValue

from api.exit_codes import OK


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """The result of a command; `api/cli.py` prints one of the two forms."""

    lines: tuple[str, ...]
    """For people: standard output, line by line."""
    data: dict[str, JsonValue]
    """For programs: the one object that `--json` prints."""
    exit_code: int = OK
    """Another than `OK` where the command did its work and found something wrong."""
