"""Spans slice exactly to the words that name concepts, and doubt is an error."""

from random import Random

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from concepts.bank import ConceptBank
from concepts.binding import bind_concepts, expand_handles, find_word, find_words
from concepts.errors import AmbiguousMention, CollidingConcepts, ConceptNotMentioned, UnknownConcept
from concepts.schema import BoundPrompt, Concept
from tests.concepts.builders import a_concept, add_concept

FOX = a_concept("rusty", "fox")
HAT = a_concept("bowler", "hat")
STRAW_HAT = a_concept("sunny", "straw hat")
LIGHT = a_concept("night", "moonlight")


def words(bound: BoundPrompt) -> dict[str, str]:
    return {mention.concept_id: bound.prompt[mention.start : mention.stop] for mention in bound.mentions}


def test_words_are_not_found_inside_those_of_other_concepts() -> None:
    found = find_words("a straw hat beside a hat", {"sunny": "straw hat", "bowler": "hat", "night": "moonlight"})
    assert found == {"sunny": ((2, 11),), "bowler": ((21, 24),), "night": ()}


@pytest.mark.parametrize(
    ("prompt", "word", "start"),
    [
        ("a fox", "fox", 2),
        ("Fox", "fox", 0),
        ("the fox's den", "fox", 4),
        ("the fox’s den", "fox", 4),
        ("the “fox”, waving", "fox", 5),
        ("fox—and hare", "fox", 0),
        ("fox- and hare", "fox", 0),
        ("foxes, a foxglove and a fox", "fox", 24),
        ("a fox-like fire_fox sees a fox", "fox", 27),
        ("🦊🦊 fox", "fox", 3),
        ("das Füchslein", "füchslein", 4),
        ("a cafe\u0301 scene", "caf\u00e9", 2),
        ("cafe\u0301 and cafe", "cafe", 10),
        ("ein Märchenfuchs und ein fuchs", "fuchs", 25),
        ("a straw \n hat", "straw hat", 2),
        ("will-o’wisp", "will-o'wisp", 0),
        ("stick tick tick", "tick tick", 6),
    ],
)
def test_a_word_is_found_where_it_stands_whole(prompt: str, word: str, start: int) -> None:
    (mention,) = bind_concepts(prompt, [a_concept(word=word)]).mentions
    assert mention.start == start


def test_a_possessive_is_bound_without_its_ending() -> None:
    assert words(bind_concepts("the fox's den", [FOX])) == {"rusty": "fox"}


def test_a_decomposed_word_is_bound_with_its_accents() -> None:
    assert words(bind_concepts("a cafe\u0301", [a_concept(word="caf\u00e9")])) == {"rusty": "cafe\u0301"}


@pytest.mark.parametrize("prompt", ["", "foxes", "a foxglove", "firefox", "fox2", "fox_", "a fox-like dog", "f o x"])
def test_a_word_that_is_missing_is_an_error(prompt: str) -> None:
    with pytest.raises(ConceptNotMentioned, match="'fox'.*'rusty'"):
        bind_concepts(prompt, [FOX])


def test_no_concepts_bind_nothing() -> None:
    assert bind_concepts("a fox", []) == BoundPrompt(prompt="a fox")


def test_a_word_that_occurs_twice_needs_an_occurrence() -> None:
    prompt = "a fox and a FOX"
    with pytest.raises(AmbiguousMention, match="2 times"):
        bind_concepts(prompt, [FOX])
    first, second = (bind_concepts(prompt, [FOX], occurrences={"rusty": index}).mentions for index in (0, 1))
    assert (first[0].start, second[0].start) == (2, 12)


@pytest.mark.parametrize("occurrence", [-1, 2])
def test_an_occurrence_that_does_not_exist_is_refused(occurrence: int) -> None:
    with pytest.raises(ConceptNotMentioned, match=f"Occurrence {occurrence}"):
        bind_concepts("a fox and a fox", [FOX], occurrences={"rusty": occurrence})


def test_an_occurrence_for_another_concept_is_refused() -> None:
    with pytest.raises(UnknownConcept, match="'rusti'"):
        bind_concepts("a fox", [FOX], occurrences={"rusti": 0})


def test_a_word_inside_a_longer_one_is_not_its_mention() -> None:
    bound = bind_concepts("a straw hat, a hat, a straw hat", [HAT, STRAW_HAT], occurrences={"sunny": 1})
    assert [(mention.concept_id, mention.start) for mention in bound.mentions] == [("bowler", 15), ("sunny", 22)]


def test_a_word_only_inside_a_longer_one_collides() -> None:
    with pytest.raises(CollidingConcepts, match="'bowler'"):
        bind_concepts("a straw hat", [HAT, STRAW_HAT])


def test_words_that_overlap_collide() -> None:
    with pytest.raises(CollidingConcepts, match="overlap"):
        bind_concepts("a night sky blue", [a_concept("night", "night sky"), a_concept("blue", "sky blue")])


@pytest.mark.parametrize("other", ["fox", "Fox", "FOX"])
def test_two_concepts_with_one_word_collide_even_if_it_occurs_twice(other: str) -> None:
    with pytest.raises(CollidingConcepts, match="'rusty' and 'vixen' have the same word"):
        bind_concepts("a fox and a fox", [FOX, a_concept("vixen", other)], occurrences={"rusty": 0, "vixen": 1})


def test_a_concept_given_twice_collides() -> None:
    with pytest.raises(CollidingConcepts):
        bind_concepts("a fox", [FOX, FOX])


