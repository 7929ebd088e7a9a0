"""What a convolution along one or three axes takes, checked before conv2d sees it.

conv2d would refuse the same, but in terms of images that the caller never made.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ..autograd import Tensor
from ..autograd.linear import as_tensor
from ..errors import DtypeError, OptionError, ShapeError

Sizes = tuple[int, ...]

_AXES = {1: "N, C, L", 3: "N, C, D, H, W"}
_FORMS = {1: "an int", 3: "an int or three ints (depth, height, width)"}
_LEAST = {"stride": 1, "dilation": 1}


def check(
    op: str, axes: int, x: Tensor, w: Tensor, b: Any, groups: int, window: Mapping[str, Any]
) -> dict[str, Sizes]:
    """Return stride, padding, ... as one int an axis; with ``output_padding`` it is transposed.

    Raises:
        ShapeError: x, w and b do not fit each other, the groups or the window.
        DtypeError: they differ in dtype, or are no floats.
        OptionError: an option is of another kind or too small.
    """
    if x.ndim != axes + 2 or w.ndim != axes + 2:
        raise ShapeError(f"{op}: x {x.shape} and w {w.shape} must have axes ({_AXES[axes]})")
    sizes = {name: _per_axis(op, axes, name, value) for name, value in window.items()}
    outer = _outer_channels(op, x, w, groups, transposed="output_padding" in window)
    operands = {"x": x, "w": w}
    if b is not None:
        operands["b"] = as_tensor(b)
        if operands["b"].shape != (outer,):
            raise ShapeError(f"{op}: b {operands['b'].shape} must be ({outer},) for w {w.shape}")
    _check_dtypes(op, operands)
    for axis in range(axes):
        _check_axis(op, x, w, axis, **{name: values[axis] for name, values in sizes.items()})
    return sizes


def _outer_channels(op: str, x: Tensor, w: Tensor, groups: int, *, transposed: bool) -> int:
    """Return how many channels come out; raise unless those of x, of w and the groups fit."""
    if not isinstance(groups, int) or groups < 1:
        raise OptionError(f"{op}: groups={groups!r}: use an int of at least 1")
    inner, outer = w.shape[1] * groups, w.shape[0]
    if transposed:
        inner, outer = outer, inner
    if x.shape[1] != inner or w.shape[0] % groups:
        raise ShapeError(
            f"{op}: x {x.shape} and w {w.shape} do not fit groups={groups}: x must have {inner} "
            "channels, and the first axis of w be a multiple of the groups"
        )
    return outer


def _check_dtypes(op: str, operands: Mapping[str, Tensor]) -> None:
    dtypes = {t.dtype for t in operands.values()}
    if len(dtypes) > 1 or any(dtype.kind != "f" for dtype in dtypes):
        found = ", ".join(f"{name} {t.dtype}" for name, t in operands.items())
        raise DtypeError(f"{op}: {found}: all float32 or all float64 fit")


def _per_axis(op: str, axes: int, name: str, value: Any) -> Sizes:
    least = _LEAST.get(name, 0)
    each = tuple(value) if isinstance(value, tuple | list) else (value,) * axes
    if len(each) != axes or any(type(n) is not int or n < least for n in each):
        raise OptionError(f"{op}: {name}={value!r}: use {_FORMS[axes]}, at least {least}")
    return each


def _check_axis(
    op: str,
    x: Tensor,
    w: Tensor,
    axis: int,
    *,
    stride: int,
    padding: int,
    dilation: int,
    output_padding: int | None = None,
) -> None:
    """Raise unless there is an output along this axis."""
    size, taps = x.shape[axis + 2], w.shape[axis + 2]
    reach = dilation * (taps - 1) + 1
    if taps < 1 or size < 1:
        raise ShapeError(f"{op}: x {x.shape} or w {w.shape} has nothing along axis {axis + 2}")
    if output_padding is None:
        padded = size + 2 * padding
        if reach > padded:
            raise ShapeError(
                f"{op}: w {w.shape} spans {reach} entries of axis {axis + 2}, but x {x.shape} has "
                f"{size} + 2 * {padding} padding = {padded}: use a larger x or "
                f"padding >= {-(-(reach - size) // 2)}"
            )
        return
    if output_padding >= stride:
        raise OptionError(
            f"{op}: output_padding {output_padding} on axis {axis + 2}: use 0 .. stride - 1 = "
            f"{stride - 1}"
        )
    full = (size - 1) * stride + reach + output_padding
    if full <= 2 * padding:
        raise ShapeError(
            f"{op}: x {x.shape} and w {w.shape} leave no output on axis {axis + 2}: "
            f"use padding <= {(full - 1) // 2}"
        )
