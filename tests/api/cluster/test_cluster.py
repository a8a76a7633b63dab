"""A service and a cluster of three nodes, a head and two that draw: whatever is lost, books end whole and right."""

import io
import socket
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import httpx
import numpy as np
import psutil
import pytest
from PIL import Image
from sqlalchemy import select

from api.cluster.node import NodeModel
from api.errors import ClusterError
from api.service.database import Database
from api.service.errors import WorkerLost
from api.service.own_model import OwnModel
from api.service.payloads import DrawPayload, ModelInfo
from api.service.tables import tasks, workers
from api.settings import SAMPLE_BANK_DIR, WantedModel
from concepts.bank import ConceptBank, seed_bank
from concepts.schema import BoundPrompt
from generator.plan import Numbers
from generator.renderer import Renderer
from generator.settings import RenderSettings
from tests.api.service.running import running_server

if TYPE_CHECKING:
    from api.cluster.model import ClusterModel
    from benchmarks.local_cluster import LocalCluster

PAGES = 4
PICTURES = PAGES + 1
STALL_S = 10.0
FEWER_BITS = Numbers(dtype="float32", weights="fp8-stored")
SMALL = RenderSettings(num_inference_steps=1, guidance_scale=2.5, height=256, width=256, max_sequence_length=64)


@dataclass(frozen=True, kw_only=True)
class Running:
    cluster: "LocalCluster"
    nodes: list[Any]
    client: httpx.Client
    database: Database
    bank: ConceptBank


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory, needs_ray: None, pocket_model_dir: Path) -> Iterator[Running]:
    del needs_ray, pocket_model_dir
    from api.cluster.connection import describe_cluster
    from benchmarks.local_cluster import local_cluster

    folder = tmp_path_factory.mktemp("cluster")
    seed_bank(folder / "bank", SAMPLE_BANK_DIR)
    with local_cluster() as cluster:
        nodes = [cluster.add_node(), cluster.add_node()]
        assert "3 nodes, 2 GPUs" in describe_cluster(cluster.address)
        options = ["--cluster", cluster.address]
        with running_server(folder / "data", bank_dir=folder / "bank", options=options) as server:
            database = Database.open(f"sqlite:///{folder / 'data' / 'fableverse.sqlite'}")
            bank = ConceptBank(folder / "bank")
            with httpx.Client(base_url=server.url, timeout=60) as client:
                yield Running(cluster=cluster, nodes=nodes, client=client, database=database, bank=bank)
            database.close()


def wait_until(is_so: Callable[[], bool], *, within_s: float = 300) -> None:
    deadline = time.monotonic() + within_s
    while not is_so():
        assert time.monotonic() < deadline
        time.sleep(0.05)


def ready_workers(running: Running) -> set[str]:
    with running.database.read() as connection:
        query = select(workers.c.id).where(workers.c.role == "draw", workers.c.is_ready)
        return set(connection.execute(query).scalars())


def drawings(running: Running, job_id: str) -> list[Any]:
    with running.database.read() as connection:
        query = select(tasks).where(tasks.c.job_id == job_id, tasks.c.kind == "draw").order_by(tasks.c.position)
        return list(connection.execute(query))


def book_with_one_picture_left(running: Running, process: psutil.Process, *, seed: int) -> str:
    """A job that waits for the picture that a frozen process has in hand, everything else being drawn."""
    process.suspend()
    wish = {"idea": "a fox who cannot sleep", "pages": PAGES, "seed": seed}
    job_id = running.client.post("/v1/books", json=wish).json()["id"]
    wait_until(lambda: sum(row.state == "done" for row in drawings(running, job_id)) == PICTURES - 1)
    assert [row.state for row in drawings(running, job_id)].count("running") == 1
    return job_id


def succeeded(running: Running, job_id: str) -> dict[str, Any]:
    """A job, once it has ended."""
    wait_until(lambda: running.client.get(f"/v1/jobs/{job_id}").json()["status"] in ("succeeded", "failed"))
    job = running.client.get(f"/v1/jobs/{job_id}").json()
    assert job["status"] == "succeeded", job
    return job


def check_whole_and_right(running: Running, job_id: str) -> None:
    """The book is there, each picture was drawn once but the lost one, and all are what this process draws."""
    job = succeeded(running, job_id)
    drawn = drawings(running, job_id)
    assert sorted(row.starts for row in drawn) == [1] * (PICTURES - 1) + [2]
    model = OwnModel(WantedModel())
    for row in drawn:
        order = DrawPayload.model_validate(row.payload)
        assert len(order.read_with) == PICTURES
        expected = model.renderer(running.bank).render(
            order.bound, seed=order.seed, settings=order.settings, read_with=order.read_with
        )
        content = running.client.get(f"{job['links']['book']}/pictures/{row.picture}").content
        found = np.asarray(Image.open(io.BytesIO(content)), dtype=int)
        assert np.abs(found - np.asarray(expected, dtype=int)).max() <= 2, "to the rounding of threads' sums"


class HangingNode(NodeModel):
    def load(self) -> ModelInfo:
        time.sleep(600)
        raise AssertionError("nobody waits for so long")


class SlowlyLoadingNode(NodeModel):
    """Loads the model anew for each picture, and takes its time."""

    def _render(self, line: Any, **order: Any) -> Image.Image:
        line.tell_loading(True)
        time.sleep(1.5 * STALL_S)
        line.tell_loading(False)
        return super()._render(line, **order)


class OlderNode(NodeModel):
    def versions(self) -> dict[str, str]:
        return {**super().versions(), "torch": "1.0.0+cu999"}


