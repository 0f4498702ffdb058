"""Who started a conversation and how it ended: the entries of `pairs` as the columns that rules read (`detect.columns`)."""

import numpy as np
from numpy.typing import NDArray

from abusewatch.model.rows import Array, Columns
from abusewatch.windows.pairs import ACCEPTING, ACK, FIN, IDENTITY, NEVER, OPENING, RST, SYN, TCP

UNANSWERED, REFUSED, ANSWERED = 0, 1, 2
MOST_KNOCKS = 7

SERVICES = np.zeros(65_536, np.bool_)
SERVICES[:1024] = True
SERVICES[[1433, 1521, 3128, 3306, 3389, 5060, 5432, 5900, 6379, 6667, 8000, 8080, 8443, 8883, 8888, 9200, 27017]] = True
"""Ports that servers listen on; some systems take the ports of their clients from 1025 on, below many of these."""


def both_seen(t: Columns) -> NDArray[np.bool_]:
    """Whether something of both directions was seen."""
    both: NDArray[np.bool_] = (t["first_in_us"] < NEVER) & (t["first_out_us"] < NEVER)
    return both


def knocks(t: Columns) -> NDArray[np.bool_]:
    """Whether one side has sent nothing but SYN: had it heard an answer, an ACK or a RST of its own would have followed by now.

    So the other direction need not be waited for. More packets than a system tries (Linux: 7, RFC 9293 3.8.3 asks for three minutes) are no knocking, or
    come from an exporter that shows the first packet's flags only.
    """
    syn_only: NDArray[np.bool_] = (t["protocol"] == TCP) & ((t["flags_out"] | t["flags_in"]) & 0x3F == SYN)
    return syn_only & (t["packets_out"] + t["packets_in"] <= MOST_KNOCKS)


def ended(t: Columns) -> NDArray[np.bool_]:
    """Whether a TCP connection was closed by both sides or reset by one."""
    flags_out, flags_in = t["flags_out"], t["flags_in"]
    over: NDArray[np.bool_] = (t["protocol"] == TCP) & (((flags_out & flags_in & FIN) != 0) | (((flags_out | flags_in) & RST) != 0))
    return over


def initiator(t: Columns) -> NDArray[np.bool_]:
    """Whether our side started each conversation. Flags decide where they can, then time, then the ports (a service is known or has the lower one)."""
    flags_out, flags_in = t["flags_out"], t["flags_in"]
    tcp = t["protocol"] == TCP
    says_ours = tcp & ((flags_out & OPENING != 0) & (flags_in & OPENING == 0) | (flags_in & ACCEPTING != 0) & (flags_out & ACCEPTING == 0))
    says_theirs = tcp & ((flags_in & OPENING != 0) & (flags_out & OPENING == 0) | (flags_out & ACCEPTING != 0) & (flags_in & ACCEPTING == 0))
    first_out, first_in = t["first_out_us"], t["first_in_us"]
    one_serves = SERVICES[t["own_port"]] != SERVICES[t["peer_port"]]
    ours_by_port = np.where(one_serves, SERVICES[t["peer_port"]], t["own_port"] > t["peer_port"])
    ours_by_port = np.where(t["own_port"] == t["peer_port"], first_in == NEVER, ours_by_port)
    # Seen from one side only, a source port of a well-known service means an answer whose question we did not see; else the sender is who started.
    answer = tcp & ((flags_out & 0xFF == RST) | (flags_out & 0xFF == RST | ACK))
    lone_out = ~((t["own_port"] < 1024) & (t["peer_port"] >= 1024)) & ~answer
    by_time = np.where(first_out == first_in, ours_by_port, first_out < first_in)
    guess = np.where(both_seen(t), by_time, (first_in == NEVER) & lone_out)
    guess = np.where(t["icmp"] > 0, t["icmp"] == 1, guess)
    return np.where(says_ours ^ says_theirs, says_ours, guess)


def view(t: Columns) -> Columns:
    """The columns of `detect.columns` for conversations: packets and bytes are the initiator's, `reply_*` the other side's."""
    ours = initiator(t)

    def pick(out: str, back: str) -> tuple[Array, Array]:
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
        "internal": t["internal"].astype(np.bool_), "weight": np.exp2(t["level"].astype(np.float64)),
        "initiator": ours, "outcome": outcome, "opened": ~tcp | (flags & SYN != 0) | (flags & 0xFF == 0) & (packets > 0),
        "packets": packets, "bytes": octets, "reply_packets": reply_packets, "reply_bytes": reply_bytes,
        "flags": (flags & 0xFF).astype(np.uint8), "reply_flags": (reply_flags & 0xFF).astype(np.uint8),
        "start_us": first, "end_us": np.maximum(t["last_us"], first), "icmp": t["icmp"],
    }  # fmt: skip
