"""What is decided of some own addresses: their conversations, and every rule over them. A shard runs one; without shards there is one for all addresses."""

from collections import Counter
from collections.abc import Iterator, Sequence

from abusewatch.detect.engine import Engine
from abusewatch.detect.episodes import Coverage, Owners
from abusewatch.detect.explain import Account
from abusewatch.detect.rule import Rule
from abusewatch.detect.standing import standing
from abusewatch.model.finding import Detection
from abusewatch.windows.conversations import Conversations
from abusewatch.windows.panes import Pane

Faults = dict[str, dict[str, int]]


class Share:
    """Everything in it hangs on the panes it is given and on nothing else, so that many shares of some rows each find what one of all rows does."""

    processes = 1
    ends = lost_rows = 0
    trouble = ""

    def __init__(self, engine: Engine, owners: Owners) -> None:
        """Take the rules at work, and who knows whose an address is."""
        self.engine = engine
        self.conversations = Conversations()
        self._owners = owners

    def close(self, pane: Pane, slots: int) -> Iterator[Sequence[Detection]]:
        """Decide a pane, one of `last` by forgetting all; give what is found by it. `slots` is one more than the greatest slot number given out."""
        decided = self.conversations.flush(pane.end_us) if pane.last else self.conversations.close(pane)
        yield in_order(self.engine.close(pane, decided, slots))

    def ready(self) -> Iterator[Sequence[Detection]]:
        """Give what is found by panes taken before: nothing, as it has been given."""
        yield from ()

    settled = ready

    def stop(self) -> None:
        """Nothing runs."""

    @property
    def waits(self) -> bool:
        """Whether time alone may bring something."""
        return self.conversations.undecided or self.engine.waits

    @property
    def coverage(self) -> Coverage:
        """Who says what part of the exports reached us."""
        return self.engine.coverage

    @coverage.setter
    def coverage(self, coverage: Coverage) -> None:
        self.engine.coverage = coverage

    @property
    def shed(self) -> dict[str, int]:
        """What each bounded table has given up, by the names of `telemetry.TABLES`."""
        return {
            "conversations": self.conversations.shed, "marks": self.conversations.marks.shed, "followed": self.conversations.levels.thinned,
            "windows": self.engine.shed_rows, "episodes": self.engine.episodes.shed,
        }  # fmt: skip

    @property
    def faults(self) -> Faults:
        """Turns that coded detectors gave nothing for, by rule and reason; the last pane begins anew."""
        found: dict[str, Counter[str]] = {rule: seat.faults for rule, seat in self.engine.seats}
        return {rule: dict(faults) for rule, faults in found.items()}

    def standing(self, rule: Rule, offender: str, slot: int) -> Account:
        """How a rule stands towards an address now; `slot` is its number, -1 when it has none."""
        return standing(self.engine, self._owners, rule, offender, slot)


def in_order(found: Sequence[Detection]) -> list[Detection]:
    """The findings of a pane in an order that no process and no batch changes."""
    return sorted(found, key=lambda each: (each.first_us, each.episode))
