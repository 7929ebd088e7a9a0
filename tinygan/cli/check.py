"""``tinygan check``: are gradients and kernels right on this machine?

    tinygan check                      every op on every backend, some seconds each
    tinygan check conv2d --backend cpp --cases 200 --calls 1000
    tinygan check gradients            one of the two tables alone; the other is: kernels
    tinygan check sum --plugin my_kernels --backend numba/mine
    tinygan check --repro "grad conv2d cpp 2 1234.3.0.2"

Two tables. Kernels: on how many recorded calls each one was held to the reference, how many of them
on integers, bit for bit; its worst error in ULP (of the largest entry of a result) and as a share
of the bound that its accumulator allows. Gradients: how many random cases of each op ran on each
backend, by order; the worst relative error of each order against central differences in float64,
entangled and in odd memory layouts; the worst ULP of the kernels that the op reaches. What fails is
printed with a line that runs it again.
"""

from __future__ import annotations

import importlib
import json
import sys
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from functools import partial
from multiprocessing import get_context
from pathlib import Path
from typing import Annotated, Any, TypeAlias

import tyro

from ..errors import OptionError
from ..kernels.registry import HOST_BACKENDS, kernels, op_names
from ..runs.device import why_no_backend
from ..testing import FAMILIES, Family, conformance
from ..testing.campaign import Failure, backends_of, gradients, reproduce
from ..testing.campaign import Row as GradientRow
from ..testing.conform.suite import Row as KernelRow
from .arguments import parse
from .exits import FAILED, OK, UsageError, perhaps

Mapper: TypeAlias = Callable[..., Iterable[Any]]
Pairs: TypeAlias = list[tuple[str, str]]  # of op and backend

TABLES = ("kernels", "gradients")
KERNELS = (
    f"{'kernel':40} {'calls':>6} {'integers':>8} {'refused':>7} {'ULP':>8} {'of bound':>8}   time"
)
ORDERS = " ".join(f"{f'order {k}':>8}" for k in (1, 2, 3))
GRADIENTS = f"{'op':26} {'backend':12} {'cases':>11} {ORDERS} {'ULP':>8}     time"


@dataclass(frozen=True)
class Options:
    """What to check.

    Attributes:
        ops: check these ops alone (public ops or kernel ops); none means all. The word gradients or
            kernels before them prints one of the two tables alone.
        all: check every op, as without any name.
        backend: check this backend alone: numpy, numba, cpp, or a variant such as cpp/direct.
        cases: random cases of an op on a backend; a fourth of them to third order.
        calls: recorded calls of a kernel, and as many more on integers of an exact one.
        order: how often to differentiate, 1 to 3.
        seed: another one draws other cases.
        jobs: processes that share the work.
        plugin: import this module first, so that the kernels and families that it registers are
            checked too.
        out: append each row to this file, as a line of JSON.
        repro: run the case of this reproducer again, and nothing else.
    """

    ops: Annotated[tuple[str, ...], tyro.conf.Positional, tyro.conf.arg(metavar="[OP ...]")] = ()
    all: bool = False
    backend: str = ""
    cases: int = 20
    calls: int = 25
    order: int = 3
    seed: int = 0
    jobs: int = 1
    plugin: str = ""
    out: str = ""
    repro: str = ""


def run(args: list[str]) -> int:
    """Run the verb; exit 1 if a check fails."""
    options = parse("tinygan check", Options, args)
    _import(options.plugin)
    if options.repro:
        print(reproduce(options.repro))
        return OK
    tables = options.ops[:1] if options.ops[:1] in (("gradients",), ("kernels",)) else TABLES
    options = replace(options, ops=options.ops[tables != TABLES :])
    _check(options)
    ops, pairs = _work(options, tables)
    if not ops and not pairs:
        raise UsageError(f"check: {' '.join(args)}: there is nothing to check")
    with _workers(options) as work:
        found = list(_kernel_table(options, ops, work)) if ops else []
        failed = sum(bool(row.failures) for row in found)
        failed += _gradient_table(options, pairs, found, work) if pairs else 0
    verdict = f"{failed} failed" if failed else "all passed"
    print(f"{len(found)} kernels, {len(pairs)} pairs of op and backend: {verdict}")
    return FAILED if failed else OK


def _work(options: Options, tables: tuple[str, ...]) -> tuple[Pairs, Pairs]:
    """Return the rows of both tables, each an op and a backend; a table not asked for has none."""
    families = [FAMILIES[op] for op in options.ops or sorted(FAMILIES) if op in FAMILIES]
    named = set(op_names())
    if options.ops:  # the kernel ops among them, and those that the public ops reach
        named &= set(options.ops)
        named |= {op for family in families for op in family.kernels}
    backends = _present(options.backend)
    ops = _with_kernels(named, options.backend, backends) if "kernels" in tables else []
    pairs = _pairs(families, options.backend, backends) if "gradients" in tables else []
    return ops, pairs


def _with_kernels(ops: Iterable[str], asked: str, backends: list[str]) -> Pairs:
    return [(op, b) for op in sorted(ops) for b in backends if _has(op, asked or b)]


def _pairs(families: list[Family], asked: str, backends: list[str]) -> Pairs:
    pairs = [(f.name, b) for f in families for b in ([asked] if asked else backends_of(f))]
    return [(op, b) for op, b in pairs if b.partition("/")[0] in backends]


