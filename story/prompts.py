"""Renders the language model's prompts from `templates/prompts/`: a person's own first, then the shipped ones.

Knows the templates' variables and nothing of answers. Whatever a person or a model wrote goes into a template through
`tojson` only, as a quoted string, so that it can end neither its quotes nor the paragraph it stands in. Templates run
in Jinja's sandbox, since a folder of templates may come from somebody else.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path

from jinja2 import FileSystemLoader, StrictUndefined, TemplateError
from jinja2.sandbox import ImmutableSandboxedEnvironment

from concepts.lexicon import Lexicon
from concepts.schema import ConceptCard
from story.answers import MAX_ALT_CHARACTERS, MAX_LINE_CHARACTERS, MAX_LINES, max_text_characters
from story.draft import Beat, Draft, Outline, Shown, Text
from story.errors import StoryError
from story.languages import name_of
from story.llm import Message
from story.schema import LineupMember, StoryRequest
from story.templates import TEMPLATES_DIR


class StoryPrompts:
    """The conversations that stories, and other captions for a picture, are asked for with."""

    def __init__(self, templates_dir: Path, *, lexicon: Lexicon | None, max_tokens: int) -> None:
        """Args:
        templates_dir: Its folder `prompts` has what a person changed; all that is not there is the shipped one.
        lexicon: What the picture model can draw, where it says so.
        max_tokens: Tokens that fit the picture model's text encoder.
        """
        self.templates_dir = templates_dir
        self.lexicon = lexicon
        self.max_tokens = max_tokens
        self._environment = ImmutableSandboxedEnvironment(
            loader=FileSystemLoader((templates_dir / "prompts", TEMPLATES_DIR / "prompts")),
            autoescape=False,
            undefined=StrictUndefined,
            trim_blocks=True,
            lstrip_blocks=True,
        )
        self._environment.policies["json.dumps_kwargs"] = {"ensure_ascii": False, "sort_keys": True}

    def check(self) -> None:
        """Render every template once, so that a faulty one is known before anything is loaded or asked.

        Raises:
            StoryError: One cannot be rendered.
        """
        card = ConceptCard(id="fox", name="Fox", word="fox", kind="character", caption="a fox")
        request = StoryRequest(idea="a fox", catalog=(card,), cast=(card,), language="de", second_language="en")
        beat = Beat(beat="He goes.", who=(LineupMember(name="Fox", word="fox", concept="fox"),), place="in the snow")
        draft = Draft(
            key="",
            outline=Outline(title="Fox", second_title="Fox", lineup=beat.who, beats=(beat, beat)),
            texts={1: Text(text="He goes.", second_text="He goes.")},
            scenes={number: Shown(prompt="a fox in the snow", concepts=("fox",)) for number in (0, 1)},
        )
        asked = self.for_outline(request)
        assert draft.outline is not None
        self.for_texts(request, draft.outline, [1])
        self.for_scenes(request, draft, [0, 1])
        self.for_alts(request, draft, [0, 1])
        self.for_repair(asked, written="", failures={1: ["it is empty"]}, problem="it is no JSON")
        asked = self.for_paraphrases("a fox", ["fox"], num=1)
        self.for_paraphrases_again(asked, written="", refused={"a dog": "it is no fox"}, problem="it is short", num=1)

    def for_outline(self, request: StoryRequest) -> list[Message]:
        """The conversation that asks for a book's plan."""
        return self._asked("outline.j2", {
            "idea": request.idea,
            "catalog": [card.model_dump() for card in request.catalog],
            "cast": [card.id for card in request.cast],
            "pages": request.pages,
            "age": request.age,
            **_languages(request),
        })  # fmt: skip

    def for_texts(self, request: StoryRequest, outline: Outline, numbers: Sequence[int]) -> list[Message]:
        """The conversation that asks for the texts of these pages."""
        return self._asked("texts.j2", {
            "numbers": list(numbers),
            "idea": request.idea,
            "outline": outline.model_dump(),
            "age": request.age,
            "max_characters": max_text_characters(request.age),
            "max_lines": MAX_LINES if request.speech else 0,
            "max_line_characters": MAX_LINE_CHARACTERS,
            **_languages(request),
        })  # fmt: skip

    def for_scenes(self, request: StoryRequest, draft: Draft, numbers: Sequence[int]) -> list[Message]:
        """The conversation that asks for the prompts of these pages' pictures; the draft has its outline and texts."""
        return self._asked("scenes.j2", {
            "numbers": list(numbers),
            "catalog": [card.model_dump() for card in request.catalog],
            "pages": [_told(draft, number) for number in numbers],
            "max_tokens": self.max_tokens,
        })  # fmt: skip

    def for_alts(self, request: StoryRequest, draft: Draft, numbers: Sequence[int]) -> list[Message]:
        """The conversation that asks for these pictures in words; the draft has all but them."""
        pages = [{"prompt": draft.scenes[number].prompt} | _told(draft, number) for number in numbers]
        return self._asked("alts.j2", {
            "numbers": list(numbers),
            "pages": [{key: page[key] for key in ("number", "text", "prompt", "who")} for page in pages],
            "language": name_of(request.language),
            "max_characters": MAX_ALT_CHARACTERS,
        })  # fmt: skip

    def for_repair(
        self, asked: Sequence[Message], *, written: str, failures: Mapping[int, Sequence[str]], problem: str
    ) -> list[Message]:
        """The conversation that asks for single pages again.

        Args:
            asked: The conversation that asked for them first.
            written: What is there so far as JSON, so that what is mended fits it.
            failures: What is wrong, by page; 0 is the cover.
            problem: Why the last answer could not be read; empty when it could.
        """
        variables = {"problem": problem, "failures": {page: list(text) for page, text in failures.items()}}
        again = Message("user", self._render("repair.j2", variables))
        return [*asked, Message("assistant", written or "(no answer)"), again]

    def for_paraphrases(self, caption: str, words: Sequence[str], *, num: int) -> list[Message]:
        """The conversation that asks for other captions of a picture, which name concepts by these words."""
        variables = {"caption": caption, "words": list(words), "num": num, "max_tokens": self.max_tokens}
        return [Message("user", self._render("paraphrases.j2", variables))]

    def for_paraphrases_again(
        self, asked: Sequence[Message], *, written: str, refused: Mapping[str, str], problem: str, num: int
    ) -> list[Message]:
        """The conversation that asks for some more.

        Args:
            asked: The conversation that asked for them first.
            written: What was answered, as JSON; empty where that could not be read.
            refused: What is wrong, by caption.
            problem: Why the answer could not be read; empty when it could.
            num: How many more.
        """
        variables = {"problem": problem, "refused": dict(refused), "num": num}
        again = Message("user", self._render("paraphrases_again.j2", variables))
        return [*asked, Message("assistant", written or "(no answer)"), again]

    def _asked(self, name: str, variables: Mapping[str, object]) -> list[Message]:
        system = self._render("system.j2", {"lexicon": self.lexicon.model_dump() if self.lexicon else None})
        return [Message("system", system), Message("user", self._render(name, variables))]

    def _render(self, name: str, variables: Mapping[str, object]) -> str:
        try:
            return self._environment.get_template(name).render(variables).strip()
        except (TemplateError, TypeError, ValueError, ArithmeticError) as error:
            raise StoryError(
                f"The prompt template {name!r} cannot be rendered: {error!r}. It may use the variables that "
                f"templates/prompts/README.md lists alone. Correct it in {str(self.templates_dir / 'prompts')!r}."
            ) from error


def _languages(request: StoryRequest) -> dict[str, object]:
    second = request.second_language
    return {"language": name_of(request.language), "second_language": name_of(second) if second else None}


def _told(draft: Draft, number: int) -> dict[str, object]:
    """What a picture is drawn for; the cover's text is the title."""
    assert draft.outline is not None
    beat = draft.outline.beats[number]
    text = draft.texts[number].text if number else draft.outline.title
    return {"number": number, "text": text, **beat.model_dump()}
