"""Why a rule fired on an address, or why not: the engine, and beside it every rule over that address's rows without gates, so that misses are seen too.

The gates and budgets of the engine leave out what cannot matter, and with it what a person wants to know: how near it came. Here the same rules judge the
same rows at the same times and nothing is left out; the rows of one address are few. What is found is the engine's own; should the two ever differ, the
account says so (`left_out`).
"""

from collections.abc import Iterable, Mapping, Sequence

import msgspec
import numpy as np

from abusewatch.detect.engine import Engine
from abusewatch.detect.episodes import Owners, exempted
from abusewatch.detect.moments import Moment, Watch
from abusewatch.detect.rule import Rule
from abusewatch.detect.runner import SECOND
from abusewatch.detect.views import View, conversations, records
from abusewatch.model import address
from abusewatch.model import rows as r
from abusewatch.model.finding import Detection, Finding
from abusewatch.model.rows import Array, Columns
from abusewatch.windows.panes import Pane

MOST_EMPTY_STEPS = 720  # judgements made up for when no pane came meanwhile; the longest window of the shipped rules is four hours of twenty seconds

FIRED, SILENCED, LEFT_OUT, NEAR, NOTHING, OFF = VERDICTS = (
    "fired", "silenced", "left_out", "near", "nothing", "off",
)  # fmt: skip
"""In the order in which people want to read them."""


class Account(msgspec.Struct, frozen=True):
    """What one rule made of one address.

    `failed` counts the rows that the rule did not take, by the first part of its `where` that they fail. `first` is when the condition first held, `best`
    when it was furthest fulfilled or, when it never held, nearest. `gate` says what the engine's first counter lacked; empty when it opened.
    """

    rule: str
    title: str
    status: str
    verdict: str
    because: str
    on: str
    seen: int
    matched: int
    failed: dict[str, int]
    gate: str = ""
    first: Moment | None = None
    best: Moment | None = None
    findings: tuple[Finding, ...] = ()


def idle(rule: Rule) -> Account:
    """The account of a rule that does not run."""
    words = f"status {rule.status}: it does not run"
    return Account(rule.id, rule.title, rule.status, OFF, words, rule.match.on, 0, 0, {})


def in_order(accounts: Iterable[Account]) -> list[Account]:
    """Those that fired first, then by how near they came."""
    return sorted(accounts, key=lambda a: (VERDICTS.index(a.verdict), -(a.best.near if a.best else 0), a.rule))


class Explainer(Engine):
    """The engine, and what every rule thinks of one address. Takes the same panes and gives the same findings."""

    def __init__(self, rules: Sequence[Rule], owners: Owners, pane_us: int = 5 * SECOND, *, offender: str) -> None:
        """ValueError when `offender` is no address."""
        super().__init__(rules, owners, pane_us)
        self.asked = tuple(rules)
        self.offender = offender
        self.ours = owners.contains(offender)
        self._owners = owners
        self._hi, self._lo = map(np.uint64, address.parse(offender))
        self._watches = {rule.id: Watch(rule, pane_us) for rule in self.rules}
        self._told: dict[str, Detection] = {}
        self._now_us = 0

    def close(self, pane: Pane, decided: Columns, slots: int) -> list[Detection]:
        """Run the engine over a pane, and the watches over what the address had in it."""
        told = super().close(pane, decided, slots)
        self._told.update({each.episode: each for each in told})
        seen = {
            "record": records(self._mine(pane.rows, foreign=not self.ours)),
            "conversation": conversations(self._mine(decided, foreign=False)),
        }
        self._make_up(pane.end_us)
        for watch in self._watches.values():
            view = seen[watch.rule.match.on]
            watch.take(view, pane.end_us, slots, None if self.ours else self._of(view))
            watch.judge(pane.end_us, last=pane.last)
        self._now_us = 0 if pane.last else pane.end_us
        return told

    def accounts(self) -> list[Account]:
        """What each rule made of the address, those that fired first, then by how near they came."""
        told = [detection.finding for detection in sorted(self._told.values(), key=lambda each: each.first_us)]
        found = [
            self._account(rule, tuple(f for f in told if f.rule == rule.id and self._about(f))) for rule in self.asked
        ]
        return in_order(found)

    def _make_up(self, end_us: int) -> None:
        """Judge what the engine need not: a window that nearly filled before everybody fell silent."""
        begin = self._now_us + self.pane_us
        for at_us in (
            range(begin, min(end_us, begin + MOST_EMPTY_STEPS * self.pane_us), self.pane_us) if self._now_us else ()
        ):
            for watch in self._watches.values():
                watch.judge(at_us)

    def _mine(self, rows: Columns, *, foreign: bool) -> Columns:
        """The rows of the address; of one that is not ours all in transit, since rules on those weigh what came by an interface together."""
        if not rows or not r.length(rows):
            return {}
        if foreign:
            return r.take(rows, rows["transit"])
        return r.take(rows, self._same(rows) & ~rows["transit"] if "transit" in rows else self._same(rows))

    def _same(self, rows: Mapping[str, Array]) -> Array:
        """Which rows have the address as our end; one IPv6 host owns all of its /64, as the rules have it."""
        same: Array = rows["own_hi"] == self._hi
        if not self._hi:
            same &= rows["own_lo"] == self._lo
        return same

    def _of(self, view: View) -> Array:
        """Which rows are of the address itself: those of others in transit weigh too, but only groups it is in are told of."""
        return self._same(view) if view.rows else np.zeros(0, np.bool_)

    def _about(self, finding: Finding) -> bool:
        if not self.ours:
            return finding.direction == "spoofed" and self._watches[finding.rule].first is not None
        hi, lo = address.parse(finding.offender)
        return bool(self._same({"own_hi": np.array([hi], np.uint64), "own_lo": np.array([lo], np.uint64)})[0])

    def _account(self, rule: Rule, findings: tuple[Finding, ...]) -> Account:
        watch = self._watches.get(rule.id)
        if watch is None:
            return idle(rule)
        verdict, words = self._verdict(watch, findings)
        return Account(
            rule.id, rule.title, rule.status, verdict, words, rule.match.on, watch.seen, watch.matched, dict(watch.failed),
            gate=watch.gate, first=watch.first, best=watch.strongest or watch.nearest, findings=findings,
        )  # fmt: skip

    def _verdict(self, watch: Watch, findings: tuple[Finding, ...]) -> tuple[str, str]:
        if watch.first is None:
            if findings:
                return FIRED, "the engine found it in rows that it took together with those of others"
            if watch.matched:
                return NEAR, "the condition never held"
            return NOTHING, "no row passed `where`" if watch.seen else f"there is no {watch.rule.match.on} of it"
        customer = self._owners.owner_at(self.offender, watch.first.end_us)
        if findings:
            return FIRED, watch.because
        if words := exempted(watch.rule, customer, self.offender):
            return SILENCED, words
        return (
            LEFT_OUT,
            "it held by exact count; the engine leaves out quiet moments of an attack, at most a tenth, and saw less",
        )
