"""Arrays as the fast kernels take them: a matrix (rows, width) in C order.

A row is what one mean is taken of, and its entries may come in any order that weight and bias share
with x. So a channels-last image that is normalised over all of C, H, W stays as it is, and the
small operands are brought to its order; every other layout is copied into C order.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from ..arrays import Array, Shape, empty_channels_last, is_channels_last
from ..reduce.rows import c_order


class Rows(NamedTuple):
    """How x is read: as it lies where ``nhwc``, else in C order."""

    shape: Shape
    inner: Shape
    nhwc: bool

    @classmethod
    def of(cls, x: Array, weight: Array) -> Rows:
        """Choose the order in which x is read without a copy."""
        nhwc = weight.ndim == 3 and is_channels_last(x) and not x.flags.c_contiguous
        return cls(x.shape, weight.shape, nhwc)

    def matrix(self, a: Array) -> Array:
        """Return ``a``, shaped as x, as (rows, width): a view where its layout is that of x."""
        a = a.transpose(0, 2, 3, 1) if self.nhwc else a
        return c_order(a).reshape(-1, int(np.prod(self.inner)))

    def vector(self, a: Array) -> Array:
        """Return ``a``, shaped as weight, as (width,) in the order of a row."""
        return c_order(a.transpose(1, 2, 0) if self.nhwc else a).reshape(-1)

    def from_vector(self, a: Array) -> Array:
        """Return a (width,) array in the shape of weight."""
        if not self.nhwc:
            return a.reshape(self.inner)
        c, h, w = self.inner
        return c_order(a.reshape(h, w, c).transpose(2, 0, 1))

    def empty(self, dtype: np.dtype, xp: Any = np) -> tuple[Array, Array]:
        """Allocate an array laid out as x; return it and its matrix."""
        if self.nhwc:
            out = empty_channels_last(xp, self.shape, dtype)
        else:
            out = xp.empty(self.shape, dtype)
        return out, self.matrix(out)
