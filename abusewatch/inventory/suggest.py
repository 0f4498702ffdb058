"""Roles proposed from what customers' machines do. Nothing here changes an inventory: a person reads the proposal and writes it there.

A role is a statement about who somebody is, and it silences rules; so each proposal says the numbers it rests on.
"""

from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from abusewatch.inventory.inventory import Inventory
from abusewatch.model import address
from abusewatch.model.flow import FlowBatch
from abusewatch.model.rows import Columns

TCP, UDP = 6, 17
SYN, RST, ACK = 2, 4, 16
LOGINS = (21, 22, 23, 110, 143, 445, 465, 587, 993, 995, 1433, 2222, 3306, 3389, 5432, 5900, 5985)
"""Services that ask for a password. Who comes back to these alone, to each equally often, may as well work through a list of passwords."""
MOST_PAIRS = 4_000_000
"""Pairs of an address and its peer kept for each behaviour (32 MB each); what comes later is counted as left out."""

Mask = NDArray[np.bool_]
Keys = NDArray[np.uint64]


class Suggestion(NamedTuple):
    """A role for an address, and why."""

    address: str
    role: str
    because: str


def _talks(rows: Columns) -> Mask:
    """TCP records that belong to a connection both sides took part in."""
    flags = rows["flags"]
    mask: Mask = (rows["protocol"] == TCP) & (flags & ACK != 0) & (flags & 0x3F != RST | ACK)
    return mask


def _serves(port: int, protocol: int = UDP) -> tuple[Callable[[Columns], Mask], Callable[[Columns], Mask]]:
    def asked(rows: Columns) -> Mask:
        mask: Mask = (rows["protocol"] == protocol) & (rows["own_port"] == port) & ~rows["outbound"]
        return mask

    def answered(rows: Columns) -> Mask:
        mask: Mask = (rows["protocol"] == protocol) & (rows["own_port"] == port) & rows["outbound"]
        return mask

    return asked, answered


BEHAVIOURS: dict[str, Callable[[Columns], Mask]] = {
    "delivered_to": lambda r: _talks(r) & (r["own_port"] == 25) & ~r["outbound"],
    "delivers": lambda r: _talks(r) & (r["peer_port"] == 25) & r["outbound"],
    "asks_names": lambda r: (r["protocol"] == UDP) & (r["peer_port"] == 53) & r["outbound"],
    "names_told": lambda r: (r["protocol"] == UDP) & (r["peer_port"] == 53) & ~r["outbound"],
    "names_asked": _serves(53)[0],
    "tells_names": _serves(53)[1],
    "time_asked": _serves(123)[0],
    "tells_time": _serves(123)[1],
    "visits_web": lambda r: _talks(r) & np.isin(r["peer_port"], (80, 443)) & r["outbound"],
}
"""Which rows say what of our side; each is counted by different peers."""


class Role(NamedTuple):
    """When a role is proposed: least numbers of different peers, and the words for them."""

    role: str
    least: Mapping[str, int]
    words: str
    volume: str = ""
    """Of which volume the answers may not be many times the questions."""


VOLUMES = {"names": _serves(53), "time": _serves(123)}
"""What was asked of our side and what it answered, in bytes: who answers with much more is one whom others may abuse."""
AMPLIFIES = 3.0
"""From this factor on the answers are those of a reflector (`rules/amplification-reflector.toml`), and a role would hide that."""

ROLES = (
    Role("mail_server", {"delivered_to": 10, "delivers": 5}, "{delivered_to} hosts delivered mail to it, it delivered to {delivers}"),
    Role("resolver", {"asks_names": 50, "names_told": 40}, "it asked {asks_names} name servers, {names_told} answered"),
    Role("dns_authoritative", {"names_asked": 20, "tells_names": 15}, "{names_asked} hosts asked it for names, it answered {tells_names}", "names"),
    Role("ntp_server", {"time_asked": 20, "tells_time": 15}, "{time_asked} hosts asked it for the time, it answered {tells_time}", "time"),
    Role("crawler", {"visits_web": 1000}, "it visited {visits_web} web servers"),
)
MONITOR_TARGETS, MONITOR_VISITS = 20, 10


