"""The renderer on a tiny pipeline and a real bank."""

import gc
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from diffusers.hooks.context_parallel import apply_context_parallel
from diffusers.models._modeling_parallel import ContextParallelConfig
from PIL import Image

from concepts.bank import ConceptBank, hash_direction
from concepts.errors import UnknownConcept, WrongBaseModel
from concepts.schema import BoundPrompt, Concept, ConceptMention, ModelFamily
from generator.directions import Direction, save_direction
from generator.errors import DirectionMismatch, InvalidSettings, NoPicture, PromptTooLong, UnsupportedModel
from generator.flux_renderer import FluxRenderer
from generator.modulation_table import ModulationTable
from generator.renderer import PictureOrder, Renderer
from generator.settings import RenderSettings
from tests.generator.tiny import DIM, NUM_BLOCKS, TINY_SETTINGS, tiny_model

PROMPT = "a fox wearing a straw hat"


@pytest.fixture(scope="module")
def renderer(tmp_path_factory: pytest.TempPathFactory) -> FluxRenderer:
    """A bank with 'rusty' (fox), 'straw' (straw hat), and 'foreign' and 'cousin', learnt on others."""
    folder = tmp_path_factory.mktemp("bank")
    model, bank = tiny_model(), ConceptBank(folder / "bank")
    add(bank, "rusty", "fox", 1, base_model=model.fingerprint)
    add(bank, "straw", "straw hat", 2, base_model=model.fingerprint)
    add(bank, "foreign", "snow", 1, base_model="0" * 64)
    add(bank, "cousin", "snow", 1, base_model="0" * 64, family="sd3")
    return FluxRenderer(model, bank)


def add(
    bank: ConceptBank, concept_id: str, word: str, num_pieces: int, *, base_model: str, family: ModelFamily = "flux1"
) -> None:
    path = bank.folder.parent / "new.safetensors"
    generator = torch.Generator().manual_seed(len(word))
    save_direction(Direction(torch.randn(num_pieces, NUM_BLOCKS, DIM, generator=generator), "activated"), path)
    picture_path = bank.folder.parent / "new.png"
    Image.new("RGB", (8, 8)).save(picture_path)
    concept = Concept(
        id=concept_id,
        word=word,
        kind="object",
        caption=f"a {word}",
        family=family,
        base_model=base_model,
        base_model_name="Some Flux",
        direction_sha256=hash_direction(path),
        recipe={},
    )
    bank.add(concept, source=picture_path, direction=path, preview=picture_path)


def bind(prompt: str, **words: str) -> BoundPrompt:
    mentions = [
        ConceptMention(concept_id=concept_id, start=prompt.index(word), stop=prompt.index(word) + len(word))
        for concept_id, word in words.items()
    ]
    return BoundPrompt(prompt=prompt, mentions=tuple(mentions))


def test_without_concepts_the_picture_is_plain_flux(renderer: FluxRenderer) -> None:
    expected = renderer.model.pipeline(
        prompt=PROMPT,
        num_inference_steps=TINY_SETTINGS.num_inference_steps,
        guidance_scale=TINY_SETTINGS.guidance_scale,
        height=TINY_SETTINGS.height,
        width=TINY_SETTINGS.width,
        max_sequence_length=TINY_SETTINGS.max_sequence_length,
        generator=torch.Generator().manual_seed(3),
    ).images[0]
    drawn = renderer.render(BoundPrompt(prompt=PROMPT), seed=3)
    assert drawn.size == (TINY_SETTINGS.width, TINY_SETTINGS.height)
    assert drawn.tobytes() == expected.tobytes()


def test_text_encoders_work_once_for_all_pictures_however_many_are_drawn_together(renderer: FluxRenderer) -> None:
    calls: list[int] = []
    handle = renderer.model.pipeline.text_encoder_2.register_forward_hook(lambda *_: calls.append(1))
    large = replace(TINY_SETTINGS, height=512, width=512, num_inference_steps=1)
    try:
        drawn = list(renderer.render_all(orders(2), settings=large))
    finally:
        handle.remove()
    assert (len(drawn), len(calls)) == (2, 1)
    assert not list(renderer.render_all([]))


def test_law_6_same_seed_same_bytes_and_another_seed_another_picture(renderer: FluxRenderer) -> None:
    bound = bind(PROMPT, rusty="fox")
    first = renderer.render(bound, seed=3)
    assert renderer.render(bound, seed=3).tobytes() == first.tobytes()
    assert renderer.render(bound, seed=4).tobytes() != first.tobytes()


def test_rows_that_are_not_used_change_nothing_but_rounding(renderer: FluxRenderer) -> None:
    padded = FluxRenderer(renderer.model, renderer.bank, num_rows=8)
    for bound in (BoundPrompt(prompt=PROMPT), bind(PROMPT, rusty="fox")):
        assert difference(padded.render(bound, seed=3), renderer.render(bound, seed=3)) < 0.01


