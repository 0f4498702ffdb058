"""Conversations: the two directions of a flow put together, with who started it and how it ended.

This is the trick that beats volume thresholds (detection: who started it?): a host that is scanned answers thousands of addresses, but it starts nothing.
Pieces of one conversation (packets, both directions, active-timeout parts) meet in a bounded table. A conversation is given to the rules once, when its
outcome is known: at its end (FIN, RST), when it is answered (UDP, ICMP), when an answer has not come in time, or when it has been idle or long
enough. What is still waited for is `pending`; what was given leaves a mark for a while.

In time is `grace`: exporters tell of the two directions up to so long apart. Where no benign reading is left it is less: `question` for one or two packets
of UDP or ICMP, whose answer is as short and is told of at once; `knock` for a SYN that the same side followed up with nothing.
"""

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from abusewatch.model import rows as r
from abusewatch.model.rows import Columns
from abusewatch.windows import outcomes, pairs
from abusewatch.windows.levels import Levels
from abusewatch.windows.marks import Marks
from abusewatch.windows.outcomes import ANSWERED, REFUSED, UNANSWERED
from abusewatch.windows.pairs import BITS, MAXIMA, MINIMA, SUMS, TCP
from abusewatch.windows.panes import SECOND, Pane

__all__ = ["ANSWERED", "REFUSED", "UNANSWERED", "Conversations"]

MOST_QUESTIONS = 3  # packets; a stream in one direction may be told of long before its answers are


@dataclass(slots=True)
class Conversations:
    """The table. All times are event time in microseconds; `capacity` bounds what is waited for, and `shed` counts what the bound cost."""

    grace_us: int = 20 * SECOND
    knock_us: int = 5 * SECOND
    question_us: int = 10 * SECOND
    longest_us: int = 60 * SECOND
    linger_us: int = 60 * SECOND
    capacity: int = 1 << 20
    shed: int = 0
    levels: Levels = field(default_factory=Levels)
    _pending: Columns = field(default_factory=dict)
    _marks: Marks = field(default_factory=Marks)

    def __len__(self) -> int:
        """Count the conversations waited for."""
        return len(self._pending["key"]) if self._pending else 0

    @property
    def undecided(self) -> bool:
        """Whether an outcome is still waited for."""
        return len(self) > 0

    @property
    def marks(self) -> int:
        """How many conversations are remembered as given."""
        return len(self._marks)

    def close(self, pane: Pane) -> Columns:
        """Add a pane's rows and give the conversations whose outcome is known by its end, as columns (see `outcomes.view`)."""
        rows = self._followed(pairs.eligible(pane.rows), part=pane.part)
        if r.length(rows):
            self._add(pairs.reduced(rows))
        return self._give(pane.end_us, final=pane.last)

    def flush(self, now_us: int) -> Columns:
        """Give everything still undecided, as far as it is known, and forget all."""
        out = self._give(now_us, final=True)
        self._pending, self._marks = {}, Marks()
        return out

    def _followed(self, rows: Columns, *, part: bool) -> Columns:
        if not r.length(rows):
            return rows
        rows = rows | {"key": pairs.key_of(rows)}
        follow, raised = self.levels.admit(rows["slot"], rows["key"], part=part)
        if len(raised) and len(self):
            self._thin()
        rows["level"] = self.levels.of(rows["slot"])
        return rows if follow is None or follow.all() else r.take(rows, follow)

    def _thin(self) -> None:
        """Levels have risen: forget what is followed no longer. What was admitted at a higher level keeps its weight when the level falls again."""
        keep = self.levels.follows(self._pending["slot"], self._pending["key"])
        if not keep.all():
            self._pending = r.take(self._pending, keep)
        self._pending["level"] = np.maximum(self._pending["level"], self.levels.of(self._pending["slot"]))

    def _add(self, new: Columns) -> None:
        given = self._marks.known(new["key"], new["last_us"])
        if given.any():
            new = r.take(new, ~given)
        if not len(self):
            self._pending = new
            return
        old = self._pending
        at = np.searchsorted(old["key"], new["key"])
        at[at == len(old["key"])] = 0
        known = old["key"][at] == new["key"]
        here, there = at[known], np.flatnonzero(known)
        for names, combine in ((SUMS, np.add), (MINIMA, np.minimum), (MAXIMA, np.maximum), (BITS, np.bitwise_or)):
            for name in names:
                old[name][here] = combine(old[name][here], new[name][there])
        # Not sorted in: what is new is mostly decided at once and leaves again, so order is made for what stays.
        self._pending = r.join([old, r.take(new, ~known)])

    def _give(self, now_us: int, *, final: bool) -> Columns:
        t = self._pending
        if not len(self):
            return {}
        over = outcomes.ended(t)
        decided = np.ones(len(over), np.bool_) if final else self._is_decided(t, over, now_us)
        done = r.take(t, decided)
        self._keep(r.take(t, ~decided))
        self._mark(done, over[decided], now_us)
        return outcomes.view(done)

    def _is_decided(self, t: Columns, over: NDArray[np.bool_], now_us: int) -> NDArray[np.bool_]:
        both = outcomes.both_seen(t)
        first = np.minimum(t["first_out_us"], t["first_in_us"])
        waited = ~both & (first + self._patience_us(t) <= now_us)
        idle = t["last_us"] + self.grace_us <= now_us
        long = first + self.longest_us <= now_us
        known: NDArray[np.bool_] = both & (over | (t["protocol"] != TCP)) | waited | idle | long
        return known

    def _patience_us(self, t: Columns) -> NDArray[np.int64]:
        """How long the other direction of each entry is waited for: less where what was sent says by itself that nothing came, or that little will."""
        question = (t["protocol"] != TCP) & (t["packets_out"] + t["packets_in"] <= MOST_QUESTIONS)
        return np.where(outcomes.knocks(t), self.knock_us, np.where(question, self.question_us, self.grace_us))

    def _keep(self, waiting: Columns) -> None:
        """What is still waited for, in order of key; over capacity the longest idle go, ties by key, which is the same in every run."""
        n = len(waiting["key"])
        if n > self.capacity:
            rank = np.lexsort((waiting["key"], -waiting["last_us"]))[: self.capacity]
            waiting = r.take(waiting, rank)
            self.shed += n - self.capacity
        self._pending = r.take(waiting, np.argsort(waiting["key"], kind="stable"))

    def _mark(self, done: Columns, over: NDArray[np.bool_], now_us: int) -> None:
        # What both sides have ended needs its mark for stray packets only; a connection that just went silent may go on.
        stay = np.where(over | (done["protocol"] != TCP), self.grace_us, self.linger_us).astype(np.int32)
        order = np.argsort(done["key"], kind="stable")
        self._marks.add(done["key"][order], stay[order], done["last_us"][order], now_us)
