"""Figures: a kind in a pose with its looks and clothes, its feet at (0, 0), about 159 units tall when standing.

All kinds share one skeleton per pose, so that head, neck and hands are where things expect them.
"""

from dataclasses import dataclass

from pocket.world.parts_heads import HEADS, STEEL, Coat, skin_of
from pocket.world.parts_shapes import (
    CREAM,
    INK,
    NO_LINE,
    RGB,
    WHITE,
    darker,
    ellipse,
    group,
    line,
    linear,
    mix,
    outlined,
    path,
    rect,
    rgb,
    tube,
)
from pocket.world.parts_things import glasses, hat, lantern, scarf, umbrella
from pocket.world.schema import Character, Look

Point = tuple[float, float]

GOLD = (rgb("#b87a18"), rgb("#f2b630"), rgb("#fff0a8"), rgb("#e0a020"), rgb("#c08418"))
BODY_WIDTHS = {"fox": 27.0, "cat": 26.0, "rabbit": 26.0, "bear": 33.0, "robot": 30.0, "child": 27.0}


@dataclass(frozen=True, kw_only=True)
class Skeleton:
    """Where the parts of a figure are in a pose; left is the viewer's left of an unmirrored figure."""

    head: Point = (0, -104)
    head_turn: float = 0
    body: Point = (0, -42)
    body_height: float = 33
    hands: tuple[Point, Point] = ((-36, -32), (36, -32))
    feet: tuple[Point, Point] = ((-15, -5), (15, -5))
    feet_turn: float = 0
    feet_size: Point = (13.5, 7)
    holding_hand: Point = (-44, -46)
    umbrella_top: Point = (-12, -196)
    lift: float = 0


SKELETONS = {
    "standing": Skeleton(),
    "waving": Skeleton(hands=((-36, -32), (61, -106)), head_turn=-5),
    "jumping": Skeleton(
        hands=((-56, -86), (56, -86)),
        feet=((-38, -8), (38, -8)),
        feet_turn=35,
        holding_hand=(-54, -84),
        umbrella_top=(-12, -187),
        lift=28,
    ),
    "sitting": Skeleton(
        head=(0, -82),
        body=(0, -29),
        body_height=27,
        hands=((-33, -17), (33, -17)),
        feet=((-37, -11), (37, -11)),
        feet_size=(13, 13.5),
        holding_hand=(-46, -36),
        umbrella_top=(-12, -174),
    ),
}


def coat_of(look: Look, name: str) -> tuple[Coat, str]:
    """How the looks colour a figure, and the gradient that this needs under the id `name`."""
    tint = look.tint
    light = mix(look.accent, CREAM, 0.25)
    if look.pattern == "golden":
        stops = [(o, c, 1.0) for o, c in zip((0, 0.3, 0.45, 0.6, 1), GOLD, strict=True)]
        gradient = linear(
            name, stops, 'x1="-6" y1="-42" x2="8" y2="40" gradientUnits="userSpaceOnUse"', 'spreadMethod="reflect"'
        )
        return Coat(fur=f"url(#{name})", plain=GOLD[1], light=tint, spots=None), gradient
    contrast = look.accent
    if sum(abs(a - b) for a, b in zip(contrast, tint, strict=True)) < 0.75:
        contrast = darker(tint, 0.5)
    if look.pattern == "striped":
        stops = [(0, tint, 1.0), (0.55, tint, 1.0), (0.55, contrast, 1.0), (1, contrast, 1.0)]
        gradient = linear(
            name, stops, 'x1="0" y1="2" x2="0" y2="32" gradientUnits="userSpaceOnUse"', 'spreadMethod="repeat"'
        )
        return Coat(fur=f"url(#{name})", plain=tint, light=light, spots=None), gradient
    return Coat(fur=tint, plain=tint, light=light, spots=contrast if look.pattern == "spotted" else None), ""


