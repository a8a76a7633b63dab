"""DreamBooth with low-rank adapters: the weights learn the pictures, a rare word before each concept's recalls it.

Source: DreamBooth (arXiv:2208.12242) with LoRA, as diffusers' example for Flux has it, and with a rare word for each
concept as the TokenVerse paper adapts it. Rare words are adjectives that no picture of the training depends on: letters
that the text encoder has never seen would make a sentence unreadable to an encoder this small.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from PIL import Image
from pydantic import JsonValue
from torch import Tensor

from benchmarks.concepts.cases import LIGHT_WORD, MATERIAL_WORD, POSE_WORD, BenchSource, Case
from benchmarks.concepts.fitting import Draw, Texts, example_of, fit, flow_loss, general_latents
from benchmarks.concepts.lora import take_lora, with_loras, with_new_lora
from benchmarks.concepts.protocol import Learnt, Workbench, draw_prompt
from concepts.schema import BoundPrompt
from pocket.world.captions import FILLER_WORDS

RARE_WORDS = tuple(word for word in FILLER_WORDS if word not in (POSE_WORD, MATERIAL_WORD, LIGHT_WORD))


@dataclass(frozen=True, kw_only=True)
class DreamBooth:
    """An adapter for each picture, added up; or one for all pictures of a case."""

    name: str
    title: str
    is_joint: bool
    is_guided: bool = False
    source: str = "DreamBooth (arXiv:2208.12242), LoRA, prior preservation; adapters of single pictures add up."
    rates: tuple[float, ...] = (0.003, 0.001, 0.01)

    @property
    def alone(self) -> str:
        return "dreambooth_lora"

    def settings(self, bench: Workbench) -> JsonValue:
        return list(bench.general_prompts)

    def learn(self, bench: Workbench, sources: Sequence[BenchSource], *, rate: float) -> Learnt:
        texts, general = Texts(bench.model), general_latents(bench)
        model, weights = with_new_lora(bench.model, seed=bench.seed)
        transformer = model.pipeline.transformer
        examples = [(source, example_of(bench.model, source)) for source in sources]
        priors = list(enumerate(bench.general_prompts))

        def loss(draw: Draw) -> Tensor:
            source, example = draw.choose(examples)
            text = identified(draw.choose(example.captions), sources=[source])
            latents, effort = draw.choose(example.latents), bench.effort
            own = flow_loss(transformer, latents, texts.encode(text), draw, batch=effort.batch_size)
            index, prior = draw.choose(priors)
            kept = general[index : index + 1].to(latents.device)
            return own + flow_loss(transformer, kept, texts.encode(prior), draw, batch=effort.pairs_batch_size)

        fit(weights, loss, steps=bench.effort.steps, rate=rate, seed=bench.seed)
        return take_lora(model)

    def draw(self, bench: Workbench, learnt: Sequence[Learnt], case: Case, seeds: Sequence[int]) -> list[Image.Image]:
        text = identified(case.prompt, sources=case.sources)
        return draw_prompt(with_loras(bench.model, learnt), text, seeds)


def identified(prompt: BoundPrompt, *, sources: Sequence[BenchSource]) -> str:
    """The prompt with the rare word of each concept of these sources before the concept's own."""
    rare = {concept.id: _rare_word(source, i) for source in sources for i, concept in enumerate(source.concepts)}
    text = prompt.prompt
    for mention in sorted(prompt.mentions, key=lambda mention: -mention.start):
        if mention.concept_id in rare:
            text = f"{text[: mention.start]}{rare[mention.concept_id]} {text[mention.start :]}"
    return text


def _rare_word(source: BenchSource, index: int) -> str:
    """The same concept always has the same word, and concepts of neighbouring pictures have different ones."""
    number = int("".join(letter for letter in source.name if letter.isdigit()))
    return RARE_WORDS[(2 * number + index) % len(RARE_WORDS)]


DREAMBOOTH = (
    DreamBooth(name="dreambooth_lora", title="DreamBooth LoRA", is_joint=False),
    DreamBooth(name="dreambooth_lora_joint", title="DreamBooth LoRA, joint", is_joint=True),
)
