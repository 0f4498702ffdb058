"""Which detectors there are, and what is said of those that cannot be."""

import sys

import pytest

from abusewatch.detect.coded.detector import REASONS
from abusewatch.detect.coded.programs import SHIPPED, named, shipped
from abusewatch.telemetry import DETECTOR_FAULTS
from tests.detect.coded.foreign import install

ABOUT = """
class D:
    on = {on!r}
    columns = {columns!r}
    measures = {measures!r}
"""


def faults_of(folder, monkeypatch, on="conversation", columns=("packets",), measures=None):
    install(folder, monkeypatch, ABOUT.format(on=on, columns=columns, measures=measures or {"n": ("plain", "rows")}))
    faults = []
    named(["acme"], faults)
    return faults


def test_the_reasons_are_those_of_the_metric():
    assert DETECTOR_FAULTS == REASONS


def test_those_shipped_are_always_there():
    assert set(shipped()) == set(SHIPPED) == set(named([], []))


def test_what_is_installed_but_not_named_is_not_even_imported(tmp_path, monkeypatch):
    install(tmp_path, monkeypatch, "raise SystemExit")
    assert "acme" not in named([], [])
    assert "acme" not in sys.modules


def test_what_is_named_is_not_imported_here(tmp_path, monkeypatch):
    assert faults_of(tmp_path, monkeypatch) == []
    assert "acme" not in sys.modules


def test_a_detector_that_nobody_has():
    faults = []
    named(["acme"], faults)
    assert faults == [
        "rules.detectors: no installed package has a detector 'acme' (install the package that offers it under the entry point abusewatch.detectors)"
    ]


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        ({"on": "packet"}, "on is 'packet': conversation or record"), ({"columns": ("payload",)}, "there is no column 'payload' on conversations"),
        ({"on": "record", "columns": ("outcome",)}, "there is no column 'outcome' on records"), ({"measures": {"span_minutes": ("plain", "")}}, "cannot be named"),
        ({"measures": {"N": ("plain", "")}}, "cannot be named"), ({"measures": {"n": ("furlong", "")}}, "the unit of n"), ({"columns": 7}, "TypeError"),
    ],
)  # fmt: skip
def test_what_a_detector_may_not_say_of_itself(tmp_path, monkeypatch, wrong, words):
    faults = faults_of(tmp_path, monkeypatch, **wrong)
    assert len(faults) == 1
    assert faults[0].startswith("rules.detectors: acme: ")
    assert words in faults[0]
