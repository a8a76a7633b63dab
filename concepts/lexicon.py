"""What a model can draw, as plain words: data that a writer may rely on, published beside the model.

Knows nothing of how the words become sentences or pictures.
"""

from pathlib import Path
from typing import Self

from pydantic import BaseModel, ConfigDict, ValidationError

from concepts.errors import DamagedLexicon


class Lexicon(BaseModel):
    """The vocabulary a model obeys; each entry is worded as a caption words it."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    characters: tuple[str, ...]
    colours: tuple[str, ...]
    clothing: tuple[str, ...]
    """Worn: 'scarf' as in 'wearing a scarf'."""
    held_objects: tuple[str, ...]
    """Carried: 'lantern' as in 'holding a lantern'."""
    objects: tuple[str, ...]
    """Standing in the scene by themselves."""
    poses: dict[str, str]
    """Key to phrase, which follows the character: 'waving' to 'waving'."""
    places: dict[str, str]
    """Key to phrase: 'snow' to 'in the snow'."""
    lights: dict[str, str]
    """Key to phrase: 'day' to 'in daylight'."""
    patterns: tuple[str, ...]

    @classmethod
    def empty(cls) -> Self:
        """Of a model that publishes none: nothing is known of what it can draw."""
        return cls(
            characters=(), colours=(), clothing=(), held_objects=(), objects=(), poses={}, places={}, lights={},
            patterns=(),
        )  # fmt: skip

    @classmethod
    def load(cls, path: Path) -> Self:
        """The lexicon in a UTF-8 JSON file that has exactly these fields.

        Raises:
            DamagedLexicon: The file is missing, is no JSON, or has other fields.
        """
        try:
            return cls.model_validate_json(path.read_bytes())
        except (OSError, ValidationError) as error:
            raise DamagedLexicon(
                f"{str(path)!r} is no usable lexicon: it must be a JSON object with the fields "
                f"{', '.join(cls.model_fields)}. Restore it from the repository. ({error})"
            ) from error
