"""How a style steers a generator: AdaIN, conditional batch norm, and modulated convolution.

A style is one scale (and one shift) for each channel of each sample, computed elsewhere from a
latent or a class. AdaIN and conditional batch norm apply it to normalised activations. StyleGAN2
applies it to the weights instead, and *demodulates* them: activations are not normalised, but are
so in expectation.
"""

from __future__ import annotations

from typing import Any

from ..autograd import Tensor
from ..autograd.basic import rsqrt, square
from ..autograd.linear import as_tensor, matmul, reshape, sum, transpose
from ..errors import DtypeError, OptionError, ShapeError
from ..kernels.conv2d.spec import Pair
from .conv import conv2d, conv_transpose2d
from .norm import batch_norm
from .sample_norm import affine, instance_norm


def film(x: Any, scale: Any, shift: Any) -> Tensor:
    """Scale and shift each channel of each sample: feature-wise linear modulation.

    Shapes: x (N, C, ...), scale and shift (N, C) -> as x.

    Raises:
        ShapeError: scale or shift is not one number a channel and sample.

    Differentiable: any order. Source: arXiv:1709.07871, equation 2.
    """
    x, scale, shift = as_tensor(x), as_tensor(scale), as_tensor(shift)
    _check_style("film", x, scale, shift)
    return _film(x, scale, shift)


def adain(x: Any, scale: Any, shift: Any, *, eps: float = 1e-5) -> Tensor:
    """Adaptive instance norm: normalise each channel of each sample, then give it the style's.

        y = scale * (x - mean(x)) / sqrt(var(x) + eps) + shift

    The first AdaIN is this with the standard deviations and means of another image.

    Shapes: x (N, C, L...), scale and shift (N, C) -> as x.

    Raises:
        ShapeError: scale or shift does not fit, or a channel of a sample has one value alone.

    Differentiable: any order. Source: arXiv:1812.04948, equation 1; arXiv:1703.06868, equation 8.
    """
    x, scale, shift = as_tensor(x), as_tensor(scale), as_tensor(shift)
    _check_style("adain", x, scale, shift)
    return _film(instance_norm(x, eps=eps), scale, shift)


def conditional_batch_norm(x: Any, scale: Any, shift: Any, *, eps: float = 1e-5) -> Tensor:
    """Normalise each channel by the batch, then scale and shift it by the condition of the sample.

    Shapes: x (N, C, ...), scale and shift (N, C) -> as x.

    Raises:
        ShapeError: scale or shift does not fit, or a channel has one value alone.

    Differentiable: any order. Source: arXiv:1707.00683; arXiv:1610.07629.
    """
    x, scale, shift = as_tensor(x), as_tensor(scale), as_tensor(shift)
    _check_style("conditional_batch_norm", x, scale, shift)
    return _film(batch_norm(x, *affine(x, None, None, x.shape[1:2]), eps=eps), scale, shift)


