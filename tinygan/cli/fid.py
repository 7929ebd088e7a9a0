"""``tinygan fid A B``: the Frechet distance between two sets of images, with its protocol.

In Inception's features it is FID; in those of an in-house net it has that net's name.
"""

from __future__ import annotations

import json
import math
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import tyro

from ..errors import OptionError
from ..metrics import suite
from ..metrics.card import Card
from ..metrics.features import FeatureNet
from ..metrics.fid import frechet_distance_of_moments
from ..metrics.measures import MEASURES
from ..metrics.pair import Pair, Side, side
from ..metrics.resize import PROTOCOLS
from ..metrics.weights import download
from ..runs.judge import choose_net, names_of
from .arguments import parse
from .exits import OK, UsageError, perhaps
from .sources import Asked, Source, open_source

KEYS = {  # torch-fidelity's names; only in Inception's features
    "fid": "frechet_inception_distance",
    "is": "inception_score_mean",
    "is_std": "inception_score_std",
    "kid": "kernel_inception_distance_mean",
    "kid_std": "kernel_inception_distance_std",
    "ppl": "perceptual_path_length_mean",
}


@dataclass(frozen=True)
class Options:
    """What to compare, in whose features.

    Attributes:
        a: the samples: a run, a data set's name, a folder, an image zip, an .npz of images or of
            statistics (mu, sigma), or any other file that `tinygan train --data` takes.
        b: the reference, likewise.
        net: feature net: auto, inception, digits_lenet, mnist_lenet or fashion_lenet.
        weights: file of Inception's weights, pt_inception-2015-12-05-6726825d.pth.
        protocol: resize and input of FID: pytorch-fid, torch-fidelity, clean or legacy-tensorflow.
        metrics: others beside it: kid,is,prdc,mmd,fd_infinity,ndb,c2st,... or all that suit.
        n: images of each side; 0 takes all of a set (50,000 at most) and 10,000 samples of a run.
        split: part of a data set: train or test.
        size: side in pixels that images are resized to first; by default their own.
        channels: 1 (grey) or 3 (RGB); by default the data's own.
        value_range: of float images in an .npz: 0,1 or -1,1 or 0,255.
        held_out: real samples, of their test split, that A's generator did not train on: for the
            memorisation, cas and probe metrics.
        seed: of a run's samples, of the choice among images, and of the estimators.
        ema: use a run's averaged weights, where there are some.
        resamples: bootstrap replicates for 95 % intervals; 0 for none, 100 are usual.
        save: write the statistics of A to this .npz, as pytorch-fid reads them.
        download: fetch Inception's weights into the per-user cache, if they are not there.
        json: print one JSON object, with torch-fidelity's keys.
    """

    a: Annotated[str, tyro.conf.Positional, tyro.conf.arg(metavar="A")]
    b: Annotated[str, tyro.conf.Positional, tyro.conf.arg(metavar="B")]
    net: str = "auto"
    weights: str = ""
    protocol: str = "pytorch-fid"
    metrics: str = ""
    n: int = 0
    split: str = "train"
    size: int | None = None
    channels: int | None = None
    value_range: str = ""
    held_out: str = ""
    seed: int = 0
    ema: bool = True
    resamples: int = 0
    save: str = ""
    download: bool = False
    json: bool = False


def run(args: list[str]) -> int:
    """Run the verb."""
    options = parse("tinygan fid", Options, args)
    if options.protocol not in PROTOCOLS:
        raise UsageError(f"--protocol {options.protocol}: {perhaps(options.protocol, PROTOCOLS)}")
    if options.save and not options.save.endswith(".npz"):
        raise UsageError(f"--save {options.save}: the ending .npz fits")
    if options.download:
        print(f"weights {download('inception')}")
    asked = _asked(options)
    sides = open_source(options.a, asked), open_source(options.b, asked)
    names = names_of(options.metrics)
    card, values = compare(options, sides, names)
    if options.json:
        print(json.dumps(_table(card, values), allow_nan=False))
        return OK
    for key, value in values.items():
        print(f"{key:24} {value:.6g}" if isinstance(value, float) else f"{key:24} {value}")
    print(f"protocol  {card.text()}")
    for line in card.warnings():
        print(line)
    return OK


