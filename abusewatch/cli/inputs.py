"""The files of a command, read one after the other as one input: shared templates, shared exporters, summed counts."""

import sys
from collections import Counter
from collections.abc import Collection, Iterator, Sequence
from typing import Any

import click
from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn

from abusewatch.cli.output import Refused
from abusewatch.model.flow import FlowBatch
from abusewatch.sources.compress import InputError
from abusewatch.sources.export_datagrams import ExporterNumbers
from abusewatch.sources.files import Change, Reading, open_flows, unchanged
from abusewatch.wire.datagrams import FlowDecoder

PROBLEMS_SHOWN = 5


class Inputs:
    """What the files hold. `counts` is what was not decoded, by reason; complete when the iteration is."""

    def __init__(self, files: Sequence[str]) -> None:
        """Take the names; `-` is stdin."""
        self.files = tuple(files)
        self.counts: Counter[str] = Counter()
        self.problems: list[str] = []
        self._exporters = ExporterNumbers()
        self._decoder = FlowDecoder()

    def exporter_name(self, number: int) -> str:
        """Name an exporter as the inventory's ports do."""
        return self._exporters.names().get(number, str(number))

    def coverage(self, exporters: Collection[int], first_us: int, last_us: int) -> float:
        """The part of what some exporters sent that a capture of their exports holds; 1 for every other input."""
        return self._decoder.gaps.share(exporters, first_us, last_us)

    def batches(self) -> Iterator[FlowBatch]:
        """Give all flow records; Refused, with the one line that says why, when a file is no input."""
        for reading in self._readings():
            yield from self._watched(reading, reading.batches())

    def flows(self, change: Change = unchanged) -> Iterator[FlowBatch]:
        """Give all records as the engine takes them, packets brought together to flows after `change`; Refused as above."""
        for reading in self._readings():
            yield from self._watched(reading, reading.flows(change))

    def records(self) -> Iterator[dict[str, Any]]:
        """Give all records by element name; Refused as above."""
        for reading in self._readings():
            yield from self._guarded(reading.records())

    @property
    def truncated(self) -> bool:
        """Whether a file ended before its own end: what was in the rest nobody knows."""
        return bool(self.counts["truncated"])

    def report(self) -> None:
        """Tell on stderr what was not decoded, so that silence does not look like innocence."""
        for problem in self.problems[:PROBLEMS_SHOWN]:
            click.echo(f"abusewatch: {problem}", err=True)
        if len(self.problems) > PROBLEMS_SHOWN:
            click.echo(f"abusewatch: and {len(self.problems) - PROBLEMS_SHOWN} more of that kind", err=True)
        if missed := {reason: n for reason, n in sorted(self.counts.items()) if n}:
            words = ", ".join(f"{n} {reason.replace('_', ' ')}" for reason, n in missed.items())
            click.echo(f"abusewatch: not decoded: {words}", err=True)

    def _shared(self) -> FlowDecoder:
        return self._decoder

    def _readings(self) -> Iterator[Reading]:
        for file in self.files:
            try:
                reading = open_flows(file, self._shared, self._exporters)
            except InputError as error:
                raise Refused(str(error)) from None
            yield reading
            self.counts.update(reading.counts)
            self.problems.extend(reading.problems)

    def _watched(self, reading: Reading, batches: Iterator[FlowBatch]) -> Iterator[FlowBatch]:
        """Show how far a file is read when a person looks on."""
        if not sys.stderr.isatty():
            yield from self._guarded(batches)
            return
        columns = (TextColumn("{task.description}"), BarColumn(), TaskProgressColumn())
        with Progress(*columns, transient=True, console=_stderr()) as progress:
            task = progress.add_task(str(reading.name), total=reading.progress[1])
            for batch in self._guarded(batches):
                progress.update(task, completed=reading.progress[0])
                yield batch

    @staticmethod
    def _guarded(items: Iterator[Any]) -> Iterator[Any]:
        try:
            yield from items
        except InputError as error:
            raise Refused(str(error)) from None


def _stderr() -> Any:
    from rich.console import Console  # noqa: PLC0415  # only where a person looks on

    return Console(stderr=True)
