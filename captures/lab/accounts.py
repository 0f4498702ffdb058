"""Password guessing on mail servers, PostgreSQL, remote screens and file shares, over IPv4 and IPv6."""

import pwd
import shutil
import subprocess
from pathlib import Path

from lab import servers
from lab.attacks import OPERATOR_A
from lab.logins import OPERATOR_6, ftp_server_at, guessed, hydra, rdp_server_at, words
from lab.scenario import Expected, in_both, scenario
from lab.topology import Family, Lab, literal, v6


def guessed_6(port: int) -> tuple[Expected, ...]:
    """The finding of guessing at one port from the customer's IPv6 address."""
    return (Expected("login-attack", "login_attack", v6(10), (port,)),)


def mailboxes(lab: Lab, address: str, listen: str = "") -> None:
    """Dovecot with its own delays and limits, for users nobody is; it also answers Postfix's questions (SASL)."""
    nobody = lab.file("users", "")
    nobody.chmod(0o644)
    config = lab.file(
        "dovecot.conf",
        f"protocols = imap pop3\nlisten = {listen or address}\nbase_dir = {lab.scratch}/dovecot\nstate_dir = {lab.scratch}/dovecot-state\n"
        f"log_path = {lab.scratch}/dovecot.log\nssl = no\ndisable_plaintext_auth = no\nmail_location = maildir:~/\n"
        f"passdb {{\n driver = passwd-file\n args = {nobody}\n}}\nuserdb {{\n driver = passwd-file\n args = {nobody}\n}}\n"
        f"service auth {{\n unix_listener {lab.scratch}/sasl {{\n mode = 0666\n }}\n}}\n",
    )
    lab.internet.start("dovecot", "-F", "-c", config)
    servers.listening(lab.internet, address, 143)


def imap_server(lab: Lab) -> None:
    """Dovecot over IPv4."""
    words(lab, 800)
    mailboxes(lab, OPERATOR_A)


@scenario(
    imap_server,
    shows="hydra guesses the password of a mailbox on a Dovecot server over IMAP, sixteen connections at once; Dovecot answers each time later.",
    packages=("hydra", "dovecot-imapd", "dovecot-pop3d"),
    findings=guessed("login-attack", "login_attack", 143),
)
def imap_login_attack(lab: Lab) -> None:
    """Five minutes, about ninety passwords in each."""
    hydra(lab, f"imap://{OPERATOR_A}", "-l", "office", tasks=16, patience=30, seconds=330)


def pop3_server_6(lab: Lab) -> None:
    """Dovecot over IPv6."""
    words(lab, 400)
    mailboxes(lab, OPERATOR_6)
    known_by_name(lab)


def known_by_name(lab: Lab) -> None:
    """ncrack takes an IPv6 address for a host and a port: it needs a name."""
    lab.customers[10].names("127.0.0.1", f"{OPERATOR_6} target.example\n")


@scenario(
    pop3_server_6,
    shows="ncrack guesses the password of a mailbox on a Dovecot server over POP3 and IPv6.",
    packages=("ncrack", "dovecot-imapd", "dovecot-pop3d"),
    findings=guessed_6(110),
)
def pop3_login_attack_v6(lab: Lab) -> None:
    """As many of four hundred passwords as Dovecot lets through in five minutes."""
    ncrack_6(lab, "pop3:110", "office", 330)


def ncrack_6(lab: Lab, service: str, user: str, seconds: float) -> None:
    """ncrack with the word list."""
    lab.customers[10].run(
        "ncrack", "-6", "-p", service, "-u", user, "-P", lab.scratch / "words.txt", "target.example", seconds=seconds
    )


