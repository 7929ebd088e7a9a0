"""``tinygan doctor``: what tinygan runs on here, and what is missing."""

from __future__ import annotations

import importlib.util
import json
import os
import sys
from dataclasses import dataclass
from importlib import metadata
from typing import Any

import numpy as np

from .. import __version__, kernels
from ..kernels import native
from ..kernels.registry import backend_order
from ..kernels.variables import cache_root
from ..runs.device import gpu_name, why_no_gpu
from ..runs.environment import collect_environment
from .arguments import parse
from .exits import OK


@dataclass(frozen=True)
class Options:
    """How to show it.

    Attributes:
        json: print a JSON object.
    """

    json: bool = False


def run(args: list[str]) -> int:
    """Run the verb."""
    options = parse("tinygan doctor", Options, args)
    facts = examine()
    if options.json:
        print(json.dumps(facts, indent=2))
        return OK
    for name, value in facts.items():
        print(f"{name:14} {_text(value)}")
    return OK


def _text(value: Any) -> str:
    if isinstance(value, dict):
        return ", ".join(f"{key} {inner}" for key, inner in value.items()) or "none"
    if isinstance(value, list):
        return ", ".join(map(str, value))
    return str(value)


def examine() -> dict[str, Any]:
    """Return what there is, in the order in which it is shown."""
    found = collect_environment()
    simd = np.show_config(mode="dicts")["SIMD Extensions"]
    per_op = {
        backend: len({k.op for k in kernels.kernels() if k.backend == backend})
        for backend in backend_order()
    }
    return {
        "tinygan": f"{__version__} ({str(found['commit'] or 'installed')[:12]})",
        "python": f"{found['python']} on {found['system']}",
        "numpy": f"{np.__version__}, {_blas()}",
        "cpu": f"{found['cpu']}, {found['cores']} cores usable",
        "isa": ", ".join([*simd.get("baseline", []), *simd.get("found", [])]),
        "native kernels": _native(),
        "numba": _package("numba"),
        "gpu": why_no_gpu() or gpu_name(),
        "threads": _threads(),
        "ops by backend": per_op,
        "cache": str(cache_root()),
        "variables": {n: v for n, v in sorted(os.environ.items()) if n.startswith("TINYGAN_")},
        "executable": sys.executable,
    }


def _blas() -> str:
    blas = np.show_config(mode="dicts")["Build Dependencies"]["blas"]
    return f"{blas.get('name', 'no BLAS')} {blas.get('version', '')}".strip()


def _native() -> str:
    if native.native is None:
        return str(native.notice())
    return f"{native.native.isa} of {', '.join(native.ISAS)}"


def _threads() -> str:
    if native.native is None:
        return f"{os.environ.get('TINYGAN_NUM_THREADS', 'unset')} (C++ kernels are not built)"
    return str(native.native.num_threads())


def _package(name: str) -> str:
    if importlib.util.find_spec(name) is None:
        return f"not installed; pip install tinygan[{name}]"
    return metadata.version(name)
