"""Where the evidence of a window's rows comes from: the pane that brought them, or a copy of the part of it that is still wanted."""

from collections.abc import Iterator, Mapping

from abusewatch.detect import keys
from abusewatch.detect.rule import Key
from abusewatch.detect.views import View
from abusewatch.model.rows import Array


class Source(Mapping[str, Array]):
    """The columns a rule may keep as evidence, from a view; `identity` is the hash of the rule's identity, `ours` whether our side began."""

    def __init__(self, view: View, identity: tuple[Key, ...]) -> None:
        self.view = view
        self._identity = identity

    def on(self, view: View) -> "Source":
        """The same of another view."""
        return Source(view, self._identity)

    def __getitem__(self, name: str) -> Array:
        """A column by name; KeyError for one that the view has not."""
        if name == "identity":
            return self.view.once(
                f"identity {', '.join(key.text for key in self._identity)}",
                lambda v: keys.hashes(self._identity, v, ours=True),
            )
        if name == "ours":
            return self.view["initiator"] if "initiator" in self.view else self.view.stored("outbound")
        return self.view[name]

    def __len__(self) -> int:
        """Count the columns."""
        return len(self.view)

    def __iter__(self) -> Iterator[str]:
        """Name every column."""
        return iter(self.view)
