"""Which detectors there are: those shipped, and those of others that the configuration names.

Shipped detectors are part of this program and run in its process. Whatever else an installed package offers under the entry point `abusewatch.detectors`
is not even imported until `[rules] detectors` names it, and then only in a process of its own (`worker`).
"""

import re
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from importlib import import_module
from importlib.metadata import entry_points

from abusewatch.detect.coded.detector import TIMES, UNITS, Detector, DetectorFault, Gauge, Program, Ready
from abusewatch.detect.coded.worker import Worker
from abusewatch.detect.columns import GROUP, SCHEMAS
from abusewatch.detect.literals import suggestion
from abusewatch.detect.parse import KEYWORDS

ENTRY_POINTS = "abusewatch.detectors"

SHIPPED: Mapping[str, str] = {
    "beacon": "abusewatch.detect.coded.beacon:Beacon",
    "novelty": "abusewatch.detect.coded.novelty:Novelty",
    "season": "abusewatch.detect.coded.season:Season",
    "sequential": "abusewatch.detect.coded.sequential:Sequential",
    "steady": "abusewatch.detect.coded.steady:Steady",
    "streak": "abusewatch.detect.coded.streak:Streak",
}
"""Name -> module:class."""

_NAME = re.compile(r"[a-z][a-z0-9_]*")
_DETECTOR_NAME = re.compile(r"[a-z0-9]+(-[a-z0-9]+)*")


def shipped() -> dict[str, Program]:
    """Describe the detectors of this program."""
    return {name: _shipped(name, place) for name, place in SHIPPED.items()}


def _shipped(name: str, place: str) -> Program:
    module, _, cls = place.partition(":")
    kind: Callable[[], Detector] = getattr(import_module(module), cls)
    told = kind()
    return _program(name, (told.on, told.columns, told.measures), kind)


def named(names: Sequence[str], faults: list[str]) -> dict[str, Program]:
    """Describe the shipped detectors and those of other packages that `names` lists; what is wrong with those is added to `faults`."""
    known = shipped()
    if not names:
        return known
    installed = {point.name: point.value for point in entry_points(group=ENTRY_POINTS)}
    for name in names:
        if name in SHIPPED:
            faults.append(f"rules.detectors: {name!r} is a detector of abusewatch itself; it is always there")
        elif name not in installed:
            hint = (
                suggestion(name, installed)
                or "install the package that offers it under the entry point abusewatch.detectors"
            )
            faults.append(f"rules.detectors: no installed package has a detector {name!r} ({hint})")
        else:
            start = partial(Worker, name, installed[name])
            try:
                known[name] = _program(name, start().describe(), start)
            except (DetectorFault, ValueError) as error:
                faults.append(f"rules.detectors: {name}: {error}")
    return known


def _program(
    name: str, told: tuple[str, Sequence[str], Mapping[str, Sequence[str]]], start: Callable[[], Ready]
) -> Program:
    """Check what a detector says of itself; ValueError names what is wrong."""
    on, columns, measures = told
    if not _DETECTOR_NAME.fullmatch(name):
        raise ValueError(f"a detector cannot be named {name!r}: small letters, digits and hyphens")
    if on not in SCHEMAS:
        raise ValueError(f"on is {on!r}: conversation or record")
    if unknown := [column for column in columns if column not in SCHEMAS[on] and column not in TIMES]:
        raise ValueError(f"there is no column {unknown[0]!r} on {on}s")
    gauges = {key: Gauge(unit, says) for key, (unit, says) in measures.items()}
    if bad := [key for key in gauges if not _NAME.fullmatch(key) or key in KEYWORDS or key in GROUP]:
        raise ValueError(f"a measure cannot be named {bad[0]!r}")
    if odd := [key for key, gauge in gauges.items() if gauge.unit not in UNITS]:
        raise ValueError(f"the unit of {odd[0]} is {gauges[odd[0]].unit!r}: {', '.join(UNITS)}")
    return Program(name, on, tuple(columns), gauges, start)
