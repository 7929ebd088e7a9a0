"""CUDA matrix product (csrc/matmul/matmul.cu): tiles of y, by the strides of both operands."""

from __future__ import annotations

from typing import Any

from ...errors import ShapeError
from ..arrays import Array, xp_of
from ..cuda import cuda_refusal, launch, register_cuda
from ..cuda.products import MOST_ENTRIES, add_splits, product_plan
from ..reduce.rows import c_order
from .spec import check_linear


def _supports(a: Array, b: Array) -> str | None:
    if a.ndim != 2 or b.ndim != 2:
        return f"takes two matrices, got {a.ndim} and {b.ndim} axes"
    if reason := cuda_refusal(a, b):
        return reason
    # gaps between entries count too: the kernel's offsets are 32 bits
    entries = max(a.shape[0] * b.shape[1], *(max(x.size, _reach(x)) for x in (a, b)))
    return None if entries <= MOST_ENTRIES else f"takes at most {MOST_ENTRIES} entries"


def _supports_linear(x: Array, w: Array, b: Array) -> str | None:
    return cuda_refusal(b) or _supports(x, w.T)


def _reach(x: Array) -> int:
    """Return how many entries lie between the first and the last in memory."""
    steps = zip(x.shape, x.strides, strict=True)
    reach: int = sum((extent - 1) * abs(s) // x.itemsize for extent, s in steps)
    return reach + 1


@register_cuda("matmul", "tiles", supports=_supports, exact=True)
def matmul(a: Array, b: Array) -> Array:
    """Multiply two matrices. Shapes: a (M, K), b (K, N) -> (M, N), C order."""
    if a.shape[1] != b.shape[0]:
        raise ShapeError(f"matmul: a (M, K) and b (K, N) fit, got {a.shape} and {b.shape}")
    return _product(a, b, None)


@register_cuda("linear", "tiles", supports=_supports_linear, exact=True)
def linear(x: Array, w: Array, b: Array) -> Array:
    """Return x w^T + b. Shapes: x (M, K), w (N, K), b (N,) -> (M, N), C order."""
    check_linear(x, w, b)
    return _product(x, w.T, c_order(b))


def _product(a: Array, b: Array, bias: Array | None) -> Array:
    (m, depth), n = a.shape, b.shape[1]
    y: Array = xp_of(a).empty((m, n), "f4")
    plan = product_plan(m, n, depth)
    (base_a, (a_row, a_step)), (base_b, (b_step, b_column)) = _strided(a), _strided(b)
    sizes = {"m": m, "n": n, "depth": depth, "chunk": plan.chunk}
    steps = {"a_row": a_row, "a_step": a_step, "b_column": b_column, "b_step": b_step}
    room = plan.room(y)
    launch(
        f"matmul_{plan.tile}",
        a=base_a,
        b=base_b,
        bias=bias if plan.splits == 1 else None,
        y=room,
        **sizes,
        **steps,
    )
    if plan.splits > 1:
        add_splits(room, y, bias)
    return y


def _strided(x: Any) -> tuple[Array, list[int]]:
    """Return an array that begins at x's first entry, and x's strides in elements.

    A launch takes dense arrays alone; what is passed is the single first entry, from which the
    strides lead to the others. Copied are arrays with a negative stride or one of parts of an
    element, and those at an odd address (CuPy's are aligned).
    """
    odd = any(s < 0 or s % x.itemsize for s in x.strides)
    if odd or not getattr(x.flags, "aligned", True):
        x = xp_of(x).array(x, order="C")
    steps = zip(x.shape, x.strides, strict=True)
    return x[:1, :1].reshape(-1), [0 if n == 1 else s // x.itemsize for n, s in steps]