def _tail(kind: str, look: Look, coat: Coat, root: Point) -> str:
    variant = look.tail
    if kind == "fox":
        shape, tip = (
            (
                "M0,6 C26,10 50,-2 47,-38 C46,-46 34,-44 30,-34 C26,-22 14,-18 0,-14Z",
                "M47,-38 C46,-46 34,-44 30,-34 Q40,-30 47,-26Z",
            ),
            (
                "M0,8 C20,16 44,16 58,-4 C60,-12 50,-16 42,-14 C28,-12 14,-14 0,-12Z",
                "M58,-4 C60,-12 50,-16 42,-14 Q44,-4 50,4Z",
            ),
            (
                "M0,6 C30,14 42,-10 38,-24 C36,-34 46,-40 54,-44 C40,-54 20,-44 22,-26 C22,-18 12,-16 0,-14Z",
                "M38,-30 C40,-36 46,-40 54,-44 C40,-54 24,-44 22,-30 Q30,-26 38,-30Z",
            ),
        )[variant]
        return group(path(shape, coat.fur) + path(tip, CREAM, NO_LINE), f"translate({root[0]},{root[1]})")
    if kind == "cat":
        curve = (
            "M0,0 C34,6 40,-16 34,-36",
            "M0,2 C22,10 44,6 50,-12 C52,-22 42,-26 40,-18",
            "M0,0 C26,2 22,-26 42,-40",
        )[variant]
        return group(tube(curve, coat.fur, 9.5), f"translate({root[0]},{root[1]})")
    if kind == "rabbit":
        size = (12, 15, 10)[variant]
        return ellipse(root[0] + 8, root[1] - 4, size, size, mix(coat.light, WHITE, 0.5))
    if kind == "bear":
        size = (8, 10, 6)[variant]
        return ellipse(root[0] + 8, root[1] - 2, size, size, coat.fur)
    return ""


def _body(character: Character, coat: Coat, bones: Skeleton, width: float) -> str:
    x, y = bones.body
    height, look, kind = bones.body_height, character.look, character.kind
    if kind == "robot":
        box = rect(x - width, y - height + 2, 2 * width, 2 * height - 4, coat.fur, 'rx="9"')
        panel = rect(x - 15, y - 9, 32, 23, mix(coat.plain, WHITE, 0.5), 'rx="5" stroke-width="1.8"')
        knobs = "".join(
            ellipse(x - 7 + i * 8, y + 2, 3, 3, (look.accent, STEEL, INK)[(i + look.tail) % 3], NO_LINE)
            for i in range(3)
        )
        rivets = "".join(ellipse(x + s * (width - 6), y + height - 9, 2, 2, INK, NO_LINE) for s in (-1, 1))
        return box + _body_spots(coat, x, y, width) + panel + knobs + rivets
    if kind == "child":
        flare = (0, 9, 4)[look.tail]
        shape = (
            f"M{x - width + 5:.1f},{y - height + 6} Q{x},{y - height - 4} {x + width - 5:.1f},{y - height + 6} "
            f"L{x + width + flare:.1f},{y + height - 5} Q{x},{y + height + 4} {x - width - flare:.1f},{y + height - 5}Z"
        )
        trim = (
            rect(x - 11, y - 4, 22, 16, coat.light, 'rx="4" stroke-width="1.8"'),
            "".join(ellipse(x + 2, y - 12 + 13 * i, 3.2, 3.2, coat.light, NO_LINE) for i in range(3)),
            path(f"M{x - 15},{y - height + 6} Q{x},{y - 4} {x + 15},{y - height + 6}Z", coat.light, NO_LINE),
        )[look.tail]
        return path(shape, coat.fur) + _body_spots(coat, x, y, width) + trim
    belly = "" if look.pattern == "striped" else ellipse(x + 2, y + 6, width * 0.6, height * 0.66, coat.light, NO_LINE)
    return ellipse(x, y, width, height, coat.fur) + belly + _body_spots(coat, x, y, width)


def _body_spots(coat: Coat, x: float, y: float, width: float) -> str:
    if coat.spots is None:
        return ""
    places = ((-0.55, -9, 9), (0.62, -1, 9.5), (-0.6, 15, 8.5))
    return "".join(ellipse(x + fx * width, y + dy, r, r, coat.spots, NO_LINE) for fx, dy, r in places)