separators = st.text(st.sampled_from(" ,.!?'\"(—🦊\n"), min_size=1, max_size=4)
plain_words = st.from_regex(r"[a-zäéßабв0-9]{1,8}", fullmatch=True)


@st.composite
def prompts(draw: st.DrawFn) -> tuple[str, list[Concept], dict[str, int]]:
    """A prompt of different words between separators; concepts for some of them; where each of these stands."""
    spoken = draw(st.lists(plain_words, min_size=1, max_size=6, unique_by=str.casefold))
    prompt, starts = draw(separators), []
    for word in spoken:
        starts.append(len(prompt))
        prompt += word + draw(separators)
    chosen = draw(st.lists(st.sampled_from(range(len(spoken))), unique=True))
    concepts = [a_concept(f"c{index}", spoken[index]) for index in chosen]
    return prompt, concepts, {f"c{index}": starts[index] for index in chosen}


@given(prompts(), st.randoms())
def test_spans_slice_exactly_to_the_words_whatever_the_order_of_concepts(
    case: tuple[str, list[Concept], dict[str, int]], random: Random
) -> None:
    prompt, concepts, starts = case
    bound = bind_concepts(prompt, concepts)
    assert bound.prompt == prompt
    assert words(bound) == {concept.id: concept.word for concept in concepts}
    assert {mention.concept_id: mention.start for mention in bound.mentions} == starts
    shuffled = sorted(concepts, key=lambda _: random.random())
    assert bind_concepts(prompt, shuffled) == bound


@given(plain_words, plain_words, plain_words)
def test_letters_on_either_side_make_another_word(before: str, word: str, after: str) -> None:
    assume(word.casefold() not in (before + word + after).casefold().replace(word.casefold(), "", 1))
    assert find_word(before + word, word) == find_word(word + after, word) == ()
    assert find_word(f"{before}-{word}", word) == find_word(f"{word}-{after}", word) == ()


@pytest.fixture(scope="module")
def bank(tmp_path_factory: pytest.TempPathFactory) -> ConceptBank:
    """rusty and vixen are foxes, night-sky is the moonlight."""
    folder = tmp_path_factory.mktemp("handles")
    bank = ConceptBank(folder / "bank")
    for concept in (FOX, a_concept("vixen", "fox"), a_concept("night-sky", "moonlight")):
        add_concept(bank, concept, folder / "workshop")
    return bank


@pytest.mark.parametrize(
    ("prompt", "expanded", "start"),
    [
        ("a @rusty waving", "a fox waving", 2),
        ("@Rusty, waving", "fox, waving", 0),
        ("here is @RUSTY.", "here is fox.", 8),
        ("(@rusty)", "(fox)", 1),
        ("@rusty's hat", "fox's hat", 0),
        ("@rusty—waving", "fox—waving", 0),
        ("@rusty- and more", "fox- and more", 0),
        ("🦊 @rusty", "🦊 fox", 2),
        ("a fox and @rusty", "a fox and fox", 10),
        ("@rusty and a fox", "fox and a fox", 0),
        ("me@night.org @ @rusty", "me@night.org @ fox", 15),
    ],
)
def test_a_handle_becomes_its_word_and_is_bound_to_just_that(
    bank: ConceptBank, prompt: str, expanded: str, start: int
) -> None:
    bound = expand_handles(prompt, bank)
    assert bound.prompt == expanded
    (mention,) = bound.mentions
    assert (mention.concept_id, mention.start, mention.stop) == ("rusty", start, start + 3)


def test_several_handles_are_bound_each_to_its_own_word(bank: ConceptBank) -> None:
    bound = expand_handles("by @night-sky: @rusty", bank)
    assert bound.prompt == "by moonlight: fox"
    assert words(bound) == {"night-sky": "moonlight", "rusty": "fox"}


def test_a_prompt_without_handles_stays_as_it_is(bank: ConceptBank) -> None:
    assert expand_handles("a fox @ home", bank) == BoundPrompt(prompt="a fox @ home")


@pytest.mark.parametrize(
    ("prompt", "message"),
    [
        ("a @rusti waving", "'rusti'.*did you mean rusty"),
        ("a @rusty-waving", "'rusty-waving'"),
        ("@füchslein", "@füchslein names no concept"),
        ("@a_b", "@a_b names no concept"),
    ],
)
def test_an_unknown_handle_is_an_error_that_helps(bank: ConceptBank, prompt: str, message: str) -> None:
    with pytest.raises(UnknownConcept, match=message):
        expand_handles(prompt, bank)


def test_a_handle_that_stands_there_twice_is_refused(bank: ConceptBank) -> None:
    with pytest.raises(AmbiguousMention, match="Name it once"):
        expand_handles("@rusty and @Rusty", bank)


def test_handles_of_two_concepts_with_one_word_collide(bank: ConceptBank) -> None:
    with pytest.raises(CollidingConcepts, match="'rusty' and 'vixen'"):
        expand_handles("@rusty and @vixen", bank)


def test_words_beside_hide_what_stands_inside_them() -> None:
    fox = a_concept("rusty", "fox")
    bound = bind_concepts("a second fox and a fox", [fox], beside=["second fox", "fox"])
    assert [(mention.start, mention.stop) for mention in bound.mentions] == [(19, 22)]
    with pytest.raises(CollidingConcepts, match="only inside"):
        bind_concepts("a second fox", [fox], beside=["second fox"])
