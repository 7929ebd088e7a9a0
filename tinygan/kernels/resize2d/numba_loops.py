"""The loop of ``numba_cpu.py``, compiled when this module is imported and it is first called."""

from __future__ import annotations

from ..arrays import Array
from ..numba_pool import jit


@jit
def weigh_rows(
    x: Array, start: Array, pixel: Array, weight: Array, y: Array, first: int, last: int
) -> None:
    """y[n,i,:] = sum over the taps of i of x[n,pixel,:] weight, for images first .. last.

    Shapes: x (N, pixels, values), y (N, outputs, values), zero at the start.
    """
    for n in range(first, last):
        for i in range(y.shape[1]):
            for t in range(start[i], start[i + 1]):
                h, factor = pixel[t], weight[t]
                for j in range(y.shape[2]):
                    y[n, i, j] += x[n, h, j] * factor
