"""How fast a picture is learnt, beside naive loops with the same losses, in one run: time, memory and score.

    python -m benchmarks.bench_learning

The naive loops have the same losses, steps and random choices as `learn_concepts`. But they make all that a step needs
anew: the picture goes through the autoencoder and the prompts through the text encoders in each step, and all text
tokens have a modulation of their own in each block, in the model's float32; and their steps are plain AdamW's. One loop
encodes the picture of the isolation loss from a file in each step, the other has the model draw it. Beside them stands
`fableverse learn --quick`, which takes fewer and smaller steps. Each picture is learnt whole by all loops, a few steps
of each in turns, so that whatever else the machine does falls on all; then its case is drawn and scored as in
`fableverse bench concepts`. Seconds are those of the processor. Prints an environment card and a table; the last line
is JSON.
"""

import argparse
import json
import logging
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from dataclasses import asdict, dataclass, field
from functools import partial
from pathlib import Path
from typing import Literal, Self, TypeVar, get_args, overload

import numpy as np
import torch
from PIL import Image, ImageOps
from torch import Tensor

from api.commands.learn import recipe_of
from benchmarks.bench_modulation import print_environment, print_table
from benchmarks.concepts.benchmark import Plan, make_plan_cases
from benchmarks.concepts.cases import BenchSource, Case
from benchmarks.concepts.methods import METHODS
from benchmarks.concepts.protocol import Effort, Workbench
from benchmarks.concepts.scores import Score, score
from generator.directions import Direction, place_direction
from generator.even_steps import EvenSteps
from generator.flow import encode_picture, encode_text, frozen
from generator.isolation import load_isolation_latents
from generator.learning import learning_step
from generator.learning_loss import Example, Learner, TwoPartExample
from generator.learning_material import Material, SourceMaterial, middle_half
from generator.learning_plan import default_recipe
from generator.learning_state import AdamTensor, LearningState
from generator.learning_task import LearningTask, PlacedText, plan_learning
from generator.loading import FluxModel, load_model
from generator.modulation import attach
from generator.precision import in_fast_arithmetic
from generator.predictors import make_predictor
from generator.recipe import ConceptRequest, LearningRecipe, SourcePicture
from pocket.probe import Probe, load_probe, read_pictures

logger = logging.getLogger(__name__)

Loop = Literal["learn_concepts", "learn_concepts, quick", "naive, pictures encoded", "naive, pictures drawn"]
LOOPS: tuple[Loop, ...] = get_args(Loop)
NAIVE: tuple[Loop, ...] = ("naive, pictures encoded", "naive, pictures drawn")
NAIVE_RATE = 0.2
"""Of plain AdamW; the default recipe had it before it left out noise."""
TURN = 10
"""Steps of one loop before the next one's turn."""
SEEDS = (1, 2, 3, 4)
_Made = TypeVar("_Made")


class MadeAnew(Sequence[_Made]):
    """Things that are made each time that one is taken, as naive code makes all that a step needs."""

    def __init__(self, makers: Sequence[Callable[[], _Made]]) -> None:
        self.makers = makers

    def __len__(self) -> int:
        return len(self.makers)

    @overload
    def __getitem__(self, index: int) -> _Made: ...
    @overload
    def __getitem__(self, index: slice) -> Sequence[_Made]: ...
    def __getitem__(self, index: int | slice) -> _Made | Sequence[_Made]:
        if isinstance(index, slice):
            return MadeAnew(self.makers[index])
        return self.makers[index]()


class PlainAdamW(AdamTensor):
    """Numbers that go where AdamW takes them."""

    def updated(self, gradient: Tensor, *, count: int, learning_rate: float, weight_decay: float) -> Self:
        """After their `count`-th update (from 1), with Adam's default decays."""
        mean = 0.9 * self.mean + 0.1 * gradient
        square = 0.999 * self.square + 0.001 * gradient**2
        step = mean / (1 - 0.9**count) / ((square / (1 - 0.999**count)).sqrt() + 1e-8)
        return type(self)(self.value * (1 - learning_rate * weight_decay) - learning_rate * step, mean, square)


