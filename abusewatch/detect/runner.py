"""One rule at work: picks its rows from a pane, keeps them in its window, and says which groups fulfil a `raise`."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from abusewatch.detect import keys, measures
from abusewatch.detect.coded.seat import Seat
from abusewatch.detect.compile import Condition, compile_groups, compile_rows, compile_values
from abusewatch.detect.expression import names
from abusewatch.detect.gate import implied
from abusewatch.detect.history import History
from abusewatch.detect.hot import NONE, Held, Hot, bringing
from abusewatch.detect.matching import Matching
from abusewatch.detect.measures import F64, Groups, Mask
from abusewatch.detect.rule import Measure, Raise, Rule
from abusewatch.detect.sieve import Floor, Turn, floor
from abusewatch.detect.source import Source
from abusewatch.detect.thinning import ALL
from abusewatch.detect.thresholds import alternatives
from abusewatch.detect.views import Picked, View
from abusewatch.detect.window import PANE_ROWS, Window
from abusewatch.model import kinds
from abusewatch.model import rows as r
from abusewatch.model.rows import Array, Columns
from abusewatch.windows.order import U64, Index, among, mix, mix_at, order_of, starts_of

SECOND = 1_000_000

EVIDENCE_COLUMNS = (
    "slot", "own_hi", "own_lo", "peer_hi", "peer_lo", "own_port", "peer_port", "protocol", "flags", "packets", "bytes", "start_us", "end_us",
    "sampling_rate", "input_if", "exporter", "frame", "frame_last", "internal", "identity",
)  # fmt: skip
CONVERSATION_COLUMNS = ("outcome", "reply_packets", "opened")
PROMPT_US = 30 * SECOND
LINEAR = frozenset({"sum", "rate"})
COUNTED = frozenset({"count", "distinct", "concurrent"})  # none of them exceeds the number of rows


@dataclass(frozen=True, slots=True)
class Weighed:
    """The groups of one judgement: their rows in order of group, and each measure (and `span_minutes`) by group."""

    end_us: int
    rows: Columns
    groups: Groups
    values: dict[str, F64]


@dataclass(frozen=True, slots=True)
class Firing:
    """A group that fulfils a `raise` now: its hash, the raise, the values of all measures."""

    group: int
    slot: int
    reason: Raise
    values: dict[str, float]

    @property
    def rank(self) -> tuple[int, float]:
        """How grave it is: by severity, then by how far the first measure goes."""
        return kinds.SEVERITIES.index(self.reason.severity), next(iter(self.values.values()), 0.0)


OVER_VALUES: dict[str, Callable[[Groups, Mask, Any, Measure], F64]] = {
    "distinct": lambda groups, mask, value, _: measures.distinct(groups, mask, value),
    "top_share": lambda groups, mask, value, _: measures.top_share(groups, mask, value),
    "share": lambda groups, mask, value, _: measures.share(groups, mask, value),
    "share_within": lambda groups, mask, value, m: measures.share_within(groups, mask, value, *m.tolerance),
    "median": lambda groups, mask, value, _: measures.percentile(groups, mask, value, 50),
    "percentile": lambda groups, mask, value, m: measures.percentile(groups, mask, value, m.percent),
    "min": lambda groups, mask, value, _: measures.extreme(groups, mask, value, which="min"),
    "max": lambda groups, mask, value, _: measures.extreme(groups, mask, value, which="max"),
}


class Runner:
    """A rule with its compiled conditions and its state. Everything is event time; the same panes give the same firings."""

    def __init__(self, rule: Rule, pane_us: int, *, gated: bool = True) -> None:
        """Without gates (`detect.explain`) the rows of everybody are kept and judged, which only a few addresses can be given."""
        self.rule = rule
        match = rule.match
        self._matching = Matching(rule)
        self._measures = [_CompiledMeasure(m, match.window_secs) for m in rule.measures.values() if not m.of]
        self._histories = [(m.name, m.of, History(m.history_secs, m.season)) for m in rule.measures.values() if m.of]
        self.seat = Seat(rule.program) if rule.program else None
        self._raises: list[tuple[Raise, Condition]] = [(each, compile_groups(each.when)) for each in rule.raises]
        usable = frozenset(m.name for m in rule.measures.values() if m.function in LINEAR | COUNTED)
        self.bounds = alternatives([each.when for each in rule.raises], usable)
        self._gated = [m for m in self._measures if any(m.name in gate for gate in self.bounds)]
        # What is usual for a group must be known of the quiet hours too, so a rule that asks for it keeps the rows of all.
        gates = self.bounds if gated and not self._histories else ()
        conversation = match.on == "conversation"
        # What the other side started may weigh in a judgement, as answers do, but it is no evidence against ours.
        mixed = not conversation or "initiator" not in implied(match.where)
        self._evidence = EVIDENCE_COLUMNS + (CONVERSATION_COLUMNS if conversation else ()) + (("ours",) if mixed else ())
        self._pane_us = pane_us
        # The two directions of one flow come as two records, maybe in two panes: judge what was sent only when what came back can be known.
        self.wait_us = 0 if conversation or not _reads_answers(rule) else match.grace_secs * SECOND
        sums = {m.name: match.window_secs if m.function == "rate" else 1.0 for m in rule.measures.values() if m.function in LINEAR}
        distinct = frozenset(m.name for m in self._measures if m.distinct)
        self.window = Window(match.window_secs * SECOND, pane_us, gates, self._evidence, wait_us=self.wait_us, sums=sums, distinct=distinct)
        short = match.window_secs * SECOND <= 2 * pane_us
        self._hot = Hot(gates, self.wait_us, self._gate_values, self.groups) if self.wait_us and gates and short else None
        self.looks_back = self._hot is not None
        self.floor: Floor = (floor(rule, self.bounds) if self.looks_back else None) or Floor(0.0)
        self._one_each = all(key.column in {"own", "src"} for key in match.per)  # no more groups than addresses
        self._sampled = rule.sampled.use == "lower_bound"
        self.tacit = self._matching.tacit
        self._next_us = 0
        self._step_us = match.step_secs * SECOND

    @property
    def waits(self) -> bool:
        """Whether a judgement is due soon even when nothing more comes."""
        return self.window.unjudged and self._step_us <= PROMPT_US

    def add(self, view: View, end_us: int, slots: int, fired: Array) -> Columns:
        """Take the rows of a pane that the rule matches; those of groups in `fired` (sorted) are given back, with their evidence."""
        at = self._matching.rows(view)
        return self._keep(*self._hopeful(view, at, slots), view, end_us, slots, fired) if len(at) else {}

    def turn(self, turn: Turn, end_us: int, slots: int, fired: Array) -> Columns:
        """The same for a rule that `looks_back`: of the pane before the one that has just closed."""
        assert self._hot is not None  # noqa: S101  only such rules are asked
        now, before = self._held_of(turn.now, end_us), self._held_of(turn.before, turn.before_us)
        wanted = self._hot.turn(now, before)
        if wanted is None or not len(wanted.at):
            return {}
        return self._keep(wanted.at, wanted.group, wanted.view, wanted.end_us, slots, fired)

    def _held_of(self, view: View | None, end_us: int) -> Held | None:
        if view is None:
            return None
        at = self._matching.rows(view)
        return Held(view, at, end_us) if len(at) else None

    def _gate_values(self, view: View, at: Index) -> Mapping[str, Array]:
        picked = Picked(view, at)
        return {m.name: m.gate_value(picked, sampled=self._sampled) for m in self._gated}

    def _hopeful(self, view: View, at: Index, slots: int) -> tuple[Index, U64]:
        """The rows of slots that bring their share of a bound, and of them those of groups that do, where an address has several; and the group of each."""
        share = self.window.share
        if share is None:
            return at, self.groups(view, at)
        weight = view["weight"].take(at)
        values = {name: value * weight for name, value in self._gate_values(view, at).items()}
        enough = self.window.enough(view["slot"].take(at), values, share, slots)
        if not enough.all():
            at, values = at[enough], {name: value[enough] for name, value in values.items()}
        group = self.groups(view, at) if len(at) else NONE
        if self._one_each or not len(at):
            return at, group
        brings = bringing(group, values, self.window.gates, share)
        return (at, group) if brings.all() else (at[brings], group[brings])

    def _keep(self, at: Index, group: U64, view: View, end_us: int, slots: int, fired: Array) -> Columns:
        if not len(at):  # nobody brings enough
            return {}
        if self.seat:
            picked = Picked(view, at)
            self.window.choice.shed_rows += self.seat.note({"group": group, "start_us": picked["start_us"], "weight": picked["weight"]})
        heard = self._heard(at, group, view, end_us)
        if heard is not None:
            at, group = at[heard], group[heard]
        picked = Picked(view, at)
        rows: Columns = {"at": at, "slot": picked["slot"], "weight": picked["weight"], "group": group}
        rows["chance"], rows["reach"] = picked.shared("chance", _chance), np.broadcast_to(ALL, at.shape)
        for m in self._measures:
            if m.name in self.window.sums:
                m.columns(picked, rows, sampled=self._sampled)
        held = self._held(rows, view, fired)
        chosen = self.window.chosen(rows, fired)
        self.window.add(end_us, self._measured(Picked(view, chosen["at"])) | chosen, Source(view, self.rule.identity), slots)
        return held

    def _heard(self, at: Index, group: U64, view: View, end_us: int) -> Mask | None:
        """Which to look at further of more rows than a pane may bring, where most are known to be of groups that bring nothing towards a bound; None: all."""
        if len(at) <= PANE_ROWS or not self.window.choice.mostly_quiet:
            return None
        weight = view["weight"].take(at)
        values = {name: value * weight for name, value in self._gate_values(view, at).items()}
        return self.window.choice.heard(group, weight, values, end_us)

    def _measured(self, picked: Picked) -> Columns:
        """What must be kept of some rows of a view to judge them later, but for what it took to choose them."""
        rows = {name: picked[name] for name in ("sampling_rate", "packets", "start_us", "end_us", "level")}
        if self.wait_us:
            rows["back"] = ~picked.stored("outbound")
        for m in self._measures:
            if m.name not in self.window.sums:
                m.columns(picked, rows, sampled=self._sampled)
        return rows | (self.seat.columns(picked) if self.seat else {})

    def groups(self, view: View, at: Index) -> U64:
        """Hash the group of some rows of a view."""
        per = self.rule.match.per
        return Picked(view, at).shared(f"group {', '.join(key.text for key in per)}", lambda v: keys.hashes(per, v, ours=True))

    def _held(self, rows: Columns, view: View, fired: Array) -> Columns:
        mine = among(rows["group"], fired)
        if not mine.any():
            return {}
        source = Source(Picked(view, rows["at"][mine]), self.rule.identity)
        return {"group": rows["group"][mine], "weight": rows["weight"][mine]} | {name: source[name] for name in self._evidence}

    def fire(self, end_us: int, *, last: bool = False) -> list[Firing]:
        """Judge the groups that had rows since the last judgement, at most once a step. With `last` also what still waits for answers."""
        found: dict[int, Firing] = {}
        for weighed in self.weighed(end_us, last=last):
            for firing in self._judge(weighed):
                known = found.get(firing.group)
                if known is None or firing.rank > known.rank:
                    found[firing.group] = firing
        return list(found.values())

    def weighed(self, end_us: int, *, last: bool = False) -> Iterator[Weighed]:
        """What a judgement looks at: the groups that had rows since the last one, with their measures."""
        if end_us < self._next_us and not last:
            return
        self._next_us = end_us - end_us % self._step_us + self._step_us
        for _, _, history in self._histories:
            history.begin(end_us)
        waited = end_us - self.wait_us
        for at_us in range(waited, end_us + 1, self._pane_us) if last else (waited,):
            slots = self.window.candidates(at_us)
            rows = self.window.rows_of(slots, at_us) if len(slots) else {}
            if rows:
                weighed = self.weigh(at_us, rows)
                self._remember(weighed)
                yield weighed

    def window_rows(self, firings: list[Firing], end_us: int) -> Columns:
        """The rows in the window of the groups of some firings."""
        slots = np.sort(np.array([f.slot for f in firings], np.int32))
        rows = self.window.evidence_of(slots[starts_of(slots)], end_us)
        wanted = np.isin(rows["group"], np.array([f.group for f in firings], np.uint64))
        return {name: rows[name][wanted] for name in ("group", "weight", *self._evidence)}

    def weigh(self, end_us: int, rows: Columns) -> Weighed:
        """Bring rows of the window together by group and measure each."""
        order = order_of(rows["group"])
        rows = r.take(rows, order)
        starts = starts_of(rows["group"])
        number = np.repeat(np.arange(len(starts)), np.diff(np.append(starts, len(order))))
        groups = Groups(starts, number, rows["weight"])
        values = {m.name: m.over(rows, groups) for m in self._measures}
        fair = _fair(rows, groups)
        if fair is not None:
            values |= self._in_proportion(rows, groups, fair, values)
        values["span_minutes"] = self._span_minutes(rows, groups)
        if self.seat:
            values |= self.seat.over(rows, groups)
        for name, _, history in self._histories:
            values[name] = history.usual(rows["group"][starts], end_us)
        return Weighed(end_us, rows, groups, values)

    def _remember(self, weighed: Weighed) -> None:
        group = weighed.rows["group"][weighed.groups.starts]
        for _, of, history in self._histories:
            self.window.choice.shed_rows += history.note(group, weighed.values[of], weighed.end_us)

    def _in_proportion(self, rows: Columns, groups: Groups, fair: Mask, values: Mapping[str, F64]) -> dict[str, F64]:
        """Different values as they stand to each other among the rows that are fair, and together as many as are proved: none more than was counted."""
        told = {m.name: m.over(rows, groups, fair) for m in self._measures if m.distinct}
        many = [np.where(count > 0, values[name] / np.maximum(count, 1), np.inf) for name, count in told.items()]
        scale = np.minimum.reduce(many) if many else np.ones(groups.count)
        return {name: count * np.where(np.isinf(scale), 0.0, scale) for name, count in told.items()}

    def _judge(self, weighed: Weighed) -> Iterator[Firing]:
        if self.seat and self.seat.lost:
            return
        rows, values = weighed.rows, weighed.values
        known = self.window.choice.known(rows["group"][weighed.groups.starts], weighed.groups.total(weighed.groups.weight))
        best = np.full(weighed.groups.count, -1)
        for n, (_, holds) in enumerate(self._raises):
            # Raises stand from the mildest to the gravest; the last that holds counts.
            best[holds(values) & self._usual_is_known(n, values)] = n
        for g in np.flatnonzero(known & (best >= 0)).tolist():
            first = weighed.groups.starts[g]
            reason = self._raises[best[g]][0]
            yield Firing(int(rows["group"][first]), int(rows["slot"][first]), reason, {name: float(v[g]) for name, v in values.items() if not np.isnan(v[g])})

    def _usual_is_known(self, n: int, values: Mapping[str, F64]) -> Mask | bool:
        """Of which groups all baselines are known that a raise names: `not servers < 5 * usual` holds of no number as well."""
        named = names(self._raises[n][0].when)
        unknown = [np.isnan(values[name]) for name, _, _ in self._histories if name in named]
        return ~np.logical_or.reduce(unknown) if unknown else True

    def _span_minutes(self, rows: Columns, groups: Groups) -> F64:
        step = rows["block_us"] // self._step_us if self._step_us else rows["block_us"]
        low = np.minimum.reduceat(step, groups.starts)
        high = np.maximum.reduceat(step, groups.starts)
        return (high - low + 1) * (self._step_us / SECOND / 60)


def _chance(view: View) -> Array:
    """A number a row that decides which rows stay when there are too many, the same in every run; rows that share it are alike.

    Ends and start alone do not tell the samples of one datagram apart, and which of them stays would be a matter of arrival.
    """
    whole, at = (view.whole, view.at) if isinstance(view, Picked) else (view, None)
    columns = [whole[name] for name in ("peer_hi", "peer_lo", "own_port", "peer_port", "start_us", "end_us", "bytes", "frame")]
    return mix(*columns) if at is None else mix_at(at, *columns)


def _reads_answers(rule: Rule) -> bool:
    return any("inbound" in names(m.where) for m in rule.measures.values())


class _CompiledMeasure:
    """A measure as columns of a block (`mask`, `value`) and as a function over groups."""

    def __init__(self, measure: Measure, window_secs: int) -> None:
        self.name = measure.name
        self._window_secs = window_secs
        self._measure = measure
        self._where = compile_rows(measure.where)
        self._condition = compile_rows(measure.value) if measure.function == "share" and measure.value else None
        self._value = compile_values(measure.value) if measure.value and measure.function != "share" else None
        self._mask = f"{measure.name}?"
        # Measures that tell the same apart (failed and all of distinct(dst)) keep it once; sums are scaled each for itself (`thinning`).
        self._column = f"={', '.join(key.text for key in measure.keys)}" if measure.keys else f"{measure.name}="

    def columns(self, picked: Picked, rows: Columns, *, sampled: bool) -> None:
        """Put into `rows` what must be kept of each to compute the measure later."""
        rows[self._mask] = self._holds(picked)
        function = self._measure.function
        if self._value:
            rows[self._column] = self._number(picked, sampled=sampled and function in LINEAR)
        elif self._condition:
            rows[self._column] = self._condition(picked)
        elif self._measure.keys and self._column not in rows:
            rows[self._column] = picked.shared(self._column, lambda v: keys.hashes(self._measure.keys, v))

    def _holds(self, picked: View) -> Mask:
        return self._where(picked) if self._where else np.broadcast_to(np.True_, (picked.rows,))

    def _number(self, picked: View, *, sampled: bool) -> F64:
        assert self._value is not None  # noqa: S101  only measures of a quantity come here
        value: F64 = np.broadcast_to(np.asarray(self._value(picked), np.float64), (picked.rows,))
        inside = self._inside(picked) if self._measure.function in LINEAR else None
        if inside is not None:
            # In steps of 1/1024, so that sums are exact and do not depend on the order of rows.
            value = np.floor(value * inside * 1024) / 1024
        return value * np.maximum(picked["sampling_rate"], 1) if sampled else value

    def _inside(self, picked: View) -> F64 | None:
        """A record longer than the window brings only the part that fits: a 22-hour flow exported at once is no burst. None: all fit."""
        if picked.longest_secs <= self._window_secs:
            return None
        duration = picked["duration"]
        return np.where(duration > self._window_secs, self._window_secs / np.maximum(duration, 1e-9), 1.0)

    def gate_value(self, picked: View, *, sampled: bool) -> F64 | Mask:
        """What each row adds at most to the measure, for the totals by slot; of what is counted, whether it does."""
        mask = self._holds(picked)
        if self._measure.function in COUNTED:
            return mask
        value = mask * self._number(picked, sampled=sampled)
        return value / self._window_secs if self._measure.function == "rate" else value

    @property
    def distinct(self) -> bool:
        """Whether it counts different values."""
        return self._measure.function == "distinct"

    def over(self, rows: Columns, groups: Groups, among: Mask | None = None) -> F64:
        """The measure of every group, `among` some of its rows (None: all)."""
        m, mask = self._measure, rows[self._mask]
        if among is not None:
            mask = mask & among
        if m.function in LINEAR:
            return self._linear(rows, groups, mask, rows[self._column])
        if m.function == "count":
            return _proved(rows, groups, mask, measures.count(groups, mask))
        if m.function == "concurrent":
            return _proved(rows, groups, mask, measures.concurrent(groups, mask, rows["start_us"], rows["end_us"]))
        return OVER_VALUES[m.function](groups, mask, rows[self._column], m)

    def _linear(self, rows: Columns, groups: Groups, mask: np.ndarray, value: F64) -> F64:
        total = _proved(rows, groups, mask, measures.total(groups, mask, value))
        if (rows["sampling_rate"] > 1).any():
            # Judge what the sample proves: the bound on the packets seen, carried over to whatever is summed (detection.md 1.5).
            seen = measures.total(groups, mask, rows["packets"].astype(np.float64))
            sampled = np.maximum.reduceat(rows["sampling_rate"], groups.starts) > 1
            total = np.where(sampled, total * measures.lower_bound(seen) / np.maximum(seen, 1), total)
        return total / self._window_secs if self._measure.function == "rate" else total


def _fair(rows: Columns, groups: Groups) -> Mask | None:
    """Which rows of a group would all be there had each been thinned as its most thinned ones were; None: all.

    Ten of a thousand hosts that answered, kept for all of them, beside fifty that did not and were not thinned yet, are no proof of a search.
    """
    reach = rows["reach"]
    if r.constant(reach) or bool((reach == ALL).all()):
        return None
    fair: Mask = rows["chance"] <= np.minimum.reduceat(reach, groups.starts)[groups.number]
    return fair


def _proved(rows: Columns, groups: Groups, mask: Mask, total: F64) -> F64:
    """What is proved of a total when a busy address is followed by sample (`windows.levels`): one conversation that stands for 256 proves nothing."""
    level = rows["level"]
    if not level.any():
        return total
    followed = measures.total(groups, mask, np.exp2(-level.astype(np.float64)))
    sampled = np.maximum.reduceat(level, groups.starts) > 0
    return np.where(sampled, total * measures.lower_bound(followed) / np.maximum(followed, 1), total)
