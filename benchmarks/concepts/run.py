"""Runs methods over cases and keeps what each learnt and drew, so that an interrupted run goes on where it was.

A file's folder and name are digests of the model, its settings, and all that a method is told; a file that is there is
right, and nothing else is looked at. Code has no part in them: who changes a method runs it in another folder.
"""

import hashlib
import json
import logging
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from PIL import Image
from safetensors import safe_open
from safetensors.torch import load_file, save

from benchmarks.concepts.cases import BenchSource, Case, Task
from benchmarks.concepts.protocol import Learnt, Method, Workbench
from benchmarks.concepts.scores import Score, score
from concepts.files import write_whole
from generator.augmentation import may_mirror
from generator.images import save_png
from pocket.probe import Probe, read_pictures

logger = logging.getLogger(__name__)

Tell = Callable[[str], None]


@dataclass(frozen=True, kw_only=True)
class Drawn:
    """One picture of a method and what it is worth."""

    case: Case
    method: str
    seed: int
    path: Path
    score: Score

    @property
    def task_and_method(self) -> tuple[Task, str]:
        return self.case.task, self.method


@dataclass(frozen=True, kw_only=True)
class Lesson:
    """What a method learns at once: a picture, or all pictures of a case where it is joint."""

    method: Method
    sources: tuple[BenchSource, ...]
    key: str
    """Digest of all that decides what is learnt, the name of the file that keeps it."""


@dataclass(frozen=True, kw_only=True)
class Runner:
    """Learns and draws with one workbench, by way of the files of a folder."""

    bench: Workbench
    probe: Probe
    folder: Path
    rates: Mapping[str, float]
    """Learning rates by what methods learn alone; those that the map lacks learn at the first of theirs."""
    seeds: Sequence[int]

    def run(self, method: Method, cases: Sequence[Case], *, tell: Tell = logger.info) -> list[Drawn]:
        """All pictures of one method, those that are kept read instead of drawn."""
        drawn: list[Drawn] = []
        for number, case in enumerate(cases, start=1):
            tell(f"{method.title}: {case.task} {number} of {len(cases)}")
            drawn += self.run_case(method, case)
        return drawn

    def run_case(self, method: Method, case: Case) -> list[Drawn]:
        """A picture per seed of one case, and what each is worth."""
        paths = self.draw_case(method, case)
        return [
            Drawn(case=case, method=method.name, seed=seed, path=path, score=value)
            for seed, path, value in zip(self.seeds, paths, self._scores(case, paths), strict=True)
        ]

    def draw_case(self, method: Method, case: Case) -> list[Path]:
        """A picture per seed of one case; what is missing is learnt and drawn."""
        lessons = self.lessons(method, case)
        paths = self._picture_paths(method, lessons, case)
        missing = [(path, seed) for path, seed in zip(paths, self.seeds, strict=True) if not path.is_file()]
        if missing:
            learnt = [self.learn(lesson) for lesson in lessons]
            pictures = method.draw(self.bench, learnt, case, [seed for _, seed in missing])
            for (path, _), picture in zip(missing, pictures, strict=True):
                path.parent.mkdir(parents=True, exist_ok=True)
                save_png(picture, path)
        return paths

    def is_drawn(self, method: Method, case: Case) -> bool:
        """Whether all pictures of a case are kept."""
        return all(path.is_file() for path in self._picture_paths(method, self.lessons(method, case), case))

    def lessons(self, method: Method, case: Case) -> list[Lesson]:
        """What a method learns for a case."""
        groups = [case.sources] if method.is_joint else [(source,) for source in case.sources]
        return [self.lesson(method, group) for group in groups]

    def lesson(self, method: Method, sources: tuple[BenchSource, ...]) -> Lesson:
        """What a method learns of pictures that it sees at once."""
        return Lesson(method=method, sources=sources, key=self._key(method, sources))

    def learn(self, lesson: Lesson) -> Learnt:
        """What a lesson teaches, read where it is kept."""
        if not lesson.method.rates:
            return {}
        path = self._learnt_path(lesson)
        if not path.is_file():
            started = time.process_time()
            tensors = lesson.method.learn(self.bench, lesson.sources, rate=self.rate(lesson.method))
            seconds = f"{time.process_time() - started:.1f}"
            path.parent.mkdir(parents=True, exist_ok=True)
            contiguous = {name: tensor.contiguous() for name, tensor in tensors.items()}
            write_whole(path, save(contiguous, {"cpu_seconds": seconds}))
        return load_file(path)

    def seconds(self, lesson: Lesson) -> float | None:
        """Processor seconds that a lesson took; None where it has not been learnt."""
        path = self._learnt_path(lesson)
        if not path.is_file():
            return None
        with safe_open(path, framework="pt") as file:
            return float((file.metadata() or {})["cpu_seconds"])

    def rate(self, method: Method) -> float:
        """The learning rate that a method learns with, 0 where it learns nothing."""
        return self.rates.get(method.alone, method.rates[0]) if method.rates else 0.0

    def _scores(self, case: Case, paths: Sequence[Path]) -> list[Score]:
        pictures = [*(source.picture() for source in case.sources), *(Image.open(path) for path in paths)]
        readings = read_pictures(self.probe, pictures)
        of_sources = readings[: len(case.sources)]
        return [score(case, reading, of_sources) for reading in readings[len(case.sources) :]]

    def _key(self, method: Method, sources: Sequence[BenchSource]) -> str:
        return _digest(
            self.bench.model.fingerprint,
            method.alone if len(sources) == 1 else method.name,
            self.rate(method),
            method.settings(self.bench),
            asdict(self.bench.effort),
            self.bench.seed,
            [[source.caption, asdict(source.scene), _is_mirrored(source)] for source in sources],
        )

    def _learnt_path(self, lesson: Lesson) -> Path:
        return self._place / "learnt" / f"{lesson.key}.safetensors"

    def _picture_paths(self, method: Method, lessons: Sequence[Lesson], case: Case) -> list[Path]:
        defaults = self.bench.model.defaults
        guidance = [defaults.of_guidance] if method.is_guided else []
        identity = [method.name, [lesson.key for lesson in lessons], case.prompt.model_dump()]
        digests = [_digest(*identity, seed, defaults.direction_sigma_min, *guidance) for seed in self.seeds]
        return [self._place / "pictures" / f"{method.name}-{digest}.png" for digest in digests]

    @property
    def _place(self) -> Path:
        model = self.bench.model
        return self.folder / _digest(model.fingerprint, model.defaults.of_pipeline)


def _is_mirrored(source: BenchSource) -> bool:
    """What methods learn from depends on this rule, which none of their settings names."""
    return may_mirror(source.caption, [concept.kind for concept in source.concepts])


def _digest(*identity: object) -> str:
    return hashlib.sha256(json.dumps(identity, default=str).encode()).hexdigest()[:20]
