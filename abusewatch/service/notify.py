"""Telling systemd how we are (sd_notify(3)): one datagram to the socket it named, or nothing when it named none."""

import os
import socket


def notify(*states: str) -> bool:
    """Send states like "READY=1" or "STATUS=..."; says whether anybody was told. Never raises: a daemon runs without systemd too."""
    address = os.environ.get("NOTIFY_SOCKET", "")
    if not address:
        return False
    if address.startswith("@"):
        address = "\0" + address[1:]  # Linux's abstract namespace
    try:
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as sock:
            sock.sendto("\n".join(states).encode(), address)
    except OSError:
        return False
    return True


def watchdog_secs() -> float | None:
    """Say how often systemd wants to hear from us: half of WATCHDOG_USEC; None when it does not watch this process."""
    usec, pid = os.environ.get("WATCHDOG_USEC", ""), os.environ.get("WATCHDOG_PID", "")
    if not usec.isdecimal() or pid not in {"", str(os.getpid())}:
        return None
    return int(usec) / 2_000_000
