"""Compiled kernels on disk: written whole or not at all, and found again by a digest.

They lie in the user's cache (``variables.cache_root``), folder ``cuda``. A file is written beside
its place and renamed into it, so that two processes that compile the same kernel at once, or one
that is killed, leave a whole file or none.
"""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable
from pathlib import Path

from ..variables import cache_root


def cached(name: str, make: Callable[[Path], None]) -> Path:
    """Return the file of this name; where it is missing, let ``make`` write it first.

    Args:
        name: file name, which holds a digest of all that the content depends on.
        make: writes the path that it is given.
    """
    path = cache_root() / "cuda" / name
    if path.exists():
        return path
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        folder = path.parent
    except OSError:  # no place to keep anything: compile for this process alone
        folder = Path(tempfile.mkdtemp(prefix="tinygan-"))
    handle, temporary = tempfile.mkstemp(prefix=".", suffix=f"-{name}", dir=folder)
    os.close(handle)
    try:
        make(Path(temporary))
        os.replace(temporary, folder / name)
    except BaseException:
        Path(temporary).unlink(missing_ok=True)
        raise
    return folder / name
