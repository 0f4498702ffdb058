"""Let go of a pane: what the windows of the rules still point to is copied out, once for all of them, and the rest is forgotten.

A window needs a few rows of a pane for up to half a minute. Pointed to in the pane, they would keep every row of that half minute in memory; copied out by each
rule for itself, the same rows would be there a dozen times.
"""

from collections.abc import Iterable

import numpy as np

from abusewatch.detect.views import View
from abusewatch.detect.window import JUDGED, Block, Window

LITTLE = 8  # times less than the rule that wants most


def compact(windows: Iterable[Window]) -> None:
    """Point the blocks that have come since the last call to copies of their rows."""
    by_view: dict[int, tuple[View, list[Block]]] = {}
    for window in windows:
        for block in window.loose:
            if block.source is not None:
                view = block.source.view
                by_view.setdefault(id(view), (view, []))[1].append(block)
        window.loose.clear()
    for view, blocks in by_view.values():
        _repoint(view, blocks)


def _repoint(view: View, blocks: list[Block]) -> None:
    """Blocks that want much share a copy; who wants little has his own, or he would keep the whole for as long as he keeps his."""
    most = max(len(block.rows["at"]) for block in blocks)
    shared = [block for block in blocks if len(block.rows["at"]) * LITTLE >= most]
    _share(view, shared)
    for block in blocks:
        if len(block.rows["at"]) * LITTLE < most:
            _share(view, [block])


def _share(view: View, blocks: list[Block]) -> None:
    wanted = np.zeros(view.rows, np.bool_)
    for block in blocks:
        wanted[block.rows["at"]] = True
    place = np.cumsum(wanted, dtype=np.intp) - 1
    store = view.only(np.flatnonzero(wanted), but=JUDGED)
    for block in blocks:
        assert block.source is not None  # noqa: S101  only those with one come here
        block.rows["at"] = place.take(block.rows["at"])
        block.source = block.source.on(store)
