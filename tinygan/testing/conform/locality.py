"""Which outputs a NaN or an Inf in one entry of an operand must reach, and which it may.

It must reach every output that has the entry in a product with an entry of the other operand. It
may reach more where the kernel multiplies by the zeros of padding (0 * NaN is NaN), as matrix
products do: kernels named ``direct`` skip those, and reach exactly the outputs touched. Winograd's
kernels mix the entries of a tile: a NaN may reach all outputs of the tiles that have it, and no
others.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt

from ...kernels.conv2d.winograd import Tiling, matrices, taps
from ...kernels.registry import Kernel
from ..bounds import reference
from .calls import Call, is_float

Mask = npt.NDArray[np.bool_]
Place = tuple[int, ...]


def touched(call: Call, operand: int, at: Place) -> Mask:
    """Return where the output of a bilinear op depends on one entry of an operand.

    That is where the op gives more than 0 on an indicator of the entry and on ones; padding, being
    zeros, gives nothing.
    """
    arrays = [np.ones(a.shape) if is_float(a) else a for a in call.arrays]
    arrays[operand][...] = 0
    arrays[operand][at] = 1
    found: Mask = reference(call.op).fn(*arrays, **call.params) > 0
    return found


def _conv2d(call: Call, at: Place) -> tuple[slice | int, ...]:
    return slice(None), at[0]  # w (O, C/groups, R, S) -> y (N, O, P, Q)


def _conv2d_dgrad(call: Call, at: Place) -> tuple[slice | int, ...]:
    o, c = call.arrays[1].shape[:2]
    group = at[0] // (o // call.params["spec"].groups)
    return slice(None), group * c + at[1]  # w (O, C/groups, R, S) -> gx (N, C, H, W)


def _conv2d_wgrad(call: Call, at: Place) -> tuple[slice | int, ...]:
    return (at[1],)  # gy (N, O, P, Q) -> gw (O, C/groups, R, S)


def _everywhere(call: Call, at: Place) -> tuple[slice | int, ...]:
    return (slice(None),)


# of each bilinear op: the outputs that share products, and so padding, with an entry of operand 1
SHARED: dict[str, Callable[[Call, Place], Any]] = {
    "conv2d": _conv2d,
    "conv2d_dgrad": _conv2d_dgrad,
    "conv2d_wgrad": _conv2d_wgrad,
    "upfirdn2d": _everywhere,
    "upfirdn2d_fgrad": _everywhere,
}


def reach(kernel: Kernel, call: Call, operand: int, at: Place) -> tuple[Mask, Mask]:
    """Return which outputs an entry must reach, and which it may, for an op in ``SHARED``."""
    must = touched(call, operand, at)
    if kernel.variant.startswith("winograd"):
        return must, _of_tiles(kernel, call, operand, at)
    may = must.copy()
    if operand == 1 and kernel.variant != "direct":
        may[SHARED[call.op](call, at)] = True
    return must, may


# of each pass of Winograd's algorithm: the maps of its operands, and the one back
_PASSES = {
    "conv2d": ("of_x", "of_w", "to_y"),
    "conv2d_dgrad": ("of_y", "of_w", "to_x"),
    "conv2d_wgrad": ("of_x", "of_y", "to_w"),
}


def _of_tiles(kernel: Kernel, call: Call, operand: int, at: Place) -> Mask:
    """Return which outputs share a tile with an entry: the algorithm's, with matrices of ones.

    The other operand counts as ones at all points, also where all that it has there is padding:
    0 times Inf is NaN.
    """
    spec, shapes = call.params["spec"], [a.shape for a in call.arrays]
    x = call.params.get("x_shape", shapes[0])
    w = call.params.get("w_shape", shapes[1])
    outputs = int(kernel.variant[-1])
    ones = matrices(outputs, taps(spec, w)).mapped(np.ones_like)
    tiling = Tiling(spec, x, w, m=outputs, of=ones)
    *maps, back = (getattr(tiling, name) for name in _PASSES[call.op])
    arrays = [np.zeros(shape) for shape in shapes]
    arrays[operand][at] = 1
    points = [fn(a) for fn, a in zip(maps, arrays, strict=True)]
    points[1 - operand][...] = 1
    found: Mask = back(*points) > 0
    return found
