"""What a rule must not be although every line of it is right (errors), and what its author will regret (warnings)."""

from collections.abc import Callable, Collection, Iterator
from typing import NamedTuple

from abusewatch.detect import gate
from abusewatch.detect.expression import Logic, Node, names
from abusewatch.detect.literals import suggestion
from abusewatch.detect.rule import Rule


class Remark(NamedTuple):
    """Something lint has to say, at a key of the file."""

    path: str
    message: str
    hint: str = ""


_OPPOSITES = (("outbound", "inbound"), ("inbound", "outbound"))

Check = Callable[[Rule, Collection[str]], Iterator[Remark]]


def errors(rule: Rule, known: Collection[str]) -> list[Remark]:
    """List what keeps a rule from running; `known` are the ids of all rules."""
    return [remark for check in ERRORS for remark in check(rule, known)]


def warnings(rule: Rule, known: Collection[str]) -> list[Remark]:
    """List what may stand, but should not."""
    return [remark for check in WARNINGS for remark in check(rule, known)]


def _who_started(rule: Rule, _: Collection[str]) -> Iterator[Remark]:
    """Refuse to charge a server for everybody who scans it: its refusals look like its own failures."""
    if rule.match.on == "conversation" and not _says_who_started(rule.match.where):
        yield Remark("match.where", "a rule on conversations must say who started them", "add: initiator and ...")


def _says_who_started(where: Node | None) -> bool:
    """Tell whether every way through a condition settles `initiator`, be it one way or the other."""
    if isinstance(where, Logic):
        return (any if where.op == "and" else all)(_says_who_started(part) for part in where.parts)
    return "initiator" in gate.implied(where)


def _our_side(rule: Rule, _: Collection[str]) -> Iterator[Remark]:
    """Refuse a group that does not hold our end: a finding is charged to a customer."""
    keys = {key.column for key in rule.match.per if key.v4_bits is None}
    fixed = gate.implied(rule.match.where)
    ours = {"own", "input_if"}
    if rule.match.on == "conversation" and "initiator" in fixed:
        ours.add("src" if fixed["initiator"] else "dst")
    if rule.match.on == "record":
        ours |= {column for column, direction in (("src", "outbound"), ("dst", "inbound")) if fixed.get(direction)}
    if not keys & ours:
        yield Remark(
            "match.per", "per names nobody of ours", "add own, or src with a where that implies outbound or initiator"
        )
    elif rule.identity and not {key.column for key in rule.identity} & ours:
        yield Remark("identity", "identity names nobody of ours", f"add one of {', '.join(sorted(keys & ours))}")


def _sampled_rule(rule: Rule, known: Collection[str]) -> Iterator[Remark]:
    use = rule.sampled
    if use.use != "rule":
        return
    if use.rule == rule.id:
        yield Remark("sampled.use", "a rule cannot stand in for itself", "none, lower_bound or distinct")
    elif use.rule not in known:
        hint = suggestion(use.rule, tuple(known))
        yield Remark(
            "sampled.use", f"there is no rule {use.rule!r}", hint or "none, lower_bound, distinct, or a rule's id"
        )


def _distinct_only(rule: Rule, _: Collection[str]) -> Iterator[Remark]:
    """Refuse what has no meaning: under sampling only a distinct count is a lower bound as it stands."""
    if rule.sampled.use == "distinct" and not any(measure.function == "distinct" for measure in rule.measures.values()):
        yield Remark("sampled.use", "no measure of the rule is a distinct()", "none or lower_bound")


def _threshold_reason(rule: Rule, _: Collection[str]) -> Iterator[Remark]:
    for number, entry in enumerate(rule.raises):
        if not entry.because:
            yield Remark(f"raise.{number}", "a threshold without a reason", 'because = "..."')


def _lookalikes(rule: Rule, _: Collection[str]) -> Iterator[Remark]:
    if not rule.exempt.lookalikes:
        yield Remark("except.lookalikes", "no look-alikes: what harmless thing resembles this?", 'lookalikes = ["..."]')


def _both_ways(rule: Rule, _: Collection[str]) -> Iterator[Remark]:
    expected = {case.expect for case in rule.tests}
    if "finding" not in expected:
        yield Remark("test", "no test in which the rule fires", "[[test]] capture = ...")
    if "nothing" not in expected:
        yield Remark("test", "no test in which the rule must stay silent", '[[test]] capture = ..., expect = "nothing"')


def _unused(rule: Rule, _: Collection[str]) -> Iterator[Remark]:
    used = {name for entry in rule.raises for name in names(entry.when)} | {
        measure.of for measure in rule.measures.values()
    }
    for name in rule.measures:
        if name not in used and rule.detector is None:
            yield Remark(f"measure.{name}", f"no condition uses {name}")


def _never(rule: Rule, _: Collection[str]) -> Iterator[Remark]:
    """Warn of a measure whose rows the rule's own filter keeps out."""
    fixed = gate.implied(rule.match.where)
    fixed |= {other: False for one, other in _OPPOSITES if fixed.get(one)}
    for name, measure in rule.measures.items():
        for column, value in gate.implied(measure.where).items():
            if fixed.get(column, value) != value:
                yield Remark(
                    f"measure.{name}",
                    f"always 0: match.where lets no row through in which {column} is {str(value).lower()}",
                )


def _gated(when: Node) -> bool:
    if isinstance(when, Logic):
        return (any if when.op == "and" else all)(_gated(part) for part in when.parts)
    return any(bound > 0 for bound in gate.necessary(when).values())


def _no_gate(rule: Rule, _: Collection[str]) -> Iterator[Remark]:
    for number, entry in enumerate(rule.raises):
        if not _gated(entry.when):
            yield Remark(
                f"raise.{number}.when",
                "some way to fulfil this needs no measure to reach a number: every group is computed",
                "add: and sessions >= 20",
            )


ERRORS: tuple[Check, ...] = (_who_started, _our_side, _sampled_rule, _distinct_only)
WARNINGS: tuple[Check, ...] = (_threshold_reason, _lookalikes, _both_ways, _unused, _never, _no_gate)
