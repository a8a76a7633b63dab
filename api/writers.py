"""Chooses who writes the story, the language model that the settings name or the built-in storyteller, and has that
language model reword captions.
"""

from collections.abc import Mapping
from urllib.parse import urlsplit

from api.errors import UsageError
from api.settings import LEXICON_PATH, Settings
from api.tokens import prompt_counter
from concepts.lexicon import Lexicon
from story.costs import Price, known_price
from story.draft import DraftFolder
from story.errors import LanguageModelError
from story.langchain_model import LangchainLanguageModel
from story.languages import NAMES, name_of, primary_language
from story.llm import LanguageModel
from story.local_model import PREFIX, TransformersLanguageModel
from story.paraphrasing import OnCaptions, Paraphraser
from story.prompts import StoryPrompts
from story.safety import OpenAIModerator, SafetyGate
from story.schema import StoryRequest
from story.storyteller import Storyteller
from story.writer import GatedStoryteller, LanguageModelWriter
from story.writing import OnStage, OnWords

STORYTELLER_NAME = "the built-in storyteller"
OPENAI = "openai:"


def make_writer(
    settings: Settings,
    *,
    lexicon: Lexicon | None,
    max_tokens: int,
    drafts: DraftFolder | None = None,
    on_stage: OnStage | None = None,
    on_words: OnWords | None = None,
) -> tuple[GatedStoryteller | LanguageModelWriter, str]:
    """The writer and what it is called.

    Args:
        lexicon: What the picture model can draw, where it says so; the built-in storyteller keeps to Pocket's.
        max_tokens: What the picture model's text encoder reads.
        drafts: Where what a language model writes is kept until the book is done.
        on_stage: Told how far a language model is.
        on_words: Told the title and pages' words as a language model writes them.

    Raises:
        DamagedLexicon: The pocket model's lexicon is missing.
        LanguageModelError: The language model's name cannot be used, or its moderation lacks a key.
        UsageError: A budget is set and the model's price is not known.
    """
    count_tokens = prompt_counter(settings.model)
    storyteller = Storyteller(Lexicon.load(LEXICON_PATH), count_tokens=count_tokens, max_tokens=max_tokens)
    if settings.llm is None:
        return GatedStoryteller(storyteller, open_gate(settings)), STORYTELLER_NAME
    writer = LanguageModelWriter(
        open_language_model(settings),
        name=settings.llm,
        prompts=StoryPrompts(settings.templates_dir, lexicon=lexicon, max_tokens=max_tokens),
        storyteller=storyteller,
        gate=open_gate(settings),
        count_tokens=count_tokens,
        max_tokens=max_tokens,
        price=price_of(settings),
        budget_usd=settings.budget_usd,
        drafts=drafts,
        on_stage=on_stage,
        on_words=on_words,
    )
    return writer, settings.llm


def make_paraphraser(settings: Settings, *, max_tokens: int, on_captions: OnCaptions | None = None) -> Paraphraser:
    """Who says captions in other words; the settings name a language model.

    Args:
        max_tokens: What the picture model's text encoder reads.
        on_captions: Told how far an answer is.

    Raises:
        LanguageModelError, UsageError: As `make_writer`.
    """
    return Paraphraser(
        open_language_model(settings),
        prompts=StoryPrompts(settings.templates_dir, lexicon=None, max_tokens=max_tokens),
        gate=open_gate(settings),
        count_tokens=prompt_counter(settings.model),
        max_tokens=max_tokens,
        price=price_of(settings),
        budget_usd=settings.budget_usd,
        on_captions=on_captions,
    )


def check_language_model(settings: Settings) -> None:
    """Refuse a language model that lacks its key, its moderation, its price or its prompts, before anything is loaded
    or asked.

    Raises:
        LanguageModelError: Its name cannot be used, or it or its moderation lacks a key.
        StoryError: A prompt's template cannot be rendered.
        UsageError: As `price_of`.
    """
    open_gate(settings)
    if settings.llm is None:
        return
    price_of(settings)
    for lexicon in (None, Lexicon.empty()):
        StoryPrompts(settings.templates_dir, lexicon=lexicon, max_tokens=1).check()
    if not settings.llm.startswith(PREFIX):  # a local one is loaded when it is opened
        open_language_model(settings)