class ModelOfFewerBits(OwnModel):
    """Says, once it has something to draw with, that memory ran out and weights are kept in fp8."""

    def __init__(self, wanted: WantedModel) -> None:
        super().__init__(wanted)
        self.has_run_out = False

    def load(self) -> ModelInfo:
        info = super().load()
        if not self.has_run_out:
            return info
        model = info.model.model_copy(update={"numbers": FEWER_BITS})
        return info.model_copy(update={"model": model})

    def renderer(self, bank: ConceptBank) -> Renderer:
        self.has_run_out = True
        return super().renderer(bank)


class CudaNode(NodeModel):
    def __init__(self, wanted: WantedModel) -> None:
        super().__init__(wanted)
        self._model = ModelOfFewerBits(wanted)

    def versions(self) -> dict[str, str]:
        return {name: f"{version.partition('+')[0]}+cu999" for name, version in super().versions().items()}


@pytest.fixture
def on_cluster(running: Running) -> Iterator[Callable[..., "ClusterModel"]]:
    """Starts a process of a class on the cluster, which needs no GPU."""
    import ray

    from api.cluster.connection import connect_when_reachable
    from api.cluster.model import ClusterModel

    connect_when_reachable(running.cluster.address)

    def start(node: type[NodeModel], loading_s: float = 300, *, stall_s: float = 30) -> ClusterModel:
        options = {"num_cpus": 0, "concurrency_groups": {"control": 1, "life": 1}}
        actor: Any = ray.remote(**options)(node)
        return ClusterModel(actor.remote(WantedModel()), stall_s=stall_s, loading_s=loading_s)

    yield start
    ray.shutdown()


@pytest.mark.usefixtures("needs_ray")
def test_whoever_waits_for_a_cluster_says_so() -> None:
    from api.cluster.connection import connect_when_reachable

    with socket.create_server(("127.0.0.1", 0)) as free:
        address = f"127.0.0.1:{free.getsockname()[1]}"

    def on_waiting(error: ClusterError) -> None:
        raise error

    with pytest.raises(ClusterError, match=f"Nothing listens at {address}"):
        connect_when_reachable(address, on_waiting=on_waiting)


def test_a_node_that_hangs_while_it_loads_is_lost(on_cluster: Callable[..., "ClusterModel"]) -> None:
    with pytest.raises(WorkerLost, match="within 5 s"):
        on_cluster(HangingNode, 5).load()


def test_a_node_that_loads_within_a_piece_of_work_has_the_time_that_loading_has(
    running: Running, on_cluster: Callable[..., "ClusterModel"]
) -> None:
    model = on_cluster(SlowlyLoadingNode, stall_s=STALL_S)
    model.load()
    picture = model.renderer(running.bank).render(BoundPrompt(prompt="snow"), seed=1, settings=SMALL)
    assert picture.size == (256, 256) and not model.is_loading


def test_a_node_of_other_versions_is_refused(on_cluster: Callable[..., "ClusterModel"]) -> None:
    with pytest.raises(ClusterError, match="torch 1.0.0.cu999 instead of"):
        on_cluster(OlderNode).load()


def test_a_node_may_have_torch_built_in_another_way_and_says_when_its_numbers_are_others(
    running: Running, on_cluster: Callable[..., "ClusterModel"]
) -> None:
    model = on_cluster(CudaNode)
    assert (model.load().model.source, model.load().model.numbers) == ("pocket", Numbers(dtype="float32"))
    model.renderer(running.bank).render(BoundPrompt(prompt="snow"), seed=1, settings=SMALL)
    assert model.load().model.numbers == FEWER_BITS


def test_a_worker_that_is_killed_loses_nothing_and_is_replaced(running: Running) -> None:
    wait_until(lambda: len(ready_workers(running)) == 2)
    before = ready_workers(running)
    victim = running.cluster.working_process(running.nodes[0])
    assert victim is not None
    job_id = book_with_one_picture_left(running, victim, seed=1)
    victim.kill()
    check_whole_and_right(running, job_id)
    wait_until(lambda: len(ready_workers(running)) == 2)
    assert len(ready_workers(running) & before) == 1, "one is new"


def test_a_node_that_is_lost_loses_nothing(running: Running) -> None:
    victim = running.cluster.working_process(running.nodes[1])
    assert victim is not None
    job_id = book_with_one_picture_left(running, victim, seed=2)
    running.cluster.kill_node(running.nodes[1])
    check_whole_and_right(running, job_id)
    assert len(ready_workers(running)) == 1


def test_a_picture_is_seen_while_a_node_draws_it(running: Running) -> None:
    order = {"prompt": "a @rusty by the sea", "num_inference_steps": 100}
    job = succeeded(running, running.client.post("/v1/scenes", json=order).json()["id"])
    assert '"preview": ' in running.client.get(f"/v1/jobs/{job['id']}/events").text
    preview = running.client.get(f"/v1/jobs/{job['id']}/previews/0")
    assert Image.open(io.BytesIO(preview.content)).size == (64, 64)


def test_a_concept_is_learnt_on_a_node(running: Running) -> None:
    picture = running.bank.source_path("clover").read_bytes()
    form = {"caption": running.bank.get("clover").caption, "concept": ["hopper=rabbit:character"], "steps": "2"}
    answer = running.client.post("/v1/concepts", data=form, files={"picture": ("clover.png", picture)})
    assert answer.status_code == 202, answer.text
    job = succeeded(running, answer.json()["id"])
    assert job["result"] == {"concepts": ["hopper"]}
    Image.open(running.bank.preview_path("hopper")).load()
    events = running.client.get(f"/v1/jobs/{job['id']}/events").text
    assert "event: learning" in events and "event: previews" in events
