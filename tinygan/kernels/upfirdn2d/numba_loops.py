"""The loops of ``numba_cpu.py``, compiled when this module is imported and they are first called.

A loop does the images ``first`` .. ``last`` of the batch. Output p meets input h at tap
r = h up + top - p down, so r and r + up meet neighbours and the taps between them nothing.
"""

from __future__ import annotations

import numpy as np

from ..arrays import Array
from ..numba_pool import jit


@jit
def filter_images(x: Array, k: Array, y: Array, params: Array, first: int, last: int) -> None:
    """y[n,p,q,:] = sum of x[n,h,w,:] k[r,s] over the taps that meet a pixel; y starts at zero."""
    up_h, up_w, down_h, down_w, top, left = params
    for n in range(first, last):
        for p in range(y.shape[1]):
            for r in range((top - p * down_h) % up_h, k.shape[0], up_h):
                h = (p * down_h + r - top) // up_h
                if h < 0 or h >= x.shape[1]:
                    continue
                for q in range(y.shape[2]):
                    for s in range((left - q * down_w) % up_w, k.shape[1], up_w):
                        w = (q * down_w + s - left) // up_w
                        if 0 <= w < x.shape[2]:
                            tap = k[r, s]
                            for c in range(x.shape[3]):
                                y[n, p, q, c] += x[n, h, w, c] * tap


@jit
def correlate_images(x: Array, gy: Array, gk: Array, params: Array, first: int, last: int) -> None:
    """gk[n,r,s] = sum over p, q, c of x[n,h,w,c] gy[n,p,q,c], in float64; gk starts at zero."""
    up_h, up_w, down_h, down_w, top, left = params
    for n in range(first, last):
        for p in range(gy.shape[1]):
            for r in range((top - p * down_h) % up_h, gk.shape[1], up_h):
                h = (p * down_h + r - top) // up_h
                if h < 0 or h >= x.shape[1]:
                    continue
                for q in range(gy.shape[2]):
                    for s in range((left - q * down_w) % up_w, gk.shape[2], up_w):
                        w = (q * down_w + s - left) // up_w
                        if 0 <= w < x.shape[2]:
                            total = 0.0
                            for c in range(x.shape[3]):
                                # not float(), which Numba takes for float32 of a float32
                                total += np.float64(x[n, h, w, c]) * np.float64(gy[n, p, q, c])
                            gk[n, r, s] += total
