"""The daemon whose disk is full goes on detecting, says so, and needs nobody when there is room again (threats.md T24)."""

import json
import subprocess
import time
import urllib.error
import urllib.request

import pytest

from tests.cli.test_run import Process
from tests.needs import unable
from tests.storage.test_disk_faults import filled


@pytest.fixture
def disk(config):
    """A small disk of memory for the store of the daemon."""
    place = config.parent / "store"
    place.mkdir()
    if subprocess.run(["mount", "-t", "tmpfs", "-o", "size=1200k", "tmpfs", str(place)], capture_output=True, check=False).returncode:
        unable("needs root, to mount a tmpfs")
    yield place
    subprocess.run(["umount", str(place)], check=True)


def health(port):
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/healthz", timeout=5) as answer:
            return answer.status, answer.read().decode()
    except urllib.error.HTTPError as error:
        with error:
            return error.code, error.read().decode()


def test_a_full_disk_stops_no_detection_and_is_recovered_from_alone(config, disk, abusewatch, attack):
    config.write_text(config.read_text().replace('exporters = ["192.0.2.1"]', 'exporters = ["127.0.0.1"]'))
    process = Process(config)
    try:
        process.logged("ready")
        status = json.loads(abusewatch("status", "--config", config, "--json").out)
        port = status["metrics_port"]
        assert health(port)[0] == 200
        filled(disk)
        sent = abusewatch("export", attack, "--to", status["sources"][0]["listens"][0])
        assert sent.code == 0, sent.err
        process.logged("finding")  # it was detected, though nothing can be kept
        begun = time.monotonic()
        process.until(lambda: health(port)[0] == 503)
        red_after = time.monotonic() - begun
        assert "incidents cannot be saved" in health(port)[1]
        assert not [event for event in process.events() if event["event"] == "incident opened"]
        (disk / "ballast").unlink()
        begun = time.monotonic()
        process.until(lambda: health(port)[0] == 200, 60)
        well_after = time.monotonic() - begun
        cases = [json.loads(line) for line in abusewatch("case", "list", "--config", config, "--json").lines]
        assert [case["kind"] for case in cases] == ["login_attack"]
        print(f"health red after {red_after:.1f} s, well {well_after:.1f} s after there was room")  # noqa: T201
        assert red_after < 60
        assert well_after < 60
    finally:
        assert process.stop() == 0
