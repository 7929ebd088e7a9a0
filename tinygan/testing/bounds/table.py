"""The table that bounds are entered into."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from ... import kernels
from ...errors import OptionError
from ...kernels.arrays import Array
from ...kernels.registry import Kernel
from .running import Machine

Errors = tuple["Array | None", ...]
Bound = Callable[..., Errors]

BOUNDS: dict[str, Bound] = {}


def bound(*ops: str) -> Callable[[Bound], Bound]:
    """Return a decorator that makes the function below it the bound of these kernel ops.

    A kernel whose algorithm loses more digits than the op's definition has a bound of its own, of
    ``"op/variant"``. The function is called as ``fn(machine, *arrays, **params)`` on arrays of
    float64 and returns, for every output of the op, how far a kernel on that machine may be from
    the exact result.
    """

    def _enter(fn: Bound) -> Bound:
        BOUNDS.update(dict.fromkeys(ops, fn))
        return fn

    return _enter


def bound_of(kernel: Kernel, dtype: Any, /, *arrays: Any, **params: Any) -> Errors:
    """Return the bound on the error of each output of a kernel on these operands.

    Args:
        kernel: says in which type it carries its sums.
        dtype: the float type of the operands, in which the arithmetic runs.
        arrays: the operands.
        params: the parameters of the call.

    Raises:
        OptionError: the op has no bound.
    """
    key = f"{kernel.op}/{kernel.variant}"
    if key not in BOUNDS:
        key = kernel.op
    if key not in BOUNDS:
        raise OptionError(
            f"kernel op {kernel.op!r} has no error bound: write one with @bound({kernel.op!r}) "
            "as tinygan/testing/bounds does (its running.py says how)"
        )
    machine = Machine.of(dtype, kernel.accumulate)
    with np.errstate(all="ignore"):  # an infinite bound claims nothing
        return BOUNDS[key](machine, *arrays, **params)


def reference(op: str) -> Kernel:
    """Return the reference kernel of an op, on NumPy."""
    return next(k for k in kernels.kernels(op) if k.backend == "numpy")
