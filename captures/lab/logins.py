"""Password guessing beyond SSH over IPv4: other tools, other services, many hosts at once."""

import subprocess
from functools import partial
from pathlib import Path

from lab import servers
from lab.attacks import OFFENDER, OPERATOR_A, two_ssh_servers
from lab.benign import ssh_options
from lab.scenario import Expected, in_both, scenario
from lab.topology import Family, Lab, literal, v6, wait

OPERATOR_6 = "2001:db8:ffff:a::10"
ODD_PORT = 22022
SPRAYED = tuple(f"{network}.{number}" for network in ("203.0.113", "192.0.2") for number in range(21, 29))


def words(lab: Lab, count: int) -> None:
    """A word list, and customer 10 who has it."""
    lab.customer(10)
    lab.file("words.txt", "".join(f"password{number}\n" for number in range(count)))


def guessed(rule: str, kind: str, port: int, **more: object) -> tuple[Expected, ...]:
    """The finding of guessing at one port."""
    return (Expected(rule, kind, OFFENDER, (port,), **more),)  # type: ignore[arg-type]


def hydra(lab: Lab, target: str, *user: object, tasks: int = 4, patience: int = 2, seconds: float = 120) -> None:
    """hydra with the word list; a server that takes its time for a refusal needs more `patience` (seconds)."""
    lab.customers[10].run("hydra", "-I", *user, "-P", lab.scratch / "words.txt", "-t", tasks, "-w", patience, target, seconds=seconds)


@scenario(
    two_ssh_servers,
    shows="medusa guesses passwords for root on one sshd, two at a time.",
    packages=("medusa", "openssh-server"),
    findings=guessed("ssh-login-attack", "login_attack", 22),
)
def ssh_login_attack_medusa(lab: Lab) -> None:
    """Another tool, another session length."""
    lab.customers[10].run("medusa", "-h", OPERATOR_A, "-u", "root", "-P", lab.scratch / "words.txt", "-M", "ssh", "-t", 2)


@scenario(
    two_ssh_servers,
    shows="ncrack guesses passwords for root on one sshd.",
    packages=("ncrack", "openssh-server"),
    findings=guessed("ssh-login-attack", "login_attack", 22),
)
def ssh_login_attack_ncrack(lab: Lab) -> None:
    """A third tool."""
    lab.customers[10].run("ncrack", "-p", 22, "-u", "root", "-P", lab.scratch / "words.txt", OPERATOR_A)


def ssh_server_6(lab: Lab) -> None:
    """An sshd with an IPv6 address only."""
    words(lab, 120)
    servers.sshd(lab, lab.internet, OPERATOR_6, settings="MaxAuthTries 3\n")


@scenario(
    ssh_server_6,
    shows="hydra guesses passwords for root on an sshd over IPv6.",
    packages=("hydra", "openssh-server"),
    findings=(Expected("ssh-login-attack", "login_attack", v6(10), (22,)),),
)
def ssh_login_attack_v6(lab: Lab) -> None:
    """The first attack, over IPv6."""
    lab.customers[10].run("hydra", "-I", "-6", "-l", "root", "-P", lab.scratch / "words.txt", "-t", 4, "-w", 2, f"ssh://[{OPERATOR_6}]")


def ssh_server_elsewhere(lab: Lab) -> None:
    """An sshd that its owner moved to another port."""
    words(lab, 400)
    servers.sshd(lab, lab.internet, OPERATOR_A, port=ODD_PORT, settings="MaxAuthTries 3\nMaxStartups 100\n")


@scenario(
    ssh_server_elsewhere,
    shows="hydra guesses passwords for root on an sshd at port 22022, sixteen sessions at once, three tries each.",
    packages=("hydra", "openssh-server"),
    findings=guessed("login-storm", "login_attack", ODD_PORT),
)
def login_storm(lab: Lab) -> None:
    """Four hundred passwords, two hundred sessions, half a minute."""
    hydra(lab, f"ssh://{OPERATOR_A}:{ODD_PORT}", "-l", "root", tasks=16)


def many_ssh_servers(lab: Lab) -> None:
    """Sixteen sshds at two operators."""
    words(lab, 20)
    servers.sshd(lab, lab.internet, *SPRAYED)
    lab.file("hosts.txt", "\n".join(SPRAYED) + "\n")


@scenario(
    many_ssh_servers,
    shows="medusa tries twenty common passwords on each of sixteen SSH servers, three a session: too few sessions at each to be seen there.",
    packages=("medusa", "openssh-server"),
    findings=guessed("password-spray", "password_spray", 22, min_targets=16),
)
def password_spray(lab: Lab) -> None:
    """Twenty tries a host."""
    lab.customers[10].run("medusa", "-H", lab.scratch / "hosts.txt", "-T", 4, "-u", "root", "-P", lab.scratch / "words.txt", "-M", "ssh")


def ftp_server_at(lab: Lab, address: str) -> None:
    """vsftpd for local users only."""
    words(lab, 80)
    servers.vsftpd(lab, lab.internet, address)


@scenario(
    lambda lab: ftp_server_at(lab, OPERATOR_A),
    shows="medusa guesses passwords on an FTP server, one try a session.",
    packages=("medusa", "vsftpd"),
    findings=guessed("login-attack", "login_attack", 21),
)
def ftp_login_attack(lab: Lab) -> None:
    """Eighty passwords."""
    lab.customers[10].run("medusa", "-h", OPERATOR_A, "-u", "backup", "-P", lab.scratch / "words.txt", "-M", "ftp", "-t", 3, seconds=100)


