"""diffusers' Flux pipelines with a table attached and no concepts, and negative prompts beside concepts, are as ever.

The ways of calling are those that diffusers' own tests of its Flux pipelines try; those tests themselves are not in its
packages (docs/LOG.md has how they fare). Every adaptive norm is replaced by a table here, so each way must find its
timesteps and prompts in one.
"""

from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import Any

import pytest
import torch
from diffusers import (
    FluxControlNetModel,
    FluxControlNetPipeline,
    FluxImg2ImgPipeline,
    FluxInpaintPipeline,
    FluxKontextInpaintPipeline,
    FluxKontextPipeline,
    FluxPipeline,
)
from torch import Tensor, nn

from generator.directions import TokenRows
from generator.modulation import attach
from generator.modulation_table import attach_table
from tests.generator.tiny import DIM, NUM_BLOCKS, POOLED_DIM, TEXT_DIM, tiny_pipeline

TEXT_LEN = 8
NUM_STEPS = 3
NOTHING = TokenRows(torch.zeros(1, 0, dtype=torch.long), torch.zeros(1, 1, 0, DIM), TEXT_LEN)
Call = Callable[[FluxPipeline], Any]


@pytest.fixture(scope="module")
def pipeline() -> FluxPipeline:
    return tiny_pipeline()


def noise(*shape: int, seed: int = 1) -> Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed))


def draw(pipeline: Any, **changes: Any) -> Tensor:
    arguments = {
        "prompt": "a fox waves",
        "num_inference_steps": NUM_STEPS,
        "guidance_scale": 5.0,
        "height": 16,
        "width": 16,
        "max_sequence_length": TEXT_LEN,
        "generator": torch.Generator().manual_seed(0),
        "output_type": "pt",
    }
    return pipeline(**{**arguments, **changes}).images


def embeds(*, negative: bool = False) -> dict[str, Tensor]:
    prefix, seed = ("negative_", 3) if negative else ("", 1)
    return {
        f"{prefix}prompt_embeds": noise(1, TEXT_LEN, TEXT_DIM, seed=seed),
        f"{prefix}pooled_prompt_embeds": noise(1, POOLED_DIM, seed=seed + 1),
    }


def louder_latents(pipeline: Any, step: int, timestep: Tensor, tensors: dict[str, Tensor]) -> dict[str, Tensor]:
    del pipeline, step, timestep
    return {"latents": 1.5 * tensors["latents"]}


def as_another(kind: type[Any], pipeline: FluxPipeline, **components: Any) -> Any:
    other = kind(**pipeline.components, **components)
    other.set_progress_bar_config(disable=True)
    return other


def right_half() -> Tensor:
    mask = torch.zeros(1, 1, 16, 16)
    mask[..., 8:] = 1
    return mask


def img2img(pipeline: FluxPipeline, **changes: Any) -> Tensor:
    other = as_another(FluxImg2ImgPipeline, pipeline)
    return draw(other, **{"image": noise(1, 3, 16, 16).clamp(0, 1), "strength": 0.7, **changes})


def inpaint(pipeline: FluxPipeline, **changes: Any) -> Tensor:
    other = as_another(FluxInpaintPipeline, pipeline)
    masked = {"image": noise(1, 3, 16, 16).clamp(0, 1), "mask_image": right_half(), "strength": 0.7}
    return draw(other, **{**masked, **changes})


def kontext(pipeline: FluxPipeline, **changes: Any) -> Tensor:
    """With a reference picture beside the one that is drawn."""
    other = as_another(FluxKontextPipeline, pipeline)
    return draw(other, image=noise(1, 3, 16, 16).clamp(0, 1), _auto_resize=False, max_area=256, **changes)


def kontext_inpaint(pipeline: FluxPipeline, **changes: Any) -> Tensor:
    other = as_another(FluxKontextInpaintPipeline, pipeline)
    masked = {"image": noise(1, 3, 16, 16).clamp(0, 1), "mask_image": right_half(), "strength": 1.0}
    return draw(other, **masked, _auto_resize=False, max_area=256, **changes)


def controlnet(pipeline: FluxPipeline, **changes: Any) -> Tensor:
    torch.manual_seed(0)
    network = FluxControlNetModel(
        in_channels=4,
        num_layers=1,
        num_single_layers=1,
        attention_head_dim=16,
        num_attention_heads=2,
        joint_attention_dim=TEXT_DIM,
        pooled_projection_dim=POOLED_DIM,
        guidance_embeds=True,
        axes_dims_rope=(4, 4, 8),
    )
    other = as_another(FluxControlNetPipeline, pipeline, controlnet=network.eval())
    return draw(other, control_image=noise(1, 3, 16, 16).clamp(0, 1), **changes)


CALLS: dict[str, Call] = {
    "one prompt": draw,
    "another prompt for T5": lambda pipeline: draw(pipeline, prompt_2="a straw hat"),
    "another size": lambda pipeline: draw(pipeline, height=24, width=40),
    "a size that is rounded": lambda pipeline: draw(pipeline, height=29, width=18),
    "several prompts": lambda pipeline: draw(pipeline, prompt=["a fox", "snow"]),
    "several pictures a prompt": lambda pipeline: draw(pipeline, num_images_per_prompt=2),
    "a negative prompt": lambda pipeline: draw(pipeline, negative_prompt="snow", true_cfg_scale=2.0),
    "embeddings": lambda pipeline: draw(pipeline, prompt=None, **embeds()),
    "negative embeddings": lambda pipeline: draw(
        pipeline, prompt=None, **embeds(), **embeds(negative=True), true_cfg_scale=2.0
    ),
    "other sigmas": lambda pipeline: draw(pipeline, sigmas=[0.9, 0.5, 0.2]),
    "given latents": lambda pipeline: draw(pipeline, latents=noise(1, 4, 4)),
    "latents changed between steps": lambda pipeline: draw(pipeline, callback_on_step_end=louder_latents),
    "from a picture": img2img,
    "inside a mask": inpaint,
    "Kontext": kontext,
    "Kontext, with a negative prompt": lambda pipeline: kontext(pipeline, negative_prompt="snow", true_cfg_scale=2.0),
}


