"""Small parts for tests of the flow: a writer and a renderer without models, and a tiny model in a folder."""

import hashlib
import random
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path

from PIL import Image

from api.book_lock import LockedModel
from api.commands.edit import PageChanges, edit_book
from api.settings import Settings
from api.storybook import Studio
from concepts.bank import ConceptBank
from concepts.schema import BoundPrompt
from generator.key_similarity import KeySimilarity
from generator.plan import Numbers
from generator.renderer import OnPictureStep, OnPreview, OnStep, PictureOrder
from generator.settings import RenderSettings
from generator.slides import Slide
from story.safety import SafetyGate
from story.schema import Page, Scene, Story, StoryRequest, WrittenStory
from tests.concepts.builders import a_concept, add_concept

TEMPLATES_DIR = Settings().templates_dir
SETTINGS = RenderSettings(num_inference_steps=2, guidance_scale=3.5, height=16, width=32, max_sequence_length=300)
MODEL = LockedModel(source="pocket", name="Pocket", fingerprint="f1", numbers=Numbers(dtype="float32"))


class PlainWriter:
    """Writes the same short story whatever is asked for, with the fox on every page; remembers what was asked."""

    def __init__(self, *, prompt: str = "a fox in the snow") -> None:
        self.prompt = prompt
        self.requests: list[StoryRequest] = []

    def write(self, request: StoryRequest) -> WrittenStory:
        self.requests.append(request)

        def scene(number: int) -> Scene:
            return Scene(prompt=f"{self.prompt} {number}", concepts=("rusty",), alt=f"Rusty on page {number}.")

        pages = tuple(Page(text=f"Text {number}.", scene=scene(number)) for number in range(1, request.pages + 1))
        return WrittenStory(story=Story(title="The <Fox>", cover=scene(0), pages=pages), warnings=("a small thing",))


class PlainRenderer:
    """Draws a colour that follows from the prompt and the seed; may be made to fail at a certain picture."""

    def __init__(self, *, failures: Mapping[int, BaseException] | None = None) -> None:
        self.failures = failures or {}
        self.drawn: list[tuple[BoundPrompt, int]] = []
        self.strengths: list[dict[str, float]] = []

    def render(
        self,
        bound: BoundPrompt,
        *,
        seed: int,
        settings: RenderSettings | None = None,
        strengths: Mapping[str, float] | None = None,
        slides: Sequence[Slide] = (),
        read_with: Sequence[str] = (),
        on_step: OnStep | None = None,
        on_preview: OnPreview | None = None,
    ) -> Image.Image:
        del slides, read_with, on_preview
        if len(self.drawn) in self.failures:
            raise self.failures[len(self.drawn)]
        self.drawn.append((bound, seed))
        self.strengths.append({**(strengths or {})})
        size = settings or SETTINGS
        for step in range(size.num_inference_steps):
            if on_step is not None:
                on_step(step + 1, size.num_inference_steps)
        digest = hashlib.sha256(f"{seed} {bound.prompt}".encode()).digest()
        return Image.new("RGB", (size.width, size.height), (digest[0], digest[1], digest[2]))

    def render_all(
        self,
        orders: Sequence[PictureOrder],
        *,
        settings: RenderSettings | None = None,
        done: Collection[int] = (),
        on_step: OnPictureStep | None = None,
    ) -> Iterator[Image.Image]:
        for index, order in enumerate(orders):
            if index in done:
                continue
            report = None if on_step is None else partial(on_step, index)
            yield self.render(
                order.bound, seed=order.seed, settings=settings, strengths=order.strengths, on_step=report
            )

    def key_similarities(
        self, bound: BoundPrompt, *, strengths: Mapping[str, float] | None = None
    ) -> tuple[KeySimilarity, ...]:
        del bound, strengths
        return ()


def plain_bank(folder: Path) -> ConceptBank:
    """A bank with Rusty the fox in it, learnt on the model of fingerprint "f1"."""
    bank = ConceptBank(folder / "bank")
    add_concept(bank, a_concept(), folder / "workshop")
    return bank


def plain_studio(bank: ConceptBank, *, renderer: PlainRenderer | None = None, fingerprint: str = "f1") -> Studio:
    model = MODEL.model_copy(update={"fingerprint": fingerprint})
    return Studio(
        renderer=renderer or PlainRenderer(),
        bank=bank,
        model=model,
        settings=replace(SETTINGS),
        numbers=lambda: model.numbers,
    )


def a_request(bank: ConceptBank, *, idea: str = "a fox & <a friend>", seed: int = 7, pages: int = 4) -> StoryRequest:
    return StoryRequest(idea=idea, catalog=bank.catalog(), seed=seed, pages=pages)


def noise_picture(path: Path, *, size: tuple[int, int] = (24, 16)) -> Path:
    """A picture of random pixels, always the same."""
    pixels = random.Random(0).randbytes(size[0] * size[1] * 3)
    Image.frombytes("RGB", size, pixels).save(path)
    return path


def edit(book: Path, bank: ConceptBank, **changes: object) -> list[int]:
    outcome = edit_book(book, PageChanges(**changes), bank=bank, gate=SafetyGate(), environment={})  # type: ignore[arg-type]
    pages = outcome.data["to_draw"]
    assert isinstance(pages, list)
    return [int(str(page)) for page in pages]
