"""Layers of ProGAN and StyleGAN: equalised learning rates, AdaIN, modulated convolution.

*Equalised learning rate*: weights are drawn from N(0, 1) and scaled by gain / sqrt(fan_in) in every
forward, not once at the start. Adam's steps don't depend on the scale of a gradient, so all weights
now move at one relative speed. Source: arXiv:1710.10196, section 4.1.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from .. import ops
from ..autograd import Tensor
from ..errors import OptionError, ShapeError
from ..kernels.conv2d.spec import Pair, pair
from . import init
from .conv import Conv2d, Size
from .layers import Affine, empty
from .module import Module, Parameter


class EqualLinear(Affine):
    """y = x (s W)^T + lr_multiplier * b with s = gain * lr_multiplier / sqrt(in_features).

    Shapes: x (..., in_features) -> (..., out_features); weight (out_features, in_features),
    bias (out_features,).

    Args:
        in_features: size of the last axis of x.
        out_features: size of the last axis of y.
        bias: add b.
        bias_init: what lr_multiplier * b starts from.
        gain: standard deviation of y for independent x of variance 1; sqrt(2) before a ReLU.
        lr_multiplier: factor of the learning rate; 0.01 in StyleGAN's mapping network. W starts
            from N(0, 1 / lr_multiplier^2), so that y starts alike for all.
        dtype: of the weights.

    Raises:
        ShapeError: the last axis of x is not ``in_features`` long.

    Differentiable: any order. Source: arXiv:1710.10196, section 4.1; arXiv:1812.04948, appendix C.
    """

    def __init__(
        self,
        in_features: int,
        out_features: int,
        *,
        bias: bool = True,
        bias_init: float = 0.0,
        gain: float = 1.0,
        lr_multiplier: float = 1.0,
        dtype: Any = np.float32,
    ) -> None:
        self.in_features, self.out_features = in_features, out_features
        self.gain, self.lr_multiplier, self.bias_init = gain, lr_multiplier, bias_init
        self._allocate((out_features, in_features), out_features, bias, dtype)

    def reset_parameters(self) -> None:
        """Draw the weight anew from N(0, 1 / lr_multiplier^2), and set the bias to its start."""
        _draw(self, self.lr_multiplier, self.bias_init)

    def forward(self, x: Tensor) -> Tensor:
        """Apply the layer."""
        if not x.ndim or x.shape[-1] != self.in_features:
            raise ShapeError(f"EqualLinear takes x (..., {self.in_features}), got {x.shape}")
        weight = _scaled(self.weight, self.gain * self.lr_multiplier)
        return ops.linear(x, weight, None if self.bias is None else self.bias * self.lr_multiplier)

    def extra_repr(self) -> str:
        """Return the sizes."""
        return (
            f"{self.in_features}, {self.out_features}, bias={self.bias is not None}, "
            f"gain={self.gain:.6g}, lr_multiplier={self.lr_multiplier}"
        )


class EqualConv2d(Conv2d):
    """``Conv2d`` with filters s w, s = gain * lr_multiplier / sqrt(fan_in), fan_in = I * R * S.

    Shapes, arguments and errors: as ``Conv2d`` and ``EqualLinear``.

    Differentiable: any order. Source: arXiv:1710.10196, section 4.1.
    """

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
        gain: float = 1.0,
        lr_multiplier: float = 1.0,
        dtype: Any = np.float32,
    ) -> None:
        self.gain, self.lr_multiplier = gain, lr_multiplier
        sizes = (in_channels, out_channels, kernel_size, stride, padding)
        options: dict[str, Any] = {"dilation": dilation, "groups": groups, "bias": bias}
        super().__init__(*sizes, **options, padding_mode=padding_mode, dtype=dtype)

    def reset_parameters(self) -> None:
        """Draw the filters anew from N(0, 1 / lr_multiplier^2), and set the bias to 0."""
        _draw(self, self.lr_multiplier, 0.0)

    def forward(self, x: Tensor) -> Tensor:
        """Apply the layer."""
        w = _scaled(self.weight, self.gain * self.lr_multiplier)
        b = None if self.bias is None else self.bias * self.lr_multiplier
        return self._convolve(x, w, b)


def _draw(layer: Affine, lr_multiplier: float, bias_init: float) -> None:
    if not lr_multiplier > 0:
        raise OptionError(f"{type(layer).__name__}: lr_multiplier {lr_multiplier}: above 0 fits")
    init.normal_(layer.weight, std=1.0 / lr_multiplier)
    if layer.bias is not None:
        init.constant_(layer.bias, bias_init / lr_multiplier)


def _scaled(weight: Tensor, gain: float) -> Tensor:
    """Return weight * gain / sqrt(fan_in)."""
    return weight * (gain / math.sqrt(init.fans(weight)[0]))


class AdaIN(Module):
    """Adaptive instance norm: a learned affine map of w gives scale and shift of each channel.

        scale, shift = style(w)      y = scale * (x - mean) / sqrt(var + eps) + shift

    Shapes: x (N, C, L...), C = num_features; w (N, style_dim) -> as x; style.weight
    (2 * C, style_dim), scales first; style.bias starts at 1 for scales, 0 for shifts.

    Args:
        num_features: channels C.
        style_dim: length of w.
        eps: added to the variance.
        dtype: of the weights.

    Raises:
        ShapeError: x or w does not fit.

    Differentiable: any order. Source: arXiv:1812.04948, equation 1 and appendix C.
    """

    def __init__(
        self, num_features: int, style_dim: int, *, eps: float = 1e-5, dtype: Any = np.float32
    ) -> None:
        self.num_features, self.eps = num_features, eps
        self.style = EqualLinear(style_dim, 2 * num_features, dtype=dtype)
        start = empty(2 * num_features, dtype)
        start[:num_features], start[num_features:] = 1, 0
        self.style.bias = Parameter(start)

    def forward(self, x: Tensor, w: Tensor) -> Tensor:
        """Apply the layer."""
        c = self.num_features
        if x.ndim < 3 or x.shape[1] != c or w.shape != (x.shape[0], self.style.in_features):
            raise ShapeError(
                f"AdaIN takes x (N, {c}, L, ...) and w (N, {self.style.in_features}), "
                f"got {x.shape} and {w.shape}"
            )
        style = self.style(w)
        return ops.adain(x, style[:, :c], style[:, c:], eps=self.eps)

    def extra_repr(self) -> str:
        """Return the hyper-parameters."""
        return f"{self.num_features}, eps={self.eps}"


class ModulatedConv2d(Module):
    """StyleGAN2's convolution: a learned affine map of w scales the filters for each sample.

        s = style(w)      y = ops.modulated_conv2d(x, weight / sqrt(fan_in), s)

    It has no bias: the network adds noise first.

    Shapes: x (N, C, H, W), w (N, style_dim) -> (N, O, P, Q) as in ``ops.modulated_conv2d``; weight
    (O, C, R, S), style.weight (C, style_dim), style.bias (C,), which starts at 1.

    Args:
        in_channels: C.
        out_channels: O.
        kernel_size: R and S.
        style_dim: length of w.
        stride: step of the window, in pixels.
        padding: zeros around x, or pixels cut off around y if ``transposed``, in pixels.
        demodulate: divide each filter by its norm.
        transposed: enlarge the image by ``stride``, where the plain convolution shrinks it.
        output_padding: pixels added at the bottom and right of y if ``transposed``.
        dtype: of the weights.

    Raises:
        OptionError: an option is of another kind or too small, or ``output_padding`` comes without
            ``transposed``.
        ShapeError: x or w does not fit.

    Differentiable: any order. Source: arXiv:1912.04958, section 2.2 and appendix B.
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: int | Pair,
        style_dim: int,
        *,
        stride: int | Pair = 1,
        padding: int | Pair = 0,
        demodulate: bool = True,
        transposed: bool = False,
        output_padding: int | Pair = 0,
        dtype: Any = np.float32,
    ) -> None:
        if not transposed and output_padding not in (0, (0, 0)):
            raise OptionError("ModulatedConv2d: output_padding fits transposed=True alone")
        shape = (out_channels, in_channels, *pair(kernel_size, "kernel_size"))
        if any(n < 1 for n in shape):
            raise OptionError(f"ModulatedConv2d: a weight of shape {shape} holds nothing")
        self.weight = Parameter(empty(shape, dtype))
        self.style = EqualLinear(style_dim, in_channels, bias_init=1.0, dtype=dtype)
        self.stride, self.padding, self.output_padding = stride, padding, output_padding
        self.demodulate, self.transposed = demodulate, transposed
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Draw the filters anew from N(0, 1)."""
        init.normal_(self.weight)

    def forward(self, x: Tensor, w: Tensor) -> Tensor:
        """Apply the layer."""
        channels, style_dim = self.style.out_features, self.style.in_features
        if x.ndim != 4 or x.shape[1] != channels or w.shape != (x.shape[0], style_dim):
            raise ShapeError(
                f"ModulatedConv2d takes x (N, {channels}, H, W) and w (N, {style_dim}), "
                f"got {x.shape} and {w.shape}"
            )
        return ops.modulated_conv2d(
            x,
            _scaled(self.weight, 1.0),
            self.style(w),
            demodulate=self.demodulate,
            stride=self.stride,
            padding=self.padding,
            transposed=self.transposed,
            output_padding=self.output_padding,
        )

    def extra_repr(self) -> str:
        """Return the sizes."""
        o, i, r, s = self.weight.shape
        return (
            f"{i}, {o}, kernel_size=({r}, {s}), stride={self.stride}, padding={self.padding}, "
            f"demodulate={self.demodulate}, transposed={self.transposed}"
        )
