"""A picture model on a node of a cluster, as the service sees it: the port that the model in its own process has."""

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Final, Self

import ray
from PIL import Image
from ray.exceptions import GetTimeoutError, RayError, RayTaskError
from ray.util.placement_group import PlacementGroup, placement_group, remove_placement_group
from ray.util.scheduling_strategies import PlacementGroupSchedulingStrategy

from api.book_lock import current_versions
from api.cluster.node import ON_LOADING, Made, NodeModel, Told, WorkName
from api.cluster.shipping import pack_directions, unpack
from api.errors import ClusterError
from api.service.errors import WorkerLost
from api.service.payloads import ModelInfo
from api.service.picture_model import LearningOrder, LearningWatch
from api.settings import WantedModel
from concepts.bank import ConceptBank
from concepts.files import write_whole
from concepts.schema import BoundPrompt, Concept
from generator.key_similarity import KeySimilarity
from generator.renderer import OnPictureStep, OnPreview, OnStep, PictureOrder
from generator.settings import RenderSettings
from generator.slides import Slide

_CONTROL: Final = "control"
_LIFE: Final = "life"
_RESERVING_S: Final = 5.0
_ACTOR_OPTIONS: Final[Mapping[str, Any]] = {
    "num_gpus": 0.5,  # two share the GPU: one works, one stands by
    "num_cpus": 0,
    "max_restarts": 0,  # whoever lost it gives its task back first, then lets another work
    "max_task_retries": 0,
    "concurrency_groups": {_CONTROL: 1, _LIFE: 1},
}

Callbacks = Mapping[str, Callable[..., None]]


class Gpu:
    """A GPU of the cluster that is reserved for two processes."""

    def __init__(self, group: PlacementGroup) -> None:
        self._group = group

    @classmethod
    def reserve(cls) -> Self | None:
        """One that is free; None when there is none.

        A reservation that waits keeps the cluster's head busy (Ray 2.60: a whole core), so none is left waiting.
        """
        group = placement_group([{"GPU": 1}])
        if group.wait(_RESERVING_S):
            return cls(group)
        remove_placement_group(group)
        return None

    def release(self) -> None:
        """Let others have it, and end what runs on it."""
        remove_placement_group(self._group)

    def start(self, wanted: WantedModel, *, stall_s: float, loading_s: float) -> "ClusterModel":
        """A process on the GPU that has not loaded the model yet."""
        scheduling = PlacementGroupSchedulingStrategy(self._group)
        node_model: Any = ray.remote(**_ACTOR_OPTIONS, scheduling_strategy=scheduling)(NodeModel)
        return ClusterModel(node_model.remote(wanted), stall_s=stall_s, loading_s=loading_s)


class ClusterModel:
    """A `PictureModel` in a process that Ray runs on a node.

    Args:
        actor: The process, of the class `NodeModel`.
        stall_s: A node that tells nothing for so many seconds, during a piece of work, is taken for lost.
        loading_s: So is one that takes longer than these to start and to load the model, also within a piece of work.
    """

    def __init__(self, actor: Any, *, stall_s: float, loading_s: float) -> None:
        self._actor = actor
        self._actor.warm_up.remote()
        self._life = self._actor.stay.options(concurrency_group=_LIFE).remote()
        self._stall_s = stall_s
        self._loading_s = loading_s
        self._number = 0
        self._info: ModelInfo | None = None
        self.is_loading = False

    def load(self) -> ModelInfo:
        """Wait for the GPU, then for the model.

        Raises:
            ClusterError: The node has other versions of what draws, so its pictures may be others.
            WorkerLost: It is gone, or takes too long.
        """
        if self._info is not None:
            return self._info
        self.is_loading = True
        try:
            _check_versions(_get(self._actor.versions.remote(), within_s=self._loading_s))
            self._info = info = _get(self._actor.load.remote(), within_s=self._loading_s)
        finally:
            self.is_loading = False
        return info

    def unload(self) -> None:
        """Free the GPU's memory; the process stays, and so does its claim to the GPU."""
        self._info = None
        _get(self._actor.unload.remote(), within_s=self._stall_s)

    def check_alive(self) -> None:
        """Look whether the process is still there.

        Raises:
            WorkerLost: It is gone.
        """
        if ray.wait([self._life], timeout=0)[0]:
            _get(self._life)

    def close(self) -> None:
        """End the process, wherever it is."""
        ray.kill(self._actor)

    def renderer(self, bank: ConceptBank) -> "ClusterRenderer":
        """What draws there with a bank that is here."""
        return ClusterRenderer(self, bank)

    def learn(
        self,
        order: LearningOrder,
        bank: ConceptBank,
        *,
        checkpoint_path: Path,
        watch: LearningWatch,
    ) -> tuple[Concept, ...]:
        """Learn there, with every checkpoint kept here too; then put the concepts into the bank."""

        def on_checkpoint(content: bytes) -> None:
            write_whole(checkpoint_path, content)

        parcel = self.work(
            "learn",
            {
                "on_prepare": watch.on_prepare,
                "on_step": watch.on_step,
                "on_peek_step": watch.on_peek_step,
                "on_peek": watch.on_peek,
                "on_previews": watch.on_previews,
                "on_checkpoint": on_checkpoint,
            },
            order=order,
            checkpoint=checkpoint_path.read_bytes() if checkpoint_path.exists() else None,
        )
        with TemporaryDirectory(prefix="fableverse-learnt-") as folder:
            unpack(parcel, Path(folder))
            return tuple(bank.add_folder(Path(folder) / concept_id, replace=True) for concept_id in parcel)

    def describe(self, picture: Image.Image) -> str | None:
        """A caption."""
        return self.work("describe", {}, picture=picture)

    def work(self, name: WorkName, callbacks: Callbacks, **arguments: Any) -> Any:
        """What comes of a piece of work; what the work raises, and what a callback raises, comes through.

        Raises:
            WorkerLost: The process or its machine is gone, or tells nothing.
        """
        self._number += 1
        stream = self._actor.work.options(num_returns="streaming").remote(self._number, name, arguments)
        try:
            while True:
                each = self._next(stream)
                if isinstance(each, Made):
                    self._info = each.info
                    return each.value
                if each.callback == ON_LOADING:
                    (self.is_loading,) = each.values
                elif each.callback in callbacks:
                    callbacks[each.callback](*each.values)
        except Exception:
            # Whatever ended the waiting here, nobody wants the rest of what is done there.
            self._actor.call_off.options(concurrency_group=_CONTROL).remote(self._number)
            raise
        finally:
            self.is_loading = False

    def _next(self, stream: Any) -> Told | Made:
        patience_s = self._loading_s if self.is_loading else self._stall_s
        ready, _ = ray.wait([stream], timeout=patience_s)
        if not ready:
            raise WorkerLost(f"A node told nothing for {patience_s:g} s.")
        return _get(next(stream))


