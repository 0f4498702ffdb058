"""Conversations: the two directions of a flow put together, with who started it and how it ended.

This is the trick that beats volume thresholds (docs/detection.md): a host that is scanned answers thousands of addresses, but it starts nothing. Pieces of
one conversation (packets, both directions, active-timeout parts) meet in a bounded table keyed by own end, other end, ports and protocol. A conversation is
given to the rules once, when its outcome is known: at its end (FIN, RST), or when an answer has not come within `grace`, or when it has been idle or long
enough. It stays as a mark for a while after that, so that its last packets do not look like a new one.
"""

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from abusewatch.model import rows as r
from abusewatch.model.rows import Columns
from abusewatch.windows.levels import Levels
from abusewatch.windows.order import U64, mix, order_of, starts_of
from abusewatch.windows.panes import SECOND, Pane

UNANSWERED, REFUSED, ANSWERED = 0, 1, 2

FIN, SYN, RST, ACK = 1, 2, 4, 16
OPENING = 0x100  # a record whose flags are SYN without ACK: only the one who starts sends it
ACCEPTING = 0x200  # SYN and ACK and nothing else: only the one who answers sends it

ICMP, TCP, UDP, ICMP6 = 1, 6, 17, 58
NEVER = np.int64(1 << 62)

IDENTITY = ("slot", "own_hi", "own_lo", "peer_hi", "peer_lo", "own_port", "peer_port", "protocol")
SUMS = ("packets_out", "packets_in", "bytes_out", "bytes_in", "records")
MINIMA = ("first_out_us", "first_in_us", "frame")
MAXIMA = ("last_us", "frame_last", "sampling_rate", "input_if", "exporter", "internal", "icmp", "level")
BITS = ("flags_out", "flags_in")

ECHO_REQUESTS = (8 << 8, 128 << 8)  # RFC 792; RFC 4443 4.1
ECHO_REPLIES = (0, 129 << 8)


@dataclass(slots=True)
class Conversations:
    """The table. All times are event time in microseconds; `capacity` bounds the entries and `shed` counts what the bound cost."""

    grace_us: int = 20 * SECOND
    longest_us: int = 120 * SECOND
    linger_us: int = 60 * SECOND
    capacity: int = 1 << 20
    shed: int = 0
    levels: Levels = field(default_factory=Levels)
    _table: Columns = field(default_factory=dict)

    def __len__(self) -> int:
        """Count the entries, marks included."""
        return len(self._table["key"]) if self._table else 0

    @property
    def undecided(self) -> bool:
        """Whether an outcome is still waited for."""
        return bool(self._table) and not self._table["decided"].all()

    def close(self, pane: Pane) -> Columns:
        """Add a pane's rows and give the conversations whose outcome is known by its end, as columns (see `view`)."""
        rows = self._followed(_eligible(pane.rows))
        if r.length(rows):
            self._merge(_reduced(rows))
        return self._emit(pane.end_us, final=pane.last)

    def flush(self, now_us: int) -> Columns:
        """Give everything still undecided, as far as it is known, and forget all."""
        out = self._emit(now_us, final=True)
        self._table = {}
        return out

    def _followed(self, rows: Columns) -> Columns:
        if not r.length(rows):
            return rows
        rows = rows | {"key": _key(rows)}
        follow, raised = self.levels.admit(rows["slot"], rows["key"])
        if len(raised) and len(self):
            self._thin()
        rows["level"] = self.levels.of(rows["slot"])
        return rows if follow is None or follow.all() else r.take(rows, follow)

    def _thin(self) -> None:
        """Levels have risen: forget what is followed no longer. What was admitted at a higher level keeps its weight when the level falls again."""
        keep = self.levels.follows(self._table["slot"], self._table["key"])
        if not keep.all():
            self._table = r.take(self._table, keep)
        self._table["level"] = np.maximum(self._table["level"], self.levels.of(self._table["slot"]))

    def _merge(self, new: Columns) -> None:
        if not len(self):
            self._table = new
            return
        old = self._table
        at = np.searchsorted(old["key"], new["key"])
        at[at == len(old["key"])] = 0
        known = old["key"][at] == new["key"]
        here, there = at[known], np.flatnonzero(known)
        for name in SUMS:
            old[name][here] += new[name][there]
        for name in MINIMA:
            old[name][here] = np.minimum(old[name][here], new[name][there])
        for name in MAXIMA:
            old[name][here] = np.maximum(old[name][here], new[name][there])
        for name in BITS:
            old[name][here] |= new[name][there]
        self._insert(r.take(new, ~known))

    def _insert(self, new: Columns) -> None:
        n = len(new["key"])
        if not n:
            return
        old = self._table
        positions = np.searchsorted(old["key"], new["key"]) + np.arange(n)
        gaps = np.ones(len(old["key"]) + n, np.bool_)
        gaps[positions] = False
        for name, column in old.items():
            merged = np.empty(len(gaps), column.dtype)
            merged[positions], merged[gaps] = new[name], column
            old[name] = merged

    def _emit(self, now_us: int, *, final: bool) -> Columns:
        t = self._table
        if not t:
            return {}
        fresh = t["decided"] == 0
        decided = fresh & (np.ones(len(fresh), np.bool_) if final else self._is_decided(t, now_us))
        out = view(r.take(t, decided))
        out["weight"] = np.exp2(out["level"].astype(np.float64))
        t["decided"][decided] = 1
        # A conversation both sides have ended needs its mark for stray packets only; one that just went silent may go on.
        linger = np.where(t["ended"] == 1, self.grace_us, self.linger_us)
        keep = ~((t["decided"] == 1) & (t["last_us"] + linger <= now_us))
        if np.count_nonzero(keep) > self.capacity:
            keep &= self._within_capacity(t, keep)
        if not keep.all():
            self._table = r.take(t, keep)
        return out

    def _is_decided(self, t: Columns, now_us: int) -> NDArray[np.bool_]:
        both = (t["first_in_us"] < NEVER) & (t["first_out_us"] < NEVER)
        flags_out, flags_in = t["flags_out"], t["flags_in"]
        ended = both & (t["protocol"] == TCP) & (((flags_out & flags_in & FIN) != 0) | (((flags_out | flags_in) & RST) != 0))
        t["ended"][ended] = 1
        first = np.minimum(t["first_out_us"], t["first_in_us"])
        waited = ~both & (first + self.grace_us <= now_us)
        idle = t["last_us"] + self.grace_us <= now_us
        long = first + self.longest_us <= now_us
        known: NDArray[np.bool_] = ended | waited | idle | long
        return known

    def _within_capacity(self, t: Columns, keep: NDArray[np.bool_]) -> NDArray[np.bool_]:
        """Over capacity: marks go first, then the longest idle; ties by key, which is the same in every run."""
        candidates = np.flatnonzero(keep)
        rank = np.lexsort((t["key"][candidates], -t["last_us"][candidates], t["decided"][candidates]))
        chosen = np.zeros(len(keep), np.bool_)
        chosen[candidates[rank[: self.capacity]]] = True
        self.shed += int(np.count_nonzero(keep & ~chosen & (t["decided"] == 0)))
        return chosen


