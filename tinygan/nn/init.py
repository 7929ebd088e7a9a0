"""Initialisers, with the names, arguments and formulas of ``torch.nn.init``.

Each fills a tensor by ``assign_`` and returns it. Numbers come from ``stream``, or from the
stream "init" of the ambient streams (``tinygan.random.using``): there is no global generator.
"""

from __future__ import annotations

import math
from typing import Literal

from .. import random
from ..autograd import Tensor
from ..errors import OptionError, ShapeError
from ..kernels.arrays import Array, xp_of

Mode = Literal["fan_in", "fan_out"]


def normal_(
    tensor: Tensor, mean: float = 0.0, std: float = 1.0, *, stream: random.Stream | None = None
) -> Tensor:
    """Fill with N(mean, std**2)."""
    return tensor.assign_(_stream(stream).normal(tensor.shape, tensor.dtype, mean=mean, std=std))


def uniform_(
    tensor: Tensor, a: float = 0.0, b: float = 1.0, *, stream: random.Stream | None = None
) -> Tensor:
    """Fill with numbers from [a, b)."""
    return tensor.assign_(_stream(stream).uniform(tensor.shape, a, b, dtype=tensor.dtype))


def constant_(tensor: Tensor, val: float) -> Tensor:
    """Fill with one number."""
    return tensor.assign_(xp_of(tensor.data).full(tensor.shape, val, dtype=tensor.dtype))


def zeros_(tensor: Tensor) -> Tensor:
    """Fill with 0."""
    return constant_(tensor, 0.0)


def ones_(tensor: Tensor) -> Tensor:
    """Fill with 1."""
    return constant_(tensor, 1.0)


def calculate_gain(nonlinearity: str, param: float | None = None) -> float:
    """Return the factor by which a nonlinearity asks its weights to grow.

    Args:
        nonlinearity: linear, conv2d, conv_transpose2d, sigmoid, tanh, relu, leaky_relu or selu.
        param: negative slope of leaky_relu, 0.01 if None.

    Raises:
        OptionError: the nonlinearity is unknown.
    """
    slope = 0.01 if param is None else param
    gains = {
        "linear": 1.0,
        "conv2d": 1.0,
        "conv_transpose2d": 1.0,
        "sigmoid": 1.0,
        "tanh": 5.0 / 3.0,
        "relu": math.sqrt(2.0),
        "leaky_relu": math.sqrt(2.0 / (1.0 + slope * slope)),
        "selu": 3.0 / 4.0,
    }
    if nonlinearity not in gains:
        raise OptionError(f"nonlinearity {nonlinearity!r}: use one of {', '.join(gains)}")
    return gains[nonlinearity]


def kaiming_uniform_(
    tensor: Tensor,
    a: float = 0.0,
    mode: Mode = "fan_in",
    nonlinearity: str = "leaky_relu",
    *,
    stream: random.Stream | None = None,
) -> Tensor:
    """Fill from [-b, b) with b = gain * sqrt(3 / fan); ``a`` is the slope of leaky_relu.

    Source: arXiv:1502.01852, section 2.2.
    """
    bound = math.sqrt(3.0) * _kaiming_std(tensor, a, mode, nonlinearity)
    return uniform_(tensor, -bound, bound, stream=stream)


def kaiming_normal_(
    tensor: Tensor,
    a: float = 0.0,
    mode: Mode = "fan_in",
    nonlinearity: str = "leaky_relu",
    *,
    stream: random.Stream | None = None,
) -> Tensor:
    """Fill with N(0, gain**2 / fan); ``a`` is the slope of leaky_relu.

    Source: arXiv:1502.01852, section 2.2.
    """
    return normal_(tensor, 0.0, _kaiming_std(tensor, a, mode, nonlinearity), stream=stream)


def xavier_uniform_(
    tensor: Tensor, gain: float = 1.0, *, stream: random.Stream | None = None
) -> Tensor:
    """Fill from [-b, b) with b = gain * sqrt(6 / (fan_in + fan_out)).

    Source: Glorot and Bengio, AISTATS 2010, equation 16.
    """
    bound = gain * math.sqrt(6.0 / sum(fans(tensor)))
    return uniform_(tensor, -bound, bound, stream=stream)


def xavier_normal_(
    tensor: Tensor, gain: float = 1.0, *, stream: random.Stream | None = None
) -> Tensor:
    """Fill with N(0, gain**2 * 2 / (fan_in + fan_out)).

    Source: Glorot and Bengio, AISTATS 2010.
    """
    return normal_(tensor, 0.0, gain * math.sqrt(2.0 / sum(fans(tensor))), stream=stream)


def orthogonal_(
    tensor: Tensor, gain: float = 1.0, *, stream: random.Stream | None = None
) -> Tensor:
    """Fill such that the matrix (shape[0], rest) has orthonormal rows or columns, times ``gain``.

    Source: arXiv:1312.6120. The signs of R's diagonal make the distribution uniform.
    """
    fans(tensor)
    rows, columns = tensor.shape[0], math.prod(tensor.shape[1:])
    tall = (max(rows, columns), min(rows, columns))
    xp = xp_of(tensor.data)
    q, r = xp.linalg.qr(_stream(stream).normal(tall, "float64"))
    q = q * xp.sign(xp.diagonal(r))
    matrix: Array = gain * (q if rows >= columns else q.T)
    return tensor.assign_(xp.ascontiguousarray(matrix.reshape(tensor.shape), dtype=tensor.dtype))


def fans(tensor: Tensor) -> tuple[int, int]:
    """Return (fan_in, fan_out) of a weight (O, I, ...): I or O times the receptive field.

    Raises:
        ShapeError: fewer than two axes.
    """
    if tensor.ndim < 2:
        raise ShapeError(f"fan in and fan out need a weight (O, I, ...), got {tensor.shape}")
    field = math.prod(tensor.shape[2:])
    return tensor.shape[1] * field, tensor.shape[0] * field


def _kaiming_std(tensor: Tensor, a: float, mode: Mode, nonlinearity: str) -> float:
    if mode not in ("fan_in", "fan_out"):
        raise OptionError(f"mode {mode!r}: use fan_in or fan_out")
    fan = fans(tensor)[mode == "fan_out"]
    return calculate_gain(nonlinearity, a) / math.sqrt(fan)


def _stream(stream: random.Stream | None) -> random.Stream:
    return random.current().stream("init") if stream is None else stream
