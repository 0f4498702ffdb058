"""A life as one table: state, event, next state, who moves it. Cases and mails each have one, and a page that shows it."""

from collections.abc import Mapping, Sequence
from typing import Generic, NamedTuple, TypeVar

S = TypeVar("S", bound=str)
E = TypeVar("E", bound=str)


class Move(NamedTuple, Generic[S, E]):
    """One line of the table; `by` says who brings the event about."""

    state: S
    event: E
    next: S
    by: str


class Transitions(Generic[S, E]):
    """The lines as a look-up. `meaning` says what each state is; a pair of state and event has one line or none."""

    def __init__(self, meaning: Mapping[S, str], moves: Sequence[Move[S, E]]) -> None:
        """Take the meanings, in the order of a life, and the lines."""
        self.meaning = meaning
        self.moves = tuple(moves)
        self._lines = {(line.state, line.event): line for line in moves}
        if len(self._lines) != len(moves):
            raise ValueError("a pair of state and event stands twice in the table")

    def find(self, state: str, event: str) -> Move[S, E] | None:
        """Look up a line; None when that event does not exist in that state."""
        return self._lines.get((state, event))  # type: ignore[arg-type]  # words from outside; unknown ones are not found

    def page(self) -> str:
        """Write the lines as a Markdown table."""
        rows = "".join(f"| {m.state} | {m.event} | {m.next} | {m.by} |\n" for m in self.moves)
        return f"| state | event | next state | moved by |\n|---|---|---|---|\n{rows}"
