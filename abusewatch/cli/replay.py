"""`abusewatch replay`: the daemon's engine over files. It cannot send, look up or mitigate: those objects do not exist here."""

import ipaddress
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

import click

from abusewatch import contacts, inventory
from abusewatch.cli.inputs import Inputs
from abusewatch.cli.judge import Verdict, between, judge, taken
from abusewatch.cli.options import from_option, inventory_option, own_option, rules_option, sampling_option, to_option
from abusewatch.cli.output import FINDINGS, Refused, config_option, json_option, print_json, print_lines
from abusewatch.config.assemble import SetupError, assemble, rule_set
from abusewatch.contacts import ContactsError, OperatorTable
from abusewatch.detect.rule import Rule
from abusewatch.inventory import Inventory, InventoryError
from abusewatch.model.classes import named
from abusewatch.model.finding import Detection
from abusewatch.shards.split import inseparable

DEMONSTRATION = ("your organisation", "abuse@provider.example")
"""Who writes the mails of a replay without a configuration; they never leave the disk."""


class Parts(NamedTuple):
    """What a replay runs with."""

    rules: tuple[Rule, ...]
    inventory: Inventory
    table: OperatorTable
    reporter: tuple[str, str]


@click.command()
@click.argument("files", nargs=-1, required=True, metavar="FILE...")
@own_option
@inventory_option
@rules_option
@from_option
@to_option
@sampling_option
@click.option(
    "--workers", type=click.IntRange(1, 32), default=1, help="Processes that run the rules; what is found is the same."
)
@click.option(
    "--contacts",
    "contacts_file",
    type=click.Path(path_type=Path, dir_okay=False),
    help="Operator table, CSV prefix,name,contact.",
)
@click.option(
    "--out",
    type=click.Path(path_type=Path, file_okay=False),
    help="Write report.html, findings.jsonl and mails/*.eml here.",
)
@config_option
@json_option
@click.pass_context
def replay(  # noqa: PLR0913, PLR0917  # one argument an option
    ctx: click.Context,
    files: tuple[str, ...],
    own: tuple[str, ...],
    inventory_file: Path | None,
    folder: Path | None,
    from_us: int | None,
    to_us: int | None,
    sampling: int,
    workers: int,
    contacts_file: Path | None,
    out: Path | None,
    config: Path | None,
    *,
    as_json: bool,
) -> None:
    """Say who attacked whom in captures, flow tables or captures of flow exports; `-` is stdin.

    Exit code 1 when something was found or a file is cut short, 0 when neither, 2 when the input could not be read.
    """
    parts = gathered(own, inventory_file, folder, contacts_file, config)
    inputs = Inputs(files)
    begun = time.monotonic()
    batches = taken(inputs, sampling, lambda batch: between(batch, from_us, to_us))
    if workers > 1 and (whole := inseparable(parts.rules)):
        raise Refused(f"--workers: {', '.join(whole)} brings several own addresses together, which takes one process; leave --workers out")
    verdict = judge(batches, parts.rules, parts.inventory, inputs.exporter_name, coverage=inputs.coverage, workers=workers)
    took = time.monotonic() - begun
    for detection in verdict.detections:
        if as_json:
            print_json(detection.finding)
        else:
            print_lines(in_words(detection))
    if out:
        from abusewatch.cli.cut import write_cuts  # noqa: PLC0415
        from abusewatch.cli.dossier import Reporter, write_dossier  # noqa: PLC0415  # doubles the start of a replay

        left = write_dossier(out, verdict, parts.inventory, parts.table, Reporter(*parts.reporter), ", ".join(files))
        click.echo(f"abusewatch: wrote {left.mails} mails, findings.jsonl and report.html to {out}", err=True)
        for audience, _, reason in left.blocked:
            click.echo(f"abusewatch: a mail to the {audience} was not written ({reason}); the daemon would tell the desk", err=True)
        offenders = list(dict.fromkeys(detection.finding.offender for detection in verdict.detections))
        if cuts := write_cuts(out / "captures", files, offenders):
            click.echo(f"abusewatch: wrote {cuts} capture(s) without payload, one an offender, to {out / 'captures'}", err=True)
    print_lines(_summary(verdict, took), err=True)
    inputs.report()
    ctx.exit(FINDINGS if verdict.detections or inputs.truncated else 0)


