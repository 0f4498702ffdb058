"""The leak check.

The finished mail is read as its reader would, and nothing may be found that the reader may not see.

It knows nothing of templates or views. It decodes every part (and base64 inside JSON), finds every IP address and
mail address, and compares them with what the caller says this audience may see; what must never appear (other
networks' addresses in any spelling, planted markers, customer ids) is searched for besides.
"""

import base64
import binascii
import ipaddress
import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from email import message_from_bytes
from email.header import decode_header, make_header
from email.message import Message
from email.policy import compat32
from functools import lru_cache

_WORD = re.compile(r"[0-9a-fx.:-]{4,}(?:/\d{1,3}(?!\d))?")
_V4 = re.compile(r"(?<![\d.])\d{1,3}(?:\s?[\[({]?(?:\.|dot)[\])}]?\s?\d{1,3}){3}(?:/\d{1,2})?(?![\d])", re.IGNORECASE)
_COLONS = re.compile(r"[0-9A-Fa-f.]*(?::[0-9A-Fa-f.]*){2,}(?:/\d{1,3})?")
_TAGGED = re.compile(r"\bIPv6:(?=[0-9a-f]{0,4}:)", re.IGNORECASE)
"""The mark before an address of RFC 5321 4.1.3: its last digit is none of the address."""
_MAIL = re.compile(r"[A-Za-z0-9.!#$%&'*+/=?^_`{|}~-]{1,64}(?:@|%40)[A-Za-z0-9-]{1,63}(?:\.[A-Za-z0-9-]{1,63})+")
_BASE64 = re.compile(r"[A-Za-z0-9+/]{16,}={0,2}")
_IDS = frozenset({"message-id", "references", "in-reply-to", "content-id"})
_DEPTH = 4
_LEAST_DIGITS = 4
"""Fewer hexadecimal digits are `std::` or `::1`, not somebody's address."""


class LeakError(Exception):
    """The mail shows something its reader may not see.

    `what` is a closed word for a metric: address, email, marker or unreadable; the value is not quoted.
    """

    def __init__(self, what: str, where: str) -> None:
        super().__init__(f"{what} in {where} that this audience may not see")
        self.what = what
        self.where = where


@dataclass(frozen=True, slots=True)
class Allowed:
    """What one audience may see, in canonical text.

    `never` holds addresses to be searched in other spellings too, but for those in `addresses`, so that one set serves
    all mails of a case; `markers` are texts that must not occur at all, `identifiers` words (a customer's id).

    Mail addresses at `id_domain` are let through in Message-ID-like headers only.
    """

    addresses: frozenset[str]
    networks: frozenset[str] = frozenset()
    emails: frozenset[str] = frozenset()
    id_domain: str = ""
    never: frozenset[str] = frozenset()
    markers: frozenset[bytes] = frozenset()
    identifiers: frozenset[str] = frozenset()


def check(raw: bytes, allowed: Allowed) -> None:
    """Read a finished mail and raise LeakError at the first thing this audience may not see."""
    for where, text in _texts(message_from_bytes(raw, policy=compat32)):
        _check_text(where, text, allowed)
    # A soft line break (RFC 2045 6.7) would cut an address that may be shown into one that may not.
    _check_bytes("raw mail", raw.replace(b"=\r\n", b"").replace(b"=\n", b""), allowed)


def check_text(text: str, allowed: Allowed, where: str = "text") -> None:
    """Check a text that is no mail (a page, an answer) by the same rules."""
    for place, decoded in _decoded(where, text.encode(errors="surrogateescape"), _DEPTH):
        _check_text(place, decoded, allowed)


def spellings(address: str) -> frozenset[str]:
    """List the ways an address may hide in lower-case text.

    Canonical, full, integer, hex, reversed zone name, dashed, mapped into IPv6.
    """
    ip = ipaddress.ip_address(address)
    number, packed = int(ip), ip.packed.hex()
    forms = {
        str(ip),
        ip.exploded,
        str(number),
        packed,
        f"0x{packed}",
        ip.reverse_pointer.removesuffix(".ip6.arpa").removesuffix(".in-addr.arpa"),
        str(ip).replace(":", "-"),
    }
    if ip.version == 4:
        octets = ip.packed
        forms |= {
            "-".join(map(str, octets)),
            ".".join(f"0{o:o}" for o in octets),
            ".".join(f"{o:#x}" for o in octets),
            ".".join(f"{o:03d}" for o in octets),
        }
        forms |= {f"{octets[0] << 8 | octets[1]:x}:{octets[2] << 8 | octets[3]:x}"}
    return frozenset(forms)


def _texts(message: Message) -> Iterator[tuple[str, str]]:
    """Yield (where, text) for each header and each decoded part, as deep as it goes."""
    for name, value in message.items():
        yield f"header {name}", str(make_header(decode_header(value))) if "=?" in value else value
    if message.is_multipart():
        around = (("preamble", message.preamble), ("epilogue", message.epilogue))  # no reader shows them; they are sent
        yield from ((where, str(text)) for where, text in around if text)
        for part in message.get_payload():
            if isinstance(part, Message):
                yield from _texts(part)
        return
    payload = message.get_payload(decode=True)
    if not isinstance(payload, bytes):
        raise LeakError("unreadable", message.get_content_type())
    yield from _decoded(message.get_content_type(), payload, _DEPTH)


