"""What exporters have told, kept in the state directory over a restart: their records are readable at once, not only after the next templates."""

import os
from pathlib import Path

import numpy as np
import structlog

from abusewatch.model import address
from abusewatch.service.feed import Feed
from abusewatch.sources.exporters import FULL, Exporters
from abusewatch.sources.live.source import CaptureSource
from abusewatch.wire.errors import WireError


def _file(folder: Path, feed: Feed) -> Path:
    return folder / f"templates-{feed.source.name}"


def keep(folder: Path, feed: Feed, now_us: int) -> None:
    """Write what a feed's exporters have told, whole or not at all; a fault is logged and costs only this."""
    if isinstance(feed.source, CaptureSource) or not isinstance(feed.source.exporters, Exporters):
        return
    path = _file(folder, feed)
    part = path.with_suffix(".part")
    try:
        part.unlink(missing_ok=True)
        with os.fdopen(os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o600), "wb") as file:
            file.write(feed.decoder.save(feed.source.exporters.text, now_us))
        part.replace(path)
    except OSError as error:
        structlog.get_logger().warning("templates not kept", source=feed.source.name, reason=error.strerror)


def recall(folder: Path, feed: Feed, now_us: int) -> int:
    """Take in what was kept, if it can be used, and count the templates; only of exporters that may still send."""
    exporters = None if isinstance(feed.source, CaptureSource) else feed.source.exporters
    if not isinstance(exporters, Exporters):
        return 0  # the templates of a session end with it (RFC 7011 8.1)

    def number(name: str) -> int | None:
        try:
            hi, lo = address.parse(name)
        except ValueError:
            return None
        index = int(exporters.index_of(np.array([hi], np.uint64), np.array([lo], np.uint64))[0])
        return index if index < FULL else None

    try:
        content = _file(folder, feed).read_bytes()
        return feed.decoder.load(content, number, now_us)
    except FileNotFoundError:
        return 0
    except (OSError, WireError) as error:
        structlog.get_logger().warning("templates not taken in", source=feed.source.name, reason=str(error))
        return 0
