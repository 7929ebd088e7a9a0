"""Linear ops: those that move entries or add them up. The vjp rule of each is its adjoint.

Reshaping, permuting, broadcasting and summing, indexing and scattering, padding, joining, and
matmul, which is linear in each operand. Every rule calls another op of this page, so the set is
closed and derivatives of any order follow.
"""

from __future__ import annotations

import builtins
import functools
import math
from collections.abc import Sequence
from typing import Any

from .. import kernels
from ..errors import OptionError, ShapeError
from ..kernels.arrays import (
    Array,
    Shape,
    empty_channels_last,
    is_channels_last,
    xp_of,
    zeros_channels_last,
)
from .axes import as_tensor as as_tensor
from .axes import check_broadcast, common_dtype, is_basic_index, listed, plain_index
from .axes import normalize_axis as normalize_axis
from .op import Cotangents, Needs, Op, Tensors, kernel_op
from .tensor import Axis, Tensor

# --- shape ---

_reshape: Op = Op("reshape", lambda x, *, shape: x.reshape(shape), reads="shapes", view=True)
_reshape.defvjp(lambda g, y, xs, needs, *, shape: (_reshape(g[0], shape=xs[0].shape),))

_transpose: Op = Op("transpose", lambda x, *, axes: x.transpose(axes), reads="shapes", view=True)
_transpose.defvjp(lambda g, y, xs, needs, *, axes: (_transpose(g[0], axes=_inverse(axes)),))


def _inverse(axes: Sequence[int]) -> tuple[int, ...]:
    return tuple(sorted(range(len(axes)), key=axes.__getitem__))


