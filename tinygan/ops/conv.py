"""conv2d and its two gradients: one trilinear form, three kernels, closed under differentiation.

    T(x, w, g) = <g, x * w>   is linear in x, in w and in g, so with

        y  = conv2d(x, w)         = dT/dg
        gx = conv2d_dgrad(g, w)   = dT/dx
        gw = conv2d_wgrad(x, g)   = dT/dw

every vjp below is one of the other two kernels. ``conv_transpose2d`` *is* ``conv2d_dgrad``.
"""

from __future__ import annotations

from typing import Any

from ..autograd import Tensor, kernel_op
from ..autograd.linear import as_tensor
from ..autograd.op import Cotangents, Needs, Tensors
from ..errors import DtypeError, OptionError
from ..kernels.arrays import Shape
from ..kernels.conv2d.spec import ConvSpec, pair
from .activation import bias_act

_conv2d = kernel_op("conv2d", reads="inputs")
_dgrad = kernel_op("conv2d_dgrad", reads="inputs")
_wgrad = kernel_op("conv2d_wgrad", reads="inputs")


@_conv2d.defvjp
def _(g: Tensors, y: Tensors, xs: Tensors, needs: Needs, *, spec: ConvSpec) -> Cotangents:
    x, w = xs
    # first gw, whose kernel takes more scratch memory, then gx, which is the larger one
    gw = _wgrad(x, g[0], spec=spec, w_shape=w.shape) if needs[1] else None
    return _dgrad(g[0], w, spec=spec, x_shape=x.shape) if needs[0] else None, gw


@_dgrad.defvjp
def _(
    g: Tensors, y: Tensors, xs: Tensors, needs: Needs, *, spec: ConvSpec, x_shape: Shape
) -> Cotangents:
    gy, w = xs
    gw = _wgrad(g[0], gy, spec=spec, w_shape=w.shape) if needs[1] else None
    return _conv2d(g[0], w, spec=spec) if needs[0] else None, gw


@_wgrad.defvjp
def _(
    g: Tensors, y: Tensors, xs: Tensors, needs: Needs, *, spec: ConvSpec, w_shape: Shape
) -> Cotangents:
    x, gy = xs
    return (
        _dgrad(gy, g[0], spec=spec, x_shape=x.shape) if needs[0] else None,
        _conv2d(x, g[0], spec=spec) if needs[1] else None,
    )


def conv2d(
    x: Any,
    w: Any,
    b: Any = None,
    *,
    stride: int | tuple[int, int] = 1,
    padding: int | tuple[int, int] = 0,
    dilation: int | tuple[int, int] = 1,
    groups: int = 1,
) -> Tensor:
    """Cross-correlate images with filters.

    Shapes: x (N, C, H, W), w (O, C/groups, R, S), b (O,) -> (N, O, P, Q), where
    P = floor((H + 2*padding - dilation*(R-1) - 1) / stride) + 1, and Q likewise.

    Raises:
        ShapeError: the shapes do not fit.
        DtypeError: x, w and b differ in dtype.
        OptionError: an option is of another kind or too small.

    Differentiable: any order. Source: arXiv:1603.07285.
    """
    x, w = operands("conv2d", x, w, b)
    try:
        spec = ConvSpec.of(stride=stride, padding=padding, dilation=dilation, groups=groups)
    except OptionError as error:
        raise OptionError(f"conv2d: {error}") from None
    spec.out_shape(x.shape, w.shape)
    return _add_bias(_conv2d(x, w, spec=spec), b)


def conv_transpose2d(
    x: Any,
    w: Any,
    b: Any = None,
    *,
    stride: int | tuple[int, int] = 1,
    padding: int | tuple[int, int] = 0,
    output_padding: int | tuple[int, int] = 0,
    dilation: int | tuple[int, int] = 1,
    groups: int = 1,
) -> Tensor:
    """Apply the adjoint of ``conv2d``: the same kernel in the other direction, not its inverse.

    Shapes: x (N, C, P, Q), w (C, O/groups, R, S), b (O,) -> (N, O, H, W), where
    H = (P-1)*stride - 2*padding + dilation*(R-1) + 1 + output_padding, and W likewise.

    Raises:
        ShapeError: the shapes do not fit.
        DtypeError: x, w and b differ in dtype.
        OptionError: an option is of another kind or too small.

    Differentiable: any order. Source: arXiv:1603.07285, chapter 4.
    """
    x, w = operands("conv_transpose2d", x, w, b)
    try:
        spec = ConvSpec.of(stride=stride, padding=padding, dilation=dilation, groups=groups)
        shape = spec.transposed_shape(x.shape, w.shape, pair(output_padding, "output_padding"))
    except OptionError as error:
        raise OptionError(f"conv_transpose2d: {error}") from None
    return _add_bias(_dgrad(x, w, spec=spec, x_shape=shape), b)


def operands(op: str, x: Any, w: Any, b: Any) -> tuple[Tensor, Tensor]:
    """Return x and w as tensors.

    Raises:
        DtypeError: x, w and b are not all float32 or all float64.
    """
    x, w = as_tensor(x), as_tensor(w)
    dtypes = [x.dtype, w.dtype] + ([] if b is None else [as_tensor(b).dtype])
    if len(set(dtypes)) > 1 or x.dtype.kind != "f":
        raise DtypeError(
            f"{op}: x {x.dtype}, w {w.dtype}{'' if b is None else f', b {dtypes[2]}'}: "
            "all float32 or all float64 fit"
        )
    return x, w


def _add_bias(y: Tensor, b: Any) -> Tensor:
    return y if b is None else bias_act(y, b, act="linear")
