"""A tunnel in name queries and what else goes to port 53."""

import pytest

from tests import scenarios as s


def queries(n, *, size=110, answer=400, sport=44_000, every=0.2):
    lines = []
    for k in range(n):
        at, port = round(k * every, 3), sport
        lines.append(f"{at} {at} {s.OWN}:{port} {s.OUT}:53 udp 1 {size} .")
        if answer:
            lines.append(f"{at + 0.01} {at + 0.01} {s.OUT}:53 {s.OWN}:{port} udp 1 {answer} .")
    return lines


def resolver(n):
    return [f"{k * 0.2} {k * 0.2} {s.OWN}:{20_000 + k} {s.OUT}:53 udp 1 120 ." for k in range(n)] + [
        f"{k * 0.2 + 0.01} {k * 0.2 + 0.01} {s.OUT}:53 {s.OWN}:{20_000 + k} udp 1 200 ." for k in range(n)
    ]


def found(lines):
    rules = [rule for rule in s.shipped() if rule.kind == "dns_tunnel"]
    lines = sorted(lines, key=lambda line: float(line.split()[0]))
    return [(each.finding.rule, each.finding.severity, each.status) for each in s.detections(*lines, rules=rules)]


def test_a_tunnel():
    assert found(queries(300)) == [("dns-tunnel", "low", "observe")]


LOOKALIKES = {
    "short names": queries(300, size=80), "a few long ones": queries(150), "a resolver that changes its port": resolver(600),
    "a server that does not answer": queries(300, answer=0), "a VPN on port 53 that brings": queries(300) + [line for line in queries(300, every=0.19) if line.endswith("400 .")],
    "a VPN on port 53 that takes": queries(300, size=340, answer=80), "a reflector whose victim is named as port 53": queries(300, size=1400, answer=60),
}  # fmt: skip


@pytest.mark.parametrize("name", LOOKALIKES)
def test_what_is_no_tunnel(name):
    assert found(LOOKALIKES[name]) == []
