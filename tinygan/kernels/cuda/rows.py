"""Kernels along the rows of a matrix (csrc/common/tg_rows.cuh): how many threads share a row."""

from __future__ import annotations

_WARP, _BLOCK = 32, 256
_MOST_OF_A_WARP = 1024  # entries of a row: beyond, eight warps share it


def row_sizes(rows: int, width: int) -> dict[str, int]:
    """Return the scalars of a kernel along the rows of a matrix (rows, width)."""
    threads = _WARP if width <= _MOST_OF_A_WARP else _BLOCK
    return {"rows": rows, "width": width, "row_threads": threads}
