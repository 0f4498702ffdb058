"""A rule file's content to a Rule, noting every fault of the file on the way (the form: docs/rule-language.md)."""

import ipaddress
import re
from collections.abc import Mapping
from collections.abc import Set as AbstractSet
from typing import Any

from abusewatch.detect import gate
from abusewatch.detect.binding import bind_key, bind_measure, bind_set
from abusewatch.detect.check import Scope
from abusewatch.detect.coded.detector import Program
from abusewatch.detect.coded.programs import shipped
from abusewatch.detect.columns import GROUP, SCHEMAS, Column
from abusewatch.detect.expression import Choices, RuleError
from abusewatch.detect.faults import Page
from abusewatch.detect.literals import suggestion
from abusewatch.detect.parse import KEYWORDS, parse
from abusewatch.detect.rule import STATUSES, Case, Evidence, Except, Key, Match, Measure, Raise, Rule, Sampled
from abusewatch.detect.table import REQUIRED, Table
from abusewatch.model.customer import ROLES
from abusewatch.model.kinds import KINDS, SEVERITIES

MAX_STEPS = 600
"""Steps a window may have: each is a pane that the engine keeps."""
OWN_SIDE = ("own", "src", "dst", "input_if")
"""Keys that can name whom a finding is charged to, best first; lint checks that the one used is ours."""

_ABOUT_ITSELF = (
    "src",
    "src_port",
    "dst_port",
    "protocol",
    "first_seen",
    "last_seen",
    "sessions",
    "flows",
    "packets",
    "bytes",
    "targets",
)
_PEAKS = ("peak_pps", "peak_bps", "outcome")
OPERATOR_FIELDS = (*_ABOUT_ITSELF, "dst", *_PEAKS)
"""What an attacked operator may see: rows about its own addresses; other targets' networks are not its business."""
CUSTOMER_FIELDS = (*_ABOUT_ITSELF, "target_prefixes", *_PEAKS)
"""What the customer may see: rows about itself, the targets only as networks."""

_WITHHELD = {
    "operator": {"target_prefixes": "an operator sees its own addresses; of the others only their number, targets"},
    "customer": {"dst": "a customer sees the networks of its targets only, target_prefixes"},
}

_ID = re.compile(r"[a-z0-9]+(-[a-z0-9]+)*")
_ATTACK = re.compile(r"T\d{4}(\.\d{3})?")
_XARF = re.compile(r"[a-z_]+/[a-z_]+")
_NAME = re.compile(r"[a-z][a-z0-9_]*")


def read(
    page: Page,
    values: dict[str, Any],
    stem: str,
    overridden: tuple[str, ...] = (),
    programs: Mapping[str, Program] | None = None,
) -> Rule | None:
    """Read the rule of a file; None when `page` has got a fault by it. `stem` is the file's name without .toml.

    `programs` are the detectors that may be named; by default those shipped.
    """
    top = Table(page, "", values)
    name = top.read("id", lambda value: _matching(value, _ID, "small letters, digits and hyphens"))
    if name is not None and name != stem:
        top.fault("id", f"the file is named {stem}.toml, the rule {name!r}", "both must be the same")
    kind = top.word("kind", KINDS)
    sets = _sets(top.table("sets", required=False))
    match = _Matching(top.table("match"), sets)
    detector = top.text("detector", None)
    program = _program(top, detector, match.on, shipped() if programs is None else programs)
    written = top.table("measure", required=detector is None)
    measures = _measures(written, match.scope)
    known = {name: Column(measure.type, measure.text) for name, measure in measures.items()}
    known |= _gauges(written, program)
    # A measure that was refused has its own fault already: conditions that name it are not judged as well.
    broken = written.values.keys() - measures.keys()
    head: dict[str, Any] = {
        "title": top.text("title"),
        "status": top.word("status", STATUSES),
        "xarf": top.read(
            "xarf", lambda value: _matching(value, _XARF, "category/type"), KINDS[kind].xarf if kind else None
        ),
        "attack": _attack(top),
        "confidence": top.fraction("confidence"),
    }
    body: dict[str, Any] = {
        "match": match.read(),
        "raises": _raises(
            top, Scope(known | GROUP, sets, "measure"), broken, required=detector is None or program is not None
        ),
        "sampled": _sampled(top.table("sampled", required=False)),
        "evidence": _evidence(top.table("evidence")),
        "exempt": _except(top.table("except", required=False)),
        "tests": _cases(top),
        "identity": _identity(top, match.per),
    }
    top.end()
    if page.faults:
        return None
    rest = {
        "detector": detector,
        "program": program,
        "sets": sets,
        "file": page.file,
        "lines": page.positions.lines(),
        "overridden": overridden,
    }
    return Rule(id=name, kind=kind, measures=measures, **head, **body, **rest)