def check_languages(request: StoryRequest, settings: Settings) -> None:
    """Refuse what the built-in storyteller cannot write, before anything is loaded.

    Raises:
        UsageError: Another language than English, and no language model.
    """
    wanted = [request.language, *([request.second_language] if request.second_language else [])]
    others = [tag for tag in wanted if primary_language(tag) != "en"]
    if settings.llm is None and others:
        raise UsageError(
            f"The built-in storyteller knows English only, not {', '.join(map(name_of, others))}. Ask for English, or "
            "name a language model with --llm; a service is told of it when it is started."
        )


def languages_of(settings: Settings) -> Mapping[str, str]:
    """Languages to choose from that whoever writes knows, as tag and name; a language model may know more."""
    return {"en": NAMES["en"]} if settings.llm is None else dict(sorted(NAMES.items(), key=lambda pair: pair[1]))


def open_language_model(settings: Settings) -> LanguageModel:
    """The language model that the settings name.

    Raises:
        LanguageModelError: There is none of that name, or its key is missing.
    """
    assert settings.llm is not None, "whoever asks has looked"
    if settings.llm.startswith(PREFIX):
        return TransformersLanguageModel(settings.llm.removeprefix(PREFIX), timeout_s=settings.timeout_s)
    if settings.llm.startswith(OPENAI) and not (settings.openai_api_key or settings.base_url):
        raise LanguageModelError(
            f"The language model {settings.llm!r} needs a key. Set OPENAI_API_KEY, or leave out --llm to use the "
            "built-in storyteller."
        )
    # Some models take no other temperature than their own, so none is asked for.
    return LangchainLanguageModel(
        settings.llm,
        base_url=settings.base_url,
        api_key=settings.openai_api_key if settings.llm.startswith(OPENAI) else None,
        timeout_s=settings.timeout_s,
    )


def open_gate(settings: Settings) -> SafetyGate:
    """The local check, and an endpoint's moderation where the settings ask for it or OpenAI itself writes.

    Other servers of OpenAI's protocol seldom have moderation, and some answer as if they had, so they are asked only
    where the settings say so.

    Raises:
        LanguageModelError: OpenAI's is to be asked, and there is no key.
    """
    is_openai = settings.llm is not None and settings.llm.startswith(OPENAI)
    base_url = settings.base_url if is_openai else None
    is_openais_own = is_openai and (base_url is None or f".{urlsplit(base_url).hostname}".endswith(".openai.com"))
    if settings.moderation == "off" or (settings.moderation == "auto" and not is_openais_own):
        return SafetyGate()
    return SafetyGate(moderator=OpenAIModerator(base_url=base_url, api_key=settings.openai_api_key))


def price_of(settings: Settings) -> Price | None:
    """What the language model costs: as the settings say, else its list price at its own provider; None if unknown.

    Raises:
        UsageError: There is a budget and no price to keep it by, or one of two prices.
    """
    given = (settings.input_price, settings.output_price)
    if (given[0] is None) != (given[1] is None):
        raise UsageError("A price needs both parts: set input_price and output_price, or neither.")
    if given[0] is not None and given[1] is not None:
        return Price(input_usd=given[0], output_usd=given[1])
    if settings.llm is not None and settings.llm.startswith(PREFIX):
        return Price(input_usd=0, output_usd=0)
    price = known_price(settings.llm) if settings.llm is not None and settings.base_url is None else None
    if price is None and settings.budget_usd is not None:
        raise UsageError(
            f"A budget is set, but what {settings.llm!r} costs is not known, so it could not be kept. Set input_price "
            "and output_price in US dollars for a million tokens (0 for a model of your own), or leave --budget out."
        )
    return price
