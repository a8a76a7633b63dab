"""The benchmark of blending: who is learnt, which pairs meet, and what has become of a figure."""

from dataclasses import replace

from benchmarks.bench_blending import Met, fates_of, lessons, pairs_of, table_of
from concepts.binding import find_word
from pocket.probe import Figure, Reading

FOX = Figure(
    kind="fox", colour="orange", pattern="plain", pose="standing", clothing="none", clothing_colour=None, held="none",
    ears="0", tail="0", tint=(0.0,) * 3, accent=(0.0,) * 3, clothing_tint=None, build=0.5,
)  # fmt: skip
SECOND_FOX = replace(FOX, colour="purple")
CAT = replace(FOX, kind="cat", colour="blue")


def _drawn(*figures: Figure) -> Reading:
    return Reading(figures=figures, place="meadow", light="day", object="none", layout="0", light_hue=0.5)


def test_every_figure_is_named_by_a_word_of_its_own_and_no_caption_says_its_colour() -> None:
    taught = lessons()
    assert len({lesson.concept.word for lesson in taught}) == len(taught)
    for lesson in taught:
        assert len(find_word(lesson.caption, lesson.concept.word)) == 1
        assert not find_word(lesson.caption, lesson.colour)


def test_pairs_differ_in_colour_and_some_are_of_one_kind() -> None:
    pairs = [Met((a.concept.id, b.concept.id), 0.0, 1.0, 0.0) for a, b in pairs_of(lessons())]
    assert all(first.split("-")[0] != second.split("-")[0] for first, second in (met.ids for met in pairs))
    assert sum(met.is_of_one_kind for met in pairs) == 5


def test_figures_of_two_kinds_are_found_by_kind_wherever_they_stand() -> None:
    sources = {"rusty": FOX, "luna": CAT}
    order = ["rusty", "luna"]
    assert fates_of(order, sources, _drawn(CAT, FOX)) == ("kept", "kept")
    assert fates_of(order, sources, _drawn(replace(FOX, colour="blue"), CAT)) == ("blended", "kept")
    assert fates_of(order, sources, _drawn(replace(FOX, colour="red"))) == ("lost", "lost")
    assert fates_of(order, sources, _drawn()) == ("lost", "lost")


def test_figures_of_one_kind_are_told_apart_by_their_places() -> None:
    sources = {"rusty": FOX, "violet": SECOND_FOX}
    assert fates_of(["violet", "rusty"], sources, _drawn(SECOND_FOX, FOX)) == ("kept", "kept")
    assert fates_of(["rusty", "violet"], sources, _drawn(SECOND_FOX, FOX)) == ("blended", "blended")
    assert fates_of(["rusty", "violet"], sources, _drawn(FOX, FOX)) == ("kept", "blended")


def test_pairs_are_counted_by_how_alike_their_keys_are() -> None:
    alike = Met(("orange-fox", "purple-fox"), 0.6, kept=0.25, blended=0.5)
    unlike = Met(("orange-fox", "blue-cat"), 0.05, kept=1.0, blended=0.0)
    rows = table_of([alike, unlike])
    assert [(row["pairs"], row["kept"], row["blended"]) for row in rows] == [
        (1, 1.0, 0.0), (1, 0.25, 0.5), (1, 0.25, 0.5), (1, 1.0, 0.0),
    ]  # fmt: skip