def _decoded(where: str, payload: bytes, depth: int) -> Iterator[tuple[str, str]]:
    """Yield a body and what hides in it: JSON strings undone, base64 decoded."""
    try:
        text = payload.decode()
    except UnicodeDecodeError:
        text = payload.decode("latin-1")
    yield where, text
    if not depth:
        return
    if where.endswith("json") or text.lstrip()[:1] in {"{", "["}:
        yield from ((f"{where} string", one) for one in _strings(text))
    for match in _BASE64.finditer(text):
        try:
            inner = base64.b64decode(match[0], validate=True)
        except (ValueError, binascii.Error):
            continue  # a long word, not base64
        if all(c >= 32 or c in b"\r\n\t" for c in inner):
            yield from _decoded(f"{where} base64", inner, depth - 1)


def _strings(text: str) -> Iterator[str]:
    """Yield every string of a JSON text with its escapes undone, so that a digit written as one hides nothing."""
    try:
        waiting = [json.loads(text)]
    except ValueError:
        return
    while waiting:
        value = waiting.pop()
        if isinstance(value, dict):
            waiting += [*value.keys(), *value.values()]
        elif isinstance(value, list):
            waiting += value
        elif isinstance(value, str):
            yield value


def _check_text(where: str, text: str, allowed: Allowed) -> None:
    """Compare what can be found in a text with what may be there."""
    for found in _addresses(text):
        if found not in allowed.addresses and found not in allowed.networks:
            raise LeakError("address", where)
    for match in _MAIL.finditer(text):
        address = match[0].replace("%40", "@").lower().lstrip("'")
        is_id = where.removeprefix("header ").lower() in _IDS and address.endswith("@" + allowed.id_domain)
        if not is_id and address not in allowed.emails:
            raise LeakError("email", where)
    if any(re.search(rf"(?<!\w){re.escape(name)}(?!\w)", text, re.IGNORECASE) for name in allowed.identifiers):
        raise LeakError("marker", where)
    _check_bytes(where, text.encode(errors="surrogateescape"), allowed)


def _addresses(text: str) -> Iterator[str]:
    """Find IP addresses and networks, however they are dressed.

    192.0.2[.]1, (dot), leading zeros, IPv6 beside other colons, IPv4 inside IPv6.
    """
    for match in _V4.finditer(text):
        head, _, bits = re.sub(r"[^\d/]+", ".", match[0]).partition("/")
        octets = [int(one) for one in head.split(".")]
        if max(octets) < 256:
            yield _canonical(".".join(map(str, octets)), bits)
    for match in _COLONS.finditer(_TAGGED.sub(" ", text)):
        head, _, bits = match[0].partition("/")
        found = _longest(head.split(":"))
        if found:
            yield _canonical(found, bits)


def _longest(groups: list[str]) -> str | None:
    """Find the longest run of groups that is an IPv6 address; None for times, `std::` and the like.

    Long runs are cut: no address has more than nine groups.
    """
    for length in range(min(len(groups), 9), 1, -1):
        for start in range(len(groups) - length + 1):
            candidate = ":".join(groups[start : start + length])
            if sum(c not in ":." for c in candidate) >= _LEAST_DIGITS and _is_v6(candidate):
                return candidate
    return None


def _is_v6(text: str) -> bool:
    try:
        ipaddress.IPv6Address(text)
    except ValueError:
        return False
    return True


def _canonical(address: str, bits: str) -> str:
    """Write an address, or a network when a length is beside it."""
    ip = ipaddress.ip_address(address)
    mapped = ip.ipv4_mapped if ip.version == 6 else None
    if bits and int(bits) <= ip.max_prefixlen:
        return str(ipaddress.ip_network((ip, int(bits)), strict=False))
    return str(mapped or ip)


def _check_bytes(where: str, data: bytes, allowed: Allowed) -> None:
    """Search what must never occur: markers as they are, forbidden addresses in every spelling of theirs."""
    if any(marker in data for marker in allowed.markers):
        raise LeakError("marker", where)
    if allowed.never:
        text = data.decode("latin-1").lower()
        words = {word.strip(".:-") for word in _WORD.findall(text)} - allowed.networks  # the first address of one is in its name
        found = {word.partition("/")[0].strip(".:-") for word in words} & _forms(allowed.never)
        if found and not found <= _forms(allowed.addresses):
            raise LeakError("address", where)


@lru_cache(maxsize=8)
def _forms(addresses: frozenset[str]) -> frozenset[str]:
    """Spell all forbidden addresses once for the many parts of a mail and the many mails of a case."""
    return frozenset(form.strip(".:-") for address in addresses for form in spellings(address))
