"""The units are as hard as they claim, and systemd understands them."""

import re
import subprocess

import pytest

pytestmark = [pytest.mark.peer, pytest.mark.needs("systemd-analyze")]


@pytest.mark.parametrize("name", ["abusewatch.service", "abusewatch-capture@.service"])
def test_the_service_scores_at_most_1_2(name, root):
    unit = root / "systemd" / name
    done = subprocess.run(
        ["systemd-analyze", "security", "--offline=true", "--threshold=12", "--no-pager", str(unit)],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout[-300:]


def test_systemd_finds_nothing_to_say(root, tmp_path):
    units = [path for path in (root / "systemd").iterdir() if path.suffix in {".service", ".socket"}]
    for unit in units:
        text = re.sub(r"^(Exec\w+)=\S+", r"\1=/bin/true", unit.read_text(), flags=re.MULTILINE)
        (tmp_path / unit.name).write_text(text)
    done = subprocess.run(
        ["systemd-analyze", "verify", *map(str, sorted(tmp_path.iterdir()))],
        capture_output=True,
        text=True,
        check=False,
    )
    ours = [line for line in done.stderr.splitlines() if "abusewatch" in line]
    assert ours == []


def test_the_service_has_no_capability_and_no_core(root):
    unit = (root / "systemd/abusewatch.service").read_text().splitlines()
    for line in ("CapabilityBoundingSet=", "AmbientCapabilities=", "LimitCORE=0", "MemorySwapMax=0", "DynamicUser=yes"):
        assert line in unit


def test_the_helper_has_one_capability_and_reaches_nobody(root):
    unit = (root / "systemd/abusewatch-capture@.service").read_text().splitlines()
    for line in (
        "CapabilityBoundingSet=CAP_NET_RAW", "AmbientCapabilities=CAP_NET_RAW", "RestrictAddressFamilies=AF_PACKET AF_UNIX", "IPAddressDeny=any",
        "LimitCORE=0", "MemorySwapMax=0", "DynamicUser=yes", "NoNewPrivileges=yes",
    ):  # fmt: skip
        assert line in unit


def test_the_helpers_socket_is_where_the_daemon_listens(root):
    from abusewatch.config.model import FEEDS

    unit = (root / "systemd/abusewatch-capture@.service").read_text()
    assert f"--feed {FEEDS}/%I.sock" in unit
    assert f"d {FEEDS} 2770 root abusewatch-capture -" in (root / "systemd/abusewatch.tmpfiles").read_text()
    assert "SupplementaryGroups=abusewatch-capture" in unit


def test_the_socket_is_named_like_the_default_source(root):
    from abusewatch.config.model import Source

    name = Source.model_fields["name"].default
    assert f"FileDescriptorName={name}" in (root / "systemd/abusewatch.socket").read_text()
