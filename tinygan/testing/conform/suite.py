"""Kernel conformance as a campaign: every kernel on many recorded calls, a row for each.

``rules`` says what a kernel owes on one call, ``calls`` where calls come from, ``bounds`` how far a
result may be off. Run the same suite on a kernel of your own:

    @kernels.register("conv2d", "numpy", "mine", exact=True)
    def conv2d(x, w, *, spec): ...

    tinygan.testing.conform_kernel("conv2d/numpy/mine", cases=1000)

A kernel of a new op also needs a reference (``kernels.register_reference``), a bound
(``testing.bound``), and a family of cases that names it (``testing.family``).
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from ... import kernels
from ...errors import ConformanceError, OptionError
from ...kernels.cuda import cusim
from ...kernels.native import why_not
from ...kernels.numba_pool import why_no_numba
from ...kernels.registry import HOST_BACKENDS, Kernel
from ..choices import Choices
from .calls import Call, calls_of, record
from .rules import Found, conform

_TRIES = 40  # cases drawn for each call wanted, before we settle for fewer


@dataclass
class Row:
    """What the suite found about one kernel.

    Attributes:
        kernel: its key, ``op/backend/variant``.
        calls: distinct calls (shapes, dtypes and parameters) that it ran and that count.
        integers: those among them on small integers that agreed in every bit.
        refused: calls that it refused, each with a reason.
        mistrusted: calls that it ran but whose result is mostly zeros.
        ulps: the largest distance from the exact result in units in the last place, where sums
            don't cancel. No rule limits it; it is for reading.
        ratio: the largest error as a fraction of its bound.
        failures: the rules that it broke, each with its reproducer.
        seconds: how long it took.
    """

    kernel: str
    calls: int = 0
    integers: int = 0
    refused: int = 0
    mistrusted: int = 0
    ulps: float = 0.0
    ratio: float = 0.0
    failures: list[ConformanceError] = field(default_factory=list)
    seconds: float = 0.0

    @property
    def floats(self) -> int:
        """Return how many calls counted that were held to their bound, not to every bit."""
        return self.calls - self.integers

    def add(self, found: Found, new: bool) -> None:
        """Count a call that the kernel refused, or ran as it should."""
        if found.refusal is not None:
            self.refused += 1
            return
        self.mistrusted += found.mistrusted
        self.calls += new and not found.mistrusted
        self.integers += new and not found.mistrusted and found.integers
        self.ulps, self.ratio = max(self.ulps, found.ulps), max(self.ratio, found.ratio)


class _Tape:
    """The calls of one op in a fixed order, recorded as far as somebody has asked."""

    def __init__(self, op: str, seed: int) -> None:
        self._more, self._cases = calls_of(op, seed), list[list[Call]]()

    def __getitem__(self, i: int) -> list[Call]:
        while len(self._cases) <= i:
            self._cases.append(next(self._more))
        return self._cases[i]


def conformance(
    op: str | None = None, backend: str | None = None, *, cases: int = 25, seed: int = 0
) -> Iterator[Row]:
    """Run the suite on the kernels that this machine has, and yield a row for each.

    Args:
        op: one kernel op, or None for all.
        backend: one host backend, or ``backend/variant``; None for all that are installed.
        cases: distinct calls that count wanted of each kernel; exact ones owe as many more on
            small integers.
        seed: another one draws other cases.

    Raises:
        OptionError: no such kernel op or backend, or an op without cases or bound.
    """
    names = kernels.op_names() if op is None else [op]
    found = [k for name in names for k in kernels.kernels(name) if _is_asked(k, backend)]
    if not found:
        raise OptionError(f"no kernel of op {op!r} on backend {backend!r} here")
    tapes = {name: _Tape(name, seed) for name in names}
    for kernel in found:
        yield _row(kernel, tapes[kernel.op], cases, keep_going=True)


def conform_kernel(kernel: Kernel | str, *, cases: int = 25, seed: int = 0) -> Row:
    """Run the suite on one kernel, registered or not, and stop at the first rule that it breaks.

    Args:
        kernel: a kernel, or the key ``op/backend/variant`` of a registered one.
        cases: as in ``conformance``.
        seed: another one draws other cases.

    Raises:
        ConformanceError: it breaks a rule, or refuses every call.
        OptionError: there is no kernel of that key.
    """
    kernel = kernel_of(kernel) if isinstance(kernel, str) else kernel
    return _row(kernel, _Tape(kernel.op, seed), cases, keep_going=False)


def kernel_of(key: str) -> Kernel:
    """Return the registered kernel of a key ``op/backend/variant``.

    Raises:
        OptionError: there is none.
    """
    for kernel in kernels.kernels():
        if kernel.key == key:
            return kernel
    raise OptionError(f"no kernel {key!r}: tinygan.kernels.explain(op) lists those of an op")


def _is_asked(kernel: Kernel, backend: str | None) -> bool:
    if backend is not None:
        return backend in (kernel.backend, f"{kernel.backend}/{kernel.variant}")
    return kernel.backend in HOST_BACKENDS and why_absent(kernel.backend) is None


def why_absent(backend: str) -> str | None:
    """Return why a host backend can't run here, or None."""
    if backend == "cusim":
        return cusim.why_not()
    if backend == "cpp":
        return why_not()
    return why_no_numba() if backend == "numba" else None


