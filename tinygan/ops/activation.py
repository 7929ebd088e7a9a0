"""bias_act, the activations, which are its special cases, and dropout.

y = clip(act(x + b) * gain, -clamp, clamp)

Where the activation is piecewise linear and nothing is clipped, act' is constant between the kinks,
and the vjp is linear in the cotangent alone:

    vjp(x, b, g) = (g act'(x + b) gain, its sums over each channel)

So the derivative of the vjp is 0 by x and b, and by g it is the jvp, act'(x + b) (gx + gb) gain:
the same kernel again, at every order. That is a rule of two lines in place of the composite's
derivative: with that a critic step of WGAN-GP took 113 ms, without it 62 (bench/steps.py).

Where y has the sign of x + b, act'(x + b) = act'(y), exactly: the rule reads y, which the next
layer needs anyway, and x may be freed. A bias alone needs neither.
"""

from __future__ import annotations

from collections.abc import Callable
from math import inf
from typing import Any, Protocol

from ..autograd import Op, Tensor, basic, fused
from ..autograd.linear import as_tensor, reshape, sum
from ..autograd.op import Cotangents, Needs, Tensors, kernel_op
from ..errors import OptionError, ShapeError
from ..kernels.arrays import xp_of

_ALPHA = {"leaky_relu": 0.2, "elu": 1.0}  # GANs' slope (arXiv:1511.06434); PyTorch's alpha

_ACTS: dict[str, Callable[[Tensor, Any], Tensor]] = {
    "linear": lambda x, slope: x,
    "relu": lambda x, slope: basic.relu(x),
    "leaky_relu": lambda x, slope: basic.where(x > 0, x, x * slope),
    "prelu": lambda x, slope: basic.where(x > 0, x, x * slope),
    "elu": lambda x, slope: basic.elu(x, alpha=slope),
    "tanh": lambda x, slope: basic.tanh(x),
    "sigmoid": lambda x, slope: basic.sigmoid(x),
    "softplus": lambda x, slope: basic.softplus(x),
    "swish": lambda x, slope: x * basic.sigmoid(x),
}


def _per_channel(v: Tensor, x: Tensor) -> Tensor:
    """Line a (C,) or (1,) tensor up with axis 1 of x (axis 0 if x has only that)."""
    return v if x.ndim == 1 else reshape(v, (1, v.size, *[1] * (x.ndim - 2)))


def _composite(
    x: Tensor,
    b: Tensor | None = None,
    slope: Tensor | None = None,
    *,
    act: str,
    alpha: float,
    gain: float,
    clamp: float | None,
) -> Tensor:
    t = x if b is None else x + _per_channel(b, x)
    y = _ACTS[act](t, alpha if slope is None else _per_channel(slope, x)) * gain
    return y if clamp is None else basic.clip(y, -clamp, clamp)


_bias_act = fused("bias_act", _composite)

_pieces = kernel_op("bias_act", reads="inputs")
_pieces_vjp = kernel_op("bias_act_vjp", reads=slice(-1))  # all but the cotangent
_by_sign = kernel_op("bias_act", reads="outputs")
_shift = kernel_op("bias_act", reads="shapes")


@_pieces.defvjp
def _(g: Tensors, y: Tensors, xs: Tensors, needs: Needs, **params: Any) -> Cotangents:
    return _pieces_vjp.outputs(*xs, g[0], **params)


@_by_sign.defvjp
def _(g: Tensors, y: Tensors, xs: Tensors, needs: Needs, **params: Any) -> Cotangents:
    # y has the sign of x + b, so it takes its place, with a bias of 0; x may be freed
    zeros = [Tensor(xp_of(y[0].data).zeros(b.shape, b.dtype)) for b in xs[1:]]
    return _pieces_vjp.outputs(y[0], *zeros, g[0], **params)


@_shift.defvjp
def _(g: Tensors, y: Tensors, xs: Tensors, needs: Needs, **params: Any) -> Cotangents:
    gx = g[0] if params["gain"] == 1 else g[0] * params["gain"]
    if len(xs) == 1:
        return (gx,)
    keep = min(1, gx.ndim - 1)
    axes = tuple(axis for axis in range(gx.ndim) if axis != keep)
    return gx, sum(gx, axes) if needs[1] else None


def _op_for(act: str, alpha: float, gain: float, clamp: float | None) -> Op:
    """Choose the op whose rule keeps least alive."""
    if clamp is not None or act not in ("linear", "relu", "leaky_relu"):
        return _bias_act
    if act == "linear":
        return _shift
    # gain < 1 may round a positive number to 0
    return _by_sign if alpha >= 0 and 1 <= gain < inf else _pieces


@_pieces_vjp.defvjp
def _(g: Tensors, y: Tensors, xs: Tensors, needs: Needs, **params: Any) -> Cotangents:
    *inputs, _ = xs
    tangent = g[0] if len(g) == 1 else g[0] + _per_channel(g[1], g[0])
    return (*(None for _ in inputs), _pieces_vjp.outputs(*inputs, tangent, **params)[0])


