"""References of what a training step does to its whole state, beside the optimizer.

    copy      to <- from                      a snapshot before the step
    average   a <- x + (a - x) * beta         the moving average of the generator's weights
    finite    no NaN and no infinity          the check after the step

The first two write in place, into the first array of each pair.
"""

from __future__ import annotations

import numpy as np

from ..arrays import Array, xp_of
from ..groups import groups
from ..registry import register_reference


@register_reference("state_copy", exact=True)
def state_copy(*arrays: Array) -> None:
    """Copy every second array into the one before it.

    Shapes: to, from (any, the same), for each pair in turn -> None.
    """
    for to, x in groups("state_copy", arrays, ("to", "from")):
        to[...] = x


@register_reference("state_average")
def state_average(*arrays: Array, beta: float) -> None:
    """Move every average towards the array that follows it, in place.

    Shapes: a, x (any, the same), for each pair in turn -> None.

    Args:
        arrays: a0, x0, a1, x1, ...
        beta: the share of the old average's distance from x that is kept.
    """
    for a, x in groups("state_average", arrays, ("a", "x")):
        a[...] = x + (a - x) * beta


@register_reference("state_finite")
def state_finite(*arrays: Array) -> Array:
    """Tell whether every entry of every array is finite.

    Shapes: x (any) each -> (), bool.
    """
    xp = xp_of(arrays[0]) if arrays else np
    found: Array = xp.asarray(True)
    for x in arrays:
        found = xp.logical_and(found, xp.isfinite(x).all())  # stays on the device
    return found
