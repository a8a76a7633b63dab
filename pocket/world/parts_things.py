"""Clothing, held objects and the boat. Clothing is drawn around its own anchor: head centre, neck or hand."""

from pocket.world.parts_shapes import (
    CREAM,
    INK,
    NO_LINE,
    OUTLINE,
    RGB,
    WHITE,
    css,
    darker,
    ellipse,
    line,
    mix,
    path,
    rect,
    rgb,
    tube,
)

GLASS: RGB = rgb("#ffdd6b")


def scarf(tint: RGB, *, width: float = 30) -> str:
    """Around the neck at (0, 0), one end hanging down on the right."""
    shade = mix(tint, WHITE, 0.55)
    end = path("M6,2 L31,-2 L39,40 L15,44Z", tint) + path("M12,26 L35,22 L37,32 L14,36Z", shade, NO_LINE)
    band = path(
        f"M{-width - 2},-12 Q0,3 {width + 2},-12 Q{width + 11},2 {width},12 "
        f"Q0,26 {-width},12 Q{-width - 11},2 {-width - 2},-12Z",
        tint,
    )
    return end + band + line(f"M{-width + 6},3 Q0,16 {width - 6},3", shade, 3)


def hat(tint: RGB) -> str:
    """A pointed hat with a brim, on a head whose centre is (0, 0)."""
    cone = path("M-28,-27 Q-10,-56 4,-88 Q16,-56 28,-27Z", tint)
    band = path(
        "M-28,-26 Q-25,-32 -22.5,-36 Q0,-29 22.5,-36 Q25,-32 28,-26 Q0,-17 -28,-26Z", mix(tint, CREAM, 0.72), NO_LINE
    )
    brim = path("M-52,-24 Q0,-40 52,-24 Q56,-14 40,-14 Q0,-24 -40,-14 Q-56,-14 -52,-24Z", tint)
    return cone + brim + band


def glasses(tint: RGB) -> str:
    """Round frames over the eyes of a head whose centre is (0, 0)."""
    rings = "".join(
        f'<circle cx="{x}" cy="2" r="16" fill="{css(WHITE)}" fill-opacity="0.45" stroke="{css(c)}" stroke-width="{w}"/>'
        for x in (-16, 24)
        for c, w in ((INK, 13), (tint, 8.6))
    )
    return line("M-30,0 L-45,-6 M38,0 L47,-5", tint, 6) + rings + line("M0,1 q4,-5 8,0", tint, 7)


def lantern() -> str:
    """Hangs from a hand at (0, 0)."""
    frame = rgb("#5a4038")
    return (
        line("M-9,12 Q0,-10 9,12", frame, 3)
        + path("M-13,14 L0,5 L13,14Z", frame)
        + rect(-11, 14, 22, 25, GLASS, 'rx="3"')
        + ellipse(0, 27, 6, 9, rgb("#fff8d8"), NO_LINE)
        + line("M0,15 V38", frame, 1.6)
        + rect(-14, 38, 28, 6, frame, 'rx="2"')
    )


def umbrella(tint: RGB, hand: tuple[float, float], top: tuple[float, float]) -> str:
    """From the hand to a wide open dome whose crown is at `top`."""
    x, y = top
    pale = mix(tint, WHITE, 0.4)
    dome = (
        f"M{x - 68},{y + 52} C{x - 62},{y - 14} {x + 62},{y - 14} {x + 68},{y + 52} "
        f"q-17,-14 -34,0 q-17,-14 -34,0 q-17,-14 -34,0 q-17,-14 -34,0Z"
    )
    rib = (
        f"M{x - 34},{y + 52} C{x - 30},{y + 14} {x - 12},{y + 2} {x},{y + 1} "
        f"C{x + 12},{y + 2} {x + 30},{y + 14} {x + 34},{y + 52} q-17,-14 -34,0 q-17,-14 -34,0Z"
    )
    pole = tube(f"M{hand[0]},{hand[1] + 10} L{x},{y + 4}", rgb("#a8764e"), 3.4)
    return (
        pole + path(dome, tint) + path(rib, pale, f'stroke-width="{OUTLINE * 0.7:.1f}"') + ellipse(x, y - 1, 4, 5, tint)
    )


def boat(tint: RGB) -> str:
    """A small sailing boat that stands on the ground at (0, 0), 80 units wide and 118 high."""
    return (
        tube("M-2,-30 V-114", rgb("#a8764e"), 4)
        + path("M4,-112 C34,-92 42,-62 38,-42 L4,-38Z", mix(tint, CREAM, 0.25))
        + path("M-8,-100 C-22,-84 -32,-62 -34,-42 L-8,-38Z", CREAM)
        + path("M-42,-32 L42,-32 C38,-12 30,0 20,0 L-20,0 C-30,0 -38,-12 -42,-32Z", tint)
        + path("M-39,-24 L39,-24 L36,-17 L-36,-17Z", CREAM, NO_LINE)
        + line("M-28,-8 H28", darker(tint, 0.3), 2)
    )
