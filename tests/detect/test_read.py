"""Values of every wrong type give faults, never exceptions."""

import copy
import tomllib
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from abusewatch.detect.coded.detector import Gauge, Program
from abusewatch.detect.faults import Page
from abusewatch.detect.read import read

SOURCE = (Path(__file__).resolve().parent.parent / "rules" / "good" / "flood-oneway.toml").read_text()
VALUES = tomllib.loads(SOURCE)


def paths(value, path=()):
    yield path
    children = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, child in children:
        yield from paths(child, (*path, key))


PATHS = [path for path in paths(VALUES) if path]
WRONG = st.one_of(
    st.none(), st.booleans(), st.integers(), st.floats(), st.text(max_size=5), st.lists(st.integers(), max_size=2),
    st.dictionaries(st.text(max_size=3), st.integers(), max_size=2), st.lists(st.dictionaries(st.text(max_size=3), st.integers()), max_size=2),
)  # fmt: skip


@given(st.sampled_from(PATHS), WRONG)
@settings(deadline=None)
def test_any_value_anywhere_gives_a_rule_or_faults(path, wrong):
    values = copy.deepcopy(VALUES)
    inner = values
    for key in path[:-1]:
        inner = inner[key]
    inner[path[-1]] = wrong
    page = Page("flood-oneway.toml", SOURCE)
    rule = read(page, values, "flood-oneway")
    assert (rule is None) == bool(page.faults)


@pytest.mark.parametrize("key", [path[0] for path in PATHS if len(path) == 1 and path[0] not in {"attack", "sets", "sampled", "except", "test"}])
def test_what_is_required(key):
    page = Page("flood-oneway.toml", SOURCE)
    assert read(page, {name: value for name, value in VALUES.items() if name != key}, "flood-oneway") is None
    assert any(key in fault.message and "missing" in fault.message for fault in page.faults)


def test_the_defaults():
    page = Page("flood-oneway.toml", SOURCE)
    values = {name: value for name, value in VALUES.items() if name not in {"attack", "sampled", "except", "test"}}
    rule = read(page, values, "flood-oneway")
    assert (rule.sampled.use, rule.match.grace_secs, rule.match.quiet_secs, rule.attack, rule.tests) == ("none", 20, 21600, (), ())
    assert rule.exempt.roles == rule.exempt.only == rule.exempt.prefixes == ()


COUNTER = Program("counter", "record", ("packets",), {"n": Gauge("plain", "rows"), "pause": Gauge("seconds", "between two")}, lambda: None)


def of_detector(**more):
    page = Page("flood-oneway.toml", SOURCE)
    values = {name: value for name, value in VALUES.items() if name not in {"measure", "raise"}} | {"detector": "counter"}
    values["raise"] = [{"severity": "low", "when": "n >= 5 and pause < 20s"}]
    return read(page, values | more, "flood-oneway", (), {"counter": COUNTER}), [fault.message for fault in page.faults]


def test_the_measures_of_a_coded_detector_are_those_of_its_rule():
    rule, faults = of_detector()
    assert faults == []
    assert (rule.detector, rule.program, rule.measures, len(rule.raises)) == ("counter", COUNTER, {}, 1)


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"detector": "caunter"}, "there is no detector 'caunter'"), ({"measure": {"n": "count()"}}, "the detector gives a measure n already"),
        ({"raise": []}, "[[raise]] is missing"), ({"raise": [{"severity": "low", "when": "m >= 5"}]}, "there is no measure 'm'"),
        ({"raise": [{"severity": "low", "when": "n >= 5s"}]}, "units do not fit: a plain number and seconds"),
        ({"match": VALUES["match"] | {"on": "conversation", "where": "initiator", "per": ["src"]}}, "the detector counter reads records"),
    ],
)  # fmt: skip
def test_what_is_wrong_with_a_rule_of_a_detector(wrong, message):
    rule, faults = of_detector(**wrong)
    assert rule is None
    assert message in faults


def test_an_xarf_type_of_its_own():
    page = Page("flood-oneway.toml", SOURCE)
    assert read(page, VALUES | {"xarf": "infrastructure/botnet"}, "flood-oneway").xarf == "infrastructure/botnet"
