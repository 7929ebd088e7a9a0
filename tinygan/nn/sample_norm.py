"""Norms whose statistics stay inside a sample, as ``torch.nn`` names them, and PixelNorm."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from .. import ops, random
from ..autograd import Tensor, no_grad
from ..errors import OptionError, ShapeError
from ..kernels.arrays import Shape
from .module import Buffer, Module, Parameter
from .norm import frozen


def ones_and_zeros(shape: Shape, dtype: Any) -> tuple[Any, Any]:
    """Allocate what weight and bias of a norm start from, where the ambient streams are."""
    xp = random.current().xp
    return xp.ones(shape, dtype=dtype), xp.zeros(shape, dtype=dtype)


class _InstanceNorm(Module):
    """What all instance norms share; ``ndim`` and ``fitting`` say which x fit."""

    ndim = 0
    fitting = ""

    def __init__(
        self,
        num_features: int,
        *,
        eps: float = 1e-5,
        momentum: float | None = 0.1,
        affine: bool = False,
        track_running_stats: bool = False,
        bias: bool = True,
        dtype: Any = np.float32,
    ) -> None:
        if num_features < 1:
            raise OptionError(f"{type(self).__name__}: num_features {num_features}: 1 or more fit")
        ones, zeros = ones_and_zeros((num_features,), dtype)
        self.num_features, self.eps, self.momentum = num_features, eps, momentum
        self.weight = Parameter(ones) if affine else None
        self.bias = Parameter(zeros) if affine and bias else None
        count = random.current().xp.zeros((), "int64")
        self.running_mean = Buffer(zeros) if track_running_stats else None
        self.running_var = Buffer(ones) if track_running_stats else None
        self.num_batches_tracked = Buffer(count) if track_running_stats else None

    def forward(self, x: Tensor) -> Tensor:
        """Apply the layer; in training mode, move the running statistics on if there are any."""
        if x.ndim != self.ndim or x.shape[1] != self.num_features:
            fitting = self.fitting.format(self.num_features)
            raise ShapeError(f"{type(self).__name__} takes x {fitting}, got {x.shape}")
        mean, var = self.running_mean, self.running_var
        if mean is None or var is None or self.training:
            y = ops.instance_norm(x, weight=self.weight, bias=self.bias, eps=self.eps)
            if mean is not None and var is not None:
                self._track(x, mean, var)
            return y
        return ops.instance_norm(
            x,
            frozen(mean),
            frozen(var),
            self.weight,
            self.bias,
            use_input_stats=False,
            eps=self.eps,
        )

    def _track(self, x: Tensor, running_mean: Tensor, running_var: Tensor) -> None:
        """Move by momentum towards the average, over samples, of mean and unbiased variance."""
        if self.momentum is None:
            return
        positions = tuple(range(2, x.ndim))
        with no_grad():
            mean = ops.mean(x, (0, *positions)).data
            var = ops.mean(ops.var(x, positions, correction=1), 0).data
        new = self.momentum
        running_mean.assign_((1 - new) * running_mean.data + new * mean)
        running_var.assign_((1 - new) * running_var.data + new * var)

    def extra_repr(self) -> str:
        """Return the hyper-parameters."""
        return f"{self.num_features}, eps={self.eps}, affine={self.weight is not None}"


class InstanceNorm1d(_InstanceNorm):
    """Instance norm of sequences.

    Shapes: x (N, C, L), C = num_features -> as x. Arguments, errors and differentiability: as
    ``InstanceNorm2d``.
    """

    ndim, fitting = 3, "(N, {0}, L)"


class InstanceNorm2d(_InstanceNorm):
    """Instance norm of images: every channel of every sample is normalised by itself.

    Shapes: x (N, C, H, W), C = num_features -> as x.

    Args:
        num_features: channels C.
        eps: added to the variance.
        momentum: weight of the new value in the running statistics; None leaves them as they are,
            as in PyTorch.
        affine: learn weight and bias, else they are 1 and 0.
        track_running_stats: keep running statistics and normalise by them in eval mode.
            ``num_batches_tracked`` stays 0, as in PyTorch.
        bias: with ``affine``, learn a bias too.
        dtype: of weight, bias and running statistics.

    Raises:
        OptionError: there are no channels.
        ShapeError: x does not fit, or has one value in each channel of a sample.
        DtypeError: x has another dtype than weight, bias and running statistics.

    Differentiable: any order. Source: arXiv:1607.08022.
    """

    ndim, fitting = 4, "(N, {0}, H, W)"


class InstanceNorm3d(_InstanceNorm):
    """Instance norm of volumes, or of clips.

    Shapes: x (N, C, D, H, W), C = num_features -> as x. Arguments, errors and differentiability:
    as ``InstanceNorm2d``.
    """

    ndim, fitting = 5, "(N, {0}, D, H, W)"


class GroupNorm(Module):
    """Group norm: the channels of a sample are normalised some together.

    Shapes: x (N, C, ...), C = num_channels -> as x; weight and bias (C,).

    Args:
        num_groups: how many groups, a divisor of C.
        num_channels: channels C.
        eps: added to the variance.
        affine: learn weight and bias, else they are 1 and 0.
        bias: with ``affine``, learn a bias too.
        dtype: of weight and bias.

    Raises:
        OptionError: the channels do not fall into ``num_groups`` groups of one size.
        ShapeError: x does not fit.

    Differentiable: any order. Source: arXiv:1803.08494.
    """

    def __init__(
        self,
        num_groups: int,
        num_channels: int,
        *,
        eps: float = 1e-5,
        affine: bool = True,
        bias: bool = True,
        dtype: Any = np.float32,
    ) -> None:
        if num_groups < 1 or num_channels < 1 or num_channels % num_groups:
            raise OptionError(
                f"GroupNorm: {num_channels} channels do not fall into {num_groups} groups"
            )
        self.num_groups, self.num_channels, self.eps = num_groups, num_channels, eps
        ones, zeros = ones_and_zeros((num_channels,), dtype)
        self.weight = Parameter(ones) if affine else None
        self.bias = Parameter(zeros) if affine and bias else None

    def forward(self, x: Tensor) -> Tensor:
        """Apply the layer."""
        if x.ndim < 2 or x.shape[1] != self.num_channels:
            raise ShapeError(f"GroupNorm takes x (N, {self.num_channels}, ...), got {x.shape}")
        return ops.group_norm(x, self.num_groups, self.weight, self.bias, eps=self.eps)

    def extra_repr(self) -> str:
        """Return the hyper-parameters."""
        return f"{self.num_groups}, {self.num_channels}, eps={self.eps}"


class LayerNorm(Module):
    """Layer norm over the last axes of x.

    Shapes: x (..., *normalized_shape) -> as x; weight and bias normalized_shape.

    Args:
        normalized_shape: the last axes of x; a number means one axis.
        eps: added to the variance.
        elementwise_affine: learn weight and bias, else they are 1 and 0.
        bias: with ``elementwise_affine``, learn a bias too.
        dtype: of weight and bias.

    Raises:
        OptionError: ``normalized_shape`` is empty, or holds anything but positive ints.
        ShapeError: x does not fit.

    Differentiable: any order. Source: arXiv:1607.06450.
    """

    def __init__(
        self,
        normalized_shape: int | Sequence[int],
        *,
        eps: float = 1e-5,
        elementwise_affine: bool = True,
        bias: bool = True,
        dtype: Any = np.float32,
    ) -> None:
        shape = normalized_shape if isinstance(normalized_shape, Sequence) else (normalized_shape,)
        if not shape or any(not isinstance(n, int | np.integer) or n < 1 for n in shape):
            raise OptionError(
                f"LayerNorm: normalized_shape {normalized_shape!r}: positive ints fit, or one"
            )
        self.normalized_shape: Shape = tuple(map(int, shape))
        self.eps = eps
        ones, zeros = ones_and_zeros(self.normalized_shape, dtype)
        self.weight = Parameter(ones) if elementwise_affine else None
        self.bias = Parameter(zeros) if elementwise_affine and bias else None

    def forward(self, x: Tensor) -> Tensor:
        """Apply the layer."""
        return ops.layer_norm(x, self.normalized_shape, self.weight, self.bias, eps=self.eps)

    def extra_repr(self) -> str:
        """Return the hyper-parameters."""
        return f"{self.normalized_shape}, eps={self.eps}"


class PixelNorm(Module):
    """Divide the feature vector of each pixel by its root mean square; nothing is learned.

    Shapes: x (N, C, ...) -> as x. Differentiable: any order. Source: arXiv:1710.10196, section 4.2.
    """

    def __init__(self, *, eps: float = 1e-8) -> None:
        self.eps = eps

    def forward(self, x: Tensor) -> Tensor:
        """Apply the layer."""
        return ops.pixel_norm(x, eps=self.eps)

    def extra_repr(self) -> str:
        """Return eps."""
        return f"eps={self.eps}"
