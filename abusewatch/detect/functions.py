"""The functions of the language: what a measure computes over the rows of a group, what a condition asks of a row.

A measure whose `where` matched no row is 0. docs/rule-language.md is held to these tables by a test.
"""

from typing import Literal, NamedTuple

from abusewatch.detect import units
from abusewatch.detect.units import Unit

Parameter = Literal["condition", "number", "tolerance", "percent", "key", "duration", "measure", "season"]
Result = Literal["plain", "same", "per_second"]


class Function(NamedTuple):
    """A measure function: `parameters` in order, the last one repeats when `more`; `result` is what unit comes out.

    `never_zero`: over all rows of a group (no `where`) it is at least 1, or at least what its argument is at least.
    """

    parameters: tuple[Parameter, ...]
    result: Result
    never_zero: bool
    usage: str
    says: str
    more: bool = False


MEASURES: dict[str, Function] = {
    "count": Function((), "plain", never_zero=True, usage="count()", says="rows"),
    "sum": Function(("number",), "same", never_zero=True, usage="sum(bytes)", says="total"),
    "rate": Function(
        ("number",),
        "per_second",
        never_zero=False,
        usage="rate(bits)",
        says="total divided by the seconds of the window",
    ),
    "distinct": Function(
        ("key",),
        "plain",
        never_zero=True,
        usage="distinct(dst, dst_port)",
        says="different values, or different tuples of values",
        more=True,
    ),
    "share": Function(
        ("condition",),
        "plain",
        never_zero=False,
        usage="share(bytes / packets < 400)",
        says="part of the rows that fulfil a condition, 0 to 1",
    ),
    "top_share": Function(
        ("key",),
        "plain",
        never_zero=False,
        usage="top_share(dst_port)",
        says="part of the rows that hold the most frequent value, 0 to 1",
    ),
    "share_within": Function(
        ("number", "tolerance"),
        "plain",
        never_zero=False,
        usage="share_within(packets, 3 + 15%)",
        says="part of the rows that lie around the median, within a number plus a part of the median, 0 to 1",
    ),
    "median": Function(
        ("number",), "same", never_zero=True, usage="median(packets)", says="middle value (the lower of two)"
    ),
    "percentile": Function(
        ("number", "percent"),
        "same",
        never_zero=True,
        usage="percentile(bytes, 95)",
        says="smallest value that so many percent of the rows do not exceed",
    ),
    "min": Function(("number",), "same", never_zero=True, usage="min(packets)", says="smallest value"),
    "max": Function(("number",), "same", never_zero=True, usage="max(packets)", says="greatest value"),
    "concurrent": Function((), "plain", never_zero=False, usage="concurrent()", says="most rows open at one time"),
    "baseline": Function(
        ("measure", "duration", "season"),
        "same",
        never_zero=False,
        usage="baseline(servers, 14d, same_hour)",
        says="what another measure of the rule usually is for this group",
    ),
}

SEASONS = ("any_hour", "same_hour", "same_hour_of_week")

FLAG_TESTS: dict[str, tuple[str, str, str]] = {
    "flag": ("flags", "flag(syn, ack)", "all the named TCP flags are set in `flags`"),
    "reply_flag": ("reply_flags", "reply_flag(rst)", "all the named TCP flags are set in `reply_flags`"),
    "flags_are": (
        "flags",
        "flags_are(syn)",
        "exactly the named TCP flags are set, ECE and CWR aside; `flags = S` says the same",
    ),
    "reply_flags_are": ("reply_flags", "reply_flags_are(rst, ack)", "the same for `reply_flags`"),
}
"""Tests of one row: function -> column, usage, meaning."""

EXTREMES = {"max": "max(x, 1)", "min": "min(x, 100)"}
"""The greatest or smallest of two or more numbers, in any condition; `max(x, 1)` makes a divisor safe."""


def result_unit(result: Result, unit: Unit) -> Unit:
    """Work out the unit that a measure has, from its first argument's."""
    if result == "plain":
        return units.PLAIN
    return unit if result == "same" else units.times(unit, units.SECONDS, -1)
