"""A Ray cluster of several nodes on this machine, for tests and benchmarks: its head has no GPU, every node has one.

The GPUs are numbers to Ray, so that Pocket is drawn on the CPU where there is none. The nodes have addresses of
loopback, each its own.
"""

import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any, Final

import psutil
from ray._private.authentication_test_utils import reset_auth_token_state
from ray.cluster_utils import Cluster

_OBJECT_STORE_BYTES: Final = 80 * 2**20
_ACTOR_NAME: Final = "ray::NodeModel"


class LocalCluster:
    """A running cluster."""

    def __init__(self, cluster: Cluster) -> None:
        self._cluster = cluster
        self._added = 0

    @property
    def address(self) -> str:
        """HOST:PORT of its head."""
        return self._cluster.address

    def add_node(self, *, core: int | None = None) -> Any:
        """A new node with one GPU.

        Args:
            core: The processor core that it is held to; None lets it use all.
        """
        self._added += 1
        ip_address = f"127.0.0.{2 + self._added}"
        node = self._cluster.add_node(
            num_cpus=1, num_gpus=1, node_ip_address=ip_address, object_store_memory=_OBJECT_STORE_BYTES
        )
        if core is not None:
            for process in (raylet := _raylet_of(node), *raylet.children(recursive=True)):
                process.cpu_affinity([core])
        return node

    def kill_node(self, node: Any) -> None:
        """End all of a node's processes at once, as a machine that loses its power does."""
        processes = _raylet_of(node).children(recursive=True)
        self._cluster.remove_node(node, allow_graceful=False)
        for process in processes:
            with suppress(psutil.NoSuchProcess):
                process.kill()

    def model_processes(self, node: Any) -> list[psutil.Process]:
        """The processes on a node that draw or stand by, the eldest first."""
        found: list[psutil.Process] = []
        for process in _raylet_of(node).children():
            with suppress(psutil.Error):
                if process.status() != psutil.STATUS_ZOMBIE and process.cmdline()[0].startswith(_ACTOR_NAME):
                    found.append(process)
        return sorted(found, key=lambda process: process.create_time())

    def working_process(self, node: Any) -> psutil.Process | None:
        """The process on a node that draws, once there is one; a younger one stands by."""
        return next(iter(self.model_processes(node)), None)

    def other_processes(self) -> list[psutil.Process]:
        """The cluster's own processes that neither draw nor stand by."""
        return [
            process
            for process in psutil.Process().children(recursive=True)
            if "/ray/" in (command := " ".join(process.cmdline())) and "/session_" in command
        ]


@contextmanager
def local_cluster() -> Iterator[LocalCluster]:
    """A cluster with a head alone, until the end of the body; this process's environment has its token as long."""
    environment = {
        "RAY_AUTH_MODE": "token",
        "RAY_AUTH_TOKEN": secrets.token_hex(32),
        "RAY_USAGE_STATS_ENABLED": "0",
        "RAY_raylet_start_wait_time_s": "180",  # a busy machine may need more than Ray's 30
    }
    before = {name: os.environ.get(name) for name in environment}
    os.environ.update(environment)
    try:
        reset_auth_token_state()
        head = {
            "num_cpus": 0,
            "num_gpus": 0,
            "include_dashboard": False,
            "node_ip_address": "127.0.0.2",
            "object_store_memory": _OBJECT_STORE_BYTES,
        }
        cluster = Cluster(initialize_head=True, head_node_args=head)
        try:
            yield LocalCluster(cluster)
        finally:
            cluster.shutdown()
    finally:
        for name, value in before.items():
            if value is None:
                os.environ.pop(name)
            else:
                os.environ[name] = value
        reset_auth_token_state()


def _raylet_of(node: Any) -> psutil.Process:
    return psutil.Process(node.all_processes["raylet"][0].process.pid)
