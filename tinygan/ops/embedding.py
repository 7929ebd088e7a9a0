"""Embedding: rows of a table, looked up by index."""

from __future__ import annotations

from typing import Any

from ..autograd import Tensor
from ..autograd.linear import as_tensor, take
from ..errors import DtypeError, ShapeError
from ..kernels.cuda.graph import active


def embedding(index: Any, weight: Any) -> Tensor:
    """Look up rows of a table.

    Shapes: index (...) integers in [0, K), weight (K, E) -> (..., E).

    Raises:
        DtypeError: the index is not of integers.
        ShapeError: weight is not a matrix, or an index is out of range.

    Differentiable: any order in weight; a row looked up twice collects both cotangents.
    """
    index, weight = as_tensor(index), as_tensor(weight)
    if index.dtype.kind not in "iu":
        raise DtypeError(f"embedding: the index must hold integers, got {index.dtype}")
    if weight.ndim != 2:
        raise ShapeError(f"embedding: weight must be (K, E), got {weight.shape}")
    looks = index.size and active() is None  # before a step is captured, others like it have run
    if looks and not (int(index.data.min()) >= 0 and int(index.data.max()) < len(weight)):
        raise ShapeError(
            f"embedding: indices run from {int(index.data.min())} to {int(index.data.max())}, "
            f"weight {weight.shape} takes 0 to {len(weight) - 1}"
        )
    return take(weight, index, 0)
