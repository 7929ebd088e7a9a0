"""Does it matter to a training which algorithm convolves? The demo's fidelity in every mode.

    python bench/parity.py --case digits [--seeds 5] [--steps 1500]
    python bench/parity.py --case mnist --data PATH_OF_IDX_FILES

Trains DCGAN on the embedded digits, or WGAN-GP on MNIST at small width, with Winograd's algorithms
fast, accurate and off, the same seeds in each, and has the samples judged by one classifier of the
real images. Another order of summation is another run after some hundred steps, so single runs
differ; what must agree are the means, within their intervals (mean +- t s / sqrt(n), 95 %).
"""

from __future__ import annotations

import argparse
import json
import math
import time
from pathlib import Path

import numpy as np
import timing

from tinygan.data import Batches, Dataset, load
from tinygan.gan import fit
from tinygan.kernels.conv2d import use_winograd
from tinygan.kernels.conv2d.cpp_winograd import MODES
from tinygan.metrics import Classifier, digit_classifier, digit_fidelity, train_classifier
from tinygan.recipes import get

SAMPLES = 500
# Student's t at 97.5 % by degrees of freedom
T = {1: 12.71, 2: 4.30, 3: 3.18, 4: 2.78, 5: 2.57, 6: 2.45, 7: 2.36, 8: 2.31, 9: 2.26}
DEMO = {"batch": 64, "lr": 5e-4, "nz": 24, "ngf": 32, "ndf": 64, "noise": 0.2}
CASES = {
    "digits": ("dcgan", DEMO | {"half_life_kimg": 10.0}, 1500),
    "mnist": ("wgan_gp", {"batch": 64, "ngf": 16, "ndf": 16, "half_life_kimg": 10.0}, 400),
}


def judge_of(case: str, data: str) -> tuple[Dataset, Classifier]:
    """Return the real images and a classifier of them."""
    if case == "digits":
        return load("digits:16"), digit_classifier(16)
    dataset = load(data)
    return dataset, train_classifier(dataset, epochs=2)


def run(case: str, dataset: Dataset, judge: Classifier, mode: str, seed: int, steps: int) -> dict:
    """Train once; return what the judge says of the samples, and the seconds."""
    recipe_name, settings, _ = CASES[case]
    recipe = get(recipe_name)
    batches = Batches(dataset, settings["batch"], seed=seed)
    start = time.perf_counter()
    with use_winograd(mode):
        *_, game = fit(recipe, batches, steps=steps, seed=seed, config=recipe.config(**settings))
        found = digit_fidelity(game.sample(SAMPLES, seed=1), judge)
    return found | {"mode": mode, "seed": seed, "seconds": time.perf_counter() - start}


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
    parser.add_argument("--json", type=Path, help="append one line a training to this file")
    return parser.parse_args()


def main() -> None:
    """Train, judge, and compare the intervals."""
    args = parse()
    steps = args.steps or CASES[args.case][2]
    dataset, judge = judge_of(args.case, args.data)
    print(f"{args.case}, {steps} steps; the judge gets {100 * judge.accuracy:.1f} % right")
    print(f"{'mode':10s}{'top probability':>24s}{'Frechet distance':>26s}{'seconds':>9s}")
    by_mode: dict[str, list[dict]] = {mode: [] for mode in MODES}
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
        seconds = np.mean([f["seconds"] for f in found])
        print(f"{mode:10s}{p:16.3f} +- {dp:.3f}{fd:18.2f} +- {dfd:.2f}{seconds:9.0f}")
    apart = max(low for low, _ in spans) > min(high for _, high in spans)
    print("the intervals " + ("DO NOT overlap" if apart else "overlap"))


if __name__ == "__main__":
    main()
