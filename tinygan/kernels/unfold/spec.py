"""The windows of unfold and fold, validated in one place."""

from __future__ import annotations

from dataclasses import dataclass

from ...errors import OptionError, ShapeError
from ..arrays import Shape
from ..conv2d.spec import ConvSpec, Pair, pair


@dataclass(frozen=True, slots=True)
class UnfoldSpec:
    """Windows over an image; hashable.

    Attributes:
        kernel: (R, S), at least 1.
        conv: stride, padding and dilation of the windows; its groups are not read.
    """

    kernel: Pair
    conv: ConvSpec

    def __post_init__(self) -> None:
        if pair(self.kernel, "kernel_size") != self.kernel or min(self.kernel) < 1:
            raise OptionError(f"kernel_size={self.kernel!r}: use a pair of ints, each at least 1")

    def windows(self, op: str, x: Shape) -> Pair:
        """Return (P, Q), the windows along both axes of x (N, C, H, W).

        Raises:
            ShapeError: x is not 4-d, or no window fits into it.
        """
        if len(x) != 4:
            raise ShapeError(f"{op}: x must be (N, C, H, W), got {x}")
        found = []
        for axis, (size, taps) in enumerate(zip(x[2:], self.kernel, strict=True)):
            padded = size + 2 * self.conv.padding[axis]
            reach = self.conv.reach(taps, axis)
            if reach > padded:
                raise ShapeError(
                    f"{op}: windows span {reach} pixels of axis {axis + 2}, but x {x} has {size} "
                    f"and padding {self.conv.padding[axis]}"
                )
            found.append((padded - reach) // self.conv.stride[axis] + 1)
        return found[0], found[1]

    def cols_shape(self, op: str, x: Shape) -> Shape:
        """Return (N, C R S, P Q) for x (N, C, H, W).

        Raises:
            ShapeError: x is not 4-d, or no window fits into it.
        """
        p, q = self.windows(op, x)
        return x[0], x[1] * self.kernel[0] * self.kernel[1], p * q

    def check_fold(self, cols: Shape, x: Shape) -> None:
        """Check that unfolding an x of this shape gives columns of the shape ``cols``.

        Raises:
            ShapeError: it gives others.
        """
        fits = self.cols_shape("fold", x)
        if tuple(cols) != fits:
            raise ShapeError(
                f"fold: images {x} with windows {self.kernel} and {self.conv} have columns {fits}, "
                f"got {tuple(cols)}"
            )
