"""Real servers for the lab's internet side, each in the foreground, each with its files in the lab's temporary folder."""

import shutil
import subprocess
from pathlib import Path

from lab.topology import Lab, Namespace, literal, wait


def sshd(lab: Lab, place: Namespace, *addresses: str, port: int = 22, settings: str = "") -> Path:
    """OpenSSH listening on the addresses; the private key that opens it (for the scenarios with honest logins)."""
    Path("/run/sshd").mkdir(exist_ok=True)
    host_key, key = lab.scratch / "ssh_host_key", lab.scratch / "ssh_key"
    for file in (host_key, key):
        if not file.exists():
            subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(file)], check=True)
    listen = "".join(f"ListenAddress {address}\n" for address in addresses)
    config = lab.file(
        "sshd_config",
        f"{listen}Port {port}\nHostKey {host_key}\nPidFile none\nAuthorizedKeysFile {key}.pub\nStrictModes no\nUsePAM no\n"
        f"UseDNS no\nPrintMotd no\nPermitRootLogin prohibit-password\nSubsystem sftp internal-sftp\n{settings}",
    )
    place.start("/usr/sbin/sshd", "-D", "-e", "-f", config)
    for address in addresses:
        listening(place, address, port)
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


def nginx(lab: Lab, place: Namespace, *addresses: str, port: int = 80, tls: bool = False) -> Path:
    """nginx on the addresses, serving the lab's `www` folder and taking uploads below `/in/`."""
    www = lab.scratch / "www"
    www.mkdir(exist_ok=True)
    for size in (4, 40, 200):
        (www / f"{size}k").write_bytes(b"x" * size * 1024)
    (www / "index.html").write_text("<html><body>It works.</body></html>\n")
    listen = "".join(f"listen {literal(address)}:{port}{' ssl' * tls};" for address in addresses)
    listen += certificate(lab) if tls else ""
    config = lab.file(
        f"nginx-{port}.conf",
        f"daemon off; master_process off; pid {lab.scratch}/nginx-{port}.pid; error_log /dev/null; events {{}}\n"
        f"http {{ access_log off; server {{ {listen} root {www}; location /in/ {{ dav_methods PUT; create_full_put_path on; }} }} }}\n",
    )
    place.start("nginx", "-c", config)
    listening(place, addresses[-1], port)
    return www


def certificate(lab: Lab) -> str:
    """A certificate that nobody vouches for, as nginx is told of it."""
    key, certificate = lab.scratch / "tls.key", lab.scratch / "tls.crt"
    argv = ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "2", "-subj", "/CN=server.example"]
    subprocess.run([*argv, "-keyout", str(key), "-out", str(certificate)], check=True, capture_output=True, timeout=30)
    return f"ssl_certificate {certificate}; ssl_certificate_key {key};"


def telnetds(lab: Lab, place: Namespace, *addresses: str) -> None:
    """GNU telnetd behind inetd on the addresses, with a login that never succeeds."""
    login = lab.file(
        "login.sh",
        '#!/bin/sh\nfor n in 1 2 3; do printf "login: "; read a; printf "Password: "; read b; echo "Login incorrect"; done\n',
    )
    login.chmod(0o755)
    lines = (
        f"{literal(address)}:23 stream {'tcp6' if ':' in address else 'tcp'} nowait.2000 root /usr/sbin/telnetd telnetd -h -E {login}\n"
        for address in addresses
    )
    place.start("inetd", "-d", "-i", lab.file("inetd.conf", "".join(lines)))
    listening(place, addresses[-1], 23)


def smtp_sink(place: Namespace, everywhere: str = "0.0.0.0") -> None:
    """Postfix's smtp-sink on every address of the namespace: a real SMTP server that takes all mail and throws it away."""
    place.start("/usr/sbin/smtp-sink", "-u", "nobody", f"{everywhere}:25", "100")
    listening(place, "::1" if ":" in everywhere else "127.0.0.1", 25)


def postfix(lab: Lab, place: Namespace, settings: str, *services: str) -> Path:
    """Postfix with a queue of its own, and the folder of its configuration; `services` are lines of master.cf beside the shipped ones."""
    folder, spool, data = (lab.scratch / name for name in ("postfix", "spool", "postfix-data"))
    for path in (folder, spool, data):
        path.mkdir()
    shutil.chown(data, "postfix")
    (folder / "main.cf").write_text(
        f"compatibility_level = 3.6\nqueue_directory = {spool}\ndata_directory = {data}\ninet_interfaces = all\ninet_protocols = all\n"
        f"maillog_file = {lab.scratch}/postfix.log\nmaillog_file_prefixes = {lab.scratch}\nalias_maps =\nalias_database =\nmydestination =\n{settings}",
    )
    shipped = [line.split() for line in Path("/usr/share/postfix/master.cf.dist").read_text().splitlines() if line and line[0] not in "# "]
    inside = [" ".join([*fields[:4], "n", *fields[5:]]) for fields in shipped if fields[:2] != ["smtp", "inet"]]  # no chroot, no port 25
    (folder / "master.cf").write_text("\n".join([*inside, *services]) + "\n")
    subprocess.run(["postfix", "-c", folder, "check"], capture_output=True, check=False, timeout=30)  # makes the queue's folders
    place.start("postfix", "-c", folder, "start-fg")
    return folder


def names(place: Namespace, address: str, hosts: dict[str, str], *more: str) -> None:
    """dnsmasq at `address` that knows the given hosts, and what its options say beside."""
    records = [f"--host-record={name},{target}" for name, target in hosts.items()]
    place.start("dnsmasq", "-k", "-C", "/dev/null", "--no-resolv", "--no-hosts", "--user=root", "--pid-file=",
                "--bind-interfaces", f"--listen-address={address}", *records, *more)  # fmt: skip
    listening(place, address, 53)


def vsftpd(lab: Lab, place: Namespace, address: str) -> None:
    """vsftpd for local users, whom nobody here is."""
    Path("/run/vsftpd/empty").mkdir(parents=True, exist_ok=True)
    listen = f"listen=NO\nlisten_ipv6=YES\nlisten_address6={address}\n" if ":" in address else f"listen=YES\nlisten_address={address}\n"
    config = lab.file(
        "vsftpd.conf",
        f"{listen}background=NO\nanonymous_enable=NO\nlocal_enable=YES\npam_service_name=vsftpd\n"
        "secure_chroot_dir=/run/vsftpd/empty\n",
    )
    place.start("vsftpd", config)
    listening(place, address, 21)
