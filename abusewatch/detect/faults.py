"""What is wrong with a rule file, in the form that `check` and `rules lint` print: file:line:column: message (hint)."""

import functools
from collections.abc import Mapping
from dataclasses import dataclass

from abusewatch.detect.expression import RuleError
from abusewatch.detect.positions import Positions


@functools.total_ordering
@dataclass(frozen=True, slots=True)
class Fault:
    """One fault or warning; `line` and `column` count from 1, 0 when it is about the whole file."""

    file: str
    line: int
    column: int
    message: str
    hint: str = ""

    def __str__(self) -> str:
        """Write it on one line, as compilers do."""
        place = f"{self.file}:{self.line}:{self.column}" if self.line else self.file
        return f"{place}: {self.message}" + (f" ({self.hint})" if self.hint else "")

    def __lt__(self, other: "Fault") -> bool:
        """Order by place, for reading from top to bottom."""
        return (self.file, self.line, self.column, self.message) < (other.file, other.line, other.column, other.message)


class Page:
    """A file being read: knows where its keys stand and collects its faults.

    Keys that a local file has overridden are found in that file.
    """

    def __init__(self, file: str, source: str) -> None:
        self.file = file
        self.positions = Positions(source)
        self.faults: list[Fault] = []
        self._taken: dict[str, tuple[Page, str]] = {}

    def over(self, local: "Page", taken: Mapping[str, str]) -> None:
        """Lay a local file over this one; `taken` maps paths here to paths there."""
        self._taken.update({here: (local, there) for here, there in taken.items()})

    def make(self, path: str, message: str, hint: str = "", at: int = 0) -> Fault:
        """Make a fault at a key."""
        page, there = self._taken.get(path, (self, path))
        place = page.positions.place(there, at)
        return Fault(page.file, place.line, place.column, message, hint)

    def fault(self, path: str, message: str, hint: str = "", at: int = 0) -> None:
        """Note a fault at a key."""
        self.faults.append(self.make(path, message, hint, at))

    def error(self, path: str, error: RuleError) -> None:
        """Note what the language refused at a key."""
        self.fault(path, error.message, error.hint, error.at)
