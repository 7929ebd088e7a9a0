"""FIR filters: upfirdn2d and the gradient of its filter, closed under differentiation.

    T(x, f, g) = <g, upfirdn2d(x, f)>   is linear in x, in f and in g, so with

        y  = upfirdn2d(x, f)           = dT/dg
        gx = upfirdn2d'(g, f)          = dT/dx    the same op: up and down swapped, f turned
        gf = upfirdn2d_fgrad(x, g)     = dT/df

every vjp below is one of these three.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from ..autograd import Tensor, kernel_op
from ..autograd.linear import as_tensor, expand_dims
from ..autograd.op import Cotangents, Needs, Tensors
from ..errors import DtypeError, OptionError, ShapeError
from ..kernels.arrays import Shape, xp_of
from ..kernels.conv2d.spec import Pair
from ..kernels.upfirdn2d import UpfirdnSpec

_upfirdn2d = kernel_op("upfirdn2d", reads="inputs")
_fgrad = kernel_op("upfirdn2d_fgrad", reads="inputs")


@_upfirdn2d.defvjp
def _(g: Tensors, y: Tensors, xs: Tensors, needs: Needs, *, spec: UpfirdnSpec) -> Cotangents:
    x, f = xs
    back = spec.adjoint(x.shape, f.shape)
    return (
        _upfirdn2d(g[0], f, spec=back) if needs[0] else None,
        _fgrad(x, g[0], spec=spec, f_shape=f.shape) if needs[1] else None,
    )


@_fgrad.defvjp
def _(
    g: Tensors, y: Tensors, xs: Tensors, needs: Needs, *, spec: UpfirdnSpec, f_shape: Shape
) -> Cotangents:
    x, gy = xs
    return (
        _upfirdn2d(gy, g[0], spec=spec.adjoint(x.shape, f_shape)) if needs[0] else None,
        _upfirdn2d(x, g[0], spec=spec) if needs[1] else None,
    )


def upfirdn2d(
    x: Any,
    f: Any,
    *,
    up: int | Pair = 1,
    down: int | Pair = 1,
    padding: int | Sequence[int] = 0,
    flip_filter: bool = False,
    gain: float = 1.0,
) -> Tensor:
    """Upsample, filter and downsample images, each channel by the same FIR filter.

    After every pixel up - 1 zeros are inserted; the result is padded with zeros, or cropped where
    padding is negative; it is convolved with the filter; every down-th pixel is kept.

    Shapes: x (N, C, H, W), f (R, S) -> (N, C, P, Q), P = floor((H*up + top + bottom - R)/down) + 1
    and Q likewise. A filter f (T,) is separable: it runs along the width, then along the height,
    which takes 2 T products in place of T*T.

    Args:
        x: images.
        f: taps of the filter, of the dtype of x; None is the filter that does nothing.
        up: factor, an int or (height, width).
        down: factor, an int or (height, width).
        padding: pixels of the stuffed image: an int for all sides, (width, height), or
            (left, right, top, bottom), in the order of PyTorch's ``F.pad``. Negative ones crop.
        flip_filter: correlate with f as it is, rather than convolve (the default).
        gain: factor of the result.

    Raises:
        ShapeError: x is not 4-d or empty, f neither 1-d nor 2-d, or larger than the padded image.
        OptionError: a factor is below 1, or the padding of another form.
        DtypeError: x and f differ in dtype.

    Differentiable: any order in x and f. Source: arXiv:1912.04958, appendix B, and
    arXiv:2106.12423; names as in their code. Deviation: pairs of up and down are (height, width),
    as everywhere here, and not [x, y]; padding does begin with the width.
    """
    x = as_tensor(x)
    f = Tensor(xp_of(x.data).ones((1, 1), dtype=x.dtype)) if f is None else as_tensor(f)
    if x.dtype != f.dtype or x.dtype.kind != "f":
        raise DtypeError(f"upfirdn2d: x {x.dtype}, f {f.dtype}: both float32 or both float64 fit")
    if f.ndim not in (1, 2):
        raise ShapeError(f"upfirdn2d: f {f.shape} must be (R, S), or (T,) if it is separable")
    (top, bottom), (left, right) = _sides(padding)
    (up_h, up_w), (down_h, down_w) = _factors("up", up), _factors("down", down)
    taps = f if gain == 1.0 else f * float(gain)
    if f.ndim == 2:
        spec = UpfirdnSpec(
            (up_h, up_w), (down_h, down_w), ((top, bottom), (left, right)), flip_filter
        )
        spec.out_shape(x.shape, taps.shape)
        return _upfirdn2d(x, taps, spec=spec)
    along_w = UpfirdnSpec((1, up_w), (1, down_w), ((0, 0), (left, right)), flip_filter)
    along_h = UpfirdnSpec((up_h, 1), (down_h, 1), ((top, bottom), (0, 0)), flip_filter)
    row, column = expand_dims(taps, 0), expand_dims(f, 1)
    along_h.out_shape(along_w.out_shape(x.shape, row.shape), column.shape)
    return _upfirdn2d(_upfirdn2d(x, row, spec=along_w), column, spec=along_h)


def _factors(name: str, value: int | Pair) -> Pair:
    both = value if isinstance(value, tuple | list) else (value, value)
    if len(both) != 2 or any(type(n) is not int or n < 1 for n in both):
        raise OptionError(f"upfirdn2d: {name}={value!r}: use an int or (height, width), at least 1")
    return both[0], both[1]


def _sides(padding: int | Sequence[int]) -> tuple[Pair, Pair]:
    """Return ((top, bottom), (left, right)) of an int, (width, height) or all four in F.pad's."""
    given = (padding,) * 2 if isinstance(padding, int) else tuple(padding)
    if len(given) == 2:
        given = (given[0], given[0], given[1], given[1])
    if len(given) != 4 or any(type(n) is not int for n in given):
        raise OptionError(
            f"upfirdn2d: padding={padding!r}: use an int, (width, height) or "
            "(left, right, top, bottom) of ints"
        )
    return (given[2], given[3]), (given[0], given[1])