def gathered(
    own: Sequence[str],
    inventory_file: Path | None,
    folder: Path | None,
    contacts_file: Path | None,
    config: Path | None,
) -> Parts:
    """Load what the options name, each over what the configuration names; Refused with the first fault."""
    if not (own or inventory_file or config):
        raise Refused("whose network is it? name it with --own PREFIX or --inventory FILE")
    faults: list[str] = []
    try:
        setup = assemble(config) if config else None
        known = inventory.load(inventory_file) if inventory_file else setup.inventory if setup else None
        if own:
            known = widened(known, inventory.of_prefixes(own))
        table = contacts.load(contacts_file) if contacts_file else setup.table if setup else OperatorTable()
    except (SetupError, InventoryError, ContactsError) as error:
        raise _refused(error.faults) from None
    except UnicodeDecodeError as error:
        raise Refused(f"not UTF-8 text: {error.reason} at byte {error.start}") from None
    local = folder or (setup.config.rules.local if setup else None)
    rules, _ = rule_set(
        local, setup.config.rules.disable if setup else (), faults, detectors=setup.config.rules.detectors if setup else ()
    )
    if faults or known is None:
        raise _refused(faults)
    reporter = (setup.config.network.organisation, setup.config.sender) if setup else DEMONSTRATION
    return Parts(rules, known, table, reporter)


def widened(known: Inventory | None, more: Inventory) -> Inventory:
    """Add prefixes that no customer has to an inventory."""
    if known is None:
        return more
    own = tuple(ipaddress.ip_network(prefix) for prefix in more.prefixes)
    return Inventory(known.customers, own=own, ports=known.ports)


def _refused(faults: Sequence[str]) -> Refused:
    more = f" (and {len(faults) - 1} more)" if len(faults) > 1 else ""
    return Refused(f"{faults[0]}{more}")


def in_words(detection: Detection) -> Iterator[str]:
    """Tell a finding in a few lines a person can use."""
    finding = detection.finding
    who = f"{finding.offender} ({finding.customer})" if finding.customer else finding.offender
    ports = "/" + ",".join(map(str, finding.target_ports[:8])) if finding.target_ports else ""
    bounded = "" if finding.sampling_rate else " at least (the exporter did not tell how it samples)"
    status = f" [{finding.status}: nobody would be mailed]" if isinstance(finding.status, str) else ""
    yield f"{finding.severity:8} {finding.rule}: {who} -> {finding.targets} target(s), {finding.protocol}{ports}{status}"
    yield (
        f"         {finding.first_seen} to {finding.last_seen}, {finding.flows} flows, {finding.packets} packets, "
        f"{finding.bytes} bytes{bounded}, basis {finding.basis}, confidence {finding.confidence:g}"
    )
    measures = ", ".join(f"{name} {value:g}" for name, value in finding.measures.items())
    yield f"         fired: {finding.threshold}" + (f" with {measures}" if measures else "")
    yield f"         because {detection.because}"
    if finding.classes:
        yield f"         may also be {named(finding.classes)}: the confidence is lower for it"
    shown = ", ".join(finding.targets_sample)
    frames = f"; frames {finding.frames[0]} to {finding.frames[1]}" if finding.frames else ""
    yield f"         targets: {shown}{', ...' if finding.targets > len(finding.targets_sample) else ''}{frames}"


def _summary(verdict: Verdict, took: float) -> Iterator[str]:
    """Say what was read, which way it went and what was not understood: silence must not look like innocence."""
    ways = ", ".join(f"{n} {name}" for name, n in sorted(verdict.directions.items(), key=lambda pair: -pair[1]) if n)
    yield f"abusewatch: {verdict.records} records in {took:.1f} s ({ways or 'none'}); {len(verdict.detections)} finding(s)"
    if verdict.records and not verdict.directions.get("outbound", 0) + verdict.directions.get("spoofed", 0):
        yield "abusewatch: no record left the networks named as ours; are --own or the inventory right?"
    for rule, faults in verdict.lost.items():
        counted = ", ".join(f"{n} {reason}" for reason, n in sorted(faults.items()))
        yield f"abusewatch: the detector of {rule} gave nothing in some turns ({counted}): what it would have found is missing"
    if verdict.missed:
        yield f"abusewatch: an engine process ended and took {verdict.missed} rows with it: what was in them is missing"
    if verdict.late:
        yield f"abusewatch: {verdict.late} records came too late for their time and were left out"
