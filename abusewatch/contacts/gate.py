"""Where a look-up may go: to public hosts, over TLS, and nowhere else (threats.md T14).

A registry's answer can redirect us anywhere. The host is resolved once, every address it has is judged, and the
connection is made to those very addresses, so that a name cannot mean one thing to the judge and another to the socket.
"""

import ipaddress
import socket
from collections.abc import Callable, Collection
from typing import Literal

from aiohttp.abc import AbstractResolver, ResolveResult
from aiohttp.resolver import ThreadedResolver
from yarl import URL

from abusewatch.contacts.special import special_purpose

Refusal = Literal["url", "scheme", "port", "address", "redirects", "too_large", "encoding"]


class Refused(Exception):  # noqa: N818  # it is a refusal, not an error of ours
    """A look-up was led where it must not go, or was sent what it must not take; `reason` is a closed word."""

    def __init__(self, reason: Refusal) -> None:
        """Take the reason; the place is not repeated, it may be hostile."""
        super().__init__(f"refused: {reason}")
        self.reason: Refusal = reason


def public(address: str) -> bool:
    """Whether an address is ordinary public space."""
    return special_purpose(address) is None


class Gate:
    """Judges URLs and addresses. `own` keeps redirects out of the provider's own network too."""

    def __init__(
        self,
        own: Callable[[str], bool],
        *,
        schemes: Collection[str] = ("https",),
        ports: Collection[int] | None = (443,),
        allowed: Callable[[str], bool] = public,
    ) -> None:
        """Take the rules; other schemes, ports and addresses than the defaults are for tests on a loopback."""
        self._own = own
        self._schemes = frozenset(schemes)
        self._ports = None if ports is None else frozenset(ports)
        self._allowed = allowed

    def url(self, url: URL) -> None:
        """Judge a URL before anything is resolved; Refused when it may not be fetched."""
        if not url.host or url.user is not None or url.password is not None:
            raise Refused("url")
        if url.scheme not in self._schemes:
            raise Refused("scheme")
        if self._ports is not None and url.port not in self._ports:
            raise Refused("port")
        if _literal(url.host):
            self.address(url.host)

    def address(self, address: str) -> None:
        """Judge an address that is about to be connected to."""
        if not self._allowed(address) or self._own(address):
            raise Refused("address")


class GatedResolver(AbstractResolver):
    """Resolves by the system, and gives addresses out only when all of a host's are allowed."""

    def __init__(self, gate: Gate, inner: AbstractResolver | None = None) -> None:
        """Take the judge; `inner` is for tests that have names of their own."""
        self._gate = gate
        self._inner = inner or ThreadedResolver()

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_UNSPEC
    ) -> list[ResolveResult]:
        """Resolve and judge; one forbidden address among several refuses the host."""
        found = await self._inner.resolve(host, port, family)
        for one in found:
            self._gate.address(one["host"].partition("%")[0])
        return found

    async def close(self) -> None:
        """Close the resolver inside."""
        await self._inner.close()


def _literal(host: str) -> bool:
    try:
        ipaddress.ip_address(host.partition("%")[0])
    except ValueError:
        return False
    return True
