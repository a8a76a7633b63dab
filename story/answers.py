"""The shapes that a language model answers in, one for each stage, made for one request.

What a provider is told is strict: everything has to come, concept ids are enumerations, lists have their length. What
is read is lenient: an item that breaks such a rule, or leaves out what may be empty, is still read, so that the checks
can say what is wrong with it. Knows no rules about what the words say.
"""

from collections.abc import Mapping, Sequence
from typing import Annotated, Any, Literal, TypeVar

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError, create_model, model_validator
from pydantic_core import from_json

from story.checks import MAX_CHARACTERS
from story.llm import json_part
from story.schema import StoryRequest

COVER = 0
"""Number of the cover where pages are counted from 1."""
MAX_TITLE_CHARACTERS = 80
MAX_NAME_CHARACTERS = 40
MAX_PHRASE_CHARACTERS = 60
MAX_BEAT_CHARACTERS = 300
MAX_PROMPT_CHARACTERS = 300
MAX_ALT_CHARACTERS = 300
MAX_CHARACTERS_IN_STORY = 6
MAX_CONCEPTS = 6
MAX_LINES = 2
MAX_LINE_CHARACTERS = 90

Item = TypeVar("Item", bound=BaseModel)


def max_text_characters(age: int) -> int:
    """The longest text of a page for an age in years, in characters."""
    return 500 if age <= 4 else 700 if age <= 7 else 1000


def _strictly(schema: dict[str, Any]) -> None:
    """What providers are told: all of this has to come, and nothing else."""
    schema |= {"additionalProperties": False, "required": [*schema["properties"]]}
    for field in schema["properties"].values():
        field.pop("default", None)


class _Answer(BaseModel):
    """What comes beside the fields is ignored; what is null is as if it had not come."""

    model_config = ConfigDict(json_schema_extra=_strictly)

    @model_validator(mode="before")
    @classmethod
    def _without_nulls(cls, data: Any) -> Any:
        return {key: value for key, value in data.items() if value is not None} if isinstance(data, dict) else data


def _one_of(*choices: str, otherwise: str) -> BeforeValidator:
    """One of a few words in any case, and one of them for everything else."""

    def chosen(value: object) -> str:
        word = value.strip().lower() if isinstance(value, str) else ""
        return word if word in choices else otherwise

    return BeforeValidator(chosen)


def _each(kind: type) -> BeforeValidator:
    """What can be read of a list; one item alone is a list of one."""

    def taken(value: object) -> list[object]:
        return [item for item in (value if isinstance(value, list) else [value]) if isinstance(item, kind)]

    return BeforeValidator(taken)


_Strings = Annotated[list[str], _each(str)]


def _text(description: str, most: int) -> Any:
    return Field(description=description, json_schema_extra={"maxLength": most})


def _optional(description: str, most: int) -> Any:
    return Field(default="", description=description, json_schema_extra={"maxLength": most})


class CharacterAnswer(_Answer):
    """Somebody of the story."""

    name: str = _optional("its name, in the story's language", MAX_NAME_CHARACTERS)
    concept: str = Field(default="", description="id of its concept; empty for none")
    noun: str = _optional("the one English word that draws it, such as fox", MAX_NAME_CHARACTERS)
    look: str = _optional("English adjectives, such as small red; empty for a concept", MAX_PHRASE_CHARACTERS)
    size: Annotated[Literal["small", "medium", "big"], _one_of("small", "medium", "big", otherwise="medium")] = Field(
        default="medium", description="beside the others"
    )
    pronoun: Annotated[Literal["she", "he", "it", "they"], _one_of("she", "he", "it", "they", otherwise="they")] = (
        "they"
    )
    wears: str = _optional("in English with its article, such as a scarf; may be empty", MAX_PHRASE_CHARACTERS)


class DressedAnswer(_Answer):
    """Somebody who changes clothes."""

    name: str = _optional("who", MAX_NAME_CHARACTERS)
    wears: str = _optional(
        "what from this page on, in English with its article; empty for nothing", MAX_PHRASE_CHARACTERS
    )


class BeatAnswer(_Answer):
    """What happens on a page."""

    number: int = Field(description="the page's number, from 1")
    beat: str = _optional("what happens, one plain sentence in the story's language", MAX_BEAT_CHARACTERS)
    who: _Strings = Field(
        default=[],
        description="names of the one or two characters in the picture",
        json_schema_extra={
            "items": {"type": "string", "maxLength": MAX_NAME_CHARACTERS}, "minItems": 1, "maxItems": MAX_CHARACTERS,
        },
    )  # fmt: skip
    place: str = _optional("where, as prompts say it in English, such as in the snow", MAX_PHRASE_CHARACTERS)
    changes: Annotated[list[DressedAnswer], _each(dict)] = Field(
        default=[],
        description="who is dressed otherwise from this page on; mostly empty",
        json_schema_extra={"maxItems": MAX_CHARACTERS},
    )


class OutlineAnswer(_Answer):
    """The plan of a book."""

    title: str = _text("the book's title, at most seven words, in the story's language", MAX_TITLE_CHARACTERS)
    characters: list[CharacterAnswer]
    pages: list[BeatAnswer]


class LineAnswer(_Answer):
    """What somebody says in a balloon."""

    who: str = _optional("name of the character in the picture who says it", MAX_NAME_CHARACTERS)
    words: str = _optional("the words alone, without quotes, in the story's language", MAX_LINE_CHARACTERS)


_Lines = Annotated[list[LineAnswer], _each(dict)]


class TextAnswer(_Answer):
    """What is read aloud on a page."""

    number: int
    text: str = _text("what is read aloud on this page", 1000)
    second_text: str = ""
    speech: _Lines = []


