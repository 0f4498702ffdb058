"""Sockets that systemd opened for us and keeps open over a restart, so that no datagram is lost (sd_listen_fds(3))."""

import os
import socket
from collections.abc import Mapping, MutableMapping

FIRST_DESCRIPTOR = 3
"""SD_LISTEN_FDS_START."""
VARIABLES = ("LISTEN_PID", "LISTEN_FDS", "LISTEN_FDNAMES")


def inherited_sockets(environment: MutableMapping[str, str] = os.environ) -> Mapping[str, tuple[socket.socket, ...]]:
    """Adopt the sockets passed to this process, by their FileDescriptorName ("unknown" if none was given).

    The variables are removed, or a child started later would believe the descriptors are its own. None passed, or
    passed to another process: empty.
    """
    values = [environment.pop(name, "") for name in VARIABLES]
    if values[0] != str(os.getpid()) or not values[1].isdecimal():
        return {}
    names = values[2].split(":") if values[2] else []
    adopted: dict[str, tuple[socket.socket, ...]] = {}
    for number in range(int(values[1])):
        name = names[number] if number < len(names) else "unknown"
        adopted[name] = (*adopted.get(name, ()), _adopt(FIRST_DESCRIPTOR + number))
    return adopted


def _adopt(descriptor: int) -> socket.socket:
    os.set_inheritable(descriptor, False)  # noqa: FBT003  # the standard library's own form
    return socket.socket(fileno=descriptor)
