"""The connection of a process to a cluster. Ray has one for a process and no more."""

import logging
import socket
import time
from collections.abc import Callable
from typing import Final

import ray
from ray.exceptions import RayError

from api.cluster.address import host_and_port
from api.errors import ClusterError

logger = logging.getLogger(__name__)

_CONNECT_S: Final = 3.0
_LOOK_EVERY_S: Final = 1.0


def connect_when_reachable(address: str, *, on_waiting: Callable[[ClusterError], None] | None = None) -> None:
    """Connect this process to a cluster, for as long as it lives, once the cluster's head can be reached.

    Args:
        address: Of the head.
        on_waiting: Told once, where it cannot be reached yet.

    Raises:
        ClusterError: The head does not let this process in.
    """
    is_told = False
    while not _is_reachable(address):
        if not is_told:
            logger.warning("the cluster at %s cannot be reached; nothing is drawn until it can", address)
            is_told = True
            if on_waiting is not None:
                on_waiting(_unreachable(address))
        time.sleep(_LOOK_EVERY_S)
    _connect(address)


def describe_cluster(address: str) -> str:
    """What a cluster has, in words; the connection is closed again.

    Raises:
        ClusterError: It cannot be reached, or does not let this process in.
    """
    if not _is_reachable(address):
        raise _unreachable(address)
    _connect(address)
    try:
        num_nodes = sum(1 for node in ray.nodes() if node["Alive"])
        return f"{address}: {num_nodes} nodes, {ray.cluster_resources().get('GPU', 0):g} GPUs, Ray {ray.__version__}"
    finally:
        ray.shutdown()


def _unreachable(address: str) -> ClusterError:
    return ClusterError(f"Nothing listens at {address}. Start the cluster's head there, or correct the address.")


def _is_reachable(address: str) -> bool:
    try:
        socket.create_connection(host_and_port(address), timeout=_CONNECT_S).close()
    except OSError:
        return False
    return True


def _connect(address: str) -> None:
    try:
        ray.init(address=address, log_to_driver=False, logging_level=logging.WARNING)
    except (OSError, RuntimeError, RayError) as error:
        raise ClusterError(
            f"The cluster at {address} does not let this process in: {error} This machine has to be a node of the "
            "cluster, and the token has to be the cluster's."
        ) from error
