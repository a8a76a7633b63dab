"""The table of a schedule's modulations: the laws again, and what only a table can do or refuse.

Against another path float32 rounds differently, by less than 1e-5; `torch.equal` compares two runs of one path.
"""

from typing import Any

import pytest
import torch
from diffusers import FluxTransformer2DModel
from torch import Tensor
from torch.nn.functional import silu

from generator.directions import Space, TokenRows
from generator.errors import ModulationError, UnsupportedModel
from generator.families.flux1 import FLUX1
from generator.modulation import attach, attach_to_all
from generator.modulation_table import attach_table, move_adaptive_norms
from tests.generator.families.cases import CASES
from tests.generator.reference import dense, forward_per_token, sparse
from tests.generator.tables import NOTHING, SCHEDULE, TEXT_LEN, TWO_PROMPTS, inputs_at, plain, rows_at, run
from tests.generator.tiny import (
    DIM,
    NUM_BLOCKS,
    TINY_SETTINGS,
    tiny_pipeline,
    tiny_transformer,
)


def seen_temb(transformer: Any, inputs: dict[str, Any]) -> Tensor:
    seen: list[Tensor] = []
    handle = transformer.time_text_embed.register_forward_hook(lambda module, args, temb: seen.append(temb))  # noqa: ARG005
    plain(transformer, inputs)
    handle.remove()
    return seen[0]


