"""What several commands take on the command line, and how its paths and numbers are read."""

import argparse
from pathlib import Path

from generator.plan import MEMORIES, PROFILES
from story.limits import MAX_AGE, MAX_PAGES, MIN_AGE, MIN_PAGES

_MOST_DAYS = 36_500


def add_common(parser: argparse.ArgumentParser, *, with_model: bool, draws: bool = False) -> None:
    """The bank and `--json`; of commands with a model of their own that too, and of those that draw, how."""
    if with_model:
        parser.add_argument(
            "--model",
            metavar="MODEL",
            help="pocket, a diffusers folder, a .safetensors file or a hub id (default: pocket)",
        )
        parser.add_argument("--revision", metavar="NAME", help="commit, tag or branch of a model on the hub")
    if draws:
        parser.add_argument(
            "--profile", choices=PROFILES, help="quality draws in full; fast and draft leave out what shows least"
        )
        parser.add_argument(
            "--memory", choices=MEMORIES, help="of the GPU that may be used (default: auto, what is free)"
        )
    parser.add_argument(
        "--bank", dest="bank_dir", type=a_path, metavar="DIR", help="the folder of concepts (default: bank)"
    )
    parser.add_argument("--json", action="store_true", help="print one JSON object on standard output")


def add_guidance(parser: argparse.ArgumentParser) -> None:
    """Of commands that draw something new."""
    parser.add_argument(
        "--concept-guidance",
        type=guidance_number,
        metavar="N",
        help="strengthens what concepts do in a picture's first steps, each of which then takes two passes: 1 is off, "
        "2 doubles it (default: the model's)",
    )


def add_length(parser: argparse.ArgumentParser) -> None:
    """How long a story is, and for whom."""
    parser.add_argument(
        "--pages",
        type=_pages_number,
        metavar="N",
        help=f"pages beside the cover, {MIN_PAGES} to {MAX_PAGES} (default: 8)",
    )
    parser.add_argument(
        "--age",
        type=_age_number,
        metavar="YEARS",
        help=f"the child's age, {MIN_AGE} to {MAX_AGE} (default: 5)",
    )


def a_path(text: str) -> Path:
    """A file or folder; "~" at its beginning is a home folder, also in `--bank=~/bank`, where shells leave it."""
    try:
        return Path(text).expanduser()
    except RuntimeError as error:
        raise argparse.ArgumentTypeError(f"{text!r}: nobody's home folder is known by that name") from error


def seed_number(text: str) -> int:
    """A whole number that every generator of randomness takes."""
    if not (text.isascii() and text.isdecimal()) or int(text) >= 2**32:
        raise argparse.ArgumentTypeError(f"{text!r} is no whole number from 0 to {2**32 - 1}")
    return int(text)


def seconds_number(text: str) -> float:
    """A time that is not nothing."""
    try:
        seconds = float(text)
    except ValueError:
        seconds = 0.0
    if not 0 < seconds < float("inf"):
        raise argparse.ArgumentTypeError(f"{text!r} is no number of seconds above 0")
    return seconds


def days_number(text: str) -> float:
    """A time in days that is not nothing and no more than a hundred years."""
    try:
        days = float(text)
    except ValueError:
        days = 0.0
    if not 0 < days <= _MOST_DAYS:
        raise argparse.ArgumentTypeError(f"{text!r} is no number of days above 0 and up to {_MOST_DAYS}")
    return days


def guidance_number(text: str) -> float:
    """A scale of guidance by concepts, as `RenderSettings` takes it."""
    try:
        scale = float(text)
    except ValueError:
        scale = 0.0
    if not 1 <= scale < float("inf"):
        raise argparse.ArgumentTypeError(f"{text!r} is no number from 1 on")
    return scale


def dollars_number(text: str) -> float:
    """An amount of money."""
    try:
        amount = float(text)
    except ValueError:
        amount = -1.0
    if not 0 <= amount < float("inf"):
        raise argparse.ArgumentTypeError(f"{text!r} is no amount of US dollars, such as 0.50")
    return amount


def _pages_number(text: str) -> int:
    return _whole_number(text, MIN_PAGES, MAX_PAGES, what="pages")


def _age_number(text: str) -> int:
    return _whole_number(text, MIN_AGE, MAX_AGE, what="years")


def _whole_number(text: str, least: int, most: int, *, what: str) -> int:
    if not (text.isascii() and text.isdecimal()) or not least <= int(text) <= most:
        raise argparse.ArgumentTypeError(f"{text!r} is no whole number of {what} from {least} to {most}")
    return int(text)
