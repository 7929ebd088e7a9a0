"""What operands and options bias_act takes, checked in one place for every kernel in Python."""

from __future__ import annotations

from ...errors import DtypeError, OptionError, ShapeError
from ..arrays import Array, Shape

ACTS = ("linear", "relu", "leaky_relu", "prelu", "elu", "tanh", "sigmoid", "softplus", "swish")


def check_operands(op: str, x: Array, b: Array | None, slope: Array | None, act: str) -> None:
    """Raise unless b is (C,), and slope is (C,) or (1,) for ``prelu`` and absent otherwise.

    Raises:
        OptionError: the activation is unknown.
        ShapeError: b or slope does not fit x, or slope comes with another activation than prelu.
        DtypeError: the operands differ in dtype.
    """
    if act not in ACTS:
        raise OptionError(f"{op}: no activation {act!r}: use one of {', '.join(ACTS)}")
    if (slope is not None) != (act == "prelu"):
        raise ShapeError(f"{op}: slope belongs to prelu and to nothing else, act is {act!r}")
    if b is None and slope is None:
        return
    if x.ndim == 0:
        raise ShapeError(f"{op}: a scalar x () has no channel axis for b or slope")
    for name, a, extents in (("b", b, channels(x)), ("slope", slope, (1, *channels(x)))):
        if a is None:
            continue
        if a.ndim != 1 or a.shape[0] not in extents:
            fits = " or ".join(f"({extent},)" for extent in extents)
            raise ShapeError(f"{op}: {name} must be {fits} for x {x.shape}, got {a.shape}")
        if a.dtype != x.dtype:
            raise DtypeError(f"{op}: x is {x.dtype}, {name} is {a.dtype}; they must agree")


def channel_axis(x: Array) -> int:
    """Return the axis that b and slope run along: 1, or 0 for a 1-d x."""
    return min(1, x.ndim - 1)


def channels(x: Array) -> tuple[int, ...]:
    """Return (C,), or () for a scalar."""
    return x.shape[channel_axis(x) :][:1] if x.ndim else ()


def channel_shape(x: Array) -> Shape:
    """Return the shape in which a (C,) or (1,) array broadcasts against x: (1, -1, 1, 1)."""
    return tuple(-1 if axis == channel_axis(x) else 1 for axis in range(x.ndim))
