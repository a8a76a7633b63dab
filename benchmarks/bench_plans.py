"""Whether plans hold on a GPU: FLUX.1-dev's parts at full size with random weights, loaded and drawn with by each plan.

    python -m benchmarks.bench_plans --folder out/random-flux            34 GB on the disk, made where there are none
    python -m benchmarks.bench_plans --folder out/tiny --small          a tiny model, on the processor too

Each plan has a process of its own, which may take no more of the GPU than `--memory` names, as if the card were no
larger; in one row it may take less than its plan expects, so it has to go on by a smaller one, and the last row's plan
is one for several pictures, which are computed in fp8 where torchao is installed. The model comes
from files as everybody's does. A row says what the plan expects, what the process took at most (PyTorch's reserve, and
what the GPU lacks beside it: CUDA and its libraries; nobody else may use the GPU), and how far the picture is from the
first row's. `--learn` learns a few steps from a picture of 512×512 instead, `--learn --within 16` by the plan for
a card of 16 GB.
"""

import argparse
import itertools
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch
from diffusers import FlowMatchEulerDiscreteScheduler, FluxPipeline
from PIL import Image

from benchmarks.bench_modulation import PROMPT, WORDS, print_environment, print_row, print_table, random_bank
from benchmarks.flux_parts import flux_parts
from concepts.binding import bind_concepts
from generator.flux_renderer import FluxRenderer
from generator.learning import learn_concepts
from generator.learning_plan import plan_for_learning
from generator.loading import FluxModel, load_model
from generator.machine import look
from generator.model_folder import INDEX_FILE
from generator.model_sizes import sizes_of_folder
from generator.plan import Machine, Memory, Profile, RenderPlan, Wish, gigabytes
from generator.planning import OVERHEAD_BYTES, PICTURES_WORTH_COMPILING, plan_rendering, settings_of
from generator.recipe import ConceptRequest, LearningProgress, LearningRecipe
from generator.settings import FLUX_DEV_SETTINGS, RenderSettings
from generator.stepping import SteppingModel, SteppingRenderer
from tests.generator.tiny import tiny_pipeline

NUM_CONCEPTS = 4
STEPS_OF_A_STAGE = 6
ISOLATION_PROMPTS = ("a red bicycle leaning against a brick wall",)
HEADER = (
    "--memory",
    "--profile",
    "may take",
    "drawn by",
    "s to load",
    "s a picture",
    "expected peak",
    "tensors",
    "in all",
    "mean difference, of 255",
)


@dataclass(frozen=True)
class _Case:
    memory: Memory
    profile: Profile
    limit_bytes: float | None = None
    """What the process may take, where it is not what `memory` names."""
    pictures: int = 1
    """How many the plan is for; one is drawn."""


CASES = (
    _Case("full", "quality"),
    _Case("8GB", "quality"),
    _Case("8GB", "fast"),
    _Case("12GB", "fast"),
    _Case("24GB", "quality"),
    _Case("24GB", "quality", 14e9),
    _Case("24GB", "fast", pictures=PICTURES_WORTH_COMPILING),
)


def main(argv: Sequence[str] | None = None) -> int:
    options = _parse(argv)
    given = [*(argv if argv is not None else sys.argv[1:])]
    if options.make:
        _make_model(options.folder, is_small=options.small)
    elif options.only is not None:
        _draw(options.folder, CASES[options.only], _settings(options))
    elif not (options.folder / INDEX_FILE).is_file() and _in_own_process([*given, "--make"]):
        return 1
    elif options.learn:
        side = options.side // 2
        _learn(options.folder, replace(_settings(options), height=side, width=side), within=options.within)
    else:
        _first_picture(options.folder).unlink(missing_ok=True)
        print_table(HEADER, [])
        for number, case in enumerate(CASES):
            if status := _in_own_process([*given, "--only", str(number)]):
                print_row([case.memory, case.profile, f"failed with {status}"])
    return 0


