"""Identifiers: a kind and 128 bits of which the first are the time, so that they sort by age. Never a path."""

import re
import secrets
import time

_ID = re.compile(r"[a-z]+_[0-9a-f]{32}")


def new_id(kind: str) -> str:
    """An identifier that nothing else has, such as `job_0193…`; later ones sort after earlier ones."""
    milliseconds = time.time_ns() // 1_000_000
    return f"{kind}_{milliseconds:012x}{secrets.token_hex(10)}"


def is_id(text: str, kind: str) -> bool:
    """Whether a text has the form of an identifier of that kind."""
    return text.startswith(f"{kind}_") and _ID.fullmatch(text) is not None
