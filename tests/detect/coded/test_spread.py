"""Order statistics by group, against the plain way of computing them; and what every shipped detector must keep."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from abusewatch.detect.coded import spread
from abusewatch.detect.coded.detector import TIMES, Remembering
from abusewatch.detect.coded.diary import BIN_US
from abusewatch.detect.coded.programs import SHIPPED, shipped

GROUPS = st.lists(st.lists(st.integers(0, 10_000), min_size=1, max_size=20), min_size=1, max_size=6)


def flat(groups):
    values = np.array([value for group in groups for value in group], np.float64)
    return values, np.cumsum([0, *[len(group) for group in groups[:-1]]])


@given(GROUPS, st.sampled_from([0.25, 0.5, 0.75, 1.0]))
def test_quantiles_are_those_of_each_group(groups, part):
    values, starts = flat(groups)
    expected = [sorted(group)[max(int(np.ceil(len(group) * part)) - 1, 0)] for group in groups]
    assert spread.quantile(spread.ranked(values, starts), starts, part).tolist() == expected
    assert spread.sizes(len(values), starts).tolist() == [len(group) for group in groups]


@given(GROUPS)
def test_evenness_lies_between_0_and_1(groups):
    values, starts = flat(groups)
    even = spread.evenness(values, starts)
    assert ((even >= 0) & (even <= 1)).all()


COLUMNS = ("packets", "bytes", "reply_bytes", "reply_packets", "dst", "dst_port", "outcome")


@pytest.mark.parametrize("name", SHIPPED)
@given(groups=GROUPS, shift=st.integers(0, 10**9))
@settings(deadline=None)
def test_a_shipped_detector_keeps_the_contract(name, groups, shift):
    """It reads declared columns only, writes none, gives finite numbers, judges each group by itself, and no absolute time but the bins of a diary."""
    program = shipped()[name]

    def asked(groups, shift=0):
        values, starts = flat([sorted(group) for group in groups])
        times = (values * 1e5).astype(np.int64) + shift
        rows = {column: times if column in TIMES else (values % 3 if column == "outcome" else values).astype(np.uint64) for column in program.columns}
        rows["weight"] = np.ones(len(values))
        for column in rows.values():
            column.setflags(write=False)
        detector = program.start()
        if isinstance(detector, Remembering):
            rows["group"] = spread.numbers(len(values), starts).astype(np.uint64)
            detector.note(rows)
        return detector.measure(rows, starts)

    whole = asked(groups)
    assert whole.keys() == program.measures.keys()
    assert all(np.isfinite(values).all() and len(values) == len(groups) for values in whole.values())
    alone = [asked([group]) for group in groups]
    for measure, values in whole.items():
        assert values.tolist() == [float(each[measure][0]) for each in alone]
        assert values.tolist() == asked(groups, shift * BIN_US)[measure].tolist()
