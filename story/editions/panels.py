"""How panels share a page of a fixed size. Lengths are in rem, hundredths of the page's width."""

from dataclasses import dataclass
from math import ceil

from story.editions.fit import Room

_MARGIN_REM = 6
_FOOT_REM = 8
_GAP_REM = 3
_CAPTION_REM = 13.5
"""Room for the words under a picture, at least."""


@dataclass(frozen=True)
class Grid:
    """Panels of one size in rows."""

    columns: int
    width_rem: float
    """Of a panel, and of the words in it."""
    picture_rem: float
    """The side of the square that a panel's picture fits."""
    caption_rem: float
    """Height left for the words under the picture."""

    @property
    def words(self) -> Room:
        """Room for a panel's words."""
        return Room(self.width_rem, self.caption_rem, gutter=1)


def grid_of(count: int, height_rem: float) -> Grid:
    """The panels of a page of that height.

    Args:
        count: Panels, from 1.
        height_rem: Of the page.
    """
    columns = 1 if count == 1 else 2 if count <= 4 else 3
    rows = ceil(count / columns)
    width = (100 - 2 * _MARGIN_REM - _GAP_REM * (columns - 1)) / columns
    row = (height_rem - _MARGIN_REM - _FOOT_REM - _GAP_REM * (rows - 1)) / rows
    picture = min(width, row - _CAPTION_REM)
    return Grid(
        columns=columns,
        width_rem=round(width, 3),
        picture_rem=round(picture, 3),
        caption_rem=round(row - picture - 1, 3),
    )
