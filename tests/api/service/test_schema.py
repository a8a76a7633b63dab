"""Requests take what JSON Schema says they take: bounds are told where they hold, and no word or truth is a number."""

from typing import Any

import pytest
from pydantic import BaseModel, ValidationError

from api.service.book_state import BookEdit
from api.service.schema import BindRequest, BookRequest, DrawRequest, ImagesRequest, SceneRequest, StoryEdit


@pytest.mark.parametrize(
    ("model", "body"),
    [
        (SceneRequest, {"prompt": "a fox", "seed": False}),
        (SceneRequest, {"prompt": "a fox", "seed": "7"}),
        (SceneRequest, {"prompt": "a fox", "width": 32.5}),
        (SceneRequest, {"prompt": "a fox", "width": 40}),
        (SceneRequest, {"prompt": "a fox", "num_inference_steps": True}),
        (SceneRequest, {"prompt": "a fox", "concept_guidance_scale": 0.5}),
        (SceneRequest, {"prompt": "a fox", "concept_guidance_scale": "2"}),
        (SceneRequest, {"prompt": "a fox", "strengths": {"rusty": True}}),
        (BookRequest, {"idea": "a fox", "pages": "8"}),
        (BookRequest, {"idea": "a fox", "second_language": ""}),
        (BookRequest, {"idea": "a fox", "design": {"dyslexia": 1}}),
        (BookRequest, {"idea": "a fox", "design": {"panels": True}}),
        (BookEdit, {"pages": [{"id": "p1", "is_locked": "yes"}]}),
        (StoryEdit, {"order": [True]}),
        (DrawRequest, {"pages": ["p1"], "candidates": "2"}),
        (BindRequest, {"look": {"strengths": {"rusty": 0.5}}}),
        (ImagesRequest, {"prompt": "a fox", "n": True}),
    ],
)
def test_what_cannot_be_meant_is_refused(model: type[BaseModel], body: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        model.model_validate(body)


def test_a_whole_number_may_have_a_point() -> None:
    scene = SceneRequest.model_validate({"prompt": "a fox", "seed": 7.0, "width": 32.0})
    assert (scene.seed, scene.width) == (7, 32) and isinstance(scene.seed, int) and isinstance(scene.width, int)


def test_bounds_are_in_the_schema() -> None:
    scene, book = (model.model_json_schema()["properties"] for model in (SceneRequest, BookRequest))
    assert scene["seed"]["maximum"] == 2**32 - 1
    assert scene["width"]["anyOf"][0] == {"type": "integer", "minimum": 16, "maximum": 2048, "multipleOf": 16}
    assert scene["strengths"]["additionalProperties"] is False
    assert book["cast"]["items"]["pattern"] == "^[a-z0-9]+(-[a-z0-9]+)*$"
    assert book["pages"]["minimum"] == 4 and "pattern" in book["language"]
