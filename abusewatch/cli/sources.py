"""`abusewatch sources`: how each exporter of a running daemon is, asked over its local socket."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import click

from abusewatch.cli.output import Refused, config_option, json_option, print_json, print_lines, print_table
from abusewatch.cli.status import daemon_socket, socket_option
from abusewatch.model.finding import iso
from abusewatch.service.control import ControlError, ask

HEADER = (
    *("source", "exporter", "version", "domain", "datagrams", "records"),
    *("lost", "coverage", "templates", "sampling", "clock", "last"),
)


@click.command()
@config_option
@socket_option
@json_option
def sources(config: Path | None, path: Path | None, *, as_json: bool) -> None:
    """Show each exporter: what came, what is lost, what it told of its sampling, and how far its clock is off."""
    try:
        found = ask(path or daemon_socket(config), "sources")
    except ControlError as error:
        raise Refused(str(error)) from None
    if as_json:
        print_json(found)
        return
    print_table(HEADER, [row for source in found["sources"] for row in _rows(source)])
    print_lines(line for source in found["sources"] for line in _remarks(source))


def _rows(source: dict[str, Any]) -> Iterator[tuple[object, ...]]:
    for exporter in source["exporters"]:
        for d in exporter["domains"]:
            name = (source["name"], exporter["address"], d["version"], d["domain"])
            counts = (d["datagrams"], d["records"], _lost(d), f"{d['coverage']:.2%}", d["templates"])
            yield *name, *counts, _sampling(d), _clock(d), iso(d["last_seen_us"])


def _lost(domain: dict[str, Any]) -> str:
    """Write what is lost in the unit of the protocol's own numbers."""
    lost = f"{domain['lost']} {domain['lost_unit']}" if domain["lost"] else "0"
    return f"{lost}, {domain['samples_lost']} samples" if domain["samples_lost"] else lost


def _sampling(domain: dict[str, Any]) -> str:
    rates, told_by = domain["sampling_rates"], domain["sampling_told_by"]
    if not rates:
        return "unknown" if told_by == "nobody" else told_by
    return f"{', '.join(f'1:{rate}' for rate in rates[:3])}{', ...' if rates[3:] else ''} by {told_by}"


def _clock(domain: dict[str, Any]) -> str:
    ahead = domain["clock_ahead_secs"]
    return "-" if ahead is None else f"{ahead:+g} s"


def _remarks(source: dict[str, Any]) -> Iterator[str]:
    """Say in a line each what is wrong and is nobody's single domain's fault."""
    name = source["name"]
    yield f"{name}: {', '.join(source['listens']) or 'not listening'}; {source['received']} received, {source['waiting']} waiting"
    if not source["received"]:
        yield f"{name}: nothing has come; look at the exporter's configuration, at the firewall, and at the address above"
    if source["unlisted"]:
        senders = ", ".join(sender["address"] for sender in source["unlisted_senders"])
        yield f"{name}: {source['unlisted']} of senders that are not in exporters, the last of them {senders}"
    for key, text in (
        ("kernel_drops", "lost in the kernel, before they could be read"),
        ("oversized", "longer than a datagram may be"),
        ("exporters_full", "of more exporters than can be told apart"),
    ):
        if source[key]:
            yield f"{name}: {source[key]} {text}"
    for exporter in source["exporters"]:
        for line in _troubles(exporter):
            yield f"{name}: {exporter['address']}: {line}"


def _troubles(exporter: dict[str, Any]) -> Iterator[str]:
    rejected = ", ".join(f"{count} {reason}" for reason, count in exporter["rejected"].items())
    if rejected:
        yield f"refused, passed over or mended: {rejected}"
    for key, text in (
        ("sets_waiting", "set(s) of data wait for a template, which comes with the exporter's next refresh"),
        ("duplicates", "came twice"),
        ("restarts", "restarts, or leaps in the sequence numbers"),
    ):
        count = sum(domain[key] for domain in exporter["domains"])
        if count:
            yield f"{count} {text}"
