"""The dense layer: y = x W^T + b.

Like a convolution it is one trilinear form, T(x, W, g) = <g, x W^T>, and its three derivatives,

    product   dT/dg = x W^T        xgrad   dT/dx = g W        wgrad   dT/dW = g^T x

each of which is linear in two of the three, so that the vjp of each is made of the other two. All
run on the kernel ``matmul``, which takes a turned matrix as it lies; the layer itself, with its
bias, is the kernel ``linear``.
"""

from __future__ import annotations

from math import prod
from typing import Any

from .. import kernels
from ..autograd import Op, Tensor
from ..autograd.linear import as_tensor, promote, reshape, unbroadcast
from ..autograd.op import Cotangents, Needs, Tensors, kernel_op
from ..errors import ShapeError

_linear = kernel_op("linear", reads=slice(2))  # not the bias
_product = Op("linear_product", reads="inputs", forward=lambda x, w: kernels.call("matmul", x, w.T))
_xgrad = Op("linear_xgrad", reads="inputs", forward=lambda g, w: kernels.call("matmul", g, w))
_wgrad = Op("linear_wgrad", reads="inputs", forward=lambda x, g: kernels.call("matmul", g.T, x))


@_linear.defvjp
def _(g: Tensors, y: Tensors, xs: Tensors, needs: Needs) -> Cotangents:
    x, w, b = xs
    return (
        _xgrad(g[0], w) if needs[0] else None,
        _wgrad(x, g[0]) if needs[1] else None,
        unbroadcast(g[0], b.shape) if needs[2] else None,
    )


@_product.defvjp
def _(g: Tensors, y: Tensors, xs: Tensors, needs: Needs) -> Cotangents:
    x, w = xs
    return _xgrad(g[0], w) if needs[0] else None, _wgrad(x, g[0]) if needs[1] else None


@_xgrad.defvjp
def _(gx: Tensors, y: Tensors, xs: Tensors, needs: Needs) -> Cotangents:
    g, w = xs
    return _product(gx[0], w) if needs[0] else None, _wgrad(gx[0], g) if needs[1] else None


@_wgrad.defvjp
def _(gw: Tensors, y: Tensors, xs: Tensors, needs: Needs) -> Cotangents:
    x, g = xs
    return _xgrad(g, gw[0]) if needs[0] else None, _product(x, gw[0]) if needs[1] else None


def linear(x: Any, w: Any, b: Any = None) -> Tensor:
    """Return x W^T + b.

    Shapes: x (..., in), w (out, in), b (out,) or None -> (..., out). Differentiable: any order.

    Raises:
        ShapeError: the shapes do not fit each other.
    """
    operands = [as_tensor(a) for a in (x, w, b) if a is not None]
    x, w, *bias = operands
    fits = x.ndim and w.ndim == 2 and x.shape[-1] == w.shape[1]
    if not fits or any(a.shape != w.shape[:1] for a in bias):
        given = ", ".join(str(a.shape) for a in operands)
        raise ShapeError(f"linear: x (..., in), w (out, in) and b (out,) fit, got {given}")
    if any(a.dtype != x.dtype for a in operands):
        x, w, *bias = promote(*operands)
    rows = x if x.ndim == 2 else reshape(x, (prod(x.shape[:-1]), x.shape[-1]))
    y: Tensor = _linear(rows, w, *bias) if bias else _product(rows, w)
    return y if x.ndim == 2 else reshape(y, (*x.shape[:-1], w.shape[0]))
