"""Chooses who writes the story: the language model that the settings name, or the built-in storyteller."""

from pathlib import Path

from api.settings import LEXICON_PATH, POCKET, POCKET_DIR, Settings
from api.tokens import token_counter
from concepts.lexicon import Lexicon
from story.llm import LangchainLanguageModel
from story.prompts import StoryPrompts
from story.storyteller import Storyteller
from story.writer import LanguageModelWriter, StoryWriter

STORYTELLER_NAME = "the built-in storyteller"


def make_writer(settings: Settings, *, max_tokens: int) -> tuple[StoryWriter, str]:
    """The writer and what it is called; `max_tokens` is what the picture model's text encoder reads.

    Raises:
        DamagedLexicon: The pocket model's lexicon is missing.
        LanguageModelError: The language model's name cannot be used.
    """
    lexicon = Lexicon.load(LEXICON_PATH)
    count_tokens = token_counter(_model_dir(settings.model))
    storyteller = Storyteller(lexicon, count_tokens=count_tokens, max_tokens=max_tokens)
    if settings.llm is None:
        return storyteller, STORYTELLER_NAME
    # Some models take no other temperature than their own, so none is asked for.
    language_model = LangchainLanguageModel(
        settings.llm, base_url=settings.base_url, api_key=settings.openai_api_key, temperature=None
    )
    writer = LanguageModelWriter(
        language_model,
        prompts=StoryPrompts(settings.templates_dir, lexicon=lexicon, max_tokens=max_tokens),
        storyteller=storyteller,
        count_tokens=count_tokens,
        max_tokens=max_tokens,
    )
    return writer, settings.llm


def _model_dir(model: str) -> Path | None:
    """The model's folder; None for a hub id."""
    if model == POCKET:
        return POCKET_DIR / "model"
    folder = Path(model).expanduser()
    return folder if folder.is_dir() else None