def _eligible(rows: Columns) -> Columns:
    """Leave out what is no conversation: packets whose source is not ours at all, and ICMP other than echo (errors quote other flows)."""
    protocol, kind = rows["protocol"], _icmp_of(rows)
    icmp = (protocol == ICMP) | (protocol == ICMP6)
    echo = np.isin(kind & 0xFF00, (*ECHO_REQUESTS, *ECHO_REPLIES))
    fit = ~rows["transit"] & (~icmp | echo)
    return rows if fit.all() else r.take(rows, fit)


def _icmp_of(rows: Columns) -> NDArray[np.uint16]:
    """Type * 256 + code stands in the destination port, which is the peer's for what we sent and ours for what came."""
    return np.where(rows["outbound"], rows["peer_port"], rows["own_port"])


def _reduced(rows: Columns) -> Columns:
    """Bring the rows of one pane to one entry a conversation, sorted by key."""
    key = rows["key"]
    icmp, own_port, peer_port = _ends(rows)
    order = order_of(key)
    key = key[order]
    starts = starts_of(key)
    out, flags = rows["outbound"][order], _marked_flags(rows)[order]
    zero64, zero16 = np.uint64(0), np.uint16(0)
    packets, octets, begin = rows["packets"][order], rows["bytes"][order], rows["start_us"][order]
    frame = rows["frame"][order]
    entry: Columns = {"key": key[starts]}
    for name in IDENTITY:
        column = {"own_port": own_port, "peer_port": peer_port}.get(name, rows[name])
        entry[name] = column[order[starts]]
    asked = _asker(rows, icmp)[order]
    ours, theirs = ((np.where(out, column, zero64), np.where(out, zero64, column)) for column in (packets, octets))
    sums = (*ours, *theirs, np.ones(len(key), np.int64))
    entry |= {name: np.add.reduceat(column, starts) for name, column in zip(SUMS, sums, strict=True)}
    minima = (np.where(out, begin, NEVER), np.where(out, NEVER, begin), frame)
    entry |= {name: np.minimum.reduceat(column, starts) for name, column in zip(MINIMA, minima, strict=True)}
    maxima = (rows["end_us"][order], frame, *(rows[name][order] for name in ("sampling_rate", "input_if", "exporter", "internal")), asked, rows["level"][order])
    entry |= {name: np.maximum.reduceat(column, starts) for name, column in zip(MAXIMA, maxima, strict=True)}
    bits = (np.where(out, flags, zero16), np.where(out, zero16, flags))
    entry |= {name: np.bitwise_or.reduceat(column, starts) for name, column in zip(BITS, bits, strict=True)}
    entry["decided"], entry["ended"] = np.zeros(len(starts), np.uint8), np.zeros(len(starts), np.uint8)
    by_key = np.argsort(entry["key"], kind="stable")
    return r.take(entry, by_key)