def _import(plugin: str) -> None:
    if not plugin:
        return
    sys.path.insert(0, str(Path.cwd()))  # a module beside the user, as for python -m
    try:
        importlib.import_module(plugin)
    except ImportError as error:
        raise UsageError(f"check: --plugin {plugin}: {error}") from error


def _check(options: Options) -> None:
    if options.all and options.ops:
        raise UsageError("check: name ops or say --all, not both")
    if not 1 <= options.order <= 3:
        raise UsageError(f"check: --order {options.order}: use 1, 2 or 3")
    if min(options.cases, options.calls, options.jobs) < 1:
        raise UsageError("check: --cases, --calls and --jobs are at least 1")
    known = sorted({*FAMILIES, *op_names()})
    for op in options.ops:
        if op not in known:
            raise UsageError(f"check: no op {op!r}: {perhaps(op, known)}")


def _present(asked: str) -> list[str]:
    """List the backends to check; say which ones this machine lacks."""
    name, absent = asked.partition("/")[0], {b: why_no_backend(b) for b in HOST_BACKENDS}
    if name and name not in absent:
        raise UsageError(f"check: no backend {asked!r}: {perhaps(asked, HOST_BACKENDS)}")
    variants = sorted({f"{k.backend}/{k.variant}" for k in kernels() if k.backend == name})
    if asked not in ("", name, *variants):
        raise UsageError(f"check: no kernel is {asked!r}: {perhaps(asked, variants)}")
    if name and absent[name]:
        raise OptionError(f"check: --backend {asked}: {absent[name]}")
    for other, why in absent.items() if not name else ():
        if why:
            print(f"{other}: left out, {why}")
    return [b for b, why in absent.items() if not why and name in ("", b)]


@contextmanager
def _workers(options: Options) -> Iterator[Mapper]:
    """Give a ``map`` that runs here, or in processes of its own; results come in order."""
    if options.jobs == 1:
        yield map
        return
    # spawned: a forked child would inherit the locks of running thread pools
    with ProcessPoolExecutor(
        options.jobs, get_context("spawn"), initializer=_import, initargs=(options.plugin,)
    ) as pool:
        yield pool.map


def _kernel_table(options: Options, pairs: Pairs, work: Mapper) -> Iterator[KernelRow]:
    print(KERNELS)
    for rows in work(partial(_kernel_rows, options.backend, options.calls, options.seed), pairs):
        for row in rows:
            counts = f"{row.calls:6} {row.integers:8} {row.refused:7}"
            errors = f"{row.ulps:8.2g} {row.ratio:8.2g}"
            print(f"{row.kernel:40} {counts} {errors}  {row.seconds:5.1f} s", flush=True)
            _show([Failure(e.reproducer, str(e)) for e in row.failures])
            _append(options.out, {**asdict(row), "failures": list(map(str, row.failures))})
            yield row


def _has(op: str, backend: str) -> bool:
    return any(backend in (k.backend, f"{k.backend}/{k.variant}") for k in kernels(op))


def _kernel_rows(asked: str, calls: int, seed: int, task: tuple[str, str]) -> list[KernelRow]:
    op, backend = task
    return list(conformance(op, asked or backend, cases=calls, seed=seed))


def _gradient_table(options: Options, pairs: Pairs, found: list[KernelRow], work: Mapper) -> int:
    """Print a row for each op and backend; return how many failed."""
    print(GRADIENTS)
    failed = 0
    for row in work(partial(_gradient_row, options.cases, options.order, options.seed), pairs):
        counts = "+".join(map(str, row.cases))
        worst = " ".join(
            f"{error:8.1e}" if n else f"{'-':>8}"
            for n, error in zip(row.cases, row.worst, strict=True)
        )
        ulps = _worst_ulps(row, found)
        line = f"{row.op:26} {row.backend:12} {counts:>11} {worst} {ulps:>8}"
        print(f"{line}  {row.seconds:5.1f} s", flush=True)
        _show(row.failures)
        _append(options.out, asdict(row))
        failed += bool(row.failures)
    return failed


def _gradient_row(cases: int, order: int, seed: int, pair: tuple[str, str]) -> GradientRow:
    op, backend = pair
    return gradients(FAMILIES[op], backend, cases=cases, order=order, seed=seed)


def _worst_ulps(row: GradientRow, found: list[KernelRow]) -> str:
    """Return the worst ULP of the kernels that an op reaches on a backend; ``-`` if it has none."""
    reached = [f"{op}/{row.backend}/" for op in FAMILIES[row.op].kernels]
    ulps = [k.ulps for k in found if any(f"{k.kernel}/".startswith(start) for start in reached)]
    return f"{max(ulps):.2g}" if ulps else "-"


def _show(failures: Iterable[Failure]) -> None:
    for failure in failures:
        print(f"  {failure.reason}")
        if failure.reproducer:
            print(f'    tinygan check --repro "{failure.reproducer}"')


def _append(out: str, row: dict[str, Any]) -> None:
    if not out:
        return
    try:
        with Path(out).open("a", encoding="utf-8") as file:
            file.write(json.dumps(row) + "\n")
    except OSError as error:  # a full disk: Python does not say which file
        raise OSError(error.errno, error.strerror, out) from error