def telnet_server(lab: Lab) -> None:
    """telnetd whose login always fails."""
    words(lab, 150)
    servers.telnetds(lab, lab.internet, OPERATOR_A)


@scenario(
    telnet_server,
    shows="ncrack guesses passwords on one telnet server.",
    packages=("ncrack", "inetutils-telnetd", "openbsd-inetd"),
    findings=guessed("login-attack", "login_attack", 23),
)
def telnet_login_attack(lab: Lab) -> None:
    """A hundred and fifty passwords."""
    lab.customers[10].run("ncrack", "-p", 23, "-u", "admin", "-P", lab.scratch / "words.txt", OPERATOR_A)


def mysql_server(lab: Lab, family: Family) -> None:
    """MariaDB with one account that may log in from outside."""
    words(lab, 80)
    data = lab.scratch / "mysql"
    argv = ["mariadb-install-db", "--no-defaults", "--user=root", f"--datadir={data}", "--skip-test-db"]
    subprocess.run(argv, check=True, capture_output=True, timeout=60)
    account = lab.file("account.sql", "CREATE USER 'admin'@'%' IDENTIFIED BY 'not-in-the-list';\n")
    lab.internet.start("mariadbd", "--no-defaults", "--user=root", f"--datadir={data}", f"--socket={data}/socket", f"--bind-address={family.alpha(10)}",
                       f"--pid-file={data}/pid", "--skip-name-resolve", "--max-connect-errors=100000", f"--init-file={account}")  # fmt: skip
    servers.listening(lab.internet, family.alpha(10), 3306, seconds=20)


@in_both(
    mysql_server,
    shows="hydra guesses the password of an account on a MariaDB server{over}.",
    packages=("hydra", "mariadb-server"),
    findings=guessed("login-attack", "login_attack", 3306),
)
def mysql_login_attack(lab: Lab, family: Family) -> None:
    """Eighty passwords."""
    hydra(lab, f"mysql://{literal(family.alpha(10))}", *family.flag(), "-l", "admin")


def rdp_server_at(lab: Lab, address: str) -> None:
    """xrdp with its own configuration but for the address."""
    words(lab, 60)
    place = f"tcp6://{{{address}}}" if ":" in address else f"tcp://{address}"
    changed = Path("/etc/xrdp/xrdp.ini").read_text().replace("port=3389", f"port={place}:3389", 1)
    lab.internet.start("xrdp", "--nodaemon", "--config", lab.file("xrdp.ini", changed))
    servers.listening(lab.internet, address, 3389)


@scenario(
    lambda lab: rdp_server_at(lab, OPERATOR_A),
    shows="ncrack guesses passwords on a remote desktop server.",
    packages=("ncrack", "xrdp"),
    findings=guessed("login-attack", "login_attack", 3389),
)
def rdp_login_attack(lab: Lab) -> None:
    """As many of sixty passwords as a hundred seconds allow."""
    lab.customers[10].run("ncrack", "-p", 3389, "-u", "administrator", "-P", lab.scratch / "words.txt", OPERATOR_A, seconds=100)


ACCOUNT, PASSWORD = "backup2", "Sommer2024"


def ssh_account(lab: Lab, family: Family, number: int) -> None:
    """An sshd, a user on it who has a password, and the customer."""
    lab.customer(number)
    lab.internet.account(ACCOUNT, PASSWORD)
    servers.sshd(lab, lab.internet, family.alpha(10), settings="MaxAuthTries 3\n")


def guessable(lab: Lab, family: Family) -> None:
    """The password is the last of the list."""
    ssh_account(lab, family, 10)
    lab.file("words.txt", "".join(f"password{number}\n" for number in range(100)) + f"{PASSWORD}\n")


def with_password(lab: Lab, password: str) -> tuple[object, ...]:
    """An SSH client that is told the password."""
    return ("sshpass", "-p", password, "ssh", *ssh_options(lab), "-o", "PubkeyAuthentication=no", "-o", "NumberOfPasswordPrompts=1")


@in_both(
    guessable,
    shows="hydra guesses the password of a user on one sshd{over}, one session at a time; the last of a hundred and one is right, and half a minute later "
    "somebody logs in with it and looks around.",
    packages=("hydra", "openssh-server", "openssh-client", "sshpass", "openssl"),
    findings=(*guessed("ssh-login-attack", "login_attack", 22), *guessed("login-success", "login_attack", 22)),
)
def login_success(lab: Lab, family: Family) -> None:
    """Guess, succeed, use."""
    server = family.alpha(10)
    hydra(lab, f"ssh://{literal(server)}", *family.flag(), "-l", ACCOUNT, tasks=1, seconds=400)
    wait(30)
    look = "id; uname -a; cat /etc/services; ls -lR /etc/ssl | head -400; ps ax"
    lab.customers[10].run(*with_password(lab, PASSWORD), f"{ACCOUNT}@{server}", look)


@in_both(
    partial(ssh_account, number=20),
    shows="A user mistypes his password{over} eight times within two minutes, then gets it right and works for a minute.",
    packages=("openssh-server", "openssh-client", "sshpass", "openssl"),
    customers=(20,),
    remark="The typing is done by captures/lab/tools/typist.py on a terminal of its own, with a person's pauses.",
)
def benign_mistyped(lab: Lab, family: Family) -> None:
    """Eight failures and a success."""
    there = f"{ACCOUNT}@{family.alpha(10)}"
    for turn in range(8):
        lab.customers[20].run(*with_password(lab, PASSWORD.lower()), there, shown=turn == 0)
        wait(8 + turn % 5)
    lab.customers[20].run("python3", lab.tools / "typist.py", 60, *with_password(lab, PASSWORD), there)
