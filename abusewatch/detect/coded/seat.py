"""A rule's seat for its detector: hands it rows, checks what comes back, and keeps what it breaks from anybody else.

Whatever a detector does, the other rules find the same; of its own rule a turn is lost, counted by reason, and after `MOST_RAISES` in a minute it is not
asked again until the rules are loaded anew. Time is event time, so that a replay loses the same turns.
"""

from collections import Counter, deque
from collections.abc import Mapping

import numpy as np

from abusewatch.detect import keys
from abusewatch.detect.coded.detector import ADDRESSES, F64, DetectorFault, Index, Program, Remembering
from abusewatch.detect.measures import Groups
from abusewatch.detect.rule import Key
from abusewatch.detect.views import View
from abusewatch.model.rows import Array, Columns

MOST_RAISES = 10
MINUTE_US = 60_000_000


class Seat:
    """Behaves as one more measure of a rule: `columns` says what must be kept of each row, `over` gives the measures of every group."""

    def __init__(self, program: Program) -> None:
        """Take the program; it is started when it is first asked."""
        self.program = program
        self.faults: Counter[str] = Counter()
        self.disabled = self.lost = False
        self._at_work = program.start()
        self._raised_us: deque[int] = deque(maxlen=MOST_RAISES)

    def columns(self, picked: View) -> Columns:
        """What the detector reads, under names that no measure has."""
        return {f"@{name}": _column(picked, name) for name in self.program.columns}

    def note(self, rows: Columns) -> int:
        """Tell a detector that remembers of rows that have come; how many it had no room for."""
        if not isinstance(self._at_work, Remembering):
            return 0
        return self._at_work.note({name: rows[name] for name in ("group", "start_us", "weight")})

    def over(self, rows: Columns, groups: Groups) -> dict[str, F64]:
        """The measures of every group; when the turn was lost, which `lost` says, no number."""
        self.lost = False
        now_us = int(rows["block_us"].max())
        order = np.lexsort((rows["chance"], rows["start_us"], groups.number))
        told: dict[str, Array] = {name: rows[f"@{name}"].take(order) for name in self.program.columns}
        told["weight"] = rows["weight"].take(order)
        if isinstance(self._at_work, Remembering):
            told["group"] = rows["group"].take(order)
        for column in told.values():
            column.setflags(write=False)
        try:
            return self._checked(self._asked(told, groups.starts, now_us), groups.count)
        except DetectorFault as fault:
            self.faults[fault.reason] += 1
            self.lost = True
            return {name: np.full(groups.count, np.nan) for name in self.program.measures}

    def _asked(self, rows: Mapping[str, Array], starts: Index, now_us: int) -> Mapping[str, F64]:
        if self.disabled:
            raise DetectorFault("disabled")
        try:
            return self._at_work.measure(rows, starts)
        except DetectorFault as fault:
            if fault.reason == "raised":
                self._count(now_us)
            raise
        except Exception as error:  # whatever a detector raises costs its own rule a turn, and the other rules nothing
            self._count(now_us)
            raise DetectorFault("raised", type(error).__name__) from error

    def _count(self, now_us: int) -> None:
        self._raised_us.append(now_us)
        self.disabled = len(self._raised_us) == MOST_RAISES and now_us - self._raised_us[0] <= MINUTE_US

    def _checked(self, given: Mapping[str, F64], count: int) -> dict[str, F64]:
        out: dict[str, F64] = {}
        for name in self.program.measures:
            try:
                values = np.asarray(given[name], np.float64)
            except (KeyError, TypeError, ValueError, IndexError):
                raise DetectorFault("output", f"no measure {name}") from None
            if values.shape != (count,) or not np.isfinite(values).all():
                raise DetectorFault("output", f"{name} is not a finite number for each group")
            out[name] = values
        return out


def _column(picked: View, name: str) -> Array:
    return keys.hashes((Key(name, name),), picked) if name in ADDRESSES else picked[name]
