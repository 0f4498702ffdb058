"""`abusewatch capture-helper`: the small process that captures for the daemon."""

import signal
import time
from pathlib import Path

import click

from abusewatch.cli.output import Refused
from abusewatch.service.notify import notify, watchdog_secs
from abusewatch.sources.live.helper import Helper
from abusewatch.sources.live.ring import BLOCKS, PacketRing


@click.command("capture-helper")
@click.option("--interface", required=True, metavar="IF", help="The interface to read from.")
@click.option(
    "--feed",
    type=click.Path(path_type=Path, dir_okay=False),
    required=True,
    help="The daemon's socket for it, as `feed` of its [[source]].",
)
@click.option("--ring-mb", type=click.IntRange(1, 4096), default=BLOCKS, show_default=True, help="Memory of the kernel's ring.")
@click.option("--promiscuous/--no-promiscuous", default=True, help="Ask the interface for frames to others as well.")
def capture_helper(interface: str, feed: Path, ring_mb: int, *, promiscuous: bool) -> None:
    """Read packet headers from an interface and pass them to the daemon; needs CAP_NET_RAW and nothing else.

    The kernel cuts each frame behind its headers; what goes to the daemon are addresses, ports, protocol, flags, length and time.
    """
    try:
        ring = PacketRing(interface, promiscuous=promiscuous, blocks=ring_mb)
    except OSError as error:
        why = "needs CAP_NET_RAW" if isinstance(error, PermissionError) else error.strerror or error
        raise Refused(f"cannot capture on {interface}: {why}") from None
    helper = Helper(ring, feed, Alive())
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: helper.stop())
    notify("READY=1", f"STATUS=capturing on {interface}")
    try:
        helper.run()
    except OSError as error:
        raise Refused(f"{interface}: {error.strerror or error}") from None
    finally:
        ring.close()


class Alive:
    """Tells systemd that we go round, as often as it wants to hear it."""

    def __init__(self) -> None:
        self._period = watchdog_secs()
        self._told = time.monotonic()

    def __call__(self) -> None:
        """Take note of one round."""
        if self._period and time.monotonic() - self._told >= self._period / 2:
            self._told = time.monotonic()
            notify("WATCHDOG=1")
