"""The loops of ``numba_cpu.py``, compiled when this module is imported and they are first called.

A loop does the images ``first`` .. ``last`` of the batch.
"""

from __future__ import annotations

from ..arrays import Array
from ..numba_pool import jit


@jit
def copy_patches(x: Array, cols: Array, window: Array, first: int, last: int) -> None:
    """cols[n,p,q,r,s,:] = x[n,h,w,c0:c0+C], zero outside the image; x is (N, H, W, all C)."""
    sh, sw, ph, pw, dh, dw, c0 = window
    _, out_h, out_w, taps_h, taps_w, channels = cols.shape
    for n in range(first, last):
        for p in range(out_h):
            for q in range(out_w):
                for r in range(taps_h):
                    h = p * sh - ph + r * dh
                    for s in range(taps_w):
                        w = q * sw - pw + s * dw
                        if 0 <= h < x.shape[1] and 0 <= w < x.shape[2]:
                            for c in range(channels):
                                cols[n, p, q, r, s, c] = x[n, h, w, c0 + c]
                        else:
                            for c in range(channels):
                                cols[n, p, q, r, s, c] = 0


@jit
def add_patches(x: Array, cols: Array, window: Array, first: int, last: int) -> None:
    """x[n,h,w,c0:c0+C] += cols[n,p,q,r,s,:]: the adjoint of ``copy_patches``."""
    sh, sw, ph, pw, dh, dw, c0 = window
    _, out_h, out_w, taps_h, taps_w, channels = cols.shape
    for n in range(first, last):
        for p in range(out_h):
            for q in range(out_w):
                for r in range(taps_h):
                    h = p * sh - ph + r * dh
                    for s in range(taps_w):
                        w = q * sw - pw + s * dw
                        if 0 <= h < x.shape[1] and 0 <= w < x.shape[2]:
                            for c in range(channels):
                                x[n, h, w, c0 + c] += cols[n, p, q, r, s, c]
