"""The inventory in use: labels batches of records with our side, the other side and the direction, and answers who owned an address at a time."""

import ipaddress
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from datetime import UTC, date, datetime

import numpy as np
from numpy.typing import NDArray

from abusewatch.inventory.prefixes import Network, Table
from abusewatch.inventory.slots import Slots
from abusewatch.model import address
from abusewatch.model import rows as r
from abusewatch.model.compiled import kernel
from abusewatch.model.customer import Customer, Direction
from abusewatch.model.flow import FlowBatch
from abusewatch.model.rows import Array, Columns

KERNEL = kernel("abusewatch.inventory._passes")
PORT_KEY = np.uint64(0xFE << 56)  # upper half of the slot key of an exporter's interface; fe00::/8 is never an own prefix that carries traffic
OFTEN_ALIKE = ("sampling_rate", "input_if", "exporter", "frame", "frame_last")


class Inventory:
    """Immutable but for the slots it gives out.

    `own` are prefixes without a customer (`replay --own`); `ports` name the customer behind `exporter#interface`.
    """

    def __init__(
        self, customers: Sequence[Customer] = (), *, own: Sequence[Network] = (), ports: Mapping[str, str] | None = None, slots: Slots | None = None
    ) -> None:
        self.customers = tuple(customers)
        self.ports = dict(ports or {})
        self.slots = Slots() if slots is None else slots
        self._by_id = {c.id: c for c in customers}
        self._behind: dict[int, Customer] = {}
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
        return self._owner_on(_day(us), self._covering(text))

    def networks_of(self, hi: NDArray[np.uint64], lo: NDArray[np.uint64]) -> NDArray[np.int32]:
        """The number of the own network of each address, the longest prefix of all; -1 for nobody's."""
        return self._table.owners(hi, lo)

    def holders(self, networks: Sequence[int], us: int) -> list[str]:
        """Who has each own network, by number, at a time: the customer by his id, or the prefix where nobody has it."""
        day = _day(us)
        return [owner.id if (owner := self._owner_on(day, self._around(n))) else str(self._networks[n]) for n in networks]

    def named(self, name: str) -> Customer | None:
        """The customer of a name."""
        return self._by_id.get(name)

    def customer_of_port(self, exporter: str, interface: int) -> Customer | None:
        """The customer behind an interface of an exporter, when the inventory names it."""
        return self._by_id.get(self.ports.get(f"{exporter}#{interface}", ""))

    def customer_behind(self, exporter: int, interface: int) -> Customer | None:
        """The customer behind an interface, by the number of the exporter: of those whose records have been labelled."""
        return self._behind.get(exporter << 32 | interface)

    @property
    def behind(self) -> dict[int, str]:
        """The customers behind interfaces that are known so far, by the numbers of exporter and interface in one."""
        return {port: customer.id for port, customer in self._behind.items()}

    def learn_behind(self, known: Mapping[int, str]) -> None:
        """Take over what another process knows of interfaces: only where records are labelled are exporters known by name."""
        self._behind.update({port: self._by_id[customer] for port, customer in known.items()})

    def label(self, batch: FlowBatch, exporter_name: Callable[[int], str] = str) -> tuple[Columns, dict[Direction, int]]:
        """The same as `sides`, in one mapping."""
        sides, counts = self.sides(batch, exporter_name)
        return r.join(sides), counts

    def sides(self, batch: FlowBatch, exporter_name: Callable[[int], str] = str) -> tuple[list[Columns], dict[Direction, int]]:
        """Make a row per own address that each record touches, in one or two mappings, and count the records by direction.

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
        flags = {
            "internal": _flag(internal, counts[Direction.INTERNAL]), "spoofed": _flag(behind_port, counts[Direction.SPOOFED]),
            "transit": _flag(foreign, counts[Direction.SPOOFED] + counts[Direction.TRANSIT]),
        }  # fmt: skip
        sides = [self._seen(batch, source | foreign, foreign) | flags]
        if counts[Direction.INTERNAL]:
            # Both ends are ours: such a record is seen once more, from its destination.
            there, none = batch.take(np.flatnonzero(internal)), np.zeros(counts[Direction.INTERNAL], np.bool_)
            sides.append(self._seen(there, none, none) | {"internal": ~none, "spoofed": none, "transit": none})
        return [r.take(rows, rows["slot"] >= 0) if (rows["slot"] < 0).any() else rows for rows in sides], counts

    def _seen(self, batch: FlowBatch, sent: NDArray[np.bool_], foreign: NDArray[np.bool_]) -> Columns:
        """The records as seen from their source where that is ours or nobody's (`sent`), else from their destination. What need not be copied is not."""

        def ends(name: str) -> tuple[Array, Array]:
            src, dst = getattr(batch, f"src_{name}"), getattr(batch, f"dst_{name}")
            alike = r.constant(src) and r.constant(dst) and len(src) > 0 and src[0] == dst[0]
            return (src, dst) if alike else turned(src, dst, sent)

        (own_hi, peer_hi), (own_lo, peer_lo), (own_port, peer_port) = map(ends, ("hi", "lo", "port"))
        rows: Columns = {
            "own_hi": own_hi, "own_lo": own_lo, "peer_hi": peer_hi, "peer_lo": peer_lo, "own_port": own_port, "peer_port": peer_port,
            "start_us": batch.start_us, "end_us": np.maximum(batch.end_us, batch.start_us), "outbound": sent,
        }  # fmt: skip
        for name in ("protocol", "flags", "packets", "bytes"):
            rows[name] = getattr(batch, name)
        for name in OFTEN_ALIKE:
            rows[name] = r.settled(getattr(batch, name))
        rows |= {name: r.settled(rows[name]) for name in ("own_hi", "peer_hi")}
        return rows | {"slot": self._slots(rows, sent, foreign)}

    def _slots(self, rows: Columns, sent: NDArray[np.bool_], foreign: NDArray[np.bool_]) -> Array:
        hi, lo = rows["own_hi"], rows["own_lo"]
        if foreign.any():
            port = PORT_KEY | rows["exporter"].astype(np.uint64) << np.uint64(32) | rows["input_if"].astype(np.uint64)
            hi, lo = np.where(foreign, port, hi), np.where(foreign, np.uint64(0), lo)
        return self.slots.of(hi, lo, heard=~sent)

    def _behind_customer_port(self, batch: FlowBatch, foreign: NDArray[np.bool_], exporter_name: Callable[[int], str]) -> NDArray[np.bool_]:
        if not self.ports or not foreign.any():
            return np.zeros(len(batch), np.bool_)
        port = batch.exporter.astype(np.uint64) << np.uint64(32) | batch.input_if
        ordered = np.sort(port[foreign])
        distinct = ordered[np.concatenate(([True], ordered[1:] != ordered[:-1]))]
        behind = ((p, self.customer_of_port(exporter_name(p >> 32), p & 0xFFFF_FFFF)) for p in distinct.tolist())
        known = {p: customer for p, customer in behind if customer}
        self._behind.update(known)
        return foreign & np.isin(port, np.array(list(known), np.uint64))

    def _owner_on(self, day: date, networks: Iterable[int]) -> Customer | None:
        """The first of the owners of some networks who is valid."""
        for n in networks:
            for customer in self._owners[n]:
                if (customer.valid_from or date.min) <= day <= (customer.valid_to or date.max):
                    return customer
        return None

    def _around(self, network: int) -> Iterator[int]:
        """A network and those that hold it, the longest prefix first."""
        inner = self._networks[network]
        return (n for n in self._covering(str(inner.network_address)) if self._networks[n].prefixlen <= inner.prefixlen)

    def _covering(self, text: str) -> Iterator[int]:
        """Numbers of the networks that hold an address, the longest prefix first."""
        parsed = ipaddress.ip_address(text)
        for length in self._lengths[parsed.version]:
            first = int(parsed) >> (parsed.max_prefixlen - length) << (parsed.max_prefixlen - length)
            number = self._number.get((parsed.version, length, first))
            if number is not None:
                yield number


def _flag(column: NDArray[np.bool_], true: int) -> Array:
    """The same, as one value where all rows have the same; `true` counts those that have it."""
    return np.broadcast_to(np.bool_(true > 0), column.shape) if true in {0, len(column)} else column


def turned(src: Array, dst: Array, sent: NDArray[np.bool_]) -> tuple[Array, Array]:
    """Our end of each record, which is its source where our side `sent`, and the other end; one dtype for all."""
    if KERNEL is None:
        return np.where(sent, src, dst), np.where(sent, dst, src)
    own, peer = np.empty(len(sent), src.dtype), np.empty(len(sent), src.dtype)
    KERNEL.turned(own, peer, src, dst, sent.view(np.uint8))
    return own, peer


def _day(us: int) -> date:
    seconds = min(max(us // 1_000_000, 0), 253_402_300_799)
    return datetime.fromtimestamp(seconds, UTC).date()
