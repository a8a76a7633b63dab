"""The errors a person may see, as one tree; this package's own branch hangs under `ConceptError`.

    FableverseError                root of every package's errors; `api/errors.py` turns them into exit codes
    ├── DamagedLexicon             a lexicon file cannot be used
    └── ConceptError
        ├── UnknownConcept         the bank has no concept of that id
        ├── InvalidConcept         an id or a word breaks the rules for ids and words
        ├── ConceptExists          adding would overwrite a concept
        ├── ForeignFiles           a concept's folder that is to go holds more than the concept
        ├── DamagedConcept         a concept's files are missing, changed or malformed
        ├── WrongBaseModel         a concept was learnt on another model
        ├── ConceptNotMentioned    the prompt does not contain the concept's word
        ├── AmbiguousMention       the prompt contains the word more often than can be told apart
        ├── CollidingConcepts      two concepts claim the same words of a prompt
        └── UnreadablePicture      a file is no picture, is broken, or is too large

Every message says what was wrong, the rule, and what to do. The file knows nothing of exit codes or of printing.
"""


class FableverseError(Exception):
    """Root of all errors that a person may cause or repair; caught only at the edges in `api/`."""


class DamagedLexicon(FableverseError):
    """Raised by `Lexicon.load`; the model's folder is incomplete, so restore the file from the repository."""


class ConceptError(FableverseError):
    """Anything about concepts, their bank, their pictures or their place in a prompt."""


class UnknownConcept(ConceptError):
    """Raised by the bank and by handles; the message lists the ids that look alike, so correct the spelling."""


class InvalidConcept(ConceptError):
    """Raised while a `Concept` is built and wherever an id comes in; choose another id or word."""


class ConceptExists(ConceptError):
    """Raised by `ConceptBank.add`; replace the concept on purpose or choose another id."""


class ForeignFiles(ConceptError):
    """Raised before a concept's folder is deleted or replaced; move the files that the message names elsewhere."""


class DamagedConcept(ConceptError):
    """Raised when a concept's files are read; the message names the file. Remove the concept or learn it again."""


class WrongBaseModel(ConceptError):
    """Raised by the renderer; draw with the model named in the message or learn the concept on this one."""


class ConceptNotMentioned(ConceptError):
    """Raised by binding; write the concept's word into the prompt, or leave the concept out."""


class AmbiguousMention(ConceptError):
    """Raised by binding; say which occurrence is meant, or reword the prompt."""


class CollidingConcepts(ConceptError):
    """Raised by binding; use one of the two concepts, or learn one of them under another word."""


class UnreadablePicture(ConceptError):
    """Raised by `open_picture`; use another file, or shrink this one."""
