"""Measure samples against a data set: the metrics of a run, each with its protocol card.

    judge = Judge(dataset, choose_net("auto", dataset.name), n=2048)
    for name, row in judge.rows(judge.pair(game.sample(2048)), ["fd"], judge.card()): ...

The real samples are embedded once. Images are rounded to the 8 bits that a PNG file has before
they are judged, so a run, its exported pictures and a folder of them get the same number.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from ..data import Dataset
from ..errors import DataError, OptionError
from ..kernels.arrays import Array
from ..metrics import suite
from ..metrics.card import Card
from ..metrics.features import FeatureNet
from ..metrics.house_nets import HOUSE_NETS, house_net
from ..metrics.inception import inception_net
from ..metrics.measures import MEASURES
from ..metrics.pair import POINTS, Pair, Side, side
from ..metrics.weights import find_weights, is_cached
from ..random import Stream
from .setup import Settings, load_data

_PROTOCOL = ("n_real", "n_fake", "sha256", "resize", "protocol")
_OF_DATA = {"digits": "digits_lenet", "fashion-mnist": "fashion_lenet", "mnist": "mnist_lenet"}


def choose_net(
    name: str, data_name: str, *, weights: str = "", protocol: str = "pytorch-fid"
) -> FeatureNet:
    """Return a feature net by name.

    Args:
        name: ``auto``, ``inception`` or an in-house net. ``auto`` takes Inception where weights
            are given, else the in-house net that was trained on such data, else Inception from the
            per-user cache.
        data_name: the short name of the data that it is to judge.
        weights: file of Inception's weights.
        protocol: of FID, where the net is Inception.

    Raises:
        OptionError: no net has that name, or none fits.
        CheckpointError: the weights are missing or damaged.
    """
    if name == "auto" and not weights:
        name = _OF_DATA.get(data_name, "inception" if is_cached("inception") else "")
        if not name:
            raise OptionError(
                f"no feature net was trained on {data_name}: use --net inception with --weights "
                f"FILE, or --net {' or --net '.join(HOUSE_NETS)}, which know grey pictures only"
            )
    if weights or name == "inception":
        if name not in ("auto", "inception"):
            raise OptionError(f"--weights is of Inception, and --net {name} has its own")
        return inception_net(find_weights("inception", weights or None), protocol=protocol)
    if name not in HOUSE_NETS:
        raise OptionError(f"no feature net {name!r}: use auto inception {' '.join(HOUSE_NETS)}")
    return house_net(name)


def quantised(images: Array) -> Array:
    """Round images in [-1, 1] to 256 levels, as a file has them; points stay as they are."""
    if images.ndim == 2:
        return images
    levels = np.rint((images + 1.0) * 127.5)
    return (np.clip(levels, 0.0, 255.0, out=levels) / 127.5 - 1.0).astype(np.float32)


class Judge:
    """Real samples with their features, ready to judge fakes.

    Args:
        dataset: the data; ``n`` of them are chosen at random, where there are more.
        net: the feature net, or None for points.
        n: real samples, at most.
        held_out: data that the generator was not trained on, for the memorisation metric.
        seed: of the choice and of the estimators.
    """

    def __init__(
        self,
        dataset: Dataset,
        net: FeatureNet | None,
        *,
        n: int,
        held_out: Dataset | None = None,
        seed: int = 0,
    ) -> None:
        self.net, self.dataset, self.seed = net, dataset, seed
        self.real = self._side(dataset, n)
        self.held_out = None if held_out is None else self._side(held_out, n)

    @property
    def net_name(self) -> str:
        """Name of the net, ``points`` where there is none."""
        return POINTS if self.net is None else self.net.name

    def card(self, **known: Any) -> Card:
        """Return a protocol card with all that this judge knows."""
        net = self.net
        facts = {} if net is None else {"sha256": net.sha256, "resize": net.resize}
        return Card(net=self.net_name, n_real=len(self.real), seed=self.seed, **{**facts, **known})

    def pair(self, fakes: Array, labels: Array | None = None, **more: Any) -> Pair:
        """Return what the suite's measures take; ``more`` are fields of ``Pair``."""
        return Pair(
            self.real,
            side(self.net, quantised(fakes), labels),
            self.net,
            held_out=self.held_out,
            toy=self.dataset.toy,
            seed=self.seed,
            **more,
        )

    def check(self, names: Sequence[str]) -> None:
        """Raise ``OptionError`` if a metric is unknown or does not suit the data."""
        suite.check(names, self.pair(self.real.samples[:2]))

    def rows(
        self, pair: Pair, names: Sequence[str], card: Card, *, resamples: int = 0
    ) -> Iterator[tuple[str, dict[str, Any]]]:
        """Yield each metric's name in full and its row: numbers, intervals, card.

        Args:
            pair: as ``pair`` makes it.
            names: metrics of the suite; none takes the usual ones that suit the samples.
            card: what is known of the samples.
            resamples: bootstrap replicates for the intervals; 0 for none.

        Raises:
            OptionError: a metric is unknown or does not suit the samples; it says why.
        """
        for name in names or suite.suited(suite.DEFAULT, pair):
            values = suite.measure(name, pair, resamples=resamples)
            plain = MEASURES[name].on_pixels
            full = name if plain else suite.metric_name(name, self.net_name)
            own = replace(card, net="", sha256="", resize="") if plain else card
            yield full, suite.as_row(values) | replace(own, n_fake=len(pair.fake)).row()

    def _side(self, dataset: Dataset, n: int) -> Side:
        rows = Stream(self.seed, "judge").permutation(len(dataset))[:n]
        labels = None if dataset.labels is None else dataset.labels[rows]
        return side(self.net, quantised(dataset.take(rows)), labels)


