"""How wide letters are, estimated on the safe side: where a page is read, nothing measures them."""

_LETTER_WIDTH = 0.53
_WIDE_LETTER_WIDTH = 1.0
_SHORT_LINE_LOSS = 1.08
"""Lines end before the box does, since words are not parted."""


def width_em(line: str) -> float:
    """How wide a line is as a multiple of its letters' size, estimated on the high side."""
    wide = sum(1 for character in line if "\u1100" <= character <= "\u11ff" or "\u2e80" <= character <= "\uffef")
    return (wide * _WIDE_LETTER_WIDTH + (len(line) - wide) * _LETTER_WIDTH) * _SHORT_LINE_LOSS
