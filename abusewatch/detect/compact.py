"""Let go of a pane: what the windows of the rules still point to is copied out, once for all of them, and the rest is forgotten.

A window needs a few rows of a pane for up to half a minute. Pointed to in the pane, they would keep every row of that half minute in memory; copied out by each
rule for itself, the same rows would be there a dozen times.
"""

from collections.abc import Iterable

import numpy as np

from abusewatch.detect.views import View
from abusewatch.detect.window import Block, Window


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
    wanted = np.zeros(view.rows, np.bool_)
    for block in blocks:
        wanted[block.rows["at"]] = True
    place = np.cumsum(wanted, dtype=np.intp) - 1
    store = view.only(np.flatnonzero(wanted))
    for block in blocks:
        assert block.source is not None  # noqa: S101  only those with one come here
        block.rows["at"] = place.take(block.rows["at"])
        block.source = block.source.on(store)
