"""Convolutions along one, two and three axes and their adjoints, as ``torch.nn`` names them.

Weights have PyTorch's shapes: (O, C/groups, taps...), transposed (C, O/groups, taps...).
Padding is a width an axis, or ``"same"`` (y is as large as x; of an odd number, the one more comes
last) or ``"valid"`` (none); ``padding_mode`` says what it holds, as ``ops.pad`` makes it.
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

_MODES = {"zeros": "constant", **{mode: mode for mode in ("reflect", "replicate", "circular")}}


def _per_axis(layer: str, name: str, value: Any, axes: int, least: int = 1) -> tuple[int, ...]:
    """Return one int an axis, all of them ``value`` if it is one number."""
    each = tuple(value) if isinstance(value, tuple | list) else (value,) * axes
    if len(each) != axes or any(not isinstance(n, int) or n < least for n in each):
        raise OptionError(
            f"{layer}: {name} {value!r}: an int of at least {least} fits"
            f"{f', or {axes} of them' if axes > 1 else ''}"
        )
    return each


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
        padding: Size | str = 0,
        *,
        dilation: Size = 1,
        groups: int = 1,
        bias: bool = True,
        padding_mode: str = "zeros",
        dtype: Any = np.float32,
    ) -> None:
        layer = type(self).__name__
        if groups < 1 or in_channels % groups or out_channels % groups:
            raise OptionError(
                f"{layer}: {in_channels} and {out_channels} channels do not fall "
                f"into {groups} groups"
            )
        self.in_channels, self.out_channels = in_channels, out_channels
        self.kernel_size = _per_axis(layer, "kernel_size", kernel_size, self.axes)
        self.stride, self.padding, self.dilation, self.groups = stride, padding, dilation, groups
        self.padding_mode = padding_mode
        self._check_window()
        shape = (*self._channels(), *self.kernel_size)
        self._allocate(shape, out_channels, bias, dtype)

    def _check_window(self) -> None:
        layer = type(self).__name__
        stride = _per_axis(layer, "stride", self.stride, self.axes)
        if self.padding_mode not in _MODES:
            raise OptionError(
                f"{layer}: padding_mode {self.padding_mode!r}: one of {', '.join(_MODES)} fits"
            )
        if isinstance(self.padding, str) and self.padding not in ("same", "valid"):
            raise OptionError(f"{layer}: padding {self.padding!r}: ints, 'same' or 'valid' fit")
        if self.padding == "same" and set(stride) != {1}:
            raise OptionError(f"{layer}: padding 'same' fits stride 1, not {self.stride}")
        self._widths()

    def _widths(self) -> list[tuple[int, int]]:
        """Return the padding as (before, after) along each axis."""
        layer = type(self).__name__
        dilation = _per_axis(layer, "dilation", self.dilation, self.axes)
        if self.padding == "valid":
            return [(0, 0)] * self.axes
        if self.padding == "same":
            spans = [d * (taps - 1) for d, taps in zip(dilation, self.kernel_size, strict=True)]
            return [(n // 2, n - n // 2) for n in spans]
        return [(n, n) for n in _per_axis(layer, "padding", self.padding, self.axes, 0)]

    def _channels(self) -> tuple[int, int]:
        return self.out_channels, self.in_channels // self.groups

    def forward(self, x: Tensor) -> Tensor:
        """Apply the layer."""
        return self._convolve(x, self.weight, self.bias)

    def _convolve(self, x: Tensor, w: Tensor, b: Tensor | None) -> Tensor:
        padding: Any = self.padding
        if isinstance(padding, str) or self.padding_mode != "zeros":
            widths = self._widths()
            padding = tuple(before for before, _ in widths)
            odd = any(before != after for before, after in widths)
            if x.ndim == 2 + self.axes and (odd or self.padding_mode != "zeros"):
                x = ops.pad(x, [(0, 0), (0, 0), *widths], mode=_MODES[self.padding_mode])
                padding = 0
        return type(self).op(
            x,
            w,
            b,
            stride=self.stride,
            padding=padding,
            dilation=self.dilation,
            groups=self.groups,
        )

    def extra_repr(self) -> str:
        """Return the sizes."""
        mode = "" if self.padding_mode == "zeros" else f", padding_mode={self.padding_mode!r}"
        return (
            f"{self.in_channels}, {self.out_channels}, kernel_size={self.kernel_size}, "
            f"stride={self.stride}, padding={self.padding!r}, bias={self.bias is not None}{mode}"
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
        if isinstance(padding, str):
            raise OptionError(f"{type(self).__name__}: padding {padding!r}: ints fit")
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
        padding: width of what surrounds x; or ``same``, ``valid``.
        dilation: distance of the taps.
        groups: independent groups of channels.
        bias: add one number a channel.
        padding_mode: what surrounds x: ``zeros``, ``reflect``, ``replicate`` or ``circular``.
        dtype: of the weights.

    Raises:
        OptionError: an option is of another kind or too small, or does not fit another.
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
        padding: width of what surrounds x, in pixels; or ``same``, ``valid``.
        dilation: distance of the taps, in pixels.
        groups: independent groups of channels.
        bias: add one number a channel.
        padding_mode: what surrounds x: ``zeros``, ``reflect``, ``replicate`` or ``circular``.
        dtype: of the weights.

    Raises:
        OptionError: an option is of another kind or too small, or does not fit another.
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
        padding: width of what surrounds x; or ``same``, ``valid``.
        dilation: distance of the taps.
        groups: independent groups of channels.
        bias: add one number a channel.
        padding_mode: what surrounds x: ``zeros``, ``reflect``, ``replicate`` or ``circular``.
        dtype: of the weights.

    Raises:
        OptionError: an option is of another kind or too small, or does not fit another.
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
        OptionError: an option is of another kind or too small.
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
        OptionError: an option is of another kind or too small.
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
        OptionError: an option is of another kind or too small.
        ShapeError: x does not fit.

    Differentiable: any order.
    """

    axes, op = 3, staticmethod(ops.conv_transpose3d)
