"""Shapes and parameters of one upfirdn2d call, validated in one place.

Symbols: N, C, H, W input; R, S taps of the filter; P, Q output.

    P = floor((H up + top + bottom - R) / down) + 1        (Q from W and S alike)
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from ...errors import OptionError, ShapeError
from ..arrays import Array, Shape
from ..conv2d.spec import Pair, pair

Sides = tuple[Pair, Pair]


@dataclass(frozen=True, slots=True)
class UpfirdnSpec:
    """Parameters of upsample, filter, downsample; hashable.

    Attributes:
        up: distance of the input pixels in the zero-stuffed image, (height, width), at least 1.
        down: distance of the kept outputs, (height, width), at least 1.
        padding: ((top, bottom), (left, right)): zeros added to the stuffed image, negative crops.
        flip: apply the filter as it is (correlation); else turned by 180 degrees (convolution).
    """

    up: Pair = (1, 1)
    down: Pair = (1, 1)
    padding: Sides = ((0, 0), (0, 0))
    flip: bool = False

    def __post_init__(self) -> None:
        for name, value in (("up", self.up), ("down", self.down)):
            if pair(value, name) != value or min(value) < 1:
                raise OptionError(f"{name}={value!r}: use a pair of ints, each at least 1")
        if len(self.padding) != 2 or any(pair(s, "padding") != s for s in self.padding):
            raise OptionError(f"padding={self.padding!r}: use ((top, bottom), (left, right))")

    def out_size(self, size: int, taps: int, axis: int) -> int:
        """Return P for H = ``size`` and R = ``taps`` (``axis`` 0), or Q (``axis`` 1).

        Raises:
            ShapeError: the filter is larger than the padded image.
        """
        up, sides = self.up[axis], self.padding[axis]
        padded = size * up + sum(sides)
        if padded < taps:
            raise ShapeError(
                f"upfirdn2d: the filter has {taps} taps along axis {axis + 2}, but the image "
                f"{size} * up {up} + padding {sides} = {padded} pixels: use padding of at least "
                f"{taps - size * up} in all"
            )
        return (padded - taps) // self.down[axis] + 1

    def out_shape(self, x: Shape, f: Shape) -> Shape:
        """Return the output's shape (N, C, P, Q) for x (N, C, H, W) and f (R, S).

        Raises:
            ShapeError: x is not 4-d, f not 2-d, one of them is empty, or f is too large.
        """
        if len(x) != 4 or 0 in x[2:]:
            raise ShapeError(f"upfirdn2d: x {x} must be (N, C, H, W) with H, W >= 1; f is {f}")
        if len(f) != 2 or 0 in f:
            raise ShapeError(f"upfirdn2d: f {f} must be (R, S) with R, S >= 1; x is {x}")
        return x[0], x[1], self.out_size(x[2], f[0], 0), self.out_size(x[3], f[1], 1)

    def adjoint(self, x: Shape, f: Shape) -> UpfirdnSpec:
        """Return the parameters with which upfirdn2d takes a cotangent back to an x of this shape.

        Up and down change places and the filter is turned. Output pixel h of the adjoint meets the
        cotangent p at tap r where p down = h up + top - r, hence R - 1 - top zeros before.
        """
        out, sides = self.out_shape(x, f)[2:], []
        for axis, size in enumerate(x[2:]):
            before = f[axis] - 1 - self.padding[axis][0]
            stuffed = out[axis] * self.down[axis]
            sides.append((before, (size - 1) * self.up[axis] + f[axis] - stuffed - before))
        return replace(
            self, up=self.down, down=self.up, padding=(sides[0], sides[1]), flip=not self.flip
        )

    def check_fgrad(self, x: Shape, gy: Shape, f: Shape) -> None:
        """Check that gy has the shape of the output of x and a filter of shape ``f``.

        Raises:
            ShapeError: it has another one.
        """
        fits = self.out_shape(x, f)
        if tuple(gy) != fits:
            raise ShapeError(
                f"upfirdn2d_fgrad: x {x} and f_shape {f} with {self} give an output of {fits}, "
                f"but gy is {gy}"
            )

    def in_order(self, f: Array) -> Array:
        """Return ``f`` in the order in which it meets the image, or a result of that order as f."""
        return f if self.flip else f[::-1, ::-1]
