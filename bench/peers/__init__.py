"""PyTorch and JAX as contestants; nothing of the product imports them."""

from __future__ import annotations

import importlib.util


def named(text: str, known: tuple[str, ...]) -> list[str]:
    """Return the peers of a list with commas.

    Raises:
        SystemExit: one is unknown, or not installed.
    """
    found = [name for name in text.split(",") if name]
    for name in found:
        if name not in known:
            raise SystemExit(f"--peer {name}: use {' or '.join(known)}")
        if importlib.util.find_spec(name) is None:
            raise SystemExit(f"--peer {name}: not installed here; `make bench-peers` has it")
    return found