class DenseLearner(Learner):
    """Gives every text token a modulation of its own, as per-token modulation is usually written."""

    def with_directions(self, directions: Tensor, example: Example) -> AbstractContextManager[None]:
        text_len = example.encoding.prompt_embeds.shape[1]
        placement = example.placement
        positions = torch.tensor(placement.positions, device=directions.device)
        nowhere = directions.new_zeros(text_len, *directions.shape[1:])
        everywhere = nowhere.index_copy(0, positions, directions[[*placement.rows]])
        rows = place_direction(Direction(everywhere, "activated"), range(text_len), text_len=text_len)
        return attach(self.transformer, rows)


@dataclass(frozen=True)
class NaiveKitchen:
    """Makes the material of a step for a picture and its captions."""

    model: FluxModel
    task: LearningTask
    picture: Image.Image
    cache_dir: Path | None
    """Has the other pictures in files, whose pixels are encoded in each step; None has the model draw them anew."""

    def material(self, isolation_prompts: Sequence[str]) -> Material:
        """Nothing but recipes, and the files of the other pictures."""
        (source,) = self.task.sources
        general = self._others(isolation_prompts)
        prompts = tuple(dict.fromkeys(text.picture_prompt for text in source.companions))
        companions = dict(zip(prompts, self._others(prompts), strict=True))
        captions = [partial(self.example, text) for text in source.captions]
        two_parts = [partial(self.two_parts, text.prompt, general[text.picture]) for text in source.two_parts]
        beside = [
            partial(self.companion, text.prompt, companions[text.picture_prompt], is_left=text.source_is_left)
            for text in source.companions
        ]
        sides = [self.picture, ImageOps.mirror(self.picture)] if source.mirrors else [self.picture]
        return Material(
            sources=(
                SourceMaterial(
                    latents=MadeAnew([partial(self.encode, side) for side in sides]),
                    captions=MadeAnew(captions),
                    alone=self.task.rows_alone(source),
                    two_parts=MadeAnew(two_parts),
                    companions=MadeAnew(beside),
                ),
            ),
            joint=(),
            concept_rows=self.task.concept_rows,
        )

    def encode(self, picture: Image.Image) -> Tensor:
        settings = self.task.settings
        return encode_picture(self.model.pipeline, picture, height=settings.height, width=settings.width)

    def example(self, text: PlacedText) -> Example:
        length = self.task.settings.max_sequence_length
        encoding = encode_text(self.model.pipeline, text.text, max_sequence_length=length)
        return Example(encoding, text.placement, words=torch.empty(0))  # a table of directions does not read them

    def two_parts(self, text: PlacedText, other: Callable[[], Tensor]) -> TwoPartExample:
        return TwoPartExample(self.example(text), other())

    def companion(self, text: PlacedText, other: Callable[[], Tensor], *, is_left: bool) -> TwoPartExample:
        return TwoPartExample(self.example(text), middle_half(other()), source_is_left=is_left)

    def _others(self, prompts: Sequence[str]) -> list[Callable[[], Tensor]]:
        """How the latents of the pictures that must stay as they are come about, one for each prompt."""
        if not prompts:
            return []
        draw = partial(load_isolation_latents, self.model, settings=self.task.settings, cache_dir=self.cache_dir)
        if self.cache_dir is None:
            return [partial(draw, (prompt,), seed=seed) for seed, prompt in enumerate(prompts)]
        return [partial(self.encode, self._decode(latents[None])) for latents in draw(prompts)]

    @torch.no_grad()
    def _decode(self, latents: Tensor) -> Image.Image:
        vae = self.model.pipeline.vae
        pixels = vae.decode(latents / vae.config.scaling_factor + vae.config.shift_factor).sample
        return self.model.pipeline.image_processor.postprocess(pixels)[0]


@dataclass
class Run:
    """One loop on one picture: what it has reached, and what that took."""

    task: LearningTask
    learner: Learner
    material: Material
    state: LearningState
    prepare_s: float
    """Processor seconds before the first step, without the drawing of other pictures."""
    step_s: list[float] = field(default_factory=list)
    """Processor seconds of each step."""

    def take_steps(self, count: int) -> None:
        """So many of those that are left, or all that are left."""
        recipe = self.task.recipe
        with frozen(self.learner.transformer, gradient_checkpointing=False):
            for _ in range(min(count, recipe.num_steps - self.state.step)):
                started = time.process_time()
                self.state, _, _ = learning_step(self.learner, self.material, recipe, self.state)
                self.step_s.append(time.process_time() - started)

    def learnt(self) -> dict[str, Tensor]:
        """The direction of each concept."""
        directions = self.learner.predictor.directions(self.state.learnt(), torch.empty(0))
        return {concept_id: directions[list(rows)] for concept_id, rows in self.task.rows.items()}


