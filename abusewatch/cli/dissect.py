"""`abusewatch inspect`: the packets of one offender as tshark takes them apart, for the eyes of the one who asks; nothing of it is kept.

This shows payload, which no other part of the program reads. So pyshark, which runs tshark, comes with an extra of its own and is
imported here alone, when somebody asks.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import click

from abusewatch.cli.output import FINDINGS, Refused, json_option, print_json, print_lines
from abusewatch.model import address
from abusewatch.model.finding import iso
from abusewatch.sources.compress import STDIN

MARK = "^~"
"""How tshark points at what it does not understand in a filter; pyshark passes on that line alone."""


class Dissected(NamedTuple):
    """A packet: its number in the capture, its time, and its layers with their fields as texts."""

    frame: int
    time: str
    layers: tuple[dict[str, Any], ...]


@click.command()
@click.argument("capture")
@click.option("--offender", required=True, metavar="IP", help="The address whose packets are shown, in both directions.")
@click.option("--filter", "expression", default="", metavar="EXPR", help="A display filter of tshark that they must fit too.")
@json_option
@click.pass_context
def inspect(ctx: click.Context, capture: str, offender: str, expression: str, *, as_json: bool) -> None:
    """Take the packets of an offender apart with tshark, payload and all. Nothing is stored.

    Exit code 1 when the capture is cut short, 2 when it holds no such packet or tshark is not there.
    """
    wanted = _filter(offender, expression)
    if capture == STDIN or not Path(capture).is_file():
        raise Refused(f"{capture}: tshark reads a capture from a file, and that is none")
    shown, truncated = 0, False
    for packet in _packets(capture, wanted, expression):
        if packet is None:
            truncated = True
            continue
        shown += 1
        if as_json:
            print_json(_dissected(packet)._asdict())
        else:
            print_lines(_in_words(packet))
    if truncated:
        click.echo(f"abusewatch: {capture}: cut short; what it holds was shown", err=True)
    elif not shown:
        raise Refused(f"{capture}: no packet of {offender}" + (f" that fits {expression!r}" if expression else ""))
    ctx.exit(FINDINGS if truncated else 0)


def _filter(offender: str, expression: str) -> str:
    """Write the display filter; Refused when the offender is no address."""
    try:
        wanted = address.parse(offender)
    except ValueError:
        raise Refused(f"{offender!r} is no address") from None
    field = "ip.addr" if address.is_v4(wanted) else "ipv6.addr"
    return f"{field} == {address.text(*wanted)}" + (f" and ({expression})" if expression else "")


def _packets(capture: str, wanted: str, expression: str) -> Iterator[Any]:
    """Yield the packets that fit, and None at the end of a capture that is cut short; Refused when tshark cannot."""
    try:
        import pyshark  # noqa: PLC0415  # an extra
        from pyshark.capture.capture import TSharkCrashException  # noqa: PLC0415
        from pyshark.tshark.tshark import TSharkNotFoundException  # noqa: PLC0415
    except ImportError:
        raise Refused("inspect needs pyshark: pip install 'abusewatch[inspect]'") from None
    try:  # -n: no name is asked for, of anybody
        packets = pyshark.FileCapture(capture, display_filter=wanted, keep_packets=False, custom_parameters=["-n"])
        try:
            yield from packets
            packets.close()
        finally:
            packets._running_processes.clear()  # noqa: SLF001  # else it closes again when it is collected, and fails into nothing
    except TSharkNotFoundException:
        raise Refused("inspect needs tshark: apt install tshark") from None
    except TSharkCrashException as error:
        said = next((line for line in str(error).splitlines() if line.startswith("Last error line: ")), str(error))
        said = said.removeprefix("Last error line: ").removeprefix("tshark: ").strip()
        if "cut short" not in said:
            raise Refused(_blame(capture, expression, said)) from None
        yield None


def _blame(capture: str, expression: str, said: str) -> str:
    if expression and (MARK in said or said.endswith("^")):
        return f"--filter {expression!r}: tshark does not understand it"
    return f"{capture}: tshark says: {said}"


def _time_us(packet: Any) -> int:
    seconds, _, fraction = str(packet.sniff_timestamp).partition(".")
    return int(seconds) * 1_000_000 + int(f"{fraction:0<6}"[:6])


def _dissected(packet: Any) -> Dissected:
    layers = ({"layer": layer.layer_name, **{name: str(layer.get(name)) for name in layer.field_names if name}} for layer in packet.layers)
    return Dissected(int(packet.number), iso(_time_us(packet)), tuple(layers))


def _in_words(packet: Any) -> Iterator[str]:
    """Write a packet as lines; what stands in it came from outside and must not reach the terminal as it is."""
    yield f"frame {packet.number}, {iso(_time_us(packet))}"
    for line in str(packet).splitlines():
        yield "  " + "".join(c if c.isprintable() else " " if c == "\t" else "?" for c in line).rstrip()
    yield ""
