"""The benchmark's questions: what captions say of concepts, and that a case asks what its task says."""

from collections import Counter

import pytest

from benchmarks.concepts.cases import LIGHT_WORD, MATERIAL_WORD, POSE_WORD, TASKS, Case, Task, make_cases, make_sources
from concepts.binding import find_word
from pocket.world import captions, schema

SINGLE = make_sources(20, multi=False, seed=3)
MULTI = make_sources(20, multi=True, seed=3)
CASES = make_cases(SINGLE, MULTI, seed=3)


def of_task(task: str) -> list[Case]:
    return [case for case in CASES if case.task == task]


def test_equal_seeds_give_equal_cases() -> None:
    again = make_cases(make_sources(20, multi=False, seed=3), make_sources(20, multi=True, seed=3), seed=3)
    assert again == CASES


def test_sources_show_combinations_that_training_never_drew() -> None:
    assert all(schema.combination_is_held_out(source.scene) for source in (*SINGLE, *MULTI))


def test_single_pictures_have_one_concept_and_the_others_two_objects_and_not() -> None:
    assert {len(source.concepts) for source in SINGLE} == {1}
    assert {len(source.concepts) for source in MULTI} == {2}
    kinds = Counter(concept.kind for source in (*SINGLE, *MULTI) for concept in source.concepts)
    assert set(kinds) == {"character", "clothing", "pose", "material", "lighting"}


@pytest.mark.parametrize("source", [*SINGLE, *MULTI], ids=lambda source: source.name)
def test_a_caption_names_each_concept_once_and_never_what_it_looks_like(source) -> None:
    words = source.caption.split()
    for concept in source.concepts:
        assert words.count(concept.word) == 1
        figure = source.scene.characters[concept.figure]
        if concept.kind == "character":
            assert f"{figure.look.colour} {figure.kind}" not in source.caption
        if concept.kind == "pose":
            assert figure.pose not in words
        if concept.kind == "material":
            assert figure.look.pattern not in words
        if concept.kind == "lighting":
            assert captions.LIGHT_WORDS[source.scene.light] not in words


def test_each_task_takes_its_concepts_from_the_pictures_that_it_should() -> None:
    assert {len(of_task(task)) for task in TASKS} == {20}
    for case in CASES:
        assert len(case.concepts) == 2
        assert len(case.sources) == (1 if case.task == "decomposition" else 2)
        assert {len(source.concepts) for source in case.sources} == {1 if case.task == "composition" else 2}


@pytest.mark.parametrize("task", ["composition", "full"])
def test_each_picture_meets_two_others(task: Task) -> None:
    pairs = [frozenset(source.name for source in case.sources) for case in of_task(task)]
    assert len(set(pairs)) == len(pairs)
    assert set(Counter(name for pair in pairs for name in pair).values()) == {2}


def test_more_pictures_keep_the_cases_of_fewer() -> None:
    assert set(make_cases(SINGLE[:8], MULTI[:8], seed=3)) <= set(CASES)


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_a_prompt_names_its_concepts_and_nothing_that_would_give_them_away(case: Case) -> None:
    named = {mention.concept_id: case.prompt.prompt[mention.start : mention.stop] for mention in case.prompt.mentions}
    assert named == {concept.id: concept.word for concept in case.concepts}
    assert case.wanted.place not in {source.scene.place for source in case.sources}
    assert len({concept.word for concept in case.concepts}) == 2


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_the_wanted_picture_shows_each_concept_as_its_source_does(case: Case) -> None:
    for concept, carrier in zip(case.concepts, case.carriers, strict=True):
        source = case.source_of(concept).scene
        wanted, original = case.wanted.characters[carrier], source.characters[concept.figure]
        if concept.kind == "character":
            assert (wanted.kind, wanted.look) == (original.kind, original.look)
        elif concept.kind == "clothing":
            assert wanted.clothing == original.clothing
        elif concept.kind == "pose":
            assert wanted.pose == original.pose
        elif concept.kind == "material":
            assert (wanted.look.pattern, wanted.look.accent) == (original.look.pattern, original.look.accent)
        else:
            assert (case.wanted.light, case.wanted.light_hue) == (source.light, source.light_hue)


def test_the_words_of_pose_material_and_light_mean_nothing_to_the_model() -> None:
    assert {POSE_WORD, MATERIAL_WORD, LIGHT_WORD} <= set(captions.FILLER_WORDS)


def test_no_caption_of_a_case_says_a_word_of_its_other_picture() -> None:
    pairs = [case.sources for case in CASES if len(case.sources) == 2]
    assert len(pairs) >= 14
    for first, second in pairs:
        assert not any(find_word(second.caption, concept.word) for concept in first.concepts)
        assert not any(find_word(first.caption, concept.word) for concept in second.concepts)
