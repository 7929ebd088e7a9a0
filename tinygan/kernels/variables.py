"""Variables of the environment that are looked up whenever a kernel is chosen, at little cost."""

from __future__ import annotations

import os
from collections.abc import Callable


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
