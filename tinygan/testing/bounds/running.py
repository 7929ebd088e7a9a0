"""Running error analysis: arithmetic on pairs of a value and a bound on the error of computing it.

A bound on what rounding does to a formula is derived by evaluating the formula once, in float64,
in this arithmetic: every operation passes on the errors of its operands and adds its own. So a
bound is as long as the definition of the op, holds for the operands at hand, and knows of no
tolerance.

Let u be the unit roundoff of the operands' dtype, and u_s that of the accumulator. Then, with
da, db the errors of the operands and v the exact result:

    a + b       da + db                       + u |v|      (and as much for a - b)
    a * b       |a| db + |b| da + da db       + u |v|
    a / b       (da + |a / b| db) / (|b| - db) + u |v|
    sum of n    sum da + gamma_n sum |a|      + u |v|      gamma_n = n u_s / (1 - n u_s)
    f(a)        the larger of |f(a +- da) - f(a)|, f monotone, + ulps * 2 u |v|

gamma_n holds for every order of summation, blocked, pairwise or vectorized (N. Higham, *Accuracy
and Stability of Numerical Algorithms*, 2nd edition, sections 3.3 and 4.2). Where a result
underflows the relative bound fails, so products, quotients and functions also add the smallest
normal number, which covers kernels that flush to zero.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from ...kernels.arrays import Array

# Of a transcendental function: what NumPy promises of its vectorized float32 functions
# (numpy/core/src/umath/loops_exponent_log.dispatch.c.src), and what kernels/bias_act holds its own
# polynomials to.
LIBM_ULPS = 4

Axes = int | tuple[int, ...] | None


@dataclass(frozen=True)
class Machine:
    """How a kernel rounds.

    Attributes:
        unit: unit roundoff of the operands' dtype, half its eps.
        sums: unit roundoff of the accumulator.
        tiny: smallest normal number of the operands' dtype.
    """

    unit: float
    sums: float
    tiny: float

    @classmethod
    def of(cls, dtype: Any, accumulate: str = "input") -> Machine:
        """Describe arithmetic in ``dtype`` with sums carried in ``accumulate``."""
        info = np.finfo(dtype)
        sums = info if accumulate == "input" else np.finfo(accumulate)
        # an accumulator narrower than the operands would be a fault, not a wider bound
        return cls(float(info.eps) / 2, float(min(sums.eps, info.eps)) / 2, float(info.tiny))

    def given(self, a: Any) -> Running:
        """Take an operand as it is, without error."""
        value = np.asarray(a, dtype=np.float64)
        return Running(self, value, np.zeros_like(value))

    def constant(self, c: float) -> Running:
        """Take a number of a formula, which the kernel may round to the operands' dtype."""
        exact = float(np.float32(c)) == c
        return Running(self, np.float64(c), np.float64(0.0 if exact else self.unit * abs(c)))

    def gamma(self, n: int) -> float:
        """Return n u / (1 - n u) of the accumulator."""
        return n * self.sums / (1 - n * self.sums)

    def rounded(self, value: Any, error: Any, ulps: float = 0.5, tiny: bool = True) -> Running:
        """Add the rounding of a result to the error that its operands brought."""
        own = 2 * ulps * self.unit * (abs(value) + error)
        return Running(self, value, error + own + (self.tiny if tiny else 0.0))


