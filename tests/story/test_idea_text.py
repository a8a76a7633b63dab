"""Ideas become plain sentences: without markup, asides, ages and the words that ask for a story."""

import pytest

from story.idea_text import MAX_IDEA_LENGTH, MAX_SENTENCE_LENGTH, clean_idea, plain_sentences, spelt_out


def test_cleaning_drops_markup_controls_and_braces_and_shortens_at_a_word() -> None:
    assert clean_idea('<script>a {fox}\x00\n "runs"</script>') == "a fox runs"
    long = clean_idea("seven foxes " * 100)
    assert len(long) <= MAX_IDEA_LENGTH
    assert long.endswith(("seven", "foxes"))


def test_what_stands_in_brackets_is_an_aside_unless_nothing_else_is_there() -> None:
    assert clean_idea("Emma (5) and her brother (who is three) sing") == "Emma and her brother sing"
    assert clean_idea("(a fox)") == "a fox"


def test_a_long_idea_is_cut_at_the_end_of_a_sentence_and_a_long_sentence_at_that_of_a_clause() -> None:
    cut = clean_idea("A fox wants to fly. " * 60)
    assert MAX_IDEA_LENGTH - 20 < len(cut) <= MAX_IDEA_LENGTH
    assert cut.endswith("A fox wants to fly")
    (sentence,) = plain_sentences("a fox who wants to fly, " * 12)
    assert 100 < len(sentence) <= MAX_SENTENCE_LENGTH
    assert sentence.endswith("fly")


@pytest.mark.parametrize(
    ("idea", "sentences"),
    [
        ("A fox sings. A cat hums! Who dances?", ("A fox sings", "A cat hums", "Who dances")),
        ("Mr. Brown and Mrs. Fox meet J. Hill. They sing", ("Mr Brown and Mrs Fox meet J Hill", "They sing")),
        ("A fox.\n\nShe sings", ("A fox", "She sings")),
        ("Tell me a story. A fox sings.", ("A fox sings",)),
        ("a book of spells", ("spells",)),
        ("a story", ("a story",)),
    ],
)
def test_an_idea_is_parted_into_sentences(idea: str, sentences: tuple[str, ...]) -> None:
    assert plain_sentences(clean_idea(idea)) == sentences


@pytest.mark.parametrize(
    ("sentence", "plain"),
    [
        ("a rabbit who's afraid", "a rabbit who is afraid"),
        ("a rabbit who's lost her hat", "a rabbit who has lost her hat"),
        ("Tom, who is 3", "Tom"),
        ("Twin foxes race", "two foxes race"),
        ("the twin brother of a fox", "the twin brother of a fox"),
        ("the twin wants a dog", "the twin wants a dog"),
        ("twin princess wants to fly", "twin princess wants to fly"),
        ("Emma, 5, wants to fly", "Emma, wants to fly"),
        ("my 5 year old daughter Ella", "my daughter Ella"),
        ("a five-year-old who sings", "a child who sings"),
        ("3 little pigs", "3 little pigs"),
        ("a cat, who is called Bo, sings", "a cat called Bo, sings"),
        ("a cat whose name is Bo", "a cat called Bo"),
    ],
)
def test_ages_and_short_forms_are_spelt_out(sentence: str, plain: str) -> None:
    assert spelt_out(sentence) == plain
