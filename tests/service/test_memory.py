"""Templates in the state directory: back after a restart, for whoever may still send, and never a reason not to start."""

import numpy as np
import pytest
import structlog

from abusewatch.model import address
from abusewatch.service import memory
from abusewatch.service.feed import Feed
from abusewatch.sources.udp import UdpSettings, UdpSource
from tests.wire import exports_by_hand as wire

AT = wire.NOW * 1_000_000


@pytest.fixture(autouse=True)
def quiet():
    structlog.configure(logger_factory=structlog.ReturnLoggerFactory())


def feed(*allow):
    return Feed(UdpSource(UdpSettings(port=0, allow=allow), "edge"), 0, 0)


def told():
    made = feed("192.0.2.0/24")
    made.source.exporters.index_of(*addresses("192.0.2.9"))
    wire.feed(made.decoder, [wire.v9(wire.fset(0, wire.template(256, *wire.V4)))], exporter=1)
    return made


def addresses(name):
    return [np.array([half], np.uint64) for half in address.parse(name)]


def test_templates_come_back(tmp_path):
    memory.keep(tmp_path, told(), AT)
    (path,) = tmp_path.iterdir()
    assert path.stat().st_mode & 0o777 == 0o600
    after = feed("192.0.2.0/24")
    after.source.exporters.index_of(*addresses("192.0.2.77"))  # another one came first
    assert memory.recall(tmp_path, after, AT + 1) == 1
    assert len(wire.rows(wire.feed(after.decoder, [wire.v9(wire.fset(256, wire.flow4()), sequence=9)], exporter=2))) == 1


def test_only_for_those_who_may_still_send(tmp_path):
    memory.keep(tmp_path, told(), AT)
    after = feed("198.51.100.0/24")
    assert memory.recall(tmp_path, after, AT) == 0
    assert len(after.source.exporters) == 0


@pytest.mark.parametrize("content", [b"", b"junk" * 100, None])
def test_a_file_that_cannot_be_used_is_passed_over(tmp_path, content):
    path = tmp_path / "templates-edge"
    path.mkdir() if content is None else path.write_bytes(content)
    assert memory.recall(tmp_path, feed("192.0.2.0/24"), AT) == 0


def test_nothing_kept_is_nothing_to_take_in(tmp_path):
    assert memory.recall(tmp_path, feed("192.0.2.0/24"), AT) == 0


def test_a_folder_that_cannot_be_written_costs_only_this(tmp_path):
    memory.keep(tmp_path / "none", told(), AT)
    assert not list(tmp_path.iterdir())


def test_a_link_in_its_place_is_not_followed(tmp_path):
    (tmp_path / "other").write_text("x")
    (tmp_path / "templates-edge.part").symlink_to(tmp_path / "other")
    memory.keep(tmp_path, told(), AT)
    assert (tmp_path / "other").read_text() == "x"
