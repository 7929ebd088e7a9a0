"""Statistics across a batch, for discriminators: what tells a collapsed batch from a varied one."""

from __future__ import annotations

from typing import Any

from ..autograd import Tensor
from ..autograd.basic import abs as abs_
from ..autograd.basic import exp, mean, sqrt, square
from ..autograd.linear import (
    as_tensor,
    broadcast_to,
    concatenate,
    expand_dims,
    matmul,
    reshape,
    transpose,
)
from ..autograd.linear import sum as sum_
from ..errors import OptionError, ShapeError
from ..kernels.arrays import xp_of


def minibatch_discrimination(f: Any, weight: Any) -> Tensor:
    """Append to each sample's features how close the other samples of the batch are to it.

        M_i = f_i T in R^{B x C}       o_ib = sum_{j != i} exp(-||M_ib - M_jb||_1)

    The sum leaves j = i out, which would add 1 everywhere; the paper's formula has it, the authors'
    code has not. A batch of one gets zeros.

    Shapes: f (N, A), weight = T (A, B, C) -> (N, A + B); on the way N * N * B * C numbers.

    Raises:
        ShapeError: f or the weight does not fit.

    Differentiable: any order, off the kink where two samples agree in an entry of M (its slope
    there is 0). Source: arXiv:1606.03498, section 3.2.
    """
    f, weight = as_tensor(f), as_tensor(weight)
    if f.ndim != 2 or weight.ndim != 3 or f.shape[1] != weight.shape[0]:
        raise ShapeError(
            f"minibatch_discrimination: f {f.shape} and weight {weight.shape} do not fit "
            "(N, A) and (A, B, C)"
        )
    (n, a), (_, b, c) = f.shape, weight.shape
    m = reshape(matmul(f, reshape(weight, (a, b * c))), (n, b, c))
    distance = sum_(abs_(expand_dims(m, 0) - expand_dims(m, 1)), -1)  # (N, N, B)
    others = 1 - xp_of(f.data).eye(n, dtype=f.dtype)
    closeness = sum_(exp(-distance) * others[:, :, None], 1)
    return concatenate([f, closeness], 1)


def minibatch_std(
    x: Any, *, group_size: int | None = 4, num_channels: int = 1, eps: float = 1e-8
) -> Tensor:
    """Append channels that hold how much the samples of a group differ.

    The batch falls into groups of G samples: sample i is in group i mod (N / G). Over each group
    the standard deviation (biased) of every pixel and channel is taken, then averaged over the
    pixels and the channels c*C/F to (c+1)*C/F - 1 into the map's channel c, a constant image.

    Shapes: x (N, C, H, W) -> (N, C + F, H, W), F = ``num_channels``.

    Args:
        x: features.
        group_size: G, at most N (a smaller batch is one group); None: the batch is one group.
        num_channels: F, a divisor of C.
        eps: added to the variance.

    Raises:
        ShapeError: x is not 4-d, N is no multiple of G, or C none of F.
        OptionError: ``group_size`` or ``num_channels`` is not positive.

    Differentiable: any order; the slope is steep, 1 / sqrt(eps), where a group's samples agree.
    Source: arXiv:1710.10196, section 3; groups and channels as in StyleGAN2's code.
    """
    x = as_tensor(x)
    if num_channels < 1 or (group_size is not None and group_size < 1):
        raise OptionError(
            f"minibatch_std: group_size {group_size}, num_channels {num_channels}: 1 or more fit"
        )
    if x.ndim != 4 or 0 in x.shape:
        raise ShapeError(f"minibatch_std: x must be (N, C, H, W), not empty, got {x.shape}")
    n, c, h, w = x.shape
    group, f = n if group_size is None else min(group_size, n), num_channels
    if n % group or c % f:
        raise ShapeError(
            f"minibatch_std: x {x.shape} does not fall into groups of {group} samples "
            f"and {f} parts of the channels"
        )
    y = reshape(x, (group, n // group, f, c // f, h, w))
    deviation = sqrt(mean(square(y - mean(y, 0, True)), 0) + eps)
    statistic = reshape(mean(deviation, (2, 3, 4)), (1, n // group, 1, 1, f))
    spread = broadcast_to(statistic, (group, n // group, h, w, f))
    channels = transpose(reshape(spread, (n, h, w, f)), (0, 3, 1, 2))  # channels last, as x is
    return concatenate([x, channels], 1)
