"""A classic BPF program that has the kernel cut each frame behind its headers, so that payload is never copied to us.

What it returns for a frame is how much of it is kept: up to the ports of UDP, the fixed header of TCP, type and code of ICMP, also behind one 802.1Q
tag and behind IPv6 extension headers. Only of what it does not follow (MPLS, PPPoE, a third tag) are FALLBACK octets kept, for the helper to read.
A frame of which a header is cut short on the wire is not kept at all, for so the machine is defined (a load beyond the end ends with 0).
"""

import struct
from typing import NamedTuple

ETHERNET, RAW = 14, 0
FALLBACK = 96
"""Octets of a frame with tags or labels that the program does not step over: room for five of them and the longest headers."""
LEVELS = 4
"""IPv6 extension headers followed; behind more of them a packet has no ports, as everywhere here it has none behind eight."""

# <linux/bpf_common.h>
LD_H_ABS, LD_H_IND, LD_B_ABS, LD_B_IND, LD_MEM, LD_IMM = 0x28, 0x48, 0x30, 0x50, 0x60, 0x00
LDX_IMM, LDX_MSH, ST = 0x01, 0xB1, 0x02
ADD_K, ADD_X, LSH_K, RSH_K = 0x04, 0x0C, 0x64, 0x74
JA, JEQ, JSET = 0x05, 0x15, 0x45
RET_K, RET_A, TAX, TXA = 0x06, 0x16, 0x07, 0x87

TCP, UDP, ICMP, ICMP6 = 6, 17, 1, 58
KEPT = {TCP: 20, UDP: 8, ICMP: 4, ICMP6: 4, 132: 4, 136: 8, 33: 4}
"""Octets kept of each transport header: the fixed part where the flags stand, else ports, or type and code."""
FRAGMENT, AUTHENTICATION = 44, 51
OPTIONS = (0, 43, 60, 135, 139, 140)


SKIP = {"": 0, "one": 1, "three": 3}
"""Short ways on: the next instruction, or over so many."""


class Step(NamedTuple):
    """One instruction, its targets by name (of SKIP, or the label of a step)."""

    code: int
    k: int = 0
    yes: str = ""
    no: str = ""
    label: str = ""


def program(start: int) -> bytes:
    """Assemble the filter for frames whose network header begins at `start` at the earliest: ETHERNET or RAW."""
    steps = _raw() if start == RAW else _ethernet()
    places = {step.label: place for place, step in enumerate(steps) if step.label}
    out = b""
    for place, step in enumerate(steps):
        if step.code == JA:
            out += struct.pack("=HBBI", JA, 0, 0, places[step.yes] - place - 1)
            continue
        yes, no = (SKIP[name] if name in SKIP else places[name] - place - 1 for name in (step.yes, step.no))
        out += struct.pack("=HBBI", step.code, yes, no, step.k)
    return out


def _raw() -> list[Step]:
    return [
        Step(LD_B_ABS, 0), Step(RSH_K, 4), Step(JEQ, 4, "v4 0", ""), Step(JEQ, 6, "v6 0", ""), Step(RET_K, 1),
        *_v4(0), *_v6(0),
    ]  # fmt: skip


def _ethernet() -> list[Step]:
    """By ethertype, behind a tag once more; whoever is neither IP nor tagged leaves only his link header."""
    return [
        Step(LD_H_ABS, 12), *_kinds(14), *_far("tag", 0x8100, 0x88A8, 0x9100, 0x9200), *_far("all", 0x8847, 0x8848, 0x8864), Step(RET_K, 14),
        Step(LD_H_ABS, 16, label="tag"), *_kinds(18), *_far("all", 0x8100, 0x88A8, 0x9100, 0x9200, 0x8847, 0x8848, 0x8864), Step(RET_K, 18),
        Step(RET_K, FALLBACK, label="all"),
        *_v4(14), *_v6(14), *_v4(18), *_v6(18),
    ]  # fmt: skip


def _kinds(at: int) -> list[Step]:
    return [*_far(f"v4 {at}", 0x0800), *_far(f"v6 {at}", 0x86DD)]


def _far(target: str, *values: int) -> list[Step]:
    """Jump when A is one of some values, however far: a conditional jump reaches 255 instructions only."""
    return [step for value in values for step in (Step(JEQ, value, "", "one"), Step(JA, 0, target))]


def _v4(at: int) -> list[Step]:
    """X is the length of the IPv4 header; later fragments have no transport header."""
    name = f"end {at}"
    steps = [
        Step(LDX_MSH, at, label=f"v4 {at}"), Step(LD_H_ABS, at + 6), Step(JSET, 0x1FFF, name, ""), Step(LD_B_ABS, at + 9),
    ]  # fmt: skip
    for protocol, kept in KEPT.items():
        steps += [Step(JEQ, protocol, "", "three"), Step(TXA), Step(ADD_K, at + kept), Step(RET_A)]
    return [*steps, Step(TXA, label=name), Step(ADD_K, at), Step(RET_A)]


def _v6(at: int) -> list[Step]:
    """X is where the next header begins, A which it is."""
    steps = [Step(LDX_IMM, at + 40, label=f"v6 {at}"), Step(LD_B_ABS, at + 6)]
    for level in range(LEVELS + 1):
        steps += _header(f"{at} {level}", last=level == LEVELS)
    return steps


def _header(name: str, *, last: bool) -> list[Step]:
    steps: list[Step] = []
    for protocol, kept in KEPT.items():
        steps += [Step(JEQ, protocol, "", "three"), Step(TXA), Step(ADD_K, kept), Step(RET_A)]
    end = [Step(TXA), Step(RET_A)]
    if last:
        return steps + end
    steps += _far(f"option {name}", *OPTIONS) + _far(f"authentication {name}", AUTHENTICATION) + _far(f"fragment {name}", FRAGMENT) + end
    # the length of an option is in units of 8 octets without the first, of authentication in units of 4 without two
    steps += [Step(LD_B_IND, 1, label=f"option {name}"), Step(ADD_K, 1), Step(LSH_K, 3), Step(JA, 0, f"next {name}")]
    steps += [Step(LD_B_IND, 1, label=f"authentication {name}"), Step(ADD_K, 2), Step(LSH_K, 2), Step(JA, 0, f"next {name}")]
    # a fragment that is not the first has no transport header (RFC 8200 4.5: thirteen bits of offset)
    steps += [
        Step(LD_H_IND, 2, label=f"fragment {name}"), Step(JSET, 0xFFF8, "", "three"), Step(TXA), Step(ADD_K, 8), Step(RET_A), Step(LD_IMM, 8),
    ]  # fmt: skip
    return [*steps, Step(ADD_X, label=f"next {name}"), Step(ST, 0), Step(LD_B_IND, 0), Step(ST, 1), Step(LD_MEM, 0), Step(TAX), Step(LD_MEM, 1)]


