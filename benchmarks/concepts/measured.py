"""All that a table is made of, by method: measured now, or read from the file of an earlier run."""

import json
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, JsonValue, ValidationError

from benchmarks.concepts.cases import Case, Task
from benchmarks.concepts.protocol import Effort
from benchmarks.concepts.summary import ByKind, Worth
from concepts.schema import ConceptKind

_CLEAN_TOLERANCE = 0.002
"""Of rounding, and of sums in another order."""


class UnusableTable(ValueError):
    """Raised for a file that is no earlier table, or one whose rows mean something else; the message says which."""


@dataclass(frozen=True, kw_only=True)
class Measured:
    """What was measured of some methods, each in all cases."""

    by_case: Worth
    kept: ByKind
    """CP by kind of concept."""
    leakage: ByKind
    """Share of what sources of a concept of that kind show besides, and nothing asks for, that is drawn."""
    learning_rates: Mapping[str, float]
    """Of methods that learn."""
    learning_rates_searched: Collection[str]
    """Methods whose rate was searched for; the others' is the first of their candidates."""
    learning_cpu_seconds: Mapping[str, float]
    """Of learning one picture, or one case where a method is joint: the mean."""
    measured_on: Mapping[str, str]
    """Machine and day."""

    @property
    def methods(self) -> tuple[str, ...]:
        return tuple(dict.fromkeys(name for methods in self.by_case.values() for name in methods))

    def beside(self, other: "Measured", *, order: Iterable[str]) -> "Measured":
        """This, and what the other has of methods that this lacks; all in an order, unknown methods last."""
        names = [*self.methods, *other.methods]
        ordered = [*(name for name in order if name in names), *names]

        def joined(mine: Mapping[str, Any], theirs: Mapping[str, Any]) -> dict[str, Any]:
            both = {name: value for name, value in theirs.items() if name not in self.methods} | dict(mine)
            return {name: both[name] for name in dict.fromkeys(ordered) if name in both}

        searched = {name for name in other.learning_rates_searched if name not in self.methods}
        return Measured(
            by_case={case: joined(mine, other.by_case[case]) for case, mine in self.by_case.items()},
            kept=joined(self.kept, other.kept),
            leakage=joined(self.leakage, other.leakage),
            learning_rates=joined(self.learning_rates, other.learning_rates),
            learning_rates_searched={*self.learning_rates_searched, *searched},
            learning_cpu_seconds=joined(self.learning_cpu_seconds, other.learning_cpu_seconds),
            measured_on=joined(self.measured_on, other.measured_on),
        )

    def as_json(self) -> dict[str, JsonValue]:
        """As `read_table` reads it, but for the setting."""
        document = {
            "by_case": {
                case: {method: {"cp": round(cp, 4), "pf": round(pf, 4)} for method, (cp, pf) in methods.items()}
                for case, methods in self.by_case.items()
            },
            "kept": {method: _rounded(kinds) for method, kinds in self.kept.items()},
            "leakage": {method: _rounded(kinds) for method, kinds in self.leakage.items()},
            "learning_rates": dict(self.learning_rates),
            "learning_rates_searched": sorted(self.learning_rates_searched),
            "learning_cpu_seconds": _rounded(self.learning_cpu_seconds),
            "measured_on": dict(self.measured_on),
        }
        return json.loads(json.dumps(document))


@dataclass(frozen=True, kw_only=True)
class Setting:
    """What tables have in common whose rows can stand side by side."""

    fingerprint: str
    """The model's."""
    seed: int
    seeds_per_case: int
    effort: Effort
    clean: Mapping[Task, tuple[float, float]]
    """CP and PF of a perfect picture, by task, which follow from cases, judge and scores."""


def read_table(path: Path, setting: Setting, cases: Sequence[Case]) -> Measured:
    """What an earlier run measured, from the JSON file that it wrote.

    Raises:
        UnusableTable: It is none, or one of another setting or of other cases.
    """
    try:
        read = _Table.model_validate_json(path.read_bytes())
    except (OSError, ValidationError) as error:
        said = error if isinstance(error, OSError) else f"wrong or missing: {_fields_of(error)}"
        raise UnusableTable(
            f"{str(path)!r} cannot be read as a table ({said}). Name a JSON file that `bench concepts` of this version "
            "wrote."
        ) from error
    others = _differences(read, setting, cases)
    if others:
        raise UnusableTable(
            f"{str(path)!r} was made with {', '.join(others)}, so that its rows say nothing beside new ones. Give the "
            "options that it was made with."
        )
    return read.measured()


def _fields_of(error: ValidationError) -> str:
    return ", ".join(dict.fromkeys(str(fault["loc"][0]) if fault["loc"] else "all" for fault in error.errors()))


def _differences(read: "_Table", setting: Setting, cases: Sequence[Case]) -> list[str]:
    """What a table was made with where a setting has something else."""
    others: list[str] = []
    if read.model.fingerprint != setting.fingerprint:
        others.append("another model")
    if read.seed != setting.seed:
        others.append(f"seed {read.seed}")
    if read.seeds_per_case != setting.seeds_per_case:
        others.append(f"{read.seeds_per_case} seeds a case")
    if read.effort != asdict(setting.effort):
        others.append("another effort")
    if {case.name for case in cases} != read.by_case.keys():
        others.append(f"{len(read.by_case)} cases instead of {len(cases)}")
    elif any(
        abs(value - wanted) > _CLEAN_TOLERANCE
        for task, of_task in setting.clean.items()
        for value, wanted in zip((read.judge.clean[task].cp, read.judge.clean[task].pf), of_task, strict=True)
    ):
        others.append("another judge")
    return others


class _Read(BaseModel):
    model_config = ConfigDict(frozen=True)


class _Model(_Read):
    fingerprint: str


class _Worth(_Read):
    cp: float
    pf: float


class _Judge(_Read):
    clean: dict[Task, _Worth]


class _Table(_Read):
    date: str
    machine: str
    model: _Model
    judge: _Judge
    seed: int
    seeds_per_case: int
    effort: dict[str, int]
    by_case: dict[str, dict[str, _Worth]]
    kept: dict[str, dict[ConceptKind, float]]
    leakage: dict[str, dict[ConceptKind, float]]
    learning_rates: dict[str, float]
    learning_rates_searched: tuple[str, ...]
    learning_cpu_seconds: dict[str, float]
    measured_on: dict[str, str] = {}
    """Methods that it lacks were measured where and when the table was made."""

    def measured(self) -> Measured:
        """Of the methods that were run in all cases."""
        everywhere = set.intersection(*({*methods} for methods in self.by_case.values()))

        def of_those(values: Mapping[str, Any]) -> dict[str, Any]:
            return {name: value for name, value in values.items() if name in everywhere}

        return Measured(
            by_case={
                case: {name: (worth.cp, worth.pf) for name, worth in of_those(methods).items()}
                for case, methods in self.by_case.items()
            },
            kept=of_those(self.kept),
            leakage=of_those(self.leakage),
            learning_rates=of_those(self.learning_rates),
            learning_rates_searched=everywhere.intersection(self.learning_rates_searched),
            learning_cpu_seconds=of_those(self.learning_cpu_seconds),
            measured_on={name: self.measured_on.get(name, f"{self.machine}; {self.date}") for name in everywhere},
        )


def _rounded(values: Mapping[Any, float]) -> dict[Any, float]:
    return {name: round(value, 4) for name, value in values.items()}