@dataclass(slots=True)
class Watcher:
    """Takes batches, gives suggestions. `left_out` counts rows that came when a table was full."""

    inventory: Inventory
    left_out: int = 0
    _pairs: dict[str, Keys] = field(default_factory=dict)
    _visits: dict[str, tuple[Keys, NDArray[np.int64]]] = field(default_factory=dict)
    _bytes: dict[str, Counter[tuple[int, int]]] = field(default_factory=lambda: {name: Counter() for name in VOLUMES})
    """For each volume the bytes of an address (its slot), asked (0) and answered (1)."""
    _addresses: dict[int, tuple[int, int]] = field(default_factory=dict)

    def feed(self, batch: FlowBatch) -> None:
        """Count what a batch shows of our side."""
        rows, _ = self.inventory.label(batch)
        slots, first = np.unique(rows["slot"], return_index=True)
        for slot, at in zip(slots.tolist(), first.tolist(), strict=True):
            self._addresses.setdefault(slot, (int(rows["own_hi"][at]), int(rows["own_lo"][at])))
        for name, behaves in BEHAVIOURS.items():
            mask = behaves(rows) & ~rows["transit"]
            self._pairs[name] = self._joined(self._pairs.get(name), _key(rows, mask))
        opened = _talks(rows) & rows["outbound"] & (rows["flags"] & SYN != 0) & ~rows["transit"]
        self._count_visits(_key(rows, opened & ~np.isin(rows["peer_port"], LOGINS), port=True))
        for name, sides in VOLUMES.items():
            for side, passes in enumerate(sides):
                self._count_bytes(name, side, rows, passes(rows) & ~rows["transit"])

    def suggestions(self) -> list[Suggestion]:
        """Every role that some address lives up to, by address."""
        counts = {name: _by_slot(keys) for name, keys in self._pairs.items()}
        found: list[Suggestion] = []
        for slot, at in self._addresses.items():
            seen = {name: by.get(slot, 0) for name, by in counts.items()}
            found += [
                Suggestion(address.text(*at), role.role, role.words.format(**seen) + self._answers(slot, role))
                for role in ROLES
                if _lives_up(seen, role) and self._factor(slot, role) < AMPLIFIES
            ]
        return sorted(found + self._monitors())

    def _factor(self, slot: int, role: Role) -> float:
        """Say how many times as large as the questions the answers were."""
        counted = self._bytes.get(role.volume, Counter())
        return counted[slot, 1] / max(counted[slot, 0], 1)

    def _answers(self, slot: int, role: Role) -> str:
        return f", with {self._factor(slot, role):.1f} times as many bytes" if role.volume else ""

    def _count_bytes(self, name: str, side: int, rows: Columns, mask: Mask) -> None:
        slots, at = np.unique(rows["slot"][mask], return_inverse=True)
        sums = np.bincount(at, rows["bytes"][mask].astype(np.float64), len(slots))
        for slot, octets in zip(slots.tolist(), sums.tolist(), strict=True):
            self._bytes[name][slot, side] += int(octets)

    def _monitors(self) -> list[Suggestion]:
        """Who comes back to the same many services, to each equally often, watches them."""
        if "visits" not in self._visits:
            return []
        keys, visits = self._visits["visits"]
        slots = keys >> np.uint64(40)
        found = []
        for slot in np.unique(slots).tolist():
            mine = visits[slots == slot]
            middle = float(np.median(mine))
            alike = float(np.mean(np.abs(mine - middle) <= 0.2 * middle))
            if len(mine) >= MONITOR_TARGETS and middle >= MONITOR_VISITS and alike >= 0.8:
                words = f"it came back to {len(mine)} services, to {alike:.0%} of them about {middle:.0f} times"
                found.append(Suggestion(address.text(*self._addresses[int(slot)]), "monitor", words))
        return found

    def _joined(self, known: Keys | None, new: Keys) -> Keys:
        if known is None:
            return np.unique(new)
        if len(known) >= MOST_PAIRS:
            self.left_out += len(new)
            return known
        return np.union1d(known, new)

    def _count_visits(self, new: Keys) -> None:
        keys, visits = np.unique(new, return_counts=True)
        known, before = self._visits.get("visits", (np.zeros(0, np.uint64), np.zeros(0, np.int64)))
        if len(known) >= MOST_PAIRS:
            self.left_out += len(new)
            return
        merged, at = np.unique(np.concatenate((known, keys)), return_inverse=True)
        self._visits["visits"] = merged, np.bincount(at, np.concatenate((before, visits)), len(merged)).astype(np.int64)


def _lives_up(seen: Mapping[str, int], role: Role) -> bool:
    return all(seen.get(name, 0) >= least for name, least in role.least.items())


def _key(rows: Columns, mask: Mask, *, port: bool = False) -> Keys:
    """One number for an address of ours and its peer (and the peer's port): slot in the upper bits, 40 bits of a hash below."""
    low = rows["peer_lo"][mask] * np.uint64(0x9E3779B97F4A7C15) ^ rows["peer_hi"][mask] * np.uint64(0xC2B2AE3D27D4EB4F)
    if port:
        low ^= rows["peer_port"][mask].astype(np.uint64) * np.uint64(0x165667B19E3779F9)
    low *= np.uint64(0xFF51AFD7ED558CCD)
    keys: Keys = rows["slot"][mask].astype(np.uint64) << np.uint64(40) | low >> np.uint64(24)
    return keys


def _by_slot(keys: Keys) -> dict[int, int]:
    slots, counts = np.unique(keys >> np.uint64(40), return_counts=True)
    return dict(zip((int(s) for s in slots), counts.tolist(), strict=True))