def submission(lab: Lab, address: str) -> None:
    """Postfix with its own settings as it takes mail of its users, who show Dovecot their passwords."""
    mailboxes(lab, address)
    settings = (
        "myhostname = mail.target.example\nsmtpd_sasl_auth_enable = yes\nsmtpd_sasl_type = dovecot\n"
        f"smtpd_sasl_path = {lab.scratch}/sasl\n"
    )
    servers.postfix(lab, lab.internet, settings, f"{literal(address)}:587 inet n - n - - smtpd")
    servers.listening(lab.internet, address, 587)


def submission_server(lab: Lab, family: Family) -> None:
    """Postfix, and a word list."""
    words(lab, 120)
    submission(lab, family.alpha(10))


@in_both(
    submission_server,
    shows="hydra guesses the password of a mail user on a Postfix server's submission port{over}, four connections at once.",
    packages=("hydra", "postfix", "dovecot-imapd", "dovecot-pop3d"),
    findings=guessed("login-attack", "login_attack", 587),
)
def smtp_login_attack(lab: Lab, family: Family) -> None:
    """AUTH again and again."""
    hydra(lab, f"smtp://{literal(family.alpha(10))}:587/PLAIN", *family.flag(), "-l", "office", patience=30, seconds=150)


def database(lab: Lab, family: Family) -> None:
    """PostgreSQL that asks everybody for a password."""
    words(lab, 80)
    programs = max(Path("/usr/lib/postgresql").glob("*/bin"))
    data, owner = lab.scratch / "postgres", pwd.getpwnam("postgres")
    data.mkdir()
    shutil.chown(data, "postgres", "postgres")
    secret = lab.file("secret", "not-in-the-list\n")
    as_owner = ("setpriv", f"--reuid={owner.pw_uid}", f"--regid={owner.pw_gid}", "--clear-groups", "--")
    subprocess.run(
        [*as_owner, programs / "initdb", "-D", data, "--auth=scram-sha-256", f"--pwfile={secret}"],
        check=True,
        capture_output=True,
        timeout=60,
        cwd="/",
    )
    with (data / "pg_hba.conf").open("a") as rules:
        rules.write("host all all all scram-sha-256\n")
    lab.internet.start(
        *as_owner,
        programs / "postgres",
        "-D",
        data,
        "-c",
        f"listen_addresses={family.alpha(10)}",
        "-c",
        f"unix_socket_directories={data}",
    )
    servers.listening(lab.internet, family.alpha(10), 5432, seconds=20)


@in_both(
    database,
    shows="hydra guesses the password of an account on a PostgreSQL server{over}.",
    packages=("hydra", "postgresql"),
    findings=guessed("login-attack", "login_attack", 5432),
)
def postgres_login_attack(lab: Lab, family: Family) -> None:
    """Eighty passwords."""
    hydra(lab, f"postgres://{literal(family.alpha(10))}", *family.flag(), "-l", "postgres")


def screen(lab: Lab) -> None:
    """An X server without a screen, which x11vnc shows to whoever knows the password."""
    words(lab, 80)
    secret = lab.scratch / "vnc"
    subprocess.run(
        ["x11vnc", "-storepasswd", "not-in-the-list", str(secret)], check=True, capture_output=True, timeout=30
    )
    lab.internet.start("Xvfb", ":77", "-screen", "0", "320x240x16", "-nolisten", "tcp")
    lab.internet.start(
        "x11vnc", "-display", ":77", "-rfbauth", secret, "-listen", OPERATOR_A, "-forever", "-shared", "-noipv6"
    )
    servers.listening(lab.internet, OPERATOR_A, 5900, seconds=15)


@scenario(
    screen,
    shows="hydra guesses the password of a screen that x11vnc shares.",
    packages=("hydra", "x11vnc", "xvfb"),
    findings=guessed("login-attack", "login_attack", 5900),
)
def vnc_login_attack(lab: Lab) -> None:
    """Eighty passwords."""
    hydra(lab, f"vnc://{OPERATOR_A}", seconds=120)


