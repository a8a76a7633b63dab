"""Where the service sends requests by somebody's wish: to public hosts over HTTPS, never into its own network (SSRF).

A name is resolved once, every address it has is judged, and the connection goes to the address that was judged, so
that a name that points elsewhere a moment later gains nothing. Redirects are answers like any other.
"""

import asyncio
import ipaddress
import socket
from collections.abc import Awaitable, Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from urllib.parse import urlsplit

import httpx

from api.service.errors import InvalidInput

Resolve = Callable[[str, int], Awaitable[list[str]]]
"""A host's addresses, for a port."""

# Threads of their own: no deadline ends one that waits for a name server, and the service has to go on meanwhile.
_RESOLVING = ThreadPoolExecutor(max_workers=16, thread_name_prefix="resolving")
_MOST_URL_CHARACTERS = 2048
_MOST_ANSWER_BYTES = 64 * 1024
# Each wraps an IPv4 address, which a gateway on the way unwraps: the wrapped one has to be judged.
_NAT64 = ipaddress.ip_network("64:ff9b::/96")
# What IANA keeps for special use and some Python versions call global; a cloud's metadata lies at 192.0.0.192.
_SPECIAL = tuple(ipaddress.ip_network(each) for each in ("192.0.0.0/24", "64:ff9b:1::/48", "3fff::/20", "5f00::/16"))


class ForbiddenDestination(InvalidInput):
    """Raised for an address that requests may not go to; whoever registered it registers another."""


@dataclass(frozen=True, kw_only=True)
class DestinationRules:
    """What a destination has to be."""

    allow_private: bool = False
    """Whether plain HTTP, any port and addresses of this machine and its network will do."""
    ports: frozenset[int] = frozenset({443, 8443})
    timeout_s: float = 5.0


async def resolve(host: str, port: int) -> list[str]:
    """What the system's resolver says."""
    ask = partial(socket.getaddrinfo, host, port, type=socket.SOCK_STREAM)
    found = await asyncio.get_running_loop().run_in_executor(_RESOLVING, ask)
    return [str(entry[4][0]) for entry in found]


def check_url(url: str, rules: DestinationRules) -> None:
    """Judges all of a URL that can be judged without resolving its host.

    Raises:
        ForbiddenDestination: It is no HTTPS URL, has a user, a password or another port, is too long, or its host can
            be none.
    """
    _parse(url, rules)


@dataclass(frozen=True, kw_only=True)
class _Target:
    url: httpx.URL
    host: str
    port: int


def _parse(url: str, rules: DestinationRules) -> _Target:
    if len(url) > _MOST_URL_CHARACTERS or not url.isascii() or not url.isprintable() or " " in url:
        raise ForbiddenDestination(f"A webhook's URL is at most {_MOST_URL_CHARACTERS} plain characters. Correct it.")
    try:
        parsed, parts = httpx.URL(url), urlsplit(url)
        port = parts.port or {"https": 443, "http": 80}.get(parsed.scheme, 0)
    except (httpx.InvalidURL, ValueError) as error:
        raise ForbiddenDestination("That is no URL. Write one such as https://example.org/hook.") from error
    # Two parsers that take different hosts out of one text are how such checks are usually passed by.
    if not parsed.host or parsed.host != (parts.hostname or ""):
        raise ForbiddenDestination("That URL's host is not clear. Write one such as https://example.org/hook.")
    try:
        parsed.host.encode("idna")  # as resolving it begins
    except UnicodeError as error:
        raise ForbiddenDestination(
            "Each part of a host, between its dots, has 1 to 63 characters. Write one such as https://example.org/hook."
        ) from error
    if parsed.userinfo:
        raise ForbiddenDestination("A webhook's URL has neither user nor password. Leave them out.")
    if parsed.scheme != "https" and not (rules.allow_private and parsed.scheme == "http"):
        raise ForbiddenDestination("A webhook's URL begins with https://. Correct it.")
    if port not in rules.ports and not rules.allow_private:
        raise ForbiddenDestination(f"A webhook's port is one of {sorted(rules.ports)}. Correct it.")
    return _Target(url=parsed, host=parsed.host, port=port)


def is_public(address: str) -> bool:
    """Whether an address is one of the public internet's, seen through every form that wraps an IPv4 address."""
    try:
        ip = ipaddress.ip_address(address.partition("%")[0])
    except ValueError:
        return False
    if isinstance(ip, ipaddress.IPv6Address):
        wrapped = ip.ipv4_mapped or ip.sixtofour or (ip.teredo[1] if ip.teredo else None)
        if wrapped is None and ip in _NAT64:
            wrapped = ipaddress.IPv4Address(int(ip) & 0xFFFFFFFF)
        if wrapped is not None:
            return is_public(str(wrapped))
        if ip.is_site_local:
            return False
    if any(ip in network for network in _SPECIAL):
        return False
    return ip.is_global and not ip.is_multicast and not ip.is_reserved and not ip.is_unspecified


async def post(
    url: str,
    body: bytes,
    headers: Mapping[str, str],
    *,
    rules: DestinationRules,
    resolver: Resolve = resolve,
    client: httpx.AsyncClient,
) -> int:
    """Sends a body to a URL and gives the status of the answer, of which 64 KiB are read.

    Args:
        url: Where to.
        body: What.
        headers: Beside Host and Content-Length.
        rules: What the destination has to be, judged anew with every call.
        resolver: Gives a host's addresses.
        client: Opens the connection; has no proxy and follows no redirect.

    Raises:
        ForbiddenDestination: The URL, or one of its host's addresses, is forbidden.
        OSError: The host has no address.
        TimeoutError: It took longer than the rules allow.
        httpx.HTTPError: There is no connection or no answer.
    """
    target = _parse(url, rules)
    async with asyncio.timeout(rules.timeout_s):
        addresses = await resolver(target.host, target.port)
        if not addresses:
            raise OSError("the host has no address")
        if not rules.allow_private and not all(is_public(address) for address in addresses):
            raise ForbiddenDestination("That host is no public one: webhooks are sent to the public internet alone.")
        pinned = target.url.copy_with(host=addresses[0].partition("%")[0])
        request = client.build_request(
            "POST",
            pinned,
            content=body,
            headers={**headers, "Host": target.url.netloc.decode("ascii")},
            extensions={"sni_hostname": target.host},
        )
        response = await client.send(request, stream=True, follow_redirects=False)
        try:
            read = 0
            async for part in response.aiter_raw():
                read += len(part)
                if read > _MOST_ANSWER_BYTES:
                    break
        finally:
            await response.aclose()
        return response.status_code
