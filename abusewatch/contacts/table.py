"""The operator's own table of abuse contacts: CSV `prefix,name,contact`, told all its faults at once."""

import csv
import io
import ipaddress
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

from abusewatch.contacts.lpm import Network, PrefixMap
from abusewatch.model.mailbox import AddressError, addr_spec

COLUMNS = ("prefix", "name", "contact")
WIDEST = {4: 8, 6: 16}
"""No operator holds more than a /8 or a /16 of IPv6.

A wider line is a slip that would send the world's mail to one desk.
"""
NAME_CHARACTERS = 200
"""As XARF limits an organisation's name; the name stands in our mails."""


class Entry(NamedTuple):
    """One line of the table. `email` None: known, and not to be mailed."""

    network: Network
    name: str
    email: str | None


class ContactsError(ValueError):
    """The table cannot be used. `faults` holds one `file:line: what is wrong` for each reason."""

    def __init__(self, faults: Sequence[str]) -> None:
        """Take every fault that was found."""
        super().__init__("\n".join(faults))
        self.faults = tuple(faults)


class OperatorTable:
    """Longest-prefix look-up over the lines of the table, v4 and v6."""

    def __init__(self, entries: Iterable[Entry] = ()) -> None:
        """Take the lines; an empty table knows nobody."""
        self.entries = tuple(entries)
        self._map: PrefixMap[Entry] = PrefixMap((entry.network, entry) for entry in self.entries)

    def lookup(self, address: str) -> Entry | None:
        """Find the line of the longest prefix that holds the address."""
        return self._map.lookup(address)


def load(path: Path) -> OperatorTable:
    """Read the table; ContactsError with every fault in it, OSError when the file cannot be read."""
    try:
        text = path.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError as error:
        raise ContactsError([f"{path}:1: not UTF-8 text: {error.reason} at byte {error.start}"]) from None
    faults: list[str] = []
    entries: dict[Network, tuple[int, Entry]] = {}
    for number, row in _rows(path, text, faults):
        entry = _entry(row, f"{path}:{number}", faults)
        if entry and entry.network in entries:
            faults.append(f"{path}:{number}: {entry.network} stands already on line {entries[entry.network][0]}")
        elif entry:
            entries[entry.network] = number, entry
    if faults:
        raise ContactsError(faults)
    return OperatorTable(entry for _, entry in entries.values())


def put_line(path: Path, prefix: str, name: str, contact: str) -> bool:
    """Write one line into the table, in place of the one of the same prefix; says whether there was one.

    The new table is checked as a whole before it takes the place of the old; ContactsError when it has faults. Comments
    and the order of lines stay.
    """
    faults: list[str] = []
    entry = _entry([prefix, name, contact], "the new line", faults)
    if entry is None:
        raise ContactsError(faults)
    cells = io.StringIO()
    csv.writer(cells, lineterminator="").writerow([entry.network, entry.name, entry.email or ""])
    lines = path.read_text(encoding="utf-8-sig").splitlines()
    same = [n for n, line in enumerate(lines) if _prefix_of(line) == str(entry.network)]
    if same:
        lines[same[0]] = cells.getvalue()
    else:
        lines.append(cells.getvalue())
    part = path.with_name(f".{path.name}.part")
    part.write_text("\n".join(lines) + "\n", encoding="utf-8")
    try:
        load(part)
    except ContactsError as error:
        raise ContactsError([fault.replace(str(part), str(path)) for fault in error.faults]) from None
    else:
        part.chmod(path.stat().st_mode & 0o777)
        part.replace(path)
    finally:
        part.unlink(missing_ok=True)
    return bool(same)


def _prefix_of(line: str) -> str:
    """Read the prefix of a line as it is written in full; "" for a comment, the header and what is no prefix."""
    try:
        return str(ipaddress.ip_network(line.partition(",")[0].strip().strip('"')))
    except ValueError:
        return ""


def _rows(path: Path, text: str, faults: list[str]) -> Iterator[tuple[int, list[str]]]:
    """Yield (line number, cells) after checking the header; empty lines and `#` lines are skipped."""
    reader = csv.reader(io.StringIO(text), skipinitialspace=True, strict=True)
    headed = False
    try:
        for cells in ([cell.strip() for cell in row] for row in reader):
            if not any(cells) or cells[0].startswith("#"):
                continue
            if not headed and tuple(cells) != COLUMNS:
                break
            if headed and cells[0]:
                yield reader.line_num, cells
            elif headed:
                faults.append(f"{path}:{reader.line_num}: no prefix on this line")
            headed = True
    except csv.Error as error:
        faults.append(f"{path}:{reader.line_num}: not CSV: {error}")
        return
    if not headed:
        faults.append(f"{path}:{max(reader.line_num, 1)}: the first line must be the header {','.join(COLUMNS)}")


def _entry(cells: list[str], where: str, faults: list[str]) -> Entry | None:
    """Check one line; None, with its faults noted, when it cannot be used."""
    if len(cells) != len(COLUMNS):
        faults.append(f"{where}: {len(cells)} cells instead of {','.join(COLUMNS)}")
        return None
    prefix, name, contact = cells
    before = len(faults)
    network = _network(prefix, where, faults)
    if not name or len(name) > NAME_CHARACTERS or not name.isprintable():
        faults.append(f"{where}: the name must be 1 to {NAME_CHARACTERS} printable characters")
    try:
        email = addr_spec(contact) if contact else None
    except AddressError as error:
        faults.append(f"{where}: the contact {error}; leave it empty for a network that must not be mailed")
        return None
    return Entry(network, name, email) if network and len(faults) == before else None


def _network(text: str, where: str, faults: list[str]) -> Network | None:
    try:
        network = ipaddress.ip_network(text, strict=False)
    except ValueError:
        faults.append(f"{where}: {text[:60]!r} is no IPv4 or IPv6 prefix")
        return None
    if "%" in text:
        faults.append(f"{where}: {text[:60]!r} has a scope id, which means nothing outside one host")
    elif str(network.network_address) != str(ipaddress.ip_address(text.partition("/")[0])):
        faults.append(f"{where}: {text} has bits set after the prefix; did you mean {network}?")
    elif network.prefixlen < WIDEST[network.version]:
        faults.append(f"{where}: {network} is wider than /{WIDEST[network.version]}, no operator's network")
    else:
        return network
    return None