class ClusterRenderer:
    """A `Renderer` whose pictures are drawn on a node, with concepts of a bank that is here."""

    def __init__(self, model: ClusterModel, bank: ConceptBank) -> None:
        self._model = model
        self._bank = bank

    def render(
        self,
        bound: BoundPrompt,
        *,
        seed: int,
        settings: RenderSettings | None = None,
        strengths: Mapping[str, float] | None = None,
        slides: Sequence[Slide] = (),
        read_with: Sequence[str] = (),
        on_step: OnStep | None = None,
        on_preview: OnPreview | None = None,
    ) -> Image.Image:
        """As in `Renderer`; the prompt travels with the files of its concepts, and the picture comes back."""
        options = {
            "seed": seed,
            "settings": settings,
            "strengths": strengths,
            "slides": tuple(slides),
            "read_with": tuple(read_with),
        }
        callbacks: dict[str, Callable[..., None]] = {}
        if on_step is not None:
            callbacks["on_step"] = on_step
        if on_preview is not None:
            callbacks["on_preview"] = lambda image: on_preview(lambda: image)
        wants_previews = on_preview is not None
        return self._model.work(
            "render", callbacks, **self._prompt(bound), options=options, wants_previews=wants_previews
        )

    def render_all(
        self,
        orders: Sequence[PictureOrder],
        *,
        settings: RenderSettings | None = None,
        done: Collection[int] = (),
        on_step: OnPictureStep | None = None,
    ) -> Iterator[Image.Image]:
        """As in `Renderer`, one after the other."""
        prompts = [order.bound.prompt for order in orders]
        for index, order in enumerate(orders):
            if index in done:
                continue

            def on_its_step(step: int, num_steps: int, index: int = index) -> None:
                if on_step is not None:
                    on_step(index, step, num_steps)

            yield self.render(
                order.bound,
                seed=order.seed,
                settings=settings,
                strengths=order.strengths,
                read_with=prompts,
                on_step=on_its_step,
            )

    def key_similarities(
        self, bound: BoundPrompt, *, strengths: Mapping[str, float] | None = None
    ) -> tuple[KeySimilarity, ...]:
        """As in `Renderer`."""
        return self._model.work("key_similarities", {}, **self._prompt(bound), strengths=strengths)

    def _prompt(self, bound: BoundPrompt) -> dict[str, Any]:
        return {
            "bound": bound,
            "concepts": pack_directions(self._bank, [mention.concept_id for mention in bound.mentions]),
        }


def _check_versions(on_node: Mapping[str, str]) -> None:
    """Refuse a node whose pictures may be others than a book's lock says; how torch was built ("+cu130") may differ."""
    here = current_versions()
    differing = [
        f"{name} {on_node.get(name)} instead of {version}"
        for name, version in here.items()
        if on_node.get(name, "").partition("+")[0] != version.partition("+")[0]
    ]
    if differing:
        raise ClusterError(f"A node has {', '.join(differing)}. Install the same versions on all nodes as here.")


def _get(reference: Any, *, within_s: float | None = None) -> Any:
    """A value from a node; what was raised there is raised here.

    Raises:
        WorkerLost: The node, or its process, is gone, or the value did not come in time.
    """
    try:
        return ray.get(reference, timeout=within_s)
    except GetTimeoutError as error:
        raise WorkerLost(f"A node did not answer within {within_s:g} s.") from error
    except RayTaskError as error:
        raise error.cause from error
    except RayError as error:
        raise WorkerLost(f"A node's process is gone ({type(error).__name__}).") from error
