"""Which arrays the optimizers keep for a parameter, in the order of a group."""

from __future__ import annotations


def sgd_roles(momentum: float) -> tuple[str, ...]:
    """Return the roles of SGD: parameter, gradient, and the buffer of the momentum if any."""
    return ("p", "g", "b") if momentum else ("p", "g")


def rmsprop_roles(momentum: float, centered: bool) -> tuple[str, ...]:
    """Return the roles of RMSprop: p, g, mean square s, buffer b with momentum, mean m if centered.

    The order is that of ``optim.RMSprop``'s slots.
    """
    return ("p", "g", "s", *("b",) * bool(momentum), *("m",) * centered)
