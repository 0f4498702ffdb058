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
from abusewatch.model.rows import Array, Columns
from abusewatch.windows import outcomes, pairs
from abusewatch.windows.levels import Levels
from abusewatch.windows.marks import Marks
from abusewatch.windows.order import order_of
from abusewatch.windows.outcomes import ANSWERED, REFUSED, UNANSWERED
from abusewatch.windows.pairs import TCP
from abusewatch.windows.panes import SECOND, Pane
from abusewatch.windows.waiting import Runs, Waiting

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
    marks: Marks = field(init=False)
    _waiting: Waiting = field(default_factory=Waiting)
    _parts: dict[int, int] = field(default_factory=dict)
    """In how many parts each pane that has not ended has brought rows; panes that are open together close in parts by turns."""
    _parts_before: int = 1
    """In how many the one that ended last did."""
    _young: Runs = field(default_factory=Runs)
    """What came in parts of the open pane. The parts of a busy pane decide only what they bring an end of; who has waited long enough is asked once a pane."""

    def __post_init__(self) -> None:
        self.marks = self._no_marks()

    def __len__(self) -> int:
        """Count the conversations waited for."""
        return len(self._waiting) + len(self._young)

    @property
    def undecided(self) -> bool:
        """Whether an outcome is still waited for."""
        return len(self) > 0

    def close(self, pane: Pane) -> Columns:
        """Add a pane's rows and give the conversations whose outcome is known by its end, as columns (see `outcomes.view`)."""
        rows = pairs.eligible(pane.rows)
        done: list[Columns] = []
        if r.length(rows):
            self._expect(pane.end_us)
            followed = self._followed(rows)
            if r.length(followed):
                done += self._add(pairs.reduced(followed), whole=not pane.part)
        elif pane.end_us not in self._parts:
            self.levels.rest()
        if not pane.part:
            self._parts_before = self._parts.pop(pane.end_us, 1)
            done += self._timed_out(pane.end_us, final=pane.last)
        return self._given(done, pane.end_us)

    def flush(self, now_us: int) -> Columns:
        """Give everything still undecided, as far as it is known, and forget all."""
        out = self._given(self._timed_out(now_us, final=True), now_us)
        self.marks, self._parts, self._parts_before = self._no_marks(), {}, 1
        return out

    @property
    def _tables(self) -> tuple[Waiting, ...]:
        return self._waiting, *self._young.tables

    def _expect(self, end_us: int) -> None:
        """A pane is expected to come in as many parts as the one before, or as it already has."""
        self._parts[end_us] = self._parts.get(end_us, 0) + 1
        self.levels.parts = max(self._parts_before, self._parts[end_us])

    def _no_marks(self) -> Marks:
        return Marks(self.grace_us // SECOND, self.linger_us // SECOND)

    def _followed(self, rows: Columns) -> Columns:
        rows = rows | {"key": pairs.key_of(rows)}
        follow, raised = self.levels.admit(rows["slot"], rows["key"])
        if len(raised):
            for waiting in self._tables:
                self._thin(waiting, raised)
        rows = rows if follow is None or follow.all() else r.take(rows, follow)
        rows["level"] = r.settled(self.levels.of(rows["slot"]))
        return rows

    def _thin(self, waiting: Waiting, raised: Array) -> None:
        """The levels of some slots have risen: forget what is followed no longer. What came at a higher level keeps its weight when the level falls again."""
        at = waiting.of_slots(raised)
        if not len(at):
            return
        slot, key = waiting.entries["slot"].take(at), waiting.entries["key"].take(at)
        follow = self.levels.follows(slot, key)
        waiting.leave(at[~follow])
        held = at[follow]
        r.put(waiting.entries, "level", held, np.maximum(waiting.entries["level"][held], self.levels.of(slot[follow])))

    def _add(self, new: Columns, *, whole: bool) -> list[Columns]:
        """Bring new entries together with what is waited for; give those that are now decided, unless all will be asked anyway (`whole`)."""
        given = self.marks.known(new["key"], new["last_us"])
        if given.any():
            new = r.take(new, ~given)
        done: list[Columns] = []
        for waiting in self._tables:
            known, at = waiting.meet(new)
            if not len(at):
                continue
            new = r.take(new, ~known)
            if not whole:
                done.append(waiting.take_out(at[_has_ended(r.take(waiting.entries, at))]))
        if not whole:
            ended = _has_ended(new)
            done.append(r.take(new, ended))
            new = r.take(new, ~ended)
        self._young.add(new)
        return done

    def _timed_out(self, now_us: int, *, final: bool) -> list[Columns]:
        """Ask every conversation whether its outcome is known at this time."""
        done: list[Columns] = []
        stay: list[Columns] = []
        for waiting in (self._waiting, *self._young.give()):
            t = waiting.swept()
            waiting.hold({})
            if t and len(t["key"]):
                decided = np.ones(len(t["key"]), np.bool_) if final else self._is_decided(t, now_us)
                done.append(r.take(t, decided))
                stay.append(r.take(t, ~decided))
        self._waiting.hold(self._bounded(r.joined(stay)) if stay else {})
        return done

    def _is_decided(self, t: Columns, now_us: int) -> NDArray[np.bool_]:
        first = np.minimum(t["first_out_us"], t["first_in_us"])
        waited = ~outcomes.both_seen(t) & (first + self._patience_us(t) <= now_us)
        idle = t["last_us"] + self.grace_us <= now_us
        long = first + self.longest_us <= now_us
        known: NDArray[np.bool_] = _has_ended(t) | waited | idle | long
        return known

    def _patience_us(self, t: Columns) -> NDArray[np.int64]:
        """How long the other direction of each entry is waited for: less where what was sent says by itself that nothing came, or that little will."""
        question = (t["protocol"] != TCP) & (t["packets_out"] + t["packets_in"] <= MOST_QUESTIONS)
        return np.where(outcomes.knocks(t), self.knock_us, np.where(question, self.question_us, self.grace_us))

    def _bounded(self, waiting: Columns) -> Columns:
        """Over capacity the longest idle go, ties by key, which is the same in every run."""
        surplus = len(waiting["key"]) - self.capacity
        if surplus <= 0:
            return waiting
        self.shed += surplus
        return r.take(waiting, np.lexsort((waiting["key"], -waiting["last_us"]))[: self.capacity])

    def _given(self, parts: list[Columns], now_us: int) -> Columns:
        if not parts:
            return {}
        done = r.joined([part for part in parts if len(part["key"])] or parts[:1])
        # What both sides have ended needs its mark for stray packets only; a connection that just went silent may go on.
        slow = ~outcomes.ended(done) & (done["protocol"] == TCP)
        order = order_of(done["key"])
        self.marks.add(done["key"][order], slow[order], done["last_us"][order], now_us)
        return outcomes.view(done)


def _has_ended(t: Columns) -> NDArray[np.bool_]:
    """Whether nothing more is to be waited for: both sides were seen, and TCP was closed or reset."""
    ended: NDArray[np.bool_] = outcomes.both_seen(t) & (outcomes.ended(t) | (t["protocol"] != TCP))
    return ended
