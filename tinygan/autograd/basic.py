"""Elementwise ops, one line of mathematics each, and the reductions and softmaxes made of them.

Operands broadcast as in NumPy; a rule sums its cotangent back over the stretched axes. A Python or
NumPy scalar takes the dtype of the tensor beside it, so that float32 stays float32 (NumPy 2 would
make it float64); floats of two widths meet in the wider, an integer takes the float's dtype.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from .. import kernels
from ..kernels.arrays import Array, elementwise, empty_like, is_numpy, scalar, xp_of
from .axes import check_broadcast
from .linear import (
    as_tensor,
    astype,
    broadcast_to,
    normalize_axis,
    promote,
    squeeze,
    sum,
    unbroadcast,
)
from .op import Cotangents, Needs, Op, Reads, Tensors, kernel_op
from .tensor import Axis, Tensor

_Forward = Callable[[Array], Any]
_Derivative = Callable[[Tensor, Tensor], Any]
_Partial = Callable[[Tensor, Tensor, Tensor, Tensor], Tensor]
_Binary = Callable[[Any, Any], Tensor]


def _unary(name: str, f: _Forward, derivative: _Derivative, reads: Reads = "inputs") -> Op:
    """Make y = f(x) with dy/dx = derivative(x, y), which ``reads`` one of the two."""
    op = Op(name, f, reads=reads)
    op.defvjp(lambda g, y, xs, needs: (mul(g[0], derivative(xs[0], y[0])),))
    return op


def _ufunc(name: str) -> Callable[..., Array]:
    """Make a forward rule: NumPy's ufunc on the host, a kernel on a GPU where there is one."""
    if name not in kernels.elementwise.FUNCTIONS:
        return lambda *xs: elementwise(name, *xs)

    def _forward(*xs: Array) -> Array:
        if is_numpy(xs[0]):
            return elementwise(name, *xs)
        out: Array = kernels.call("elementwise", *xs, fn=name)
        return out

    return _forward


def _binary(name: str, da: _Partial, db: _Partial, reads: Reads = "values") -> _Binary:
    """Make y = f(a, b) for broadcasting a and b, with cotangents da(g, a, b, y), db(g, a, b, y)."""
    op = Op(name, _ufunc(name), reads=reads)

    @op.defvjp
    def _(g: Tensors, y: Tensors, xs: Tensors, needs: Needs) -> Cotangents:
        a, b = xs
        return (
            unbroadcast(da(g[0], a, b, y[0]), a.shape) if needs[0] else None,
            unbroadcast(db(g[0], a, b, y[0]), b.shape) if needs[1] else None,
        )

    def _apply(a: Any, b: Any) -> Tensor:
        return op(*_promote(name, a, b))

    return _apply


def _promote(name: str, a: Any, b: Any) -> tuple[Tensor, Tensor]:
    """Turn two operands into tensors of one dtype whose shapes broadcast."""
    if not isinstance(a, Tensor):
        a = _like(a, b) if isinstance(b, Tensor) else Tensor(a)
    if not isinstance(b, Tensor):
        b = _like(b, a)
    if a.dtype != b.dtype:
        a, b = promote(a, b)
    if a.shape != b.shape and a.ndim and b.ndim:
        check_broadcast(name, a.shape, b.shape)
    return a, b


def _like(value: Any, t: Tensor) -> Tensor:
    """Make a tensor of a plain value; a scalar takes the dtype of ``t``."""
    if not isinstance(value, bool | int | float | np.generic):
        return Tensor(value)
    keeps = t.dtype.kind == "f" or isinstance(value, bool | int | np.integer)
    return Tensor(scalar(xp_of(t.data), value, t.dtype if keeps else np.float32))


# --- arithmetic ---

add: _Binary = _binary("add", lambda g, a, b, y: g, lambda g, a, b, y: g, "shapes")
sub: _Binary = _binary("subtract", lambda g, a, b, y: g, lambda g, a, b, y: neg(g), "shapes")
mul: _Binary = _binary("multiply", lambda g, a, b, y: g * b, lambda g, a, b, y: g * a, "inputs")
maximum: _Binary = _binary(
    "maximum", lambda g, a, b, y: g * _wins(a, b), lambda g, a, b, y: g * _wins(b, a), "inputs"
)
minimum: _Binary = _binary(
    "minimum", lambda g, a, b, y: g * _wins(b, a), lambda g, a, b, y: g * _wins(a, b), "inputs"
)
_div: _Binary = _binary("true_divide", lambda g, a, b, y: g / b, lambda g, a, b, y: neg(g * y / b))
_pow: _Binary = _binary(
    "power",
    lambda g, a, b, y: g * b * pow(a, b - 1.0),
    lambda g, a, b, y: g * y * log(where(a > 0, a, 1.0)),
)

