"""Memory that runs out: the next plan is followed, the picture drawn again, and in the end it is said what to do."""

from collections.abc import Collection, Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from PIL import Image

from concepts.bank import ConceptBank
from concepts.schema import BoundPrompt
from generator.errors import InvalidSettings, OutOfMemory, PromptTooLong
from generator.flux_renderer import FluxRenderer
from generator.loading import FluxModel
from generator.plan import FLUX_1_SIZES, Machine, Numbers, Peak, RenderPlan
from generator.planning import plan_rendering
from generator.renderer import OnPictureStep, PictureOrder
from generator.settings import FLUX_DEV_SETTINGS, RenderSettings
from generator.stepping import TRY_AGAIN_AFTER, SteppingModel, SteppingRenderer
from tests.generator.tiny import tiny_model

FLOAT32 = Numbers(dtype="float32")
LARGE = RenderPlan(device="cpu", numbers=FLOAT32, peak=Peak(encoding=3, denoising=3, decoding=3), reasons=())
PLANS = (LARGE, replace(LARGE, text_encoders="leave"), replace(LARGE, text_encoders="leave", norms="away"))
BOUND = BoundPrompt(prompt="a fox in the snow")
ORDERS = [PictureOrder(bound=BOUND, seed=seed) for seed in range(3)]


class Tight(FluxRenderer):
    """Draws one at a time on a card that has room for so many pictures by the plan at hand."""

    def __init__(self, model: FluxModel, bank: ConceptBank, *, room_for: int) -> None:
        super().__init__(model, bank)
        self.room_for = room_for

    def render_all(
        self,
        orders: Sequence[PictureOrder],
        *,
        settings: RenderSettings | None = None,
        done: Collection[int] = (),
        on_step: OnPictureStep | None = None,
    ) -> Iterator[Image.Image]:
        for index, order in enumerate(orders):
            if index in done:
                continue

            def told(step: int, num_steps: int, index: int = index) -> None:
                if on_step is not None:
                    on_step(index, step, num_steps)
                if index >= self.room_for:
                    raise torch.OutOfMemoryError("CUDA out of memory.\nTried to allocate 2.00 MiB")

            yield self.render(order.bound, seed=order.seed, settings=settings, on_step=told)


@pytest.fixture(scope="module")
def model() -> FluxModel:
    return tiny_model()


def open_stepping(
    model: FluxModel,
    folder: Path,
    room: dict[RenderPlan, int],
    told: list[str],
    plans: Sequence[RenderPlan] = PLANS,
) -> tuple[SteppingModel[RenderPlan], SteppingRenderer[RenderPlan]]:
    stepping = SteppingModel(plans, lambda plan: plan, tell=told.append)
    return stepping, SteppingRenderer(
        stepping, lambda plan: Tight(model, ConceptBank(folder), room_for=room.get(plan, 0))
    )


def test_a_picture_that_memory_ran_out_in_is_drawn_again_by_the_next_plan(model: FluxModel, tmp_path: Path) -> None:
    told: list[str] = []
    steps: list[tuple[int, int, int]] = []
    stepping, renderer = open_stepping(model, tmp_path, {PLANS[0]: 1, PLANS[2]: 9}, told)
    drawn = list(renderer.render_all(ORDERS, on_step=lambda *step: steps.append(step)))
    plain = FluxRenderer(model, ConceptBank(tmp_path))
    assert [image.tobytes() for image in drawn] == [plain.render(BOUND, seed=seed).tobytes() for seed in range(3)]
    assert stepping.plan == PLANS[2]
    assert len(told) == 2
    assert "text encoders leave" in told[0]
    assert "adaptive norms away" in told[1]
    assert "CUDA out of memory." in told[0]
    assert "2.00 MiB" not in told[0]
    assert steps == [(picture, step, 2) for picture in range(3) for step in (1, 2)], "nothing is told twice"