def _arm(character: Character, coat: Coat, shoulder: Point, hand: Point) -> str:
    bend_x = (shoulder[0] + hand[0]) / 2 + (6 if hand[0] > 0 else -6)
    bend_y = (shoulder[1] + hand[1]) / 2 + 5
    curve = f"M{shoulder[0]:.1f},{shoulder[1]:.1f} Q{bend_x:.1f},{bend_y:.1f} {hand[0]:.1f},{hand[1]:.1f}"
    ends: dict[str, RGB] = {"robot": STEEL, "child": skin_of(character.look)}
    end = ends.get(character.kind, coat.fur)
    arm = tube(curve, coat.fur, 12.5)
    return arm + (ellipse(*hand, 9, 9, end) if character.kind in ends else ellipse(*hand, 8.6, 8.6, end, NO_LINE))


def _leg(character: Character, coat: Coat, hip: Point, bones: Skeleton, side: int) -> str:
    foot = bones.feet[side]
    turn = bones.feet_turn * (1 if side == 0 else -1)
    colours: dict[str, RGB] = {"robot": STEEL, "child": darker(coat.plain, 0.45)}
    sole = ellipse(0, 0, *bones.feet_size, colours.get(character.kind, coat.fur))
    if bones.feet_size[1] > 10:
        sole += ellipse(0, 2, 6.5, 6.5, mix(coat.light, CREAM, 0.4), NO_LINE)
    leg = tube(f"M{hip[0]:.1f},{hip[1]:.1f} L{foot[0]:.1f},{foot[1] - 2:.1f}", coat.fur, 14)
    return leg + group(sole, f"translate({foot[0]},{foot[1]}) rotate({turn})")


def _dressed_head(character: Character, coat: Coat, at: Point, *, turn: float, closed: bool) -> str:
    """The head with its hat or glasses."""
    content = HEADS[character.kind](character.look, coat, closed)
    clothing = character.clothing
    if clothing is not None and clothing.name == "hat":
        content += hat(clothing.tint)
    elif clothing is not None and clothing.name == "glasses":
        content += glasses(clothing.tint)
    widen = 1 + 0.05 * character.look.build
    return group(content, f"translate({at[0]},{at[1]}) rotate({turn}) scale({widen:.3f},1)")


def _upright(character: Character, coat: Coat, bones: Skeleton) -> str:
    width = BODY_WIDTHS[character.kind] * (1 + 0.14 * character.look.build)
    x, y = bones.body
    shoulder_y = y - bones.body_height + 16
    hands = list(bones.hands)
    if character.held is not None:
        hands[0] = bones.holding_hand
    root = (width - 8, y + bones.body_height - 16)
    parts = [_tail(character.kind, character.look, coat, root)]
    hip_y = y + bones.body_height - 12
    sitting = bones.feet_size[1] > 10
    legs = "".join(_leg(character, coat, (side * 2 * 13 - 13, hip_y), bones, side) for side in (0, 1))
    arms = "".join(_arm(character, coat, (s * (width - 4), shoulder_y), hands[max(s, 0)]) for s in (-1, 1))
    body = _body(character, coat, bones, width)
    parts += [body, legs, arms] if sitting else [legs, arms, body]
    raised = character.pose == "waving"
    head = _dressed_head(character, coat, bones.head, turn=bones.head_turn, closed=False)
    clothing = character.clothing
    neck = ""
    if clothing is not None and clothing.name == "scarf":
        neck = group(scarf(clothing.tint, width=width), f"translate({x},{y - bones.body_height + 10})")
    parts += [head, neck]
    if raised:
        parts.append(_arm(character, coat, (width - 4, shoulder_y), hands[1]))
    return "".join(parts)


def _asleep(character: Character, coat: Coat) -> str:
    look, kind = character.look, character.kind
    tall = 28 + 3 * look.build
    wide = 38.0
    if kind == "robot":
        body = rect(-14, -2 * tall, 2 * wide - 2, 2 * tall - 1, coat.fur, 'rx="12"')
        body += "".join(ellipse(4 + 14 * i, -2 * tall + 9, 2.2, 2.2, INK, NO_LINE) for i in range(4))
    else:
        body = ellipse(22, -tall, wide, tall, coat.fur) + _body_spots(coat, 26, -tall - 4, wide * 0.75)
    ends: dict[str, RGB] = {"robot": STEEL, "child": darker(coat.plain, 0.45)}
    feet = ellipse(52, -8, 13, 8, ends.get(kind, coat.fur)) + ellipse(36, -7, 13, 7, ends.get(kind, coat.fur))
    tail = group(_tail(kind, look, coat, (0, 0)), f"translate(50,-24) scale({0.5 if kind in ('fox', 'cat') else 0.9})")
    head = _dressed_head(character, coat, (-22, -39), turn=-14, closed=True)
    hands: dict[str, RGB] = {"robot": STEEL, "child": skin_of(look)}
    paw = ellipse(8, -7, 11, 7, hands.get(kind, coat.fur))
    neck = ""
    if character.clothing is not None and character.clothing.name == "scarf":
        neck = group(scarf(character.clothing.tint, width=24), "translate(19,-30) rotate(-62)")
    return group(tail + body + feet + neck + head + paw, "translate(7,0)")


