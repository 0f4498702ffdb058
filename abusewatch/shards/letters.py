"""What a shard is told at its birth and turn by turn, and what it answers: MessagePack, and never a pickle, so that nothing that is read can do anything.

Rules are trees of frozen dataclasses of this program. They are written with the names of their classes and read by a closed list of these.
"""

from collections.abc import Mapping, Sequence
from dataclasses import fields, is_dataclass
from functools import partial
from ipaddress import ip_network
from typing import Any

import msgspec

from abusewatch.detect import expression, rule, units
from abusewatch.detect.coded import programs
from abusewatch.detect.coded.detector import Gauge, Program
from abusewatch.detect.coded.worker import Worker
from abusewatch.detect.explain import Account
from abusewatch.detect.rule import Rule
from abusewatch.inventory import Inventory
from abusewatch.model.customer import Customer
from abusewatch.model.finding import Detection
from abusewatch.shards.memory import Layout
from abusewatch.shards.share import Faults

CLASSES: Mapping[str, type[Any]] = {
    cls.__name__: cls
    for module in (expression, rule, units)
    for cls in vars(module).values()
    if isinstance(cls, type) and is_dataclass(cls)
}
CODES = {code.name: code for code in vars(units).values() if isinstance(code, units.Code)}


class Birth(msgspec.Struct, tag=True, frozen=True):
    """All that a shard knows beside its rows."""

    rules: bytes
    customers: tuple[Customer, ...]
    own: tuple[str, ...]
    ports: dict[str, str]
    pane_us: int


class Turn(msgspec.Struct, tag=True, frozen=True):
    """A pane, or what a shard has of it; its columns lie in the memory file that comes along, unless there is nothing to lie there.

    `behind` names the customers behind interfaces, by exporter and interface, when more are known than before.
    """

    end_us: int
    last: bool
    part: bool
    slots: int
    behind: dict[int, str] | None = None
    layout: Layout = Layout()


class Question(msgspec.Struct, tag=True, frozen=True):
    """Asks how a rule stands towards an address."""

    rule: str
    offender: str
    slot: int


class Told(msgspec.Struct, tag=True, frozen=True):
    """What came of a turn. The `coverage` of a finding is the number of its question in `asked` (exporters, first, last): only the parent can answer those."""

    found: list[Detection]
    asked: list[tuple[tuple[int, ...], int, int]]
    waits: bool
    shed: dict[str, int]
    faults: Faults


class Stands(msgspec.Struct, tag=True, frozen=True):
    """The answer to a question."""

    account: Account


def birth(rules: Sequence[Rule], inventory: Inventory, pane_us: int) -> Birth:
    """Write the first letter."""
    written = msgspec.msgpack.encode([_told(each) for each in rules])
    return Birth(written, inventory.customers, inventory.prefixes, inventory.ports, pane_us)


def rules_of(letter: Birth) -> tuple[Rule, ...]:
    """Read the rules."""
    return tuple(_read(each) for each in msgspec.msgpack.decode(letter.rules))


def inventory_of(letter: Birth) -> Inventory:
    """Read whose addresses are ours."""
    return Inventory(letter.customers, own=[ip_network(prefix) for prefix in letter.own], ports=letter.ports)


def _told(value: Any) -> Any:
    if isinstance(value, Program):
        gauges = [(name, gauge.unit, gauge.says) for name, gauge in value.measures.items()]
        place = value.start.args[1] if isinstance(value.start, partial) else ""
        return {"program": [value.name, value.on, list(value.columns), gauges, place]}
    if isinstance(value, units.Code):
        return {"code": value.name}
    if is_dataclass(value):
        return {"class": type(value).__name__, "has": [_told(getattr(value, field.name)) for field in fields(value)]}
    if isinstance(value, Mapping):
        return {"items": [(key, _told(each)) for key, each in value.items()]}
    return [_told(each) for each in value] if isinstance(value, tuple) else value


def _read(value: Any) -> Any:
    if isinstance(value, list):
        return tuple(_read(each) for each in value)
    if not isinstance(value, dict):
        return value
    if "program" in value:
        return _program(*value["program"])
    if "code" in value:
        return CODES[value["code"]]
    if "items" in value:
        return {key: _read(each) for key, each in value["items"]}
    return CLASSES[value["class"]](*map(_read, value["has"]))


def _program(name: str, on: str, columns: list[str], gauges: list[tuple[str, str, str]], place: str) -> Program:
    if not place:
        return programs.shipped()[name]
    return Program(
        name, on, tuple(columns), {key: Gauge(unit, says) for key, unit, says in gauges}, partial(Worker, name, place)
    )
