"""The checker of the kill test finds each broken law."""

import pytest

from benchmarks.history import check_history


def event(number: int, type_: str, **data: int) -> dict[str, object]:
    return {"id": number, "type": type_, "data": data}


GOOD = [
    {"what": "acknowledged", "job": "j", "key": "k", "pictures": 1},
    {"what": "seen", "job": "j", "state": "running"},
    {"what": "seen", "job": "j", "state": "succeeded"},
    {"what": "events", "job": "j", "events": [event(1, "picture", picture=0), event(2, "succeeded")]},
    {"what": "files", "job": "j", "files": [{"name": "html", "listed": "a", "downloaded": "a"}]},
    {"what": "listed", "jobs": ["j"]},
]


def test_a_good_history_has_no_faults() -> None:
    assert check_history(GOOD) == []


@pytest.mark.parametrize(
    ("law", "place", "line"),
    [
        (1, 2, {"what": "seen", "job": "j", "state": "running"}),
        (2, 1, {"what": "seen", "job": "j", "state": "canceled"}),
        (3, 3, {"what": "events", "job": "j", "events": [event(1, "picture", picture=0), event(3, "succeeded")]}),
        (3, 3, {"what": "events", "job": "j", "events": [event(1, "succeeded"), event(2, "picture", picture=0)]}),
        (4, 3, {"what": "events", "job": "j", "events": [event(1, "stage"), event(2, "succeeded")]}),
        (4, 3, {"what": "events", "job": "j", "events": [*(event(n, "picture", picture=0) for n in (1, 2)),
                                                         event(3, "succeeded")]}),
        (5, 1, {"what": "canceled", "job": "j", "state": "canceled"}),
        (6, 4, {"what": "files", "job": "j", "files": [{"name": "html", "listed": "a", "downloaded": "b"}]}),
        (7, 2, {"what": "acknowledged", "job": "other", "key": "k", "pictures": 1}),
        (7, 5, {"what": "listed", "jobs": ["j", "another"]}),
        (7, 5, {"what": "listed", "jobs": ["j", "j"]}),
        (7, 5, {"what": "listed", "jobs": []}),
    ],
)  # fmt: skip
def test_a_broken_law_is_found(law: int, place: int, line: dict[str, object]) -> None:
    faults = check_history([*GOOD[:place], line, *GOOD[place + 1 :]])
    assert any(f"law {law}:" in fault for fault in faults), faults
