"""`abusewatch cut`: the packets of one offender, headers only, to show to others."""

import os
import struct
from collections import Counter
from collections.abc import Iterator, Sequence
from itertools import islice
from pathlib import Path

import click
import numpy as np

from abusewatch.cli.output import FINDINGS, Refused
from abusewatch.evidence.cut import LONGEST, Cutter
from abusewatch.model import address
from abusewatch.model.flow import I64
from abusewatch.sources.capture_file import headers_of
from abusewatch.sources.compress import STDIN, InputError
from abusewatch.sources.files import CaptureReading, open_flows
from abusewatch.wire.datagrams import FlowDecoder
from abusewatch.wire.frames import Frames
from abusewatch.wire.linktypes import RAW, network_headers
from abusewatch.wire.packet import Headers

HEADER = struct.pack("<IHHiIII", 0xA1B2C3D4, 2, 4, 0, 0, LONGEST, RAW)
SECONDS = (1 << 32) - 1
FILES, PACKETS = 100, 10_000
"""Of a replay: more than anybody looks at, and a bound to what a capture of a gigabyte leaves on the disk."""


@click.command()
@click.argument("capture")
@click.option("--offender", required=True, metavar="IP", help="The address whose packets are kept, and that is shown.")
@click.option(
    "--out", type=click.Path(path_type=Path, dir_okay=False), required=True, help="The pcap file to write; not over the capture."
)
@click.pass_context
def cut(ctx: click.Context, capture: str, offender: str, out: Path) -> None:
    """Write a pcap of an offender's packets: headers only, payload zero, other addresses pseudonyms; `-` is stdin.

    Exit code 1 when the capture is cut short, 2 when it holds no packet of the offender.
    """
    try:
        cutter, wanted = Cutter(offender), address.parse(offender)
    except ValueError:
        raise Refused(f"{offender!r} is no address") from None
    if out.exists() and Path(capture).exists() and out.samefile(capture):
        raise Refused(f"{out} is the capture itself; name another file")
    try:
        reading = open_flows(capture, FlowDecoder)
        if not isinstance(reading, CaptureReading):
            raise Refused(f"{capture}: expected a capture (pcap, pcapng), found a {reading.kind}")
        count = _write(out, (record for frames in reading.frames() for record in _records(frames, headers_of(frames, Counter()), wanted, cutter)))
    except InputError as error:
        raise Refused(str(error)) from None
    except OSError as error:
        raise Refused(f"{out}: {error.strerror or error}") from None
    for problem in reading.problems:
        click.echo(f"abusewatch: {problem}", err=True)
    if not count:
        out.unlink(missing_ok=True)
        raise Refused(f"{capture}: no packet of {offender}")
    click.echo(f"abusewatch: wrote {count} packets of {offender} to {out}, {len(cutter)} other address(es) as pseudonyms", err=True)
    ctx.exit(FINDINGS if reading.truncated else 0)


def _write(out: Path, records: Iterator[bytes]) -> int:
    """Write the file whole or not at all, readable to its owner only; how many packets it has."""
    part = out.with_name(out.name + ".part")
    part.unlink(missing_ok=True)
    count = 0
    try:
        with os.fdopen(os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
            file.write(HEADER)
            for record in records:
                file.write(record)
                count += 1
        part.replace(out)
    finally:
        part.unlink(missing_ok=True)
    return count


def write_cuts(folder: Path, files: Sequence[str], offenders: Sequence[str]) -> int:
    """Write `folder`/OFFENDER.pcap for each of the first FILES offenders, of his first PACKETS packets in the captures among some files; how many files.

    What an earlier call left in the folder goes. Standard input was read already, and flow tables have no packets: nothing is written of those.
    """
    folder.mkdir(parents=True, exist_ok=True)
    for old in folder.glob("*.pcap"):
        old.unlink()
    written: dict[str, int] = {}
    cutters = {offender: Cutter(offender) for offender in offenders[:FILES]}
    for frames in _captured(files):
        parsed = headers_of(frames, Counter())
        for offender, cutter in cutters.items():
            room = PACKETS - written.get(offender, 0)
            records = list(islice(_records(frames, parsed, address.parse(offender), cutter), max(room, 0)))
            if records:
                with (folder / f"{offender.replace(':', '-')}.pcap").open("ab") as file:
                    file.write((b"" if offender in written else HEADER) + b"".join(records))
                written[offender] = written.get(offender, 0) + len(records)
    return len(written)


def _captured(files: Sequence[str]) -> Iterator[Frames]:
    """The frames of those files that are captures of packets."""
    for file in files:
        if file == STDIN:
            continue
        reading = open_flows(file, FlowDecoder)
        if isinstance(reading, CaptureReading) and reading.kind == "capture":
            yield from reading.frames()
        else:
            reading.close()


def _records(frames: Frames, parsed: Sequence[tuple[I64, Headers]], wanted: address.Address, cutter: Cutter) -> Iterator[bytes]:
    """The packets of a batch that are the offender's, in its order, each with its record header."""
    hi, lo = (np.uint64(half) for half in wanted)
    found: list[tuple[int, int]] = []
    for rows, headers in parsed:
        own = ((headers.src_hi == hi) & (headers.src_lo == lo)) | ((headers.dst_hi == hi) & (headers.dst_lo == lo))
        mine = rows[headers.is_ip & own]
        if len(mine):
            end = frames.offset[mine] + frames.captured[mine]
            place, _, _ = network_headers(frames.buffer, frames.offset[mine], end, int(frames.linktype[mine[0]]))
            found += zip(mine.tolist(), place.tolist(), strict=True)
    for row, start in sorted(found):
        offset, captured, original = (int(column[row]) for column in (frames.offset, frames.captured, frames.original))
        packet = cutter.cut(frames.buffer[start : offset + captured].tobytes(), offset + original - start)
        if packet:
            seconds, micros = divmod(int(frames.time_us[row]), 1_000_000)
            yield struct.pack("<IIII", min(max(seconds, 0), SECONDS), micros, len(packet), len(packet)) + packet
