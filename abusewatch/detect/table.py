"""One table of a rule file: hands out values of the type asked for, notes what is wrong and what nobody asked for."""

from collections.abc import Callable, Collection
from typing import Any, TypeVar

from abusewatch.detect.expression import RuleError
from abusewatch.detect.faults import Page
from abusewatch.detect.literals import suggestion
from abusewatch.detect.parse import parse_duration

_T = TypeVar("_T")
REQUIRED: Any = object()


class Table:
    """A table under `path`; every getter gives its default when the key is missing or wrong.

    A key without a default is required, and gives None then (a list: nothing).
    """

    def __init__(self, page: Page, path: str, values: object) -> None:
        self.page = page
        self.path = path
        self.values: dict[str, Any] = values if isinstance(values, dict) else {}
        self.asked: set[str] = set()
        if not isinstance(values, dict):
            page.fault(path, f"{path} is a table", f"write [{path}]")

    def __contains__(self, key: str) -> bool:
        return key in self.values

    def at(self, key: str) -> str:
        """Name a key by its path in the file."""
        return f"{self.path}.{key}" if self.path else key

    def fault(self, key: str, message: str, hint: str = "") -> None:
        """Note a fault at a key of this table."""
        self.page.fault(self.at(key), message, hint)

    def read(self, key: str, reader: Callable[[Any], _T], default: Any = REQUIRED) -> Any:
        """Read a value with a function that raises RuleError, or ValueError with a message for people."""
        self.asked.add(key)
        if key not in self.values:
            if default is REQUIRED:
                self.fault(key, f"{self.at(key)} is missing")
                return None
            return default
        try:
            return reader(self.values[key])
        except RuleError as error:
            self.page.error(self.at(key), error)
        except ValueError as error:
            self.fault(key, str(error))
        return None if default is REQUIRED else default

    def text(self, key: str, default: Any = REQUIRED) -> Any:
        """Read a text that is not empty."""
        return self.read(key, lambda value: _typed(key, value, str, "a text"), default)

    def word(self, key: str, words: Collection[str], default: Any = REQUIRED) -> Any:
        """Read one word of a closed list."""
        return self.read(key, lambda value: closed(_typed(key, value, str, "a text"), words), default)

    def texts(self, key: str, default: Any = REQUIRED, words: Collection[str] | None = None) -> Any:
        """Read a list of texts, each of a closed list when there is one; the good ones survive the bad ones."""
        values = self.read(key, lambda value: _typed(key, value, list, "a list of texts"), default)
        found = []
        for value in values or ():
            try:
                item = _typed(f"an item of {key}", value, str, "a text")
                found.append(item if words is None else closed(item, words))
            except RuleError as error:
                self.page.error(self.at(key), error)
        return tuple(found)

    def fraction(self, key: str, default: Any = REQUIRED) -> Any:
        """Read a number above 0 and up to 1."""
        return self.read(key, _fraction, default)

    def seconds(self, key: str, default: Any = REQUIRED) -> Any:
        """Read a duration in whole seconds."""
        return self.read(key, lambda value: _seconds(_typed(key, value, str, "a text like 30m")), default)

    def table(self, key: str, *, required: bool = True) -> "Table":
        """Open a table below this one."""
        self.asked.add(key)
        if key not in self.values and required:
            self.fault(key, f"[{self.at(key)}] is missing")
        return Table(self.page, self.at(key), self.values.get(key, {}))

    def tables(self, key: str) -> list["Table"]:
        """Open the tables of an array."""
        self.asked.add(key)
        values = self.values.get(key, [])
        if not isinstance(values, list):
            self.fault(key, f"{key} is an array of tables", f"write [[{key}]]")
            return []
        return [Table(self.page, f"{self.at(key)}.{number}", value) for number, value in enumerate(values)]

    def end(self) -> None:
        """Note the keys that nobody asked for."""
        for key in self.values:
            if key not in self.asked:
                self.fault(key, f"unknown key {self.at(key)}", suggestion(key, tuple(sorted(self.asked))))


def closed(value: str, words: Collection[str]) -> str:
    """Check a word against a closed list."""
    if value not in words:
        raise RuleError(
            f"{value!r} is not known here", 0, suggestion(value, tuple(words)) or f"one of {', '.join(words)}"
        )
    return value


def _typed(key: str, value: object, kind: type[_T], what: str) -> _T:
    if not isinstance(value, kind) or value == "":
        raise RuleError(f"{key} must be {what}")
    return value


def _fraction(value: object) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 < value <= 1:
        raise RuleError("expected a number above 0 and up to 1")
    return float(value)


def _seconds(value: str) -> int:
    seconds = parse_duration(value)
    if seconds != int(seconds):
        raise RuleError(f"{value} is no whole number of seconds")
    return int(seconds)