def reshape(x: Any, *shape: Any) -> Tensor:
    """Return the same entries, in C order of the axes, in another shape; one extent may be -1.

    Differentiable: any order.
    """
    x = as_tensor(x)
    wanted = full = tuple(listed(shape))
    if wanted.count(-1) == 1:
        known = -math.prod(wanted)
        full = tuple([x.size // max(known, 1) if n == -1 else n for n in wanted])
    if math.prod(full) != x.size or min(full, default=0) < 0:
        raise ShapeError(f"reshape: {x.shape} has {x.size} entries, which do not fill {wanted}")
    return _reshape(x, shape=full)


def flatten(x: Any, start_axis: int = 0, end_axis: int = -1) -> Tensor:
    """Merge the axes from ``start_axis`` to ``end_axis`` into one. Differentiable: any order."""
    x = as_tensor(x)
    first, last = (normalize_axis(a, max(x.ndim, 1))[0] for a in (start_axis, end_axis))
    if first > last:
        raise ShapeError(f"flatten: axis {start_axis} of {x.shape} comes after axis {end_axis}")
    merged = math.prod(x.shape[first : last + 1])
    return reshape(x, (*x.shape[:first], merged, *x.shape[last + 1 :]))


def squeeze(x: Any, axis: Axis = None, *, dim: Axis = None) -> Tensor:
    """Drop axes of extent 1 (all of them if None). Differentiable: any order."""
    x = as_tensor(x)
    axes = normalize_axis(axis, x.ndim, dim)
    return reshape(x, tuple(n for i, n in enumerate(x.shape) if n != 1 or i not in axes))


def expand_dims(x: Any, axis: int) -> Tensor:
    """Insert an axis of extent 1 at ``axis`` of the result. Differentiable: any order."""
    x = as_tensor(x)
    (at,) = normalize_axis(axis, x.ndim + 1)
    return reshape(x, (*x.shape[:at], 1, *x.shape[at:]))


def transpose(x: Any, *axes: Any) -> Tensor:
    """Permute the axes; without ``axes``, reverse them. A view. Differentiable: any order."""
    x = as_tensor(x)
    named = listed(axes) or range(x.ndim)[::-1]
    order = tuple(a + x.ndim if a < 0 else a for a in named)
    if sorted(order) != list(range(x.ndim)):
        raise ShapeError(f"transpose: axes {named} are no permutation of the axes of {x.shape}")
    return _transpose(x, axes=order)


# --- broadcasting and its adjoint, summing ---

_broadcast_to: Op = Op(
    "broadcast_to", lambda x, *, shape: xp_of(x).broadcast_to(x, shape), reads="shapes", view=True
)
_broadcast_to.defvjp(lambda g, y, xs, needs, *, shape: (unbroadcast(g[0], xs[0].shape),))


def _sum_forward(x: Array, *, axis: tuple[int, ...], keepdims: bool) -> Any:
    if x.dtype.kind != "f":  # kernels are for floats
        return xp_of(x).asarray(x.sum(axis=axis, keepdims=keepdims))
    return kernels.call("sum", x, axis=axis, keepdims=keepdims)


_sum: Op = Op("sum", _sum_forward, reads="shapes")


@_sum.defvjp
def _(g: Tensors, y: Tensors, xs: Tensors, needs: Needs, **params: Any) -> Cotangents:
    shape = xs[0].shape
    kept = tuple(1 if i in params["axis"] else n for i, n in enumerate(shape))
    return (_broadcast_to(_reshape(g[0], shape=kept), shape=shape),)


def broadcast_to(x: Any, shape: Shape) -> Tensor:
    """Repeat ``x`` to ``shape`` by NumPy's rules, without copying. Differentiable: any order."""
    x = as_tensor(x)
    pairs = zip(x.shape[::-1], tuple(shape)[::-1], strict=False)
    if len(shape) < x.ndim or any(a not in (1, b) for a, b in pairs):
        raise ShapeError(f"broadcast_to: {x.shape} does not broadcast to {tuple(shape)}")
    return _broadcast_to(x, shape=tuple(shape))


def unbroadcast(g: Tensor, shape: Shape) -> Tensor:
    """Sum ``g`` over the axes that broadcasting ``shape`` to ``g.shape`` added or stretched."""
    if g.shape == shape:
        return g
    lead = g.ndim - len(shape)
    stretched = (i + lead for i, n in enumerate(shape) if n == 1 and g.shape[i + lead] != 1)
    total = _sum(g, axis=(*range(lead), *stretched), keepdims=False)
    return total if total.shape == shape else _reshape(total, shape=shape)


def sum(
    x: Any, axis: Axis = None, keepdims: bool = False, *, dim: Axis = None, keepdim: bool = False
) -> Tensor:
    """Add up over ``axis`` (None: all). float32 sums are carried in float64 or in fixed blocks.

    Differentiable: any order.
    """
    x = as_tensor(x)
    return _sum(x, axis=normalize_axis(axis, x.ndim, dim), keepdims=keepdims or keepdim)


# --- indexing and its adjoint, scattering ---


def _put_forward(g: Array, *, index: Any, shape: Shape) -> Array:
    """Zeros of ``shape``, with ``g`` added at ``index`` (duplicates add up)."""
    xp = xp_of(g)
    if len(shape) == 4 and not g.flags.c_contiguous:
        out = zeros_channels_last(xp, shape, g.dtype)
    else:
        out = xp.zeros(shape, dtype=g.dtype)
    if is_basic_index(index):
        out[index] = g
    else:
        xp.add.at(out, index, g)
    return out


_getitem: Op = Op("getitem", lambda x, *, index: x[index], reads="shapes")
_put: Op = Op("put", _put_forward, reads="shapes")
_getitem.defvjp(lambda g, y, xs, needs, *, index: (_put(g[0], index=index, shape=xs[0].shape),))
_put.defvjp(lambda g, y, xs, needs, *, index, shape: (_getitem(g[0], index=index),))


def getitem(x: Any, index: Any) -> Tensor:
    """Index as NumPy does: ints, slices, None, ..., integer arrays, boolean masks.

    Differentiable: any order; entries taken several times collect all their cotangents.

    Raises:
        ShapeError: the index does not fit ``x``.
    """
    x = as_tensor(x)
    index = plain_index(index, xp_of(x.data))
    try:
        y: Tensor = _getitem(x, index=index)
    except IndexError as error:
        raise ShapeError(f"getitem: {error} (x has shape {x.shape})") from None
    if is_basic_index(index):
        y._version = x._version  # basic indexing shares memory
    return y


def take(x: Any, index: Any, axis: int = 0) -> Tensor:
    """Gather slices: y = x[..., index, ...] with ``index`` (any shape, integers) at ``axis``.

    Differentiable: any order in x.
    """
    x = as_tensor(x)
    (at,) = normalize_axis(axis, x.ndim)
    index = index if isinstance(index, list) else as_tensor(index)
    return getitem(x, (*[slice(None)] * at, index))


def gather(x: Any, axis: int, index: Any) -> Tensor:
    """Pick one entry a place along ``axis``: y[i, j] = x[index[i, j], j] for axis 0.

    Shapes: x (..., n, ...), index (..., k, ...) of the same number of axes, as in
    ``numpy.take_along_axis`` and ``torch.gather``. Differentiable: any order in x.
    """
    x = as_tensor(x)
    index = as_tensor(plain_index(index, xp_of(x.data)))
    if index.ndim != x.ndim:
        raise ShapeError(f"gather: x {x.shape} and index {index.shape} differ in their axes")
    (at,) = normalize_axis(axis, x.ndim)
    xp = xp_of(x.data)
    grid = [
        xp.arange(n).reshape(tuple(-1 if k == i else 1 for k in range(x.ndim)))
        for i, n in enumerate(index.shape)
    ]
    grid[at] = index.data
    return getitem(x, tuple(grid))


def flip(x: Any, axis: Axis) -> Tensor:
    """Reverse the order of the entries along ``axis``. Differentiable: any order."""
    x = as_tensor(x)
    axes = normalize_axis(axis, x.ndim)
    return getitem(x, tuple(slice(None, None, -1 if i in axes else 1) for i in range(x.ndim)))


# --- padding and joining ---


def _pad_forward(x: Array, *, widths: tuple[tuple[int, int], ...], value: float) -> Array:
    xp = xp_of(x)
    shape = tuple(n + before + after for n, (before, after) in zip(x.shape, widths, strict=True))
    if is_channels_last(x) and not x.flags.c_contiguous:
        out = empty_channels_last(xp, shape, x.dtype)
    else:
        out = xp.empty(shape, dtype=x.dtype)
    out[...] = value
    out[_inner(x.shape, widths)] = x
    return out


def _inner(shape: Shape, widths: tuple[tuple[int, int], ...]) -> tuple[slice, ...]:
    return tuple(slice(b, b + n) for n, (b, _) in zip(shape, widths, strict=True))


_pad: Op = Op("pad", _pad_forward, reads="shapes")
_pad.defvjp(
    lambda g, y, xs, needs, *, widths, value: (_getitem(g[0], index=_inner(xs[0].shape, widths)),)
)


def pad(x: Any, widths: Sequence[tuple[int, int]], *, value: float = 0.0) -> Tensor:
    """Surround ``x`` with a constant; ``widths`` is (before, after) for each axis.

    Differentiable: any order.
    """
    x = as_tensor(x)
    pairs = tuple((int(before), int(after)) for before, after in widths)
    if len(pairs) != x.ndim or any(n < 0 for pair in pairs for n in pair):
        raise ShapeError(
            f"pad: {x.ndim} pairs (before, after) >= 0 fit {x.shape}, got {tuple(widths)}"
        )
    return _pad(x, widths=pairs, value=float(value))


def _concatenate_forward(*xs: Array, axis: int) -> Any:
    xp, last = xp_of(xs[0]), [x for x in xs if is_channels_last(x)]
    if len(last) == len(xs) or any(not x.flags.c_contiguous for x in last):
        shape = list(xs[0].shape)
        shape[axis] = builtins.sum(x.shape[axis] for x in xs)
        out = empty_channels_last(xp, tuple(shape), xs[0].dtype)
        return xp.concatenate(xs, axis=axis, out=out)
    return xp.concatenate(xs, axis=axis)


_concatenate: Op = Op("concatenate", _concatenate_forward, reads="shapes")


@_concatenate.defvjp
def _(g: Tensors, y: Tensors, xs: Tensors, needs: Needs, *, axis: int) -> Cotangents:
    found: list[Tensor | None] = []
    start = 0
    for x, needed in zip(xs, needs, strict=True):
        stop = start + x.shape[axis]
        index = (*[slice(None)] * axis, slice(start, stop))
        found.append(_getitem(g[0], index=index) if needed else None)
        start = stop
    return tuple(found)


def concatenate(xs: Sequence[Any], axis: int = 0, *, dim: int | None = None) -> Tensor:
    """Join tensors along an axis that exists. Differentiable: any order.

    Raises:
        ShapeError: the other axes differ.
    """
    tensors = [as_tensor(x) for x in xs]
    if not tensors:
        raise OptionError("concatenate: at least one tensor fits, got none")
    (at,) = normalize_axis(axis if dim is None else dim, tensors[0].ndim)
    outer = {(*t.shape[:at], *t.shape[at + 1 :]) for t in tensors}
    if len(outer) > 1 or len({t.ndim for t in tensors}) > 1:
        raise ShapeError(
            f"concatenate: shapes {[t.shape for t in tensors]} differ beside axis {at}"
        )
    return _concatenate(*promote(*tensors), axis=at)


def stack(xs: Sequence[Any], axis: int = 0, *, dim: int | None = None) -> Tensor:
    """Join tensors of one shape along a new axis. Differentiable: any order."""
    at = axis if dim is None else dim
    return concatenate([expand_dims(x, at) for x in xs], at)


def _split_forward(x: Array, *, sections: int, axis: int) -> tuple[Array, ...]:
    step, lead = x.shape[axis] // sections, [slice(None)] * axis
    return tuple(x[(*lead, slice(i * step, (i + 1) * step))] for i in range(sections))


_split: Op = Op("split", _split_forward, reads="shapes")


@_split.defvjp
def _(g: Tensors, y: Tensors, xs: Tensors, needs: Needs, *, sections: int, axis: int) -> Cotangents:
    return (_concatenate(*g, axis=axis),)


def split(x: Any, sections: int, axis: int = 0) -> tuple[Tensor, ...]:
    """Cut into ``sections`` equal parts along ``axis``, views of x. Differentiable: any order."""
    x = as_tensor(x)
    (at,) = normalize_axis(axis, x.ndim)
    if sections < 1 or x.shape[at] % sections:
        raise ShapeError(f"split: axis {at} of {x.shape} does not fall into {sections} equal parts")
    parts = _split.outputs(x, sections=sections, axis=at)
    for part in parts:
        part._version = x._version  # they share its memory
    return parts


# --- dtype and matmul ---

_astype: Op = Op("astype", lambda x, *, dtype: x.astype(dtype), reads="shapes")
_astype.defvjp(lambda g, y, xs, needs, *, dtype: (_astype(g[0], dtype=xs[0].dtype),))


def astype(x: Any, dtype: Any) -> Tensor:
    """Convert to ``dtype``; to integers, the result is a constant. Differentiable: any order."""
    return _astype(as_tensor(x), dtype=dtype)


def promote(*tensors: Tensor) -> tuple[Tensor, ...]:
    """Convert tensors to the dtype in which they meet: the widest float among them."""
    dtype = functools.reduce(common_dtype, (t.dtype for t in tensors))
    return tuple(t if t.dtype == dtype else astype(t, dtype) for t in tensors)


_matmul: Op = kernel_op("matmul", reads="inputs")


def _swap(x: Tensor) -> Tensor:
    axes = (*range(x.ndim - 2), x.ndim - 1, x.ndim - 2)
    return x if x.ndim < 2 else _transpose(x, axes=axes)


@_matmul.defvjp
def _(g: Tensors, y: Tensors, xs: Tensors, needs: Needs) -> Cotangents:
    a, b = xs
    return (
        unbroadcast(_matmul(g[0], _swap(b)), a.shape) if needs[0] else None,
        unbroadcast(_of_second(a, b, g[0]), b.shape) if needs[1] else None,
    )


def _of_second(a: Tensor, b: Tensor, g: Tensor) -> Tensor:
    """Return a^T g. Where b is a transposed view, as W^T of a dense layer, so is the result."""
    if b.ndim == 2 and g.ndim == 2 and b.data.flags.f_contiguous:
        return _swap(_matmul(_swap(g), a))
    return _matmul(_swap(a), g)


def matmul(a: Any, b: Any) -> Tensor:
    """Multiply matrices; leading axes broadcast, a vector counts as one row or one column.

    Shapes: a (..., m, k), b (..., k, n) -> (..., m, n). Differentiable: any order.

    Raises:
        ShapeError: the inner extents differ, or the leading axes do not broadcast.
    """
    a, b = as_tensor(a), as_tensor(b)
    rows = expand_dims(a, 0) if a.ndim == 1 else a
    columns = expand_dims(b, 1) if b.ndim == 1 else b
    if rows.ndim < 2 or columns.ndim < 2 or rows.shape[-1] != columns.shape[-2]:
        raise ShapeError(f"matmul: a {a.shape} and b {b.shape} do not fit (..., m, k) (..., k, n)")
    if rows.ndim > 2 and columns.ndim > 2:
        batches = rows.shape[:-2], columns.shape[:-2]
        check_broadcast(f"matmul of {a.shape} and {b.shape}", *batches)
    y: Tensor = _matmul(*promote(rows, columns))
    y = squeeze(y, -2) if a.ndim == 1 else y
    return squeeze(y, -1) if b.ndim == 1 else y
