"""A pane is let go of: windows keep their rows, once for all of them, and nothing else of it."""

import gc
import weakref

import numpy as np

from abusewatch.detect import views
from abusewatch.detect.compact import compact
from abusewatch.detect.source import Source
from abusewatch.detect.window import Window
from abusewatch.model import rows as r

SECOND = 1_000_000


def pane(n):
    return views.records(r.take(r.empty(), np.zeros(0, np.intp)) | {name: np.arange(n).astype(dtype) for name, dtype in r.RECORD_COLUMNS.items()})


def window(view, at):
    held = Window(60 * SECOND, 5 * SECOND, (), ("bytes", "own_lo"))
    n = len(at)
    rows = {"at": np.array(at), "slot": np.zeros(n, np.int32), "weight": np.ones(n), "group": np.zeros(n, np.uint64), "chance": np.arange(n, dtype=np.uint64)}
    held.add(5 * SECOND, rows, Source(view, ()), 1)
    return held


def test_rows_are_copied_once_and_the_pane_is_forgotten():
    view = pane(1000)
    windows = [window(view, [3, 500, 999]), window(view, [500, 7])]
    pane_is = weakref.ref(view)
    del view
    compact(windows)
    gc.collect()
    assert pane_is() is None
    assert windows[0].evidence_of(np.zeros(1, np.int32), 5 * SECOND)["bytes"].tolist() == [3, 500, 999]
    assert windows[1].evidence_of(np.zeros(1, np.int32), 5 * SECOND)["own_lo"].tolist() == [500, 7]
    stores = {id(block.source.view): block.source.view for held in windows for block in held._fresh}
    assert [store.rows for store in stores.values()] == [4]


def test_without_it_the_pane_stays():
    view = pane(1000)
    held = window(view, [3])
    pane_is = weakref.ref(view)
    del view
    gc.collect()
    assert pane_is() is not None
    assert held.size == 1


def test_nothing_new_changes_nothing():
    held = window(pane(10), [1])
    compact([held])
    store = held._fresh[0].source.view
    compact([held])
    assert held._fresh[0].source.view is store
