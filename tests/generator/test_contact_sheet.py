"""Contact sheets: every picture is there, whole and in its place."""

import numpy as np
import pytest
from PIL import Image

from generator.contact_sheet import MARGIN, Panel, contact_sheet

WIDTH, HEIGHT = 60, 40


def panel(number: int, *, num_sources: int = 1, label: str = "a fox") -> Panel:
    colour = (10 * number + 20, 0, 200)
    source = Image.new("RGB", (30, 50), (0, 200, 10 * number + 20))
    return Panel(Image.new("RGB", (WIDTH, HEIGHT), colour), (source,) * num_sources, label)


def count(sheet: Image.Image, colour: tuple[int, int, int]) -> int:
    return int((np.asarray(sheet) == colour).all(axis=2).sum())


@pytest.mark.parametrize("num_panels", [1, 4, 5, 9])
def test_every_picture_and_its_sources_are_whole_on_the_sheet(num_panels: int) -> None:
    panels = [panel(number, num_sources=number % 3) for number in range(num_panels)]
    sheet = contact_sheet(panels)
    assert sheet.width == min(num_panels, 5) * (WIDTH + MARGIN) + MARGIN
    for number in range(num_panels):
        assert count(sheet, (10 * number + 20, 0, 200)) == WIDTH * HEIGHT
        assert count(sheet, (0, 200, 10 * number + 20)) == number % 3 * (WIDTH // 3) ** 2


def test_many_sources_stay_above_their_own_picture() -> None:
    sheet = np.asarray(contact_sheet([panel(0, num_sources=4), panel(1, num_sources=1)]))
    columns = {
        number: np.flatnonzero((sheet == (0, 200, 10 * number + 20)).all(axis=2).any(axis=0)) for number in (0, 1)
    }
    assert columns[0].max() < MARGIN + WIDTH <= columns[1].min()
    thumb = (WIDTH + 4) // 4 - 4
    assert count(Image.fromarray(sheet), (0, 200, 20)) == 4 * thumb**2


def test_long_labels_are_wrapped_and_shown_below_the_picture() -> None:
    short, long = contact_sheet([panel(0)]), contact_sheet([panel(0, label="wearing a hat " * 6)])
    assert long.height > short.height
    assert long.width == short.width
    below = np.asarray(long)[-(long.height - short.height) :]
    assert (below < 100).any(), "the text must show"
