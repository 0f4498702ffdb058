"""On which line of a TOML file a key stands: the parser of the standard library does not say."""

import re

Key = tuple[str | int, ...]

_TABLE = re.compile(r"\s*(\[\[?)\s*([^\[\]]+?)\s*\]\]?\s*(#.*)?$")
_WORD = r"[A-Za-z0-9_-]+|\"[^\"]*\"|'[^']*'"
_ASSIGN = re.compile(rf"\s*((?:{_WORD})(?:\s*\.\s*(?:{_WORD}))*)\s*=\s*(.*)$")
_PART = re.compile(_WORD)


def lines_of(text: str) -> dict[Key, int]:
    """Map every table and key to its line, from 1. An array of tables counts its index: ("source", 0, "listen").

    Expects text the TOML parser has accepted; keys inside inline tables share the line of the table.
    """
    found: dict[Key, int] = {(): 1}
    table: Key = ()
    counts: dict[Key, int] = {}
    closing = ""
    depth = 0
    for number, line in enumerate(text.splitlines(), 1):
        if closing:
            closing = "" if closing in line else closing
            continue
        if depth > 0:
            depth += _depth(line)
            continue
        if header := _TABLE.match(line):
            table = _resolve(_parts(header[2]), counts, new=header[1] == "[[")
            if header[1] == "[[":
                found.setdefault(table[:-1], number)
            found.setdefault(table, number)
        elif assign := _ASSIGN.match(line):
            found[table + _parts(assign[1])] = number
            closing = _opened(assign[2])
            depth = _depth(assign[2]) if not closing else 0
    return found


def line_of(lines: dict[Key, int], key: Key) -> int:
    """Find the line of a key, or of the nearest table around it."""
    while key not in lines:
        key = key[:-1]
    return lines[key]


def _parts(text: str) -> Key:
    return tuple(part.strip("\"'") for part in _PART.findall(text))


def _resolve(parts: Key, counts: dict[Key, int], *, new: bool) -> Key:
    """Insert the index of each array of tables on the way to this header."""
    path: Key = ()
    for part in parts[:-1]:
        path = (*path, part)
        if path in counts:
            path = (*path, counts[path] - 1)
    path = (*path, parts[-1])
    if new:
        counts[path] = counts.get(path, 0) + 1
    return (*path, counts[path] - 1) if path in counts else path


def _opened(value: str) -> str:
    """Name the delimiter of a multi-line string that begins in a value and does not end there."""
    for quotes in ('"""', "'''"):
        if value.startswith(quotes) and quotes not in value[3:]:
            return quotes
    return ""


def _depth(line: str) -> int:
    """Count the brackets a line leaves open, strings and comments aside."""
    bare = re.sub(r"\"(?:\\.|[^\"\\])*\"|'[^']*'|#.*", "", line)
    return bare.count("[") - bare.count("]") + bare.count("{") - bare.count("}")
