"""Which of our kernels run compiled. Each is a Cython module with a twin in numpy that gives the same answer; the build leaves out what it cannot compile.

`ABUSEWATCH_COMPILED=no` in the environment takes the twins everywhere, to compare or to rule out a fault.
"""

import importlib.util
import os
import sys
from importlib.machinery import PathFinder
from pathlib import Path
from types import ModuleType

import abusewatch

LEVEL = 6
"""Grows with the arguments of any kernel. One built from an older checkout says another level and is not used."""
OFF = "no"
KERNELS = (
    "abusewatch.detect._passes", "abusewatch.inventory._passes", "abusewatch.sources._flow_cache", "abusewatch.usage._passes", "abusewatch.windows._passes",
    "abusewatch.wire._packets", "abusewatch.wire._records",
)  # fmt: skip
"""All there are, each a .pyx file in its package."""


def kernel(name: str) -> ModuleType | None:
    """Import a compiled module by its full name; None when the twin in numpy is to be used."""
    return _asked(name)[0]


def states() -> dict[str, str]:
    """What each kernel runs as: "compiled", or "numpy" and why."""
    return {name: _asked(name)[1] for name in KERNELS}


def _asked(name: str) -> tuple[ModuleType | None, str]:
    if os.environ.get("ABUSEWATCH_COMPILED", "") == OFF:
        return None, f"numpy (ABUSEWATCH_COMPILED={OFF})"
    try:
        module = _imported(name)
    except ImportError:
        return None, "numpy (not compiled here)"
    if getattr(module, "LEVEL", None) != LEVEL:
        return None, "numpy (compiled from another version, install again)"
    return module, "compiled"


def _imported(name: str) -> ModuleType:
    """Import a kernel; without its package where nobody has asked for that: some load numpy, and `abusewatch version` does without."""
    package = name.rpartition(".")[0]
    if package in sys.modules:
        return importlib.import_module(name)
    folder = Path(abusewatch.__file__).parent.joinpath(*package.split(".")[1:])
    spec = PathFinder.find_spec(name, [str(folder)])
    if spec is None or spec.loader is None:
        raise ImportError(name)
    module = sys.modules[name] = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module
