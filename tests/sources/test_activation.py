"""Sockets from systemd, in a real child with real descriptors 3 and 4."""

import os
import socket
import subprocess
import sys

from abusewatch.sources.activation import inherited_sockets

CHILD = """
import os, sys
os.environ["LISTEN_PID"] = str(os.getpid())
from abusewatch.sources.activation import inherited_sockets
from abusewatch.sources.udp import UdpSettings, UdpSource
named = inherited_sockets()
assert not [v for v in os.environ if v.startswith("LISTEN_")], "left for the children"
assert inherited_sockets() == {}
assert not os.get_inheritable(3)
print({name: len(socks) for name, socks in named.items()})
source = UdpSource(UdpSettings(allow=("127.0.0.1/32",)), sockets=named["flow"])
source.start()
source.wait(5)
taken = source.take(10)
print(len(taken), taken.ring[0, :int(taken.lengths[0])].tobytes())
source.stop()
for sock in named["metrics"]:
    sock.close()
"""


def test_datagrams_that_waited_while_we_were_away_are_taken():
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as flow, socket.socket(socket.AF_INET, socket.SOCK_STREAM) as metrics:
        flow.bind(("127.0.0.1", 0))
        metrics.bind(("127.0.0.1", 0))
        metrics.listen()
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender:
            sender.sendto(b"early", flow.getsockname())
        first, second = os.dup(flow.fileno()), os.dup(metrics.fileno())
        shell = 'a=$1 b=$2; shift 2; eval "exec \\"\\$@\\" 3<&$a 4<&$b"'
        done = subprocess.run(
            ["bash", "-c", shell, "sh", str(first), str(second), sys.executable, "-c", CHILD],
            env=os.environ | {"LISTEN_FDS": "2", "LISTEN_FDNAMES": "flow:metrics"},
            pass_fds=(first, second), capture_output=True, text=True, timeout=30, check=False,
        )  # fmt: skip
        os.close(first)
        os.close(second)
    assert done.stdout.splitlines() == ["{'flow': 1, 'metrics': 1}", "1 b'early'"], done.stderr


def test_descriptors_for_another_process_are_not_ours_and_the_variables_go():
    environment = {"LISTEN_PID": "1", "LISTEN_FDS": "2", "LISTEN_FDNAMES": "a:b", "HOME": "/"}
    assert inherited_sockets(environment) == {}
    assert environment == {"HOME": "/"}


def test_nonsense_is_nothing():
    assert inherited_sockets({"LISTEN_PID": str(os.getpid()), "LISTEN_FDS": "-1"}) == {}
    assert inherited_sockets({}) == {}
