"""In which numbers a book's pictures were drawn, as plans change when memory runs out. Needs no torch."""

from collections.abc import Mapping, Sequence

from generator.plan import Numbers


def notes_of_numbers(drawn: Mapping[int, Numbers | None], *, began: Numbers | None) -> tuple[str, ...]:
    """What there is to say of pages that were drawn in other numbers than drawing began in: one warning, or none.

    `drawn` is by page, 0 being the cover; None is not known.
    """
    others: dict[Numbers, list[int]] = {}
    for page, numbers in sorted(drawn.items()):
        if numbers not in (None, began):
            others.setdefault(numbers, []).append(page)
    if began is None or not others:
        return ()
    told = "; ".join(
        f"{_named(pages)} {'were' if len(pages) > 1 else 'was'} drawn in {numbers.summary()}"
        for numbers, pages in others.items()
    )
    return (f"{told[0].upper()}{told[1:]}; drawing began in {began.summary()}: pictures differ.",)


def _named(pages: Sequence[int]) -> str:
    """The cover and pages 3, 5 to 8."""
    runs: list[list[int]] = []
    for page in filter(None, pages):
        if runs and page == runs[-1][-1] + 1:
            runs[-1].append(page)
        else:
            runs.append([page])
    numbers = ", ".join(f"{run[0]} to {run[-1]}" if len(run) > 1 else str(run[0]) for run in runs)
    names = ["the cover"] if 0 in pages else []
    if runs:
        names.append(f"page{'s' if len(runs) > 1 or len(runs[0]) > 1 else ''} {numbers}")
    return " and ".join(names)
