"""Keys: from a file the configuration names, from systemd, or made once in the state folder."""

import os
import secrets
from pathlib import Path

BYTES = 32


def key_of(folder: Path, name: str, file: Path | None = None, credential: str | None = None) -> bytes:
    """Read the key `name`: from `file` when one is named, else from `credential`, else from the state folder.

    There it is made at the first use (0600), durable before anything relies on it: a key that a power cut took would
    take with it what it locks. OSError when it cannot be read or made.
    """
    if file is not None:
        return file.read_bytes().strip()
    if credential is not None:
        return credential.encode().strip()
    path = folder / f"{name}.key"
    if not path.exists():
        _make(path)
    return path.read_bytes()


def _make(path: Path) -> None:
    """Write a new key under another name, sync, rename, sync the folder: whole or not there."""
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW, 0o600)
    with os.fdopen(descriptor, "wb") as out:
        out.write(secrets.token_bytes(BYTES))
        out.flush()
        os.fsync(descriptor)
    temporary.rename(path)
    folder = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)
