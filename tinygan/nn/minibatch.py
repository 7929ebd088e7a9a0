"""Layers that let a discriminator see how varied a batch is."""

from __future__ import annotations

from typing import Any

import numpy as np

from .. import ops
from ..autograd import Tensor
from ..errors import OptionError
from . import init
from .layers import empty
from .module import Module, Parameter


class MinibatchDiscrimination(Module):
    """Append to each sample's features how close the others of the batch are; learned distances.

    Shapes: (N, in_features) -> (N, in_features + out_features); weight (in_features, out_features,
    kernel_dims), drawn from N(0, init_std**2).

    Args:
        in_features: A.
        out_features: B, distances of a pair of samples.
        kernel_dims: C, entries that a distance sums over.
        init_std: standard deviation of the initial weight.
        dtype: of the weight.

    Raises:
        OptionError: a size is not positive.
        ShapeError: x does not fit.

    Differentiable: any order, off the kinks of ``ops.minibatch_discrimination``.
    Source: arXiv:1606.03498, section 3.2; B, C and init_std are those of its authors' code.
    Deviation: that code also normalises T over A and learns a scale for each (b, c).
    """

    def __init__(
        self,
        in_features: int,
        out_features: int = 100,
        kernel_dims: int = 5,
        *,
        init_std: float = 0.05,
        dtype: Any = np.float32,
    ) -> None:
        shape = (in_features, out_features, kernel_dims)
        if min(shape) < 1:
            raise OptionError(f"MinibatchDiscrimination: a weight of shape {shape} holds nothing")
        self.init_std = init_std
        self.weight = Parameter(empty(shape, dtype))
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Draw the weight anew."""
        init.normal_(self.weight, 0.0, self.init_std)

    def forward(self, x: Tensor) -> Tensor:
        """Apply the layer."""
        return ops.minibatch_discrimination(x, self.weight)

    def extra_repr(self) -> str:
        """Return the sizes."""
        return ", ".join(map(str, self.weight.shape))


class MinibatchStd(Module):
    """Append the standard deviation over groups of samples as constant channels.

    Shapes: (N, C, H, W) -> (N, C + num_channels, H, W); see ``ops.minibatch_std``.

    Args:
        group_size: samples a group, at most; None: the whole batch.
        num_channels: channels appended.

    Raises:
        OptionError: an argument is not positive.
        ShapeError: x does not fall into groups.

    Differentiable: any order.
    """

    def __init__(self, *, group_size: int | None = 4, num_channels: int = 1) -> None:
        if num_channels < 1 or (group_size is not None and group_size < 1):
            raise OptionError(
                f"MinibatchStd: group_size {group_size}, num_channels {num_channels}: 1 or more fit"
            )
        self.group_size, self.num_channels = group_size, num_channels

    def forward(self, x: Tensor) -> Tensor:
        """Apply the layer."""
        return ops.minibatch_std(x, group_size=self.group_size, num_channels=self.num_channels)

    def extra_repr(self) -> str:
        """Return the sizes."""
        return f"group_size={self.group_size}, num_channels={self.num_channels}"
