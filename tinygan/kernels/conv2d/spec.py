"""Shapes and parameters of one 2-D convolution, validated in one place.

Symbols, here and in all kernels: N batch; C, O input and output channels; H, W input size; P, Q
output size; R, S kernel size; small letters are their indices.

    P = floor((H + 2 padding - dilation (R - 1) - 1) / stride) + 1        (Q from W and S alike)

The transposed convolution runs the other way. Up to stride - 1 sizes H give the same P, so it takes
``output_padding`` to say which one is meant:

    H = (P - 1) stride - 2 padding + dilation (R - 1) + 1 + output_padding
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from ...errors import OptionError, ShapeError
from ..arrays import Shape

Pair = tuple[int, int]


def pair(value: int | Pair, name: str) -> Pair:
    """Return ``value`` as (height, width); an int counts for both.

    Raises:
        OptionError: it is neither an int nor a pair of ints.
    """
    both = (value, value) if isinstance(value, int) else value
    if not isinstance(both, tuple | list) or len(both) != 2 or {type(v) for v in both} != {int}:
        raise OptionError(f"{name}={value!r}: use an int or a pair (height, width) of ints")
    return both[0], both[1]


@dataclass(frozen=True, slots=True)
class ConvSpec:
    """Parameters of a convolution; hashable, so that plans can be cached by it.

    Attributes:
        stride: step of the window over the input, (height, width), at least 1.
        padding: zeros added on each side of the input, (height, width).
        dilation: distance between two taps of the kernel, (height, width), at least 1.
        groups: number of blocks that input and output channels are cut into; output block i sees
            input block i only.
    """

    stride: Pair = (1, 1)
    padding: Pair = (0, 0)
    dilation: Pair = (1, 1)
    groups: int = 1

    def __post_init__(self) -> None:
        for name, least in (("stride", 1), ("padding", 0), ("dilation", 1)):
            value = getattr(self, name)
            if pair(value, name) != value or min(value) < least:
                raise OptionError(f"{name}={value!r}: use a pair of ints, each at least {least}")
        if not isinstance(self.groups, int) or self.groups < 1:
            raise OptionError(f"groups={self.groups!r}: use an int of at least 1")

    @classmethod
    def of(
        cls,
        *,
        stride: int | Pair = 1,
        padding: int | Pair = 0,
        dilation: int | Pair = 1,
        groups: int = 1,
    ) -> ConvSpec:
        """Build a spec from ints or pairs.

        Raises:
            OptionError: a value is of another kind or too small.

        >>> ConvSpec.of(stride=2, padding=(1, 0)).padding
        (1, 0)
        """
        return cls(
            pair(stride, "stride"), pair(padding, "padding"), pair(dilation, "dilation"), groups
        )

    def reach(self, taps: int, axis: int) -> int:
        """Return how many input pixels the kernel spans: dilation (R - 1) + 1."""
        return self.dilation[axis] * (taps - 1) + 1

    def out_size(self, size: int, taps: int, axis: int) -> int:
        """Return P for an input of H = ``size`` and R = ``taps`` (``axis`` 0), or Q (``axis`` 1).

        Raises:
            ShapeError: the kernel is larger than the padded input.
        """
        padded, reach = size + 2 * self.padding[axis], self.reach(taps, axis)
        if reach > padded:
            raise ShapeError(
                f"conv2d: the kernel spans {reach} pixels of axis {axis + 2}, but the input has "
                f"{size} + 2 * {self.padding[axis]} padding = {padded}: use a larger input or "
                f"padding >= {-(-(reach - size) // 2)}"
            )
        return (padded - reach) // self.stride[axis] + 1

    def out_shape(self, x: Shape, w: Shape) -> Shape:
        """Return the output's shape (N, O, P, Q) for x (N, C, H, W) and w (O, C/groups, R, S).

        Raises:
            ShapeError: the shapes do not fit each other or the groups.
        """
        check_weight(w)
        if len(x) != 4:
            raise ShapeError(f"conv2d: x {x} must be (N, C, H, W); w is {w}")
        if x[1] != w[1] * self.groups or w[0] % self.groups:
            raise ShapeError(
                f"conv2d: x {x} and w {w} do not fit groups={self.groups}: w must be "
                f"(a multiple of {self.groups}, {x[1] / self.groups:g}, {w[2]}, {w[3]})"
            )
        return x[0], w[0], self.out_size(x[2], w[2], 0), self.out_size(x[3], w[3], 1)

    def check_dgrad(self, gy: Shape, w: Shape, x: Shape) -> None:
        """Check that a convolution of an x of this shape with w has an output of gy's shape.

        Raises:
            ShapeError: it has another one.
        """
        fits = self.out_shape(x, w)
        if tuple(gy) != fits:
            raise ShapeError(
                f"conv2d_dgrad: x_shape {x} and w {w} with {self} give an output of {fits}, "
                f"but gy is {gy}"
            )

    def check_wgrad(self, x: Shape, gy: Shape, w: Shape) -> None:
        """Check that gy has the shape of the output of x and a weight of shape ``w``.

        Raises:
            ShapeError: it has another one.
        """
        fits = self.out_shape(x, w)
        if tuple(gy) != fits:
            raise ShapeError(
                f"conv2d_wgrad: x {x} and w_shape {w} with {self} give an output of {fits}, "
                f"but gy is {gy}"
            )

    def transposed_shape(self, gy: Shape, w: Shape, output_padding: Pair = (0, 0)) -> Shape:
        """Return the output's shape (N, C, H, W) of the transposed convolution of gy (N, O, P, Q).

        ``w`` is (O, C/groups, R, S): the transposed convolution's *input* channels come first.

        Raises:
            ShapeError: gy's channels are not w's, or the output would be empty.
            OptionError: ``output_padding`` is negative or not smaller than the stride.
        """
        check_weight(w)
        if len(gy) != 4 or gy[1] != w[0] or w[0] % self.groups:
            raise ShapeError(
                f"conv_transpose2d: x {gy} and w {w} do not fit groups={self.groups}: x must be "
                f"(N, {w[0]}, H, W), its channels a multiple of the groups"
            )
        sizes = []
        for axis in (0, 1):
            extra, stride = output_padding[axis], self.stride[axis]
            if not 0 <= extra < stride:
                raise OptionError(
                    f"output_padding={output_padding}: use 0 .. stride - 1 = {stride - 1} "
                    f"for stride={self.stride}"
                )
            reach = self.reach(w[axis + 2], axis)
            size = (gy[axis + 2] - 1) * stride - 2 * self.padding[axis] + reach + extra
            if size < 1 or gy[axis + 2] < 1:
                raise ShapeError(
                    f"conv_transpose2d: x {gy} and w {w} with {self} leave no output on axis "
                    f"{axis + 2}: use padding <= {(size + 2 * self.padding[axis] - 1) // 2}"
                )
            sizes.append(size)
        return gy[0], w[1] * self.groups, sizes[0], sizes[1]

    def channel_blocks(self, w: Shape) -> Iterator[tuple[slice, slice]]:
        """Yield the slices of C and of O that belong together, one pair a group."""
        o, c = w[0] // self.groups, w[1]
        for g in range(self.groups):
            yield slice(g * c, (g + 1) * c), slice(g * o, (g + 1) * o)


def check_weight(w: Shape) -> None:
    """Check that ``w`` is a shape (O, C/groups, R, S) with at least one tap.

    Raises:
        ShapeError: it isn't.
    """
    if len(w) != 4 or w[2] < 1 or w[3] < 1:
        raise ShapeError(f"conv2d: w {w} must be (O, C/groups, R, S) with R, S >= 1")
