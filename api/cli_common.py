"""What several commands take on the command line, and the kinds of numbers that they take."""

import argparse
from pathlib import Path

from generator.plan import MEMORIES, PROFILES
from generator.settings import MAX_CONCEPT_GUIDANCE


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
            "--concept-guidance",
            type=guidance_number,
            metavar="N",
            help="how many times as far a picture's first steps go as concepts move them, for a second pass in each; "
            "1 has none (default: the model's)",
        )
    parser.add_argument(
        "--bank", dest="bank_dir", type=Path, metavar="DIR", help="the folder of concepts (default: bank)"
    )
    parser.add_argument("--json", action="store_true", help="print one JSON object on standard output")


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


def guidance_number(text: str) -> float:
    """A scale of guidance."""
    try:
        scale = float(text)
    except ValueError:
        scale = 0.0
    if not 1 <= scale <= MAX_CONCEPT_GUIDANCE:
        raise argparse.ArgumentTypeError(f"{text!r} is no number from 1 to {MAX_CONCEPT_GUIDANCE:g}")
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
