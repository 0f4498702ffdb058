"""The units are as hard as they claim, and systemd understands them."""

import re
import shutil
import subprocess

import pytest

pytestmark = [
    pytest.mark.peer,
    pytest.mark.skipif(not shutil.which("systemd-analyze"), reason="systemd-analyze is not installed"),
]


def test_the_service_scores_at_most_1_2(root):
    unit = root / "systemd/abusewatch.service"
    done = subprocess.run(
        ["systemd-analyze", "security", "--offline=true", "--threshold=12", "--no-pager", str(unit)],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout[-300:]


def test_systemd_finds_nothing_to_say(root, tmp_path):
    for unit in (root / "systemd").glob("abusewatch.*"):
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


def test_the_socket_is_named_like_the_default_source(root):
    from abusewatch.config.model import Source

    name = Source.model_fields["name"].default
    assert f"FileDescriptorName={name}" in (root / "systemd/abusewatch.socket").read_text()
