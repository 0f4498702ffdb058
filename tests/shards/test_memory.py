"""Columns come out of shared memory as they went in; files are used again and again; a copy is a copy."""

from pathlib import Path

import numpy as np
import pytest

from abusewatch.model import rows as r
from abusewatch.shards.memory import LEAST, Copies, Files


def columns(n, seed=0):
    rng = np.random.default_rng(seed)
    return {
        "slot": rng.integers(0, 9, n).astype(np.int32), "wide": rng.integers(0, 2**63, n, np.uint64), "flag": rng.random(n) < 0.5,
        "alike": np.broadcast_to(np.uint32(7), (n,)), "start_us": rng.integers(-5, 5, n),
    }  # fmt: skip


@pytest.mark.parametrize("n", [1, 63, 10_000])
def test_rows_come_out_as_they_went_in(n):
    files, copies = Files(), Copies()
    rows = columns(n)
    at = np.arange(0, n, 2)
    read = copies.read(*files.write(rows, at))
    assert {name: column.dtype for name, column in read.items()} == {
        name: column.dtype for name, column in rows.items()
    }
    assert all(np.array_equal(read[name], rows[name][at]) for name in rows)
    assert r.constant(read["alike"])


def test_no_rows_are_all_columns():
    layout, file = Files().write(columns(5), np.zeros(0, np.intp))
    read = Copies().read(layout, file)
    assert r.length(read) == 0
    assert set(read) == set(r.RECORD_COLUMNS)


def test_files_are_used_again_once_they_are_free_and_what_was_read_stays():
    files, copies = Files(), Copies()
    before = sum(1 for _ in Path("/proc/self/fd").iterdir())
    first, file = files.write(columns(100), np.arange(100))
    read = copies.read(first, file)
    second, file = files.write(columns(100, 1), np.arange(100))
    assert second.file != first.file
    copies.read(second, file)
    files.free(first.file)
    third, file = files.write(columns(100, 2), np.arange(100))
    assert (third.file, third.size, file) == (first.file, 0, None)
    again = copies.read(third, file)
    assert np.array_equal(read["wide"], columns(100)["wide"])
    assert np.array_equal(again["wide"], columns(100, 2)["wide"])
    assert sum(1 for _ in Path("/proc/self/fd").iterdir()) == before + 4  # mmap keeps one of each at both ends


def test_a_larger_pane_gets_a_larger_file():
    files, copies = Files(), Copies()
    small, file = files.write(columns(10), np.arange(10))
    copies.read(small, file)
    files.free(small.file)
    n = LEAST // 8
    large, file = files.write(columns(n), np.arange(n))
    assert large.size > LEAST
    assert large.file == small.file
    assert np.array_equal(copies.read(large, file)["wide"], columns(n)["wide"])
