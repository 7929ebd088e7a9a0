"""Convolutions along one, two and three axes and their adjoints, as ``torch.nn`` names them.

Weights have PyTorch's shapes: (O, C/groups, taps...), transposed (C, O/groups, taps...).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, ClassVar

import numpy as np

from .. import ops
from ..autograd import Tensor
from ..errors import OptionError
from .layers import Affine

Size = int | tuple[int, ...]


def _taps(kernel_size: Size, axes: int) -> tuple[int, ...]:
    """Return one positive extent an axis, all of them ``kernel_size`` if it is one number."""
    taps = (kernel_size,) * axes if isinstance(kernel_size, int) else tuple(kernel_size)
    if len(taps) != axes or any(not isinstance(n, int) or n < 1 for n in taps):
        raise OptionError(
            f"kernel_size {kernel_size!r}: a positive integer fits, or {axes} of them"
        )
    return taps


class _Conv(Affine):
    """What all convolutions share; ``axes`` and ``op`` say which one it is."""

    axes: ClassVar[int]
    op: ClassVar[Callable[..., Tensor]]

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: Size,
        stride: Size = 1,
        padding: Size = 0,
        *,
        dilation: Size = 1,
        groups: int = 1,
        bias: bool = True,
        dtype: Any = np.float32,
    ) -> None:
        if groups < 1 or in_channels % groups or out_channels % groups:
            raise OptionError(
                f"{type(self).__name__}: {in_channels} and {out_channels} channels do not fall "
                f"into {groups} groups"
            )
        self.in_channels, self.out_channels = in_channels, out_channels
        self.kernel_size = _taps(kernel_size, self.axes)
        self.stride, self.padding, self.dilation, self.groups = stride, padding, dilation, groups
        shape = (*self._channels(), *self.kernel_size)
        self._allocate(shape, out_channels, bias, dtype)

    def _channels(self) -> tuple[int, int]:
        return self.out_channels, self.in_channels // self.groups

    def forward(self, x: Tensor) -> Tensor:
        """Apply the layer."""
        return type(self).op(
            x,
            self.weight,
            self.bias,
            stride=self.stride,
            padding=self.padding,
            dilation=self.dilation,
            groups=self.groups,
        )

    def extra_repr(self) -> str:
        """Return the sizes."""
        return (
            f"{self.in_channels}, {self.out_channels}, kernel_size={self.kernel_size}, "
            f"stride={self.stride}, padding={self.padding}, bias={self.bias is not None}"
        )


class ConvTranspose(_Conv):
    """What the adjoints of convolutions share; their weights have the input channels first."""

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: Size,
        stride: Size = 1,
        padding: Size = 0,
        *,
        output_padding: Size = 0,
        dilation: Size = 1,
        groups: int = 1,
        bias: bool = True,
        dtype: Any = np.float32,
    ) -> None:
        self.output_padding = output_padding
        sizes = (in_channels, out_channels, kernel_size, stride, padding)
        super().__init__(*sizes, dilation=dilation, groups=groups, bias=bias, dtype=dtype)

    def _channels(self) -> tuple[int, int]:
        return self.in_channels, self.out_channels // self.groups

    def forward(self, x: Tensor) -> Tensor:
        """Apply the layer."""
        return type(self).op(
            x,
            self.weight,
            self.bias,
            stride=self.stride,
            padding=self.padding,
            output_padding=self.output_padding,
            dilation=self.dilation,
            groups=self.groups,
        )


class Conv1d(_Conv):
    """Cross-correlation of sequences with learned filters.

    Shapes: x (N, C, L) -> (N, O, P) as in ``ops.conv1d``; weight (O, C/groups, R), bias (O,).

    Args:
        in_channels: C.
        out_channels: O.
        kernel_size: R.
        stride: step of the window.
        padding: zeros around x.
        dilation: distance of the taps.
        groups: independent groups of channels.
        bias: add one number a channel.
        dtype: of the weights.

    Raises:
        ShapeError: x does not fit.

    Differentiable: any order.
    """

    axes, op = 1, staticmethod(ops.conv1d)


class Conv2d(_Conv):
    """Cross-correlation of images with learned filters.

    Shapes: x (N, C, H, W) -> (N, O, P, Q) as in ``ops.conv2d``; weight (O, C/groups, R, S),
    bias (O,).

    Args:
        in_channels: C.
        out_channels: O.
        kernel_size: R and S.
        stride: step of the window, in pixels.
        padding: zeros around x, in pixels.
        dilation: distance of the taps, in pixels.
        groups: independent groups of channels.
        bias: add one number a channel.
        dtype: of the weights.

    Raises:
        ShapeError: x does not fit.

    Differentiable: any order.
    """

    axes, op = 2, staticmethod(ops.conv2d)


class Conv3d(_Conv):
    """Cross-correlation of volumes, or of clips, with learned filters.

    Shapes: x (N, C, D, H, W) -> (N, O, D', P, Q) as in ``ops.conv3d``; weight
    (O, C/groups, T, R, S), bias (O,).

    Args:
        in_channels: C.
        out_channels: O.
        kernel_size: T, R and S.
        stride: step of the window.
        padding: zeros around x.
        dilation: distance of the taps.
        groups: independent groups of channels.
        bias: add one number a channel.
        dtype: of the weights.

    Raises:
        ShapeError: x does not fit.

    Differentiable: any order.
    """

    axes, op = 3, staticmethod(ops.conv3d)


class ConvTranspose1d(ConvTranspose):
    """The adjoint of ``Conv1d``, with learned filters.

    Shapes: x (N, C, P) -> (N, O, L) as in ``ops.conv_transpose1d``; weight (C, O/groups, R),
    bias (O,).

    Args:
        in_channels: C.
        out_channels: O.
        kernel_size: R.
        stride: step of the window in y.
        padding: entries cut off at both ends of y.
        output_padding: entries added at the end of y.
        dilation: distance of the taps.
        groups: independent groups of channels.
        bias: add one number a channel.
        dtype: of the weights.

    Raises:
        ShapeError: x does not fit.

    Differentiable: any order.
    """

    axes, op = 1, staticmethod(ops.conv_transpose1d)


class ConvTranspose2d(ConvTranspose):
    """The adjoint of ``Conv2d``, with learned filters; with stride 2 it doubles an image.

    Shapes: x (N, C, P, Q) -> (N, O, H, W) as in ``ops.conv_transpose2d``; weight
    (C, O/groups, R, S), bias (O,).

    Args:
        in_channels: C.
        out_channels: O.
        kernel_size: R and S.
        stride: step of the window in y, in pixels.
        padding: pixels cut off around y.
        output_padding: pixels added at the bottom and right of y.
        dilation: distance of the taps, in pixels.
        groups: independent groups of channels.
        bias: add one number a channel.
        dtype: of the weights.

    Raises:
        ShapeError: x does not fit.

    Differentiable: any order.
    """

    axes, op = 2, staticmethod(ops.conv_transpose2d)


class ConvTranspose3d(ConvTranspose):
    """The adjoint of ``Conv3d``, with learned filters; with stride 2 it doubles a volume.

    Shapes: x (N, C, D', P, Q) -> (N, O, D, H, W) as in ``ops.conv_transpose3d``; weight
    (C, O/groups, T, R, S), bias (O,).

    Args:
        in_channels: C.
        out_channels: O.
        kernel_size: T, R and S.
        stride: step of the window in y.
        padding: voxels cut off around y.
        output_padding: voxels added at the far end of each axis of y.
        dilation: distance of the taps.
        groups: independent groups of channels.
        bias: add one number a channel.
        dtype: of the weights.

    Raises:
        ShapeError: x does not fit.

    Differentiable: any order.
    """

    axes, op = 3, staticmethod(ops.conv_transpose3d)
