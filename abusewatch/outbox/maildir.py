"""Without a smart host: mails as .eml files in a Maildir, written so that a power cut leaves a whole file or none."""

import hashlib
import os
from collections.abc import AsyncGenerator, Sequence
from pathlib import Path

from abusewatch.model.message import Message
from abusewatch.outbox.states import Outcome


class Maildir:
    """Writes each message into `folder/new`. The name comes from the Message-ID, so that a repeat replaces itself."""

    def __init__(self, folder: Path) -> None:
        """Take the folder; it is made, with `tmp`, `new` and `cur`, at the first message."""
        self._folder = folder

    async def send(self, messages: Sequence[Message]) -> AsyncGenerator[Outcome, None]:
        """Write one file a message; a full or read-only disk defers it."""
        for message in messages:
            try:
                self.write(message)
            except OSError as error:
                yield Outcome("deferred", 0, f"cannot write to {self._folder}: {error.strerror}")
            else:
                yield Outcome("accepted", 0, f"written to {self._folder}")

    def write(self, message: Message) -> Path:
        """Write one message durably (tmp, fsync, rename, fsync of the folder) and return its path.

        OSError when it cannot.
        """
        for part in ("tmp", "new", "cur"):
            (self._folder / part).mkdir(mode=0o700, parents=True, exist_ok=True)
        name = f"{message.incident}.{message.audience}.{hashlib.sha256(message.message_id.encode()).hexdigest()[:16]}.eml"
        temporary, final = self._folder / "tmp" / name, self._folder / "new" / name
        descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW, 0o600)
        with os.fdopen(descriptor, "wb") as file:
            file.write(message.raw)
            file.flush()
            os.fsync(descriptor)
        temporary.replace(final)
        _sync_folder(final.parent)
        return final


def _sync_folder(folder: Path) -> None:
    """Make a rename survive a power cut (rename(2) is durable only with its folder)."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
