"""The build hook: compiles every .pyx where it can, and goes on without where it cannot."""

import importlib.util
import os
import sys
import types
from pathlib import Path

import pytest

from tests.needs import library, missing


@pytest.fixture
def hook(root, monkeypatch):
    """The hook without hatchling, which only a build has."""
    interface = types.ModuleType("hatchling.builders.hooks.plugin.interface")
    interface.BuildHookInterface = object
    for name in ("hatchling", "hatchling.builders", "hatchling.builders.hooks", "hatchling.builders.hooks.plugin"):
        monkeypatch.setitem(sys.modules, name, types.ModuleType(name))
    monkeypatch.setitem(sys.modules, interface.__name__, interface)
    spec = importlib.util.spec_from_file_location("compile_hook", root / ".ci" / "compile.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def made(hook, root, version="standard", target="wheel"):
    one = hook.CustomBuildHook()
    one.root, one.target_name = str(root), target
    one.app = types.SimpleNamespace(display_warning=lambda text: one.warnings.append(text))  # noqa: PLW0108  # the list comes after
    one.warnings = []
    data = {"force_include": {}, "pure_python": True, "infer_tag": False}
    one.initialize(version, data)
    return one, data


def test_pure_on_demand(hook, root, monkeypatch):
    monkeypatch.setenv("ABUSEWATCH_PURE", "1")
    one, data = made(hook, root)
    assert one.dependencies() == []
    assert data == {"force_include": {}, "pure_python": True, "infer_tag": False}


def test_without_a_compiler_it_asks_for_nothing(hook, root, monkeypatch):
    monkeypatch.setenv("PATH", "/nowhere")
    monkeypatch.delenv("CC", raising=False)
    one, data = made(hook, root)
    assert one.dependencies() == []
    assert data["pure_python"]


def test_with_a_compiler_but_without_cython_it_goes_on(hook, root, monkeypatch):
    if not hook.compiler():
        missing("a C compiler or the headers of Python is not installed")
    monkeypatch.setitem(sys.modules, "Cython.Compiler.Main", None)
    one, data = made(hook, root)
    assert one.dependencies() == [hook.CYTHON]
    assert data["pure_python"]
    assert len(one.warnings) == len(list(root.glob("abusewatch/**/*.pyx")))


@pytest.mark.parametrize("version", ["standard", "editable"])
def test_a_kernel_is_built_and_can_be_used(hook, version, tmp_path):
    if not hook.compiler():
        missing("a C compiler or the headers of Python is not installed")
    library("Cython")
    folder = tmp_path / "abusewatch" / "deep"
    folder.mkdir(parents=True)
    (folder / "_twice.pyx").write_text("LEVEL = 1\ndef twice(long n):\n    return 2 * n\n")
    one, data = made(hook, tmp_path, version)
    assert one.warnings == []
    assert data["pure_python"] is (version == "editable")
    place = Path(next(iter(data["force_include"]))) if version == "standard" else folder / f"_twice{hook.SUFFIX}"
    spec = importlib.util.spec_from_file_location("_twice", place)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    assert module.twice(21) == 42


def test_a_compiler_that_fails_is_a_warning(hook, tmp_path, monkeypatch):
    if not hook.compiler():
        missing("a C compiler or the headers of Python is not installed")
    library("Cython")
    folder = tmp_path / "abusewatch"
    folder.mkdir()
    (folder / "_a.pyx").write_text("LEVEL = 1\n")
    broken = tmp_path / "cc"
    broken.write_text("#!/bin/sh\necho no room >&2\nexit 1\n")
    broken.chmod(0o755)
    monkeypatch.setenv("CC", str(broken))
    monkeypatch.setenv("PATH", os.environ["PATH"])
    one, data = made(hook, tmp_path)
    assert data["pure_python"]
    assert "no room" in one.warnings[0]


def test_nothing_is_compiled_for_the_source_archive(hook, root):
    one, data = made(hook, root, target="sdist")
    assert one.dependencies() == []
    assert data["force_include"] == {}