def _parse(argv: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.bench_plans", description=__doc__.splitlines()[0])
    parser.add_argument("--folder", type=Path, required=True, help="of the model, made where there is none")
    parser.add_argument("--small", action="store_true", help="a tiny model")
    parser.add_argument("--steps", type=int, default=28, help="denoising steps (default: %(default)s)")
    parser.add_argument("--learn", action="store_true", help="learn instead of drawing")
    parser.add_argument("--within", type=float, help="GB that learning may take of the GPU; by default all of it")
    parser.add_argument("--only", type=int, choices=range(len(CASES)), help="this row, without the table's head")
    parser.add_argument("--make", action="store_true", help="make the model and do nothing else")
    options = parser.parse_args(argv)
    options.side = 64 if options.small else FLUX_DEV_SETTINGS.width
    return options


def _settings(options: argparse.Namespace) -> RenderSettings:
    return replace(FLUX_DEV_SETTINGS, num_inference_steps=options.steps, height=options.side, width=options.side)


def _in_own_process(arguments: Sequence[str]) -> int:
    """Exit status of this program with other arguments; memory is nobody else's then."""
    return subprocess.run([sys.executable, "-m", "benchmarks.bench_plans", *arguments], check=False).returncode


def _make_model(folder: Path, *, is_small: bool) -> None:
    """A diffusers folder; tokenizers are toys at any size."""
    toys = tiny_pipeline()
    if is_small:
        toys.save_pretrained(folder)
        return
    torch.manual_seed(0)
    parts = flux_parts("cuda" if torch.cuda.is_available() else "cpu")
    FluxPipeline(
        scheduler=FlowMatchEulerDiscreteScheduler(shift=3.0, use_dynamic_shifting=True),
        vae=parts.vae,
        text_encoder=parts.clip,
        tokenizer=toys.tokenizer,
        text_encoder_2=parts.t5,
        tokenizer_2=toys.tokenizer_2,
        transformer=parts.transformer,
    ).save_pretrained(folder)


def _draw(folder: Path, case: _Case, defaults: RenderSettings) -> None:
    """Print the row of one case."""
    sizes, machine = sizes_of_folder(folder), look()
    assert sizes is not None, f"{folder} lacks weights"
    limit = case.limit_bytes or (None if case.memory == "full" else int(case.memory.removesuffix("GB")) * 1e9)
    if limit is not None and machine.gpu is not None:
        torch.cuda.set_per_process_memory_fraction((limit - OVERHEAD_BYTES) / machine.gpu_bytes)
    settings = settings_of(case.profile, defaults)
    plans = plan_rendering(
        machine, sizes, settings, Wish(profile=case.profile, memory=case.memory, pictures=case.pictures)
    )
    taken: dict[str, float] = {}

    def load(plan: RenderPlan) -> FluxModel:
        if machine.gpu is not None:
            torch.cuda.reset_peak_memory_stats()
        started = time.perf_counter()
        loaded = load_model(folder, plan=plan)
        taken["load"] = time.perf_counter() - started
        return loaded

    def renderer_of(model: FluxModel) -> FluxRenderer:
        taken["from"] = time.perf_counter()
        return FluxRenderer(model, bank)

    model = SteppingModel(plans, load, tell=lambda told: print(told, file=sys.stderr))
    with tempfile.TemporaryDirectory() as bank_folder:
        bank = random_bank(model.model, Path(bank_folder))
        bound = bind_concepts(PROMPT, [bank.get(word) for word in WORDS[:NUM_CONCEPTS]])
        image = SteppingRenderer(model, renderer_of).render(bound, seed=0, settings=settings)
        seconds = time.perf_counter() - taken["from"]
    allocated, in_all = _peaks(machine)
    print_row(
        [
            case.memory,
            case.profile,
            "" if limit is None else gigabytes(limit),
            f"{model.plan.summary().partition(' on ')[0]} (plan {plans.index(model.plan) + 1} of {len(plans)})",
            f"{taken['load']:.0f}",
            f"{seconds:.1f}",
            gigabytes(model.plan.peak.most),
            gigabytes(allocated),
            gigabytes(in_all),
            _difference(image, _first_picture(folder), is_first=case is CASES[0]),
        ]
    )


def _peaks(machine: Machine) -> tuple[int, int]:
    """Bytes of tensors at most, and what the process took of the GPU at most, CUDA's own included; 0 without one."""
    if machine.gpu is None:
        return 0, 0
    free, total = torch.cuda.mem_get_info()
    of_cuda = total - free - torch.cuda.memory_reserved()
    return torch.cuda.max_memory_allocated(), torch.cuda.max_memory_reserved() + of_cuda


def _first_picture(folder: Path) -> Path:
    """Where the first row's picture is kept for the others of its run."""
    return folder.with_name(f"{folder.name}-first.png")


def _difference(image: Image.Image, path: Path, *, is_first: bool) -> str:
    """How far a picture is from the first row's, which is kept: the mean over pixels and colours, of 255."""
    if is_first:
        image.save(path)
    if not path.is_file():
        return "no first picture"
    pixels, others = (np.asarray(each, dtype=np.float32) for each in (image, Image.open(path)))
    return f"{np.abs(pixels - others).mean():.2f}" + ("" if pixels.std() > 1 else " (of one colour)")


def _learn(folder: Path, settings: RenderSettings, *, within: float | None) -> None:
    """Print what a few steps of learning take, with everything in full or within so many GB."""
    recipe = LearningRecipe(
        stage1_steps=STEPS_OF_A_STAGE,
        stage2_steps=STEPS_OF_A_STAGE,
        batch_size=1,
        isolation_batch_size=1,
        height=settings.height,
        width=settings.width,
        gradient_checkpointing=True,
    )
    model = load_model(folder) if within is None else _load_within(folder, settings, recipe, int(within * 1e9))
    print_environment(model)
    ends = [time.perf_counter()]
    progress: list[LearningProgress] = []

    def on_step(step: LearningProgress) -> None:
        progress.append(step)
        ends.append(time.perf_counter())

    learn_concepts(
        model,
        Image.effect_noise((settings.width, settings.height), 64).convert("RGB"),
        "a fox in the snow",
        [ConceptRequest(id="fox", word="fox", kind="character")],
        isolation_prompts=ISOLATION_PROMPTS,
        recipe=recipe,
        on_step=on_step,
    )
    print(f"\n{settings.width}×{settings.height}, batches of 1, activations computed twice\n")
    taken = [end - start for start, end in itertools.pairwise(ends)]
    rows = [{"": "before the first step, and that step", "s": f"{taken[0]:.1f}"}]
    for stage in (1, 2):
        for isolated in (False, True):
            of_kind = [
                seconds
                for seconds, step in zip(taken[1:], progress[1:], strict=True)
                if step.stage == stage and (step.isolation_loss is not None) == isolated
            ]
            if of_kind:
                name = f"a step of stage {stage}" + (" with isolation" if isolated else "")
                rows.append({"": name, "s": f"{statistics.median(of_kind):.2f}"})
    print_table(("", "s"), rows)
    allocated, in_all = _peaks(look())
    print(f"\npeak: tensors {gigabytes(allocated)}, in all {gigabytes(in_all)}")


def _load_within(folder: Path, settings: RenderSettings, recipe: LearningRecipe, num_bytes: int) -> FluxModel:
    """The model by the plan for learning on a card of that size, which the process may not go beyond."""
    sizes, machine = sizes_of_folder(folder), look()
    assert sizes is not None, f"{folder} lacks weights"
    if machine.gpu is not None:
        machine = replace(machine, free_bytes=num_bytes)
        torch.cuda.set_per_process_memory_fraction((num_bytes - OVERHEAD_BYTES) / machine.gpu_bytes)
    plan = plan_for_learning(machine, sizes, settings, recipe)
    print("\n".join((plan.summary(), *plan.reasons)))
    return load_model(folder, plan=plan)


if __name__ == "__main__":
    sys.exit(main())
