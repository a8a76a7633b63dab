"""Where speech balloons stand on a picture: near who speaks, over nobody's face, in the order they are read.

All lengths are in widths of the picture, from its upper left corner. Knows no file format.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from math import hypot

from story.book import Line
from story.editions.letters import count_lines, width_em, words_em
from story.languages import Direction
from story.schema import Box

_SIZES = (0.07, 0.062, 0.055, 0.049)
_WIDTHS = (0.28, 0.34, 0.44, 0.54, 0.66, 0.8, 0.94)
_MAX_ROWS = 6
_LINE_HEIGHT = 1.3
_PADDING_EM = 0.75
_MARGIN = 0.02
_STEP = 0.04
_TAIL_WIDTH = 0.05
_REACH = 0.08
"""The best distance of a balloon from its speaker's face: near, with room for a tail that can be seen."""


@dataclass(frozen=True)
class Balloon:
    """One line of speech in its place."""

    line: Line
    box: Box
    size: float
    """Of the letters."""
    tail: tuple[tuple[float, float], tuple[float, float], tuple[float, float]]
    """A triangle: two corners within the balloon, then the tip, which points at the speaker's face."""


def place_balloons(
    lines: Sequence[Line], faces: Sequence[tuple[str, Box]], *, height: float, direction: Direction
) -> tuple[tuple[Balloon, ...], tuple[Line, ...]]:
    """The balloons of a picture, and the lines that have none: their speaker's face is unknown or there is no room.

    From the first line without a balloon on, no line has one, so that they are read in order.

    Args:
        lines: What is said, in order.
        faces: Whose face is where: concept id and place.
        height: Of the picture.
        direction: Which side is read first.
    """
    known = dict(faces)
    for size in _SIZES:
        placed: list[Balloon] = []
        for line in lines:
            face = known.get(line.speaker)
            later = len(lines) - 1 - len(placed)
            found = face and _best(
                line, face, faces, placed, height=height, size=size, direction=direction, num_later=later
            )
            if not found:
                break
            placed.append(found)
        if len(placed) == len(lines) or size == _SIZES[-1]:
            return tuple(placed), tuple(lines[len(placed) :])
    raise AssertionError("the loop returns at the last size")


def _best(
    line: Line,
    face: Box,
    faces: Sequence[tuple[str, Box]],
    placed: Sequence[Balloon],
    *,
    height: float,
    size: float,
    direction: Direction,
    num_later: int,
) -> Balloon | None:
    """The balloon best placed of all that hide no face, meet no other and come after those placed.

    It is near its speaker, rather above than below, and the higher the more lines come later.
    """
    best: tuple[float, Balloon] | None = None
    for width, balloon_height in _shapes(line, size):
        for left in _steps(_MARGIN, 1 - _MARGIN - width):
            for top in _steps(_MARGIN, height - _MARGIN - balloon_height):
                box = Box.model_construct(left=left, top=top, right=left + width, bottom=top + balloon_height)
                cost = (
                    abs(_distance(box, face) - _REACH)
                    + (0.4 + 0.5 * num_later) * top
                    + 0.1 * width
                    + (0.2 if top > face.top else 0.0)
                )
                if best is not None and cost >= best[0]:
                    continue
                if any(_meet(box, other) for _, other in faces) or any(_meet(box, each.box) for each in placed):
                    continue
                if placed and not _is_after(box, placed[-1].box, direction):
                    continue
                tail = _tail(box, face)
                others = [other for speaker, other in faces if speaker != line.speaker] + [each.box for each in placed]
                if any(_crosses(tail, other) for other in others) or any(_crosses(each.tail, box) for each in placed):
                    continue
                best = (cost, Balloon(line=line, box=box, size=size, tail=tail))
    return best[1] if best else None


def _shapes(line: Line, size: float) -> list[tuple[float, float]]:
    """Widths and heights that hold the words, none of which is parted."""
    shapes: list[tuple[float, float]] = []
    text = line.sentence.text
    longest = max(words_em(text), default=0.0) * size
    for width in _WIDTHS:
        inside = width - 2 * _PADDING_EM * size
        if longest > inside:
            continue
        rows = count_lines(text, inside / size)
        if rows == 1:
            width = min(width, width_em(text) * size * 1.05 + 2 * _PADDING_EM * size)
        if rows <= _MAX_ROWS:
            shapes.append((width, size * (rows * _LINE_HEIGHT + 2 * _PADDING_EM)))
        if rows == 1:
            break
    return shapes


def _steps(start: float, stop: float) -> list[float]:
    return [start + index * _STEP for index in range(int((stop - start) / _STEP) + 1)] if stop >= start else []


def _is_after(box: Box, before: Box, direction: Direction) -> bool:
    """Whether a reader comes to `box` after `before`: it is below, or beside it on the side that is read later."""
    if box.top >= before.bottom:
        return True
    beside = box.left >= before.right if direction == "ltr" else box.right <= before.left
    return beside and box.top >= before.top


def _meet(one: Box, other: Box) -> bool:
    return (
        one.left < other.right + _MARGIN
        and other.left < one.right + _MARGIN
        and one.top < other.bottom + _MARGIN
        and other.top < one.bottom + _MARGIN
    )


def _tail(box: Box, face: Box) -> tuple[tuple[float, float], tuple[float, float], tuple[float, float]]:
    """From the middle of the balloon towards the middle of the face, to just before the face."""
    (x, y), (face_x, face_y) = _middle(box), _middle(face)
    length = hypot(face_x - x, face_y - y) or 1.0
    entry = _entry((x, y), (face_x, face_y), face, _MARGIN / 2)
    reach = 1.0 if entry is None else entry
    tip = (x + (face_x - x) * reach, y + (face_y - y) * reach)
    side_x, side_y = -(face_y - y) / length * _TAIL_WIDTH / 2, (face_x - x) / length * _TAIL_WIDTH / 2
    return ((x + side_x, y + side_y), (x - side_x, y - side_y), tip)


def _crosses(tail: Sequence[tuple[float, float]], box: Box) -> bool:
    """Whether a tail's sides or its middle run over a box."""
    first, second, tip = tail
    middle = ((first[0] + second[0]) / 2, (first[1] + second[1]) / 2)
    return any(_entry(start, tip, box, 0.0) is not None for start in (first, second, middle))


def _entry(start: tuple[float, float], stop: tuple[float, float], box: Box, margin: float) -> float | None:
    """The share of the way from start to stop at which it enters a box with a margin; None if it never does."""
    enters, leaves = 0.0, 1.0
    for at, to, low, high in (
        (start[0], stop[0], box.left - margin, box.right + margin),
        (start[1], stop[1], box.top - margin, box.bottom + margin),
    ):
        step = to - at
        if step == 0:
            if not low <= at <= high:
                return None
            continue
        near, far = sorted(((low - at) / step, (high - at) / step))
        enters, leaves = max(enters, near), min(leaves, far)
    return enters if enters <= leaves else None


def _middle(box: Box) -> tuple[float, float]:
    return ((box.left + box.right) / 2, (box.top + box.bottom) / 2)


def _distance(one: Box, other: Box) -> float:
    """Between the edges, 0 where they meet."""
    across = max(0.0, one.left - other.right, other.left - one.right)
    down = max(0.0, one.top - other.bottom, other.top - one.bottom)
    return hypot(across, down)
