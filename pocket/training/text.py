"""Teaches the two text encoders to read captions, before any picture is drawn.

T5's token that names a character must tell all that the caption says of that character, the token that names a thing
its colour and owner, and so on; CLIP's pooled vector must tell which words the caption says, but not of whom, as the
real CLIP's does. A transformer that gets such text need not learn to read and to draw at once. Only captions are used
here.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from safetensors.torch import load_file, save
from torch import Tensor, nn
from torch.nn import functional
from transformers import CLIPTextConfig, CLIPTextModel, PreTrainedTokenizerFast, T5Config, T5EncoderModel

from concepts.files import write_whole
from generator.precision import autocast
from pocket.training.tokenizer import build_tokenizer
from pocket.world import captions, schema
from pocket.world.captions import Caption

MAX_SEQUENCE_LENGTH = 64
NONE = 0  # class of what a caption does not say

CHARACTER_TARGETS = {
    "kind": schema.CHARACTERS,
    "colour": schema.COLOURS,
    "pattern": schema.PATTERNS,
    "pose": schema.POSES,
    "clothing": schema.CLOTHING,
    "clothing_colour": schema.COLOURS,
    "held": schema.HELD_OBJECTS,
    "held_colour": schema.COLOURS,
    "position": ("1", "2", "3", "4"),
}
SCENE_TARGETS = {"place": schema.PLACES, "light": schema.LIGHTS, "object_colour": schema.COLOURS}
TARGETS = CHARACTER_TARGETS | SCENE_TARGETS
SAID_WORDS = tuple((name, i) for name, values in TARGETS.items() if name != "position" for i in range(len(values)))

# What each naming word's token must tell, besides whose it is.
TOLD_BY = {
    "kind": tuple(CHARACTER_TARGETS),
    "colour": ("kind", "colour", "position"),
    "pattern": ("kind", "pattern", "position"),
    "pose": ("kind", "pose", "position"),
    "clothing": ("kind", "clothing", "clothing_colour", "position"),
    "clothing_colour": ("clothing", "clothing_colour", "position"),
    "held": ("kind", "held", "held_colour", "position"),
    "held_colour": ("held", "held_colour", "position"),
    "object": ("object_colour",),
    "object_colour": ("object_colour",),
    "place": ("place",),
    "light": ("light",),
}

TokenIds = tuple[Tensor, Tensor]
"""T5's `(B, max_sequence_length)` and CLIP's `(B, 64)`."""


@dataclass
class TextEncoders:
    """The two encoders with their tokenizers."""

    text_encoder: CLIPTextModel
    tokenizer: PreTrainedTokenizerFast
    text_encoder_2: T5EncoderModel
    tokenizer_2: PreTrainedTokenizerFast

    def tokenize(self, prompts: list[str], *, max_sequence_length: int) -> TokenIds:
        """What `encode_tokens` takes, on the CPU."""
        t5_ids = _token_ids(self.tokenizer_2, prompts, max_sequence_length)
        return t5_ids, _token_ids(self.tokenizer, prompts, MAX_SEQUENCE_LENGTH)

    @torch.no_grad()
    def encode_tokens(self, token_ids: TokenIds) -> tuple[Tensor, Tensor]:
        """`prompt_embeds` `(B, max_sequence_length, dim)` and `pooled_prompt_embeds` `(B, dim)`, as the pipeline's."""
        t5_ids, clip_ids = (ids.to(self.text_encoder_2.device) for ids in token_ids)
        return self.text_encoder_2(t5_ids)[0], self.text_encoder(clip_ids).pooler_output

    def encode(self, prompts: list[str], *, max_sequence_length: int) -> tuple[Tensor, Tensor]:
        """As `encode_tokens`, from prompts."""
        return self.encode_tokens(self.tokenize(prompts, max_sequence_length=max_sequence_length))


def _token_ids(tokenizer: PreTrainedTokenizerFast, prompts: list[str], max_length: int) -> Tensor:
    return tokenizer(
        prompts, padding="max_length", max_length=max_length, truncation=True, return_tensors="pt"
    ).input_ids


