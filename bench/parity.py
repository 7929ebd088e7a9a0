"""Does it matter to a training which algorithm convolves? The demo's fidelity in every mode.

    python bench/parity.py --case digits [--seeds 5] [--steps 2000]
    python bench/parity.py --case mnist --data PATH_OF_IDX_FILES

Trains DCGAN on the embedded digits, or WGAN-GP on MNIST at small width, with Winograd's algorithms
fast, accurate and off, the same seeds in each, and has the samples judged by one classifier of the
real images. Another order of summation is another run after some hundred steps, so single runs
differ; what must agree are the means, within their intervals (mean +- t s / sqrt(n), 95 %).

Fast takes F(4) and accurate F(2) where it pays; on layers as narrow as MNIST's F(2) never does, and
accurate is off. `--mode "F(2) everywhere"` takes it wherever it can run.
"""

from __future__ import annotations

import argparse
import json
import math
import time
from collections import Counter
from contextlib import AbstractContextManager
from pathlib import Path

import numpy as np
import timing

from tinygan.data import Batches, Dataset, load
from tinygan.gan import fit
from tinygan.kernels.conv2d import use_winograd
from tinygan.kernels.conv2d.cpp_winograd import MODES
from tinygan.kernels.registry import HOST_BACKENDS, tracing, use_backend
from tinygan.metrics import Classifier, digit_classifier, digit_fidelity, train_classifier
from tinygan.recipes import get

SAMPLES = 500
EVERYWHERE = "F(2) everywhere"
# Student's t at 97.5 % by degrees of freedom
T = {1: 12.71, 2: 4.30, 3: 3.18, 4: 2.78, 5: 2.57, 6: 2.45, 7: 2.36, 8: 2.31, 9: 2.26}
DEMO = {"batch": 64, "lr": 5e-4, "nz": 24, "ngf": 32, "ndf": 64, "noise": 0.2}
CASES = {
    "digits": ("dcgan", DEMO | {"half_life_kimg": 10.0}, 2000),
    # ten times the usual learning rate: else a thousand steps of G make no digits yet
    "mnist": (
        "wgan_gp",
        {"batch": 64, "lr": 1e-3, "ngf": 16, "ndf": 16, "half_life_kimg": 2.0},
        1000,
    ),
}


def judge_of(case: str, data: str) -> tuple[Dataset, Classifier]:
    """Return the real images and a classifier of them."""
    if case == "digits":
        return load("digits:16"), digit_classifier(16)
    dataset = load(data)
    return dataset, train_classifier(dataset, epochs=2)


def kernels_of(mode: str) -> AbstractContextManager[None]:
    """Choose convolutions in this way; a variant that is named runs whether it pays or not."""
    if mode != EVERYWHERE:
        return use_winograd(mode)
    return use_backend("cpp/winograd_f2", *HOST_BACKENDS)


def run(case: str, dataset: Dataset, judge: Classifier, mode: str, seed: int, steps: int) -> dict:
    """Train once; return what the judge says of the samples, and the seconds, wall and CPU.

    Of one step it counts the convolutions, and how many of them Winograd's algorithms ran.
    """
    recipe_name, settings, _ = CASES[case]
    recipe = get(recipe_name)
    batches = Batches(dataset, settings["batch"], seed=seed)
    wall, cpu = time.perf_counter(), time.process_time()
    ran: Counter[str] = Counter()
    with kernels_of(mode):
        loop = fit(recipe, batches, steps=steps, seed=seed, config=recipe.config(**settings))
        with tracing(lambda kernel, *_: ran.update([kernel.key])):
            next(loop)
        *_, game = loop
        found = digit_fidelity(game.sample(SAMPLES, seed=1), judge)
    taken = {"seconds": time.perf_counter() - wall, "cpu_seconds": time.process_time() - cpu}
    convolutions = {key: count for key, count in ran.items() if key.startswith("conv2d")}
    counts = {"convolutions": sum(convolutions.values())}
    counts["by_winograd"] = sum(n for key, n in convolutions.items() if "winograd" in key)
    return found | {"mode": mode, "seed": seed} | taken | counts


def interval(values: list[float]) -> tuple[float, float]:
    """Return mean and half width of the 95 % interval of the mean."""
    half = T[len(values) - 1] * float(np.std(values, ddof=1)) / math.sqrt(len(values))
    return float(np.mean(values)), half


def parse() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--case", choices=CASES, default="digits")
    parser.add_argument("--data", default="", help="MNIST's folder, for --case mnist")
    parser.add_argument("--seeds", type=int, default=5, help="2 to 10")
    parser.add_argument("--steps", type=int, help="of each training")
    parser.add_argument(
        "--mode", action="append", choices=[*MODES, EVERYWHERE], help="once for each"
    )
    parser.add_argument("--json", type=Path, help="append one line a training to this file")
    return parser.parse_args()


def main() -> None:
    """Train, judge, and compare the intervals."""
    args = parse()
    steps = args.steps or CASES[args.case][2]
    dataset, judge = judge_of(args.case, args.data)
    print(f"{args.case}, {steps} steps; the judge gets {100 * judge.accuracy:.1f} % right")
    print(f"{'mode':16s}{'top probability':>24s}{'Frechet distance':>26s}{'CPU s':>9s}  Winograd")
    by_mode: dict[str, list[dict]] = {mode: [] for mode in args.mode or MODES}
    for seed in range(args.seeds):  # modes take turns, so that a slow spell hits them alike
        for mode, found in by_mode.items():
            found.append(run(args.case, dataset, judge, mode, seed, steps))
            if args.json:
                context = timing.environment() | {"bench": "parity", "case": args.case}
                with args.json.open("a") as out:
                    out.write(json.dumps(context | {"steps": steps} | found[-1]) + "\n")
    spans = []
    for mode, found in by_mode.items():
        (p, dp), (fd, dfd) = (
            interval([f[key] for f in found]) for key in ("top_probability", "fd_digits_net")
        )
        spans.append((fd - dfd, fd + dfd))
        seconds = np.mean([f["cpu_seconds"] for f in found])
        share = "{by_winograd} of {convolutions}".format(**found[0])
        print(f"{mode:16s}{p:16.3f} +- {dp:.3f}{fd:18.2f} +- {dfd:.2f}{seconds:9.0f}  {share}")
    if len(spans) < 2:
        return
    apart = max(low for low, _ in spans) > min(high for _, high in spans)
    print("the intervals " + ("DO NOT overlap" if apart else "overlap"))


if __name__ == "__main__":
    main()
