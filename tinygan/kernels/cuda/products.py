"""How matrix products are cut into tiles and splits (csrc/common/tg_gemm.cuh, tg_thin.cuh).

The plan depends on the shape alone, so reruns are bit-equal. A product with few tiles and a long
inner extent is cut along it: the pieces are summed apart and added in a fixed order by
``split_sums``.
"""

from __future__ import annotations

from dataclasses import dataclass

from ..arrays import Array, xp_of
from .launch import launch
from .spec import over

MOST_ENTRIES = 2**31 - 2**12  # of an array: indices are 32 bits, and tiles reach past the end
_BLOCKS = 264  # wanted of a product: two a multiprocessor of an H100
_CHUNK = 128  # least of the inner extent that is worth a block of its own
_MOST_SPLITS = 64


@dataclass(frozen=True, slots=True)
class ProductPlan:
    """How one product (M, K) by (K, N) is cut.

    Attributes:
        tile: ``64`` or ``128``, squares of that side, or ``thin``, 256 by 4.
        chunk: of the inner extent that a block sums: a multiple of 16, or all of it.
        splits: how many chunks there are.
    """

    tile: str
    chunk: int
    splits: int

    def room(self, y: Array) -> Array:
        """Return what the product is written to: y, or scratch (splits, ...) of its size."""
        if self.splits == 1:
            return y
        out: Array = xp_of(y).empty((self.splits, *y.shape), "f4")
        return out


def product_plan(m: int, n: int, depth: int, *, items: int = 1, thin: bool = False) -> ProductPlan:
    """Plan the product of (m, depth) and (depth, n).

    Args:
        m: rows.
        n: columns.
        depth: the inner extent.
        items: how many such products run at once.
        thin: there is a kernel for products of up to four columns.
    """
    if thin and n <= 4 and m >= 256:
        # its blocks have half the others' threads
        return _split("thin", items * over(m, 256), depth, 2 * _BLOCKS)
    large = items * over(m, 128) * over(n, 128)
    if large >= _BLOCKS // 2 and min(m, n) > 64:
        return ProductPlan("128", max(depth, 1), 1)
    return _split("64", items * over(m, 64) * over(n, 64), depth, _BLOCKS)


def _split(tile: str, tiles: int, depth: int, blocks: int) -> ProductPlan:
    """Cut the inner extent so that ``tiles`` become about as many blocks as are wanted."""
    wanted = min(blocks // tiles, over(depth, _CHUNK), _MOST_SPLITS)
    if wanted < 2:
        return ProductPlan(tile, max(depth, 1), 1)
    chunk = over(over(depth, wanted), 16) * 16
    return ProductPlan(tile, chunk, over(depth, chunk))


def add_splits(partial: Array, y: Array, bias: Array | None = None) -> None:
    """Write the sum of partial (splits, *y.shape) to y, in a fixed order, plus a bias of columns.

    y is in C order; the bias belongs to its last axis.
    """
    launch(
        "split_sums",
        partial=partial,
        bias=bias,
        y=y,
        splits=len(partial),
        count=y.size,
        columns=y.shape[-1],
    )
