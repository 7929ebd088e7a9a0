"""A campaign: many random cases of an op on a backend, every failure with its reproducer.

``tinygan check`` prints what ``gradients`` returns; the property tests run the same ``check_case``
on cases that Hypothesis draws.

A *reproducer* is one line that makes a case again, whatever random numbers led to it:

    grad conv2d cpp 2 1234.3.0.2         check, op, backend, order, choices that made the case
    kernel conv2d/cpp/direct conv2d normal 0 1234.3.0.2
                                         check, kernel, family, operands, which call, choices
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

from .. import kernels
from ..errors import GradientCheckError, OptionError, TinyganError
from ..kernels.registry import HOST_BACKENDS, Kernel, tracing
from .choices import Choices
from .conform.suite import reproduce as reproduce_kernel
from .families import FAMILIES, Case, Family
from .gradcheck import check_grads

ENGINE = "numpy"  # every op runs on it: where a backend has no kernel, the reference stands in
THIRD_ORDER = 4  # one case in so many is differentiated three times
_TRIES = 20  # cases drawn for each case wanted, before we conclude that the backend refuses them


@dataclass(frozen=True)
class Failure:
    """A case that failed.

    Attributes:
        reproducer: ``tinygan check --repro`` runs it again.
        reason: the error, in one line.
    """

    reproducer: str
    reason: str


@dataclass
class Row:
    """What a campaign found about one op on one backend.

    Attributes:
        op: the family's name.
        backend: the backend, or backend/variant.
        cases: how many cases ran, by order: ``cases[k]`` were differentiated k + 1 times.
        worst: the worst relative error of each order.
        failures: what went wrong.
        seconds: how long it took.
    """

    op: str
    backend: str
    cases: list[int] = field(default_factory=lambda: [0, 0, 0])
    worst: list[float] = field(default_factory=lambda: [0.0, 0.0, 0.0])
    failures: list[Failure] = field(default_factory=list)
    seconds: float = 0.0

    def add(self, errors: tuple[float, ...]) -> None:
        """Count a case that passed, with its worst error of each order."""
        for k, error in enumerate(errors):
            self.cases[k] += 1
            self.worst[k] = max(self.worst[k], error)


def backends_of(family: Family) -> tuple[str, ...]:
    """List the backends of float64 that have a kernel for the op, the engine's own first.

    ``cusim`` is not among them: finite differences of float32 tell nothing of a third derivative.
    """
    found = {k.backend for op in family.kernels for k in kernels.kernels(op)}
    return (ENGINE, *(b for b in HOST_BACKENDS if b in found and b not in (ENGINE, "cusim")))


def check_case(case: Case, backend: str, order: int) -> tuple[float, ...] | None:
    """Check the derivatives of a case, entangled, with its kernels on ``backend``.

    Returns:
        The worst relative error of each order, or None if the backend refused every kernel call
        of the case, so that nothing was learnt about it.

    Raises:
        GradientCheckError: a derivative is wrong.
    """
    ran: set[str] = set()

    def _note(kernel: Kernel, *_: object) -> None:
        ran.update((kernel.backend, f"{kernel.backend}/{kernel.variant}"))

    with kernels.use_backend(backend, ENGINE), tracing(_note):
        seed = case.choices[0]  # other directions, and another input alone, in every case
        errors = check_grads(case.fn, case.args, order=order, bare=False, seed=seed)
    return errors if backend == ENGINE or backend in ran else None


def gradients(
    family: Family, backend: str, *, cases: int = 20, order: int = 3, seed: int = 0
) -> Row:
    """Check so many random cases of an op on a backend; every fourth to third order.

    Args:
        family: the op's family, a value of ``FAMILIES``.
        backend: a host backend, or one variant of it such as ``"cpp/direct"``.
        cases: how many cases to run.
        order: differentiate so often at most.
        seed: another one draws other cases.
    """
    row, began = Row(family.name, backend), time.monotonic()
    for case in _drawn(family, seed, cases * _TRIES):
        done = row.cases[0] + len(row.failures)
        if done == cases:
            break
        times = min(order, family.order, 2 + (done % THIRD_ORDER == 0))
        try:
            errors = check_case(case, backend, times)
        except Exception as error:  # a crash in a rule is a failure to report, like any other
            row.failures.append(Failure(reproducer(case, backend, times), _one_line(error)))
            continue
        if errors is not None:
            row.add(errors)
    if not row.cases[0] and not row.failures:
        reason = f"{backend} refused all {cases * _TRIES} cases of {family.name}"
        row.failures.append(Failure(f"explain {family.name}", reason))
    row.seconds = time.monotonic() - began
    return row


def _drawn(family: Family, seed: int, count: int) -> Iterator[Case]:
    for i in range(count):
        yield family.case(Choices.from_seed(seed * 1_000_003 + i))


def _one_line(error: BaseException) -> str:
    known = isinstance(error, TinyganError)
    return ("" if known else f"{type(error).__name__}: ") + " ".join(str(error).split())


def reproducer(case: Case, backend: str, order: int) -> str:
    """Return the line that makes this check again."""
    return f"grad {case.family} {backend} {order} {'.'.join(map(str, case.choices))}"


def reproduce(line: str) -> str:
    """Run the case of a reproducer again.

    Returns:
        What was checked, in one line, if it passes now.

    Raises:
        OptionError: the line is no reproducer, or the op's family has changed since.
        GradientCheckError: the case fails, as it did.
    """
    words = line.split()
    if not words or words[0] not in _REPRODUCERS:
        raise OptionError(f"no reproducer {line!r}: it starts with {' or '.join(_REPRODUCERS)}")
    return _REPRODUCERS[words[0]](words[1:])


def _reproduce_gradient(words: list[str]) -> str:
    try:
        op, backend, order, taken = words[0], words[1], int(words[2]), _integers(words[3])
    except (IndexError, ValueError):
        raise OptionError("a reproducer of gradients is: grad OP BACKEND ORDER CHOICES") from None
    case = family_of(op).case(Choices.replay(taken))
    if not 1 <= order <= 3:
        raise OptionError(f"a reproducer's order is 1, 2 or 3, got {order}")
    errors = check_case(case, backend, order)
    if errors is None:
        raise GradientCheckError(f"{backend} refuses every kernel call of this case of {op}")
    worst = ", ".join(f"{error:.1e}" for error in errors)
    return f"{op} on {backend} passes: relative errors of order 1 to {order}: {worst}"


def _integers(text: str) -> list[int]:
    return [int(word) for word in text.split(".")]


def family_of(op: str) -> Family:
    """Return the family of an op.

    Raises:
        OptionError: it has none.
    """
    if op not in FAMILIES:
        raise OptionError(f"no family of cases for op {op!r}")
    return FAMILIES[op]


_REPRODUCERS: dict[str, Callable[[list[str]], str]] = {
    "grad": _reproduce_gradient,
    "kernel": reproduce_kernel,
}
