"""Metrics on features: the Frechet distance and nearest neighbours at d = 2048, beside others.

    python bench/metrics.py [--only frechet,moments,neighbours,large] [--dim 2048] [--json FILE]

frechet: from covariances of full rank and of rank d/2, beside scipy's sqrtm (pytorch-fid's way) and
    the eigenvalues of the product (torch-fidelity's), whose results are compared first.
moments: 10,000 rows, beside numpy.cov in float64.
neighbours: precision, recall, density and coverage of 4,000 rows each, beside full matrices.
large: the 5 nearest neighbours of 50,000 points among themselves, in a process of its own whose
    peak memory is told. It runs once, for minutes.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import time
import warnings
from collections.abc import Callable
from pathlib import Path

import numpy as np
import timing
from threadpoolctl import threadpool_info

from tinygan.kernels.arrays import Array
from tinygan.metrics.fid import frechet_distance, gaussian_statistics
from tinygan.metrics.neighbours import nearest
from tinygan.metrics.prdc import prdc
from tinygan.random import Stream

HERE = Path(__file__).parent
POINTS, ROWS, PAIRS = 50_000, 10_000, 4_000
Contestants = dict[str, Callable[[], object]]
Row = dict[str, object]


def features(name: str, rows: int, dim: int) -> Array:
    """Return positive features whose spread falls like a power, as those of nets do."""
    x = np.abs(Stream(0, name).normal((rows, dim)))
    return x * np.arange(1, dim + 1, dtype=np.float32) ** -0.5


def sqrtm_distance(mu1: Array, c1: Array, mu2: Array, c2: Array) -> float:
    """Compute the distance as pytorch-fid does, by the root of the product."""
    from scipy import linalg

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # scipy says that a product is singular
        root = linalg.sqrtm(c1 @ c2)
        if not np.isfinite(root).all():
            eye = 1e-6 * np.eye(len(c1))
            root = linalg.sqrtm((c1 + eye) @ (c2 + eye))
    shift = mu1 - mu2
    return float(shift @ shift + np.trace(c1) + np.trace(c2) - 2 * np.trace(root).real)


def eigenvalue_distance(mu1: Array, c1: Array, mu2: Array, c2: Array) -> float:
    """Compute the distance as torch-fidelity does, by the eigenvalues of the product."""
    roots = np.sqrt(np.linalg.eigvals(c1 @ c2).astype(np.complex128)).real
    shift = mu1 - mu2
    return float(shift @ shift + np.trace(c1) + np.trace(c2) - 2 * roots.sum())


def frechet(dim: int, rows: int) -> Contestants:
    """Return the three ways to a distance, after their results were compared."""
    real = gaussian_statistics(features("real", rows, dim))
    fake = gaussian_statistics(features("fake", rows, dim) * np.float32(1.1))
    ways = {"tinygan": frechet_distance, "eigenvalues": eigenvalue_distance}
    try:
        import scipy  # noqa: F401 - asked for its presence

        ways["scipy sqrtm"] = sqrtm_distance
    except ImportError:
        print("scipy is not installed: no sqrtm")
    found = {name: way(*real, *fake) for name, way in ways.items()}
    scale = np.trace(real[1]) + np.trace(fake[1])
    worst = max(abs(value - found["tinygan"]) for value in found.values()) / scale
    print(f"distance {found['tinygan']:.6g}; ways differ by {worst:.1e} of the traces")
    if worst > 1e-6:
        raise SystemExit("the ways to a Frechet distance disagree: nothing was timed")
    return {name: lambda way=way: way(*real, *fake) for name, way in ways.items()}


def full_matrices(real: Array, fake: Array, k: int) -> tuple[float, ...]:
    """Compute the four numbers as the prdc package does, with one k, from full matrices."""

    def matrix(x: Array, y: Array) -> Array:
        norms = np.square(x).sum(axis=1)[:, None] + np.square(y).sum(axis=1)
        return np.sqrt(np.maximum(norms - 2 * x @ y.T, 0))

    def radii(x: Array) -> Array:
        return np.partition(matrix(x, x), k, axis=1)[:, k]

    of_real, of_fake, between = radii(real), radii(fake), matrix(real, fake)
    inside = between < of_real[:, None]
    return (
        float(inside.any(axis=0).mean()),
        float((between < of_fake).any(axis=1).mean()),
        float(inside.sum(axis=0).mean() / k),
        float((between.min(axis=1) < of_real).mean()),
    )


def neighbours(dim: int) -> Contestants:
    """Return the two ways to precision, recall, density and coverage, compared."""
    real, fake = features("real", PAIRS, dim), features("fake", PAIRS, dim)
    double = real.astype(np.float64), fake.astype(np.float64)
    ours, theirs = prdc(real, fake, k=5), full_matrices(*double, 5)
    found = (ours.precision, ours.recall, ours.density, ours.coverage)
    worst = float(np.abs(np.subtract(found, theirs)).max())
    print(f"numbers differ by {worst:.1e}")
    if worst > 1e-3:  # a point or two on a ball's surface
        raise SystemExit("the ways to precision and coverage disagree: nothing was timed")
    return {
        "tinygan": lambda: prdc(real, fake, k=5),
        "full matrices": lambda: full_matrices(*double, 5),
    }


def moments(dim: int) -> Contestants:
    """Return the two ways to mean and covariance."""
    x = features("real", ROWS, dim)
    return {
        "tinygan": lambda: gaussian_statistics(x),
        "numpy.cov": lambda: np.cov(x.astype(np.float64), rowvar=False),
    }


def large(points: int, dim: int) -> dict[str, float]:
    """Search in a process of its own; return its seconds and its peak memory."""
    child = [sys.executable, __file__, "--child", f"--points={points}", f"--dim={dim}"]
    found: dict[str, float] = json.loads(subprocess.check_output(child))
    return found


def child(points: int, dim: int) -> None:
    """Search, and print seconds and peak memory as JSON."""
    x = features("real", points, dim)
    start, cpu_start = time.perf_counter(), time.process_time()
    nearest(x, x, 5, exclude_self=True)
    seconds, cpu = time.perf_counter() - start, time.process_time() - cpu_start
    # not getrusage: its figure begins with that of the process that started this one
    status = Path("/proc/self/status").read_text()
    peak = int(status.partition("VmHWM:")[2].split()[0]) / 2**20
    print(json.dumps({"seconds": seconds, "cpu_seconds": cpu, "peak_gib": peak}))


def parse() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--only", default="frechet,moments,neighbours,large")
    parser.add_argument("--dim", type=int, default=2048)
    parser.add_argument("--points", type=int, default=POINTS, help="of the large search")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--clock", choices=timing.CLOCKS, default="wall", help="cpu: one thread")
    parser.add_argument("--json", type=Path, default=HERE / "results" / "metrics.jsonl")
    parser.add_argument("--child", action="store_true", help=argparse.SUPPRESS)
    return parser.parse_args()


def compare(case: str, contestants: Contestants, rounds: int, clock: str) -> list[Row]:
    """Time the contestants in turn, print a table and return a row each."""
    result = timing.take_turns(contestants, rounds=rounds, clock=timing.CLOCKS[clock])
    rows: list[Row] = []
    for name, timed in result.timings.items():
        print(f"{name:16s}{timed.median:9.3f} s{result.ratio(name, 'tinygan'):8.2f} x")
        rows.append({"case": case, "contestant": name, "seconds": timed.median, "clock": clock})
    return rows


def main() -> None:
    """Run what was asked for, print it and append a line for each contestant."""
    args = parse()
    d, wanted = args.dim, args.only.split(",")
    if args.child:
        child(args.points, d)
        return
    cases: list[tuple[str, str, Callable[[], Contestants]]] = [
        ("frechet", f"frechet, d = {d}", lambda: frechet(d, 2 * d)),
        ("frechet", f"frechet, d = {d}, rank {d // 2 - 1}", lambda: frechet(d, d // 2)),
        ("moments", f"moments of {ROWS} rows, d = {d}", lambda: moments(d)),
        ("neighbours", f"prdc of {PAIRS} and {PAIRS}, d = {d}", lambda: neighbours(d)),
    ]
    rows: list[Row] = []
    for kind, case, make in cases:
        if kind in wanted:
            print(f"\n{case}", flush=True)
            rows += compare(case, make(), args.rounds, args.clock)
    if "large" in wanted:
        found = large(args.points, d)
        case = f"5 neighbours of {args.points} points, d = {d}"
        spent = f"{found['seconds']:.0f} s, of CPU {found['cpu_seconds']:.0f} s"
        print(f"\n{case}\ntinygan {spent}, {found['peak_gib']:.2f} GiB at the peak")
        rows.append({"case": case, "contestant": "tinygan", **found})
    blas = [pool["num_threads"] for pool in threadpool_info() if pool["user_api"] == "blas"]
    context = timing.environment() | {"bench": "metrics", "blas_threads": max(blas, default=0)}
    with args.json.open("a") as out:
        out.writelines(json.dumps(context | row) + "\n" for row in rows)


if __name__ == "__main__":
    main()