def _row(kernel: Kernel, tape: _Tape, cases: int, *, keep_going: bool) -> Row:
    row, began, seen = Row(kernel.key), time.monotonic(), set[Any]()
    for i in range(cases * _TRIES):
        if row.floats >= cases and (row.integers >= cases or not kernel.exact):
            break
        for call in tape[i]:
            whole = call.mode == "integers" and kernel.exact
            if (row.integers if whole else row.floats) < cases:
                new = (call.signature, whole) not in seen
                seen.add((call.signature, whole))
                _run(kernel, call, row, new, keep_going)
    if row.refused and not row.calls + row.mistrusted + len(row.failures):
        last = next(call for call in tape[0])
        why = kernel.refusal(*last.arrays, **last.params)
        error = ConformanceError(f"{kernel.key} refuses every call, e.g. since it {why}")
        row.failures.append(error)
    row.seconds = time.monotonic() - began
    if row.failures and not keep_going:
        raise row.failures[0]
    return row


def _run(kernel: Kernel, call: Call, row: Row, new: bool, keep_going: bool) -> None:
    try:
        row.add(conform(kernel, call), new)
    except ConformanceError as error:
        if not keep_going:
            raise
        row.failures.append(error)


def repro(key: str, source: str, mode: str, index: int, choices: list[int]) -> Found:
    """Run the check of a reproducer again: ``kernel KEY SOURCE MODE INDEX CHOICES``.

    Args:
        key: of the kernel.
        source: the family, or the kernel op with a generator of its own.
        mode: of the operands.
        index: which call of the case.
        choices: the integers that make the case.

    Raises:
        ConformanceError: the kernel breaks a rule, as it did.
        OptionError: the case has changed since, or there is no such kernel, source or mode.
    """
    kernel = kernel_of(key)
    made = record(source, Choices.replay(choices, small_integers=mode == "integers"), mode)
    if not 0 <= index < len(made) or made[index].op != kernel.op:
        raise OptionError(f"call {index} of this case of {source} is no call of {kernel.op}")
    return conform(kernel, made[index])


def reproduce(words: list[str]) -> str:
    """Run a reproducer again, split at blanks, without its first word; say what was checked.

    Raises:
        ConformanceError: the kernel breaks a rule, as it did.
        OptionError: the words are no reproducer.
    """
    try:
        key, source, mode, index, numbers = words
        taken = [int(word) for word in numbers.split(".")]
        position = int(index)
    except ValueError:
        raise OptionError(
            "a reproducer of a kernel is: kernel OP/BACKEND/VARIANT FAMILY MODE INDEX CHOICES"
        ) from None
    found = repro(key, source, mode, position, taken)
    if found.refusal is not None:
        return f"{key} refuses this call of {source}: {found.refusal}"
    return f"{key} conforms on this call of {source}: {found.ratio:.3g} of the error bound"
