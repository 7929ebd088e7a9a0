"""What a run ran on, for ``env.json`` and ``tinygan doctor``: versions, processor, threads.

Nothing that names the user is recorded: no host name, no environment beyond tinygan's own
variables, no path.
"""

from __future__ import annotations

import os
import platform
import re
from importlib import metadata
from pathlib import Path

_VARIABLES = r"TINYGAN_(BACKEND|ISA|NUM_THREADS|WINOGRAD)|(OMP|OPENBLAS)_NUM_THREADS"
_PACKAGES = ("tinygan", "numpy", "numba", "pillow", "safetensors", "cupy-cuda12x", "cupy-cuda13x")


def collect_environment() -> dict[str, object]:
    """Return versions, processor, threads and tinygan's variables, as JSON can hold them."""
    return {
        "python": platform.python_version(),
        "system": f"{platform.system()} {platform.release()} {platform.machine()}",
        "packages": {name: text for name in _PACKAGES if (text := _version(name))},
        "commit": package_commit(),
        "cpu": cpu_name(),
        "cores": usable_cores(),
        "variables": {
            name: value
            for name, value in sorted(os.environ.items())
            if re.fullmatch(_VARIABLES, name)
        },
    }


def _version(name: str) -> str | None:
    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        return None


def cpu_name() -> str:
    """Return the processor's name, or its architecture where the system does not say."""
    try:
        text = Path("/proc/cpuinfo").read_text(encoding="utf-8", errors="replace")
    except OSError:
        text = ""
    match = re.search(r"^model name\s*:\s*(.+)$", text, re.MULTILINE)
    return match[1] if match else platform.processor() or platform.machine()


def usable_cores() -> int:
    """Return how many processor cores this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def package_commit() -> str | None:
    """Return the git commit of the source tree that tinygan runs from, or None if installed."""
    git = Path(__file__).resolve().parents[2] / ".git"
    try:
        head = (git / "HEAD").read_text().strip()
        if not head.startswith("ref: "):
            return head
        reference = head[5:]
        if (git / reference).is_file():
            return (git / reference).read_text().strip()
        packed = (git / "packed-refs").read_text().splitlines()
        return next((line.split()[0] for line in packed if line.endswith(f" {reference}")), None)
    except OSError:
        return None
