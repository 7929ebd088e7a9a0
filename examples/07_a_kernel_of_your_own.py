"""7. A kernel of your own: register it, and let the conformance suite judge it.

The suite records the calls that random cases make of an op, runs your kernel on them, and holds it
to the op's reference: by a bound that follows from the accumulator that you declare, bit for bit on
small integers, between guard bands, with NaN and Inf planted, in odd layouts, and once more on the
same operands. ``tinygan check sum --plugin FILE`` (without ``.py``) does it from the shell.
"""

import numpy as np

from tinygan import kernels, ops
from tinygan.errors import ConformanceError
from tinygan.testing import conform_kernel


def by_halves(x, axis, keepdims, *, tail):
    """Add the second half to the first: n numbers take log2(n) roundings, a running sum n."""
    for a in axis:
        rows = np.moveaxis(x, a, 0)
        while len(rows) > 1:
            half = len(rows) // 2
            odd = rows[2 * half :] if tail else rows[:0]  # has no partner, and waits for one
            rows = np.concatenate([rows[:half] + rows[half : 2 * half], odd])
        x = np.moveaxis(rows if len(rows) else np.zeros((1, *rows.shape[1:]), x.dtype), 0, a)
    return np.array(x if keepdims else x.squeeze(tuple(axis)))


@kernels.register("sum", "numpy", "halves", accumulate="input", exact=True)
def halves(x, *, axis, keepdims):
    """Sum by halves, in the dtype of x."""
    return by_halves(x, axis, keepdims, tail=True)


@kernels.register("sum", "numpy", "careless", accumulate="input", exact=True)
def careless(x, *, axis, keepdims):
    """Forget the number without a partner, as kernels forget the tail of a row."""
    return by_halves(x, axis, keepdims, tail=False)


row = conform_kernel("sum/numpy/halves", cases=50)
print(f"halves: {row.calls} calls, {row.integers} of them on integers, bit for bit; "
      f"worst error {row.ratio:.2f} of the bound")  # fmt: skip

try:
    conform_kernel("sum/numpy/careless", cases=50)
except ConformanceError as error:
    print("careless:", error)
    print(f'again by: tinygan check --plugin ... --repro "{error.reproducer}"')
else:
    raise SystemExit("the suite missed a lost tail")
finally:
    kernels.unregister("sum/numpy/careless")

# Every op that sums uses it where it is named, its gradients too.
with kernels.use_backend("numpy/halves", "numpy"):
    assert float(ops.sum(np.arange(7.0)).data) == 21