def _place(character: Character, width: float, content: str) -> str:
    flip = -1 if character.mirrored else 1
    lift = SKELETONS[character.pose].lift if character.pose in SKELETONS else 0
    at = f"translate({character.x * width:.2f},{225.3 - lift * character.scale:.2f})"
    return group(outlined(content), f"{at} scale({flip * character.scale:.4f},{character.scale:.4f})")


def figure(character: Character, width: float, name: str) -> str:
    """The figure with its clothes where it stands in a picture `width` units wide; `name` prefixes its gradients."""
    coat, gradient = coat_of(character.look, name)
    if character.pose == "sleeping":
        content = _asleep(character, coat)
    else:
        content = _upright(character, coat, SKELETONS[character.pose])
    return gradient + _place(character, width, content)


def held_behind(character: Character, width: float) -> str:
    """What the figure holds that is seen behind it: the umbrella."""
    held = character.held
    if held is None or held.name != "umbrella" or character.pose not in SKELETONS:
        return ""
    bones = SKELETONS[character.pose]
    return _place(character, width, umbrella(held.tint, bones.holding_hand, bones.umbrella_top))


def held_before(character: Character, width: float) -> str:
    """What the figure holds that is seen before it: the lantern."""
    held = character.held
    if held is None or held.name != "lantern" or character.pose not in SKELETONS:
        return ""
    x, y = SKELETONS[character.pose].holding_hand
    return _place(character, width, group(lantern(), f"translate({x - 2},{y})"))


def glow(character: Character, width: float, name: str) -> str:
    """The shine around a held lantern and the Z of a sleeper: over everything, never graded."""
    if character.pose == "sleeping":
        letters = line("M0,0 h13 l-13,14 h13", INK, 6.5) + line("M0,0 h13 l-13,14 h13", CREAM, 3.4)
        small = group(letters, "translate(-4,-14) scale(0.6)")
        side = -1 if character.mirrored else 1
        at = f"translate({character.x * width + side * 34 * character.scale:.1f},{225 - 92 * character.scale:.1f})"
        return group(letters, at + " translate(-6,-12)") + group(small, at)
    held = character.held
    if held is None or held.name != "lantern":
        return ""
    x, y = SKELETONS[character.pose].holding_hand
    stops = [(0.0, rgb("#fff2b0"), 0.75), (0.4, rgb("#ffd860"), 0.3), (1.0, rgb("#ffc840"), 0.0)]
    shine = f'<radialGradient id="{name}" cx="{x - 2}" cy="{y + 27}" r="46" gradientUnits="userSpaceOnUse">'
    shine += "".join(
        f'<stop offset="{o}" stop-color="rgb({c[0] * 255:.0f},{c[1] * 255:.0f},{c[2] * 255:.0f})" stop-opacity="{a}"/>'
        for o, c, a in stops
    )
    circle = f'<circle cx="{x - 2}" cy="{y + 27}" r="46" fill="url(#{name})" stroke="none"/>'
    return shine + "</radialGradient>" + _place(character, width, circle)


def shadow(character: Character, width: float) -> str:
    """The shadow on the ground below the figure: small and pale below a jump."""
    reach = {"jumping": 30, "sleeping": 60, "sitting": 52}.get(character.pose, 38)
    opacity = 0.16 if character.pose == "jumping" else 0.24
    x = character.x * width
    return ellipse(x, 226, reach * character.scale, 8 * character.scale, (0.1, 0.06, 0.2), f'opacity="{opacity}"')
