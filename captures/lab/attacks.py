"""The attacks: each is a real tool, bounded in count and time, run by the customer at 198.51.100.10 unless said otherwise."""

from lab import servers
from lab.scenario import Expected, scenario
from lab.topology import Lab, v4

OFFENDER = v4(10)
OPERATOR_A, OPERATOR_B = "203.0.113.10", "192.0.2.10"


def one_customer(lab: Lab) -> None:
    """The stage of most attacks: customer 10, and nobody listening anywhere."""
    lab.customer(10)


def two_ssh_servers(lab: Lab) -> None:
    """An sshd at each of two operators."""
    lab.customer(10)
    servers.sshd(lab, lab.internet, OPERATOR_A, OPERATOR_B, settings="MaxAuthTries 3\nMaxStartups 20\n")
    words = "".join(f"{word}{number}\n" for number in range(40) for word in ("password", "letmein", "summer", "qwerty"))
    lab.file("words.txt", words)


@scenario(
    two_ssh_servers,
    shows="hydra guesses passwords for root on the sshds of two operators, three tries a session, at least sixty sessions to each within two minutes.",
    packages=("hydra", "openssh-server"),
    findings=(Expected("ssh-login-attack", "login_attack", OFFENDER, (22,), 1),),
)
def ssh_login_attack(lab: Lab) -> None:
    """At least sixty sessions to each server."""
    guessing = [
        lab.customers[10].start("hydra", "-I", "-l", "root", "-P", lab.scratch / "words.txt", "-t", 4, "-w", 2, f"ssh://{target}")
        for target in (OPERATOR_A, OPERATOR_B)
    ]
    for process in guessing:
        process.wait(180)
