"""Batch, spectral and weight norm: a composite below is the definition, kernels are the speed."""

from __future__ import annotations

from typing import Any

from .. import kernels
from ..autograd import Tensor, fused
from ..autograd.basic import mean, rsqrt, sqrt, square, where
from ..autograd.fused import vjp_of_vjp
from ..autograd.linear import as_tensor, concatenate, matmul, reshape, split, sum
from ..autograd.op import Cotangents, Needs, Tensors, kernel_op
from ..errors import DtypeError, ShapeError


def column(v: Tensor, x: Tensor) -> Tensor:
    """Line a (C,) tensor up with axis 1 of x."""
    return reshape(v, (1, v.size, *[1] * (x.ndim - 2)))


def _batch_norm_composite(
    x: Tensor, weight: Tensor, bias: Tensor, *, eps: float, negative_slope: float, segments: int
) -> Tensor:
    axes = (0, *range(2, x.ndim))
    parts = []
    for part in split(x, segments):
        centred = part - mean(part, axes, True)
        deviation = sqrt(mean(square(centred), axes, True) + eps)
        t = centred / deviation * column(weight, x) + column(bias, x)
        parts.append(t if negative_slope == 1 else where(t > 0, t, t * negative_slope))
    return concatenate(parts)


_batch_norm = kernel_op("batch_norm", reads="inputs")
_batch_norm_vjp = kernel_op("batch_norm_vjp", reads="inputs")


# The statistics are operands, since who tracks them has them already; they are functions of x, and
# the kernel of the vjp goes through them. So no cotangent of them is left to give.


@_batch_norm.defvjp
def _(g: Tensors, y: Tensors, xs: Tensors, needs: Needs, **params: Any) -> Cotangents:
    *inputs, mean_, var_ = xs
    return (*_batch_norm_vjp.outputs(*inputs, g[0], mean_, var_, **params), None, None)


@_batch_norm_vjp.defvjp
def _(g: Tensors, y: Tensors, xs: Tensors, needs: Needs, **params: Any) -> Cotangents:
    *inputs, mean_, _ = xs
    found = vjp_of_vjp(_batch_norm_composite, g, inputs, needs[:4], segments=len(mean_), **params)
    return (*found, None, None)


def check_channels(op: str, x: Tensor, **vectors: Tensor) -> None:
    """Raise unless x is (N, C, ...) and every vector (C,).

    Raises:
        ShapeError: one of them is not.
    """
    if x.ndim < 2:
        raise ShapeError(f"{op}: x needs axes (N, C, ...), got {x.shape}")
    for name, v in vectors.items():
        if v.shape != (x.shape[1],):
            raise ShapeError(f"{op}: {name} {v.shape} does not fit x {x.shape}: one a channel")


def check_dtypes(op: str, x: Tensor, **vectors: Tensor) -> None:
    """Raise unless x holds floats and every vector those of the same dtype.

    Raises:
        DtypeError: one of them does not.
    """
    if x.dtype.kind != "f" or any(v.dtype != x.dtype for v in vectors.values()):
        found = ", ".join(f"{name} {v.dtype}" for name, v in {"x": x, **vectors}.items())
        raise DtypeError(f"{op}: {found}: all float32 or all float64 fit")


def batch_norm(
    x: Any,
    weight: Any,
    bias: Any,
    *,
    eps: float = 1e-5,
    negative_slope: float = 1.0,
    segments: int = 1,
    stats: tuple[Tensor, Tensor] | None = None,
) -> Tensor:
    """Normalise each channel by the statistics of this batch, scale and shift it, and activate.

        t = (x - mean) / sqrt(var + eps) * weight + bias,   var biased, over all axes but 1
        y = t where t > 0, else negative_slope * t

    Shapes: x (N, C, ...), weight and bias (C,) -> as x.

    Args:
        x: a batch, or several of one size, one after the other along axis 0.
        weight: scale of each channel.
        bias: shift of each channel.
        eps: added to the variance.
        negative_slope: 1: no activation; 0: relu; else leaky_relu. In one pass, with no t kept.
        segments: batches in x; each is normalised by its own statistics, with the bits that it
            would have alone.
        stats: mean and var of x, from ``batch_norm_stats(x, segments)``, if they are there
            already. They save a pass over x; other values give neither a batch norm nor its
            derivative.

    Raises:
        ShapeError: weight or bias is not one number a channel, a channel has one value alone in
            its batch, x does not fall into ``segments`` batches, or ``stats`` are not theirs.
        DtypeError: x holds no floats, or weight or bias has another dtype, or stats are no float64.

    Differentiable: any order, through mean and variance; where t is 0 with ``negative_slope``.
    Source: arXiv:1502.03167.
    """
    x, weight, bias = as_tensor(x), as_tensor(weight), as_tensor(bias)
    check_channels("batch_norm", x, weight=weight, bias=bias)
    check_dtypes("batch_norm", x, weight=weight, bias=bias)
    if segments < 1 or x.shape[0] % segments:
        raise ShapeError(f"batch_norm: x {x.shape} does not fall into {segments} equal batches")
    if x.size <= x.shape[1] * segments:
        raise ShapeError(f"batch_norm: x {x.shape} has fewer than two values a channel to compare")
    mean_, var_ = batch_norm_stats(x, segments) if stats is None else stats
    if mean_.shape != (segments, x.shape[1]):
        raise ShapeError(f"batch_norm: stats {mean_.shape} are not of {segments} batches of x")
    options = {"eps": float(eps), "negative_slope": float(negative_slope)}
    return _batch_norm(x, weight, bias, mean_, var_, **options)


