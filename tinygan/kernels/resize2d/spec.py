"""The parameters of an interpolation, validated in one place."""

from __future__ import annotations

from dataclasses import dataclass

from ...errors import OptionError, ShapeError
from ..arrays import Shape
from ..conv2d.spec import Pair, pair
from .weights import ANTIALIASED, CORNERED, MODES, Taps, taps_along, transposed


@dataclass(frozen=True, slots=True)
class ResizeSpec:
    """A linear map of images (H, W) to images (P, Q), separable; hashable.

    Attributes:
        size: (H, W).
        out: (P, Q).
        mode: one of ``MODES``.
        step: distance of two output pixels in input pixels, (height, width), where it is not
            H / P and W / Q: 1 / scale_factor. The aligned corners and ``area`` don't read it.
        align_corners: the centres of the corner pixels of both images coincide; else their corners.
        antialias: widen the filter where the image shrinks, so that all pixels are seen.
    """

    size: Pair
    out: Pair
    mode: str = "bilinear"
    step: tuple[float, float] | None = None
    align_corners: bool = False
    antialias: bool = False

    def __post_init__(self) -> None:
        if self.mode not in MODES:
            raise OptionError(f"mode={self.mode!r}: use one of {', '.join(MODES)}")
        for flag, fitting in (("align_corners", CORNERED), ("antialias", ANTIALIASED)):
            if getattr(self, flag) and self.mode not in fitting:
                raise OptionError(
                    f"{flag} does not fit mode={self.mode!r}: it fits {', '.join(fitting)}"
                )
        for name, value in (("size", self.size), ("out", self.out)):
            if pair(value, name) != value or min(value) < 1:
                raise OptionError(f"resize2d: {name}={value!r}: use a pair of ints, at least 1")
        if self.step is not None and not all(0 < step < float("inf") for step in self.step):
            raise OptionError(f"resize2d: step={self.step!r}: use positive, finite numbers")

    def out_shape(self, x: Shape) -> Shape:
        """Return the output's shape (N, C, P, Q) for x (N, C, H, W).

        Raises:
            ShapeError: x is of another shape.
        """
        if len(x) != 4 or tuple(x[2:]) != self.size:
            raise ShapeError(f"resize2d: x {x} must be (N, C, {self.size[0]}, {self.size[1]})")
        return (*x[:2], *self.out)

    def in_shape(self, gy: Shape) -> Shape:
        """Return the input's shape (N, C, H, W) for a cotangent gy (N, C, P, Q).

        Raises:
            ShapeError: gy is of another shape.
        """
        if len(gy) != 4 or tuple(gy[2:]) != self.out:
            raise ShapeError(
                f"resize2d_adjoint: gy {gy} must be (N, C, {self.out[0]}, {self.out[1]})"
            )
        return (*gy[:2], *self.size)

    def taps(self, axis: int) -> Taps:
        """Return the weights along the height (``axis`` 0) or the width (``axis`` 1)."""
        step = None if self.step is None else self.step[axis]
        flags = (self.align_corners, self.antialias)
        return taps_along(self.mode, self.size[axis], self.out[axis], step, *flags)

    def adjoint_taps(self, axis: int) -> Taps:
        """Return the same weights by input pixels: the transposed matrix."""
        step = None if self.step is None else self.step[axis]
        flags = (self.align_corners, self.antialias)
        return transposed(self.mode, self.size[axis], self.out[axis], step, *flags)
