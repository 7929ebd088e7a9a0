"""``tinygan metrics RUN``: measure the samples of a run by many metrics, each with its protocol."""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated, Any

import tyro

from .. import data
from ..errors import OptionError
from ..metrics import suite
from ..metrics.fid import fid_infinity
from ..metrics.lpips import LPIPS, load_linear
from ..metrics.measures import MEASURES
from ..metrics.moments import Moments
from ..metrics.pair import Pair
from ..metrics.trunks import load_trunk
from ..runs.curves import save_curves
from ..runs.device import computing
from ..runs.judge import Judge, best_step, choose_net, held_out_of, is_frechet, judged, names_of
from ..runs.pictures import write_summary
from ..runs.setup import Settings, load_data, read_settings
from .arguments import parse
from .exits import OK, UsageError
from .opening import Trained, open_run, open_trained
from .sheets import write_sheets

MOST = 2048


@dataclass(frozen=True)
class Options:
    """Which run, which metrics, in whose features.

    Attributes:
        run: the run's folder, or the start of its name: runs/00000.
        metrics: names with commas between: fd, fd_infinity, kid, is, prdc, mmd, swd, ms_ssim, ndb,
            kmeans, memorisation, c2st, one_nn, ppl, lpips, modes, stacked; by default the usual
            ones that suit the data.
        all: all metrics that suit the data.
        net: feature net: auto, inception, digits_lenet, mnist_lenet or fashion_lenet.
        weights: file of Inception's weights, pt_inception-2015-12-05-6726825d.pth.
        protocol: resize and input of FID: pytorch-fid, torch-fidelity, clean or legacy-tensorflow.
        lpips: for lpips and ppl: alex, vgg or squeeze, the file of that trunk's ImageNet weights,
            and that of LPIPS's linear weights, with commas between.
        n: samples, and real ones at most; 0 takes as many as there are real, at most 2,048.
            Published figures are of 10,000 or 50,000: use --resamples 0 with so many.
        checkpoint: last, best (the least Frechet distance measured) or the number of a kept step.
        ema: use the averaged weights, where there are some.
        seed: of the samples and the estimators.
        resamples: bootstrap replicates for the 95 % intervals; 0 for none.
        bias_curve: draw the Frechet distance against the number of samples, bias-curve.png.
        sheets: write pictures to look at: nearest training images, templates, a blind test.
        json: print one JSON object.
    """

    run: Annotated[str, tyro.conf.Positional, tyro.conf.arg(metavar="RUN")]
    metrics: str = ""
    all: bool = False
    net: str = "auto"
    weights: str = ""
    protocol: str = "pytorch-fid"
    lpips: str = ""
    n: int = 0
    checkpoint: str = "last"
    ema: bool = True
    seed: int = 0
    resamples: int = 100
    bias_curve: bool = False
    sheets: bool = False
    json: bool = False


def run(args: list[str]) -> int:
    """Run the verb."""
    options = parse("tinygan metrics", Options, args)
    if options.n < 0 or options.n == 1 or (options.all and options.metrics):
        raise UsageError("--n 2 or more (0: as many as there are real), and --all or --metrics")
    found, recipe = open_run(options.run)
    settings, _, _ = read_settings(found, recipe)
    trained, which = _checkpoint(options)
    dataset = load_data(settings)
    judge = _judge(options, settings, dataset)
    n = options.n or min(len(dataset), MOST)
    labels = trained.labels(n) if trained.recipe.labelled else None  # codes are no classes
    with computing(settings.backend):
        fakes = trained(trained.inputs(n, options.seed), labels)
    more = _lpips(options.lpips, dataset)
    if trained.game.translation is None:
        more |= {"generate": trained, "nz": trained.game.nz}
    pair = judge.pair(fakes, labels, **more)
    names = suite.suited([*MEASURES], pair) if options.all else names_of(options.metrics)
    averaged = options.ema and trained.game.ema is not None
    card = judge.card(
        split="train",
        weights="averaged (EMA)" if averaged else "last",
        step=trained.game.step,
        which=which,
        protocol=options.protocol if judge.net_name == "inception" else "",
    )
    table: dict[str, Any] = {}
    for name, row in judge.rows(pair, names, card, resamples=options.resamples):
        found.append_row(row, f"metric-{name}")
        table |= row
        if not options.json:
            print_row(row, card.row())
    if options.bias_curve:
        _bias_curve(trained, judge, pair)
    if options.sheets:
        for path in write_sheets(found.path, pair, seed=options.seed):
            print(f"sheet  {path}")
    write_summary(found)
    if options.json:
        print(json.dumps(table))
        return OK
    print(f"protocol  {replace(card, n_fake=n).text()}")
    for line in card.warnings() or replace(card, n_fake=n).warnings():
        print(line)
    return OK


