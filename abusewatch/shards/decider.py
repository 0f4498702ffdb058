"""What decides panes: here (`share`), or in processes of its own (`crew`), which tell a little later, but in the same order."""

from collections.abc import Iterable, Sequence
from typing import Protocol

from abusewatch.detect.episodes import Coverage
from abusewatch.detect.explain import Account
from abusewatch.detect.rule import Rule
from abusewatch.model.finding import Detection
from abusewatch.shards.share import Faults
from abusewatch.windows.panes import Pane


class Decider(Protocol):
    """Takes panes in their order and gives what the rules find in them."""

    coverage: Coverage

    @property
    def processes(self) -> int:
        """How many decide."""
        ...

    @property
    def ends(self) -> int:
        """How many processes have ended by themselves."""
        ...

    @property
    def lost_rows(self) -> int:
        """Rows that were lost with them."""
        ...

    @property
    def trouble(self) -> str:
        """What is wrong with them now; empty when nothing is."""
        ...

    def close(self, pane: Pane, slots: int) -> Iterable[Sequence[Detection]]:
        """Take a pane, after one of `last` to begin anew; give the findings of every pane decided by now, pane by pane."""
        ...

    def ready(self) -> Iterable[Sequence[Detection]]:
        """Give the findings of every pane decided by now."""
        ...

    def settled(self) -> Iterable[Sequence[Detection]]:
        """Give the findings of every pane that was taken."""
        ...

    @property
    def waits(self) -> bool:
        """Whether time alone may bring something, as all panes taken left it."""
        ...

    @property
    def shed(self) -> dict[str, int]:
        """What each bounded table has given up, by the names of `telemetry.TABLES`."""
        ...

    @property
    def faults(self) -> Faults:
        """Turns that coded detectors gave nothing for, by rule and reason."""
        ...

    def standing(self, rule: Rule, offender: str, slot: int) -> Account:
        """How a rule stands towards an address now; `slot` is its number, -1 when it has none."""
        ...

    def stop(self) -> None:
        """End the processes, if there are any."""
        ...
