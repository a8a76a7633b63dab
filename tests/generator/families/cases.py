"""A tiny random transformer of every family, with inputs that fit it and a reference to compare with."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

import torch
from diffusers import Flux2Transformer2DModel, QwenImageTransformer2DModel, SD3Transformer2DModel
from torch import Tensor, nn

from generator.families import FLUX1, FLUX2, QWEN_IMAGE, SD3
from generator.families.family import Family
from tests.generator.families.references import forward_flux2, forward_qwen_image, forward_sd3
from tests.generator.reference import forward_per_token
from tests.generator.tiny import DIM, TEXT_DIM, loud_modulation, tiny_inputs, tiny_transformer

TEXT_LEN = 6
IMAGE_LEN = 4


@dataclass(frozen=True, kw_only=True)
class Case:
    """One model of a family."""

    family: Family
    make_transformer: Callable[[], Any]
    make_inputs: Callable[[int], dict[str, Any]]
    """Keyword arguments of its forward for a batch size."""
    reference: Callable[[Any, Tensor, dict[str, Any]], Tensor]
    num_double: int
    """Blocks whose text has a modulation of its own, apart from the image's."""
    text_modulations: Callable[[Any], list[nn.Module]]
    """The modules of those blocks that make the text's modulation out of temb."""
    text_mlp: tuple[str, str] = ("norm2_context", "ff_context")
    """Names of the text's second norm and feed-forward in a double-stream block."""
    unbatched: frozenset[str] = frozenset({"img_ids", "txt_ids", "return_dict"})

    @property
    def num_blocks(self) -> int:
        return len(self.family.blocks(self.make_transformer()))


def _noise(*shape: int, seed: int) -> Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed))


def _context_norms(transformer: Any) -> list[nn.Module]:
    return [block.norm1_context for block in transformer.transformer_blocks]


def tiny_sd3(*, dual_attention: bool) -> SD3Transformer2DModel:
    """Three blocks, of which the last only reads the text; SD3.5's second attention in the first where wanted."""
    torch.manual_seed(0)
    transformer = SD3Transformer2DModel(
        sample_size=8,
        patch_size=2,
        in_channels=4,
        num_layers=3,
        attention_head_dim=16,
        num_attention_heads=2,
        joint_attention_dim=TEXT_DIM,
        caption_projection_dim=DIM,
        pooled_projection_dim=16,
        out_channels=4,
        pos_embed_max_size=8,
        dual_attention_layers=(0,) if dual_attention else (),
        qk_norm="rms_norm" if dual_attention else None,
    )
    return loud_modulation(transformer)


def _sd3_inputs(batch: int) -> dict[str, Any]:
    return {
        "hidden_states": _noise(batch, 4, 4, 4, seed=0),
        "encoder_hidden_states": _noise(batch, TEXT_LEN, TEXT_DIM, seed=1),
        "pooled_projections": _noise(batch, 16, seed=2),
        "timestep": torch.rand(batch, generator=torch.Generator().manual_seed(3)) * 1000,
        "return_dict": False,
    }


def tiny_flux2(*, guidance_embeds: bool) -> Flux2Transformer2DModel:
    """Two double-stream and two single-stream blocks."""
    torch.manual_seed(0)
    transformer = Flux2Transformer2DModel(
        in_channels=4,
        num_layers=2,
        num_single_layers=2,
        attention_head_dim=16,
        num_attention_heads=2,
        joint_attention_dim=TEXT_DIM,
        timestep_guidance_channels=16,
        axes_dims_rope=(4, 4, 4, 4),
        guidance_embeds=guidance_embeds,
    )
    return loud_modulation(transformer)


