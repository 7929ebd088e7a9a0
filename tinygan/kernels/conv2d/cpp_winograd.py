"""Launchers of Winograd's algorithms in csrc/conv2d: ``winograd_f4`` and ``winograd_f2``.

F(4) makes tiles of 4 x 4 outputs with 2.6 (4 x 4 kernels of stride 2) or 4 times (3 x 3 kernels)
fewer products than the plain sum; F(2) makes tiles of 2 x 2 with 1.8 or 2.25 times fewer, and loses
next to no digits. ``use_winograd`` and the environment's ``TINYGAN_WINOGRAD`` say which of them may
be chosen; where, says a cost model that ``explain`` prints. A variant that ``use_backend`` names
runs in any case.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any

from ...errors import OptionError
from ..arrays import Array, Shape
from ..native import native
from ..registry import Prediction, register
from ..variables import variable
from . import launch
from .launch import WINOGRAD_F2, WINOGRAD_F4, conv2d_by, dgrad_by, wgrad_by
from .spec import ConvSpec
from .winograd import refusal, taps

MODES = {"fast": 4, "accurate": 2, "off": 0}  # outputs a side of the tiles that may be chosen

_named_by_environment = variable("TINYGAN_WINOGRAD")
_MODE: ContextVar[str | None] = ContextVar("winograd", default=None)


@contextmanager
def use_winograd(mode: str) -> Iterator[None]:
    """Choose Winograd's algorithms in this way until the ``with`` block ends.

    Args:
        mode: ``"fast"`` (the default): F(4) where it pays; ``"accurate"``: F(2) where it pays;
            ``"off"``: neither.

    Raises:
        OptionError: no such mode.
    """
    token = _MODE.set(_checked(mode, "use_winograd"))
    try:
        yield
    finally:
        _MODE.reset(token)


def winograd_mode() -> str:
    """Return the mode in force: ``use_winograd``, else ``TINYGAN_WINOGRAD``, else ``"fast"``."""
    return _MODE.get() or _checked(_named_by_environment() or "fast", "TINYGAN_WINOGRAD")


def _checked(mode: str, name: str) -> str:
    if mode not in MODES:
        raise OptionError(f"{name}={mode!r}: use one of {', '.join(MODES)}")
    return mode


# The cost model, in products of implicit_gemm: what a product of Winograd's costs, which passes
# through memory; a number of a transformed image; a number of the transformed weights. Fitted to
# ratios of CPU time: three passes of 21 layers of 3 to 512 channels, both algorithms, one thread,
# AVX-512. Half of them are predicted to 11 %, and the faster of the two for 113 of 126.
_PRODUCT, _IMAGE, _WEIGHT = 1.2, 6.0, 11.0
_LANES = {"avx512": 16, "avx2": 8, "base": 4}  # floats of a vector: channels come in blocks


def _predict(op: str, m: int) -> Callable[..., Prediction]:
    def predict(a: Array, b: Array, *, spec: ConvSpec, **shapes: Shape) -> Prediction:
        mode = winograd_mode()
        if MODES[mode] != m:
            return Prediction(False, f"not chosen, as winograd={mode}")
        w = shapes.get("w_shape", b.shape)
        y = (
            spec.out_shape(a.shape, w)
            if op == "conv2d"
            else (b if "w_shape" in shapes else a).shape
        )
        share = relative_cost(spec, y, w, m)
        return Prediction(share < 1, f"predicted to take {share:.2f} of implicit_gemm's time")

    return predict


def relative_cost(spec: ConvSpec, y: Shape, w: Shape, m: int) -> float:
    """Return the predicted time as a fraction of implicit_gemm's.

    Shapes: y (N, O, P, Q), w (O, C, R, S).
    """
    (n, o, p, q), (_, c, r, s) = y, w
    lanes = _LANES[native.isa]
    points, phases = (m + taps(spec, w) - 1) ** 2, spec.stride[0] ** 2
    tiles = n * -(-p // m) * -(-q // m)
    inner, outer = phases * -(-c // lanes) * lanes, -(-o // lanes) * lanes
    products = points * tiles * inner * outer
    images, weights = points * tiles * (inner + outer), points * inner * outer
    cost = _PRODUCT * products + _IMAGE * images + _WEIGHT * weights
    return cost / (n * o * p * q * c * r * s)


def _supports(op: str) -> Callable[..., str | None]:
    def supports(a: Array, b: Array, *, spec: ConvSpec, **shapes: Shape) -> str | None:
        if a.dtype.itemsize != 4:
            return f"takes float32 arrays, got {a.dtype}"
        return launch.refusal(a, b) or refusal(spec, shapes.get("w_shape", b.shape))

    return supports


def _register(op: str, variant: str, m: int, **declared: Any) -> Callable[[Any], Any]:
    declared |= {"supports": _supports(op), "predict": _predict(op, m), "setting": winograd_mode}
    return register(op, "cpp", variant, **declared)


@_register("conv2d", "winograd_f4", 4)
def conv2d_f4(x: Array, w: Array, *, spec: ConvSpec) -> Array:
    """Convolve. Shapes: x (N, C, H, W), w (O, C, R, R) -> y (N, O, P, Q)."""
    return conv2d_by(WINOGRAD_F4, x, w, spec=spec)


@_register("conv2d_dgrad", "winograd_f4", 4)
def conv2d_dgrad_f4(gy: Array, w: Array, *, spec: ConvSpec, x_shape: Shape) -> Array:
    """Transposed convolution. Shapes: gy (N, O, P, Q), w (O, C, R, R) -> gx ``x_shape``."""
    return dgrad_by(WINOGRAD_F4, gy, w, spec=spec, x_shape=x_shape)


@_register("conv2d_wgrad", "winograd_f4", 4)
def conv2d_wgrad_f4(x: Array, gy: Array, *, spec: ConvSpec, w_shape: Shape) -> Array:
    """Weight gradient. Shapes: x (N, C, H, W), gy (N, O, P, Q) -> gw ``w_shape``, C order."""
    return wgrad_by(WINOGRAD_F4, x, gy, spec=spec, w_shape=w_shape)


@_register("conv2d", "winograd_f2", 2, exact=True)
def conv2d_f2(x: Array, w: Array, *, spec: ConvSpec) -> Array:
    """Convolve; shapes as in ``conv2d_f4``."""
    return conv2d_by(WINOGRAD_F2, x, w, spec=spec)


@_register("conv2d_dgrad", "winograd_f2", 2, exact=True)
def conv2d_dgrad_f2(gy: Array, w: Array, *, spec: ConvSpec, x_shape: Shape) -> Array:
    """Transposed convolution; shapes as in ``conv2d_dgrad_f4``."""
    return dgrad_by(WINOGRAD_F2, gy, w, spec=spec, x_shape=x_shape)


@_register("conv2d_wgrad", "winograd_f2", 2, exact=True)
def conv2d_wgrad_f2(x: Array, gy: Array, *, spec: ConvSpec, w_shape: Shape) -> Array:
    """Weight gradient; shapes as in ``conv2d_wgrad_f4``."""
    return wgrad_by(WINOGRAD_F2, x, gy, spec=spec, w_shape=w_shape)
