"""The window of a 2-d pooling, and the extents that follow from it."""

from __future__ import annotations

from ...errors import OptionError, ShapeError
from ..arrays import Shape

Pair = tuple[int, int]


def output_extents(op: str, shape: Shape, kernel: Pair, stride: Pair, padding: Pair) -> Pair:
    """Return (P, Q), the number of windows along each axis.

    Args:
        op: name for the messages.
        shape: (N, C, H, W).
        kernel: (R, S), extents of a window.
        stride: distance between windows.
        padding: rows and columns added on every side, at most half of the kernel.

    Raises:
        OptionError: kernel or stride is below 1, or padding does not lie in 0 .. kernel / 2.
        ShapeError: shape is not 4-d, or no window fits into it.
    """
    for k, s, p in zip(kernel, stride, padding, strict=True):
        if k < 1 or s < 1 or not 0 <= p <= k // 2:
            raise OptionError(
                f"{op}: kernel {kernel} and stride {stride} must be at least 1, "
                f"padding {padding} at most half of the kernel"
            )
    if len(shape) != 4:
        raise ShapeError(f"{op}: x must be (N, C, H, W), got {shape}")
    p, q = (
        (extent + 2 * pad - k) // step + 1
        for extent, k, step, pad in zip(shape[2:], kernel, stride, padding, strict=True)
    )
    if p < 1 or q < 1:
        raise ShapeError(f"{op}: no window {kernel} fits into x {shape} with padding {padding}")
    return p, q


def check_index(op: str, x_shape: Shape, index_shape: Shape) -> None:
    """Raise unless the index (N, C, P, Q) belongs to x (N, C, H, W).

    Raises:
        ShapeError: one is not 4-d, or their N or C differ.
    """
    if len(x_shape) != 4 or len(index_shape) != 4 or x_shape[:2] != index_shape[:2]:
        raise ShapeError(
            f"{op}: x and index must be (N, C, H, W) and (N, C, P, Q), "
            f"got {x_shape} and {index_shape}"
        )
