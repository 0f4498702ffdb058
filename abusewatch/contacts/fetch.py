"""One bounded GET: at most three redirects, 64 kB and ten seconds, whatever the other side does."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import NamedTuple

import aiohttp
from aiohttp.abc import AbstractResolver
from yarl import URL

import abusewatch
from abusewatch.contacts.gate import Gate, GatedResolver, Refused

REDIRECTS = 3
BODY_BYTES = 65_536
"""The largest real answer of the registries that was measured has 16 kB."""
DEADLINE_SECS = 10.0
REDIRECT = frozenset({301, 302, 303, 307, 308})
LONGEST_PAUSE_SECS = 86_400.0
HEADERS = {
    "Accept": "application/rdap+json, application/json",
    "Accept-Encoding": "identity",  # a compressed answer could be any size
    "User-Agent": f"abusewatch/{abusewatch.__version__}",
}


class Reply(NamedTuple):
    """What came back in the end. `retry_secs` is the Retry-After of the answer, None without one; `url` is where it came from."""

    status: int
    url: str
    body: bytes
    retry_secs: float | None


class Fetcher:
    """Fetches under a gate. Holds no connection between two calls."""

    def __init__(
        self, gate: Gate, *, deadline_secs: float = DEADLINE_SECS, resolver: AbstractResolver | None = None
    ) -> None:
        """Take the judge of where we may go."""
        self._gate = gate
        self._deadline_secs = deadline_secs
        self._resolver = resolver
        self.redirected = 0

    async def get(self, url: str) -> Reply:
        """Fetch; Refused, TimeoutError, OSError or aiohttp.ClientError when there is no answer to be had."""
        async with asyncio.timeout(self._deadline_secs), self._session() as session:
            place = _url(url)
            for _ in range(REDIRECTS + 1):
                self._gate.url(place)
                async with session.get(place, allow_redirects=False) as response:
                    if response.status not in REDIRECT or "Location" not in response.headers:
                        return await _reply(response)
                    place = place.join(_url(response.headers["Location"]))
                    self.redirected += 1
            raise Refused("redirects")

    @asynccontextmanager
    async def _session(self) -> AsyncIterator[aiohttp.ClientSession]:
        """Open a session for one look-up: no cookies, no proxy of the environment, nothing unpacked."""
        connector = aiohttp.TCPConnector(
            resolver=GatedResolver(self._gate, self._resolver), use_dns_cache=False, force_close=True
        )
        async with aiohttp.ClientSession(
            connector=connector, headers=HEADERS, cookie_jar=aiohttp.DummyCookieJar(), auto_decompress=False
        ) as session:
            yield session


def _url(text: str) -> URL:
    try:
        return URL(text)
    except ValueError:
        raise Refused("url") from None


def host_of(url: str) -> str:
    """Name the host of a URL; "" for what is none."""
    try:
        return _url(url).host or ""
    except Refused:
        return ""


async def _reply(response: aiohttp.ClientResponse) -> Reply:
    """Read at most the limit; the length that was announced is not believed."""
    if response.headers.get("Content-Encoding", "identity").lower() != "identity":
        raise Refused("encoding")
    body = bytearray()
    async for chunk in response.content.iter_chunked(8192):
        body += chunk
        if len(body) > BODY_BYTES:
            raise Refused("too_large")
    return Reply(response.status, str(response.url), bytes(body), retry_after(response.headers.get("Retry-After")))


def retry_after(value: str | None, now: datetime | None = None) -> float | None:
    """Read Retry-After, seconds or a date (RFC 9110 10.2.3), no longer than a day; None when there is none."""
    if value is None:
        return None
    text = value.strip()
    if text.isascii() and text.isdecimal():
        return min(float(text[:9]), LONGEST_PAUSE_SECS)
    try:
        moment = parsedate_to_datetime(text)
    except ValueError:
        return None
    moment = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
    return min(max((moment - (now or datetime.now(UTC))).total_seconds(), 0.0), LONGEST_PAUSE_SECS)
