"""Build hook of hatchling: compiles every abusewatch/**/*.pyx with Cython and the machine's C compiler, and goes on without where either is missing.

Each of those modules has a slower twin in numpy that gives the same answer, so a wheel without them is whole (`abusewatch version` says which it is).
`pip install .` puts them into the wheel, `pip install -e .` beside their source. ABUSEWATCH_PURE=1 leaves them out on purpose.
"""

import os
import shlex
import shutil
import subprocess
import sys
import sysconfig
import tempfile
from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface

CYTHON = "cython>=3.0"
FLAGS = ("-O3", "-fno-strict-aliasing", "-fwrapv", "-ffp-contract=off", "-DNDEBUG", "-DCYTHON_WITHOUT_ASSERTIONS", "-w")
SUFFIX = sysconfig.get_config_var("EXT_SUFFIX") or ".so"


def compiler() -> list[str]:
    """The command that compiles C for this Python, or an empty list: there is none, its headers are missing, or it is not wanted."""
    if os.environ.get("ABUSEWATCH_PURE"):
        return []
    configured = shlex.split(os.environ.get("CC") or "") or ["cc"]
    command = configured if shutil.which(configured[0]) else ["gcc"]
    headers = Path(sysconfig.get_path("include"), "Python.h")
    return command if shutil.which(command[0]) and headers.is_file() else []


class CustomBuildHook(BuildHookInterface):
    """What hatchling calls."""

    def dependencies(self) -> list[str]:
        """Cython is asked for only where it can be used."""
        return [CYTHON] if self.target_name == "wheel" and compiler() else []

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        """Compile before the files are gathered."""
        command = compiler() if self.target_name == "wheel" else []
        if not command:
            return
        root = Path(self.root)
        with tempfile.TemporaryDirectory() as folder:
            for source in sorted(root.glob("abusewatch/**/*.pyx")):
                built = self._compile(command, source, Path(folder))
                if built is None:
                    continue
                inside = source.relative_to(root).with_name(built.name)
                if version == "editable":
                    place = root / inside
                else:
                    place = root / "build" / "compiled" / inside
                    place.parent.mkdir(parents=True, exist_ok=True)
                    build_data["force_include"][str(place)] = str(inside)
                    build_data["pure_python"], build_data["infer_tag"] = False, True
                place.unlink(missing_ok=True)  # not written over: a running Python has it mapped
                shutil.move(built, place)

    def _compile(self, command: list[str], source: Path, folder: Path) -> Path | None:
        try:
            from Cython.Compiler.Main import CompilationOptions  # noqa: PLC0415  # only where it is
            from Cython.Compiler.Main import compile as translate  # noqa: PLC0415
        except ImportError:
            self.app.display_warning(f"abusewatch: no Cython here, {source.name} is left to numpy")
            return None
        c = folder / f"{source.stem}.c"
        result = translate(str(source), CompilationOptions(output_file=str(c), include_path=[self.root], compiler_directives={"language_level": 3}))
        if result.num_errors:
            raise SystemExit(f"abusewatch: {source} is not translated")  # ours to mend: Cython has said why
        built = folder / f"{source.stem}{SUFFIX}"
        extra = ["-undefined", "dynamic_lookup"] if sys.platform == "darwin" else []
        include = f"-I{sysconfig.get_path('include')}"
        done = subprocess.run([*command, "-shared", "-fPIC", *FLAGS, include, str(c), "-o", str(built), *extra], capture_output=True, text=True, check=False)
        if done.returncode:
            self.app.display_warning(f"abusewatch: {command[0]} does not compile {source.name}, it is left to numpy:\n{done.stderr[-500:]}")
            return None
        return built
