"""What a rule reads: the columns of `detect.columns`, made from labelled rows only when a rule asks for them, and once for all rules of a pane."""

from collections.abc import Callable, Collection, Iterator, Mapping

import numpy as np

from abusewatch.model import rows as r
from abusewatch.model.rows import Array, Columns

ICMP, ICMP6 = 1, 58
FEW = 8  # times fewer than there are: some ten rules on conversations ask for the same columns, which of all rows in order cost less than one gather


class View(Mapping[str, Array]):
    """Rows of one pane as a rule sees them. A derived column is kept, so that a hundred rules cost one computation."""

    def __init__(self, rows: Columns, derived: Mapping[str, Callable[["View"], Array]]) -> None:
        self._rows = rows
        self._derived = derived
        self._made: dict[str, Array] = {}

    def __getitem__(self, name: str) -> Array:
        """A column by name; KeyError for a name neither stored nor derived."""
        if name in self._derived:
            if name not in self._made:
                self._made[name] = self._derived[name](self)
            return self._made[name]
        return self._rows[name]

    def __len__(self) -> int:
        """Count the columns (the rows are counted by `rows`)."""
        return len(self._rows) + len(self._derived)

    def __iter__(self) -> Iterator[str]:
        """Name every column."""
        yield from self._rows
        yield from self._derived

    @property
    def rows(self) -> int:
        """Count the rows."""
        return len(next(iter(self._rows.values()), ()))

    @property
    def every(self) -> Array:
        """The index of every row, in order."""
        return self.once("rows", lambda v: np.arange(v.rows))

    def once(self, name: str, make: Callable[["View"], Array]) -> Array:
        """A column that several rules compute alike (the hash of a key), made by the first."""
        if name not in self._made:
            self._made[name] = make(self)
        return self._made[name]

    @property
    def longest_secs(self) -> float:
        """The longest duration of a row, or of one that was left out: where that fits a window, no row need be looked at."""
        return float(self.once("longest", _longest_secs)[0])

    def underived(self, name: str) -> Callable[["View"], Array] | None:
        """How to derive a column that nobody has asked for yet; None when it is there."""
        return None if name in self._made else self._derived.get(name)

    def rest(self) -> None:
        """Forget what was computed: the rules have done with this pane, though one may be looked back at."""
        self._made.clear()

    def only(self, at: Array, but: Collection[str] = ()) -> "View":
        """Some rows by themselves, `but` for some columns; nothing of the others is kept."""
        return View(r.take({name: column for name, column in self._rows.items() if name not in but}, at), self._derived)

    def stored(self, name: str) -> Array:
        """The column as it was labelled, where a derived one has the same name."""
        return self._rows[name]


class Picked(View):
    """Some rows of a view (`at`, of `whole`) in any order, column by column as they are asked for."""

    def __init__(self, view: View, at: Array) -> None:
        super().__init__({}, {})
        self.whole = view
        self.at = at
        self._same = at is view.every  # then nothing is copied

    def __len__(self) -> int:
        return len(self.whole)

    def __iter__(self) -> Iterator[str]:
        return iter(self.whole)

    def __getitem__(self, name: str) -> Array:
        if self._same:
            return self.whole[name]
        if name not in self._made:
            derive = None if self._many else self.whole.underived(name)
            self._made[name] = derive(self) if derive else r.pick(self.whole[name], self.at)
        return self._made[name]

    @property
    def longest_secs(self) -> float:
        """That of all rows, which is known already where another rule has asked."""
        return self.whole.longest_secs

    @property
    def _many(self) -> bool:
        """Whether what is made of all rows is made for these too at little cost."""
        return len(self.at) * FEW >= self.whole.rows

    def shared(self, name: str, make: Callable[[View], Array]) -> Array:
        """A column that other rules compute too: of the whole view and once when not few of its rows are picked, else of these rows only."""
        if self._many:
            return self.whole.once(name, make).take(self.at)
        return make(self)

    @property
    def rows(self) -> int:
        """Count the rows."""
        return len(self.at)

    def stored(self, name: str) -> Array:
        """The column as it was labelled."""
        return self.whole.stored(name) if self._same else r.pick(self.whole.stored(name), self.at)


def _longest_secs(view: View) -> Array:
    return np.array([(view["end_us"] - view["start_us"]).max(initial=0) / 1e6])


def _side(name: str, ours_first: str, *, source: bool) -> Callable[[View], Array]:
    """The initiator's (or sender's) end when `source`, else the other one."""
    first, second = ("own", "peer") if source else ("peer", "own")

    def make(view: View) -> Array:
        one, other = view.stored(f"{first}_{name}"), view.stored(f"{second}_{name}")
        alike = r.constant(one) and r.constant(other) and len(one) > 0 and one[0] == other[0]
        return one if alike else np.where(view.stored(ours_first), one, other)

    return make


def _icmp(shift: int) -> Callable[[View], Array]:
    def make(view: View) -> Array:
        protocol = view["protocol"]
        icmp = (protocol == ICMP) | (protocol == ICMP6)
        return np.where(icmp, (view["dst_port"] >> np.uint16(shift)) & np.uint16(0xFF), 0)

    return make


def _sampled(view: View) -> Array:
    rate = view["sampling_rate"]
    return r.alike(rate[:1] > 1, len(rate)) if r.constant(rate) and len(rate) else rate > 1


def _sides(ours_first: str) -> dict[str, Callable[[View], Array]]:
    return {
        **{f"src_{half}": _side(half, ours_first, source=True) for half in ("hi", "lo", "port")},
        **{f"dst_{half}": _side(half, ours_first, source=False) for half in ("hi", "lo", "port")},
    }


_COMMON: dict[str, Callable[[View], Array]] = {
    "bits": lambda v: v["bytes"].astype(np.float64) * 8,
    "duration": lambda v: (v["end_us"] - v["start_us"]) / 1e6,
    "sampled": _sampled,
    "seconds": lambda v: v["end_us"] / 1e6,
}

_RECORD = {
    **_COMMON,
    **_sides("outbound"),
    "outbound": lambda v: v.stored("outbound") & ~v["transit"],
    "inbound": lambda v: ~v.stored("outbound"),
    "icmp_type": _icmp(8),
    "icmp_code": _icmp(0),
    "weight": lambda v: np.broadcast_to(np.float64(1), (v.rows,)),
    "level": lambda v: np.broadcast_to(np.uint8(0), (v.rows,)),
}

_CONVERSATION = {
    **_COMMON,
    **_sides("initiator"),
    # The table keeps echo exchanges without ports; the kind is known by who asked.
    "icmp_type": lambda v: np.where(v["icmp"] > 0, np.where(v["protocol"] == ICMP, 8, 128), 0),
    "icmp_code": lambda v: np.zeros(v.rows, np.uint8),
}


def records(rows: Columns) -> View:
    """Labelled records as rules `on = "record"` read them."""
    return View(rows, _RECORD)


def conversations(rows: Columns) -> View:
    """Finished conversations as rules `on = "conversation"` read them."""
    return View(rows, _CONVERSATION)