def test_pictures_that_are_done_stay_so_when_memory_runs_out(model: FluxModel, tmp_path: Path) -> None:
    steps: list[tuple[int, int, int]] = []
    _, renderer = open_stepping(model, tmp_path, {PLANS[0]: 3, PLANS[1]: 9}, [])
    several = [PictureOrder(bound=BOUND, seed=seed) for seed in range(6)]
    drawn = list(renderer.render_all(several, done={0, 4}, on_step=lambda *step: steps.append(step)))
    plain = FluxRenderer(model, ConceptBank(tmp_path))
    assert [image.tobytes() for image in drawn] == [plain.render(BOUND, seed=seed).tobytes() for seed in (1, 2, 3, 5)]
    assert steps == [(picture, step, 2) for picture in (1, 2, 3, 5) for step in (1, 2)]


def test_at_the_last_plan_it_is_said_what_makes_room(model: FluxModel, tmp_path: Path) -> None:
    _, renderer = open_stepping(model, tmp_path, {}, [])
    with pytest.raises(OutOfMemory, match="End other programs.*ulimit -v"):
        list(renderer.render_all(ORDERS))


def test_a_model_that_there_is_no_room_for_by_any_plan_draws_nothing() -> None:
    loaded: list[RenderPlan] = []

    def load(plan: RenderPlan) -> FluxModel:
        loaded.append(plan)
        raise torch.OutOfMemoryError("CUDA out of memory")

    stepping = SteppingModel(PLANS, load, tell=lambda _: None)
    renderer = SteppingRenderer(stepping, lambda model: FluxRenderer(model, ConceptBank(Path())))
    with pytest.raises(OutOfMemory, match="too little memory"):
        next(renderer.render_all(ORDERS))
    assert loaded == [*PLANS]


def test_a_model_that_there_is_no_room_to_load_is_loaded_by_the_next_plan() -> None:
    loaded: list[RenderPlan] = []

    def load(plan: RenderPlan) -> RenderPlan:
        loaded.append(plan)
        if plan == PLANS[0]:
            raise torch.OutOfMemoryError("CUDA out of memory")
        return plan

    stepping = SteppingModel(PLANS, load, tell=lambda _: None)
    assert stepping.model == stepping.model == PLANS[1]
    assert loaded == [PLANS[0], PLANS[1]]
    stepping.unload()
    assert stepping.attempt(lambda plan: plan.norms) == "stay"
    assert loaded == [PLANS[0], PLANS[1], PLANS[0], PLANS[1]], "there may be room by now"


class Card:
    """A card with FLUX.1's plans on it: loads and draws what fits into so many bytes, others' memory aside."""

    def __init__(self, free_bytes: int) -> None:
        machine = Machine(
            gpu="a card", gpu_bytes=free_bytes, free_bytes=free_bytes, capability=(9, 0), ram_bytes=100 * 10**9
        )
        self.plans = plan_rendering(machine, FLUX_1_SIZES, FLUX_DEV_SETTINGS)
        self.loaded: list[int] = []
        self.told: list[str] = []
        self.fails: set[int] = set()
        """Plans by which memory runs out, whatever is drawn."""
        self.largest = 4096
        """Height and width from which it runs out by the first plan."""
        self.stepping = SteppingModel(self.plans, self._load, tell=self.told.append)

    def _load(self, plan: RenderPlan) -> int:
        self.loaded.append(self.plans.index(plan))
        return self.loaded[-1]

    def draw(self, side: int = 1024) -> int:
        """The place of the plan by which a picture is drawn in the end."""

        def work(plan: int) -> int:
            if plan in self.fails or (plan == 0 and side >= self.largest):
                raise torch.OutOfMemoryError("CUDA out of memory")
            return plan

        return self.stepping.attempt(work, replace(FLUX_DEV_SETTINGS, height=side, width=side))


def test_after_a_failure_by_all_plans_the_fastest_draws_again() -> None:
    card = Card(79 * 10**9)
    assert len(card.plans) > 2
    card.fails = {*range(len(card.plans))}
    with pytest.raises(OutOfMemory, match="blocks streamed.*nvidia-smi.*--profile fast"):
        card.draw()
    card.fails = set()
    assert card.draw() == 0
    assert card.loaded == [*range(len(card.plans)), 0]


