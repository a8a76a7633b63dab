"""Renders the language model's prompts from `templates/prompts/`.

Knows the templates' variables and nothing of answers. Whatever a person typed goes into a template through `tojson`
only, as a quoted string, so that it can end neither its quotes nor the paragraph it stands in.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined, TemplateError

from concepts.lexicon import Lexicon
from story.errors import StoryError
from story.llm import Message
from story.schema import StoryRequest


class StoryPrompts:
    """The conversations a story is asked for with."""

    def __init__(self, templates_dir: Path, *, lexicon: Lexicon, max_tokens: int) -> None:
        """Args:
        templates_dir: The folder that holds `prompts/`.
        lexicon: What the picture model can draw.
        max_tokens: Tokens that fit the picture model's text encoder.
        """
        self.templates_dir = templates_dir
        self.lexicon = lexicon
        self.max_tokens = max_tokens
        self._environment = Environment(
            loader=FileSystemLoader(templates_dir / "prompts"),
            autoescape=False,
            undefined=StrictUndefined,
            trim_blocks=True,
            lstrip_blocks=True,
        )
        self._environment.policies["json.dumps_kwargs"] = {"ensure_ascii": False, "sort_keys": True}

    def for_story(self, request: StoryRequest) -> list[Message]:
        """The conversation that asks for a whole story."""
        catalog = [card.model_dump() for card in request.catalog]
        system = self._render("system.j2", {"lexicon": self.lexicon.model_dump(), "max_tokens": self.max_tokens})
        variables = {
            "idea": request.idea,
            "catalog": catalog,
            "cast": [card.id for card in request.cast],
            "pages": request.pages,
            "age": request.age,
        }
        return [Message("system", system), Message("user", self._render("story.j2", variables))]

    def for_second_try(self, asked: Sequence[Message], *, raw: str, problem: str) -> list[Message]:
        """The conversation that asks for the whole story again, after an answer that could not be read."""
        again = Message("user", self._render("again.j2", {"problem": problem}))
        return [*asked, Message("assistant", raw or "(no answer)"), again]

    def for_repair(
        self, asked: Sequence[Message], *, written: str, failures: Mapping[int, Sequence[str]]
    ) -> list[Message]:
        """The conversation that asks for single scenes again.

        Args:
            asked: The conversation that asked for the story.
            written: The story so far as JSON, so that what is mended fits it.
            failures: What is wrong, by page; 0 is the cover.
        """
        repair = self._render("repair.j2", {"failures": {page: list(text) for page, text in failures.items()}})
        return [*asked, Message("assistant", written), Message("user", repair)]

    def _render(self, name: str, variables: Mapping[str, object]) -> str:
        try:
            return self._environment.get_template(name).render(variables).strip()
        except TemplateError as error:
            raise StoryError(
                f"The prompt template {str(self.templates_dir / 'prompts' / name)!r} cannot be rendered: {error!r}. "
                "It may use the variables that templates/prompts/README.md lists and no others. Restore or correct it."
            ) from error
