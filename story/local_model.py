"""A causal language model of `transformers` in this process, held to the asked shape token by token.

Grammar-constrained decoding by `llguidance`: whatever the weights, the answer is JSON of the schema, and the lengths in
the schema bound it. torch, transformers and llguidance are imported when a model is opened, not before. Knows no story.
"""

import json
import threading
from collections.abc import Sequence
from typing import Any

from pydantic import BaseModel

from story.errors import LanguageModelError
from story.llm import Answer, Completion, Message, OnText, Usage, read_answer

PREFIX = "local:"


class TransformersLanguageModel:
    """A chat or plain causal model from a folder or the Hugging Face hub; one call at a time.

    Args:
        source: Folder or hub id of the model; its tokenizer has to be a fast one.
        timeout_s: For one answer. What is there by then is the answer, so only this can leave one incomplete.
        seed: Of the sampling; the same conversation gets the same answer on the same machine.
        temperature: Of the sampling.
    """

    def __init__(self, source: str, *, timeout_s: float = 600.0, seed: int = 0, temperature: float = 0.7) -> None:
        self.source = source
        self.timeout_s = timeout_s
        self.seed = seed
        self.temperature = temperature
        self._lock = threading.Lock()
        try:
            import llguidance.hf
            import torch
            from transformers import AutoModelForCausalLM, AutoTokenizer
        except ImportError as error:
            raise LanguageModelError(
                f"A local language model needs the extra 'local-llm' ({error}): pip install 'fableverse[local-llm]'."
            ) from error
        device = "cuda" if torch.cuda.is_available() else "mps" if torch.backends.mps.is_available() else "cpu"
        try:
            self._tokenizer: Any = AutoTokenizer.from_pretrained(source)
            self._model: Any = AutoModelForCausalLM.from_pretrained(source, dtype="auto")
            self._model.to(device).eval()
            self._grammar_tokenizer = llguidance.hf.from_tokenizer(self._tokenizer, n_vocab=self._vocabulary_size)
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise LanguageModelError(
                f"{source!r} cannot be loaded as a language model: {str(error).splitlines()[0][:300]}. Name the folder "
                "or hub id of a causal language model with a fast tokenizer."
            ) from error

    @property
    def _vocabulary_size(self) -> int:
        return self._model.config.get_text_config().vocab_size

    def complete(
        self, messages: Sequence[Message], schema: type[Answer], *, max_tokens: int, on_text: OnText | None = None
    ) -> Completion[Answer]:
        """The model's answer, of the asked shape whenever it is finished in time; the schema bounds its length.

        Raises:
            LanguageModelError: The conversation and the answer do not fit the model.
        """
        del max_tokens  # an answer cut off by it would not be of the shape; the schema's lengths are the limit
        import torch

        prompt = self._prompt(messages).to(self._model.device)
        asked = prompt.shape[1]
        room = self._most_tokens() - asked
        if room <= 0:
            raise LanguageModelError(
                f"{self.source!r} reads {self._most_tokens()} tokens and the conversation has {asked}: use a model "
                "with a longer context, or fewer pages."
            )
        with self._lock, torch.random.fork_rng(devices=self._devices()), torch.inference_mode():
            torch.manual_seed(self.seed)
            produced = self._generate(prompt, schema, room=room, on_text=on_text)
        raw = self._tokenizer.decode(produced, skip_special_tokens=True)
        usage = Usage(input_tokens=asked, output_tokens=len(produced))
        return read_answer(raw, schema, usage=usage, fallback="" if raw.endswith("}") else "the answer is not complete")

    def _generate(self, prompt: Any, schema: type[BaseModel], *, room: int, on_text: OnText | None) -> list[int]:
        from transformers import MaxTimeCriteria, StoppingCriteriaList
        from transformers.generation.logits_process import LogitsProcessorList

        from story.constrained import GrammarProcessor, Stream

        grammar = json.dumps(schema.model_json_schema())
        processor = GrammarProcessor(grammar, self._grammar_tokenizer, self._vocabulary_size, num_asked=prompt.shape[1])
        output = self._model.generate(
            prompt,
            attention_mask=prompt.new_ones(prompt.shape),
            do_sample=True,
            temperature=self.temperature,
            top_k=0,
            max_new_tokens=room,
            eos_token_id=self._tokenizer.eos_token_id,
            pad_token_id=self._tokenizer.eos_token_id,
            logits_processor=LogitsProcessorList([processor]),
            stopping_criteria=StoppingCriteriaList([MaxTimeCriteria(self.timeout_s)]),
            streamer=Stream(self._tokenizer, on_text) if on_text is not None else None,
        )
        return output[0, prompt.shape[1] :].tolist()

    def _prompt(self, messages: Sequence[Message]) -> Any:
        turns = [{"role": message.role, "content": message.content} for message in messages]
        if self._tokenizer.chat_template:
            text = self._tokenizer.apply_chat_template(turns, tokenize=False, add_generation_prompt=True)
            return self._tokenizer(text, return_tensors="pt", add_special_tokens=False).input_ids
        text = "\n\n".join(message.content for message in messages) + "\n\n"
        return self._tokenizer(text, return_tensors="pt").input_ids

    def _most_tokens(self) -> int:
        most = getattr(self._model.config.get_text_config(), "max_position_embeddings", None)
        return most or self._tokenizer.model_max_length

    def _devices(self) -> list[int]:
        return [self._model.device.index or 0] if self._model.device.type == "cuda" else []
