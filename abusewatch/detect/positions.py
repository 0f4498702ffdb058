"""Where a key stands in a TOML file, so that a fault can name line and column.

tomllib keeps no positions; this reads what tomllib has accepted.
"""

import re
from typing import NamedTuple

_PART = r"""(?:[A-Za-z0-9_-]+|"[^"\n]*"|'[^'\n]*')"""
_HEADER = re.compile(r"[ \t]*\[(\[?)[ \t]*([^\]\n]+?)[ \t]*\]")
_KEY = re.compile(rf"[ \t]*({_PART}(?:[ \t]*\.[ \t]*{_PART})*)[ \t]*=[ \t]*")
_VALUE = re.compile(
    r'"""(?:\\.|[^\\])*?"{3,5}|\'\'\'.*?\'{3,5}|"(?:\\.|[^"\\\n])*"|\'[^\'\n]*\'|#[^\n]*|[\[{]|[\]}]|\n|[^"\'#\[\]{}\n]+',
    re.DOTALL,
)
_QUOTES = re.compile(r'"""\r?\n?|\'\'\'\r?\n?|"|\'')


class Place(NamedTuple):
    """A line and a column, both from 1."""

    line: int
    column: int


class Positions:
    """The places of the keys of one file, by path: `match.where`, `raise.0.when` (arrays of tables count from 0)."""

    def __init__(self, source: str) -> None:
        self._source = source
        self._starts = _scan(source)

    def place(self, path: str, at: int = 0) -> Place:
        """Find the value of a key, or of its nearest parent in the file; `at` counts characters into a string."""
        while path not in self._starts and path:
            path, at = path.rpartition(".")[0], 0
        start = self._starts.get(path, 0)
        quotes = _QUOTES.match(self._source, start)
        value = _VALUE.match(self._source, start)
        # An escape shifts what follows it; then the place of the value must do.
        shifted = value is not None and value.group().startswith('"') and "\\" in value.group()
        if quotes and at and value and not shifted:
            start = min(quotes.end() + at, value.end() - 1)
        elif quotes and value and value.group()[:3] not in {'"""', "'''"}:
            start = quotes.end()
        return Place(self._source.count("\n", 0, start) + 1, start - self._source.rfind("\n", 0, start))

    def lines(self) -> dict[str, int]:
        """List the line of every key."""
        return {path: self.place(path).line for path in self._starts}


def _scan(source: str) -> dict[str, int]:
    found: dict[str, int] = {}
    counts: dict[str, int] = {}
    table, at = "", 0
    while at < len(source):
        if header := _HEADER.match(source, at):
            table = _plain(header[2])
            if header[1]:
                counts[table] = counts.get(table, -1) + 1
                table = f"{table}.{counts[table]}"
            found.setdefault(table, header.start(2) - 1)
            at = _skip(source, header.end())
        elif key := _KEY.match(source, at):
            path = _plain(key[1])
            found[f"{table}.{path}" if table else path] = key.end()
            at = _skip(source, key.end())
        else:
            at = source.find("\n", at) + 1 or len(source)
    return found


def _plain(key: str) -> str:
    return ".".join(part.strip("\"'") for part in re.findall(_PART, key))


def _skip(source: str, at: int) -> int:
    """Pass a value and the rest of its line; brackets keep it open over line ends."""
    depth = 0
    while match := _VALUE.match(source, at):
        at = match.end()
        piece = match.group()
        depth += (piece in {"[", "{"}) - (piece in {"]", "}"})
        if piece == "\n" and depth <= 0:
            break
    return max(at, source.find("\n", at) + 1) if match is None else at
