"""Sentences are found in every script, and nothing is lost between them."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from story.sentences import cut_at_word, paragraphs_of, sentences_of


@pytest.mark.parametrize(
    ("paragraph", "sentences"),
    [
        ('"Stop!" he said. Then he ran.  What now?\nNobody knew…', 4),
        ("Mr. Fox ate 3.5 apples.", 1),
        ("„Halt!“, rief er. „Nein!“ Ende.", 3),
        ("여우가 멈췄다. 왜 그랬을까? 끝!", 3),
        ("狐は止まった。「どうして？」終わり。", 3),
        ("توقف الثعلب. هل سمعت؟ نعم!", 3),
        ("no end", 1),
        ("", 0),
    ],
)
def test_sentences_of_every_script(paragraph: str, sentences: int) -> None:
    found = sentences_of(paragraph)
    assert len(found) == sentences, found
    assert "".join(text + gap for text, gap in found) == paragraph


@given(st.text(alphabet=st.sampled_from('aB .!?\n"”。」؟…1é')))
def test_nothing_is_lost_or_added(text: str) -> None:
    for paragraph in paragraphs_of(text):
        found = sentences_of(paragraph)
        assert "".join(words + gap for words, gap in found) == paragraph
        assert all(words.strip() for words, _ in found)


def test_blank_lines_part_paragraphs() -> None:
    assert paragraphs_of("\n One.\n \n\nTwo,\nstill two.\n\n") == ("One.", "Two,\nstill two.")
    assert paragraphs_of(" \n ") == ()


@pytest.mark.parametrize(
    ("text", "most", "cut"),
    [
        ("The Fox", 7, "The Fox"),
        ("The Fox, who slept", 8, "The Fox"),
        ("The Fox and I", 10, "The Fox"),
        ("The Fox and I", 11, "The Fox and"),
        ("Leuchtturm", 5, "Leuch"),
        ("狐狸和大海，和风", 6, "狐狸和大海"),
        ("किताब", 3, "कि"),
    ],
)
def test_a_text_is_cut_between_words_and_no_mark_from_its_letter(text: str, most: int, cut: str) -> None:
    assert cut_at_word(text, most) == cut
