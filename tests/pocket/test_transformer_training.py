"""The transformer's training: a fresh model, one pass through its phases, and going on where it stopped."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from diffusers import FluxPipeline, FluxTransformer2DModel
from torch import Tensor, nn

from generator.precision import autocast, has_fast_bfloat16
from pocket.training.batches import LatentDataset
from pocket.training.text import TextEncoders, build_encoders
from pocket.training.transformer import (
    Conditioner,
    TransformerRecipe,
    TransformerTrainer,
    build_transformer,
    pack,
    predict,
    sample_sigma,
)
from tests.pocket.builders import write_latent_folder

TEXT_DIM, POOLED_DIM = 192, 128
RECIPE = TransformerRecipe(flow_minutes=0.005, distil_minutes=0.005, batch_size=8)


@pytest.fixture(scope="module")
def encoders() -> TextEncoders:
    torch.manual_seed(0)
    encoders = build_encoders()
    for module in (encoders.text_encoder, encoders.text_encoder_2):
        module.eval().requires_grad_(False)
    return encoders


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    write_latent_folder(tmp_path)
    return tmp_path


def tiny_transformer(*, seed: int) -> FluxTransformer2DModel:
    torch.manual_seed(seed)
    return FluxTransformer2DModel(
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


def _trainer(folder: Path, encoders: TextEncoders, recipe: TransformerRecipe, *, seed: int = 0) -> TransformerTrainer:
    return TransformerTrainer(folder, tiny_transformer(seed=seed), encoders, recipe, "cpu")


def _assert_equal_weights(ours: dict[str, Tensor], theirs: dict[str, Tensor]) -> None:
    assert ours.keys() == theirs.keys()
    for name in ours:
        assert torch.equal(ours[name], theirs[name]), name


def _distance(ours: nn.Module, theirs: nn.Module) -> float:
    pairs = zip(ours.parameters(), theirs.parameters(), strict=True)
    return sum(float((a - b).abs().sum().detach()) for a, b in pairs)


def test_blocks_of_a_fresh_transformer_are_the_identity_and_it_predicts_nothing() -> None:
    torch.manual_seed(0)
    transformer = build_transformer(in_channels=4, joint_attention_dim=TEXT_DIM, pooled_dim=POOLED_DIM).eval()
    through: list[tuple[Tensor, Tensor, tuple[Tensor, Tensor]]] = []

    def keep(_module: nn.Module, _args: tuple[Tensor, ...], kwargs: dict[str, Tensor], output: tuple) -> None:
        through.append((kwargs["encoder_hidden_states"], kwargs["hidden_states"], output))

    blocks = [*transformer.transformer_blocks, *transformer.single_transformer_blocks]
    for block in blocks:
        block.register_forward_hook(keep, with_kwargs=True)
    packed, img_ids = pack(torch.randn(2, 1, 4, 4))
    text = torch.randn(2, 5, TEXT_DIM), torch.randn(2, POOLED_DIM)
    with torch.no_grad():
        velocity = predict(transformer, packed, img_ids, torch.tensor([0.3, 0.9]), text, torch.ones(2))
    assert velocity.shape == packed.shape
    assert not velocity.any()
    assert len(through) == len(blocks) == 6
    for text_in, image_in, (text_out, image_out) in through:
        assert torch.equal(text_in.float(), text_out.float())
        assert torch.equal(image_in.float(), image_out.float())


def test_scales_and_shifts_of_fresh_blocks_keep_random_weights() -> None:
    transformer = build_transformer(in_channels=4, joint_attention_dim=TEXT_DIM, pooled_dim=POOLED_DIM)
    dim = transformer.inner_dim
    double = transformer.transformer_blocks[0].norm1.linear.weight.unflatten(0, (6, dim))
    assert [bool(chunk.any()) for chunk in double] == [True, True, False, True, True, False]
    single = transformer.single_transformer_blocks[0].norm.linear.weight.unflatten(0, (3, dim))
    assert [bool(chunk.any()) for chunk in single] == [True, True, False]


def test_packed_latents_are_squares_of_four_in_the_order_of_their_ids() -> None:
    latents = torch.randn(2, 3, 4, 6)
    packed, img_ids = pack(latents)
    assert packed.shape == (2, 6, 12)
    for token, (_, row, column) in enumerate(img_ids.int().tolist()):
        square = latents[:, :, 2 * row : 2 * row + 2, 2 * column : 2 * column + 2]
        assert torch.equal(packed[:, token], square.flatten(1))
    assert img_ids[:, 0].eq(0).all()
    assert torch.equal(FluxPipeline._unpack_latents(packed, 4 * 16, 6 * 16, 16), latents)


def test_noise_levels_lie_between_clean_and_noise_and_lean_to_noise() -> None:
    sigma = sample_sigma(2000, torch.Generator().manual_seed(0))
    assert sigma.shape == (2000,)
    assert 0 < sigma.min() < 0.1
    assert 0.9 < sigma.max() < 1
    assert 0.52 < sigma.median() < 0.63


def test_following_the_target_from_any_noise_level_leads_back_to_the_picture(
    folder: Path, encoders: TextEncoders
) -> None:
    trainer = _trainer(folder, encoders, RECIPE)
    batch, _ = next(trainer._batches())
    batch = batch.to("cpu")
    noisy, img_ids, sigma, target = trainer._noise(batch)
    clean, clean_ids = pack(batch.latents)
    torch.testing.assert_close(noisy - sigma[:, None, None] * target, clean, atol=1e-4, rtol=1e-5)
    assert torch.equal(img_ids, clean_ids)
    assert trainer.samples == len(clean)


def test_pooled_text_is_dropped_in_favour_of_the_empty_prompts(folder: Path, encoders: TextEncoders) -> None:
    conditioner = Conditioner(encoders, "cpu")
    dataset, generator = LatentDataset(folder), torch.Generator().manual_seed(0)
    batch = dataset.draw(np.random.default_rng(0), batch_size=4, drop_captions=0.0)
    tokens = encoders.tokenize(batch.prompts, max_sequence_length=batch.text_len)
    embeds, kept = conditioner(tokens, drop_pooled=0.0, generator=generator)
    same_embeds, dropped = conditioner(tokens, drop_pooled=1.0, generator=generator)
    empty_embeds, empty_pooled = conditioner.empty_like(embeds)
    assert torch.equal(embeds, same_embeds)
    assert empty_embeds.shape == embeds.shape
    assert torch.equal(dropped, empty_pooled)
    assert not torch.isclose(kept, empty_pooled).all(dim=-1).any()
    with autocast("cpu"):
        _, pooled = encoders.encode(batch.prompts, max_sequence_length=batch.text_len)
    torch.testing.assert_close(kept, pooled.float())


def test_a_run_goes_through_flow_and_distilling_to_done(folder: Path, encoders: TextEncoders) -> None:
    trainer = _trainer(folder, encoders, RECIPE)
    assert trainer.phase == "flow"
    for line in trainer.run():
        assert line.split()[0] in ("flow", "distil")
    assert trainer.phase == "done"
    assert trainer.step >= 2
    assert _distance(trainer.transformer, trainer.teacher) > 0
    averaged = trainer.averaged_transformer()
    assert all(bool(value.isfinite().all()) for value in averaged.state_dict().values())
    assert not any(parameter.requires_grad for parameter in averaged.parameters())
    assert _distance(averaged, tiny_transformer(seed=0)) > 0

    again = _trainer(folder, encoders, RECIPE, seed=1)
    assert (again.phase, again.step, again.samples) == ("done", trainer.step, trainer.samples)
    assert list(again.run()) == []
    assert again.step == trainer.step
    _assert_equal_weights(again.transformer.state_dict(), trainer.transformer.state_dict())
    _assert_equal_weights(again.averaged_transformer().state_dict(), averaged.state_dict())


def test_a_run_that_was_stopped_goes_on_with_the_same_state(folder: Path, encoders: TextEncoders) -> None:
    recipe = replace(RECIPE, distil_minutes=0.0)
    stopped = _trainer(folder, encoders, recipe)
    list(stopped._phase(recipe.flow_minutes, stopped._flow_loss))
    resumed = _trainer(folder, encoders, recipe, seed=1)
    assert (resumed.phase, resumed.step, resumed.samples) == ("flow", stopped.step, stopped.samples)
    assert resumed.elapsed == stopped.elapsed >= 60 * recipe.flow_minutes
    _assert_equal_weights(resumed.transformer.state_dict(), stopped.transformer.state_dict())
    _assert_equal_weights(resumed.head.state_dict(), stopped.head.state_dict())
    losses = []
    for trainer in (stopped, resumed):
        batch, tokens = next(trainer._batches())
        loss = trainer._flow_loss(batch.to("cpu"), tokens, 0.5)[0]
        for optimizer in trainer.optimizers:
            optimizer.zero_grad(set_to_none=True)
        loss.backward()
        for optimizer in trainer.optimizers:
            optimizer.step()
        losses.append(loss.item())
    assert losses[0] == pytest.approx(losses[1], rel=1e-5)
    for ours, theirs in zip(resumed.transformer.parameters(), stopped.transformer.parameters(), strict=True):
        torch.testing.assert_close(ours, theirs, atol=1e-5, rtol=1e-4)


def test_a_run_that_goes_on_meets_other_batches_and_noise(folder: Path, encoders: TextEncoders) -> None:
    trainer = _trainer(folder, encoders, RECIPE)
    prompts, noise = [], []
    for step in (0, 0, 7):
        trainer.step = step
        batch, _ = next(trainer._batches())
        prompts.append(batch.prompts)
        noise.append(torch.randn(3, generator=trainer.generator))
    assert prompts[0] == prompts[1] != prompts[2]
    assert torch.equal(noise[0], noise[1])
    assert not torch.equal(noise[1], noise[2])


def test_distilling_starts_from_the_averaged_weights_with_them_as_teacher(folder: Path, encoders: TextEncoders) -> None:
    trainer = _trainer(folder, encoders, replace(RECIPE, distil_minutes=0.0))
    list(trainer.run())
    averaged = trainer.averaged_transformer().state_dict()
    _assert_equal_weights(trainer.teacher.state_dict(), averaged)
    _assert_equal_weights(trainer.transformer.state_dict(), averaged)
    assert not any(parameter.requires_grad for parameter in trainer.teacher.parameters())


def test_attributes_are_read_from_the_image_stream(folder: Path, encoders: TextEncoders) -> None:
    trainer = _trainer(folder, encoders, RECIPE)
    batch, tokens = next(trainer._batches())
    _, _, attributes = trainer._flow_loss(batch.to("cpu"), tokens, 0.0)
    attributes.backward()
    assert trainer.transformer.transformer_blocks[0].attn.to_q.weight.grad.abs().sum() > 0
    assert trainer.transformer.single_transformer_blocks[0].attn.to_q.weight.grad is None


def test_bfloat16_is_used_just_where_it_is_fast() -> None:
    with autocast("cpu"):
        product = torch.ones(4, 4) @ torch.ones(4, 4)
    assert product.dtype == (torch.bfloat16 if has_fast_bfloat16() else torch.float32)
