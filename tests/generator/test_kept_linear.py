"""Learning through weights that are kept in fp8 or fetched: as through the same weights in full."""

from dataclasses import replace
from pathlib import Path

import pytest
import torch
from torch import nn
from torch.nn.functional import cosine_similarity
from torch.utils.checkpoint import checkpoint

from generator.kept_linear import NORM, KeptLinear
from generator.loading import FluxModel, load_model
from generator.placement import place
from generator.plan import Numbers, RenderPlan
from tests.generator.learning_builders import RECIPE, learn
from tests.generator.test_learning import Watcher
from tests.generator.test_placement import IN_FULL
from tests.generator.tiny import TINY_SETTINGS, tiny_pipeline

SIZE = {"height": TINY_SETTINGS.height, "width": TINY_SETTINGS.width, "gradient_checkpointing": True}
SHORT = {"stage1_steps": 1, "stage2_steps": 2, "batch_size": 1, "checkpoint_every": 1}  # bfloat16 is slow on processors
OF_TINY = RECIPE.model_copy(update={**SIZE, **SHORT})
LEARNING = replace(IN_FULL, numbers=Numbers(dtype="bfloat16"), text_encoders="leave", is_for_learning=True)
KEPT = {
    "fetched": replace(LEARNING, norms="away"),
    "in fp8": replace(LEARNING, norms="away", numbers=Numbers(dtype="bfloat16", weights="fp8-stored")),
}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("models") / "tiny"
    tiny_pipeline().save_pretrained(path)
    return path


def in_same_numbers(folder: Path, plan: RenderPlan) -> FluxModel:
    """The model in full, its weights rounded as the plan keeps them."""
    model = load_model(folder, plan=LEARNING)
    transformer = model.pipeline.transformer
    for block in (*transformer.transformer_blocks, *transformer.single_transformer_blocks):
        for name, layer in block.named_modules():
            if plan.numbers.weights == "fp8-stored" and isinstance(layer, nn.Linear) and NORM not in name:
                for weight in layer.parameters():
                    weight.data = weight.data.to(torch.float8_e4m3fn).to(weight.dtype)
    return model


@pytest.mark.parametrize("is_checkpointed", [False, True])
def test_gradients_are_those_of_the_same_weights_in_full(is_checkpointed: bool) -> None:
    torch.manual_seed(0)
    layers = [nn.Linear(8, 16), nn.Linear(16, 4, bias=False)]
    kept = [KeptLinear.of(layer, torch.float8_e4m3fn) for layer in layers]
    assert {weight.dtype for layer in kept for weight in layer.parameters()} == {torch.float8_e4m3fn}
    for layer, smaller in zip(layers, kept, strict=True):
        layer.load_state_dict({name: weight.float() for name, weight in smaller.state_dict().items()})
    made, gradients = [], []
    for first, second in (layers, kept):
        inputs = torch.linspace(-1, 1, 48).reshape(2, 3, 8).requires_grad_()

        def run(given: torch.Tensor, first: nn.Module = first, second: nn.Module = second) -> torch.Tensor:
            return second(first(given).tanh())

        output = checkpoint(run, inputs, use_reentrant=False) if is_checkpointed else run(inputs)
        output.square().sum().backward()
        made.append(output)
        gradients.append(inputs.grad)
    torch.testing.assert_close(*made)
    torch.testing.assert_close(*gradients)


@pytest.mark.parametrize("plan", KEPT.values(), ids=KEPT.keys())
def test_directions_are_learnt_as_of_the_same_weights_in_full(plan: RenderPlan, folder: Path) -> None:
    model = load_model(folder, plan=plan)
    block = model.pipeline.transformer.transformer_blocks[0]
    in_fp8 = plan.numbers.weights == "fp8-stored"
    assert block.attn.to_q.weight.dtype == (torch.float8_e4m3fn if in_fp8 else torch.bfloat16)
    assert block.norm1_context.linear.weight.dtype == torch.bfloat16
    expected = learn(in_same_numbers(folder, plan), recipe=OF_TINY).direction("fox").vectors
    found = learn(model, recipe=OF_TINY).direction("fox").vectors
    assert expected.abs().max() > 0
    assert cosine_similarity(found.flatten(), expected.flatten(), dim=0) > 0.999
    torch.testing.assert_close(found.norm(), expected.norm(), rtol=0.01, atol=0)


def test_learning_in_fp8_goes_on_from_a_checkpoint(folder: Path, tmp_path: Path) -> None:
    model, path = load_model(folder, plan=KEPT["in fp8"]), tmp_path / "fox.safetensors"
    whole = learn(model, recipe=OF_TINY).direction("fox").vectors
    with pytest.raises(KeyboardInterrupt):
        learn(model, recipe=OF_TINY, checkpoint_path=path, on_step=Watcher(2))
    assert torch.equal(learn(model, recipe=OF_TINY, checkpoint_path=path).direction("fox").vectors, whole)


def test_adaptive_norms_are_off_the_device_while_learning() -> None:
    pipeline = tiny_pipeline().to(dtype=torch.bfloat16)
    place(pipeline, KEPT["in fp8"], away="meta")  # the processor is the device here
    left = {name for name, weight in pipeline.transformer.named_parameters() if weight.device.type == "cpu"}
    gone = {name for name, _ in pipeline.transformer.named_parameters()} - left
    assert "transformer_blocks.0.attn.to_q.weight" in left
    assert {"norm_out.linear.weight", "single_transformer_blocks.0.norm.linear.bias"} <= gone
    assert all(".linear." in name and NORM in name for name in gone)
