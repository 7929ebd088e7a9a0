"""C++ bias_act (csrc/bias_act): one pass over memory, vectorised activations, sums in float64."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..arrays import Array, check_cotangent, empty_like, is_channels_last
from ..native import native
from ..reduce.rows import as_rows, c_order, cpp_refusal, empty_rows
from ..registry import register
from .spec import ACTS, channel_axis, check_operands

_native: Any = native
_Rows = tuple[Array, Array, list[Array]]


def _supports(*arrays: Array | None, **_: Any) -> str | None:
    return cpp_refusal(*arrays)


@register("bias_act", "cpp", "one_pass", supports=_supports)
def bias_act(
    x: Array,
    b: Array | None = None,
    slope: Array | None = None,
    *,
    act: str,
    alpha: float = 0.0,
    gain: float = 1.0,
    clamp: float | None = None,
) -> Array:
    """Add a bias, apply the activation, multiply by gain and clamp; see the reference.

    With b or slope the output is channels last, else it is laid out as x.
    """
    check_operands("bias_act", x, b, slope, act)
    rows, y, (x_rows,) = _rows(x, b, slope, x)
    channels = x_rows.shape[1]
    options = (ACTS.index(act), alpha, gain, clamp)
    _native.bias_act(x_rows, _full(b, channels), _full(slope, channels), *options, rows)
    return y


@register("bias_act_vjp", "cpp", "one_pass", supports=_supports, accumulate="float64")
def bias_act_vjp(
    x: Array,
    *rest: Any,
    act: str,
    alpha: float = 0.0,
    gain: float = 1.0,
    clamp: float | None = None,
) -> tuple[Array | None, ...]:
    """Return the cotangents of (x), (x, b) or (x, b, slope); see the reference."""
    *operands, gy = rest
    b, slope = [*operands, None, None][:2]
    check_operands("bias_act_vjp", x, b, slope, act)
    check_cotangent("bias_act_vjp", gy, x.shape, x.dtype)
    rows, gx, (x_rows, gy_rows) = _rows(x, b, slope, x, gy)
    channels = x_rows.shape[1]
    gb, gslope = (None if a is None else np.empty(channels, x.dtype) for a in (b, slope))
    _native.bias_act_vjp(
        x_rows,
        _full(b, channels),
        _full(slope, channels),
        gy_rows,
        *(ACTS.index(act), alpha, gain, clamp),
        *(rows, gb, gslope),
    )
    if slope is not None and gslope is not None and slope.shape != gslope.shape:
        gslope = gslope.sum(keepdims=True, dtype=np.float64).astype(x.dtype)
    return (gx, gb, gslope)[: len(operands) + 1]


def _rows(x: Array, b: Array | None, slope: Array | None, *ins: Array) -> _Rows:
    """Return the output as rows, its view shaped as x, and the inputs as rows."""
    if b is not None or slope is not None:
        axis = channel_axis(x)
        rows, y = empty_rows(x.shape, x.dtype, axis)
        return rows, y, [as_rows(a, axis) for a in ins]
    y = empty_like(x)  # no channels: any dense order will do
    if x.ndim == 4 and is_channels_last(x):
        rows, flat = (y.transpose(0, 2, 3, 1), [a.transpose(0, 2, 3, 1) for a in ins])
    else:
        rows, flat = y, list(ins)
    return rows.reshape(-1, 1), y, [c_order(a).reshape(-1, 1) for a in flat]


def _full(a: Array | None, channels: int) -> Array | None:
    """Repeat a (1,) slope to every channel."""
    return None if a is None else c_order(np.broadcast_to(a, (channels,)))