def modulated_conv2d(
    x: Any,
    w: Any,
    style: Any,
    *,
    demodulate: bool = True,
    stride: int | Pair = 1,
    padding: int | Pair = 0,
    transposed: bool = False,
    output_padding: int | Pair = 0,
    grouped: bool = False,
    eps: float = 1e-8,
) -> Tensor:
    """Convolve each sample with filters of its own: w scaled by its style, and demodulated.

        w'_noirs = style_ni * w_oirs                                       modulate
        w''      = w' / sqrt(sum_irs w'^2 + eps)                           demodulate
        y_n      = conv2d(x_n, w''_n)

    A style that grows a channel of x would grow all channels of y with it; demodulation brings each
    of them back to the size that it has for independent inputs of unit variance.

    Shapes: x (N, I, H, W), w (O, I, R, S), style (N, I) -> (N, O, P, Q) as ``conv2d`` makes it, or
    ``conv_transpose2d`` if ``transposed``.

    Args:
        x: activations.
        w: filters, (O, I, R, S) also for the transposed convolution.
        style: factor of each input channel, for each sample.
        demodulate: divide each filter by its norm; networks leave it out where they make RGB.
        stride: step of the window, in pixels.
        padding: zeros around x, or pixels cut off around y if ``transposed``.
        transposed: apply the adjoint convolution, which enlarges the image by ``stride``.
        output_padding: pixels added at the bottom and right of y if ``transposed``.
        grouped: make the N weights and run one convolution with N groups, the samples side by side
            as channels, as StyleGAN2's code does; else scale x before a shared convolution and y
            after it. The same function; the second needs no copies of the weights.
        eps: added to the squared norm of a filter.

    Raises:
        ShapeError: the shapes do not fit.
        DtypeError: x, w and style differ in dtype.
        OptionError: an option is of another kind or too small, or there is an ``output_padding``
            and no transposed convolution.

    Differentiable: any order. Source: arXiv:1912.04958, equations 1 to 3.
    """
    x, w, style = as_tensor(x), as_tensor(w), as_tensor(style)
    _check_modulation(x, w, style)
    window: dict[str, Any] = {"stride": stride, "padding": padding}
    if transposed:
        window["output_padding"] = output_padding
    elif output_padding not in (0, (0, 0)):
        raise OptionError(
            f"modulated_conv2d: output_padding {output_padding} fits transposed=True alone"
        )
    convolve = conv_transpose2d if transposed else conv2d
    if not grouped or not len(x):
        y = convolve(x * _column(style, x), _oriented(w, transposed), **window)
        return y * _column(_demodulation(w, style, eps), y) if demodulate else y
    n, (o, i, r, s) = len(x), w.shape
    filters = reshape(w, (1, o, i, r, s)) * reshape(style, (n, 1, i, 1, 1))
    if demodulate:
        filters = filters * rsqrt(sum(square(filters), (2, 3, 4), True) + eps)
    filters = _oriented(filters, transposed)
    filters = reshape(filters, (n * filters.shape[1], *filters.shape[2:]))
    y = convolve(reshape(x, (1, n * i, *x.shape[2:])), filters, groups=n, **window)
    return reshape(y, (n, o, *y.shape[2:]))


def _demodulation(w: Tensor, style: Tensor, eps: float) -> Tensor:
    """Return 1 / sqrt(sum_irs (style_ni w_oirs)^2 + eps), (N, O)."""
    energy = sum(square(w), (2, 3))  # (O, I)
    return rsqrt(matmul(square(style), transpose(energy)) + eps)


def _oriented(w: Tensor, transposed: bool) -> Tensor:
    """Turn (..., O, I, R, S) into (..., I, O, R, S) for a transposed convolution."""
    if not transposed:
        return w
    axes = tuple(range(w.ndim))
    return transpose(w, (*axes[:-4], axes[-3], axes[-4], axes[-2], axes[-1]))


def _check_modulation(x: Tensor, w: Tensor, style: Tensor) -> None:
    if x.ndim != 4 or w.ndim != 4 or w.shape[1] != x.shape[1] or style.shape != x.shape[:2]:
        raise ShapeError(
            f"modulated_conv2d: x {x.shape}, w {w.shape} and style {style.shape} do not fit: "
            "(N, I, H, W), (O, I, R, S) and (N, I) do"
        )
    if len({x.dtype, w.dtype, style.dtype}) > 1 or x.dtype.kind != "f":
        raise DtypeError(
            f"modulated_conv2d: x {x.dtype}, w {w.dtype}, style {style.dtype}: "
            "all float32 or all float64 fit"
        )


def _column(v: Tensor, x: Tensor) -> Tensor:
    """Line a (N, C) tensor up with the first two axes of x."""
    return reshape(v, (*v.shape, *[1] * (x.ndim - 2)))


def _check_style(op: str, x: Tensor, scale: Tensor, shift: Tensor) -> None:
    for name, v in (("scale", scale), ("shift", shift)):
        if x.ndim < 2 or v.shape != x.shape[:2]:
            raise ShapeError(
                f"{op}: {name} {v.shape} does not fit x {x.shape}: one a channel and sample"
            )


def _film(x: Tensor, scale: Tensor, shift: Tensor) -> Tensor:
    y: Tensor = x * _column(scale, x) + _column(shift, x)
    return y
