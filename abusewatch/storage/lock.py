"""One daemon a state folder: two would send everything twice."""

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


class StateLocked(RuntimeError):  # noqa: N818  # named for what is so; the caller's exit code is 75 (EX_TEMPFAIL)
    """Another abusewatch uses this state folder."""


@contextmanager
def lock_state(folder: Path) -> Iterator[None]:
    """Hold the folder for this process; StateLocked at once when another has it. The kernel lets go when we die."""
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    descriptor = os.open(folder / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise StateLocked(f"{folder} is in use by another abusewatch") from None
        yield
    finally:
        os.close(descriptor)