def build_encoders() -> TextEncoders:
    """Fresh encoders with random weights."""
    tokenizer = build_tokenizer(starts_with_bos=True, model_max_length=MAX_SEQUENCE_LENGTH)
    tokenizer_2 = build_tokenizer(starts_with_bos=False, model_max_length=MAX_SEQUENCE_LENGTH)
    t5 = T5Config(
        vocab_size=len(tokenizer_2), d_model=192, d_kv=32, d_ff=512, num_layers=3, num_heads=6, dropout_rate=0.0,
        feed_forward_proj="gated-gelu", pad_token_id=0, eos_token_id=1,
    )  # fmt: skip
    clip = CLIPTextConfig(
        vocab_size=len(tokenizer), hidden_size=128, intermediate_size=256, num_hidden_layers=2, num_attention_heads=4,
        max_position_embeddings=MAX_SEQUENCE_LENGTH, projection_dim=128, pad_token_id=0, bos_token_id=3, eos_token_id=1,
    )  # fmt: skip
    text_encoder_2 = T5EncoderModel(t5)
    _look_at_neighbours(text_encoder_2)
    return TextEncoders(CLIPTextModel(clip), tokenizer, text_encoder_2, tokenizer_2)


@torch.no_grad()
def _look_at_neighbours(encoder: T5EncoderModel) -> None:
    """Start T5's heads at the words before and after: its position biases are small at first and slow to grow.

    T5's buckets: 1, 2, … for that many tokens before, 17, 18, … after.
    """
    bias = encoder.encoder.block[0].layer[0].SelfAttention.relative_attention_bias.weight
    bias.mul_(0.1)
    for head, bucket in enumerate((1, 2, 17, 18)):
        bias[bucket, head] += 5.0
    for head, start in ((4, 0), (5, 16)):
        bias[start : start + 8, head] += torch.linspace(4, 0, 8)


def random_caption(rng: np.random.Generator, *, two_parts: bool) -> Caption:
    """A caption of a random scene, or of two scenes side by side."""
    if two_parts:
        parts = [schema.sample_scene(rng, num_characters=1) for _ in range(2)]
        left, right = (captions.write_caption(part, rng, captions.Style(colour=0.5, filler=0.03)) for part in parts)
        return captions.join_two_parts(left, right)
    return captions.write_caption(schema.sample_scene(rng), rng)


def told_attributes(caption: Caption) -> dict[int, dict[str, int]]:
    """Class index of everything that the caption says, by character index (-1 and -2: the parts' scenes)."""
    position = 0
    told: dict[int, dict[str, int]] = {}
    for role, index, start, stop in caption.words:
        entry = told.setdefault(index, {})
        word = caption.text[start:stop]
        if role == "light":
            word = next(light for light, w in captions.LIGHT_WORDS.items() if w == word)
        if role in TARGETS:
            entry[role] = 1 + TARGETS[role].index(word)
        if role == "kind":
            position += 1
            entry["position"] = position
    return told


def said_words(told: dict[int, dict[str, int]]) -> list[float]:
    """For each of `SAID_WORDS`, 1 where the caption says it of anybody."""
    said = {(name, value - 1) for entry in told.values() for name, value in entry.items() if name != "position"}
    return [float(word in said) for word in SAID_WORDS]


def _batch(
    encoders: TextEncoders, rng: np.random.Generator, batch_size: int
) -> tuple[Tensor, Tensor, dict[str, Tensor], Tensor]:
    """T5 ids, CLIP ids, per-token targets (-100 where a token need not tell) and the said words `(B, num_words)`."""
    length = 32 if rng.random() < 0.6 else MAX_SEQUENCE_LENGTH
    batch = [random_caption(rng, two_parts=length > 32 and b % 2 == 0) for b in range(batch_size)]
    texts = [caption.text for caption in batch]
    encoded = encoders.tokenizer_2(
        texts,
        padding="max_length",
        max_length=length,
        truncation=True,
        return_offsets_mapping=True,
        return_tensors="pt",
    )
    targets = {name: torch.full(encoded.input_ids.shape, -100) for name in TARGETS}
    said = torch.zeros(len(batch), len(SAID_WORDS))
    for b, caption in enumerate(batch):
        told = told_attributes(caption)
        ends = {int(stop): t for t, (start, stop) in enumerate(encoded.offset_mapping[b].tolist()) if stop > start}
        for role, index, _start, stop in caption.words:
            token = ends.get(stop)
            if token is not None:
                for name in TOLD_BY[role]:
                    targets[name][b, token] = told[index].get(name, NONE)
        said[b] = torch.tensor(said_words(told))
    return encoded.input_ids, _token_ids(encoders.tokenizer, texts, MAX_SEQUENCE_LENGTH), targets, said