def share(lab: Lab) -> None:
    """Samba that still speaks to old clients, as the tools are."""
    words(lab, 80)
    base = lab.scratch / "samba"
    base.mkdir()
    folders = "".join(
        f"{name} = {base}\n"
        for name in (
            "private dir",
            "lock directory",
            "state directory",
            "cache directory",
            "pid directory",
            "ncalrpc dir",
        )
    )
    config = lab.file(
        "smb.conf",
        f"[global]\n{folders}bind interfaces only = yes\ninterfaces = {OPERATOR_A}/32\nlog file = {base}/log\nmap to guest = never\nserver min protocol = NT1\n",
    )
    lab.internet.ip("addr", "add", f"{OPERATOR_A}/32", "dev", "lo")
    lab.internet.start("smbd", "--foreground", "--no-process-group", "-s", config)
    servers.listening(lab.internet, OPERATOR_A, 445, seconds=15)


@scenario(
    share,
    shows="hydra guesses passwords on a file server (SMB 1), one at a time.",
    packages=("hydra", "samba"),
    findings=guessed("login-attack", "login_attack", 445),
)
def smb_login_attack(lab: Lab) -> None:
    """Eighty passwords."""
    hydra(lab, f"smb://{OPERATOR_A}", "-l", "administrator", tasks=1)


def rdp_server_6(lab: Lab) -> None:
    """xrdp over IPv6."""
    rdp_server_at(lab, OPERATOR_6)
    known_by_name(lab)


@scenario(
    rdp_server_6,
    shows="ncrack guesses passwords on a remote desktop server over IPv6.",
    packages=("ncrack", "xrdp"),
    findings=guessed_6(3389),
)
def rdp_login_attack_v6(lab: Lab) -> None:
    """As many of sixty passwords as a hundred seconds allow."""
    ncrack_6(lab, "rdp:3389", "administrator", 100)


@scenario(
    lambda lab: ftp_server_at(lab, OPERATOR_6),
    shows="hydra guesses passwords on an FTP server over IPv6.",
    packages=("hydra", "vsftpd"),
    findings=guessed_6(21),
)
def ftp_login_attack_v6(lab: Lab) -> None:
    """Eighty passwords."""
    hydra(lab, f"ftp://[{OPERATOR_6}]", "-6", "-l", "backup", tasks=8, patience=10)


SPRAYED_6 = tuple(f"2001:db8:ffff:{network}::{number}" for network in ("a", "b") for number in range(21, 29))


def many_ssh_servers_6(lab: Lab) -> None:
    """Sixteen sshds in two IPv6 networks."""
    words(lab, 20)
    servers.sshd(lab, lab.internet, *SPRAYED_6)
    lab.file("hosts.txt", "".join(f"[{host}]\n" for host in SPRAYED_6))


@scenario(
    many_ssh_servers_6,
    shows="hydra tries twenty common passwords on each of sixteen SSH servers over IPv6: too few sessions at each to be seen there.",
    packages=("hydra", "openssh-server"),
    findings=(Expected("password-spray", "password_spray", v6(10), (22,), 16),),
)
def password_spray_v6(lab: Lab) -> None:
    """Twenty tries a host."""
    targets = ("-M", lab.scratch / "hosts.txt", "-T", 4)
    hydra(lab, "ssh", "-6", "-l", "root", *targets, tasks=1, patience=10, seconds=180)


def telnet_server_6(lab: Lab) -> None:
    """telnetd over IPv6."""
    words(lab, 60)
    servers.telnetds(lab, lab.internet, OPERATOR_6)
    known_by_name(lab)


@scenario(
    telnet_server_6,
    shows="ncrack guesses passwords on one telnet server over IPv6.",
    packages=("ncrack", "inetutils-telnetd", "openbsd-inetd"),
    findings=guessed_6(23),
)
def telnet_login_attack_v6(lab: Lab) -> None:
    """Sixty passwords."""
    ncrack_6(lab, "telnet:23", "admin", 120)
