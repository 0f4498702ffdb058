"""The inventory in use: labels batches of records with our side, the other side and the direction, and answers who owned an address at a time."""

import ipaddress
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import UTC, date, datetime

import numpy as np
from numpy.typing import NDArray

from abusewatch.inventory.prefixes import Network, Table
from abusewatch.inventory.slots import Slots
from abusewatch.model import address
from abusewatch.model import rows as r
from abusewatch.model.customer import Customer, Direction
from abusewatch.model.flow import FlowBatch
from abusewatch.model.rows import Array, Columns

PORT_KEY = np.uint64(0xFE << 56)  # upper half of the slot key of an exporter's interface; fe00::/8 is never an own prefix that carries traffic


class Inventory:
    """Immutable but for the slots it gives out.

    `own` are prefixes without a customer (`replay --own`); `ports` name the customer behind `exporter#interface`.
    """

    def __init__(
        self, customers: Sequence[Customer] = (), *, own: Sequence[Network] = (), ports: Mapping[str, str] | None = None, slots: Slots | None = None
    ) -> None:
        self.customers = tuple(customers)
        self.ports = dict(ports or {})
        self.slots = slots or Slots()
        self._by_id = {c.id: c for c in customers}
        networks: dict[Network, list[Customer]] = {ipaddress.ip_network(n): [] for n in own}
        for customer in customers:
            for prefix in customer.prefixes:
                networks.setdefault(ipaddress.ip_network(prefix), []).append(customer)
        self._owners: list[list[Customer]] = list(networks.values())
        self._networks = list(networks)
        self._number = {(n.version, n.prefixlen, int(n.network_address)): at for at, n in enumerate(networks)}
        self._lengths = {version: sorted({n.prefixlen for n in networks if n.version == version}, reverse=True) for version in (4, 6)}
        self._table = Table([(network, n) for n, network in enumerate(networks)])

    @property
    def prefixes(self) -> tuple[str, ...]:
        """Every own prefix."""
        return tuple(map(str, self._networks))

    def contains(self, text: str) -> bool:
        """Whether an address is ours."""
        return self._table.owner(*address.parse(text)) >= 0

    def owner_at(self, text: str, us: int) -> Customer | None:
        """Who owned an address at a time (microseconds since the epoch); the longest prefix whose owner was valid then."""
        day = _day(us)
        for n in self._covering(text):
            for customer in self._owners[n]:
                if (customer.valid_from or date.min) <= day <= (customer.valid_to or date.max):
                    return customer
        return None

    def customer_of_port(self, exporter: str, interface: int) -> Customer | None:
        """The customer behind an interface of an exporter, when the inventory names it."""
        return self._by_id.get(self.ports.get(f"{exporter}#{interface}", ""))

    def label(self, batch: FlowBatch, exporter_name: Callable[[int], str] = str) -> tuple[Columns, dict[Direction, int]]:
        """Make a row per own address that each record touches, and count the records by direction.

        Records that touch none are kept as `transit` rows under the slot of their ingress interface: what left through us without being ours is either
        transit or a forged source (RFC 2827; `spoofed` when a customer is behind the port), and only rules that name `transit` or
        `spoofed` look at them.
        """
        source = self._table.owners(batch.src_hi, batch.src_lo, batch.family) >= 0
        target = self._table.owners(batch.dst_hi, batch.dst_lo, batch.family) >= 0
        foreign = ~(source | target)
        internal = source & target
        behind_port = self._behind_customer_port(batch, foreign, exporter_name)
        counts = {
            Direction.OUTBOUND: int(np.count_nonzero(source & ~target)), Direction.INBOUND: int(np.count_nonzero(target & ~source)),
            Direction.INTERNAL: int(np.count_nonzero(internal)), Direction.SPOOFED: int(np.count_nonzero(behind_port)),
            Direction.TRANSIT: int(np.count_nonzero(foreign & ~behind_port)),
        }  # fmt: skip
        parts = [
            self._side(batch, np.flatnonzero(source), internal, behind_port, outbound=True),
            self._side(batch, np.flatnonzero(target), internal, behind_port, outbound=False),
            self._side(batch, np.flatnonzero(foreign), internal, behind_port, outbound=True, transit=True),
        ]
        rows = r.join([p for p in parts if r.length(p)] or [r.empty()])
        return (r.take(rows, rows["slot"] >= 0) if (rows["slot"] < 0).any() else rows), counts

    def _side(
        self, batch: FlowBatch, at: NDArray[np.intp], internal: NDArray[np.bool_], behind_port: NDArray[np.bool_], *, outbound: bool, transit: bool = False
    ) -> Columns:
        """The chosen records as seen from their source (`outbound`) or from their destination."""
        own, peer = ("src", "dst") if outbound else ("dst", "src")
        every = len(at) == len(batch)

        def column(name: str) -> Array:
            values: Array = getattr(batch, name)
            return values if every else values[at]

        own_hi, own_lo = column(f"{own}_hi"), column(f"{own}_lo")
        key = (own_hi, own_lo)
        if transit:
            port = PORT_KEY | column("exporter").astype(np.uint64) << np.uint64(32) | column("input_if").astype(np.uint64)
            key = (port, np.zeros(len(port), np.uint64))
        return {
            "slot": self.slots.of(*key, heard=not outbound),
            "own_hi": own_hi, "own_lo": own_lo, "peer_hi": column(f"{peer}_hi"), "peer_lo": column(f"{peer}_lo"),
            "own_port": column(f"{own}_port"), "peer_port": column(f"{peer}_port"), "protocol": column("protocol"), "flags": column("flags"),
            "packets": column("packets"), "bytes": column("bytes"), "start_us": column("start_us"),
            "end_us": np.maximum(column("end_us"), column("start_us")), "outbound": np.full(len(at), outbound),
            "internal": internal if every else internal[at],
            "transit": np.full(len(at), transit), "spoofed": behind_port if every else behind_port[at], "sampling_rate": column("sampling_rate"),
            "input_if": column("input_if"), "exporter": column("exporter"), "frame": column("frame"),
        }  # fmt: skip

    def _behind_customer_port(self, batch: FlowBatch, foreign: NDArray[np.bool_], exporter_name: Callable[[int], str]) -> NDArray[np.bool_]:
        if not self.ports or not foreign.any():
            return np.zeros(len(batch), np.bool_)
        port = batch.exporter.astype(np.uint64) << np.uint64(32) | batch.input_if
        ordered = np.sort(port[foreign])
        distinct = ordered[np.concatenate(([True], ordered[1:] != ordered[:-1]))]
        known = [p for p in distinct.tolist() if self.customer_of_port(exporter_name(p >> 32), p & 0xFFFF_FFFF)]
        return foreign & np.isin(port, np.array(known, np.uint64))

    def _covering(self, text: str) -> Iterator[int]:
        """Numbers of the networks that hold an address, the longest prefix first."""
        parsed = ipaddress.ip_address(text)
        for length in self._lengths[parsed.version]:
            first = int(parsed) >> (parsed.max_prefixlen - length) << (parsed.max_prefixlen - length)
            number = self._number.get((parsed.version, length, first))
            if number is not None:
                yield number


def _day(us: int) -> date:
    seconds = min(max(us // 1_000_000, 0), 253_402_300_799)
    return datetime.fromtimestamp(seconds, UTC).date()
