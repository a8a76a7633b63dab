"""The guard of `conftest.py` holds."""

import os
import socket
import threading

import pytest

from tests.conftest import NetworkForbidden


@pytest.mark.parametrize("address", [("192.0.2.1", 80), ("2001:db8::1", 80)], ids=["IPv4", "IPv6"])
def test_another_machine_is_out_of_reach(address: tuple[str, int]) -> None:
    family = socket.AF_INET6 if ":" in address[0] else socket.AF_INET
    with socket.socket(family) as client, pytest.raises(NetworkForbidden, match="192.0.2.1|2001:db8::1"):
        client.connect(address)


def test_names_of_other_machines_are_not_looked_up() -> None:
    with pytest.raises(NetworkForbidden, match=r"example\.org"):
        socket.getaddrinfo("example.org", 443)


def test_this_machine_can_be_reached() -> None:
    with socket.create_server(("localhost", 0)) as server:
        accepting = threading.Thread(target=lambda: server.accept()[0].close())
        accepting.start()
        with socket.create_connection(server.getsockname()) as client:
            assert client.recv(1) == b"", "the server closes what it accepts"
        accepting.join()


def test_no_key_is_at_hand() -> None:
    assert not [name for name in os.environ if name.endswith("_API_KEY")]
