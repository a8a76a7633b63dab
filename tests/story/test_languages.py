"""Language tags, their direction, and stories in one language or two."""

import pytest
from pydantic import ValidationError

from story.languages import check_language, direction_of, primary_language
from story.schema import Page, Scene, Story

SCENE = Scene(prompt="a fox in the snow", alt="Rusty in the snow.")


def a_story(*, second_text: str = "", **changes: object) -> Story:
    page = Page(text="Der Fuchs ging los.", second_text=second_text, scene=SCENE)
    return Story.model_validate({"title": "Los", "language": "de", "cover": SCENE, "pages": (page,)} | changes)


@pytest.mark.parametrize(
    ("tag", "direction"),
    [("en", "ltr"), ("ar", "rtl"), ("he-IL", "rtl"), ("az-Arab", "rtl"), ("ar-Latn", "ltr"), ("ko", "ltr")],
)
def test_direction_goes_by_the_script_and_else_by_the_language(tag: str, direction: str) -> None:
    assert direction_of(tag) == direction


def test_the_primary_language_leaves_script_and_region_out() -> None:
    assert primary_language("DE-AT") == "de"


@pytest.mark.parametrize("tag", ["", "e", "german!", "en_GB", '"><script>'])
def test_what_is_no_tag_is_refused(tag: str) -> None:
    with pytest.raises(ValueError, match="no language tag"):
        check_language(tag)
    with pytest.raises(ValidationError, match="no language tag"):
        a_story(language=tag)


def test_a_bilingual_story_knows_both_directions() -> None:
    story = a_story(second_language="ar", second_title="هيا", second_text="مشى الثعلب.")
    assert (story.direction, story.second_direction) == ("ltr", "rtl")
    assert a_story().second_direction is None


def test_a_second_language_is_whole_or_absent() -> None:
    with pytest.raises(ValidationError, match="no text in the second language, 'en'"):
        a_story(second_language="en", second_title="Off")
    with pytest.raises(ValidationError, match="second_language is not set"):
        a_story(second_text="The fox set off.")
    with pytest.raises(ValidationError, match="both 'de'"):
        a_story(second_language="de", second_title="Los", second_text="Der Fuchs ging los.")
