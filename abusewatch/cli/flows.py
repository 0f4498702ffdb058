"""`abusewatch flows`: what the decoders see, one record a line, for a person or for comparison with other tools."""

from collections.abc import Iterator
from typing import Any

import click

from abusewatch.cli.inputs import Inputs
from abusewatch.cli.output import FINDINGS, json_option, print_json
from abusewatch.model import address
from abusewatch.model.finding import iso
from abusewatch.model.flow import FlowBatch

FLAGS = "FSRPAUEC"
"""TCP flags from the lowest bit, RFC 9293 3.1 and RFC 3168 6.1.1."""


@click.command()
@click.argument("files", nargs=-1, required=True, metavar="FILE...")
@json_option
@click.pass_context
def flows(ctx: click.Context, files: tuple[str, ...], *, as_json: bool) -> None:
    """Print the flow records in captures, export captures and flow tables, one a line; `-` is stdin. Exit code 1 when a file is cut short."""
    inputs = Inputs(files)
    if as_json:
        for record in inputs.records():
            print_json(_plain(record))
    else:
        for batch in inputs.batches():
            for line in _lines(batch):
                click.echo(line)
    inputs.report()
    ctx.exit(FINDINGS if inputs.truncated else 0)


def _plain(record: dict[str, Any]) -> dict[str, Any]:
    """Write octets JSON has no form for as hexadecimal."""
    return {name: value.hex() if isinstance(value, bytes) else value for name, value in record.items()}


def _lines(batch: FlowBatch) -> Iterator[str]:
    columns = (
        batch.start_us, batch.end_us, batch.protocol, batch.src_hi, batch.src_lo, batch.src_port, batch.dst_hi, batch.dst_lo,
        batch.dst_port, batch.flags, batch.packets, batch.bytes, batch.sampling_rate,
    )  # fmt: skip
    for start, end, proto, src_hi, src_lo, sport, dst_hi, dst_lo, dport, flags, packets, octets, rate in zip(
        *(column.tolist() for column in columns), strict=True
    ):
        letters = "".join(letter for bit, letter in enumerate(FLAGS) if flags >> bit & 1) or "."
        sampled = "" if rate == 1 else f" 1:{rate or '?'}"
        yield (
            f"{iso(start)} {(end - start) / 1e6:9.3f}s {proto:3} {address.text(src_hi, src_lo)}.{sport} > "
            f"{address.text(dst_hi, dst_lo)}.{dport} {letters} {packets} packets {octets} bytes{sampled}"
        )
