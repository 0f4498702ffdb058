"""How values are written in abusewatch.toml: networks, endpoints, mailboxes, words of closed lists, paths. What is not written so is told how to be."""

import difflib
import ipaddress
from collections.abc import Iterable
from pathlib import Path
from typing import Annotated
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from pydantic import AfterValidator, Field, ValidationInfo

from abusewatch.incidents import quiet
from abusewatch.model.kinds import BASES, KINDS, SEVERITIES
from abusewatch.model.mailbox import AddressError, addr_spec
from abusewatch.reports.texts import languages

SHORTEST_OWN_V4 = 8
SHORTEST_OWN_V6 = 16


def _prefix(text: str) -> str:
    try:
        return str(ipaddress.ip_network(text))
    except ValueError:
        pass
    try:
        network = ipaddress.ip_network(text, strict=False)
    except ValueError:
        raise ValueError(f"{text!r} is not a network; write it like 198.51.100.0/24 or 2001:db8::/32") from None
    raise ValueError(f"{text!r} has bits set beyond its length; write {network}")


def _own(text: str) -> str:
    network = ipaddress.ip_network(_prefix(text))
    shortest = SHORTEST_OWN_V4 if network.version == 4 else SHORTEST_OWN_V6
    if network.prefixlen < shortest:
        raise ValueError(
            f"{text!r} is no one provider's network; name your own prefixes, none shorter than /{shortest}"
        )
    return str(network)


def endpoint(text: str) -> tuple[str, int]:
    """Split HOST:PORT, HOST being an address (IPv6 in brackets); ValueError says how to write it."""
    host, colon, port = text.rpartition(":")
    try:
        address = ipaddress.ip_address(host.removeprefix("[").removesuffix("]"))
        number = int(port)
    except ValueError:
        raise ValueError(f"{text!r} is not ADDRESS:PORT; write it like 127.0.0.1:2055 or [::1]:2055") from None
    if not colon or not 0 <= number <= 65535 or (address.version == 6) != host.startswith("["):
        raise ValueError(f"{text!r} is not ADDRESS:PORT; write it like 127.0.0.1:2055 or [::1]:2055")
    return str(address), number


def _endpoint(text: str) -> str:
    endpoint(text)
    return text


def _mailbox(text: str) -> str:
    try:
        addr_spec(text)
    except AddressError:
        raise ValueError(f"{text!r} is not one plain mail address; write it like abuse@provider.example") from None
    local = text.partition("@")[0].lower().replace("-", "")
    if local in {"noreply", "donotreply"}:
        raise ValueError(f"{text!r} cannot receive an answer; reports come from an address that is read (RFC 6650)")
    return text


def _one_of(text: str, known: Iterable[str], what: str) -> str:
    """Return a word of a closed list; ValueError names the one that was meant, or all."""
    some = list(known)
    if text in some:
        return text
    close = difflib.get_close_matches(text, some, n=1, cutoff=0.6)
    raise ValueError(
        f"there is no {what} {text!r}; " + (f"did you mean {close[0]!r}?" if close else f"there are {', '.join(some)}")
    )


def _never(text: str) -> str:
    """Check a mailbox, or a domain behind an @."""
    try:
        addr_spec(text if not text.startswith("@") else f"abuse{text}")
    except AddressError:
        raise ValueError(
            f"{text!r} is neither a mailbox nor a domain; write abuse@one.example or @one.example"
        ) from None
    return text.lower()


def _zone(text: str) -> str:
    try:
        ZoneInfo(text)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        raise ValueError(
            f"there is no time zone {text!r}; write it like Europe/Amsterdam (is tzdata installed?)"
        ) from None
    return text


def _hours(text: str) -> str:
    if text:
        quiet.quiet(text, ZoneInfo("UTC"))
    return text


def _beside(path: Path, info: ValidationInfo) -> Path:
    """Resolve a path from the folder of the file that names it."""
    base: Path = (info.context or {}).get("base", Path())
    return path if path.is_absolute() else base / path


def _existing(path: Path, info: ValidationInfo) -> Path:
    found = _beside(path, info)
    if not found.exists():
        raise ValueError(f"{found} does not exist")
    return found


Prefix = Annotated[str, AfterValidator(_prefix)]
OwnPrefix = Annotated[str, AfterValidator(_own)]
Endpoint = Annotated[str, AfterValidator(_endpoint)]
Mailbox = Annotated[str, AfterValidator(_mailbox)]
Place = Annotated[Path, AfterValidator(_beside)]
ExistingPath = Annotated[Path, AfterValidator(_existing)]
KindName = Annotated[str, AfterValidator(lambda text: _one_of(text, KINDS, "kind"))]
SeverityName = Annotated[str, AfterValidator(lambda text: _one_of(text, SEVERITIES, "severity"))]
BasisName = Annotated[str, AfterValidator(lambda text: _one_of(text, BASES, "basis"))]
Language = Annotated[str, AfterValidator(lambda text: _one_of(text, sorted(languages()), "language"))]
Refused = Annotated[str, AfterValidator(_never)]
Zone = Annotated[str, AfterValidator(_zone)]
Hours = Annotated[str, AfterValidator(_hours)]
Name = Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9-]{0,31}$")]
Interface = Annotated[str, Field(pattern=r"^[^/\s]{1,15}$")]
