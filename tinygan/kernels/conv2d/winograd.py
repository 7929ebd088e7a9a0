"""Winograd's convolution, in NumPy: the matrices derived from nothing, and the three passes.

The one-dimensional correlation y[i] = sum_j d[i + j] g[j], m outputs by r taps, takes t = m + r - 1
inputs and m r products. Toom and Cook make do with t. A polynomial of degree n - 1 is known by its
values at n points, "infinity" standing for the leading coefficient; the values of a product are the
products of the values. Let E_n be the t x n matrix that evaluates (its rows are 1, p, p^2, ...), so
that the product of polynomials g and h has the coefficients E_t^-1 [(E_r g) * (E_m h)]. That is a
bilinear map of g and h; with a third argument d it is a trilinear form,

    T(d, g, h) = sum_{i,j} d[i + j] g[j] h[i] = sum_k (E_t^-T d)_k (E_r g)_k (E_m h)_k ,

and the correlation is its derivative by h:  y = A^T [(G g) * (B^T d)],  with A = E_m, G = E_r and
B^T = E_t^-T. The other derivatives are the passes backward: dT/dd = B [(G g) * (A h)] is dgrad, and
dT/dg = G^T [(B^T d) * (A h)] is wgrad. So three matrices, and three maps of tiles, are all there
is. In two dimensions each matrix acts on rows and on columns: t^2 products for m^2 r^2.

A stride of s falls into phases: pixel s i + a of a line only meets taps s j + a, so a convolution
of stride s is the sum over s x s phases of one of stride 1, with ceil(R / s) taps a side.

Source: Lavin and Gray, arXiv:1509.09308 (F(m, r)); Toom-Cook and the points at which to evaluate:
Barabasz et al., arXiv:1803.10986. *Deviation*: other points, whose error is two
thirds of that of the usual ones.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from fractions import Fraction
from functools import cache
from typing import Any

import numpy as np

from ..arrays import Array, Shape
from .spec import ConvSpec

Matrix = list[list[Fraction]]


def _einsum(formula: str, *arrays: Array) -> Array:
    result: Array = np.einsum(formula, *arrays, optimize=True)  # by matrix products
    return result


# For m outputs by r taps; the last point, infinity, is understood. F(2) has small integers, whose
# matrices are binary fractions; of those that F(4) needs besides, these cost the fewest digits.
POINTS: dict[tuple[int, int], tuple[Fraction, ...]] = {
    (2, 2): (Fraction(0), Fraction(1)),
    (2, 3): (Fraction(0), Fraction(1), Fraction(-1)),
    (4, 2): (Fraction(0), Fraction(1, 2), Fraction(-1), Fraction(2)),
    (4, 3): (Fraction(0), Fraction(1), Fraction(-1), Fraction(1, 2), Fraction(-2)),
}


def toom_cook(m: int, r: int) -> tuple[Matrix, Matrix, Matrix]:
    """Return A (t, m), B (t, t) and G (t, r) of F(m, r), exactly.

    Row k of E_t^-T holds the coefficients of Lagrange's polynomial of point k, which is
    prod_j (x - p_j) / prod_j (p_k - p_j) over the other points; the divisor goes to G instead.

    >>> a, b, g = toom_cook(2, 2)
    >>> g == [[-1, 0], [1, 1], [0, 1]]
    True
    """
    points = POINTS[m, r]
    a = [[p**i for i in range(m)] for p in points] + [[Fraction(i == m - 1) for i in range(m)]]
    g, b_rows = [], []
    for p in points:
        others = [q for q in points if q != p]
        divisor = math.prod(p - q for q in others)
        g.append([p**j / divisor for j in range(r)])
        b_rows.append([*_coefficients(others), Fraction(0)])
    g.append([Fraction(j == r - 1) for j in range(r)])
    b_rows.append(_coefficients(points))
    return a, [list(column) for column in zip(*b_rows, strict=True)], g


def _coefficients(roots: Any) -> list[Fraction]:
    """Return the coefficients of prod (x - root), the constant first."""
    found = [Fraction(1)]
    for root in roots:
        found = [
            low - root * high
            for low, high in zip([Fraction(0), *found], [*found, Fraction(0)], strict=True)
        ]
    return found


@dataclass(frozen=True)
class Matrices:
    """A (t, m), B (t, t) and G (t, r) as float64 arrays."""

    a: Array
    b: Array
    g: Array

    def mapped(self, fn: Callable[[Array], Array]) -> Matrices:
        """Return the matrices with a function applied to their entries."""
        return Matrices(fn(self.a), fn(self.b), fn(self.g))


@cache
def matrices(m: int, r: int) -> Matrices:
    """Return the matrices of F(m, r), rounded to float64."""
    return Matrices(*(np.array(x, dtype=np.float64) for x in toom_cook(m, r)))


def refusal(spec: ConvSpec, w: Shape) -> str | None:
    """Say why a convolution has no Winograd algorithm here, or return None."""
    stride = spec.stride[0]
    if spec.groups != 1 or spec.dilation != (1, 1):
        return f"has no groups or dilation, got groups={spec.groups}, dilation={spec.dilation}"
    if spec.stride not in ((1, 1), (2, 2)) or w[2] != w[3] or not stride < w[2] <= 3 * stride:
        return (
            "takes square kernels of 2 or 3 taps a side and phase (2 or 3 at stride 1, 3 to 6 at "
            f"stride 2), got {w[2]} x {w[3]} at stride {spec.stride}"
        )
    return None


def taps(spec: ConvSpec, w: Shape) -> int:
    """Return r, the taps a side of one phase of the kernel."""
    return -(-w[2] // spec.stride[0])


class Tiling:
    """One convolution cut into tiles: m x m outputs, and the t x t inputs of each phase.

    Args:
        spec: its parameters.
        x: shape of the image (N, C, H, W).
        w: shape of the weights (O, C, R, S).
        m: outputs a side of a tile.
        of: the matrices; by default those of F(m, r).
    """

    def __init__(
        self, spec: ConvSpec, x: Shape, w: Shape, *, m: int, of: Matrices | None = None
    ) -> None:
        self.s, self.m, self.r = spec.stride[0], m, taps(spec, w)
        self.padding = spec.padding
        self.x, self.w, self.y = x, w, spec.out_shape(x, w)
        self.rows, self.columns = -(-self.y[2] // m), -(-self.y[3] // m)
        self.of = of or matrices(m, self.r)

    def conv2d(self, x: Array, w: Array) -> Array:
        """Return y (N, O, P, Q): dT/dg."""
        return self.to_y(self.of_x(x), self.of_w(w))

    def conv2d_dgrad(self, gy: Array, w: Array) -> Array:
        """Return gx (N, C, H, W): dT/dx."""
        return self.to_x(self.of_y(gy), self.of_w(w))

    def conv2d_wgrad(self, x: Array, gy: Array) -> Array:
        """Return gw (O, C, R, S): dT/dw."""
        return self.to_w(self.of_x(x), self.of_y(gy))

    def to_y(self, v: Array, u: Array) -> Array:
        """Multiply at all points, add up phases and channels, and map back: A^T M A."""
        products = _einsum("abuvnijc,abuvoc->uvnijo", v, u)
        tiles = _einsum("uk,vl,uvnijo->noikjl", self.of.a, self.of.a, products)
        whole = tiles.reshape(*self.y[:2], self.rows * self.m, self.columns * self.m)
        return whole[:, :, : self.y[2], : self.y[3]]

    def to_x(self, d: Array, u: Array) -> Array:
        """Multiply, add up, and map back: B M B^T; the tiles of a phase overlap, and are added."""
        products = _einsum("uvnijo,abuvoc->abuvnijc", d, u)
        tiles = _einsum("ku,lv,abuvnijc->abncijkl", self.of.b, self.of.b, products)
        padded = np.zeros(self._padded_shape())
        for a, b, i, j in np.ndindex(self.s, self.s, self.rows, self.columns):
            padded[self._patch(a, b, i, j)] += tiles[a, b, :, :, i, j]
        return self._cropped(padded)

    def to_w(self, v: Array, d: Array) -> Array:
        """Multiply, add up tiles, and map back: G^T M G."""
        products = _einsum("abuvnijc,uvnijo->abuvoc", v, d)
        phases = _einsum("uk,vl,abuvoc->ockalb", self.of.g, self.of.g, products)
        whole = phases.reshape(*self.w[:2], self.r * self.s, self.r * self.s)
        return whole[:, :, : self.w[2], : self.w[3]]

    def of_x(self, x: Array) -> Array:
        """Return B^T d B of all tiles d: (phase, phase, t, t, N, rows, columns, C)."""
        padded = np.zeros(self._padded_shape())
        self._cropped(padded)[...] = x
        t = self.m + self.r - 1
        tiles = np.empty((self.s, self.s, self.rows, self.columns, *self.x[:2], t, t))
        for at in np.ndindex(*tiles.shape[:4]):
            tiles[at] = padded[self._patch(*at)]
        return _einsum("ku,lv,abijnckl->abuvnijc", self.of.b, self.of.b, tiles)

    def of_y(self, gy: Array) -> Array:
        """Return A h A^T of all tiles h: (t, t, N, rows, columns, O)."""
        whole = np.zeros((*self.y[:2], self.rows * self.m, self.columns * self.m))
        whole[:, :, : self.y[2], : self.y[3]] = gy
        tiles = whole.reshape(*self.y[:2], self.rows, self.m, self.columns, self.m)
        return _einsum("uk,vl,noikjl->uvnijo", self.of.a, self.of.a, tiles)

    def of_w(self, w: Array) -> Array:
        """Return G g G^T of all filters: (phase, phase, t, t, O, C)."""
        side = self.r * self.s
        whole = np.zeros((*self.w[:2], side, side))
        whole[:, :, : self.w[2], : self.w[3]] = w
        phases = whole.reshape(*self.w[:2], self.r, self.s, self.r, self.s)
        return _einsum("uk,vl,ockalb->abuvoc", self.of.g, self.of.g, phases)

    def _padded_shape(self) -> Shape:
        """Return the shape of x with its padding, and room for the last tile."""
        reach = [
            max(size + pad, (n * self.m + self.r - 1) * self.s)
            for size, pad, n in zip(
                (self.x[2] + self.padding[0], self.x[3] + self.padding[1]),
                self.padding,
                (self.rows, self.columns),
                strict=True,
            )
        ]
        return *self.x[:2], reach[0], reach[1]

    def _cropped(self, padded: Array) -> Array:
        """Return the view of x in its padded copy."""
        (top, left), (_, _, h, w) = self.padding, self.x
        return padded[:, :, top : top + h, left : left + w]

    def _patch(self, a: int, b: int, i: int, j: int) -> tuple[slice, ...]:
        """Return where the t x t pixels of phase (a, b) of tile (i, j) lie in the padded copy."""
        sides = []
        for phase, tile in ((a, i), (b, j)):
            first = tile * self.m * self.s + phase
            sides.append(slice(first, first + (self.m + self.r - 1) * self.s, self.s))
        return slice(None), slice(None), *sides