class _Readers(nn.Module):
    """Linear readers of the targets, thrown away after training."""

    def __init__(self, encoders: TextEncoders) -> None:
        super().__init__()
        width, pooled = encoders.text_encoder_2.config.d_model, encoders.text_encoder.config.hidden_size
        self.token = nn.ModuleDict({name: nn.Linear(width, 1 + len(values)) for name, values in TARGETS.items()})
        self.said = nn.Linear(pooled, len(SAID_WORDS))


def train_text_encoders(folder: Path, *, steps: int, batch_size: int, seed: int, device: str) -> TextEncoders:
    """Train both encoders, or load them when `folder` already has them."""
    torch.manual_seed(seed)
    encoders = build_encoders()
    path = folder / "text.safetensors"
    modules = nn.ModuleDict({"clip": encoders.text_encoder, "t5": encoders.text_encoder_2})
    if path.exists():
        modules.load_state_dict(load_file(path), strict=False)
    else:
        readers = _Readers(encoders)
        modules.to(device), readers.to(device)
        for line in _fit(encoders, readers, steps=steps, batch_size=batch_size, seed=seed, device=device):
            print(line, flush=True)
        state = {k: v.contiguous().clone() for k, v in modules.state_dict().items() if "embed_tokens" not in k}
        write_whole(path, save(state))
    modules.to(device).eval().requires_grad_(False)
    return encoders


def _fit(
    encoders: TextEncoders, readers: _Readers, *, steps: int, batch_size: int, seed: int, device: str
) -> Iterator[str]:
    rng = np.random.default_rng(seed)
    modules = (encoders.text_encoder, encoders.text_encoder_2, readers)
    named = [(n, p) for module in modules for n, p in module.named_parameters()]
    parameters = [p for _, p in named]
    biases = [p for n, p in named if "relative_attention_bias" in n]
    others = [p for n, p in named if "relative_attention_bias" not in n]
    optimizer = torch.optim.AdamW([{"params": others}, {"params": biases}], betas=(0.9, 0.98), weight_decay=0.01)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, [2e-3, 2e-2], total_steps=steps, pct_start=0.1)
    for step in range(steps):
        t5_ids, clip_ids, targets, said = (
            value.to(device) if isinstance(value, Tensor) else {k: v.to(device) for k, v in value.items()}
            for value in _batch(encoders, rng, batch_size)
        )
        with autocast(device):
            hidden_states = encoders.text_encoder_2(t5_ids)[0].float()
            pooled = encoders.text_encoder(clip_ids).pooler_output.float()
        losses, correct = [], {}
        for name, target in targets.items():
            told = target >= 0
            if told.any():
                logits = readers.token[name](hidden_states[told])
                losses.append(functional.cross_entropy(logits, target[told]))
                correct[name] = (logits.argmax(-1) == target[told]).float().mean().item()
        pooled_loss = functional.binary_cross_entropy_with_logits(readers.said(pooled), said)
        loss = torch.stack(losses).mean() + 4 * pooled_loss
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        nn.utils.clip_grad_norm_(parameters, 1.0)
        optimizer.step()
        schedule.step()
        if step % 100 == 0 or step == steps - 1:
            told = " ".join(f"{name} {accuracy:.2f}" for name, accuracy in correct.items())
            yield f"text {step}/{steps} loss {loss.item():.4f} pooled {pooled_loss.item():.4f} {told}"
