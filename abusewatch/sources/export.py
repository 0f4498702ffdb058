"""Send export datagrams to a collector, at the pace of the events or as fast as a loopback collector can follow."""

import socket
import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from abusewatch.sources.encode import Datagram, Encoding

FASTEST = 20_000
"""Datagrams a second with `speed` 0. Four times as many have gone through without loss, but not on every machine."""
BURST = 32
"""Datagrams sent before the pace is looked at again; a collector's smallest usual buffer holds more."""


@dataclass(frozen=True, slots=True)
class Sent:
    """What left: datagrams, the flow records (or samples) in them, and the records that could not be said, by reason."""

    datagrams: int
    records: int
    skipped: Mapping[str, int] = field(default_factory=dict)


def send(datagrams: Iterable[Datagram], address: tuple[str, int], speed: float = 0) -> Sent:
    """Send to a host (name or address) and port, at `speed` times real time, 0 for as fast as is safe. Blocks until all is sent.

    OSError when the address cannot be resolved or reached.
    """
    family, kind, protocol, _, place = socket.getaddrinfo(*address, type=socket.SOCK_DGRAM)[0]
    count = records = 0
    pace = _Pace(speed)
    with socket.socket(family, kind, protocol) as sock:
        for datagram in datagrams:
            pace.wait(count, datagram.time_us)
            sock.sendto(datagram.payload, place)
            count += 1
            records += datagram.records
    skipped = {reason: n for reason, n in datagrams.skipped.items() if n} if isinstance(datagrams, Encoding) else {}
    return Sent(count, records, skipped)


class _Pace:
    """Sleeps so that the datagrams leave neither before their time nor faster than FASTEST."""

    def __init__(self, speed: float) -> None:
        self._speed = speed
        self._begun = time.monotonic()
        self._first_us: int | None = None

    def wait(self, sent: int, time_us: int) -> None:
        if self._first_us is None:
            self._first_us = time_us
        due = sent // BURST * BURST / FASTEST
        if self._speed:
            due = max(due, (time_us - self._first_us) / 1e6 / self._speed)
        late = due - (time.monotonic() - self._begun)
        if late > 0:
            time.sleep(late)