def bias_act(
    x: Any,
    b: Any = None,
    slope: Any = None,
    *,
    act: str = "linear",
    alpha: float | None = None,
    gain: float = 1.0,
    clamp: float | None = None,
) -> Tensor:
    """Add a bias a channel, apply an activation, scale, and bound the magnitude: one pass.

    Shapes: x (N, C, ...), b (C,), slope (C,) or (1,) for ``prelu`` -> as x.

    Args:
        x: input.
        b: bias, or None.
        slope: learned negative slope, for ``prelu`` alone.
        act: linear, relu, leaky_relu, prelu, elu, tanh, sigmoid, softplus or swish.
        alpha: slope of leaky_relu (None: 0.2), or the alpha of elu (None: 1).
        gain: factor after the activation.
        clamp: bound of the magnitude after the gain, or None.

    Raises:
        OptionError: unknown activation, or a slope that it does not take.
        ShapeError: b or slope is not one number a channel.

    Differentiable: any order; at the kink of relu the slope is 0, of leaky_relu alpha.
    Source: the fused op of arXiv:1912.04958.
    """
    if act not in _ACTS:
        raise OptionError(f"bias_act: no activation {act!r}; use one of {', '.join(_ACTS)}")
    if (act == "prelu") != (slope is not None):
        raise OptionError(f"bias_act: act {act!r} with{'' if slope is not None else 'out'} a slope")
    x = as_tensor(x)
    if slope is not None and b is None:
        b = xp_of(x.data).zeros(_channels(x), dtype=x.dtype)
    operands = [as_tensor(v) for v in (b, slope) if v is not None]
    for name, v in zip(("b", "slope"), operands, strict=False):
        if v.shape != (_channels(x),) and not (name == "slope" and v.shape == (1,)):
            raise ShapeError(f"bias_act: {name} {v.shape} does not fit x {x.shape}, act {act}")
    alpha = _ALPHA.get(act, 0.0) if alpha is None else float(alpha)
    gain, clamp = float(gain), None if clamp is None else float(clamp)
    op = _op_for(act, alpha, gain, clamp)
    return op(x, *operands, act=act, alpha=alpha, gain=gain, clamp=clamp)


def _channels(x: Tensor) -> int:
    return x.shape[min(1, x.ndim - 1)] if x.ndim else 1


def relu(x: Any) -> Tensor:
    """max(x, 0). Differentiable: any order, slope 0 at 0."""
    return bias_act(x, act="relu")


def leaky_relu(x: Any, *, negative_slope: float = 0.01) -> Tensor:
    """X where x > 0, else ``negative_slope`` * x. Differentiable: any order."""
    return bias_act(x, act="leaky_relu", alpha=negative_slope)


def prelu(x: Any, slope: Any) -> Tensor:
    """X where x > 0, else slope * x. Shapes: slope (C,) or (1,). Differentiable: any order."""
    return bias_act(x, None, slope, act="prelu")


def elu(x: Any, *, alpha: float = 1.0) -> Tensor:
    """X where x > 0, else alpha * (exp(x) - 1). Differentiable: any order."""
    return bias_act(x, act="elu", alpha=alpha)


def tanh(x: Any) -> Tensor:
    """Hyperbolic tangent. Differentiable: any order."""
    return bias_act(x, act="tanh")


def sigmoid(x: Any) -> Tensor:
    """1 / (1 + exp(-x)). Differentiable: any order."""
    return bias_act(x, act="sigmoid")


def softplus(x: Any) -> Tensor:
    """log(1 + exp(x)), without overflow. Differentiable: any order."""
    return bias_act(x, act="softplus")


def swish(x: Any) -> Tensor:
    """X * sigmoid(x), also called SiLU. Differentiable: any order."""
    return bias_act(x, act="swish")


class MaskStream(Protocol):
    """Where dropout takes its mask from; ``tinygan.random.Stream`` is one."""

    def bernoulli(self, shape: Any, p: float, /) -> Any:
        """Return an array that is true with probability ``p``."""


def dropout(x: Any, p: float = 0.5, *, mask_stream: MaskStream) -> Tensor:
    """Zero each entry with probability ``p`` and scale the others by 1 / (1 - p).

    Raises:
        OptionError: p is not in [0, 1).

    Differentiable: any order, the mask being constant. Source: arXiv:1207.0580.
    """
    t: Tensor = as_tensor(x)
    if not 0 <= p < 1:
        raise OptionError(f"dropout: p is a probability in [0, 1), got {p}")
    if p == 0:
        return t
    keep = mask_stream.bernoulli(t.shape, 1 - p).astype(t.dtype)
    y: Tensor = t * (keep * t.dtype.type(1 / (1 - p)))
    return y
