"""Identifiers: a kind and 128 bits of which the first are the time, so that they sort by age. Never a path."""

import hashlib
import re
import secrets
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field

_ID = re.compile(r"[a-z]+_[0-9a-f]{32}")


@dataclass(kw_only=True)
class _Seeded:
    seed: str
    made: Counter[str] = field(default_factory=Counter)

    def next(self, kind: str) -> str:
        self.made[kind] += 1
        digest = hashlib.sha256(f"{self.seed} {kind} {self.made[kind]}".encode()).hexdigest()
        return f"{kind}_{self.seed[:12]}{digest[:20]}"


_seeded: ContextVar[_Seeded | None] = ContextVar("seeded_ids", default=None)


def new_id(kind: str) -> str:
    """An identifier that nothing else has, such as `job_0193…`; later ones sort after earlier ones.

    Within `seeded_ids` the first of a kind is always the same, and so is the second.
    """
    seeded = _seeded.get()
    return seeded.next(kind) if seeded is not None else f"{kind}_{new_seed()}"


def new_seed() -> str:
    """The time in 12 hexadecimal digits and 20 random ones."""
    return f"{time.time_ns() // 1_000_000:012x}{secrets.token_hex(10)}"


@contextmanager
def seeded_ids(seed: str) -> Iterator[None]:
    """Makes ids follow from a seed, so that a request answered twice makes the same things and not two of each."""
    token = _seeded.set(_Seeded(seed=seed))
    try:
        yield
    finally:
        _seeded.reset(token)


def is_id(text: str, kind: str) -> bool:
    """Whether a text has the form of an identifier of that kind."""
    return text.startswith(f"{kind}_") and _ID.fullmatch(text) is not None
