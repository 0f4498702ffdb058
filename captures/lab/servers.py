"""Real servers for the lab's internet side, each in the foreground, each with its files in the lab's temporary folder."""

import subprocess
from pathlib import Path

from lab.topology import Lab, Namespace, wait


def sshd(lab: Lab, place: Namespace, *addresses: str, settings: str = "") -> Path:
    """OpenSSH listening on the addresses; the private key that opens it (for the scenarios with honest logins)."""
    Path("/run/sshd").mkdir(exist_ok=True)
    host_key, key = lab.scratch / "ssh_host_key", lab.scratch / "ssh_key"
    for file in (host_key, key):
        if not file.exists():
            subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(file)], check=True)
    listen = "".join(f"ListenAddress {address}\n" for address in addresses)
    config = lab.file(
        "sshd_config",
        f"{listen}HostKey {host_key}\nPidFile none\nAuthorizedKeysFile {key}.pub\nStrictModes no\nUsePAM no\n"
        f"UseDNS no\nPrintMotd no\nPermitRootLogin prohibit-password\nSubsystem sftp internal-sftp\n{settings}",
    )
    place.start("/usr/sbin/sshd", "-D", "-e", "-f", config)
    for address in addresses:
        listening(place, address, 22)
    return key


def listening(place: Namespace, address: str, port: int, seconds: float = 8) -> None:
    """Return when the server accepts connections (asked from inside its own namespace, before the recorder starts)."""
    probe = f"import socket; socket.create_connection(({address!r}, {port}), 1).close()"
    for _ in range(int(seconds * 4)):
        done = subprocess.run(
            ["ip", "netns", "exec", place.name, "python3", "-c", probe], capture_output=True, check=False
        )
        if done.returncode == 0:
            return
        wait(0.25)
    raise RuntimeError(f"nothing listens on {address} port {port}: {(place.lab.scratch / 'output.log').read_text()[-800:]}")
