"""Layers that change the resolution of images (N, C, H, W); none has weights."""

from __future__ import annotations

import numpy as np

from .. import ops
from ..autograd import Tensor
from ..errors import OptionError
from ..kernels.resize2d.weights import MODES
from .module import Module

Size = int | tuple[int, int]


class _Pool(Module):
    """What both poolings share."""

    def __init__(self, kernel_size: Size, stride: Size | None = None, padding: Size = 0) -> None:
        self.kernel_size, self.padding = kernel_size, padding
        self.stride = kernel_size if stride is None else stride

    def extra_repr(self) -> str:
        """Return the sizes."""
        return f"kernel_size={self.kernel_size}, stride={self.stride}, padding={self.padding}"


class MaxPool2d(_Pool):
    """Largest entry of each window; ``stride`` is ``kernel_size`` if None.

    Shapes: as ``ops.max_pool2d``. Differentiable: any order, off ties.
    """

    def forward(self, x: Tensor) -> Tensor:
        """Apply the layer."""
        return ops.max_pool2d(x, self.kernel_size, self.stride, self.padding)


class AvgPool2d(_Pool):
    """Mean of each window, padding counted in; ``stride`` is ``kernel_size`` if None.

    Shapes: as ``ops.avg_pool2d``. Differentiable: any order.
    """

    def __init__(
        self,
        kernel_size: Size,
        stride: Size | None = None,
        padding: Size = 0,
        *,
        count_include_pad: bool = True,
    ) -> None:
        super().__init__(kernel_size, stride, padding)
        self.count_include_pad = count_include_pad

    def forward(self, x: Tensor) -> Tensor:
        """Apply the layer."""
        return ops.avg_pool2d(
            x,
            self.kernel_size,
            self.stride,
            self.padding,
            count_include_pad=self.count_include_pad,
        )


class Upsample(Module):
    """Resize images by interpolation; see ``ops.interpolate``. Give one of size and scale_factor.

    Shapes: (N, C, H, W) -> (N, C, P, Q), (P, Q) = size or floor((H, W) * scale_factor).
    Differentiable: any order.

    Args:
        size: P and Q.
        scale_factor: a number, or a pair (h, w) of them.
        mode: ``nearest``, ``nearest-exact``, ``bilinear``, ``bicubic`` or ``area``.
        align_corners: for ``bilinear`` and ``bicubic``: the centres of the corner pixels coincide.
        recompute_scale_factor: space pixels by the ratio of the sizes even with a scale_factor.

    Raises:
        OptionError: both or neither of size and scale_factor are given, or one is not positive, or
            there is no such mode.
    """

    def __init__(
        self,
        size: Size | None = None,
        scale_factor: float | tuple[float, float] | None = None,
        mode: str = "nearest",
        align_corners: bool | None = None,
        recompute_scale_factor: bool | None = None,
    ) -> None:
        if (size is None) == (scale_factor is None):
            raise OptionError("Upsample: give either size or scale_factor")
        given = scale_factor if size is None else size
        kinds = int | float | np.integer | np.floating
        each = given if isinstance(given, tuple | list) else (given, given)
        if len(each) != 2 or not all(isinstance(n, kinds) and n > 0 for n in each):
            raise OptionError(f"Upsample: {given!r}: a positive number or a pair of them fits")
        if mode not in MODES:
            raise OptionError(f"Upsample: no mode {mode!r}; use one of {', '.join(MODES)}")
        self.size, self.scale_factor, self.mode = size, scale_factor, mode
        self.align_corners = align_corners
        self.recompute_scale_factor = recompute_scale_factor

    def forward(self, x: Tensor) -> Tensor:
        """Apply the layer."""
        return ops.interpolate(
            x,
            self.size,
            self.scale_factor,
            self.mode,
            self.align_corners,
            recompute_scale_factor=self.recompute_scale_factor,
        )

    def extra_repr(self) -> str:
        """Return size or scale, and the mode."""
        given = {"size": self.size, "scale_factor": self.scale_factor}
        named = "".join(f"{name}={value}, " for name, value in given.items() if value is not None)
        return f"{named}mode={self.mode!r}"


class PixelShuffle(Module):
    """Rearrange r*r channels into an r-times finer grid.

    Shapes: (N, C*r*r, H, W) -> (N, C, H*r, W*r). Differentiable: any order.
    """

    def __init__(self, upscale_factor: int) -> None:
        self.upscale_factor = upscale_factor

    def forward(self, x: Tensor) -> Tensor:
        """Apply the layer."""
        return ops.pixel_shuffle(x, self.upscale_factor)

    def extra_repr(self) -> str:
        """Return the factor."""
        return f"upscale_factor={self.upscale_factor}"
