"""Mail that came back: the folder into which the mail server puts bounces, read once and emptied."""

from pathlib import Path
from typing import Protocol

from abusewatch.outbox import Bounce, Entry, Verp
from abusewatch.outbox.bounces import LARGEST, read

BATCH = 200
"""Files a turn, so that a flood of forged bounces does not hold up the desk."""


class Parking(Protocol):
    """Where the mail that came back lies."""

    def bounced(self, bounce: Bounce, now_us: int) -> Entry | None:
        """Park the mail a bounce is about; None when that is not news."""


class Returns:
    """Reads a Maildir of bounces. Each file is deleted once read: it holds a stranger's words and our mail's text."""

    def __init__(self, folder: Path, verp: Verp, store: Parking) -> None:
        """Take the Maildir, who made the envelope senders, and the outbox."""
        self._new = folder / "new"
        self._verp = verp
        self._store = store

    def collect(self, now_us: int) -> list[Entry]:
        """Read what has come; the mails that were parked for it. OSError when the folder cannot be read."""
        if not self._new.is_dir():
            return []
        parked = []
        for path in sorted(self._new.iterdir())[:BATCH]:
            if path.is_symlink() or not path.is_file():
                continue
            with path.open("rb") as file:
                bounce = read(file.read(LARGEST), self._verp)
            entry = self._store.bounced(bounce, now_us) if bounce else None
            if entry:
                parked.append(entry)
            path.unlink()
        return parked
