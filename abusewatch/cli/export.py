"""`abusewatch export`: a capture or flow table as the export datagrams a router would have sent."""

import click

from abusewatch.cli.inputs import Inputs
from abusewatch.cli.output import Refused, json_option, print_json
from abusewatch.sources.encode import FORMATS, encode
from abusewatch.sources.export import send


@click.command()
@click.argument("file", metavar="FILE")
@click.option("--to", required=True, metavar="HOST:PORT", help="Where the collector listens.")
@click.option("--format", "form", type=click.Choice(list(FORMATS)), default="netflow9", show_default=True)
@click.option("--speed", type=click.FloatRange(min=0), default=0, help="Times real time; 0 is as fast as is safe.")
@click.option("--sampling", type=click.IntRange(min=1), default=1, help="Sample packets 1:N, and announce it.")
@json_option
def export(file: str, to: str, form: str, speed: float, sampling: int, *, as_json: bool) -> None:
    """Send what FILE holds to a collector as NetFlow, IPFIX or sFlow over UDP."""
    host, _, port = to.rpartition(":")
    if not host or not port.isdecimal() or int(port) > 65535:
        raise Refused(f"{to!r} is not HOST:PORT; write it like 127.0.0.1:2055 or [::1]:2055")
    inputs = Inputs([file])
    try:
        encoding = encode(inputs.batches(), form, sampling)
        sent = send(encoding, (host.strip("[]"), int(port)), speed)
    except ValueError as error:
        raise Refused(str(error)) from None
    except OSError as error:
        raise Refused(f"cannot send to {to}: {error.strerror or error}") from None
    inputs.report()
    if as_json:
        print_json({"datagrams": sent.datagrams, "records": sent.records, "skipped": dict(sent.skipped)})
    else:
        skipped = "".join(f", {n} records skipped ({reason})" for reason, n in sent.skipped.items())
        click.echo(f"{sent.datagrams} {form} datagrams with {sent.records} records to {to}{skipped}")
