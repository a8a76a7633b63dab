"""Says in words what a picture of Pocket's world shows: what the probe reads, as a caption to learn concepts by.

Colours and patterns are left out, since these are what is learnt of a figure. Knows nothing of other pictures: of a
photograph it says whatever the probe takes it for.
"""

from PIL import Image

from pocket.probe import NOTHING, Figure, Reading, load_probe, read_pictures
from pocket.world.captions import LIGHT_PHRASES, PLACE_PHRASES


def caption_of(picture: Image.Image) -> str | None:
    """A plain sentence such as "a fox wearing a scarf standing in the meadow in daylight"; None if nobody is seen."""
    return describe(read_pictures(load_probe(), [picture])[0])


def describe(reading: Reading) -> str | None:
    """A reading in words; None where it has no figure."""
    if not reading.figures:
        return None
    words = " and ".join(_figure(figure) for figure in reading.figures)
    if reading.object != NOTHING:
        words += f" beside a {reading.object}"
    return f"{words} {PLACE_PHRASES[reading.place]} {LIGHT_PHRASES[reading.light]}"


def _figure(figure: Figure) -> str:
    words = f"a {figure.kind}"
    if figure.clothing != NOTHING:
        words += " wearing glasses" if figure.clothing == "glasses" else f" wearing a {figure.clothing}"
    if figure.held != NOTHING:
        words += f" holding {'an' if figure.held[0] in 'aeiou' else 'a'} {figure.held}"
    return f"{words} {figure.pose}"
