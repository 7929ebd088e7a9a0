"""``tinygan check``: are gradients and kernels right on this machine?

Gradients: every case of ``tinygan.testing.CASES`` whose op has a kernel on a backend, against
central differences in float64, bare and entangled. Kernels: the same cases in float32, values and
first derivatives, against the NumPy reference in float64.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Annotated

import numpy as np
import tyro

from .. import kernels
from ..autograd import Tensor, grad
from ..errors import TinyganError
from ..kernels.arrays import Array
from ..random import Stream
from ..runs.device import why_no_backend
from ..testing import CASES, Case, check_grads
from .arguments import parse
from .exits import FAILED, OK, UsageError, perhaps

TOPICS = ("all", "gradients", "kernels")
HOST = ("numpy", "numba", "cpp")
TOLERANCE = 1e-3  # of float32 results, relative to their norm; a wrong kernel is off by far more


@dataclass(frozen=True)
class Options:
    """What to check.

    Attributes:
        topic: gradients, kernels or all.
        order: how often to differentiate, 1 to 3.
        backend: check this backend alone: numpy, numba or cpp.
        only: check only the cases whose name holds this text.
    """

    topic: Annotated[str, tyro.conf.Positional, tyro.conf.arg(metavar="TOPIC")] = "all"
    order: int = 3
    backend: str = ""
    only: str = ""


Check = Callable[[Case], object]


def run(args: list[str]) -> int:
    """Run the verb; exit 1 if a check fails."""
    options = parse("tinygan check", Options, args)
    if options.topic not in TOPICS:
        raise UsageError(f"check: no topic {options.topic!r}: {perhaps(options.topic, TOPICS)}")
    if options.backend and options.backend not in HOST:
        hint = perhaps(options.backend, HOST)
        raise UsageError(f"check: no backend {options.backend!r}: {hint}")
    if not 1 <= options.order <= 3:
        raise UsageError(f"check: --order {options.order}: use 1, 2 or 3")
    cases = [case for name, case in CASES.items() if options.only in name]
    if not cases:
        raise UsageError(f"check: no case has {options.only!r} in its name")
    checks: dict[str, Check] = {}
    if options.topic != "kernels":
        checks["gradients"] = lambda case: check_grads(case.fn, case.args(), order=options.order)
    if options.topic != "gradients":
        checks["kernels"] = check_kernel
    failures = 0
    print(f"{'check':10} {'backend':8} {'cases':>5} {'passed':>6} {'failed':>6}  time")
    for topic, check in checks.items():
        for backend in [options.backend] if options.backend else HOST:
            failures += _row(topic, check, backend, cases)
    print("all passed" if not failures else f"{failures} failed")
    return FAILED if failures else OK


def _row(topic: str, check: Check, backend: str, cases: list[Case]) -> int:
    why = why_no_backend(backend)
    if why:
        print(f"{topic:10} {backend:8} {'-':>5} {'-':>6} {'-':>6}  {why}")
        return 0
    mine = [case for case in cases if backend == "numpy" or _has_kernel(case, backend)]
    began = time.monotonic()
    with kernels.use_backend(backend, "numpy"):
        wrong = dict(_failures(check, mine))
    seconds = time.monotonic() - began
    counts = f"{len(mine):5} {len(mine) - len(wrong):6} {len(wrong):6}"
    print(f"{topic:10} {backend:8} {counts}  {seconds:.1f} s", flush=True)
    for name, text in wrong.items():
        print(f"  {name}: {text}")
    return len(wrong)


def _has_kernel(case: Case, backend: str) -> bool:
    return any(k.backend == backend for op in case.kernels for k in kernels.kernels(op))


def _failures(check: Check, cases: list[Case]) -> Iterator[tuple[str, str]]:
    for place, case in enumerate(cases):
        if sys.stdout.isatty():
            print(f"\r{place + 1}/{len(cases)} {case.name:50.50}", end="\r", flush=True)
        try:
            check(case)
        except (TinyganError, AssertionError, ArithmeticError) as error:
            yield case.name, " ".join(str(error).split())


def check_kernel(case: Case) -> None:
    """Compare values and first derivatives in float32 with the reference in float64.

    Raises:
        AssertionError: they differ by more than ``TOLERANCE``.
    """
    mine = _values(case, np.float32)
    with kernels.use_backend("numpy"):
        theirs = _values(case, np.float64)
    for place, (a, b) in enumerate(zip(mine, theirs, strict=True)):
        size = float(np.linalg.norm(b.ravel()))
        error = float(np.linalg.norm((a - b).ravel())) / max(1.0, size)
        if not error <= TOLERANCE:
            raise AssertionError(f"result {place} is off by {error:.2g} of its norm")


def _values(case: Case, dtype: type[np.floating]) -> list[Array]:
    """Return the outputs of a case, then the gradients of a random sum of them."""
    args = case.args(dtype)
    xs = [Tensor(a, requires_grad=True) if a.dtype.kind == "f" else a for a in args]
    found = case.fn(*xs)
    ys = found if isinstance(found, tuple) else (found,)
    stream = Stream(1, case.name)
    # drawn in float64 and rounded, so that both dtypes meet the same cotangents
    weights = [Tensor(stream.normal(y.shape, np.float64).astype(y.dtype)) for y in ys]
    inputs = [x for x in xs if isinstance(x, Tensor)]
    return [t.numpy() for t in (*ys, *grad(ys, inputs, weights))]