def difference(left: Image.Image, right: Image.Image) -> float:
    return float(np.abs(np.asarray(left, np.float32) - np.asarray(right, np.float32)).mean())


def test_concepts_change_the_picture_by_their_strength(renderer: FluxRenderer) -> None:
    bound = bind(PROMPT, rusty="fox", straw="straw hat")
    plain = renderer.render(BoundPrompt(prompt=PROMPT), seed=3)
    shown = difference(renderer.render(bound, seed=3), plain)
    without = difference(renderer.render(bound, seed=3, strengths={"rusty": 0, "straw": 0}), plain)
    one = difference(renderer.render(bound, seed=3, strengths={"rusty": 0}), plain)
    assert without < 0.1 * shown, f"strength 0 changes the picture by {without}, strength 1 by {shown}"
    assert one != shown


def test_directions_rest_below_the_noise_level_that_is_set(renderer: FluxRenderer) -> None:
    bound, steps = bind(PROMPT, rusty="fox"), TINY_SETTINGS.num_inference_steps
    plain, shown = renderer.render(BoundPrompt(prompt=PROMPT), seed=3), renderer.render(bound, seed=3)
    resting = renderer.render(bound, seed=3, settings=replace(TINY_SETTINGS, direction_sigma_min=1.0))
    assert steps > 1
    assert 0 < difference(resting, plain) < 0.9 * difference(shown, plain)


def test_guidance_goes_further_and_leaves_pictures_without_concepts_alone(renderer: FluxRenderer) -> None:
    """Of the first of two steps, the only one at a noise level of 0.8 or more."""
    assert TINY_SETTINGS.num_inference_steps == 2
    bound, guided = bind(PROMPT, rusty="fox"), replace(TINY_SETTINGS, concept_guidance_scale=3.0)
    plain, shown = (renderer.render(each, seed=3) for each in (BoundPrompt(prompt=PROMPT), bound))
    further, passes = rendered_in_passes(renderer, bound, guided)
    assert passes == 3
    assert difference(further, plain) > 1.2 * difference(shown, plain)
    same, passes = rendered_in_passes(renderer, BoundPrompt(prompt=PROMPT), guided)
    assert passes == 2
    assert same.tobytes() == plain.tobytes()


def test_a_concept_of_no_strength_takes_no_second_pass(renderer: FluxRenderer) -> None:
    guided, seen = replace(TINY_SETTINGS, concept_guidance_scale=3.0), []
    with renderer.model.pipeline.transformer.x_embedder.register_forward_pre_hook(lambda *_: seen.append(True)):
        renderer.render(bind(PROMPT, rusty="fox"), seed=3, settings=guided, strengths={"rusty": 0})
    assert len(seen) == TINY_SETTINGS.num_inference_steps


def test_guided_pictures_of_which_blocks_are_left_out_are_the_same_again(renderer: FluxRenderer) -> None:
    guided = replace(TINY_SETTINGS, concept_guidance_scale=3.0, concept_guidance_sigma_min=0.0)
    cached = FluxRenderer(replace(renderer.model, cache_threshold=10.0), renderer.bank)
    once, again = (cached.render(bind(PROMPT, rusty="fox"), seed=3, settings=guided) for _ in range(2))
    assert once.tobytes() == again.tobytes()
    assert difference(once, renderer.render(bind(PROMPT, rusty="fox"), seed=3, settings=guided)) > 0
    assert not renderer.model.pipeline.transformer.is_cache_enabled


def test_no_blocks_are_left_out_where_processes_would_decide_apart(renderer: FluxRenderer) -> None:
    model = replace(tiny_model(), cache_threshold=0.08)
    transformer = model.pipeline.transformer
    apply_context_parallel(transformer, ContextParallelConfig(ulysses_degree=2), transformer._cp_plan)
    with pytest.raises(UnsupportedModel, match="wait for ever"):
        FluxRenderer(model, renderer.bank).render(BoundPrompt(prompt=PROMPT), seed=3, settings=TINY_SETTINGS)


def test_guided_pictures_drawn_together_are_those_drawn_alone(renderer: FluxRenderer) -> None:
    settings = replace(TINY_SETTINGS, concept_guidance_scale=3.0)
    together = list(renderer.render_all(orders(3), settings=settings))
    for order, image in zip(orders(3), together, strict=True):
        alone = renderer.render(order.bound, seed=order.seed, strengths=order.strengths, settings=settings)
        assert difference(image, alone) < 0.01


