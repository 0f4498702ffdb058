"""Reads the inventory people write: TOML (`[[customer]]`) or CSV (`id,prefix,contact,language,roles,valid_from,valid_to`, one row a prefix).

All faults are collected and told at once, each with file and line, because a list of thousands of prefixes is mended in one go or never.
"""

import csv
import ipaddress
import re
import tomllib
from collections.abc import Iterable, Iterator, Sequence
from datetime import date, datetime
from difflib import get_close_matches
from pathlib import Path
from typing import Any

from abusewatch.inventory.inventory import Inventory
from abusewatch.model.customer import ROLES, Customer

CSV_COLUMNS = ("id", "prefix", "contact", "language", "roles", "valid_from", "valid_to")
KEYS = ("id", "prefixes", "contacts", "language", "roles", "valid_from", "valid_to", "ports")


class InventoryError(ValueError):
    """The inventory cannot be used. `faults` holds one line for each reason, as `file:line: what is wrong, what to do`."""

    def __init__(self, faults: Sequence[str]) -> None:
        super().__init__("\n".join(faults))
        self.faults = tuple(faults)


def of_prefixes(prefixes: Iterable[str]) -> Inventory:
    """Make an inventory that knows only which prefixes are ours (`replay --own`); each address is then its own customer."""
    faults: list[str] = []
    networks = []
    for text in prefixes:
        try:
            networks.append(_network(text))
        except ValueError as error:
            faults.append(f"--own {text}: {error}")
    if faults:
        raise InventoryError(faults)
    return Inventory((), own=tuple(networks))


def load(path: Path) -> Inventory:
    """Read a TOML or CSV inventory; InventoryError with every fault, OSError when the file cannot be read."""
    text = path.read_text(encoding="utf-8-sig")
    faults: list[str] = []
    rows = _from_csv(path, text, faults) if path.suffix.lower() == ".csv" else _from_toml(path, text, faults)
    customers = [c for c in (_customer(where, row, faults) for where, row in rows) if c]
    _refuse_doubles(customers, faults)
    if not customers and not faults:
        faults.append(f"{path}:1: no customer in it; add a [[customer]] table or a CSV row")
    if faults:
        raise InventoryError(faults)
    return Inventory(tuple(c for _, c, _ in customers), ports={port: c.id for _, c, ports in customers for port in ports})


def _from_toml(path: Path, text: str, faults: list[str]) -> Iterator[tuple[str, dict[str, Any]]]:
    try:
        data = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        line = re.search(r"line (\d+)", str(error))
        faults.append(f"{path}:{line[1] if line else 1}: not TOML: {error}")
        return
    lines = [n for n, line in enumerate(text.splitlines(), 1) if re.match(r"\s*\[\[\s*customer\s*\]\]", line)]
    faults.extend(f"{path}:1: unknown table {name!r}; an inventory holds [[customer]] tables" for name in data.keys() - {"customer"})
    entries = data.get("customer", [])
    for n, row in enumerate(entries if isinstance(entries, list) else [entries]):
        where = f"{path}:{lines[n] if n < len(lines) else 1}"
        for key in row.keys() - set(KEYS):
            close = get_close_matches(key, KEYS, 1)
            faults.append(f"{where}: unknown key {key!r}" + (f"; did you mean {close[0]!r}?" if close else f"; known: {', '.join(KEYS)}"))
        yield where, row


def _from_csv(path: Path, text: str, faults: list[str]) -> Iterator[tuple[str, dict[str, Any]]]:
    reader = csv.DictReader(text.splitlines())
    header = reader.fieldnames or []
    missing = [name for name in ("id", "prefix") if name not in header]
    unknown = [name for name in header if name not in CSV_COLUMNS]
    if missing or unknown:
        what = f"missing {', '.join(missing)}" if missing else f"unknown {', '.join(map(str, unknown))}"
        faults.append(f"{path}:1: header: {what}; it must be {','.join(CSV_COLUMNS)}")
        return
    for row in reader:
        yield f"{path}:{reader.line_num}", {
            "id": row["id"], "prefixes": [row["prefix"]], "contacts": (row.get("contact") or "").split(),
            "language": row.get("language") or "en", "roles": (row.get("roles") or "").replace(";", " ").split(),
            "valid_from": row.get("valid_from") or None, "valid_to": row.get("valid_to") or None,
        }  # fmt: skip


