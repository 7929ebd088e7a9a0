"""The loops of ``numba_cpu.py``, compiled when this module is imported and they are first called.

A loop does the images ``first`` .. ``last`` of the batch. Images are (N, H, W, C), columns
(N, P, Q, C, R, S).
"""

from __future__ import annotations

from ..arrays import Array
from ..numba_pool import jit


@jit
def unfold_images(x: Array, cols: Array, window: Array, first: int, last: int) -> None:
    """cols[n,p,q,c,r,s] = x[n,h,w,c], zero outside the image."""
    stride_h, stride_w, pad_h, pad_w, dil_h, dil_w = window
    _, out_h, out_w, channels, taps_h, taps_w = cols.shape
    for n in range(first, last):
        for p in range(out_h):
            for q in range(out_w):
                for r in range(taps_h):
                    h = p * stride_h - pad_h + r * dil_h
                    for s in range(taps_w):
                        w = q * stride_w - pad_w + s * dil_w
                        inside = 0 <= h < x.shape[1] and 0 <= w < x.shape[2]
                        for c in range(channels):
                            cols[n, p, q, c, r, s] = x[n, h, w, c] if inside else 0


@jit
def fold_images(x: Array, cols: Array, window: Array, first: int, last: int) -> None:
    """x[n,h,w,c] += cols[n,p,q,c,r,s]; x starts at zero."""
    stride_h, stride_w, pad_h, pad_w, dil_h, dil_w = window
    _, out_h, out_w, channels, taps_h, taps_w = cols.shape
    for n in range(first, last):
        for r in range(taps_h):
            for s in range(taps_w):
                for p in range(out_h):
                    h = p * stride_h - pad_h + r * dil_h
                    for q in range(out_w):
                        w = q * stride_w - pad_w + s * dil_w
                        if 0 <= h < x.shape[1] and 0 <= w < x.shape[2]:
                            for c in range(channels):
                                x[n, h, w, c] += cols[n, p, q, c, r, s]