def _program(top: Table, name: str | None, on: str | None, programs: Mapping[str, Program]) -> Program | None:
    if name is None:
        return None
    program = programs.get(name)
    if program is None:
        hint = suggestion(name, programs) or f"one of {', '.join(programs)}; those of others stand in [rules] detectors"
        top.fault("detector", f"there is no detector {name!r}", hint)
    elif on is not None and program.on != on:
        top.fault("detector", f"the detector {name} reads {program.on}s", f'[match] on = "{program.on}"')
    return program


def _gauges(written: Table, program: Program | None) -> dict[str, Column]:
    gauges = {name: Column(gauge.type, gauge.says) for name, gauge in program.measures.items()} if program else {}
    for name in gauges.keys() & written.values.keys():
        written.fault(name, f"the detector gives a measure {name} already", "choose another name")
    return gauges


def _matching(value: object, pattern: re.Pattern[str], form: str) -> str:
    if not isinstance(value, str) or not pattern.fullmatch(value) or len(value) > 64:
        raise RuleError(f"{value!r} is not of the form: {form}")
    return value


def _attack(top: Table) -> tuple[str, ...]:
    techniques: tuple[str, ...] = top.texts("attack", ())
    for technique in techniques:
        if not _ATTACK.fullmatch(technique):
            top.fault("attack", f"{technique!r} is no ATT&CK technique", "T1046, T1110.001")
    return techniques


def _sets(table: Table) -> dict[str, Choices]:
    found = {}
    for name in table.values:
        if not _NAME.fullmatch(name) or name in KEYWORDS or any(name in schema for schema in SCHEMAS.values()):
            table.fault(name, f"a set cannot be named {name!r}", "small letters, digits and _, and no column's name")
        found[name] = table.read(name, lambda value: bind_set(value if isinstance(value, list) else [value]))
    return {name: choices for name, choices in found.items() if choices is not None}


