"""Clusters that strangers could use are refused, and so are those that cannot be used."""

import pytest

from api.cluster.address import check_cluster
from api.errors import UsageError

TOKEN = {"RAY_AUTH_MODE": "token"}


@pytest.mark.parametrize(
    "address", ["10.0.0.1:6379", "127.0.0.2:6379", "192.168.1.7:10001", "localhost:6379", "100.64.0.7:6379"]
)
def test_private_addresses_with_tokens_are_good(address: str, needs_ray: None) -> None:
    del needs_ray
    check_cluster(address, TOKEN)


@pytest.mark.parametrize("address", ["auto", "ray://10.0.0.1:10001", "10.0.0.1", "10.0.0.1:0", "10.0.0.1:70000", ""])
def test_other_forms_are_refused(address: str) -> None:
    with pytest.raises(UsageError, match="HOST:PORT"):
        check_cluster(address, TOKEN)


def test_public_addresses_are_refused() -> None:
    with pytest.raises(UsageError, match=r"public \(8\.8\.8\.8\)"):
        check_cluster("8.8.8.8:6379", TOKEN)


@pytest.mark.parametrize("environment", [{}, {"RAY_AUTH_MODE": "disabled"}])
def test_a_cluster_without_tokens_is_refused(environment: dict[str, str]) -> None:
    with pytest.raises(UsageError, match="RAY_AUTH_MODE=token"):
        check_cluster("127.0.0.2:6379", environment)
