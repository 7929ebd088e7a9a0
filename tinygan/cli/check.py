"""``tinygan check``: are gradients and kernels right on this machine?

    tinygan check                      every op on every backend, some seconds each
    tinygan check conv2d --backend cpp --cases 200
    tinygan check --plugin my_kernels --backend numba/mine sum
    tinygan check --repro "grad conv2d cpp 2 1234.3.0.2"

A row is an op on a backend: how many random cases ran, the worst relative error of derivatives of
order 1, 2 and 3 against central differences in float64 (entangled, in odd memory layouts), and the
worst distance of its float32 kernels from the reference in float64, in ULP. What fails is printed
with a line that runs it again.
"""

from __future__ import annotations

import importlib
import json
import sys
from collections.abc import Iterable, Iterator
from concurrent.futures import ProcessPoolExecutor
from dataclasses import asdict, dataclass
from functools import partial
from multiprocessing import get_context
from pathlib import Path
from typing import Annotated

import tyro

from ..errors import OptionError
from ..kernels.registry import HOST_BACKENDS
from ..runs.device import why_no_backend
from ..testing import FAMILIES
from ..testing.campaign import Row, backends_of, gradients, reproduce
from .arguments import parse
from .exits import FAILED, OK, UsageError, perhaps

HEADER = f"{'op':26} {'backend':12} {'cases':>14} {'order 1':>8} {'order 2':>8} {'order 3':>8}"


@dataclass(frozen=True)
class Options:
    """What to check.

    Attributes:
        ops: check these ops alone; none means all.
        all: check every op, as without any name.
        backend: check this backend alone: numpy, numba, cpp, or a variant such as cpp/direct.
        cases: random cases of an op on a backend; a fourth of them to third order.
        order: how often to differentiate, 1 to 3.
        seed: another one draws other cases.
        jobs: processes that share the work.
        plugin: import this module first, so that the kernels and families that it registers are
            checked too.
        out: append each row to this file, as a line of JSON.
        repro: run the case of this reproducer again, and nothing else.
    """

    ops: Annotated[tuple[str, ...], tyro.conf.Positional, tyro.conf.arg(metavar="OP ...")] = ()
    all: bool = False
    backend: str = ""
    cases: int = 20
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
    pairs = list(_pairs(options))
    failed = 0
    print(HEADER)
    for row in _rows(options, pairs):
        failed += bool(row.failures)
        _show(row, options.out)
    verdict = f"{failed} failed" if failed else "all passed"
    print(f"{len(pairs)} pairs of op and backend: {verdict}")
    return FAILED if failed else OK


def _import(plugin: str) -> None:
    if not plugin:
        return
    sys.path.insert(0, str(Path.cwd()))  # a module beside the user, as for python -m
    try:
        importlib.import_module(plugin)
    except ImportError as error:
        raise UsageError(f"check: --plugin {plugin}: {error}") from error


def _pairs(options: Options) -> Iterator[tuple[str, str]]:
    """Yield every op and backend to check; say which backends this machine lacks."""
    if options.all and options.ops:
        raise UsageError("check: name ops or say --all, not both")
    if not 1 <= options.order <= 3:
        raise UsageError(f"check: --order {options.order}: use 1, 2 or 3")
    if options.cases < 1 or options.jobs < 1:
        raise UsageError("check: --cases and --jobs are at least 1")
    for op in options.ops:
        if op not in FAMILIES:
            raise UsageError(f"check: no op {op!r}: {perhaps(op, FAMILIES)}")
    absent = {b: why for b in HOST_BACKENDS if (why := why_no_backend(b))}
    _refuse_absent(options.backend, absent)
    for op in options.ops or sorted(FAMILIES):
        for backend in [options.backend] if options.backend else backends_of(FAMILIES[op]):
            if backend not in absent:
                yield op, backend


def _refuse_absent(backend: str, absent: dict[str, str]) -> None:
    name = backend.partition("/")[0]
    if name and name not in HOST_BACKENDS:
        raise UsageError(f"check: no backend {backend!r}: {perhaps(backend, HOST_BACKENDS)}")
    if name in absent:
        raise OptionError(f"check: --backend {backend}: {absent[name]}")
    for other, why in absent.items() if not name else ():
        print(f"{other}: left out, {why}")


def _rows(options: Options, pairs: Iterable[tuple[str, str]]) -> Iterator[Row]:
    """Check the pairs, here or in processes of their own; rows come in order."""
    check = partial(_row, options.cases, options.order, options.seed)
    if options.jobs == 1:
        yield from map(check, pairs)
        return
    # spawned: a forked child would inherit the locks of running thread pools
    with ProcessPoolExecutor(
        options.jobs, get_context("spawn"), initializer=_import, initargs=(options.plugin,)
    ) as pool:
        yield from pool.map(check, pairs)


def _row(cases: int, order: int, seed: int, pair: tuple[str, str]) -> Row:
    op, backend = pair
    return gradients(FAMILIES[op], backend, cases=cases, order=order, seed=seed)


def _show(row: Row, out: str) -> None:
    counts = "+".join(map(str, row.cases))
    worst = " ".join(
        f"{error:8.1e}" if n else f"{'-':>8}" for n, error in zip(row.cases, row.worst, strict=True)
    )
    print(f"{row.op:26} {row.backend:12} {counts:>14} {worst}  {row.seconds:5.1f} s", flush=True)
    for failure in row.failures:
        print(f'  {failure.reason}\n    tinygan check --repro "{failure.reproducer}"')
    if out:
        with Path(out).open("a", encoding="utf-8") as file:
            file.write(json.dumps(asdict(row)) + "\n")
