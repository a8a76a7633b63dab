"""Words of a prompt are found where each family's pipeline puts them: by the ids that stand at the positions."""

from typing import Any

import pytest
from diffusers import Flux2KleinPipeline, Flux2Pipeline, QwenImagePipeline, StableDiffusion3Pipeline

from concepts.schema import BoundPrompt, ConceptMention
from generator.errors import PromptTooLong, TokenSpanError, UnsupportedModel
from generator.families import FLUX1, FLUX2, QWEN_IMAGE, SD3
from tests.generator.tiny import tiny_clip_tokenizer, tiny_pipeline, tiny_t5_tokenizer

PROMPT = "a fox under the umbrella"
BOUND = BoundPrompt(
    prompt=PROMPT,
    mentions=(
        ConceptMention(concept_id="rusty", start=2, stop=5),
        ConceptMention(concept_id="brolly", start=16, stop=24),
    ),
)


def words_at(tokenizer: Any, ids: list[int], positions: tuple[int, ...]) -> str:
    return tokenizer.decode([ids[position] for position in positions]).strip()


def padded(tokenizer: Any, text: str, length: int) -> list[int]:
    return tokenizer(text, padding="max_length", truncation=True, max_length=length)["input_ids"]


def sd3_pipeline() -> StableDiffusion3Pipeline:
    nothing: dict[str, Any] = dict.fromkeys(
        ("transformer", "scheduler", "vae", "text_encoder", "text_encoder_2", "text_encoder_3")
    )
    clip = tiny_clip_tokenizer()
    return StableDiffusion3Pipeline(**nothing, tokenizer=clip, tokenizer_2=clip, tokenizer_3=tiny_t5_tokenizer())


def chat_pipeline(pipeline_type: Any) -> Any:
    """A pipeline of a language model's tokenizer, here T5's, with a chat template."""
    tokenizer = tiny_t5_tokenizer()
    tokenizer.chat_template = "user waves the {{ messages[0]['content'] }} a straw hat"
    nothing: dict[str, Any] = dict.fromkeys(("scheduler", "vae", "text_encoder", "transformer"))
    return pipeline_type(**nothing, tokenizer=tokenizer)


def test_flux1_has_t5s_tokens() -> None:
    pipeline = tiny_pipeline()
    found = FLUX1.find_tokens(pipeline, BOUND, 40)
    ids = padded(pipeline.tokenizer_2, PROMPT, 40)
    assert found.text_len == 40
    assert words_at(pipeline.tokenizer_2, ids, found.of_concepts["rusty"]) == "fox"
    assert words_at(pipeline.tokenizer_2, ids, found.of_concepts["brolly"]) == "umbrella"


def test_sd3_has_each_word_twice_in_clips_part_and_in_t5s() -> None:
    pipeline = sd3_pipeline()
    clip_len = pipeline.tokenizer_max_length
    found = SD3.find_tokens(pipeline, BOUND, 40)
    of_clip, of_t5 = padded(pipeline.tokenizer, PROMPT, clip_len), padded(pipeline.tokenizer_3, PROMPT, 40)
    assert found.text_len == clip_len + 40
    for concept_id, word in (("rusty", "fox"), ("brolly", "umbrella")):
        positions = found.of_concepts[concept_id]
        first = tuple(position for position in positions if position < clip_len)
        second = tuple(position - clip_len for position in positions if position >= clip_len)
        assert positions == tuple(sorted(positions))
        assert words_at(pipeline.tokenizer, of_clip, first).replace(" ", "") == word
        assert words_at(pipeline.tokenizer_3, of_t5, second) == word


@pytest.mark.parametrize("side", ["right", "left"])
def test_flux2_klein_has_the_prompt_in_its_chat_template_and_padding(side: str) -> None:
    pipeline = chat_pipeline(Flux2KleinPipeline)
    pipeline.tokenizer.padding_side = side
    found = FLUX2.find_tokens(pipeline, BOUND, 60)
    ids = padded(pipeline.tokenizer, f"user waves the {PROMPT} a straw hat", 60)
    assert (found.text_len, len(ids)) == (60, 60)
    assert words_at(pipeline.tokenizer, ids, found.of_concepts["rusty"]) == "fox"
    assert words_at(pipeline.tokenizer, ids, found.of_concepts["brolly"]) == "umbrella"


def test_flux2_dev_is_refused() -> None:
    with pytest.raises(UnsupportedModel, match="Flux2Pipeline"):
        FLUX2.find_tokens(chat_pipeline(Flux2Pipeline), BOUND, 60)


def test_qwen_image_drops_the_beginning_of_its_template() -> None:
    pipeline = chat_pipeline(QwenImagePipeline)
    pipeline.prompt_template_encode, pipeline.prompt_template_encode_start_idx = "the straw hat {} in snow", 3
    found = QWEN_IMAGE.find_tokens(pipeline, BOUND, 60)
    ids = pipeline.tokenizer(f"the straw hat {PROMPT} in snow")["input_ids"][3:]
    assert found.text_len == len(ids)
    assert words_at(pipeline.tokenizer, ids, found.of_concepts["rusty"]) == "fox"
    assert words_at(pipeline.tokenizer, ids, found.of_concepts["brolly"]) == "umbrella"


def test_words_beyond_an_encoders_tokens_are_refused() -> None:
    """SD3's CLIP is the first to end, whatever T5 reads."""
    mention = ConceptMention(concept_id="rusty", start=140, stop=143)
    late = BoundPrompt(prompt="a " * 70 + "fox", mentions=(mention,))
    with pytest.raises(PromptTooLong, match="'fox'"):
        SD3.find_tokens(sd3_pipeline(), late, 256)


def test_a_prompt_that_the_template_has_too_is_refused() -> None:
    pipeline = chat_pipeline(Flux2KleinPipeline)
    hat = BoundPrompt(prompt="a straw hat", mentions=(ConceptMention(concept_id="hat", start=2, stop=11),))
    with pytest.raises(TokenSpanError, match="exactly once"):
        FLUX2.find_tokens(pipeline, hat, 60)


def test_sd3_without_t5_is_refused_with_the_cure() -> None:
    pipeline = sd3_pipeline()
    pipeline.register_modules(tokenizer_3=None)
    with pytest.raises(UnsupportedModel, match="all text encoders"):
        SD3.find_tokens(pipeline, BOUND, 40)
