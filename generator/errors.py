"""Errors of the generator: everything that can go wrong between a bound prompt and a picture.

    GeneratorError
    ├── ModelNotFound      there is no model where one was asked for
    ├── UnsupportedModel   a model is of a family that this program does not know
    ├── DamagedModel       a model is there but cannot be loaded
    ├── InvalidSettings    a picture was asked for that the model cannot draw (size, steps)
    ├── NoPicture          what a model drew is no picture: its numbers overflowed
    ├── InvalidSlide       a text-driven direction is not written as one, or its target is not in the prompt
    ├── PromptTooLong      a concept's words lie beyond the tokens that the text encoder reads
    ├── TokenSpanError     a span of characters or tokens does not fit its prompt
    ├── DirectionMismatch  a direction does not fit the words, or the model, it is to be used with
    ├── OutOfMemory        there is too little memory to draw with, by whatever plan
    └── ModulationError    token offsets do not fit the transformer, or are attached twice

Knows nothing of exit codes or HTTP; needs no torch.
"""

from concepts.errors import FableverseError


class GeneratorError(FableverseError):
    """Root of the generator's errors; caught at the edges (`api/errors.py`)."""


class ModelNotFound(GeneratorError):
    """Raised by `load_model` when there is no such folder or hub id; name one that exists."""


class UnsupportedModel(GeneratorError):
    """Raised for a model of a family, or for a use of it, that is not supported; the message lists what is."""


class DamagedModel(GeneratorError):
    """Raised by `load_model` when files are missing or unreadable; get the model again."""


class InvalidSettings(GeneratorError):
    """Raised when a value of `RenderSettings` is out of range; the message names field and range."""


class NoPicture(GeneratorError):
    """Raised by drawing when what came out is no numbers; the message says what to make smaller."""


class InvalidSlide(GeneratorError):
    """Raised by `parse_slide` and by drawing; the message says which part of the slide to change."""


class PromptTooLong(GeneratorError):
    """Raised when truncation would cut off the words of a concept; shorten the prompt or move the words forward."""


class TokenSpanError(GeneratorError):
    """Raised for spans that are empty or outside of their prompt; the caller's spans belong to another prompt."""


class DirectionMismatch(GeneratorError):
    """Raised when a direction has other pieces, blocks or width than needed; write the word as it was learnt."""


class OutOfMemory(GeneratorError):
    """Raised when memory ran out by the last plan too; the message says what makes room."""


class ModulationError(GeneratorError):
    """Raised by `attach` and by the first forward pass under it; a programming error of the caller."""
