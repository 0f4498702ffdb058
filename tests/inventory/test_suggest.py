"""Each role is proposed where a machine lives up to it, and not one peer earlier."""

import pytest

from abusewatch.inventory import of_prefixes
from abusewatch.inventory.suggest import Watcher
from tests.flows import flows

OWN = "198.51.100.7"


def roles(*lines):
    watcher = Watcher(of_prefixes(["198.51.100.0/24"]))
    half = len(lines) // 2
    watcher.feed(flows(*lines[:half]))
    watcher.feed(flows(*lines[half:]))
    return {(one.address, one.role) for one in watcher.suggestions()}


def peer(n):
    return f"192.0.2.{n}" if n < 250 else f"203.0.113.{n - 250}"


def delivered(n):
    return [f"{i} {i + 1} {peer(i)}:{4000 + i} {OWN}:25 tcp 20 4000 SAPF" for i in range(n)]


def delivers(n):
    return [f"{i} {i + 1} {OWN}:{5000 + i} {peer(i)}:25 tcp 20 4000 SAPF" for i in range(n)]


def served(port, asked, answered):
    return [f"{i} {i} {peer(i)}:{4000 + i} {OWN}:{port} udp 1 60 ." for i in range(asked)] + [
        f"{i} {i} {OWN}:{port} {peer(i)}:{4000 + i} udp 1 90 ." for i in range(answered)
    ]


def watched(services, visits):
    return [f"{v * 60 + i} {v * 60 + i} {OWN}:{10_000 + i + v * 100} {peer(i)}:443 tcp 6 400 SAPF" for i in range(services) for v in range(visits)]


@pytest.mark.parametrize(
    ("enough", "too_few", "role"),
    [
        (delivered(10) + delivers(5), delivered(9) + delivers(5), "mail_server"),
        (delivered(10) + delivers(5), delivered(10) + delivers(4), "mail_server"),
        (served(53, 20, 15), served(53, 20, 14), "dns_authoritative"),
        (served(53, 20, 15), served(53, 19, 19), "dns_authoritative"),
        (served(123, 20, 15), served(123, 19, 15), "ntp_server"),
        (watched(20, 10), watched(19, 10), "monitor"),
        (watched(20, 10), watched(20, 9), "monitor"),
    ],
)
def test_a_role_and_its_limit(enough, too_few, role):
    assert roles(*enough) == {(OWN, role)}
    assert roles(*too_few) == set()


def test_a_resolver_asks_many_and_is_told():
    asked = [f"{i} {i} {OWN}:{5000 + i} {peer(i)}:53 udp 1 60 ." for i in range(50)]
    told = [f"{i} {i} {peer(i)}:53 {OWN}:{5000 + i} udp 1 90 ." for i in range(40)]
    assert roles(*asked, *told) == {(OWN, "resolver")}
    assert roles(*asked, *told[:-1]) == set()


def test_who_works_through_passwords_is_no_monitor():
    """Equally often to each of many services is also what a list of passwords looks like."""
    guesses = [line.replace(":443 ", ":3389 ") for line in watched(20, 10)]
    assert roles(*guesses) == set()
    assert roles(*guesses, *watched(20, 10)) == {(OWN, "monitor")}


@pytest.mark.parametrize(("port", "role"), [(53, "dns_authoritative"), (123, "ntp_server")])
def test_who_answers_with_much_more_than_was_asked_is_no_server_to_trust(port, role):
    """Sixty bytes asked, and 179 or 180 answered: the latter is a reflector, and the role would silence the rule on those."""
    for size, found in ((179, {(OWN, role)}), (180, set())):
        assert roles(*(line.replace(" 90 ", f" {size} ") for line in served(port, 20, 20))) == found


def test_who_is_only_scanned_is_no_mail_server():
    scanned = [f"{i} {i} {peer(i)}:{4000 + i} {OWN}:25 tcp 1 40 S" for i in range(50)]
    assert roles(*scanned, *delivers(5)) == set()


def test_a_full_table_says_what_it_left_out(monkeypatch):
    monkeypatch.setattr("abusewatch.inventory.suggest.MOST_PAIRS", 5)
    watcher = Watcher(of_prefixes(["198.51.100.0/24"]))
    for line in delivered(10):
        watcher.feed(flows(line))
    assert watcher.left_out == 5