class SceneAnswer(_Answer):
    """What a picture shows."""

    number: int = Field(description="the page's number; 0 is the cover")
    prompt: str = _text("what the picture model is given, in English", MAX_PROMPT_CHARACTERS)
    concepts: _Strings = Field(default=[], description="ids of the concepts in the picture")


class AltAnswer(_Answer):
    """A picture in words."""

    number: int = Field(description="the page's number; 0 is the cover")
    alt: str = _text("the picture in a sentence, in the story's language", MAX_ALT_CHARACTERS)


def outline_schema(request: StoryRequest) -> type[BaseModel]:
    """The shape of an outline: concepts of characters are an enumeration of the bank's."""
    ids = [card.id for card in request.catalog if card.kind == "character"]
    concept = _enumerated(CharacterAnswer, "concept", str, ["", *ids])
    character = create_model("CharacterAnswer", __base__=CharacterAnswer, concept=concept)
    fields: dict[str, Any] = {
        "characters": _listed(character, 1, MAX_CHARACTERS_IN_STORY),
        "pages": _listed(_numbered(BeatAnswer, range(1, request.pages + 1)), request.pages, request.pages),
    }
    if request.second_language is not None:
        fields["second_title"] = (str, _text("the title in the second language", MAX_TITLE_CHARACTERS))
    return create_model("OutlineAnswer", __base__=OutlineAnswer, **fields)


def texts_schema(request: StoryRequest, numbers: Sequence[int]) -> type[BaseModel]:
    """The shape of the texts of these pages, in two languages where the request has two, with speech if wanted."""
    most = max_text_characters(request.age)
    fields: dict[str, Any] = {"text": (str, _text("what is read aloud on this page", most))}
    if request.second_language is not None:
        fields["second_text"] = (str, _text("the same in the second language, paragraph by paragraph", most))
    if request.speech:
        fields["speech"] = (_Lines, Field(default=[], json_schema_extra={"minItems": 0, "maxItems": MAX_LINES}))
    fields["number"] = _enumerated(TextAnswer, "number", int, numbers)
    page = create_model("TextAnswer", __base__=_Answer, **fields)
    return _of_pages("TextsAnswer", page, numbers)


def scenes_schema(request: StoryRequest, numbers: Sequence[int]) -> type[BaseModel]:
    """The shape of these pages' pictures: concept ids are an enumeration of the bank's."""
    ids = [card.id for card in request.catalog]
    page = _numbered(SceneAnswer, numbers)
    described = SceneAnswer.model_fields["concepts"].description
    extra: dict[str, Any] = (
        {"items": {"type": "string", "enum": ids}, "maxItems": MAX_CONCEPTS} if ids else {"maxItems": 0}
    )
    listed: Any = Field(default=[], description=described, json_schema_extra=extra)
    page = create_model("SceneAnswer", __base__=page, concepts=(_Strings, listed))
    return _of_pages("ScenesAnswer", page, numbers)


def alts_schema(request: StoryRequest, numbers: Sequence[int]) -> type[BaseModel]:
    """The shape of these pictures' alternative texts."""
    del request
    return _of_pages("AltsAnswer", _numbered(AltAnswer, numbers), numbers)


def paraphrases_schema(num: int) -> type[BaseModel]:
    """The shape of so many other captions for a picture."""
    extra: dict[str, Any] = {
        "items": {"type": "string", "maxLength": MAX_PROMPT_CHARACTERS}, "minItems": num, "maxItems": num,
    }  # fmt: skip
    listed: Any = Field(default=[], description="the other captions", json_schema_extra=extra)
    return create_model("ParaphrasesAnswer", __base__=_Answer, captions=(_Strings, listed))


def read_paraphrases(raw: str, *, is_whole: bool = True) -> list[str]:
    """The captions in an answer, as far as they can be read; of an answer still coming, those that are finished."""
    listed = read_object(raw, is_whole=is_whole).get("captions")
    return [each for each in listed if isinstance(each, str)] if isinstance(listed, list) else []


def read_object(raw: str, *, is_whole: bool = True) -> Mapping[str, Any]:
    """As much of an answer's JSON object as is there, also when it breaks off or is still coming."""
    try:
        data = from_json(json_part(raw, is_whole=is_whole), allow_partial=True)
    except ValueError:
        return {}
    return data if isinstance(data, dict) else {}


def read_items(raw: str, model: type[Item], *, key: str = "pages", is_whole: bool = True) -> list[Item]:
    """Those items of an answer's list that can be read; of an answer still coming, all but the one under way."""
    listed = read_object(raw, is_whole=is_whole).get(key)
    items = listed if isinstance(listed, list) else []
    read = [_validated(model, item) for item in (items if is_whole else items[:-1])]
    return [item for item in read if item is not None]


def _validated(model: type[Item], data: object) -> Item | None:
    try:
        return model.model_validate(data)
    except ValidationError:
        return None


def _enumerated(model: type[BaseModel], name: str, kind: type, values: Sequence[Any]) -> Any:
    field = model.model_fields[name]
    return (kind, Field(default=field.default, description=field.description, json_schema_extra={"enum": [*values]}))


def _numbered(model: type[Item], numbers: Sequence[int]) -> type[Item]:
    return create_model(model.__name__, __base__=model, number=_enumerated(model, "number", int, numbers))


def _listed(model: type[BaseModel], least: int, most: int) -> Any:
    return (list[model], Field(json_schema_extra={"minItems": least, "maxItems": most}))  # pyright: ignore[reportInvalidTypeForm]


def _of_pages(name: str, page: type[BaseModel], numbers: Sequence[int]) -> type[BaseModel]:
    return create_model(name, __base__=_Answer, pages=_listed(page, len(numbers), len(numbers)))