@pytest.mark.parametrize("num_blocks", [1, NUM_BLOCKS], ids=["shared", "per-block"])
@pytest.mark.parametrize("guidance", [True, False], ids=["dev", "schnell"])
def test_every_step_of_a_table_equals_the_dense_reference(guidance: bool, num_blocks: int) -> None:
    transformer = tiny_transformer(guidance_embeds=guidance)
    rows = rows_at(*TWO_PROMPTS, num_blocks=num_blocks)
    given = inputs_at(0, batch=2) if guidance else {**inputs_at(0, batch=2), "guidance": None}
    with torch.no_grad(), attach_table(transformer, rows, schedule=lambda: SCHEDULE):
        ours = [transformer(**{**given, "timestep": (at / 1000).expand(2)})[0] for at in SCHEDULE]
    for at, output in zip(SCHEDULE, ours, strict=True):
        inputs = {**given, "timestep": (at / 1000).expand(2)}
        with torch.no_grad():
            expected = forward_per_token(transformer, dense(rows), inputs)
        assert (expected - plain(transformer, inputs)).abs().max() > 1e-3, "the offsets must show"
        torch.testing.assert_close(output, expected, atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize("num_blocks", [1, NUM_BLOCKS], ids=["shared", "per-block"])
def test_what_is_added_behind_silu_is_what_would_be_added_before_it(num_blocks: int) -> None:
    """At one noise level: the part of an offset of temb that comes last, as a difference of its activations."""
    transformer, inputs = tiny_transformer(), inputs_at(1, batch=2)
    rows = rows_at(*TWO_PROMPTS, num_blocks=num_blocks)
    temb = seen_temb(transformer, inputs)[:, None, None]
    behind = silu(temb + rows.offsets) - silu(temb + rows.offsets / 3)
    with torch.no_grad():
        expected = forward_per_token(transformer, dense(rows), inputs)
    split = TokenRows(rows.positions, rows.offsets / 3, TEXT_LEN, activated=behind)
    torch.testing.assert_close(run(transformer, inputs, split), expected, atol=1e-5, rtol=1e-5)
    without = run(transformer, inputs, TokenRows(rows.positions, rows.offsets / 3, TEXT_LEN))
    assert (without - expected).abs().max() > 1e-3, "what is behind must show"


@pytest.mark.parametrize("space", ["temb", "activated"])
def test_steps_below_sigma_min_are_as_without_offsets_and_the_others_as_ever(space: Space) -> None:
    transformer, rows = tiny_transformer(), rows_at(*TWO_PROMPTS)
    if space == "activated":
        rows = TokenRows(rows.positions, torch.zeros_like(rows.offsets), TEXT_LEN, activated=rows.offsets)
    passes = [inputs_at(step, batch=2) for step in (0, 2, 1, 2)]
    with torch.no_grad(), attach_table(transformer, rows, schedule=lambda: SCHEDULE, sigma_min=0.5):
        found = [transformer(**inputs)[0] for inputs in passes]
    for output, inputs, acts in zip(found, passes, [True, False, True, False], strict=True):
        without = run(transformer, inputs, NOTHING)
        torch.testing.assert_close(output, run(transformer, inputs, rows) if acts else without, atol=1e-5, rtol=1e-5)
        assert (run(transformer, inputs, rows) - without).abs().max() > 1e-3, "the offsets must show"


def test_no_step_has_offsets_where_all_are_below_sigma_min() -> None:
    transformer, inputs, rows = tiny_transformer(), inputs_at(1, batch=2), rows_at(*TWO_PROMPTS)
    with torch.no_grad(), attach_table(transformer, rows, schedule=lambda: SCHEDULE, sigma_min=1.0) as table:
        found = transformer(**inputs)[0]
    with torch.no_grad(), attach_table(transformer, NOTHING, schedule=lambda: SCHEDULE) as plain_table:
        assert torch.equal(found, transformer(**inputs)[0])
    assert table.nbytes == plain_table.nbytes


def test_law_1_no_concept_and_zeros_on_its_rows_are_the_plain_model() -> None:
    transformer, inputs = tiny_transformer(), inputs_at(1, batch=2)
    zeros = TokenRows(torch.tensor([[1, 4]]), torch.zeros(1, 1, 2, DIM), TEXT_LEN)
    for rows in (NOTHING, zeros):
        torch.testing.assert_close(run(transformer, inputs, rows), plain(transformer, inputs), atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize("raises", [True, False], ids=["body-raises", "body-returns"])
def test_law_4_nothing_is_left_behind(raises: bool) -> None:
    transformer, inputs = tiny_transformer(), inputs_at(0)
    before = plain(transformer, inputs)
    weights = {name: weight.clone() for name, weight in transformer.state_dict().items()}
    attributes, description = set(vars(transformer)), repr(transformer)
    try:
        with attach_table(transformer, rows_at((1, 2)), schedule=lambda: SCHEDULE):
            transformer(**inputs)
            if raises:
                raise KeyboardInterrupt
    except KeyboardInterrupt:
        assert raises
    assert torch.equal(plain(transformer, inputs), before)
    assert (set(vars(transformer)), repr(transformer)) == (attributes, description)
    assert not any(module._forward_hooks or module._forward_pre_hooks for module in transformer.modules())
    assert list(transformer.state_dict()) == list(weights)
    assert all(torch.equal(weight, weights[name]) for name, weight in transformer.state_dict().items())


def test_laws_6_and_7_two_runs_give_the_same_bits_and_a_batch_equals_its_items_alone() -> None:
    transformer, inputs, rows = tiny_transformer(), inputs_at(2, batch=2), rows_at(*TWO_PROMPTS)
    together = run(transformer, inputs, rows)
    assert torch.equal(run(transformer, inputs, rows), together)
    for item in (0, 1):
        of_batch = {name for name, value in inputs.items() if torch.is_tensor(value) and not name.endswith("_ids")}
        one = {name: value[item : item + 1] if name in of_batch else value for name, value in inputs.items()}
        its_rows = TokenRows(rows.positions[item : item + 1], rows.offsets[item : item + 1], TEXT_LEN)
        torch.testing.assert_close(together[item : item + 1], run(transformer, one, its_rows), atol=1e-5, rtol=1e-5)


def test_an_offset_for_all_tokens_is_in_the_table() -> None:
    transformer, inputs, rows = tiny_transformer(), inputs_at(1), rows_at((1, 2))
    offset = torch.randn(1, DIM, generator=torch.Generator().manual_seed(5))
    with attach_to_all(transformer, offset):
        ours = run(transformer, inputs, rows)
        with torch.no_grad(), attach(transformer, rows):
            expected = transformer(**inputs)[0]
    assert (expected - run(transformer, inputs, rows)).abs().max() > 1e-3, "the offset must show"
    torch.testing.assert_close(ours, expected, atol=1e-5, rtol=1e-5)


def test_offsets_for_all_tokens_of_each_item_are_in_the_table_if_attached_before_it() -> None:
    transformer, inputs, rows = tiny_transformer(), inputs_at(1, batch=2), rows_at(*TWO_PROMPTS)
    offset = torch.randn(2, DIM, generator=torch.Generator().manual_seed(5))
    with attach_to_all(transformer, offset):
        ours = run(transformer, inputs, rows)
        with torch.no_grad(), attach(transformer, rows):
            expected = transformer(**inputs)[0]
    torch.testing.assert_close(ours, expected, atol=1e-5, rtol=1e-5)
    with (
        attach_table(transformer, rows, schedule=lambda: SCHEDULE),
        pytest.raises(ModulationError, match="first, then the table"),
        attach_to_all(transformer, offset),
    ):
        pass


def test_an_offset_for_all_tokens_is_in_the_table_that_follows_a_negative_prompt() -> None:
    transformer, rows, first = tiny_transformer(), rows_at((1, 2)), inputs_at(0)
    again = {**first, "guidance": torch.full((1,), 9.0)}
    offset = torch.randn(1, DIM, generator=torch.Generator().manual_seed(5))
    with attach_to_all(transformer, offset):
        expected = run(transformer, again, rows)
        with torch.no_grad(), attach_table(transformer, rows, schedule=lambda: SCHEDULE):
            transformer(**first)
            with transformer.cache_context("uncond"):
                transformer(**first)
            ours = transformer(**again)[0]
    assert (expected - run(transformer, again, rows)).abs().max() > 1e-3, "the offset must show"
    assert torch.equal(ours, expected)


def test_the_same_call_twice_with_a_negative_prompt_draws_the_same_with_everything_attached() -> None:
    pipeline, rows = tiny_pipeline(), rows_at((1, 2))

    def draw() -> Tensor:
        return pipeline(
            prompt="a fox",
            negative_prompt="snow",
            true_cfg_scale=2.0,
            num_inference_steps=2,
            height=TINY_SETTINGS.height,
            width=TINY_SETTINGS.width,
            max_sequence_length=TEXT_LEN,
            generator=torch.Generator().manual_seed(0),
            output_type="latent",
        ).images

    with (
        attach_to_all(pipeline.transformer, torch.ones(1, DIM)),
        attach_table(pipeline.transformer, rows, schedule=lambda: pipeline.scheduler.timesteps),
    ):
        first, second = draw(), draw()
    assert torch.equal(first, second)


def test_a_table_is_in_the_dtype_of_the_pass_and_close_in_bfloat16() -> None:
    transformer, rows = tiny_transformer().to(torch.bfloat16), rows_at((1, 2))
    inputs = {
        name: value.bfloat16() if torch.is_tensor(value) and not name.endswith("_ids") else value
        for name, value in inputs_at(0).items()
    }
    with torch.no_grad(), attach_table(transformer, rows, schedule=lambda: SCHEDULE) as table:
        found = transformer(**inputs)[0]
        assert found.dtype == torch.bfloat16
    assert {rows.dtype for step in table.steps.values() for rows in step} == {torch.bfloat16}
    with torch.no_grad():
        expected = forward_per_token(transformer, dense(rows).bfloat16(), inputs)
    error, effect = ((other - expected).abs().max().item() for other in (found, plain(transformer, inputs)))
    assert error < effect / 4, f"differs by {error} where the offsets show by {effect}"


def test_another_prompt_guidance_or_schedule_has_another_table() -> None:
    transformer, rows, schedule = tiny_transformer(), rows_at((1, 2)), SCHEDULE
    first = inputs_at(0)
    passes = [
        first,
        {**first, "pooled_projections": first["pooled_projections"] + 1},
        {**first, "guidance": torch.full((1,), 9.0)},
        {**first, "timestep": torch.full((1,), 0.7)},
    ]
    with torch.no_grad(), attach_table(transformer, rows, schedule=lambda: schedule):
        ours = []
        for inputs in passes:
            schedule = 1000 * inputs["timestep"]
            ours.append(transformer(**inputs)[0])
    for inputs, output in zip(passes, ours, strict=True):
        with torch.no_grad():
            expected = forward_per_token(transformer, dense(rows), inputs)
        torch.testing.assert_close(output, expected, atol=1e-5, rtol=1e-5)


def test_a_table_is_computed_again_for_other_values_and_not_for_other_tensors() -> None:
    transformer, rows, given = tiny_transformer(), rows_at((1, 2)), inputs_at(0)
    schedule, computed, counts = SCHEDULE, [], []
    counted = transformer.time_text_embed.register_forward_hook(lambda module, args, temb: computed.append(temb))  # noqa: ARG005
    anew = {name: given[name].clone() for name in ("pooled_projections", "guidance")}
    others = {"pooled_projections": given["pooled_projections"] + 1}, {"guidance": torch.full((1,), 9.0)}
    with torch.no_grad(), counted, attach_table(transformer, rows, schedule=lambda: schedule, step=lambda: 0):
        for changes in ({}, anew, *others):
            schedule, given = SCHEDULE.clone(), {**given, **changes}
            transformer(**given)
            counts.append(len(computed))
        schedule = SCHEDULE / 2
        transformer(**given)
    assert [*counts, len(computed)] == [1, 1, 2, 3, 4]


def test_where_the_step_is_told_the_timestep_is_not_read() -> None:
    transformer, rows = tiny_transformer(), rows_at((1, 2))
    expected = [run(transformer, inputs_at(step), rows) for step in range(3)]
    steps, inputs = iter((0, 2, 1)), inputs_at(0)
    with torch.no_grad(), attach_table(transformer, rows, schedule=lambda: SCHEDULE, step=lambda: next(steps)):
        for step in (0, 2, 1):
            assert torch.equal(transformer(**inputs)[0], expected[step]), "the timestep stays that of step 0"


def test_the_adaptive_norms_are_not_needed_once_there_is_a_table() -> None:
    transformer, rows = tiny_transformer(), rows_at((1, 2))
    expected = [run(transformer, inputs_at(step), rows) for step in range(3)]
    layers = [norm.linear for norm in (*FLUX1.tabled.of_text(transformer), *FLUX1.tabled.of_image(transformer))]
    given = inputs_at(0)
    with torch.no_grad(), attach_table(transformer, rows, schedule=lambda: SCHEDULE):
        transformer(**given)
        for layer in layers:
            layer.weight.fill_(float("nan"))
        ours = [transformer(**{**given, "timestep": SCHEDULE[step : step + 1] / 1000})[0] for step in range(3)]
    for output, wanted in zip(ours, expected, strict=True):
        assert torch.equal(output, wanted)


def nbytes(transformer: torch.nn.Module) -> int:
    return sum(weight.nbytes for weight in transformer.parameters())


def test_a_table_saves_a_quarter_of_the_resident_bytes() -> None:
    """Measured on blocks of width 128; the wider they are, the less a table takes beside the weights."""
    transformer = tiny_transformer(num_heads=8)
    rows = TokenRows(torch.tensor([[1, 2]]), torch.ones(1, 1, 2, 128), TEXT_LEN)
    before, embedder = nbytes(transformer), transformer.time_text_embed  # which stays where it is
    with torch.no_grad(), attach_table(transformer, rows, schedule=lambda: SCHEDULE) as table:
        transformer(**inputs_at(0))
        after = nbytes(transformer) + nbytes(embedder) + table.nbytes
    assert nbytes(transformer) == before
    assert after < 0.75 * before, f"{after} of {before} bytes are resident"


def test_a_table_saves_a_quarter_of_the_resident_bytes_of_flux1_dev() -> None:
    """28 steps and 8 tokens with a concept, in bfloat16, on the device that holds no numbers."""
    with torch.device("meta"):
        transformer = FluxTransformer2DModel(guidance_embeds=True)
    text, image = (
        [norm.linear for norm in norms(transformer)] for norms in (FLUX1.tabled.of_text, FLUX1.tabled.of_image)
    )
    saved = sum(nbytes(layer) for layer in (*text, *image)) // 2  # in float32 here
    of_base, of_rows = sum(layer.out_features for layer in (*text, *image)), sum(layer.out_features for layer in text)
    table = 28 * (of_base + 8 * of_rows) * 2
    share = (saved - table) / (nbytes(transformer) // 2)
    assert (round(saved / 1e9, 2), round(table / 1e6)) == (6.49, 373)
    assert share > 0.25, f"saves {share:.1%}"


def test_a_negative_prompt_is_plain_flux_and_needs_the_norms_where_they_are() -> None:
    transformer, inputs = tiny_transformer(), inputs_at(0)
    before = plain(transformer, inputs)
    with torch.no_grad(), attach_table(transformer, rows_at((1, 2)), schedule=lambda: SCHEDULE):
        shown = transformer(**inputs)[0]
        with transformer.cache_context("uncond"):
            assert torch.equal(transformer(**inputs)[0], before)
        assert torch.equal(transformer(**inputs)[0], shown)
    move_adaptive_norms(transformer, "meta")
    with (
        attach_table(transformer, rows_at((1, 2)), schedule=lambda: SCHEDULE),
        transformer.cache_context("uncond"),
        pytest.raises(ModulationError, match="negative prompt"),
    ):
        transformer(**inputs)


def test_a_pipeline_draws_the_same_with_a_table_as_without() -> None:
    pipeline, rows = tiny_pipeline(), rows_at((1, 2))

    def draw() -> Tensor:
        return pipeline(
            prompt="a fox",
            num_inference_steps=3,
            height=TINY_SETTINGS.height,
            width=TINY_SETTINGS.width,
            max_sequence_length=TEXT_LEN,
            generator=torch.Generator().manual_seed(0),
            output_type="latent",
        ).images

    without = draw()
    with attach(pipeline.transformer, rows):
        expected = draw()
    with attach_table(pipeline.transformer, rows, schedule=lambda: pipeline.scheduler.timesteps):
        ours = draw()
    assert (expected - without).abs().max() > 1e-3, "the offsets must show"
    torch.testing.assert_close(ours, expected, atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"timestep": torch.tensor([0.3])}, r"at the timesteps \[0.3"),
        ({"encoder_hidden_states": torch.zeros(1, TEXT_LEN + 1, 24)}, "7 text tokens"),
    ],
    ids=["timestep", "text-length"],
)
def test_passes_that_a_table_is_not_for_are_refused(change: dict[str, Tensor], message: str) -> None:
    with pytest.raises(ModulationError, match=message):
        run(tiny_transformer(), {**inputs_at(0), **change}, rows_at((1, 2)))


def test_items_at_different_timesteps_are_refused() -> None:
    with pytest.raises(ModulationError, match="cannot be had of a table"):
        run(tiny_transformer(), {**inputs_at(0, batch=2), "timestep": SCHEDULE[:2] / 1000}, rows_at((1, 2)))


def test_rows_that_do_not_fit_and_families_without_tables_are_refused() -> None:
    with pytest.raises(ModulationError, match="4 blocks or 1"):
        run(tiny_transformer(), inputs_at(0), rows_at((1, 2), num_blocks=3))
    transformer = tiny_transformer()
    with (
        attach(transformer, sparse(torch.ones(1, 1, TEXT_LEN, DIM))),
        pytest.raises(ModulationError, match="Add the offsets together"),
        attach_table(transformer, NOTHING, schedule=lambda: SCHEDULE),
    ):
        pass
    other = CASES["flux2-dev"].make_transformer()
    with pytest.raises(UnsupportedModel, match="FLUX.2 cannot be computed in advance, only those of FLUX.1"):
        move_adaptive_norms(other, "cpu")
