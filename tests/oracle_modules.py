"""Modules of public packages that need PyTorch alone, imported without their packages' imports."""

import importlib
import importlib.util
import sys
import types

import pytest


def module_alone(name):
    """Import ``package.a.b`` under bare parents; skip, with the reason, where it is not there."""
    package = name.partition(".")[0]
    pytest.importorskip("torch", reason="the oracle runs on PyTorch, which is not installed")
    if package not in sys.modules:
        spec = importlib.util.find_spec(package)
        if spec is None:
            pytest.skip(f"the oracle {package} is not installed (pip install --no-deps)")
        _bare(package, list(spec.submodule_search_locations))
    *parents, _ = name.split(".")[1:]
    for parent in parents:
        above, package = package, f"{package}.{parent}"
        if package not in sys.modules:
            _bare(package, [f"{path}/{parent}" for path in sys.modules[above].__path__])
    return importlib.import_module(name)


def _bare(package, paths):
    """Register a package that nothing has been imported into."""
    sys.modules[package] = types.ModuleType(package)
    sys.modules[package].__path__ = paths