neg: Op = Op("negative", _ufunc("negative"), reads="shapes")
neg.defvjp(lambda g, y, xs, needs: (neg(g[0]),))


def _wins_forward(a: Array, b: Array) -> Array:
    out: Array = (a > b).astype(a.dtype)
    out += 0.5 * (a == b).astype(a.dtype)
    return out


# 1 where a > b, 0 where a < b, a half each at a tie (as in PyTorch)
_wins: Op = Op("wins", _wins_forward, constant=True)


def div(a: Any, b: Any) -> Tensor:
    """Divide; two integer tensors give float32. Differentiable: any order where b != 0."""
    if isinstance(a, Tensor) and a.dtype.kind != "f":
        a = astype(a, b.dtype if isinstance(b, Tensor) and b.dtype.kind == "f" else np.float32)
    return _div(a, b)


def pow(x: Any, exponent: Any) -> Tensor:
    """Raise to a power, a number or a tensor. Differentiable: any order (d/dexponent: x > 0)."""
    if isinstance(x, Tensor) and isinstance(exponent, int | float) and x.dtype.kind == "f":
        return square(x) if exponent == 2 else _power(x, exponent=float(exponent))
    return _pow(x, exponent)


def _power_forward(x: Array, *, exponent: float) -> Any:
    return elementwise("power", x, scalar(xp_of(x), exponent, x.dtype))


_power: Op = Op("power", _power_forward, reads="inputs")


@_power.defvjp
def _(g: Tensors, y: Tensors, xs: Tensors, needs: Needs, *, exponent: float) -> Cotangents:
    if exponent == 0:
        return (g[0] * 0.0,)
    return (g[0] * exponent * pow(xs[0], exponent - 1),)


# --- functions of one variable ---

exp: Op = _unary("exp", _ufunc("exp"), lambda x, y: y, "outputs")
log: Op = _unary("log", _ufunc("log"), lambda x, y: 1.0 / x)
log1p: Op = _unary("log1p", _ufunc("log1p"), lambda x, y: 1.0 / (x + 1.0))
expm1: Op = _unary("expm1", _ufunc("expm1"), lambda x, y: y + 1.0, "outputs")
sqrt: Op = _unary("sqrt", _ufunc("sqrt"), lambda x, y: 0.5 / y, "outputs")
rsqrt: Op = _unary(
    "rsqrt", lambda x: 1 / elementwise("sqrt", x), lambda x, y: -0.5 * y * y * y, "outputs"
)
square: Op = _unary("square", _ufunc("square"), lambda x, y: 2.0 * x)
sin: Op = _unary("sin", _ufunc("sin"), lambda x, y: cos(x))
cos: Op = _unary("cos", _ufunc("cos"), lambda x, y: neg(sin(x)))
tanh: Op = _unary("tanh", _ufunc("tanh"), lambda x, y: 1.0 - y * y, "outputs")
abs: Op = _unary("absolute", _ufunc("absolute"), lambda x, y: sign(x))


def _sigmoid_forward(x: Array) -> Array:
    return 0.5 * (1 + elementwise("tanh", 0.5 * x))  # no overflow at either end


def _softplus_forward(x: Array) -> Any:
    return elementwise("logaddexp", x, xp_of(x).zeros((), dtype=x.dtype))


def _elu_forward(x: Array, *, alpha: float) -> Any:
    xp = xp_of(x)
    return xp.where(x > 0, x, alpha * xp.expm1(xp.minimum(x, 0)))


sigmoid: Op = _unary("sigmoid", _sigmoid_forward, lambda x, y: y * (1.0 - y), "outputs")
softplus: Op = _unary("softplus", _softplus_forward, lambda x, y: sigmoid(x))
relu: Op = _unary(
    "relu", lambda x: elementwise("maximum", x, x.dtype.type(0)), lambda x, y: _step(x)
)
elu: Op = Op("elu", _elu_forward)


