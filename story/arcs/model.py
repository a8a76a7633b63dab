"""What an arc is made of: lines with the age they are for, tellings of lines, beats of tellings, arcs of beats.

Lines are templates with named fields in braces; a field written with a capital is the same value with a capital.
A telling is only used when every field it names has a value, so a telling may ask for a wish by naming it.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from string import Formatter

from story.stage import Shot

IDEA_FIELDS = frozenset("job deed event fear wish wish_past thing lost topic quote role a_role".split())


@dataclass(frozen=True)
class Line:
    """One to three sentences, told to children of an age and older."""

    text: str
    from_age: int = 3


def five(text: str) -> Line:
    """A line that children of three and four are spared."""
    return Line(text, from_age=5)


def seven(text: str) -> Line:
    """A line for children who read themselves."""
    return Line(text, from_age=7)


def nine(text: str) -> Line:
    """A line for the oldest, with longer sentences."""
    return Line(text, from_age=9)


@dataclass(frozen=True)
class Telling:
    """One way to tell a beat, with a picture of its own where its words need one."""

    lines: tuple[Line, ...]
    shot: Shot | None = None

    @property
    def fields(self) -> frozenset[str]:
        """Names of all fields its lines use, in lower case."""
        texts = (line.text for line in self.lines)
        return frozenset(name.lower() for text in texts for _, name, _, _ in Formatter().parse(text) if name)

    @property
    def idea_fields(self) -> frozenset[str]:
        """The parts of the idea that it tells, whoever says them: "my_fear" tells the fear."""
        return frozenset(name.removeprefix("my_").removeprefix("your_") for name in self.fields) & IDEA_FIELDS

    def told_at(self, age: int) -> str:
        """The lines for that age as one template; speech and the refrain begin paragraphs of their own."""
        lines = [line.text for line in self.lines if line.from_age <= age]
        told = lines[0]
        for before, line in zip(lines, lines[1:], strict=False):
            is_apart = "“" in (before[0], line[0]) or before[-1] == "”" or line == "{refrain}"
            told += ("\n\n" if is_apart else " ") + line
        return told


def tell(*lines: str | Line, shot: Shot | None = None) -> Telling:
    """A telling from lines; plain strings are for every age."""
    return Telling(tuple(Line(line) if isinstance(line, str) else line for line in lines), shot)


@dataclass(frozen=True)
class Beat:
    """One step of a story and what its picture shows."""

    shot: Shot
    tellings: tuple[Telling, ...]


def beat(shot: Shot, *tellings: Telling) -> Beat:
    """A beat with one or more ways to tell it."""
    return Beat(shot, tellings)


@dataclass(frozen=True, kw_only=True)
class Arc:
    """Seven beats that follow the opening: want, first try, second try, third try, low point, turn, ending."""

    name: str
    needs: frozenset[str]
    """Fields without which the arc cannot be told."""
    titles: tuple[str, ...]
    refrains: tuple[str, ...]
    """A sentence that comes again at the tries; one is chosen per story."""
    beats: tuple[Beat, ...]
    strands: bool = False
    """Whether the first tellings of its beats belong together, and the second ones: all but the want's are matched."""
    night: bool = False
    """Whether it all happens in one night, so that quiet pages are dark too."""
    stays_home: bool = False
    """Whether the hero is at home until the turn."""
    stranger: bool = False
    """Whether the friend first appears in the arc, so that nothing before may speak of that one."""
    quiet: Mapping[int, Beat] = field(default_factory=dict[int, Beat])
    """Quiet pages of its own, by the index of the beat that they stand after (0 is the opening)."""

    def __post_init__(self) -> None:
        if len(self.beats) != 7:
            raise ValueError(f"arc {self.name!r} has {len(self.beats)} beats; an arc has 7 after its opening")
