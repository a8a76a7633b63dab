"""The templates and plain files that books are made from: a person's own folder first, then the shipped one.

Knows nothing of what is rendered. Everything put into a template is escaped for markup, and templates run in Jinja's
sandbox, since a folder of templates may come from somebody else.
"""

from pathlib import Path

from jinja2 import FileSystemLoader, StrictUndefined, TemplateError
from jinja2.exceptions import SecurityError
from jinja2.sandbox import ImmutableSandboxedEnvironment

from story.errors import BookError

TEMPLATES_DIR = Path(__file__).resolve().parent.parent / "templates"


class Templates:
    """Files by name, such as "book/book.html.j2"."""

    def __init__(self, folder: Path = TEMPLATES_DIR) -> None:
        """Args:
        folder: What a person changed or added; everything it lacks is taken from the shipped folder.
        """
        self._folders = (folder, TEMPLATES_DIR)
        self._environment = ImmutableSandboxedEnvironment(
            loader=FileSystemLoader(self._folders),
            autoescape=True,
            undefined=StrictUndefined,
            trim_blocks=True,
            lstrip_blocks=True,
            keep_trailing_newline=True,
        )

    def render(self, name: str, **variables: object) -> str:
        """A template with its variables put in.

        Raises:
            BookError: It is missing, is no Jinja template, or uses a variable it is not given.
        """
        try:
            return self._environment.get_template(name).render(variables)
        except (TemplateError, SecurityError) as error:
            raise self._fault(name, error) from error

    def value(self, name: str, variable: str, default: object) -> object:
        """What a template sets at its top level with `{% set variable = … %}`.

        Raises:
            BookError: As for `render`.
        """
        try:
            return getattr(self._environment.get_template(name).module, variable, default)
        except (TemplateError, SecurityError) as error:
            raise self._fault(name, error) from error

    def data(self, name: str) -> bytes:
        """The bytes of a file.

        Raises:
            BookError: It is in neither folder.
        """
        for folder in self._folders:
            if (folder / name).is_file():
                return (folder / name).read_bytes()
        raise BookError(f"There is no {name!r} in {str(self._folders[0])!r} nor among the shipped templates. Add it.")

    def text(self, name: str) -> str:
        """A file's text."""
        return self.data(name).decode("utf-8")

    def choices(self, folder: str, ending: str) -> tuple[str, ...]:
        """Names, without the ending, of all files of that ending in a folder such as "book/themes"; sorted."""
        found = {path.name for root in self._folders for path in (root / folder).glob(f"*{ending}")}
        return tuple(sorted(name.removesuffix(ending) for name in found))

    def _fault(self, name: str, error: TemplateError) -> BookError:
        return BookError(
            f"The template {name!r} cannot be rendered: {error!r}. It may use what templates/README.md lists for it "
            f"and nothing else. Correct it in {str(self._folders[0])!r}."
        )