class Running:
    """An array as a kernel computes it: the value, and a bound on the error, both float64."""

    __slots__ = ("error", "machine", "value")
    __array_ufunc__ = None  # NumPy's numbers defer: number * running is a running

    def __init__(self, machine: Machine, value: Any, error: Any) -> None:
        self.machine, self.value, self.error = machine, value, error

    def _other(self, b: Running | float) -> Running:
        return b if isinstance(b, Running) else self.machine.constant(b)

    def __neg__(self) -> Running:
        return Running(self.machine, -self.value, self.error)

    def __abs__(self) -> Running:
        return Running(self.machine, abs(self.value), self.error)

    def __add__(self, b: Running | float) -> Running:
        b = self._other(b)
        value, error = self.value + b.value, self.error + b.error
        return self.machine.rounded(value, error, tiny=False)

    def __radd__(self, b: float) -> Running:
        return self + b

    def __sub__(self, b: Running | float) -> Running:
        return self + -self._other(b)

    def __rsub__(self, b: float) -> Running:
        return -self + b

    def __mul__(self, b: Running | float) -> Running:
        b = self._other(b)
        error = abs(self.value) * b.error + abs(b.value) * self.error + self.error * b.error
        return self.machine.rounded(self.value * b.value, error)

    def __rmul__(self, b: float) -> Running:
        return self * b

    def __truediv__(self, b: Running | float) -> Running:
        b = self._other(b)
        value = self.value / b.value
        room = abs(b.value) - b.error  # none is left: the divisor may be 0, no bound holds
        error = np.where(room > 0, (self.error + abs(value) * b.error) / abs(room), np.inf)
        return self.machine.rounded(value, error)

    def __rtruediv__(self, b: float) -> Running:
        return self._other(b) / self

    def apply(self, f: Callable[[Any], Any], ulps: float = LIBM_ULPS) -> Running:
        """Apply a monotone function that is computed to within so many ulps."""
        value = f(self.value)
        ends = (f(self.value + self.error), f(self.value - self.error))
        moved = np.maximum(*(abs(end - value) for end in ends))
        return self.machine.rounded(value, np.where(np.isnan(moved), np.inf, moved), ulps)

    def sqrt(self) -> Running:
        """Take the square root, which IEEE 754 rounds correctly; below 0 it is taken of 0."""
        return self.apply(lambda v: np.sqrt(np.maximum(v, 0)), ulps=0.5)

    def at_least(self, low: Running | float) -> Running:
        """Take the larger of the two: no rounding, and no error grows."""
        low = self._other(low)
        value = np.maximum(self.value, low.value)
        return Running(self.machine, value, np.maximum(self.error, low.error))

    def at_most(self, high: Running | float) -> Running:
        """Take the smaller of the two."""
        return -((-self).at_least(-self._other(high)))

    def sum(self, axis: Axes = None, keepdims: bool = False) -> Running:
        """Add up over axes, in any order, in the accumulator; round once to the dtype."""
        value = np.sum(self.value, axis=axis, keepdims=keepdims)
        n = self.value.size // max(np.size(value), 1)
        size = np.sum(abs(self.value) + self.error, axis=axis, keepdims=keepdims)
        error = np.sum(self.error, axis=axis, keepdims=keepdims) + self.machine.gamma(n) * size
        return self.machine.rounded(value, error, tiny=False)

    def mean(self, axis: Axes = None, keepdims: bool = False) -> Running:
        """Average over axes."""
        total = self.sum(axis, keepdims)
        return total / float(max(self.value.size // max(np.size(total.value), 1), 1))

    def reshape(self, *shape: int) -> Running:
        """Give value and error another shape."""
        return Running(self.machine, self.value.reshape(shape), self.error.reshape(shape))


def select(condition: Running, a: Running, b: Running) -> Running:
    """Take ``a`` where ``condition`` is positive, else ``b``; where its sign is unsure, either.

    The error there is how far the two lie apart, and the larger of theirs.
    """
    exactly_0 = (condition.value == 0) & (condition.error == 0)
    unsure = ~((abs(condition.value) > condition.error) | exactly_0)  # NaN too is neither side
    first = condition.value > 0
    value, error = np.where(first, a.value, b.value), np.where(first, a.error, b.error)
    apart = abs(a.value - b.value) + np.maximum(a.error, b.error)
    return Running(a.machine, value, np.where(unsure, apart, error))


def either(a: Running, b: Running) -> Running:
    """Take one value that two formulas give, of which a kernel may use either: the larger error."""
    return Running(a.machine, a.value, np.maximum(a.error, b.error))


def errors(*results: Running | Array | None) -> tuple[Array | None, ...]:
    """Return the bounds of some results; None stays None."""
    return tuple(r.error if isinstance(r, Running) else r for r in results)