class _Matching:
    """The [match] table; its scope is known before the rest of it is read, since measures need it."""

    def __init__(self, table: Table, sets: dict[str, Choices]) -> None:
        self.table = table
        self.on = table.word("on", SCHEMAS)
        # An `on` that is wrong has its own fault: whatever is a column anywhere is then good enough.
        columns = SCHEMAS[self.on] if self.on else {**SCHEMAS["record"], **SCHEMAS["conversation"]}
        self.scope = Scope(columns, sets)
        self.per = tuple(key for entry in table.texts("per") if (key := self._key(entry)))

    def _key(self, entry: str) -> Key | None:
        key: Key | None = self.table.read("per", lambda _: bind_key(parse(entry), self.scope.columns))
        return key

    def read(self) -> Match | None:
        table = self.table
        if not self.per and "per" in table:
            table.fault("per", "per needs at least one key")
        where = table.read("where", lambda value: self.scope.condition(parse(_text(value))), None)
        window, step = table.seconds("window"), table.seconds("step")
        grace, quiet = table.seconds("grace", 20), table.seconds("quiet", 6 * 3600)
        table.end()
        if window and step is not None and (step < 1 or window % step or window // step > MAX_STEPS):
            table.fault(
                "step", f"the window must be 1 to {MAX_STEPS} whole steps", f"window is {window} s, step {step} s"
            )
        if self.on is None or window is None or step is None:
            return None
        return Match(self.on, where, table.values.get("where", ""), self.per, window, step, grace, quiet)


def _text(value: object) -> str:
    if not isinstance(value, str):
        raise RuleError("expected a text in the rule language")
    return value


def _measures(table: Table, scope: Scope) -> dict[str, Measure]:
    found: dict[str, Measure] = {}
    for name in table.values:
        if not _NAME.fullmatch(name) or name in KEYWORDS or name in GROUP:
            table.fault(
                name, f"a measure cannot be named {name!r}", "small letters, digits and _, and no word of the language"
            )
        measure = table.read(name, lambda value, name=name: bind_measure(name, _text(value), scope, found))  # type: ignore[misc]
        if measure is not None:
            found[name] = measure
    return found


def _raises(top: Table, scope: Scope, broken: AbstractSet[str], *, required: bool) -> tuple[Raise, ...]:
    tables = top.tables("raise")
    if required and not (scope.columns.keys() - GROUP.keys() or broken):
        return ()  # no measures: that fault is enough
    if required and not tables:
        top.fault("raise", "[[raise]] is missing", "a rule raises a finding when a condition over its measures holds")
    return tuple(found for table in tables if (found := _raise(table, scope, broken)))


def _raise(table: Table, scope: Scope, broken: AbstractSet[str]) -> Raise | None:
    severity, because = table.word("severity", SEVERITIES), table.text("because", "")

    def bind(value: object) -> Raise | None:
        tree = parse(_text(value))
        if any(re.search(rf"\b{re.escape(name)}\b", _text(value)) for name in broken):
            return None
        bound = scope.condition(tree)
        return Raise(severity, bound, _text(value), because, gate.necessary(bound))

    found: Raise | None = table.read("when", bind)
    table.end()
    return found


def _sampled(table: Table) -> Sampled:
    use, confidence = table.text("use", "none"), table.fraction("confidence", 0.999)
    table.end()
    if use in {"none", "lower_bound", "distinct"}:
        return Sampled(use, "", confidence)
    return Sampled("rule", use, confidence)


def _evidence(table: Table) -> Evidence:
    fields = {"operator": OPERATOR_FIELDS, "customer": CUSTOMER_FIELDS}
    missing: Any = REQUIRED if table.values else ()  # without the table one fault is enough
    lists = {audience: table.texts(audience, missing) for audience in fields}
    for audience, allowed in fields.items():
        for name in lists[audience]:
            if name in _WITHHELD[audience]:
                table.fault(audience, f"{name} never goes to the {audience}", _WITHHELD[audience][name])
            elif name not in allowed:
                hint = suggestion(name, allowed) or f"one of {', '.join(allowed)}"
                table.fault(audience, f"{name!r} is no field of evidence", hint)
    table.end()
    return Evidence(**lists)


def _except(table: Table) -> Except:
    roles, only = table.texts("roles", (), ROLES), table.texts("only", (), ROLES)
    prefixes = []
    for text in table.texts("prefixes", ()):
        try:
            prefixes.append(str(ipaddress.ip_network(text)))
        except ValueError as error:
            table.fault("prefixes", f"{text!r} is no prefix: {error}")
    lookalikes = table.texts("lookalikes", ())
    table.end()
    return Except(roles, only, tuple(prefixes), lookalikes)


def _cases(top: Table) -> tuple[Case, ...]:
    found = []
    for table in top.tables("test"):
        capture = table.read("capture", lambda value: _matching(value, _ID, "small letters, digits and hyphens"))
        expect = table.word("expect", ("finding", "nothing"), "finding")
        sampling = table.read("sampling", _one_in, 1)
        table.end()
        found.append(Case(capture, expect, sampling))
    return tuple(found)


def _one_in(value: object) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or value < 1:
        raise RuleError("sampling must be a whole number of at least 1: one packet in so many")
    return value


def _identity(top: Table, per: tuple[Key, ...]) -> tuple[Key, ...]:
    """Find the keys that make a finding of its own; by default only whom it is charged to."""
    keys = {key.text: key for key in per}
    default = next(((name,) for name in OWN_SIDE if name in keys), ())
    names = top.texts("identity", default)
    for name in names:
        if name not in keys:
            top.fault("identity", f"{name!r} is not in match.per", f"one of {', '.join(keys)}")
    return tuple(keys[name] for name in names if name in keys)