def rendered_in_passes(renderer: FluxRenderer, bound: BoundPrompt, settings: RenderSettings) -> tuple[Image.Image, int]:
    seen: list[bool] = []
    embedder = renderer.model.pipeline.transformer.x_embedder
    with embedder.register_forward_pre_hook(lambda module, args: seen.append(True)):  # noqa: ARG005
        return renderer.render(bound, seed=3, settings=settings), len(seen)


PROMPTS = (bind(PROMPT, rusty="fox"), BoundPrompt(prompt="snow"), bind(PROMPT, rusty="fox", straw="straw hat"))


def orders(number: int) -> list[PictureOrder]:
    """Of different prompts with different concepts, and one strength that is not 1."""
    strengths = ({}, {}, {"straw": 0.5})
    return [
        PictureOrder(bound=PROMPTS[index % 3], seed=index, strengths=strengths[index % 3]) for index in range(number)
    ]


def test_law_7_pictures_drawn_together_are_those_drawn_alone_and_the_same_bytes_again(renderer: FluxRenderer) -> None:
    together = list(renderer.render_all(orders(3)))
    for order, image in zip(orders(3), together, strict=True):
        alone = renderer.render(order.bound, seed=order.seed, strengths=order.strengths)
        assert difference(image, alone) < 0.01
    assert [image.tobytes() for image in renderer.render_all(orders(3))] == [image.tobytes() for image in together]


@pytest.mark.parametrize(
    ("number", "side", "batches"), [(9, 16, [3, 3, 3]), (2, 512, [1, 1])], ids=["small-nine", "large-two"]
)
def test_so_many_pictures_are_drawn_together_as_their_size_allows(
    renderer: FluxRenderer, number: int, side: int, batches: list[int]
) -> None:
    settings = replace(TINY_SETTINGS, num_inference_steps=1, height=side, width=side)
    seen: list[int] = []
    handle = renderer.model.pipeline.transformer.x_embedder.register_forward_pre_hook(
        lambda _, args: seen.append(args[0].shape[0])
    )
    images = list(renderer.render_all(orders(number), settings=settings))
    handle.remove()
    assert seen == batches
    assert [image.size for image in images] == [(side, side)] * number


def test_pictures_that_are_done_are_not_drawn_and_the_others_come_out_to_the_byte(renderer: FluxRenderer) -> None:
    whole = list(renderer.render_all(orders(9)))
    drawn_together: list[int] = []
    handle = renderer.model.pipeline.transformer.register_forward_pre_hook(
        lambda *call: drawn_together.append(len(call[2]["hidden_states"])), with_kwargs=True
    )
    rest = list(renderer.render_all(orders(9), done={0, 1, 2, 3, 7}))
    assert not list(renderer.render_all(orders(9), done=range(9)))
    handle.remove()
    assert [image.tobytes() for image in rest] == [whole[index].tobytes() for index in (4, 5, 6, 8)]
    assert drawn_together == [3] * 2 * TINY_SETTINGS.num_inference_steps, "two of the three parts, each as it was"


def test_blocks_are_left_out_while_drawing_alone_and_never_because_of_another_picture(renderer: FluxRenderer) -> None:
    cached = FluxRenderer(replace(renderer.model, cache_threshold=10.0), renderer.bank)
    exact = [np.asarray(picture, int) for picture in renderer.render_all(orders(3))]
    together = [np.asarray(picture, int) for picture in cached.render_all(orders(3))]
    alone = [np.asarray(cached.render(order.bound, seed=order.seed, strengths=order.strengths)) for order in orders(3)]
    assert all(np.array_equal(*pair) for pair in zip(together, alone, strict=True))
    assert all(np.abs(left - right).max() > 2 for left, right in zip(together, exact, strict=True))
    assert not renderer.model.pipeline.transformer.is_cache_enabled


def test_pictures_drawn_together_are_told_of_as_if_one_came_after_the_other(renderer: FluxRenderer) -> None:
    steps: list[tuple[int, int, int]] = []
    list(renderer.render_all(orders(3), on_step=lambda *step: steps.append(step)))
    assert steps == [(0, 2, 2), (1, 1, 2), (1, 2, 2), (2, 2, 2)]


def test_what_cannot_be_drawn_is_known_before_anything_is(renderer: FluxRenderer) -> None:
    steps: list[tuple[int, int, int]] = []
    wrong = PictureOrder(bound=bind("a fox in the snow", foreign="snow"), seed=3)
    with pytest.raises(WrongBaseModel):
        next(renderer.render_all([*orders(9), wrong], on_step=lambda *step: steps.append(step)))
    assert not steps


def test_the_global_random_state_is_neither_used_nor_changed(renderer: FluxRenderer) -> None:
    torch.manual_seed(1)
    first = renderer.render(bind(PROMPT, rusty="fox"), seed=3)
    after = torch.rand(1)
    torch.manual_seed(1)
    assert torch.equal(torch.rand(1), after)
    torch.manual_seed(2)
    assert renderer.render(bind(PROMPT, rusty="fox"), seed=3).tobytes() == first.tobytes()


