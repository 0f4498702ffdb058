"""The second instance is refused, and a dead one holds nothing."""

import subprocess
import sys

import pytest

from abusewatch.storage import StateLocked, lock_state


def test_a_second_instance_is_refused_and_the_first_unaffected(tmp_path):
    with lock_state(tmp_path / "state"), pytest.raises(StateLocked, match="in use"), lock_state(tmp_path / "state"):
        pass
    with lock_state(tmp_path / "state"):
        pass


def test_a_killed_instance_holds_nothing(tmp_path):
    code = "import sys, time; from pathlib import Path; from abusewatch.storage import lock_state\nwith lock_state(Path(sys.argv[1])): print('locked', flush=True); time.sleep(60)"
    with subprocess.Popen([sys.executable, "-c", code, str(tmp_path)], stdout=subprocess.PIPE) as child:
        assert child.stdout.readline() == b"locked\n"
        with pytest.raises(StateLocked), lock_state(tmp_path):
            pass
        child.kill()
    with lock_state(tmp_path):
        pass
