"""A setup becomes the parts it names, and a reload keeps what it does not touch."""

import sqlite3

import pytest

from abusewatch.retention import limits
from abusewatch.service.assembly import Assembly
from abusewatch.sources.live.source import CaptureSource
from abusewatch.sources.tcp import TcpSource
from abusewatch.sources.udp import UdpSource
from abusewatch.storage import SqliteStore
from abusewatch.telemetry import Telemetry
from tests.cases import T0, detection

SOURCES = """
[[source]]
name = "over-tcp"
type = "ipfix-tcp"
listen = "127.0.0.1:0"
exporters = ["192.0.2.2"]

[[source]]
name = "wire"
type = "capture"
interface = "eth9"
"""
LOOKUPS = "[contacts]\ndns = true\nlookups_per_day = {}\n"


@pytest.fixture
def assembly_of(tmp_path):
    opened = []

    def made(setup):
        store = SqliteStore(tmp_path / "store" / "cases.db", limits())
        opened.append(store)
        return Assembly(setup.config, store, Telemetry(), setup.inventory.contains)

    yield made
    for store in opened:
        store.close()


def test_each_source_is_what_its_type_says_in_the_order_of_the_configuration(setup_of, assembly_of):
    setup = setup_of(SOURCES)
    intake = assembly_of(setup).intake(setup, lambda _: None)
    assert [type(feed.source) for feed in intake.feeds] == [UdpSource, TcpSource, CaptureSource]
    assert [feed.source.name for feed in intake.feeds] == ["edge", "over-tcp", "wire"]
    intake.feeds[1].source.stop()  # it has an event loop from the beginning


def test_without_folders_nobody_reads_returns(setup_of, assembly_of, tmp_path):
    (tmp_path / "bounces").mkdir()
    plain, asked = setup_of(), setup_of('[mail]\nbounces = "bounces"\n')
    assembly = assembly_of(plain)
    assert assembly.desk(plain).returns is None
    assert assembly.desk(asked).returns is not None


def test_only_a_mode_of_sending_lets_mails_go(setup_of, assembly_of):
    shadow, send = setup_of(), setup_of('[mail]\nmode = "send"\n')
    assembly = assembly_of(shadow)
    assert [assembly.desk(each).casework._hold for each in (shadow, send)] == ["shadow", None]


def test_links_are_made_where_there_is_a_page(setup_of, assembly_of):
    page = setup_of('[customer_page]\nlisten = "127.0.0.1:0"\nurl = "https://abuse.hosting.example/case/"\n')
    assert assembly_of(setup_of()).links is None
    assembly = assembly_of(page)
    assert assembly.links is not None
    assert assembly.report_settings(page).links is assembly.links


def test_a_policy_an_exception_or_nothing_keeps_a_finding_from_making_a_case(setup_of, assembly_of, monkeypatch):
    setup, found = setup_of(), detection()
    assembly = assembly_of(setup)
    silenced_by = assembly.silence(setup)
    assert silenced_by(found) == ""
    quiet = setup_of('[[policy.line]]\ntell = "nothing"\n')
    assert assembly.silence(quiet)(found) == "policy"
    monkeypatch.setattr(assembly.exceptions, "covers", lambda offender, rule, now_us: (offender, rule) == (found.finding.offender, found.finding.rule) and now_us > T0)
    assert silenced_by(found) == "exception"


def test_a_failing_disk_silences_nothing(setup_of, assembly_of, monkeypatch):
    def fails(*_):
        raise sqlite3.OperationalError("disk I/O error")

    setup = setup_of()
    assembly = assembly_of(setup)
    monkeypatch.setattr(assembly.exceptions, "covers", fails)
    assert assembly.silence(setup)(detection()) == ""


def test_a_reload_keeps_look_ups_with_their_budgets_unless_it_is_about_them(setup_of, assembly_of):
    setup = setup_of(LOOKUPS.format(7))
    assembly = assembly_of(setup)
    first, again, other = (assembly.desk(each).contacts.lookups for each in (setup, setup_of(LOOKUPS.format(7) + "[privacy]\n"), setup_of(LOOKUPS.format(8))))
    assert len(first) == 1
    assert first[0] is again[0]
    assert other[0] is not first[0]
    assert assembly.desk(setup_of()).contacts.lookups == ()