@pytest.mark.parametrize("cache_threshold", [0.0, 0.08], ids=["whole", "blocks-left-out"])
def test_a_picture_leaves_no_table_behind_even_if_nothing_collects_cycles(
    renderer: FluxRenderer, cache_threshold: float
) -> None:
    guided = replace(TINY_SETTINGS, concept_guidance_scale=1.5)
    drawer = FluxRenderer(replace(renderer.model, cache_threshold=cache_threshold), renderer.bank, settings=guided)
    gc.collect()
    gc.disable()
    try:
        drawer.render(bind(PROMPT, rusty="fox"), seed=3)
        for _ in drawer.render_all(orders(2)):
            assert not [each for each in gc.get_objects() if type(each) is ModulationTable]
    finally:
        gc.enable()


def test_steps_are_reported_from_one_to_all(renderer: FluxRenderer) -> None:
    steps: list[tuple[int, int]] = []
    renderer.render(
        bind(PROMPT, rusty="fox"),
        seed=3,
        settings=replace(TINY_SETTINGS, num_inference_steps=3),
        on_step=lambda step, num_steps: steps.append((step, num_steps)),
    )
    assert steps == [(1, 3), (2, 3), (3, 3)]


def test_an_interrupted_picture_leaves_the_model_as_it_was(renderer: FluxRenderer) -> None:
    plain = renderer.render(BoundPrompt(prompt=PROMPT), seed=3)

    def interrupt(step: int, num_steps: int) -> None:
        raise KeyboardInterrupt(f"{step} of {num_steps}")

    with pytest.raises(KeyboardInterrupt, match="1 of 2"):
        renderer.render(bind(PROMPT, rusty="fox"), seed=3, on_step=interrupt)
    assert renderer.render(BoundPrompt(prompt=PROMPT), seed=3).tobytes() == plain.tobytes()


def test_a_concept_of_another_model_is_refused(renderer: FluxRenderer) -> None:
    with pytest.raises(WrongBaseModel, match="'foreign' was learnt on 'Some Flux'"):
        renderer.render(bind("a fox in the snow", foreign="snow"), seed=3)


def test_a_concept_of_another_family_is_refused(renderer: FluxRenderer) -> None:
    with pytest.raises(
        WrongBaseModel, match=r"'cousin' was learnt on a model of the family 'sd3' .*'flux1' \(FLUX.1\)"
    ):
        renderer.render(bind("a fox in the snow", cousin="snow"), seed=3)


def test_an_unknown_concept_is_refused(renderer: FluxRenderer) -> None:
    with pytest.raises(UnknownConcept, match="rust"):
        renderer.render(bind(PROMPT, rust="fox"), seed=3)


def test_a_word_written_in_another_way_than_learnt_is_refused(renderer: FluxRenderer) -> None:
    with pytest.raises(DirectionMismatch, match="learnt for 'fox'"):
        renderer.render(bind("a Fox waves", rusty="Fox"), seed=3)


def test_a_concept_beyond_the_encoders_tokens_is_refused(renderer: FluxRenderer) -> None:
    with pytest.raises(PromptTooLong, match="12 tokens"):
        renderer.render(bind("a a a a a a a a a a a a a fox", rusty="fox"), seed=3)


def test_numbers_that_overflow_are_no_picture(renderer: FluxRenderer) -> None:
    bound = bind(PROMPT, rusty="fox")
    with pytest.raises(NoPicture, match="seed 3.*smaller strengths"):
        renderer.render(bound, seed=3, strengths={"rusty": 1e38})
    pictures = [PictureOrder(bound=bound, seed=3), PictureOrder(bound=bound, seed=5, strengths={"rusty": 1e38})]
    with pytest.raises(NoPicture, match="seed 5"):
        list(renderer.render_all(pictures))


@pytest.mark.parametrize("strengths", [{"straw": 1.0}, {"rusty": float("inf")}], ids=["not-mentioned", "infinite"])
def test_strengths_that_cannot_be_used_are_refused(renderer: FluxRenderer, strengths: dict[str, float]) -> None:
    with pytest.raises(InvalidSettings, match="which has rusty"):
        renderer.render(bind(PROMPT, rusty="fox"), seed=3, strengths=strengths)


def test_sizes_that_diffusers_would_change_silently_are_refused(tmp_path: Path) -> None:
    model = tiny_model()
    model.pipeline.vae_scale_factor = 16
    renderer: Renderer = FluxRenderer(model, ConceptBank(tmp_path))
    with pytest.raises(InvalidSettings, match="multiples of 32"):
        renderer.render(BoundPrompt(prompt=PROMPT), seed=3, settings=TINY_SETTINGS)