@elu.defvjp
def _(g: Tensors, y: Tensors, xs: Tensors, needs: Needs, *, alpha: float) -> Cotangents:
    return (g[0] * where(xs[0] > 0, 1.0, y[0] + alpha),)


def clip(x: Any, low: float, high: float) -> Tensor:
    """Bound to [low, high]; the slope is 1 inside and at the bounds. Differentiable: any order."""
    return _clip(as_tensor(x), low=low, high=high)


def _clip_forward(x: Array, *, low: float, high: float) -> Any:
    return xp_of(x).clip(x, x.dtype.type(low), x.dtype.type(high), out=empty_like(x))


_clip: Op = Op("clip", _clip_forward, reads="inputs")
_clip.defvjp(lambda g, y, xs, needs, *, low, high: (g[0] * _inside(xs[0], low=low, high=high),))

# --- piecewise constant: never on a graph ---

_step: Op = Op("step", lambda x: (x > 0).astype(x.dtype), constant=True)
_inside: Op = Op(
    "inside",
    lambda x, *, low, high: ((x >= low) & (x <= high)).astype(x.dtype),
    constant=True,
)
sign: Op = Op("sign", _ufunc("sign"), constant=True)
isfinite: Op = Op("isfinite", lambda x: xp_of(x).isfinite(x), constant=True)


def _compare(name: str) -> _Binary:
    op = Op(name, lambda a, b: getattr(xp_of(a), name)(a, b), constant=True)

    def _apply(a: Any, b: Any) -> Tensor:
        return op(*_promote(name, a, b))

    return _apply


greater: _Binary = _compare("greater")
greater_equal: _Binary = _compare("greater_equal")
less: _Binary = _compare("less")
less_equal: _Binary = _compare("less_equal")
equal: _Binary = _compare("equal")
not_equal: _Binary = _compare("not_equal")

# Rounding has slope 0 or none; asking for it is more likely a mistake than a wish, so it raises.
floor: Op = Op("floor", _ufunc("floor"))
round: Op = Op("round", _ufunc("rint"))


def argmax(x: Any, axis: int = -1, *, dim: int | None = None) -> Tensor:
    """Return the index of the first largest entry along ``axis``, int64. Differentiable: no."""
    x = as_tensor(x)
    (at,) = normalize_axis(axis if dim is None else dim, x.ndim)
    return Tensor(x.data.argmax(axis=at))


# --- choice ---


def _where_forward(cond: Array, a: Array, b: Array) -> Array:
    xp = xp_of(a)
    out = empty_like(next((v for v in (a, b) if v.shape == cond.shape), cond), dtype=a.dtype)
    if out.shape != np.broadcast_shapes(cond.shape, a.shape, b.shape):
        result: Array = xp.where(cond, a, b)
        return result
    out[...] = b
    xp.copyto(out, a, where=cond)
    return out


_where: Op = Op("where", _where_forward, reads=slice(1))  # the condition


@_where.defvjp
def _(g: Tensors, y: Tensors, xs: Tensors, needs: Needs) -> Cotangents:
    cond, a, b = xs
    return (
        None,
        unbroadcast(where(cond, g[0], 0.0), a.shape) if needs[1] else None,
        unbroadcast(where(cond, 0.0, g[0]), b.shape) if needs[2] else None,
    )


def where(condition: Any, a: Any, b: Any) -> Tensor:
    """Take ``a`` where ``condition`` (booleans) holds, else ``b``; all three broadcast.

    Differentiable: any order in a and b.
    """
    chosen = astype(as_tensor(condition).detach(), bool)
    a, b = _promote("where", a, b)
    if not chosen.shape == a.shape == b.shape:
        check_broadcast("where", chosen.shape, a.shape, b.shape)
    return _where(chosen, a, b)


# --- reductions made of the above ---


def mean(
    x: Any, axis: Axis = None, keepdims: bool = False, *, dim: Axis = None, keepdim: bool = False
) -> Tensor:
    """Average over ``axis`` (None: all). Differentiable: any order."""
    x = as_tensor(x)
    axes = normalize_axis(axis, x.ndim, dim)
    count = math.prod(x.shape[a] for a in axes)
    return div(sum(x, axes, keepdims or keepdim), float(count))


