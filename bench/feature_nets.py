"""Train the feature nets that tinygan ships, on tinygan itself, and write weights and cards.

    python bench/feature_nets.py --net digits_lenet
    python bench/feature_nets.py --net mnist_lenet --data FOLDER_OF_IDX_FILES
    python bench/feature_nets.py --net fashion_lenet            # Debian: dataset-fashion-mnist

Seeds, order and shifts are fixed, so a machine gives the same bits each time; another processor
may round otherwise and give weights of another SHA-256, which the card then names. The test set is
looked at once, after the last epoch.
"""

from __future__ import annotations

import argparse
import time
from dataclasses import dataclass, replace
from datetime import datetime, timezone
from pathlib import Path

import numpy as np

import tinygan
from tinygan.data import Dataset, load
from tinygan.data.catalog import FASHION_SOURCE
from tinygan.metrics import Classifier, train_classifier
from tinygan.metrics.classifier import TRAIN_SHARE
from tinygan.runs.files import save_tensors, write_json

OUT = Path(tinygan.__file__).with_name("metrics") / "nets"
MNIST_SOURCE = "MNIST, (c) Yann LeCun and Corinna Cortes, CC BY-SA 3.0"
WHOLE_SPLIT = "all of the training set trains, the test set measures once"


@dataclass(frozen=True)
class Plan:
    """How one net is trained; the learning rates and epochs were not tuned on a test set."""

    data: str
    source: str | None
    epochs: int
    lr: float
    split: str = WHOLE_SPLIT


PLANS = {
    "digits_lenet": Plan(
        "digits:16",
        None,
        epochs=30,
        lr=6e-3,
        split=f"{TRAIN_SHARE:.0%} at random (stream 'split') train, the rest measures once",
    ),
    "mnist_lenet": Plan("", MNIST_SOURCE, epochs=12, lr=2e-3),
    "fashion_lenet": Plan("fashion-mnist", FASHION_SOURCE, epochs=16, lr=2e-3),
}


def train(plan: Plan, data: str, seed: int) -> tuple[Classifier, Dataset]:
    """Train by the plan; return the classifier and its training set."""
    dataset = load(data or plan.data)
    test = None if plan.split != WHOLE_SPLIT else load(data or plan.data, split="test")
    if test is not None:
        test = replace(test, classes=dataset.classes)
    found = train_classifier(dataset, test=test, seed=seed, epochs=plan.epochs, lr=plan.lr)
    return found, dataset


def main() -> None:
    """Train one net and write it."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--net", choices=sorted(PLANS), required=True)
    parser.add_argument("--data", default="", help="folder of IDX files; needed for mnist_lenet")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--out", type=Path, default=OUT)
    args = parser.parse_args()
    plan = PLANS[args.net]
    if not (args.data or plan.data):
        parser.error(f"--net {args.net} needs --data, the folder of its IDX files")
    begin = time.process_time()
    found, dataset = train(plan, args.data, args.seed)
    seconds = time.process_time() - begin
    weights = {k: np.ascontiguousarray(v) for k, v in found.net.state_dict().items()}
    args.out.mkdir(parents=True, exist_ok=True)
    digest = save_tensors(args.out / f"{args.net}.safetensors", weights)
    card = {
        "net": args.net,
        "architecture": "conv3x3-16 relu maxpool2 conv3x3-32 relu maxpool2 linear-64 relu linear",
        "image_shape": list(found.image_shape),
        "value_range": [-1.0, 1.0],
        "features": "64 activations before the last layer",
        "classes": list(found.classes),
        "data": plan.source or dataset.source,
        "data_sha256": dataset.hash,
        "split": plan.split,
        "accuracy": found.accuracy,
        "seed": args.seed,
        "epochs": plan.epochs,
        "lr": plan.lr,
        "parameters": sum(w.size for w in weights.values()),
        "sha256": digest,
        "script": f"bench/feature_nets.py --net {args.net}",
        "date": datetime.now(timezone.utc).date().isoformat(),
        "tinygan": tinygan.__version__,
    }
    write_json(args.out / f"{args.net}.json", card)
    print(f"{args.net}: accuracy {found.accuracy:.4f}, {seconds:.0f} CPU seconds, {digest}")


if __name__ == "__main__":
    main()
