"""rules explain: why, and why not, as a page and as JSON."""

import json

import pytest

from abusewatch.model.finding import Finding


def explain(abusewatch, root, name, *options, offender="198.51.100.10"):
    return abusewatch("rules", "explain", root / f"captures/{name}/capture.pcap", "--own", "198.51.100.0/24", "--offender", offender, *options)


def test_why_it_fired(abusewatch, root):
    ran = explain(abusewatch, root, "ssh-login-attack")
    assert ran.code == 1
    assert ran.lines[0] == "FIRED  ssh-login-attack: SSH password guessing"
    assert "    because a person's sessions differ in length; twenty of one size at this pace are a tool (Hofstede 2014)" in ran.lines
    assert "      sessions / span_minutes >= 1.5  81 / 0.75 >= 1.5" in ran.lines
    assert "frames 2 to 4345" in ran.out
    assert "nothing   udp-flood: none of 648 records counts (648 fail `protocol = udp`)" in ran.lines
    assert "1 rule(s) fired on 198.51.100.10" in ran.err


def test_why_not(abusewatch, root):
    ran = explain(abusewatch, root, "ssh-login-attack", "--rule", "password-spray")
    assert ran.code == 0
    assert ran.lines[0] == "NEAR, 40 %  password-spray: Passwords tried on many hosts"
    assert "      hosts >= 5             hosts 2 of 5 (40 %)  <- fails" in ran.lines


def test_json_is_one_account_a_line(abusewatch, root):
    ran = explain(abusewatch, root, "ssh-login-attack", "--json")
    accounts = [json.loads(line) for line in ran.lines]
    fired = accounts[0]
    assert (fired["rule"], fired["verdict"], fired["seen"], fired["matched"]) == ("ssh-login-attack", "fired", 162, 162)
    assert fired["best"]["filled"] == "81 >= 20 and 1 >= 0.6 and 14 <= 60 and 81 / 0.75 >= 1.5"
    assert list(fired["findings"][0]) == [name for name in Finding.__struct_fields__ if name not in {"status", "resembles"}]  # this one resembles nothing
    assert {each["verdict"] for each in accounts} == {"fired", "near", "nothing"}
    assert len(accounts) == len(abusewatch("rules", "list").lines) - 1


def test_a_sample_shows_its_bound(abusewatch, root):
    ran = explain(abusewatch, root, "udp-flood", "--rule", "udp-flood", "--sampling", "20")
    assert ran.code == 1
    assert "sampled 1:20; judged on what the sample proves (99.9 %): pps 795 proved of about 922" in ran.out


def test_a_role_is_named(abusewatch, root, tmp_path):
    (tmp_path / "inventory.csv").write_text("id,prefix,contact,language,roles,valid_from,valid_to\nC-1,198.51.100.0/24,,en,monitor,,\n")
    ran = abusewatch("rules", "explain", root / "captures/ssh-login-attack/capture.pcap", "--inventory", "inventory.csv", "--offender", "198.51.100.10", "--rule", "ssh-login-attack")
    assert ran.code == 0
    assert ran.lines[0].startswith("SILENCED  ssh-login-attack")
    assert "the condition held, but role monitor is excepted" in ran.out


def test_times_narrow_it(abusewatch, root):
    ran = explain(abusewatch, root, "ssh-login-attack", "--rule", "ssh-login-attack", "--to", "2026-11-23T04:17:22Z")
    assert ran.code == 0
    assert "<- fails" in ran.out


def test_an_address_that_was_not_seen(abusewatch, root):
    ran = explain(abusewatch, root, "ssh-login-attack", offender="198.51.100.99")
    assert (ran.code, ran.lines) == (0, ["no record of 198.51.100.99 was seen"])


def test_an_address_that_is_not_ours(abusewatch, root):
    ran = explain(abusewatch, root, "ssh-login-attack", offender="203.0.113.10")
    assert ran.lines[0] == "203.0.113.10 is in none of the networks named as ours: only rules on forged sources look at it"


@pytest.mark.parametrize(
    ("options", "words"),
    [(("--offender", "nobody"), "'nobody' is no address"), (("--offender", "198.51.100.1", "--rule", "nonsense"), "there is no rule 'nonsense'")],
)
def test_what_is_no_question_is_refused(abusewatch, root, options, words):
    assert words in abusewatch("rules", "explain", root / "captures/udp-flood/capture.pcap", "--own", "198.51.100.0/24", *options).refused()