def _flux2_inputs(batch: int, *, guidance: bool) -> dict[str, Any]:
    img_ids, txt_ids = torch.zeros(IMAGE_LEN, 4), torch.zeros(TEXT_LEN, 4)
    img_ids[:, 2], txt_ids[:, 3] = torch.arange(IMAGE_LEN), torch.arange(TEXT_LEN)
    return {
        "hidden_states": _noise(batch, IMAGE_LEN, 4, seed=0),
        "encoder_hidden_states": _noise(batch, TEXT_LEN, TEXT_DIM, seed=1),
        "timestep": torch.rand(batch, generator=torch.Generator().manual_seed(3)),
        "img_ids": img_ids,
        "txt_ids": txt_ids,
        "guidance": torch.full((batch,), 4.0) if guidance else None,
        "return_dict": False,
    }


def tiny_qwen_image() -> QwenImageTransformer2DModel:
    """Three blocks."""
    torch.manual_seed(0)
    transformer = QwenImageTransformer2DModel(
        in_channels=4,
        out_channels=1,
        num_layers=3,
        attention_head_dim=16,
        num_attention_heads=2,
        joint_attention_dim=TEXT_DIM,
        axes_dims_rope=(4, 4, 8),
    )
    return loud_modulation(transformer)


def _qwen_image_inputs(batch: int) -> dict[str, Any]:
    return {
        "hidden_states": _noise(batch, IMAGE_LEN, 4, seed=0),
        "encoder_hidden_states": _noise(batch, TEXT_LEN, TEXT_DIM, seed=1),
        "encoder_hidden_states_mask": torch.ones(batch, TEXT_LEN, dtype=torch.bool),
        "timestep": torch.rand(batch, generator=torch.Generator().manual_seed(3)),
        "img_shapes": [[(1, 2, 2)]] * batch,
        "return_dict": False,
    }


def _kontext_inputs(batch: int) -> dict[str, Any]:
    """A picture's tokens, then as many of a reference picture, whose ids begin with 1."""
    inputs = tiny_inputs(batch=batch, text_len=TEXT_LEN, image_len=2 * IMAGE_LEN)
    inputs["img_ids"][IMAGE_LEN:, 0] = 1
    inputs["img_ids"][IMAGE_LEN:, 2] -= IMAGE_LEN
    return inputs


def _flux1(*, guidance: bool, make_inputs: Callable[[int], dict[str, Any]] | None = None) -> Case:
    return Case(
        family=FLUX1,
        make_transformer=partial(tiny_transformer, guidance_embeds=guidance),
        make_inputs=make_inputs or (lambda batch: tiny_inputs(batch=batch, text_len=TEXT_LEN, guidance=guidance)),
        reference=forward_per_token,
        num_double=2,
        text_modulations=_context_norms,
    )


def _sd3(*, dual_attention: bool) -> Case:
    return Case(
        family=SD3,
        make_transformer=partial(tiny_sd3, dual_attention=dual_attention),
        make_inputs=_sd3_inputs,
        reference=forward_sd3,
        num_double=3,
        text_modulations=_context_norms,
    )


def _flux2(*, guidance: bool) -> Case:
    return Case(
        family=FLUX2,
        make_transformer=partial(tiny_flux2, guidance_embeds=guidance),
        make_inputs=partial(_flux2_inputs, guidance=guidance),
        reference=forward_flux2,
        num_double=2,
        text_modulations=lambda transformer: [transformer.double_stream_modulation_txt],
    )


CASES = {
    "flux1-dev": _flux1(guidance=True),
    "flux1-schnell": _flux1(guidance=False),
    "flux1-kontext": _flux1(guidance=True, make_inputs=_kontext_inputs),
    "sd3": _sd3(dual_attention=False),
    "sd35": _sd3(dual_attention=True),
    "flux2-dev": _flux2(guidance=True),
    "flux2-klein": _flux2(guidance=False),
    "qwen-image": Case(
        family=QWEN_IMAGE,
        make_transformer=tiny_qwen_image,
        make_inputs=_qwen_image_inputs,
        reference=forward_qwen_image,
        num_double=3,
        text_modulations=lambda transformer: [block.txt_mod for block in transformer.transformer_blocks],
        text_mlp=("txt_norm2", "txt_mlp"),
        unbatched=frozenset({"return_dict", "img_shapes"}),
    ),
}
