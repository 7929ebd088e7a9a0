"""One table with many consumers: gradient checks, kernel conformance and benchmarks draw from it.

A *family* is a generator of random cases of one public op, which reach what is special in it: odd
sizes, axes of length 0 and 1, stride beyond the kernel, groups, broadcasting. It asks a ``Choices``
for shapes and options and returns a function of tensors with its operands:

    @family("conv2d", kernels=("conv2d", "conv2d_dgrad", "conv2d_wgrad"))
    def _conv2d(c: Choices) -> Drawn:
        r, stride = c.integer(1, 7), c.integer(1, 4)
        ...
        return Drawn(lambda x, w: ops.conv2d(x, w, stride=stride), [c.normal(...), c.normal(...)])

Operands are small, and drawn away from kinks, where a difference quotient means nothing. Memory
layouts are applied by the table, to operands on their way in and to cotangents on their way back.
"""

# each module enters its families in the table
from . import activations as activations
from . import conv as conv
from . import elementwise as elementwise
from . import filters as filters
from . import indexing as indexing
from . import losses as losses
from . import norms as norms
from . import reductions as reductions
from . import resample as resample
from . import sequences as sequences
from . import shapes as shapes
from . import style as style
from .table import FAMILIES, Case, Drawn, Family, family

__all__ = ["FAMILIES", "Case", "Drawn", "Family", "family"]