def _customer(where: str, row: dict[str, Any], faults: list[str]) -> tuple[str, Customer, tuple[str, ...]] | None:
    before = len(faults)

    def fault(message: str) -> None:
        faults.append(f"{where}: {message}")

    name = row.get("id")
    if not isinstance(name, str) or not name.strip():
        fault("a customer needs an id (text)")
    lists = {key: _texts(row.get(key, []), key, fault) for key in ("prefixes", "contacts", "roles", "ports")}
    prefixes = []
    for text in lists["prefixes"]:
        try:
            prefixes.append(str(_network(text)))
        except ValueError as error:
            fault(str(error))
    if not lists["prefixes"]:
        fault(f"customer {name!r} has no prefixes")
    ports = [_port(text, fault) for text in lists["ports"]]
    for role in lists["roles"]:
        if role not in ROLES:
            close = get_close_matches(role, ROLES, 1)
            fault(f"unknown role {role!r}" + (f"; did you mean {close[0]!r}?" if close else f"; known: {', '.join(ROLES)}"))
    for contact in lists["contacts"]:
        if not re.fullmatch(r"[!-?A-~]+@[A-Za-z0-9.-]+", contact):
            fault(f"contact {contact!r} is no e-mail address")
    begin, end = (_day(row.get(key), key, fault) for key in ("valid_from", "valid_to"))
    if begin and end and begin > end:
        fault(f"valid_from {begin} is after valid_to {end}")
    if len(faults) > before:
        return None
    language = row.get("language", "en")
    customer = Customer(str(name), tuple(prefixes), tuple(lists["contacts"]), str(language), tuple(lists["roles"]), begin, end)
    return where, customer, tuple(ports)


def _port(text: str, fault: Any) -> str:
    """Write a port as it is looked up: the exporter's address, `#`, the interface."""
    port = re.fullmatch(r"\[?([0-9A-Za-z.:_-]+?)\]?[#:](\d{1,10})", text)
    if not port:
        fault(f"port {text!r} must be an exporter's address and the SNMP index of an interface, as in 192.0.2.1:17 or [2001:db8::1]:17")
        return ""
    return f"{port[1]}#{port[2]}"


def _texts(value: Any, key: str, fault: Any) -> list[str]:
    if isinstance(value, list) and all(isinstance(v, str) for v in value):
        return value
    fault(f"{key} must be a list of texts")
    return []


def _day(value: Any, key: str, fault: Any) -> date | None:
    if value is None or value == "":
        return None
    if isinstance(value, datetime):
        return value.date()
    if isinstance(value, date):
        return value
    try:
        return date.fromisoformat(str(value))
    except ValueError:
        fault(f"{key} {value!r} is no date; write 2026-11-01")
        return None


def _network(text: str) -> ipaddress.IPv4Network | ipaddress.IPv6Network:
    try:
        network = ipaddress.ip_network(text.strip())
    except ValueError as error:
        raise ValueError(f"prefix {text!r}: {error}") from None
    if network.prefixlen == 0:
        raise ValueError(f"prefix {text!r} is the whole Internet; name your own networks")
    return network


def _refuse_doubles(customers: Sequence[tuple[str, Customer, tuple[str, ...]]], faults: list[str]) -> None:
    """One prefix with two owners at one time would tell the wrong customer; nesting is fine, equality is not."""
    seen: dict[str, list[tuple[str, Customer]]] = {}
    for where, customer, _ in customers:
        for prefix in customer.prefixes:
            for other_where, other in seen.setdefault(prefix, []):
                if other.id != customer.id and _overlap(other, customer):
                    faults.append(f"{where}: prefix {prefix} of {customer.id!r} belongs to {other.id!r} at the same time ({other_where})")
            seen[prefix].append((where, customer))


def _overlap(a: Customer, b: Customer) -> bool:
    return (a.valid_from or date.min) <= (b.valid_to or date.max) and (b.valid_from or date.min) <= (a.valid_to or date.max)
