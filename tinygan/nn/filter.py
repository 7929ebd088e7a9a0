"""Layers that apply a fixed FIR filter, or cut an image into windows; none has weights."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from .. import ops, random
from ..autograd import Tensor
from ..errors import OptionError
from .module import Buffer, Module
from .norm import frozen

Size = int | tuple[int, int]

_SEPARABLE_FROM = 8  # taps: from here on two 1-d passes take fewer products, as in StyleGAN2


class Blur(Module):
    """Low-pass an image, and with it double or halve its size: the resampling of StyleGAN2 and 3.

    Zeros are inserted for ``up``, the filter runs over the result, and every ``down``-th pixel is
    kept. Padding is such that (H, W) become (H, W) * up // down, and the filter has sum 1, so that
    the mean of an image stays.

    Shapes: (N, C, H, W) -> (N, C, H*up//down, W*up//down); buffer ``resample_filter`` (R, R), or
    (T,) for 8 taps and more.

    Args:
        taps: of the filter along each axis; (1, 3, 3, 1) is StyleGAN2's.
        up: factor.
        down: factor; one of the two is 1.
        dtype: of the filter.

    Raises:
        OptionError: there are no taps, their sum is 0, or both factors exceed 1.

    Differentiable: any order. Source: arXiv:1912.04958, appendix B.
    """

    def __init__(
        self,
        taps: Sequence[float] = (1, 3, 3, 1),
        *,
        up: int = 1,
        down: int = 1,
        dtype: Any = np.float32,
    ) -> None:
        f = np.asarray(taps, np.float64)
        if f.ndim != 1 or not f.size or f.sum() == 0:
            raise OptionError(f"Blur: taps {taps!r}: numbers whose sum is not 0 fit")
        if any(type(n) is not int for n in (up, down)) or min(up, down) != 1:
            raise OptionError(f"Blur: up={up}, down={down}: integers fit of which one is 1")
        self.up, self.down = up, down
        f /= f.sum()
        whole = f if f.size >= _SEPARABLE_FROM else np.outer(f, f)
        self.resample_filter = Buffer(random.current().xp.asarray(whole.astype(dtype)))

    def forward(self, x: Tensor) -> Tensor:
        """Apply the layer."""
        f = frozen(self.resample_filter)
        taps = f.shape[0]
        if self.down > 1:
            before, after = (taps - self.down + 1) // 2, (taps - self.down) // 2
        else:
            before, after = (taps + self.up - 1) // 2, (taps - self.up) // 2
        sides = (before, after, before, after)
        gain = float(self.up**2)  # zeros were inserted
        return ops.upfirdn2d(x, f, up=self.up, down=self.down, padding=sides, gain=gain)

    def extra_repr(self) -> str:
        """Return the filter's shape and the factors."""
        return f"filter={self.resample_filter.shape}, up={self.up}, down={self.down}"


class Unfold(Module):
    """Copy every window of an image to a column (im2col); see ``ops.unfold``.

    Shapes: (N, C, H, W) -> (N, C*R*S, L). Differentiable: any order.

    Args:
        kernel_size: R and S.
        dilation: distance of the taps, in pixels.
        padding: zeros around x, in pixels.
        stride: distance of the windows, in pixels.
    """

    def __init__(
        self, kernel_size: Size, dilation: Size = 1, padding: Size = 0, stride: Size = 1
    ) -> None:
        self.kernel_size, self.dilation = kernel_size, dilation
        self.padding, self.stride = padding, stride

    def forward(self, x: Tensor) -> Tensor:
        """Apply the layer."""
        return ops.unfold(x, self.kernel_size, self.dilation, self.padding, self.stride)

    def extra_repr(self) -> str:
        """Return the sizes."""
        return (
            f"kernel_size={self.kernel_size}, dilation={self.dilation}, "
            f"padding={self.padding}, stride={self.stride}"
        )


class Fold(Unfold):
    """Add columns up to an image (col2im), the adjoint of ``Unfold``; see ``ops.fold``.

    Shapes: (N, C*R*S, L) -> (N, C, H, W). Differentiable: any order.

    Args:
        output_size: H and W.
        kernel_size: R and S.
        dilation: distance of the taps, in pixels.
        padding: zeros that were around the image, in pixels.
        stride: distance of the windows, in pixels.
    """

    def __init__(
        self,
        output_size: Size,
        kernel_size: Size,
        dilation: Size = 1,
        padding: Size = 0,
        stride: Size = 1,
    ) -> None:
        super().__init__(kernel_size, dilation, padding, stride)
        self.output_size = output_size

    def forward(self, x: Tensor) -> Tensor:
        """Apply the layer."""
        window = (self.kernel_size, self.dilation, self.padding, self.stride)
        return ops.fold(x, self.output_size, *window)

    def extra_repr(self) -> str:
        """Return the sizes."""
        return f"output_size={self.output_size}, {super().extra_repr()}"