def batch_norm_eval(
    x: Any, mean: Any, var: Any, weight: Any, bias: Any, *, eps: float = 1e-5
) -> Tensor:
    """Normalise by given statistics: y = (x - mean) / sqrt(var + eps) * weight + bias.

    Shapes: x (N, C, ...), the others (C,) -> as x. Differentiable: any order in all five.

    Raises:
        ShapeError: one of the others is not one number a channel.
        DtypeError: x holds no floats, or one of the others has another dtype.
    """
    x, mean, var, weight, bias = (as_tensor(v) for v in (x, mean, var, weight, bias))
    check_channels("batch_norm_eval", x, mean=mean, var=var, weight=weight, bias=bias)
    check_dtypes("batch_norm_eval", x, mean=mean, var=var, weight=weight, bias=bias)
    scale = rsqrt(var + eps) * weight
    y: Tensor = x * column(scale, x) + column(bias - mean * scale, x)
    return y


def batch_norm_stats(x: Any, segments: int = 1) -> tuple[Tensor, Tensor]:
    """Return mean and biased variance of each channel and segment, as float64 constants.

    Shapes: x (N, C, ...) -> (segments, C), (segments, C). Differentiable: no.

    Raises:
        ShapeError: x does not fall into so many equal batches.
    """
    mean_, var_ = kernels.call("batch_norm_stats", as_tensor(x).data, segments=segments)
    return Tensor(mean_), Tensor(var_)


def _spectral_norm_composite(w: Tensor, u: Tensor, v: Tensor) -> Tensor:
    sigma = (u * matmul(reshape(w, (w.shape[0], -1)), v)).sum()
    return w / sigma


_spectral_norm = fused("spectral_norm", _spectral_norm_composite)


def spectral_norm(w: Any, u: Any, v: Any) -> Tensor:
    """Divide a weight by the estimate u^T W v of its largest singular value.

    W is w seen as a matrix (O, rest). With u and v the leading singular vectors, which
    ``power_iteration`` approaches, sigma is W's spectral norm. For a convolution this is the norm
    of the reshaped kernel, not of the operator.

    Shapes: w (O, ...), u (O,), v (rest,) -> as w.

    Raises:
        ShapeError: u or v does not fit w.

    Differentiable: any order in w, u and v. Layers pass u and v as constants, as the paper does:
    then the derivative is that of w / (u^T W v) with u, v held fixed.
    Source: arXiv:1802.05957, section 2.1.
    """
    w, u, v = as_tensor(w), as_tensor(u), as_tensor(v)
    rows = w.shape[0] if w.ndim else 0
    if w.ndim < 2 or u.shape != (rows,) or v.shape != (w.size // max(rows, 1),):
        raise ShapeError(f"spectral_norm: u {u.shape} and v {v.shape} do not fit w {w.shape}")
    return _spectral_norm(w, u, v)


def weight_norm(v: Any, g: Any, *, dim: int | None = 0) -> Tensor:
    """Give a weight the direction of v and the length g: w = g * v / ||v||.

    The norm is over all axes but ``dim``: each slice along that axis has a length of its own.

    Shapes: v (O, ...), g of v's extent along ``dim`` and 1 elsewhere, as (O, 1, 1, 1) -> as v. With
    dim None the norm is that of all of v, and g is a scalar.

    Raises:
        ShapeError: g does not fit v, or v has no axis ``dim``.

    Differentiable: any order, where no slice of v is 0. Source: arXiv:1602.07868, equation 2.
    """
    v, g = as_tensor(v), as_tensor(g)
    if dim is not None and not -v.ndim <= dim < v.ndim:
        raise ShapeError(f"weight_norm: v {v.shape} has no axis {dim}")
    kept = () if dim is None else (dim % v.ndim,)
    lengths = tuple(n if i in kept else 1 for i, n in enumerate(v.shape))
    if g.shape != (() if dim is None else lengths):
        raise ShapeError(f"weight_norm: g {g.shape} does not fit v {v.shape} with dim {dim}")
    axes = tuple(i for i in range(v.ndim) if i not in kept)
    w: Tensor = v * (g / sqrt(sum(square(v), axes, dim is not None)))
    return w


def power_iteration(w: Any, u: Any, *, steps: int = 1, eps: float = 1e-12) -> tuple[Tensor, Tensor]:
    """Move (u, v) towards the leading singular vectors of w, seen as a matrix (O, rest).

    ``steps`` times v = normalize(W^T u), u = normalize(W v).

    Shapes: w (O, ...), u (O,) -> (O,), (rest,). Differentiable: no (constants).

    Raises:
        ShapeError: u does not fit w.
    """
    w, u = as_tensor(w), as_tensor(u)
    if w.ndim < 2 or u.shape != w.shape[:1]:
        raise ShapeError(f"power_iteration: u {u.shape} does not fit w {w.shape}")
    u_, v_ = kernels.call("power_iteration", w.data, u.data, steps=steps, eps=eps)
    return Tensor(u_), Tensor(v_)
