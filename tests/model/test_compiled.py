"""Which kernels run compiled, and that each can be told to be numpy."""

import json
import os
import subprocess
import sys

import pytest

from abusewatch.model import compiled

CODE = "from abusewatch.wire import packet; from abusewatch.sources import flow_cache; print(packet.KERNEL is None, flow_cache.KERNEL is None)"


def run(*arguments, **environment):
    return subprocess.run([sys.executable, *arguments], capture_output=True, text=True, check=True, env=os.environ | environment).stdout


def test_every_pyx_is_named(root):
    found = {".".join(path.relative_to(root).with_suffix("").parts) for path in root.glob("abusewatch/**/*.pyx")}
    assert found == set(compiled.KERNELS)


def test_a_kernel_says_the_level_it_was_written_for(root):
    for path in root.glob("abusewatch/**/*.pyx"):
        assert f"\nLEVEL = {compiled.LEVEL}\n" in path.read_text(), path


def test_the_environment_chooses_numpy():
    assert run("-c", CODE, ABUSEWATCH_COMPILED="no") == "True True\n"
    states = json.loads(run("-m", "abusewatch.cli", "version", "--json", ABUSEWATCH_COMPILED="no"))["kernels"]
    assert set(states.values()) == {"numpy (ABUSEWATCH_COMPILED=no)"}
    assert set(states) == set(compiled.KERNELS)


def test_one_of_another_version_is_not_used(monkeypatch):
    monkeypatch.setattr(compiled, "LEVEL", -1)
    assert compiled.kernel(compiled.KERNELS[0]) is None
    assert all("numpy" in state for state in compiled.states().values())


def test_what_is_not_there_is_numpy():
    assert compiled.kernel("abusewatch.wire._none") is None


@pytest.mark.parametrize("choice", ["no", "yes"])
def test_a_replay_finds_the_same(choice, root, tmp_path):
    """The finding of a shipped capture, byte for byte, with and without."""
    capture = root / "captures" / "ssh-login-attack" / "capture.pcap"
    found = [
        subprocess.run(
            [sys.executable, "-m", "abusewatch.cli", "replay", "--json", "--own", "198.51.100.0/24", str(capture)],
            capture_output=True, text=True, check=False, env=os.environ | {"ABUSEWATCH_COMPILED": each},
        ).stdout
        for each in ("no", choice)
    ]  # fmt: skip
    assert found[0] == found[1] != ""
