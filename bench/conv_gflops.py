"""GFLOP/s of the three convolutions on DCGAN-64's layers, beside a large NumPy sgemm.

    python bench/conv_gflops.py [--backend cpp] [--batch 64] [--repeats 7] [--json FILE]

On a busy machine, compare CPU seconds of one thread instead of wall time:

    TINYGAN_NUM_THREADS=1 OPENBLAS_NUM_THREADS=1 python bench/conv_gflops.py --clock cpu

All contestants take turns within one run, so that a slow spell of the machine hits them alike, and
the medians are compared. FLOPs are 2 N P Q O R S C/groups, taps that meet the padding included. The
goal is 25 % of sgemm in every layer of 64 channels or more.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import statistics
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np

from tinygan import kernels
from tinygan.kernels.conv2d import ConvSpec

GEMM = 2048
PAUSE = 0.1  # s: a BLAS's threads spin on after a product and would take a core from what follows
# name, C, O, input size, stride, padding; the kernel is 4 x 4. Rows marked T are the generator's:
# their forward is the dgrad of the convolution listed, and their dgrad its forward.
LAYERS = (
    ("D1 3->64 @64", 3, 64, 64, 2, 1),
    ("D2 64->128 @32", 64, 128, 32, 2, 1),
    ("D3 128->256 @16", 128, 256, 16, 2, 1),
    ("D4 256->512 @8", 256, 512, 8, 2, 1),
    ("D5 512->1 @4", 512, 1, 4, 1, 0),
    ("T1 100->512 @1", 512, 100, 4, 1, 0),
    ("T2 512->256 @4", 256, 512, 8, 2, 1),
    ("T3 256->128 @8", 128, 256, 16, 2, 1),
    ("T4 128->64 @16", 64, 128, 32, 2, 1),
    ("T5 64->3 @32", 3, 64, 64, 2, 1),
)


def passes(layer: tuple, batch: int) -> tuple[dict[str, Callable[[], object]], float]:
    """Return the layer's three passes by name, and the FLOPs of each."""
    name, c, o, size, stride, padding = layer
    rng = np.random.default_rng(0)
    spec = ConvSpec.of(stride=stride, padding=padding)
    w = rng.standard_normal((o, c, 4, 4), dtype=np.float32)
    x = rng.standard_normal((batch, size, size, c), dtype=np.float32).transpose(0, 3, 1, 2)
    out = spec.out_shape(x.shape, w.shape)
    gy = rng.standard_normal((out[0], out[2], out[3], o), dtype=np.float32).transpose(0, 3, 1, 2)
    conv = [
        lambda: kernels.call("conv2d", x, w, spec=spec),
        lambda: kernels.call("conv2d_dgrad", gy, w, spec=spec, x_shape=x.shape),
    ]
    if name.startswith("T"):
        conv.reverse()
    wgrad = lambda: kernels.call("conv2d_wgrad", x, gy, spec=spec, w_shape=w.shape)  # noqa: E731
    flops = 2.0 * gy.size * c * 16
    return dict(zip(("fwd", "dgrad", "wgrad"), (*conv, wgrad), strict=True)), flops


CLOCKS = {"wall": time.perf_counter, "cpu": time.process_time}
Rates = dict[tuple[str, str], float]


def measure(batch: int, repeats: int, clock: Callable[[], float]) -> tuple[float, Rates]:
    """Return sgemm's GFLOP/s and that of every (layer, pass)."""
    rng = np.random.default_rng(0)
    a, b = (rng.standard_normal((GEMM, GEMM), dtype=np.float32) for _ in range(2))
    jobs = {("sgemm", ""): (lambda: a @ b, 2.0 * GEMM**3)}
    for layer in LAYERS:
        by_name, flops = passes(layer, batch)
        jobs |= {(layer[0], name): (fn, flops) for name, fn in by_name.items()}
    times: dict[tuple[str, str], list[float]] = {key: [] for key in jobs}
    for repeat in range(repeats + 1):
        for key, (fn, _) in jobs.items():
            start = clock()
            fn()
            seconds = clock() - start
            if repeat:  # the first round warms caches, pools and compilers
                times[key].append(seconds)
            if key == ("sgemm", ""):
                time.sleep(PAUSE)
    rates = {key: jobs[key][1] / statistics.median(t) / 1e9 for key, t in times.items()}
    return rates.pop(("sgemm", "")), rates


def main() -> None:
    """Measure, print a table and append JSON lines."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--backend", choices=kernels.BACKENDS, default="cpp")
    parser.add_argument("--batch", type=int, default=64)
    parser.add_argument("--repeats", type=int, default=7)
    parser.add_argument("--clock", choices=CLOCKS, default="wall")
    parser.add_argument("--json", type=Path, help="append one line a layer and pass to this file")
    args = parser.parse_args()
    with kernels.use_backend(args.backend):
        gemm, rates = measure(args.batch, args.repeats, CLOCKS[args.clock])
    print(
        f"sgemm {GEMM}^3: {gemm:.0f} GFLOP/s; {args.backend}, batch {args.batch}, {args.clock} time"
    )
    print(f"{'layer':18s}" + "".join(f"{p:>9s}{'%':>6s}" for p in ("fwd", "dgrad", "wgrad")))
    for name, *_ in LAYERS:
        found = [rates[name, p] for p in ("fwd", "dgrad", "wgrad")]
        print(f"{name:18s}" + "".join(f"{r:9.1f}{100 * r / gemm:6.0f}" for r in found))
    if args.json:
        context = {"bench": "conv_gflops", "backend": args.backend, "batch": args.batch}
        context |= {
            "clock": args.clock,
            "cpus": len(os.sched_getaffinity(0)),
            "machine": platform.machine(),
        }
        with args.json.open("a") as out:
            for (name, which), rate in rates.items():
                row = {"layer": name, "pass": which, "gflops": rate, "sgemm_gflops": gemm}
                out.write(json.dumps(context | row) + "\n")


if __name__ == "__main__":
    main()