def _asker(rows: Columns, icmp: NDArray[np.bool_]) -> NDArray[np.uint8]:
    """For ICMP echo: 1 when our side asks, 2 when the other does, 0 for all else."""
    request = np.isin(_icmp_of(rows) & 0xFF00, ECHO_REQUESTS)
    return np.where(icmp, np.where(request == rows["outbound"], 1, 2), 0).astype(np.uint8)


def _ends(rows: Columns) -> tuple[NDArray[np.bool_], NDArray[np.uint16], NDArray[np.uint16]]:
    """Which rows are ICMP, and the ports of both ends, which ICMP does not have."""
    icmp = (rows["protocol"] == ICMP) | (rows["protocol"] == ICMP6)
    if not icmp.any():
        return icmp, rows["own_port"], rows["peer_port"]
    none = np.uint16(0)
    return icmp, np.where(icmp, none, rows["own_port"]), np.where(icmp, none, rows["peer_port"])


def _key(rows: Columns) -> U64:
    _, own_port, peer_port = _ends(rows)
    ports = own_port.astype(np.uint64) << np.uint64(24) | peer_port.astype(np.uint64) << np.uint64(8) | rows["protocol"].astype(np.uint64)
    return mix(rows["own_hi"], rows["own_lo"], rows["peer_hi"], rows["peer_lo"], ports)


def _marked_flags(rows: Columns) -> NDArray[np.uint16]:
    flags = rows["flags"].astype(np.uint16)
    tcp = rows["protocol"] == TCP
    handshake = flags & (SYN | ACK)
    flags |= np.where(tcp & (handshake == SYN), np.uint16(OPENING), np.uint16(0))
    flags |= np.where(tcp & (flags & 0xFF == SYN | ACK), np.uint16(ACCEPTING), np.uint16(0))
    return flags


def initiator(t: Columns) -> NDArray[np.bool_]:
    """Whether our side started each conversation. Flags decide where they can, then time, then the ports (the service has the lower one)."""
    flags_out, flags_in = t["flags_out"], t["flags_in"]
    tcp = t["protocol"] == TCP
    says_ours = tcp & ((flags_out & OPENING != 0) & (flags_in & OPENING == 0) | (flags_in & ACCEPTING != 0) & (flags_out & ACCEPTING == 0))
    says_theirs = tcp & ((flags_in & OPENING != 0) & (flags_out & OPENING == 0) | (flags_out & ACCEPTING != 0) & (flags_in & ACCEPTING == 0))
    first_out, first_in = t["first_out_us"], t["first_in_us"]
    one_way = (first_out == NEVER) | (first_in == NEVER)
    ours_by_port = np.where(t["own_port"] == t["peer_port"], first_in == NEVER, t["own_port"] > t["peer_port"])
    # Seen from one side only, a source port of a well-known service means an answer whose question we did not see; else the sender is the one who started.
    lone_out = ~((t["own_port"] < 1024) & (t["peer_port"] >= 1024)) & ~(tcp & (flags_out & 0xFF == RST)) & ~(tcp & (flags_out & 0xFF == RST | ACK))
    by_time = np.where(first_out == first_in, ours_by_port, first_out < first_in)
    guess = np.where(one_way, (first_in == NEVER) & lone_out, by_time)
    icmp = t["icmp"]
    guess = np.where(icmp > 0, icmp == 1, guess)
    decided = says_ours ^ says_theirs
    return np.where(decided, says_ours, guess)


def view(t: Columns) -> Columns:
    """The columns of `detect.columns` for conversations: packets and bytes are the initiator's, `reply_*` the other side's."""
    ours = initiator(t)

    def pick(out: str, back: str) -> tuple[r.Array, r.Array]:
        return np.where(ours, t[out], t[back]), np.where(ours, t[back], t[out])

    packets, reply_packets = pick("packets_out", "packets_in")
    octets, reply_bytes = pick("bytes_out", "bytes_in")
    flags, reply_flags = pick("flags_out", "flags_in")
    tcp = t["protocol"] == TCP
    # A RST as the whole answer refuses, whatever was sent (SYN, or the odd flags of a stealth scan: RFC 9293 3.10.7.1); RST after data only ends.
    refusal = tcp & (reply_flags & RST != 0) & (reply_flags & (0xFF - RST - ACK) == 0) & (reply_packets <= packets)
    outcome = np.where(reply_packets == 0, UNANSWERED, np.where(refusal, REFUSED, ANSWERED)).astype(np.uint8)
    first = np.minimum(t["first_out_us"], t["first_in_us"])
    return {
        **{name: t[name] for name in (*IDENTITY, "sampling_rate", "input_if", "exporter", "frame", "frame_last", "level")},
        "internal": t["internal"].astype(np.bool_),
        "initiator": ours, "outcome": outcome, "opened": ~tcp | (flags & SYN != 0) | (flags & 0xFF == 0) & (packets > 0),
        "packets": packets, "bytes": octets, "reply_packets": reply_packets, "reply_bytes": reply_bytes,
        "flags": (flags & 0xFF).astype(np.uint8), "reply_flags": (reply_flags & 0xFF).astype(np.uint8),
        "start_us": first, "end_us": np.maximum(t["last_us"], first), "icmp": t["icmp"],
    }  # fmt: skip