def names_of(text: str) -> list[str]:
    """Split a list of metrics with commas between; none stands for the usual ones."""
    return [name.strip() for name in text.split(",") if name.strip()]


def is_frechet(name: str) -> bool:
    """Tell whether a metric's full name is that of a Frechet distance, which tells the best."""
    return name.startswith(("fid", "fd_")) and "infinity" not in name


def judged(dataset: Dataset) -> Dataset:
    """Return what samples are compared with: of two domains B, which G translates into."""
    return dataset.domains[1] if dataset.domains is not None else dataset


def held_out_of(dataset: Dataset, settings: Settings) -> Dataset | None:
    """Return the test part of a run's data, None where the source has one part alone."""
    try:
        found = load_data(settings, split="test")
    except DataError:
        return None
    return None if found.hash == dataset.hash else judged(found)


def judge_of(dataset: Dataset, settings: Settings) -> Judge | None:
    """Return the judge that a run is told to use, None if it is told to measure nothing.

    Raises:
        OptionError: the net or a metric is unknown or does not suit the data.
        CheckpointError: Inception's weights are missing or damaged.
    """
    if not settings.metrics_every:
        return None
    held_out, dataset = held_out_of(dataset, settings), judged(dataset)
    images = len(dataset.shape) == 3
    net = choose_net(settings.net, dataset.name, weights=settings.weights) if images else None
    judge = Judge(dataset, net, n=settings.metrics_n, held_out=held_out, seed=settings.seed)
    judge.check(names_of(settings.metrics))
    return judge


def best_step(rows: Sequence[dict[str, Any]], key: str) -> int | None:
    """Return the step of the row whose number is the least; None where no row has one.

    Only rows that were measured as the last one was can be compared: with as many samples, by the
    same net.
    """
    found = [row for row in rows if isinstance(row.get(key), int | float)]
    if not found:
        return None
    alike = [row for row in found if all(row.get(k) == found[-1].get(k) for k in _PROTOCOL)]
    return int(min(alike, key=lambda row: row[key])["step"])
