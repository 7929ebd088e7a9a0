"""Batch normalisation, with the running statistics that eval mode uses.

    training   y = (x - mean) / sqrt(var + eps) * weight + bias      of this batch, var biased
               running <- (1 - momentum) * running + momentum * statistic, var unbiased
    eval       the same with the running mean and variance

Source: arXiv:1502.03167, algorithms 1 and 2; ``momentum`` is PyTorch's, the weight of the *new*
value. PyTorch-GAN's ``BatchNorm2d(c, 0.8)`` sets eps and not momentum: hence the keywords here.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from .. import ops, random
from ..autograd import Tensor
from ..errors import OptionError, ShapeError
from ..kernels.arrays import Array
from .module import Buffer, Module, Parameter


def frozen(buffer: Tensor) -> Tensor:
    """Return a constant with the data of ``buffer`` as it is now.

    ``assign_`` gives the buffer another array and leaves this one alone. So a graph that saved
    the constant stays valid when a later forward moves the buffer on. A stand-in that requires
    grad is returned as it is.
    """
    return buffer if buffer.requires_grad else Tensor(buffer.data)


class BatchNorm(Module):
    """What all batch norms share; ``ndims`` and ``fitting`` say which x fit."""

    ndims: tuple[int, ...] = ()
    fitting = ""
    segments = 1  # batches that x holds in training mode, one after the other; gan/judge.py sets it

    def __init__(
        self,
        num_features: int,
        *,
        eps: float = 1e-5,
        momentum: float | None = 0.1,
        affine: bool = True,
        track_running_stats: bool = True,
        bias: bool = True,
        dtype: Any = np.float32,
    ) -> None:
        if num_features < 1:
            raise OptionError(f"{type(self).__name__}: num_features {num_features}: 1 or more fit")
        xp = random.current().xp
        zeros, ones = xp.zeros(num_features, dtype), xp.ones(num_features, dtype)
        self.num_features, self.eps, self.momentum = num_features, eps, momentum
        self.weight = Parameter(ones) if affine else None
        self.bias = Parameter(zeros) if affine and bias else None
        self.running_mean = Buffer(zeros) if track_running_stats else None
        self.running_var = Buffer(ones) if track_running_stats else None
        self.num_batches_tracked = Buffer(xp.zeros((), "int64")) if track_running_stats else None

    def forward(self, x: Tensor, *, negative_slope: float = 1.0) -> Tensor:
        """Apply the layer; in training mode, move the running statistics on.

        ``negative_slope`` applies relu (0) or leaky_relu in the same pass; ``nn.Sequential`` does
        so where such a layer follows.
        """
        if x.ndim not in self.ndims or x.shape[1] != self.num_features:
            fitting = self.fitting.format(self.num_features)
            raise ShapeError(f"{type(self).__name__} takes x {fitting}, got {x.shape}")
        weight, bias = self._affine(x)
        options: dict[str, Any] = {"eps": self.eps, "negative_slope": negative_slope}
        if self.running_mean is None or self.running_var is None:
            return ops.batch_norm(x, weight, bias, segments=self.segments, **options)
        if self.training:
            stats = ops.batch_norm_stats(x, self.segments)
            options |= {"segments": self.segments, "stats": stats}
            y = ops.batch_norm(x, weight, bias, **options)
            for mean, var in zip(*(s.data for s in stats), strict=True):
                count = x.size // (self.num_features * self.segments)
                self._track(mean, var * (count / (count - 1)), self.running_mean, self.running_var)
            return y
        mean, var = frozen(self.running_mean), frozen(self.running_var)
        y = ops.batch_norm_eval(x, mean, var, weight, bias, eps=self.eps)
        return y if negative_slope == 1 else ops.leaky_relu(y, negative_slope=negative_slope)

    def _affine(self, x: Tensor) -> tuple[Any, Any]:
        xp, shape = random.current().xp, self.num_features
        return (
            xp.ones(shape, x.dtype) if self.weight is None else self.weight,
            xp.zeros(shape, x.dtype) if self.bias is None else self.bias,
        )

    def _track(
        self, mean: Array, unbiased: Array, running_mean: Tensor, running_var: Tensor
    ) -> None:
        new, dtype = self._count_batch(), running_mean.dtype
        for running, value in ((running_mean, mean), (running_var, unbiased)):
            running.assign_(((1 - new) * running.data + new * value).astype(dtype))

    def _count_batch(self) -> float:
        """Count this batch and return the weight of its statistics."""
        tracked = self.num_batches_tracked
        if tracked is None:
            return 0.0 if self.momentum is None else self.momentum
        tracked.assign_(tracked.data + 1)
        return 1 / int(tracked) if self.momentum is None else self.momentum

    def extra_repr(self) -> str:
        """Return the hyper-parameters."""
        return f"{self.num_features}, eps={self.eps}, momentum={self.momentum}"


class BatchNorm1d(BatchNorm):
    """Batch norm of vectors or sequences.

    Shapes: x (N, C) or (N, C, L), C = num_features -> as x. Arguments, errors and
    differentiability: as ``BatchNorm2d``.
    """

    ndims, fitting = (2, 3), "(N, {0}) or (N, {0}, L)"


class BatchNorm2d(BatchNorm):
    """Batch norm of images: every channel is normalised over all axes but its own.

    Shapes: x (N, C, H, W), C = num_features -> as x.

    Args:
        num_features: channels C.
        eps: added to the variance.
        momentum: weight of the new value in the running statistics; None averages evenly.
        affine: learn weight and bias, else they are 1 and 0.
        track_running_stats: keep running statistics, else eval mode too uses the batch's.
        bias: with ``affine``, learn a bias too.
        dtype: of weight, bias and running statistics.

    Raises:
        OptionError: there are no channels.
        ShapeError: x does not fit, or has one value a channel in training mode.
        DtypeError: x has another dtype than weight, bias and running statistics.

    Differentiable: any order; in training mode through the statistics too.
    """

    ndims, fitting = (4,), "(N, {0}, H, W)"


class BatchNorm3d(BatchNorm):
    """Batch norm of volumes, or of clips.

    Shapes: x (N, C, D, H, W), C = num_features -> as x. Arguments, errors and differentiability:
    as ``BatchNorm2d``.
    """

    ndims, fitting = (5,), "(N, {0}, D, H, W)"
