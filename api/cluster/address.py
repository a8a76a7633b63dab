"""Which clusters the service agrees to use. Without Ray, so that it is quick to ask."""

import importlib.util
import ipaddress
import re
import socket
from collections.abc import Mapping
from typing import Final

from api.errors import UsageError

AUTH_VARIABLE: Final = "RAY_AUTH_MODE"
_FORM = re.compile(r"(?P<host>[^:/\s]+):(?P<port>[0-9]{1,5})")


def check_cluster(address: str, environment: Mapping[str, str]) -> None:
    """Refuse a cluster that cannot be used, or that strangers could use.

    Whoever reaches a Ray cluster without a token runs what they like on it, so it has to have one, and a private
    address.

    Args:
        address: HOST:PORT of the cluster's head.
        environment: The variables that Ray will see.

    Raises:
        UsageError: The address is none, is not private or not known; tokens are not on; or Ray is not installed.
    """
    host, _ = host_and_port(address)
    public = sorted(str(each) for each in _ip_addresses(host) if each.is_global)
    if public:
        raise UsageError(
            f"The cluster's address {address!r} is public ({', '.join(public)}): a Ray cluster belongs on a private "
            "network. Start its head with --node-ip-address of one."
        )
    if environment.get(AUTH_VARIABLE) != "token":
        raise UsageError(
            f"{AUTH_VARIABLE} is {environment.get(AUTH_VARIABLE)!r}, and a cluster without a token runs what anybody "
            f"sends it. Set {AUTH_VARIABLE}=token here and where the nodes are started; the README says how."
        )
    if importlib.util.find_spec("ray") is None:
        raise UsageError("A cluster needs Ray, which is not installed. Install 'fableverse[cluster]'.")


def host_and_port(address: str) -> tuple[str, int]:
    """The two parts of an address.

    Raises:
        UsageError: It has not the form HOST:PORT.
    """
    found = _FORM.fullmatch(address)
    if found is None or not 0 < int(found["port"]) < 2**16:
        raise UsageError(
            f"{address!r} is no address of a cluster: it is HOST:PORT, such as 10.0.0.1:6379, of the cluster's head. "
            "Correct it."
        )
    return found["host"], int(found["port"])


def _ip_addresses(host: str) -> set[ipaddress.IPv4Address | ipaddress.IPv6Address]:
    try:
        return {ipaddress.ip_address(host)}
    except ValueError:
        pass
    try:
        return {ipaddress.ip_address(str(entry[4][0]).partition("%")[0]) for entry in socket.getaddrinfo(host, None)}
    except OSError as error:
        raise UsageError(f"The cluster's host {host!r} is not known: {error}. Correct it.") from error
