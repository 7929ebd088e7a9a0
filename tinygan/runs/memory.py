"""The most memory that the process has needed, for the end of a run."""

from __future__ import annotations

import re
import sys
from pathlib import Path

from ..kernels.memory import memory_stats


def resident_peak() -> int | None:
    """Return the most physical memory that the process has held, in bytes; None if unknown."""
    try:  # getrusage on Linux counts also what the parent held before it started this program
        status = Path("/proc/self/status").read_text()
        if found := re.search(r"^VmHWM:\s+(\d+) kB", status, re.MULTILINE):
            return int(found[1]) * 1024
    except OSError:
        pass
    try:
        import resource
    except ImportError:  # not a POSIX system
        return None
    most = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return most if sys.platform == "darwin" else most * 1024


def peak_memory() -> dict[str, int]:
    """Return the peaks in bytes: of the process, and of it the arrays and scratch of the cache.

    What can't be known is left out: the latter without the C++ extension.
    """
    resident, stats = resident_peak(), memory_stats()
    peaks = {"resident": resident, "cache": stats.peak if stats else None}
    return {name: value for name, value in peaks.items() if value is not None}


def peak_text() -> str:
    """Return ``412 MB at most, 287 MB of it in large arrays``, or as much as can be known."""
    named = {"resident": "at most", "cache": "of it in large arrays"}
    peaks = peak_memory()
    return (
        ", ".join(f"{value / 1e6:,.0f} MB {named[key]}" for key, value in peaks.items())
        or "unknown"
    )
