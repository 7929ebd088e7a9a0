"""Variables of the environment: one that is looked up at little cost, and where the cache lies."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path


def variable(name: str) -> Callable[[], str]:
    """Return a function that returns what the variable holds now; "" if it isn't set.

    ``os.environ`` raises and catches a KeyError for one that isn't, which takes half a microsecond,
    a third of the choice of a kernel. CPython keeps the encoded names in a dict: where it is there,
    we look into that first.
    """
    encoded = getattr(os.environ, "_data", None)
    if not isinstance(encoded, dict):
        return lambda: os.environ.get(name, "")
    key = os.environ.encodekey(name)
    return lambda: os.environ.get(name, "") if key in encoded else ""


def cache_root() -> Path:
    """Return the user's cache, which need not exist.

    That is ``$TINYGAN_CACHE``, else ``$XDG_CACHE_HOME/tinygan``, else ``~/.cache/tinygan``.
    """
    if own := os.environ.get("TINYGAN_CACHE"):
        return Path(own).expanduser()
    base = os.environ.get("XDG_CACHE_HOME")
    return (Path(base) if base else Path.home() / ".cache") / "tinygan"
