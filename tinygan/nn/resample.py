"""Layers that change the resolution of images (N, C, H, W); none has weights."""

from __future__ import annotations

from .. import ops
from ..autograd import Tensor
from ..errors import OptionError
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
    """Repeat each pixel ``scale_factor`` times along both axes.

    Shapes: (N, C, H, W) -> (N, C, scale_factor*H, scale_factor*W). Differentiable: any order.

    Args:
        scale_factor: an integer, or a pair (h, w) of them.
        mode: ``"nearest"``.

    Raises:
        OptionError: the scale is no positive integer, or the mode another.
    """

    def __init__(self, *, scale_factor: float | tuple[float, float], mode: str = "nearest") -> None:
        pair = scale_factor if isinstance(scale_factor, tuple) else (scale_factor, scale_factor)
        if any(n != int(n) or n < 1 for n in pair):
            raise OptionError(f"Upsample: scale_factor {scale_factor}: positive integers fit")
        if mode != "nearest":
            raise OptionError(f"Upsample: no mode {mode!r}; use nearest")
        self.scale_factor, self.mode = (int(pair[0]), int(pair[1])), mode

    def forward(self, x: Tensor) -> Tensor:
        """Apply the layer."""
        return ops.upsample_nearest(x, self.scale_factor)

    def extra_repr(self) -> str:
        """Return the scale."""
        return f"scale_factor={self.scale_factor}, mode={self.mode!r}"


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
