"""Norms whose statistics stay inside a sample: group, instance, layer and pixel norm.

A sample is normalised alike whatever batch it is in, so a gradient penalty of a critic that has one
of these is a sum over samples, which it is not with batch norm (arXiv:1704.00028, section 4). Each
composite below is the definition of its op; the kernels are the speed.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from ..autograd import Tensor, fused
from ..autograd.axes import listed
from ..autograd.basic import mean, sqrt, square
from ..autograd.linear import as_tensor, broadcast_to, reshape
from ..errors import OptionError, ShapeError
from ..kernels.arrays import xp_of
from .norm import batch_norm_eval, check_channels, check_dtypes, column


def _group_mean(x: Tensor, num_groups: int) -> Tensor:
    """Average x (N, C, ...) over each group of channels; (N, C, 1, ...), to broadcast against x.

    Channels are averaged first, so that no large array leaves its memory layout.
    """
    n, c = x.shape[:2]
    of_channel = mean(x, tuple(range(2, x.ndim)), True)
    of_group = mean(reshape(of_channel, (n, num_groups, -1)), 2, True)
    spread = broadcast_to(of_group, (n, num_groups, c // num_groups))
    return reshape(spread, (n, c, *[1] * (x.ndim - 2)))


def _group_norm_composite(
    x: Tensor, weight: Tensor, bias: Tensor, *, num_groups: int, eps: float
) -> Tensor:
    centred = x - _group_mean(x, num_groups)
    deviation = sqrt(_group_mean(square(centred), num_groups) + eps)
    return centred / deviation * column(weight, x) + column(bias, x)


def _layer_norm_composite(x: Tensor, weight: Tensor, bias: Tensor, *, eps: float) -> Tensor:
    axes = tuple(range(x.ndim - weight.ndim, x.ndim))
    centred = x - mean(x, axes, True)
    deviation = sqrt(mean(square(centred), axes, True) + eps)
    return centred / deviation * weight + bias


_group_norm = fused("group_norm", _group_norm_composite)
_layer_norm = fused("layer_norm", _layer_norm_composite)


def affine(x: Tensor, weight: Any, bias: Any, shape: Sequence[int]) -> tuple[Tensor, Tensor]:
    """Return weight and bias as tensors; None becomes 1 or 0 of this shape, as x is typed."""
    xp = xp_of(x.data)
    return (
        Tensor(xp.ones(shape, dtype=x.dtype)) if weight is None else as_tensor(weight),
        Tensor(xp.zeros(shape, dtype=x.dtype)) if bias is None else as_tensor(bias),
    )


def group_norm(
    x: Any, num_groups: int, weight: Any = None, bias: Any = None, *, eps: float = 1e-5
) -> Tensor:
    """Normalise each group of channels of each sample, then scale and shift each channel.

        y = (x - mean) / sqrt(var + eps) * weight + bias,   var biased, over the C / num_groups
        channels of a group and all axes after them

    Shapes: x (N, C, ...), weight and bias (C,) -> as x.

    Args:
        x: activations.
        num_groups: how many groups, a divisor of C; 1 takes all channels together, C each alone.
        weight: factor of each channel, 1 if None.
        bias: summand of each channel, 0 if None.
        eps: added to the variance.

    Raises:
        ShapeError: weight or bias is not one number a channel, or a group has no values.
        DtypeError: x holds no floats, or weight or bias has another dtype.
        OptionError: the channels do not fall into ``num_groups`` groups of one size.

    Differentiable: any order, through mean and variance. Source: arXiv:1803.08494.
    """
    x = as_tensor(x)
    check_channels("group_norm", x)
    weight, bias = affine(x, weight, bias, x.shape[1:2])
    check_channels("group_norm", x, weight=weight, bias=bias)
    check_dtypes("group_norm", x, weight=weight, bias=bias)
    if not isinstance(num_groups, int) or num_groups < 1 or x.shape[1] % num_groups:
        raise OptionError(f"group_norm: {x.shape[1]} channels do not fall into {num_groups} groups")
    return _group_norm(x, weight, bias, num_groups=num_groups, eps=float(eps))


def instance_norm(
    x: Any,
    running_mean: Any = None,
    running_var: Any = None,
    weight: Any = None,
    bias: Any = None,
    *,
    use_input_stats: bool = True,
    eps: float = 1e-5,
) -> Tensor:
    """Normalise each channel of each sample, then scale and shift it: ``group_norm`` with C groups.

    Shapes: x (N, C, L...), with one axis or more after C; all others (C,) -> as x.

    Args:
        x: activations.
        running_mean: a mean for each channel, read without ``use_input_stats`` and never changed.
        running_var: a variance for each channel, likewise.
        weight: factor of each channel, 1 if None.
        bias: summand of each channel, 0 if None.
        use_input_stats: normalise by the statistics of x; else by the running ones.
        eps: added to the variance.

    Raises:
        ShapeError: an operand is not one number a channel, or a channel of a sample has one value
            alone, which normalises to 0.
        DtypeError: x holds no floats, or an operand has another dtype.
        OptionError: running statistics are asked for and missing.

    Differentiable: any order. Source: arXiv:1607.08022.
    """
    x = as_tensor(x)
    if x.ndim < 3:
        raise ShapeError(f"instance_norm: x needs axes (N, C, L, ...), got {x.shape}")
    weight, bias = affine(x, weight, bias, x.shape[1:2])
    if not use_input_stats:
        if running_mean is None or running_var is None:
            raise OptionError(
                "instance_norm: without use_input_stats it needs running_mean and _var"
            )
        return batch_norm_eval(x, running_mean, running_var, weight, bias, eps=eps)
    if math.prod(x.shape[2:]) == 1:
        raise ShapeError(f"instance_norm: x {x.shape} has one value in each channel of a sample")
    return group_norm(x, x.shape[1], weight, bias, eps=eps)


def layer_norm(
    x: Any,
    normalized_shape: int | Sequence[int],
    weight: Any = None,
    bias: Any = None,
    *,
    eps: float = 1e-5,
) -> Tensor:
    """Normalise over the last axes of x, then scale and shift each entry of them.

        y = (x - mean) / sqrt(var + eps) * weight + bias,   var biased, over ``normalized_shape``

    Shapes: x (..., *normalized_shape), weight and bias normalized_shape -> as x.

    Args:
        x: activations.
        normalized_shape: the last axes of x; a number means one axis.
        weight: factor of each entry, 1 if None.
        bias: summand of each entry, 0 if None.
        eps: added to the variance.

    Raises:
        ShapeError: the last axes of x, weight or bias are not ``normalized_shape``.
        DtypeError: x holds no floats, or weight or bias has another dtype.

    Differentiable: any order, through mean and variance. Source: arXiv:1607.06450.
    """
    x = as_tensor(x)
    shape = listed((normalized_shape,))
    if not shape or x.shape[max(x.ndim - len(shape), 0) :] != shape:
        raise ShapeError(f"layer_norm: the last axes of x {x.shape} are not {shape}")
    weight, bias = affine(x, weight, bias, shape)
    if weight.shape != shape or bias.shape != shape:
        raise ShapeError(
            f"layer_norm: weight {weight.shape} and bias {bias.shape} must both be {shape}"
        )
    check_dtypes("layer_norm", x, weight=weight, bias=bias)
    return _layer_norm(x, weight, bias, eps=float(eps))


def pixel_norm(x: Any, *, eps: float = 1e-8) -> Tensor:
    """Divide the feature vector of each pixel by its root mean square.

        y = x / sqrt(mean_c x^2 + eps)

    Shapes: x (N, C, ...) -> as x; a latent (N, C) comes to length sqrt(C).

    Raises:
        ShapeError: x has no channel axis, or no channels.

    Differentiable: any order. Source: arXiv:1710.10196, section 4.2.
    """
    x = as_tensor(x)
    check_channels("pixel_norm", x)
    if not x.shape[1]:
        raise ShapeError(f"pixel_norm: x {x.shape} has no value to average in a pixel")
    y: Tensor = x / sqrt(mean(square(x), 1, True) + eps)
    return y
