"""Memory that runs out: the next plan is followed, the picture drawn again, and in the end it is said what to do."""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from PIL import Image

from concepts.bank import ConceptBank
from concepts.schema import BoundPrompt
from generator.errors import OutOfMemory
from generator.flux_renderer import FluxRenderer
from generator.loading import FluxModel
from generator.plan import Numbers, Peak, RenderPlan
from generator.renderer import OnPictureStep, PictureOrder
from generator.settings import RenderSettings
from generator.stepping import SteppingModel, SteppingRenderer
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
        on_step: OnPictureStep | None = None,
    ) -> Iterator[Image.Image]:
        for index, order in enumerate(orders):

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
    model: FluxModel, folder: Path, room: dict[RenderPlan, int], told: list[str]
) -> tuple[SteppingModel[RenderPlan], SteppingRenderer[RenderPlan]]:
    stepping = SteppingModel(PLANS, lambda plan: plan, tell=told.append)
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


def test_at_the_last_plan_it_is_said_what_makes_room(model: FluxModel, tmp_path: Path) -> None:
    _, renderer = open_stepping(model, tmp_path, {}, [])
    with pytest.raises(OutOfMemory, match="End other programs.*--profile fast"):
        list(renderer.render_all(ORDERS))


def test_a_model_that_there_is_no_room_to_load_is_loaded_by_the_next_plan() -> None:
    loaded: list[RenderPlan] = []

    def load(plan: RenderPlan) -> RenderPlan:
        loaded.append(plan)
        if plan == PLANS[0]:
            raise torch.OutOfMemoryError("no room")
        return plan

    stepping = SteppingModel(PLANS, load, tell=lambda _: None)
    assert stepping.model == stepping.model == PLANS[1]
    assert loaded == [PLANS[0], PLANS[1]]
    stepping.unload()
    assert stepping.attempt(lambda plan: plan.norms) == "stay"
    assert loaded == [PLANS[0], PLANS[1], PLANS[1]]


def test_other_errors_come_through() -> None:
    def work(plan: RenderPlan) -> None:
        raise ValueError(plan.device)

    with pytest.raises(ValueError, match="cpu"):
        SteppingModel(PLANS, lambda plan: plan, tell=lambda _: None).attempt(work)
