"""Packages of others, made for one test: a module with a detector, installed under the entry point, and a rule that names it."""

import tomllib

import numpy as np

from abusewatch.detect.coded.programs import named
from abusewatch.detect.faults import Page
from abusewatch.detect.read import read

GOOD = """
import numpy as np

class D:
    on = "conversation"
    columns = ("packets", "start_us", "dst")
    measures = {"n": ("plain", "rows")}

    def measure(self, rows, starts):
        %s
        return {"n": np.add.reduceat(np.ones(len(rows["packets"])), starts)}
"""

RULE = """
id = "acme"
title = "Rows, counted by somebody else"
kind = "address_scan"
status = "stable"
confidence = 0.5
detector = "acme"
[match]
on = "conversation"
where = "initiator"
per = ["src"]
window = "1m"
step = "5s"
[[raise]]
severity = "low"
when = "n >= 5"
because = "five"
[evidence]
operator = ["src"]
customer = ["src"]
[except]
lookalikes = ["everything"]
"""

ROWS = {"packets": np.arange(10, dtype=np.uint64), "start_us": np.arange(10), "dst": np.arange(10, dtype=np.uint64), "weight": np.ones(10)}
STARTS = np.array([0, 4])


def install(folder, monkeypatch, source=None, *, line="pass", name="acme"):
    """A package with one detector, where this process finds packages."""
    (folder / f"{name}.py").write_text(source or GOOD % line)
    about = folder / f"{name}-1.0.dist-info"
    about.mkdir()
    (about / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n")
    (about / "entry_points.txt").write_text(f"[abusewatch.detectors]\n{name} = {name}:D\n")
    monkeypatch.syspath_prepend(str(folder))


def program(folder, monkeypatch, **how):
    install(folder, monkeypatch, **how)
    faults = []
    found = named(["acme"], faults)
    assert faults == []
    return found["acme"]


def rule(programs):
    page = Page("acme.toml", RULE)
    made = read(page, tomllib.loads(RULE), "acme", (), programs)
    assert made, page.faults
    return made