def test_no_concepts_change_nothing_however_a_pipeline_is_called(pipeline: FluxPipeline) -> None:
    plain = {name: call(pipeline) for name, call in CALLS.items()}
    with attach_table(pipeline.transformer, NOTHING, schedule=lambda: pipeline.scheduler.timesteps):
        attached = {name: call(pipeline) for name, call in CALLS.items()}
    for name in CALLS:
        torch.testing.assert_close(
            attached[name], plain[name], atol=1e-5, rtol=1e-5, msg=lambda text, n=name: f"{n}: {text}"
        )
    distinct = {name: images for name, images in plain.items() if images.shape == plain["one prompt"].shape}
    for name, images in distinct.items():
        if name != "one prompt":
            assert (images - plain["one prompt"]).abs().max() > 1e-6, f"{name} must show in the picture"


def test_prompts_in_a_batch_are_those_alone(pipeline: FluxPipeline) -> None:
    seeds = (4, 5)
    with attach_table(pipeline.transformer, NOTHING, schedule=lambda: pipeline.scheduler.timesteps):
        together = draw(
            pipeline, prompt=["a fox", "snow"], generator=[torch.Generator().manual_seed(seed) for seed in seeds]
        )
        alone = [
            draw(pipeline, prompt=prompt, generator=torch.Generator().manual_seed(seed))
            for prompt, seed in zip(("a fox", "snow"), seeds, strict=True)
        ]
    torch.testing.assert_close(together, torch.cat(alone), atol=1e-5, rtol=1e-5)


def test_what_a_pipeline_refuses_it_still_refuses(pipeline: FluxPipeline) -> None:
    with attach_table(pipeline.transformer, NOTHING, schedule=lambda: pipeline.scheduler.timesteps):
        with pytest.raises(ValueError, match="must have the same shape"):
            draw(
                pipeline,
                prompt=None,
                **embeds(),
                negative_prompt_embeds=noise(1, 5, TEXT_DIM),
                negative_pooled_prompt_embeds=noise(1, POOLED_DIM),
                true_cfg_scale=2.0,
            )
        with pytest.raises(ValueError, match="prompt"):
            draw(pipeline, prompt=None)


ROWS = TokenRows(torch.tensor([[1, 2]]), noise(1, NUM_BLOCKS, 2, DIM, seed=5), TEXT_LEN)
WITH_NEGATIVE_PROMPTS: dict[str, Callable[..., Any]] = {
    "text": draw,
    "img2img": lambda pipeline, **changes: img2img(pipeline, strength=1.0, **changes),
    "inpaint": lambda pipeline, **changes: inpaint(pipeline, strength=1.0, **changes),
    "kontext": kontext,
    "kontext-inpaint": kontext_inpaint,
    "controlnet": controlnet,
}


def in_the_pass(pipeline: FluxPipeline) -> AbstractContextManager[Any]:
    return attach(pipeline.transformer, ROWS)


def by_table(pipeline: FluxPipeline) -> AbstractContextManager[Any]:
    return attach_table(pipeline.transformer, ROWS, schedule=lambda: pipeline.scheduler.timesteps)


@pytest.mark.parametrize("attached", [in_the_pass, by_table])
@pytest.mark.parametrize("call", WITH_NEGATIVE_PROMPTS.values(), ids=WITH_NEGATIVE_PROMPTS.keys())
def test_negative_prompts_never_see_concepts_and_a_schedule_has_one_table(
    pipeline: FluxPipeline,
    call: Callable[..., Any],
    attached: Callable[[FluxPipeline], AbstractContextManager[Any]],
) -> None:
    """Each pass is run again without concepts: the negative prompt's gives the same bits, the prompt's does not."""
    passes: list[tuple[dict[str, Any], Tensor]] = []
    batches: list[int] = []

    def keep(module: nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any], output: tuple[Tensor]) -> None:
        del module, args
        passes.append(({**kwargs, "hidden_states": kwargs["hidden_states"].clone()}, output[0].clone()))

    transformer, negative = pipeline.transformer, embeds(negative=True)
    embedder = transformer.time_text_embed
    with (
        attached(pipeline),
        transformer.register_forward_hook(keep, with_kwargs=True),
        embedder.register_forward_hook(lambda module, args, temb: batches.append(len(temb))),  # noqa: ARG005
    ):
        call(pipeline, prompt=None, **embeds(), **negative, true_cfg_scale=2.0)
    assert len(passes) == 2 * NUM_STEPS
    assert batches.count(NUM_STEPS) == (1 if attached is by_table else 0), "one table has all steps"
    for arguments, shown in passes:
        is_negative = torch.equal(arguments["encoder_hidden_states"], negative["negative_prompt_embeds"])
        with torch.no_grad():
            plain = transformer(**arguments)[0]
        if is_negative:
            assert torch.equal(shown, plain)
        else:
            assert (shown - plain).abs().max() > 1e-3, "the concepts must show"