def print_row(row: dict[str, Any], card: dict[str, Any]) -> None:
    """Print the numbers of a metric, each with its interval, a line each."""
    for key, value in row.items():
        if key in card or key == "n_fake" or key.endswith(("_low", "_high")):
            continue
        ends = [row.get(f"{key}_{end}") for end in ("low", "high")]
        interval = "" if None in ends else f"  [{ends[0]:.4g}, {ends[1]:.4g}]"
        print(f"{key:28} {value:.5g}{interval}", flush=True)


def _checkpoint(options: Options) -> tuple[Trained, str]:
    """Open the run at the checkpoint that is asked for; return it and what it is called."""
    if options.checkpoint == "last":
        return open_trained(options.run, ema=options.ema), "last"
    run, _ = open_run(options.run)
    if options.checkpoint == "best":
        for name in run.row_names():
            key = name.removeprefix("metric-")
            if is_frechet(key):
                step = best_step(run.read_rows(name), key)
                return open_trained(options.run, ema=options.ema, step=step), f"best by {key}"
        raise OptionError(f"{run.path}: nothing was measured yet, so no step is the best")
    if not options.checkpoint.isdecimal():
        raise UsageError(f"--checkpoint {options.checkpoint}: last, best or a step fits")
    step = int(options.checkpoint)
    return open_trained(options.run, ema=options.ema, step=step), "chosen"


def _judge(options: Options, settings: Settings, dataset: data.Dataset) -> Judge:
    held_out = held_out_of(dataset, settings)  # None: the memorisation metric says so
    dataset = judged(dataset)
    net = None
    if len(dataset.shape) == 3:
        net = choose_net(
            options.net, dataset.name, weights=options.weights, protocol=options.protocol
        )
    return Judge(dataset, net, n=options.n or MOST, held_out=held_out, seed=options.seed)


def _lpips(files: str, dataset: data.Dataset) -> dict[str, Any]:
    """Load LPIPS, if its files are given; return the fields of ``Pair`` that it fills."""
    if not files:
        return {}
    parts = files.split(",")
    if len(parts) != 3 or len(dataset.shape) != 3:
        raise UsageError(f"--lpips {files}: vgg,TRUNK.pth,LINEAR.pth fits, for images")
    net = LPIPS(load_trunk(*parts[:2]), load_linear(parts[2]))
    return {"distance": net.distance, "distance_name": net.name}


def _bias_curve(trained: Trained, judge: Judge, pair: Pair) -> None:
    """Draw the distance of fewer and fewer samples, and print what it tends to."""
    found = fid_infinity(Moments.of(pair.real.features), pair.fake.features, seed=judge.seed)
    key = suite.metric_name("fd", judge.net_name)
    path: Path = trained.run.path / "bias-curve.png"
    rows = [
        {"step": int(n), key: float(value)}
        for n, value in zip(found.sizes, found.distances, strict=True)
    ]
    save_curves(path, rows, {f"{key} against samples": [key]})
    print(f"{suite.metric_name('fd_infinity', judge.net_name):28} {found.value:.5g}")
    print(f"bias curve  {path}")
