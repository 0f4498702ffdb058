"""captures/NAME/: a capture with the answer beside it (expect.toml), and whether a rule gives that answer."""

import ipaddress
import tomllib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import msgspec

from abusewatch.cli.inputs import Inputs
from abusewatch.cli.judge import judge, taken
from abusewatch.detect.rule import Case, Rule
from abusewatch.inventory import Inventory
from abusewatch.model.customer import Customer
from abusewatch.model.finding import Finding


class CaptureError(ValueError):
    """The folder of a capture cannot be used."""


class Expected(msgspec.Struct, frozen=True):
    """One finding that must be there. Only what is given is compared."""

    rule: str
    kind: str | None = None
    offender: str | None = None
    customer: str | None = None
    target_ports: tuple[int, ...] = ()
    min_targets: int = 0
    basis: str | None = None


class Expectation(msgspec.Struct, frozen=True):
    """expect.toml: whose network it is, and what must be found in it."""

    own: tuple[str, ...]
    packets: int = 0
    customer: tuple[Customer, ...] = ()
    ports: dict[str, str] = {}
    """The customer behind an interface, as in the inventory; a capture's only one is `0#0`."""
    finding: tuple[Expected, ...] = ()

    @property
    def inventory(self) -> Inventory:
        """Who is ours in this capture."""
        return Inventory(self.customer, own=tuple(ipaddress.ip_network(prefix) for prefix in self.own), ports=self.ports)


def expectation(folder: Path) -> Expectation:
    """Read the answer beside a capture; CaptureError when it cannot be used."""
    try:
        data: dict[str, Any] = tomllib.loads((folder / "expect.toml").read_text("utf-8"))
        return msgspec.convert(data, Expectation)
    except OSError as error:
        raise CaptureError(f"{error.filename}: {error.strerror}") from None
    except (tomllib.TOMLDecodeError, msgspec.ValidationError, ValueError) as error:
        raise CaptureError(f"{folder / 'expect.toml'}: {error}") from None


def try_case(rule: Rule, case: Case, captures: Path) -> list[str]:
    """Run one rule over one of its captures; returns what is wrong, one line each, and nothing when all is right."""
    folder = captures / case.capture
    expected = expectation(folder)
    batches = taken(Inputs([str(folder / "capture.pcap")]), case.sampling)
    verdict = judge(batches, [rule], expected.inventory)
    found = [detection.finding for detection in verdict.detections]
    return amiss(rule, case, expected, found, folder)


def amiss(rule: Rule, case: Case, expected: Expectation, found: Sequence[Finding], folder: Path) -> list[str]:
    """Compare what a rule found with what it must find; one line for each difference."""
    if case.expect == "nothing":
        return [f"must find nothing, found {_words(finding)}" for finding in found]
    wanted = _meant_for(rule, case, expected.finding)
    if not wanted:
        raise CaptureError(f"{folder / 'expect.toml'}: names no finding of {rule.id}")
    missing = [f"must find {_wanted(one)}" for one in wanted if not any(matches(one, finding) for finding in found)]
    extra = [f"found {_words(f)}, not expected" for f in found if not any(matches(one, f) for one in wanted)]
    return missing + extra


def _meant_for(rule: Rule, case: Case, findings: Sequence[Expected]) -> list[Expected]:
    """Choose the findings that are this rule's; in a sample, those of its kind, by offender: numbers of the whole do not hold there."""
    if case.sampling == 1:
        return [one for one in findings if one.rule == rule.id]
    kin = [one for one in findings if one.kind == rule.kind]
    return [Expected(rule.id, rule.kind, one.offender, one.customer, one.target_ports) for one in kin]


def matches(wanted: Expected, finding: Finding) -> bool:
    """Whether a finding is the one wanted, by what was given of it."""
    named = all(
        getattr(wanted, name) in {None, getattr(finding, name)}
        for name in ("rule", "kind", "offender", "customer", "basis")
    )
    ports = set(wanted.target_ports) & set(finding.target_ports) or not wanted.target_ports
    return bool(named and ports and finding.targets >= wanted.min_targets)


def _words(finding: Finding) -> str:
    return f"{finding.rule} by {finding.offender} ({finding.targets} targets, ports {list(finding.target_ports)})"


def _wanted(wanted: Expected) -> str:
    return (
        f"{wanted.rule} by {wanted.offender} (at least {wanted.min_targets} targets, ports {list(wanted.target_ports)})"
    )
