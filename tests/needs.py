"""What a test needs of the machine. Where it is not there the test skips and says why, but with CI=true it fails if `.ci` installs it: there nothing may hide.

No other module skips a test (tests/architecture/test_needs.py). The markers `needs` (programs) and `compiled` (a kernel) ask before a test is set up.
"""

import importlib
import os
import shutil
from types import ModuleType
from typing import NoReturn

import pytest

from abusewatch.model import compiled

PATHS = os.environ.get("PATH", "") + ":/usr/sbin:/sbin"


def missing(what: str) -> NoReturn:
    """Something that is installed for the tests is not there."""
    if os.environ.get("CI") == "true":
        pytest.fail(f"{what}; with CI=true no test may skip for that")
    pytest.skip(what)


def unable(why: str) -> NoReturn:
    """The machine does not let us, whatever is installed: no root, no namespaces, no IPv6."""
    pytest.skip(why)


def need(*programs: str, path: str = PATHS) -> None:
    """Programs of others (.ci/peers)."""
    for program in programs:
        if not shutil.which(program, path=path):
            missing(f"{program} is not installed")


def library(name: str) -> ModuleType:
    """A package of the extras `test` and `fuzz`."""
    try:
        return importlib.import_module(name)
    except ImportError:
        missing(f"the package {name} is not installed")


def kernel(name: str) -> None:
    """A kernel, compiled (.ci/compile.py)."""
    if compiled.kernel(name) is None:
        if os.environ.get("ABUSEWATCH_COMPILED") == compiled.OFF:
            unable(f"{name} is to run as numpy here")
        missing(f"{name} is not compiled")
