"""From the texts of a rule to its bound parts: keys, measures, sets."""

from collections.abc import Mapping
from typing import cast

from abusewatch.detect import functions, units
from abusewatch.detect.check import Scope
from abusewatch.detect.columns import Column
from abusewatch.detect.expression import Binary, Call, Choices, Item, Name, Node, Number, RuleError, text
from abusewatch.detect.functions import Function
from abusewatch.detect.history import least_secs
from abusewatch.detect.literals import suggestion
from abusewatch.detect.parse import parse_choice, parse_measure
from abusewatch.detect.rule import Key, Measure
from abusewatch.detect.units import Type


def bind_key(node: Node, columns: Mapping[str, Column]) -> Key:
    """Read a column, or `net(column, v4 bits, v6 bits)`."""
    if isinstance(node, Name):
        if node.name not in columns:
            raise RuleError(f"there is no column {node.name!r}", node.at, suggestion(node.name, columns))
        return Key(node.name, node.name)
    if not isinstance(node, Call) or node.function != "net":
        raise RuleError("expected a column or net(column, 24, 48)", node.at)
    match node.arguments:
        case (Name() as column, Number(amount=v4), Number(amount=v6)) if v4 in range(33) and v6 in range(129):
            key = bind_key(column, columns)
        case _:
            raise RuleError(
                "net() takes an address, the bits of a v4 network and those of a v6 network",
                node.at,
                "net(dst, 24, 48)",
            )
    if columns[key.column].type is not units.ADDRESS:
        raise RuleError(f"{key.column} is no address", column.at)
    return Key(text(node), key.column, int(v4), int(v6))


def bind_set(items: list[object]) -> Choices:
    """Read one set of `[sets]`: whole numbers, or texts like "1..1024", "10.0.0.0/8", "tcp"."""
    found: list[Item] = []
    for item in items:
        if isinstance(item, bool) or not isinstance(item, int | str):
            raise RuleError(
                f"{item!r} cannot be in a set", 0, "whole numbers, or texts like '1..1024', '10.0.0.0/8', 'tcp'"
            )
        found.append(parse_choice(str(item)))
    if not found:
        raise RuleError("a set needs an item")
    return Choices(tuple(found))


def bind_measure(name: str, source: str, scope: Scope, measures: Mapping[str, Measure]) -> Measure:
    """Read one measure; `measures` are those above it, which baseline() may name."""
    call, where = parse_measure(source)
    function = functions.MEASURES.get(call.function)
    if function is None:
        raise RuleError(
            f"there is no measure {call.function}()", call.at, suggestion(call.function, functions.MEASURES)
        )
    _check_arity(call, function)
    condition = None if where is None else scope.condition(where)
    parts = _Parts(scope, measures)
    repeated = function.parameters + function.parameters[-1:] * (len(call.arguments) - len(function.parameters))
    for parameter, argument in zip(repeated, call.arguments, strict=True):
        parts.take(parameter, argument)
    unit = functions.result_unit(function.result, parts.type.unit)
    counts = function.result == "plain"
    least = max(0.0, 1.0 if counts else parts.type.least) if function.never_zero and condition is None else 0.0
    return Measure(name, source, call.function, Type("number", unit, least=least), condition, **parts.found)  # type: ignore[arg-type]  # by name


def _check_arity(call: Call, function: Function) -> None:
    least, given = len(function.parameters), len(call.arguments)
    if given < least or (given > least and not function.more):
        raise RuleError(
            f"{call.function}() takes {least} argument{'s' * (least != 1)}, not {given}", call.at, function.usage
        )


class _Parts:
    """The arguments of one measure, each bound as its parameter asks."""

    def __init__(self, scope: Scope, measures: Mapping[str, Measure]) -> None:
        self.scope = scope
        self.measures = measures
        self.type = units.number()
        self.found: dict[str, object] = {}

    def take(self, parameter: str, argument: Node) -> None:
        getattr(self, f"take_{parameter}")(argument)

    def take_number(self, argument: Node) -> None:
        self.found["value"], self.type = self.scope.number(argument)

    def take_condition(self, argument: Node) -> None:
        self.found["value"] = self.scope.condition(argument)

    def take_key(self, argument: Node) -> None:
        keys = self.found.get("keys", ())
        self.found["keys"] = (*keys, bind_key(argument, self.scope.columns))  # type: ignore[misc]  # always a tuple of keys

    def take_tolerance(self, argument: Node) -> None:
        sides = (argument.left, argument.right) if isinstance(argument, Binary) and argument.op == "+" else (argument,)
        numbers = [side for side in sides if isinstance(side, Number) and side.unit in {"", "k", "M", "G", "%"}]
        parts = [number.amount for number in numbers if number.unit == "%"]
        if len(numbers) < len(sides) or len(parts) > 1 or len(numbers) - len(parts) > 1:
            raise RuleError("a tolerance is a number, a percentage of the median, or their sum", argument.at, "3 + 15%")
        self.found["tolerance"] = (sum(n.amount for n in numbers if n.unit != "%"), sum(parts))

    def take_percent(self, argument: Node) -> None:
        if not isinstance(argument, Number) or argument.unit or not 0 < argument.amount < 100:
            raise RuleError("expected a number between 0 and 100", argument.at, functions.MEASURES["percentile"].usage)
        self.found["percent"] = argument.amount

    def take_measure(self, argument: Node) -> None:
        if not isinstance(argument, Name) or argument.name not in self.measures:
            raise RuleError(
                "expected a measure of this rule, defined above", argument.at, functions.MEASURES["baseline"].usage
            )
        if self.measures[argument.name].of:
            raise RuleError("a baseline of a baseline", argument.at, functions.MEASURES["baseline"].usage)
        self.found["of"], self.type = argument.name, self.measures[argument.name].type

    def take_duration(self, argument: Node) -> None:
        if not isinstance(argument, Number) or argument.unit != "d":
            raise RuleError("expected a number of days", argument.at, functions.MEASURES["baseline"].usage)
        self.found["history_secs"] = int(argument.amount)

    def take_season(self, argument: Node) -> None:
        if not isinstance(argument, Name) or argument.name not in functions.SEASONS:
            raise RuleError("expected a season", argument.at, ", ".join(functions.SEASONS))
        least = least_secs(argument.name)
        if cast("int", self.found["history_secs"]) < least:
            raise RuleError(f"{argument.name} needs {least // 86400} days or more", argument.at, functions.MEASURES["baseline"].usage)
        self.found["season"] = argument.name