def test_a_plan_that_was_too_small_for_a_larger_picture_draws_smaller_ones_again() -> None:
    card = Card(79 * 10**9)
    card.largest = 1536
    assert [card.draw(side) for side in (1024, 2048, 2048, 1024, 1024)] == [0, 1, 1, 0, 0]
    assert card.loaded == [0, 1, 0], "nothing is tried again in vain"
    assert len(card.told) == 2
    assert "another size" in card.told[1]


def test_whatever_is_loaded_is_the_model() -> None:
    card = Card(79 * 10**9)
    card.largest = 2048
    card.draw(2048)
    assert card.stepping.model == 1
    assert card.loaded == [0, 1]


def test_in_time_plans_that_memory_ran_out_by_are_tried_again() -> None:
    card = Card(79 * 10**9)
    card.fails = {0}
    assert card.draw() == 1
    card.fails = set()
    assert [card.draw() for _ in range(TRY_AGAIN_AFTER)] == [1] * (TRY_AGAIN_AFTER - 1) + [0]
    assert card.loaded == [0, 1, 0]


def test_a_larger_picture_is_drawn_by_the_first_plan_that_it_is_expected_to_fit() -> None:
    card = Card(40 * 10**9)
    assert card.draw() == 0
    assert card.draw(2048) > 0
    assert card.draw() == 0
    assert not card.told[0].startswith("Memory ran out")


def test_a_picture_too_large_for_every_plan_is_refused_before_anything_is_loaded() -> None:
    card = Card(16 * 10**9)
    with pytest.raises(InvalidSettings, match=r"4096×4096 pixels.*GB by the smallest plan, and 15.2 GB.*smaller"):
        card.draw(4096)
    assert card.loaded == []
    assert card.draw() == 0


def test_what_plans_were_made_for_is_tried_though_it_is_expected_not_to_fit() -> None:
    card = Card(2 * 10**9)
    assert card.draw() == 0
    with pytest.raises(InvalidSettings, match="1040×1040"):
        card.draw(1040)


def test_a_renderer_says_how_large_its_pictures_are(model: FluxModel, tmp_path: Path) -> None:
    _, renderer = open_stepping(model, tmp_path, {PLANS[0]: 9}, [], plans=Card(16 * 10**9).plans)
    huge = replace(FLUX_DEV_SETTINGS, height=4096, width=4096)
    with pytest.raises(InvalidSettings, match="4096×4096"):
        renderer.render(BOUND, seed=0, settings=huge)
    with pytest.raises(InvalidSettings, match="4096×4096"):
        next(renderer.render_all(ORDERS, settings=huge))


def test_memory_of_the_computer_that_runs_out_leads_to_the_next_plan_and_at_last_says_what_makes_room() -> None:
    def work(plan: RenderPlan) -> torch.Tensor:
        return torch.empty(2**60 if plan == PLANS[0] or is_short else 1, dtype=torch.uint8)

    is_short, told = False, []
    stepping = SteppingModel(PLANS, lambda plan: plan, tell=told.append)
    assert stepping.attempt(work).shape == (1,)
    assert stepping.plan == PLANS[1]
    assert "can't allocate memory" in told[0]
    is_short = True
    with pytest.raises(OutOfMemory, match="End other programs, draw smaller pictures"):
        stepping.attempt(work)


def test_what_a_prompt_says_of_memory_is_no_memory_that_ran_out() -> None:
    loaded: list[RenderPlan] = []

    def refuse(plan: RenderPlan) -> None:
        loaded.append(plan)
        raise PromptTooLong("The prompt 'a fox running out of memory lane' has more tokens than are read.")

    with pytest.raises(PromptTooLong):
        SteppingModel(PLANS, lambda plan: plan, tell=lambda _: None).attempt(refuse)
    assert loaded == [PLANS[0]]


def test_other_errors_come_through() -> None:
    def work(plan: RenderPlan) -> None:
        raise ValueError(plan.device)

    with pytest.raises(ValueError, match="cpu"):
        SteppingModel(PLANS, lambda plan: plan, tell=lambda _: None).attempt(work)