def _asked(options: Options) -> Asked:
    return Asked(**{f.name: getattr(options, f.name) for f in fields(Asked)})


def compare(
    options: Options, sides: tuple[Source, Source], names: list[str]
) -> tuple[Card, dict[str, Any]]:
    """Measure A against B; return the card and the numbers by name."""
    fake, real = sides
    net = _net(options, sides)
    facts = {**real.facts, **fake.facts}  # split of the reference, step and weights of the samples
    facts["split"] = real.facts.get("split", "")
    card = Card(protocol="", n_real=real.count, n_fake=fake.count, seed=options.seed, **facts)
    if net is None:
        held = fake.statistics
        assert held is not None
        card = replace(card, net=held.net or "statistics", sha256=held.sha256)
    else:
        protocol = options.protocol if net.name == "inception" else ""
        card = replace(card, net=net.name, sha256=net.sha256, resize=net.resize, protocol=protocol)
    if not (names or options.resamples):
        return card, _frechet(options, sides, net, card.net)
    return card, _suite(options, sides, net, names)


def _frechet(
    options: Options, sides: tuple[Source, Source], net: FeatureNet | None, name: str
) -> dict[str, Any]:
    """Compute the Frechet distance alone, a batch at a time."""
    fake, real = (_moments(side, net) for side in sides)
    if options.save:
        fake.save(Path(options.save))
    legacy = options.protocol == "legacy-tensorflow" and name == "inception"
    counted = fake.count is not None and real.count is not None
    ddof = 0 if legacy and counted else 1
    return {suite.metric_name("fd", name): frechet_distance_of_moments(real, fake, ddof=ddof)}


def _moments(source: Source, net: FeatureNet | None) -> Any:
    if source.statistics is not None:
        return source.statistics
    assert net is not None
    return source.moments(net)


def _suite(
    options: Options, sides: tuple[Source, Source], net: FeatureNet | None, names: list[str]
) -> dict[str, Any]:
    """Compute several metrics, which need all features at once."""
    if net is None or any(source.kind == "statistics" for source in sides):
        raise OptionError("--metrics and --resamples need images on both sides, not statistics")
    fake, real = (_embedded(source, net) for source in sides)
    held_out = None
    if options.held_out:
        asked = replace(_asked(options), split="test", n=0)
        held_out = _embedded(open_source(options.held_out, asked), net)
    pair = Pair(real, fake, net, held_out=held_out, seed=options.seed)
    wanted = suite.suited([*MEASURES], pair) if names == ["all"] else ["fd", *names]
    values: dict[str, Any] = {}
    for name in dict.fromkeys(wanted):
        found = suite.measure(name, pair, resamples=options.resamples)
        values |= suite.as_row(found) if options.json else found
    return values


def _embedded(source: Source, net: FeatureNet) -> Side:
    return side(net, np.concatenate(list(source.batches())), source.chosen_labels())


def _net(options: Options, sides: tuple[Source, Source]) -> FeatureNet | None:
    """Choose the feature net; None where both sides are statistics."""
    held = [side.statistics.net for side in sides if side.statistics is not None]
    if len(held) == 2:
        return None
    name = options.net
    if name == "auto" and held and held[0] and not options.weights:
        name = held[0]
    data_name = next((side.data_name for side in reversed(sides) if side.data_name), "")
    return choose_net(name, data_name, weights=options.weights, protocol=options.protocol)


def _table(card: Card, values: dict[str, Any]) -> dict[str, Any]:
    """Return the JSON object: torch-fidelity's keys, ours beside them, and the card."""
    table = {KEYS.get(key, key) if card.net == "inception" else key: v for key, v in values.items()}
    finite = {k: v if math.isfinite(v) else None for k, v in table.items()}
    return finite | card.row()