def start(loop: Loop, bench: Workbench, task: LearningTask, source: BenchSource) -> Run:
    """All that comes before the first step; the other pictures are in the workbench's folder by then."""
    model, picture = bench.model, source.picture()
    recipe, transformer = task.recipe, model.pipeline.transformer
    started = time.process_time()
    predictor = make_predictor(
        recipe,
        num_rows=task.num_rows,
        text_dim=transformer.config.joint_attention_dim,
        even_steps=EvenSteps.of(transformer),
    )
    if loop in NAIVE:
        learner = DenseLearner(transformer, predictor)
        cache_dir = None if loop == "naive, pictures drawn" else bench.cache_dir
        material = NaiveKitchen(model, task, picture, cache_dir).material(task.isolation_prompts)
    else:
        learner = Learner(in_fast_arithmetic(transformer), predictor)
        material = Material.prepare(model, task, [picture], cache_dir=bench.cache_dir)
    state = LearningState.start(*predictor.start(), stage1_steps=recipe.stage1_steps, device=transformer.device)
    if loop in NAIVE:
        state = in_plain_steps(state)
    return Run(task, learner, material, state, time.process_time() - started)


def in_plain_steps(state: LearningState) -> LearningState:
    """The same numbers, which AdamW's steps move from now on."""
    groups = (
        {name: PlainAdamW(each.value, each.mean, each.square) for name, each in group.items()}
        for group in (state.from_start, state.from_stage2)
    )
    return LearningState(*groups, step=state.step, stage1_steps=state.stage1_steps)


def plan(loop: Loop, bench: Workbench, source: BenchSource) -> LearningTask:
    """What a loop learns of a picture, and how long."""
    pictures = [SourcePicture(picture=source.picture(), caption=source.caption)]
    concepts = [ConceptRequest(id=each.id, word=each.word, kind=each.kind) for each in source.concepts]
    recipe = recipe_for(loop, bench)
    return plan_learning(bench.model, pictures, concepts, recipe=recipe, isolation_prompts=bench.general_prompts)


def draw_others(bench: Workbench, task: LearningTask, source: BenchSource) -> float:
    """Have the model draw the pictures that must stay as they are; the processor seconds that this took."""
    started = time.process_time()
    Material.prepare(bench.model, task, [source.picture()], cache_dir=bench.cache_dir)
    return time.process_time() - started


@dataclass(frozen=True)
class Measured:
    """A loop on one picture."""

    prepare_s: float
    """With the drawing of other pictures, where the loop needs them beforehand."""
    steps: int
    step_s: float
    """Mean of all steps."""
    scores: tuple[Score, ...]
    """A picture of the case each."""


def measure_case(bench: Workbench, probe: Probe, case: Case, loops: Sequence[Loop]) -> dict[Loop, Measured]:
    """Loops on a case of decomposition: its picture learnt in turns, then drawn and scored."""
    (source,) = case.sources
    tasks = {loop: plan(loop, bench, source) for loop in loops}
    draw_s = draw_others(bench, tasks[loops[0]], source)
    runs = {loop: start(loop, bench, task, source) for loop, task in tasks.items()}
    for _ in range(0, max(task.recipe.num_steps for task in tasks.values()), TURN):
        for run in runs.values():
            run.take_steps(TURN)
    of_source = read_pictures(probe, [source.picture()])
    measured: dict[Loop, Measured] = {}
    for loop, run in runs.items():
        pictures = METHODS["full"].draw(bench, [run.learnt()], case, SEEDS)
        scores = tuple(score(case, reading, of_source) for reading in read_pictures(probe, pictures))
        before_s = run.prepare_s + (0.0 if loop == "naive, pictures drawn" else draw_s)
        measured[loop] = Measured(before_s, len(run.step_s), float(np.mean(run.step_s)), scores)
    return measured


def recipe_for(loop: Loop, bench: Workbench) -> LearningRecipe:
    """The default recipe as long as is asked for, or that of `fableverse learn --quick`."""
    if loop == "learn_concepts, quick":
        return default_recipe(bench.model.num_parameters, quick=True)
    effort = bench.effort
    changes = {"batch_size": effort.batch_size, "isolation_batch_size": effort.pairs_batch_size}
    if loop in NAIVE:
        changes["learning_rate"] = NAIVE_RATE
    recipe = recipe_of(num_parameters=bench.model.num_parameters, steps=effort.steps, seed=0)
    return recipe.model_copy(update=changes)


