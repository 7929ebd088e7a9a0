"""How far a kernel may be from the exact result: a bound for every output of every kernel op.

A bound is derived from the operands, the parameters, the dtype and the accumulator that the kernel
declares, never tuned: where one fails, either the kernel or the derivation is wrong. Three kinds:

- selections (max, gather) are exact: the bound is 0;
- sums of products are off by (gamma_n + u) sum |x| |w|, whatever the order of summation; the op
  itself computes that sum, on absolute values, in float64;
- everything else is its definition, evaluated in the arithmetic of ``running.py``.

``tiny`` is added once for every term that may underflow. A new kernel op needs one function here:

    @bound("scaled_sum")
    def _scaled_sum(m: Machine, x: Array, *, scale: float) -> Errors:
        return errors(m.given(x).sum() * scale)
"""

from . import activations as activations  # each module enters its bounds in the table
from . import normalization as normalization
from . import optimizers as optimizers
from . import products as products
from . import resampling as resampling
from . import softmax as softmax
from .primitives import PRIMITIVES, Primitive, primitive, primitive_of
from .table import BOUNDS, Errors, bound, bound_of, reference

__all__ = [
    "BOUNDS",
    "PRIMITIVES",
    "Errors",
    "Primitive",
    "bound",
    "bound_of",
    "primitive",
    "primitive_of",
    "reference",
]