def var(
    x: Any,
    axis: Axis = None,
    keepdims: bool = False,
    *,
    correction: int = 1,
    dim: Axis = None,
    keepdim: bool = False,
) -> Tensor:
    """Variance over ``axis``, divided by n - ``correction`` as in PyTorch (NumPy: 0).

    Differentiable: any order.
    """
    x = as_tensor(x)
    axes = normalize_axis(axis, x.ndim, dim)
    count = math.prod(x.shape[a] for a in axes)
    centred = x - mean(x, axes, True)
    return div(sum(square(centred), axes, keepdims or keepdim), float(count - correction))


def _extremum(name: str) -> Op:
    """Make max or min over axes; tied entries share the cotangent evenly."""
    op = Op(name, lambda x, *, axis: kernels.call(name, x, axis=axis, keepdims=True))

    @op.defvjp
    def _(g: Tensors, y: Tensors, xs: Tensors, needs: Needs, *, axis: Any) -> Cotangents:
        winners = astype(equal(xs[0], y[0]), xs[0].dtype)
        share = winners / sum(winners, axis, True)
        return (broadcast_to(g[0], xs[0].shape) * share.detach(),)

    return op


_max, _min = _extremum("max"), _extremum("min")


def _reduce_extremum(op: Op, x: Any, axes: tuple[int, ...], keepdims: bool) -> Tensor:
    y = op(x, axis=axes)
    return y if keepdims else squeeze(y, axes)


def max(
    x: Any, axis: Axis = None, keepdims: bool = False, *, dim: Axis = None, keepdim: bool = False
) -> Tensor:
    """Largest entry over ``axis`` (None: all); NaN wins. Differentiable: any order, off ties."""
    x = as_tensor(x)
    return _reduce_extremum(_max, x, normalize_axis(axis, x.ndim, dim), keepdims or keepdim)


def min(
    x: Any, axis: Axis = None, keepdims: bool = False, *, dim: Axis = None, keepdim: bool = False
) -> Tensor:
    """Smallest entry over ``axis`` (None: all); NaN wins. Differentiable: any order, off ties."""
    x = as_tensor(x)
    return _reduce_extremum(_min, x, normalize_axis(axis, x.ndim, dim), keepdims or keepdim)


_softmax: Op = kernel_op("softmax", reads="outputs")
_softmax_vjp: Op = kernel_op("softmax_vjp", reads="inputs")
_logsumexp: Op = kernel_op("logsumexp", reads="inputs")
_logsumexp.defvjp(lambda g, y, xs, needs, *, axis: (g[0] * _softmax(xs[0], axis=axis),))
_softmax.defvjp(lambda g, y, xs, needs, *, axis: (_softmax_vjp(y[0], g[0], axis=axis),))


@_softmax_vjp.defvjp
def _(g: Tensors, y: Tensors, xs: Tensors, needs: Needs, *, axis: int) -> Cotangents:
    # p * (u - sum(u * p)) is linear in u by a symmetric matrix, and quadratic in p
    (p, u), h = xs, g[0]
    gp = None
    if needs[0]:
        gp = h * (u - sum(u * p, axis, True)) - u * sum(h * p, axis, True)
    return gp, _softmax_vjp(p, h, axis=axis) if needs[1] else None


def softmax(x: Any, axis: int = -1, *, dim: int | None = None) -> Tensor:
    """exp(x) / sum exp(x) over ``axis``, without overflow. Differentiable: any order."""
    x = as_tensor(x)
    (at,) = normalize_axis(axis if dim is None else dim, x.ndim)
    return _softmax(x, axis=at)


def logsumexp(x: Any, axis: int = -1, keepdims: bool = False, *, dim: int | None = None) -> Tensor:
    """Log of sum exp(x) over ``axis``, without overflow. Differentiable: any order."""
    x = as_tensor(x)
    (at,) = normalize_axis(axis if dim is None else dim, x.ndim)
    y: Tensor = _logsumexp(x, axis=at)
    return y if keepdims else squeeze(y, at)


def log_softmax(x: Any, axis: int = -1, *, dim: int | None = None) -> Tensor:
    """Log of ``softmax``, without overflow. Differentiable: any order."""
    return sub(x, logsumexp(x, axis if dim is None else dim, keepdims=True))