def peak_memory_mb(loop: Loop, bench: Workbench, case: Case) -> float:
    """Of this process, after a few steps of one loop."""
    (source,) = case.sources
    start(loop, bench, plan(loop, bench, source), source).take_steps(6)
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**10


def _peak_of_process(loop: Loop, effort: Effort, cache_dir: Path) -> float:
    """The peak of a process that does nothing else, as a process's own peak never falls."""
    command = [sys.executable, "-m", "benchmarks.bench_learning", "--peak-of", loop, *_as_arguments(effort)]
    command += ["--cache", str(cache_dir)]
    return float(subprocess.run(command, stdout=subprocess.PIPE, check=True).stdout)


def _as_arguments(effort: Effort) -> list[str]:
    sizes = {"--steps": effort.steps, "--batch": effort.batch_size, "--pairs": effort.pairs_batch_size}
    return [word for name, value in sizes.items() for word in (name, str(value))]


def main(argv: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.bench_learning", description=__doc__.splitlines()[0])
    parser.add_argument("--pictures", type=int, default=1, metavar="N", help="with two concepts each (default: 1)")
    parser.add_argument("--steps", type=int, default=40, metavar="N", help="of each picture (default: 40)")
    parser.add_argument("--batch", type=int, default=8, metavar="N", help="as in the recipe (default: 8)")
    parser.add_argument("--pairs", type=int, default=4, metavar="N", help="of the isolation loss (default: 4)")
    parser.add_argument("--loops", nargs="+", choices=LOOPS, default=LOOPS, help="which (default: all)")
    parser.add_argument("--peak-of", choices=LOOPS, help="only take some steps, and print the peak of memory in MB")
    parser.add_argument("--cache", type=Path, metavar="DIR", help="has the other pictures already, for --peak-of")
    options = parser.parse_args(argv)
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    effort = Effort(steps=options.steps, batch_size=options.batch, pairs_batch_size=options.pairs)
    model, probe = load_model(), load_probe()
    cases = make_plan_cases(Plan(num_sources=options.pictures, seed=5, tasks=("decomposition",)), probe)
    with tempfile.TemporaryDirectory() as folder:
        bench = Workbench(model=model, effort=effort, cache_dir=options.cache or Path(folder))
        if options.peak_of:
            print(peak_memory_mb(options.peak_of, bench, cases[0]))
            return 0
        measured: list[dict[Loop, Measured]] = []
        for case in cases:
            measured.append(measure_case(bench, probe, case, options.loops))
            logger.info("measured picture=%d of %d", len(measured), len(cases))
        peaks_mb = {loop: _peak_of_process(loop, effort, bench.cache_dir) for loop in options.loops}
    report(model, effort, measured, peaks_mb)
    return 0


def report(
    model: FluxModel, effort: Effort, measured: Sequence[dict[Loop, Measured]], peaks_mb: dict[Loop, float]
) -> None:
    card = print_environment(model)
    print(f"\n{len(measured)} pictures, {effort.steps} steps of {effort.batch_size} and {effort.pairs_batch_size}\n")
    rows: list[dict[str, str | float]] = []
    for loop, peak_mb in peaks_mb.items():
        of_loop = [each[loop] for each in measured]
        prepare_s, step_s = (float(np.mean([getattr(m, name) for m in of_loop])) for name in ("prepare_s", "step_s"))
        cp, pf = (float(np.mean([getattr(s, name) for m in of_loop for s in m.scores])) for name in ("cp", "pf"))
        steps = of_loop[0].steps
        rows.append(
            {
                "loop": loop,
                "steps": steps,
                "prepare_s": round(prepare_s, 1),
                "steps_per_s": round(1 / step_s, 2),
                "picture_s": round(prepare_s + steps * step_s, 1),
                "peak_mb": round(peak_mb),
                "cp": round(cp, 3),
                "pf": round(pf, 3),
            }
        )
    header = ("", "steps", "s to prepare", "steps a second", "s a picture", "peak MB", "CP", "PF")
    print_table(header, rows)
    print(json.dumps({"benchmark": "learning", "environment": card, "effort": asdict(effort), "rows": rows}))


if __name__ == "__main__":
    sys.exit(main())
