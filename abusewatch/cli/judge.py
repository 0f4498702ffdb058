"""The engine over a finite input, for replays and rule tests: findings out, and nothing that could send, look up or act."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import NamedTuple

import numpy as np

from abusewatch.cli.inputs import Inputs
from abusewatch.detect.engine import Engine
from abusewatch.detect.episodes import Coverage, complete
from abusewatch.detect.rule import Rule
from abusewatch.inventory import Inventory
from abusewatch.model.finding import Detection
from abusewatch.model.flow import FlowBatch
from abusewatch.pipeline import MakeEngine, Pipeline
from abusewatch.shards.crew import Crew
from abusewatch.sources.encode.sampler import Sampler
from abusewatch.sources.files import Change, unchanged


class Verdict(NamedTuple):
    """What the engine made of an input: the newest version of each finding, by first sighting; records and their directions."""

    detections: tuple[Detection, ...]
    records: int
    directions: dict[str, int]
    late: int
    lost: dict[str, dict[str, int]]
    """Turns that a coded detector gave nothing for, by rule and reason."""
    missed: int = 0
    """Rows that were lost with an engine process."""


def judge(  # noqa: PLR0917  # beside the records, what a replay may say of them
    batches: Iterable[FlowBatch],
    rules: Sequence[Rule],
    inventory: Inventory,
    exporter_name: Callable[[int], str] = str,
    engine: MakeEngine = Engine,
    coverage: Coverage = complete,
    workers: int = 1,
) -> Verdict:
    """Run all rules over all records, as the daemon would have; `engine` may be one that watches (`detect.explain`).

    `coverage` knows what is missing of the exports that a capture holds. With several `workers` the rules run in so many processes; each batch is waited
    for, so that what is known of coverage is as it would be in one. ValueError for rules that cannot.
    """
    newest: dict[str, Detection] = {}

    def sink(detections: Sequence[Detection]) -> None:
        newest.update((detection.episode, detection) for detection in detections)

    crew = Crew(rules, inventory, workers) if workers > 1 else None
    pipeline = Pipeline(rules, inventory, sink, restart=True, engine=engine, decider=crew)
    pipeline.decider.coverage = coverage
    try:
        for batch in batches:
            pipeline.feed(batch, exporter_name)
            pipeline.settle()
        lost = pipeline.decider.faults  # the end begins anew
        pipeline.flush()
    finally:
        pipeline.decider.stop()
    missed = pipeline.decider.lost_rows
    found = sorted(newest.values(), key=lambda d: (d.first_us, d.finding.rule, d.finding.offender))
    gaps = {rule: faults for rule, faults in lost.items() if faults}
    return Verdict(tuple(found), pipeline.records, dict(pipeline.directions), pipeline.panes.late_rows, gaps, missed)


def taken(inputs: Inputs, sampling: int = 1, change: Change = unchanged) -> Iterator[FlowBatch]:
    """Give the records of the inputs to the engine as an exporter would: packets as flows, but a sample of them one by one, as sFlow does."""
    if sampling == 1:
        return inputs.flows(change)
    sampler = Sampler(sampling, seed=1)
    return (sampler.sample(change(batch)) for batch in inputs.batches())


def between(batch: FlowBatch, from_us: int | None, to_us: int | None) -> FlowBatch:
    """Keep the records that begin in [from, to)."""
    keep = np.ones(len(batch), bool)
    if from_us is not None:
        keep &= batch.start_us >= from_us
    if to_us is not None:
        keep &= batch.start_us < to_us
    return batch if keep.all() else batch.take(keep)
