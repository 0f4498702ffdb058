"""Memory of one pane serves the next: a process that frees and takes arrays again and again does not fault them in each time."""

import platform
import subprocess
import sys

from tests.needs import unable

CODE = """
import resource, sys
import numpy as np
from abusewatch.windows import heap
if sys.argv[1] == "yes":
    assert heap.settle()
np.ones(1 << 20)
before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
for _ in range(20):
    held = [np.ones(3 << 17) for _ in range(8)]  # 3 MB each
    del held
print(resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before)
"""


def faults(settled):
    done = subprocess.run([sys.executable, "-c", CODE, settled], capture_output=True, text=True, check=True)
    return int(done.stdout)


def test_arrays_are_taken_from_what_was_freed():
    if platform.libc_ver()[0] != "glibc":
        unable("mallopt is glibc's")
    assert faults("yes") * 4 < faults("no")
