"""Text columns to numbers, many rows at once: what a number looks like in most rows is read by column, anything else row by row.

A column is a matrix of octets (n, width), right-aligned and filled with zeros at the left. Each reader returns values and the rows it could not read.
"""

import datetime as dt
from collections.abc import Callable
from functools import lru_cache

import numpy as np

from abusewatch.model import address
from abusewatch.model.flow import I64, U8, U64, Bool

WIDTH = 48
"""Longest field that is read; an IPv6 address with an embedded IPv4 one has 45 octets."""
MAPPED = np.uint64(0xFFFF_0000_0000)
DOT, ZERO, NINE = 46, 48, 57
FLAG_LETTERS = {"F": 1, "S": 2, "R": 4, "P": 8, "A": 16, "U": 32, "E": 64, "C": 128, "W": 128, "X": 0, ".": 0}
"""nfdump writes CWR as C in old versions and as W in new ones; ECE is E."""
PROTOCOLS = {
    "icmp": 1, "igmp": 2, "ipip": 4, "ipencap": 4, "tcp": 6, "udp": 17, "dccp": 33, "ipv6": 41, "rsvp": 46, "gre": 47, "esp": 50, "ah": 51,
    "ipv6-icmp": 58, "icmp6": 58, "icmpv6": 58, "ospf": 89, "pim": 103, "sctp": 132, "udplite": 136,
}  # fmt: skip


def numbers(text: U8, slow: Callable[[str], int], largest: int = 2**62) -> tuple[I64, Bool]:
    """Read whole numbers of up to 18 digits, none above `largest`; `slow` reads the text of any other field (ValueError: unreadable)."""
    digits = (text >= ZERO) & (text <= NINE)
    plain = (digits | (text == 0)).all(axis=1) & (text[:, -1] != 0)
    values = np.zeros(len(text), np.int64)
    if text.shape[1] > 18:
        plain &= (text[:, :-18] == 0).all(axis=1)
    for column in range(max(0, text.shape[1] - 18), text.shape[1]):
        values = values * 10 + np.where(digits[:, column], text[:, column].astype(np.int64) - ZERO, 0)
    values, bad = _rest(text, plain, values, slow)
    return values, bad | (values > largest)


def times_us(text: U8) -> tuple[I64, Bool]:
    """Read times as microseconds since the epoch: seconds with up to six decimals by column, anything else row by row."""
    dots = text == DOT
    one_dot = dots.sum(axis=1) == 1
    if not one_dot.all():
        return numbers_or_times(text, one_dot)
    return _decimal(text, dots)


def numbers_or_times(text: U8, dotted: Bool) -> tuple[I64, Bool]:
    """Read a column in which only the rows of `dotted` have a fraction."""
    values, bad = numbers(text, _time_us)
    digits = ((text >= ZERO) & (text <= NINE) | (text == 0)).all(axis=1)
    values[digits & ~bad] *= 1_000_000
    rows = np.flatnonzero(dotted)
    if len(rows):
        values[rows], bad[rows] = _decimal(text[rows], text[rows] == DOT)
    return values, bad


def _decimal(text: U8, dots: Bool) -> tuple[I64, Bool]:
    width = text.shape[1]
    dot = dots.argmax(axis=1)
    place = np.arange(width)
    digits = (text >= ZERO) & (text <= NINE)
    plain = (digits | dots | (text == 0)).all(axis=1) & (text[:, -1] != 0) & ((width - dot) <= 7) & (dot > 0)
    # every digit's weight: its distance to the dot, scaled to microseconds
    exponent = dot[:, None] - place - (place < dot[:, None]) + 6
    plain &= (digits * exponent).max(axis=1) <= 17
    weight = 10 ** np.clip(exponent, 0, 18)
    values = (np.where(digits, text.astype(np.int64) - ZERO, 0) * weight).sum(axis=1)
    return _rest(text, plain, values, _time_us)


def addresses(text: U8) -> tuple[U64, U64, Bool]:
    """Read addresses of both families; dotted quads without leading zeros by column."""
    lo = np.zeros(len(text), np.uint64)
    octet = np.zeros(len(text), np.uint64)
    length = np.zeros(len(text), np.uint8)
    dots = np.zeros(len(text), np.uint8)
    plain = text[:, -1] != 0
    for column in range(text.shape[1]):
        letter = text[:, column]
        dot, digit = letter == DOT, (letter >= ZERO) & (letter <= NINE)
        plain &= dot | digit | (letter == 0)
        plain &= ~(dot & (length == 0)) & ~(digit & (length > 0) & (octet == 0))
        octet = np.where(digit, octet * np.uint64(10) + (letter - np.uint8(ZERO)), octet)
        plain &= octet <= 255
        octet = np.minimum(octet, np.uint64(255))
        lo = np.where(dot, (lo << np.uint64(8)) | octet, lo)
        octet, length = np.where(dot, np.uint64(0), octet), np.where(dot, np.uint8(0), length + digit)
        dots += dot
    plain &= (dots == 3) & (length > 0)
    lo = MAPPED | (lo << np.uint64(8)) | octet
    hi = np.zeros(len(text), np.uint64)
    bad = np.zeros(len(text), np.bool_)
    for row in np.flatnonzero(~plain).tolist():
        found = _address(_text(text[row]))
        bad[row] = found is None
        hi[row], lo[row] = found or (0, 0)
    return hi, lo, bad


@lru_cache(maxsize=65_536)
def _address(text: str) -> address.Address | None:
    try:
        return address.parse(text)
    except ValueError:
        return None


def _text(row: U8) -> str:
    return row.tobytes().lstrip(b"\0").decode("ascii", "replace").strip()


def _rest(text: U8, plain: Bool, values: I64, slow: Callable[[str], int]) -> tuple[I64, Bool]:
    bad = np.zeros(len(text), np.bool_)
    known: dict[bytes, int | None] = {}
    for row in np.flatnonzero(~plain).tolist():
        field = text[row].tobytes()
        if field not in known:
            known[field] = _attempt(slow, _text(text[row]))
        value = known[field]
        bad[row], values[row] = value is None, value or 0
    return values, bad


def _attempt(slow: Callable[[str], int], text: str) -> int | None:
    try:
        value = slow(text)
    except (ValueError, OverflowError):
        return None
    return value if -(2**62) < value < 2**62 else None


def _time_us(text: str) -> int:
    try:
        return round(float(text) * 1_000_000)
    except ValueError:
        moment = dt.datetime.fromisoformat(text)
        return round(moment.replace(tzinfo=moment.tzinfo or dt.UTC).timestamp() * 1_000_000)


def count(text: str) -> int:
    """Read a counter as some tools write it: 1.0, 1e6, or nothing at all."""
    value = int(float(text)) if text else 0
    if value < 0:
        raise ValueError("a counter below zero")
    return value


def port(text: str) -> int:
    """Read a port, or an ICMP type.code as nfdump writes it."""
    kind, dot, code = text.partition(".")
    return int(kind) * 256 + int(code) if dot else int(text or "0", 0)


def protocol(text: str) -> int:
    """Read a protocol's name."""
    number = PROTOCOLS.get(text.lower())
    return int(text) if number is None else number


def flags(text: str) -> int:
    """Read TCP flags: nfdump's letters, or a number."""
    if text[:1].isdigit():
        return int(text, 0)
    try:
        return sum({FLAG_LETTERS[letter] for letter in text.upper()})
    except KeyError:
        raise ValueError(f"flags {text!r}") from None


