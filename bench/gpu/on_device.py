"""What a GPU must show: the wrappers of PTX, and every CUDA kernel on recorded calls.

The suite works on NumPy arrays. Here each kernel is wrapped: its operands are copied to the device
in the memory order that they have, the kernel runs there, and what it returns, or changed in place,
is copied back. So every rule holds that can be seen from the host: agreement with the reference
within the derived bound, exact integers, equal bits in a second run, NaN and Inf where they belong.
What lies outside of an operand can't be seen; the emulator watches that.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from tinygan import kernels
from tinygan.errors import ConformanceError
from tinygan.kernels.cuda import launch
from tinygan.kernels.registry import Kernel
from tinygan.testing.conform.calls import changed_operands
from tinygan.testing.conform.suite import conform_kernel


@dataclass(frozen=True)
class Verdict:
    """What the suite found of one kernel.

    Attributes:
        kernel: its key, ``op/cuda/variant``.
        calls: distinct calls that counted.
        ratio: the largest error as a fraction of its bound.
        failure: the first rule that it broke, or "".
    """

    kernel: str
    calls: int
    ratio: float
    failure: str


def wrappers(xp: Any) -> Iterator[Verdict]:
    """Run each wrapper of csrc/common/tg_ptx.cuh on a device, one size a call."""
    sizes = (1, 3, 4, 1023, 1024, 1025, 4096, 1_000_003)
    wrong = []
    for n in sizes:
        x, y = xp.arange(n, dtype="f4"), xp.full(n + 4, -1, "f4")
        launch("copy_through_shared", x=x, y=y, n=n)
        if not bool((y[:n] == x).all()) or not bool((y[n:] == -1).all()):
            wrong.append(str(n))
    failure = f"cp.async: copies of {', '.join(wrong)} numbers are wrong" if wrong else ""
    yield Verdict("ptx/copy_async16", len(sizes), 0.0, failure)


def to_device(xp: Any, a: Any) -> Any:
    """Copy an array to the device in its own memory order; gaps and repeats are lost."""
    if a is None:
        return None
    order = sorted(range(a.ndim), key=lambda axis: -abs(a.strides[axis]))
    back = np.argsort(order)
    return xp.asarray(np.ascontiguousarray(a.transpose(order))).transpose(*map(int, back))


def wrapped(kernel: Kernel, xp: Any) -> Kernel:
    """Return a kernel of NumPy arrays that runs ``kernel`` on a device."""

    def fn(*arrays: Any, **params: Any) -> Any:
        moved = [to_device(xp, a) for a in arrays]
        out = kernel.fn(*moved, **params)
        for i in changed_operands(kernel.op, len(arrays), params):
            arrays[i][...] = xp.asnumpy(moved[i])
        if isinstance(out, tuple):
            return tuple(None if a is None else np.asarray(xp.asnumpy(a)) for a in out)
        return None if out is None else np.asarray(xp.asnumpy(out))

    def supports(*arrays: Any, **params: Any) -> str | None:
        return kernel.supports(*[to_device(xp, a) for a in arrays], **params)

    return replace(kernel, backend="numpy", fn=fn, supports=supports, by_signature=False)


def verdicts(xp: Any, *, cases: int = 10, ops: Sequence[str] | None = None) -> Iterator[Verdict]:
    """Hold every CUDA kernel, or those of some ops, to the rules on a device."""
    for kernel in kernels.kernels():
        if kernel.backend != "cuda" or (ops is not None and kernel.op not in ops):
            continue
        try:
            row = conform_kernel(wrapped(kernel, xp), cases=cases)
        except ConformanceError as error:
            yield Verdict(kernel.key, 0, 0.0, str(error))
        else:
            yield Verdict(kernel.key, row.calls, row.ratio, "")
