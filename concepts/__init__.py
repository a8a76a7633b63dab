"""What a concept is, where it is kept, and where a prompt names it: the package's public names."""

from concepts.bank import ConceptBank, hash_direction, seed_bank
from concepts.binding import bind_concepts, expand_handles, find_word
from concepts.errors import (
    AmbiguousMention,
    CollidingConcepts,
    ConceptError,
    ConceptExists,
    ConceptNotMentioned,
    DamagedConcept,
    DamagedLexicon,
    FableverseError,
    ForeignFiles,
    InvalidConcept,
    UnknownConcept,
    UnreadablePicture,
    WrongBaseModel,
)
from concepts.lexicon import Lexicon
from concepts.pictures import open_picture
from concepts.schema import (
    BoundPrompt,
    Concept,
    ConceptCard,
    ConceptKind,
    ConceptMention,
    ModelFamily,
    check_concept_id,
    check_word,
)

__all__ = [
    "AmbiguousMention",
    "BoundPrompt",
    "CollidingConcepts",
    "Concept",
    "ConceptBank",
    "ConceptCard",
    "ConceptError",
    "ConceptExists",
    "ConceptKind",
    "ConceptMention",
    "ConceptNotMentioned",
    "DamagedConcept",
    "DamagedLexicon",
    "FableverseError",
    "ForeignFiles",
    "InvalidConcept",
    "Lexicon",
    "ModelFamily",
    "UnknownConcept",
    "UnreadablePicture",
    "WrongBaseModel",
    "bind_concepts",
    "check_concept_id",
    "check_word",
    "expand_handles",
    "find_word",
    "hash_direction",
    "open_picture",
    "seed_bank",
]
