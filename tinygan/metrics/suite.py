"""Every set metric by its name, on one pair of sample sets, each with a bootstrap interval.

A ``Pair`` holds real and fake samples with their embeddings; a measure is a function of a pair that
returns its numbers by name. The same resampling serves all of them (see ``interval``), so a metric
has an interval without knowing of it.

Names. In Inception's features a metric has the field's name (``fid``, ``kid``, ``is``); in those of
another net it carries that net's name (``fd_mnist_lenet``, ``is_mnist_lenet``) and is never called
FID. Metrics on pixels carry no net.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from ..errors import OptionError
from .interval import Interval, bootstrap_all
from .measures import MEASURES
from .pair import Pair

# under resampling, else it would take 100 times as long; the value itself takes all
FEW_SUBSETS, FEW_PROJECTIONS = 10, 32
DEFAULT = ("fd", "kid", "is", "prdc", "modes")


def metric_name(key: str, net: str) -> str:
    """Return the name of a number in the features of a net.

    >>> metric_name("fd", "inception"), metric_name("fd", "mnist_lenet")
    ('fid', 'fd_mnist_lenet')
    """
    if net == "inception":
        return key.replace("fd", "fid", 1) if key.startswith("fd") else key
    return f"{key}_{net}"


def suited(names: Sequence[str], pair: Pair) -> list[str]:
    """Return the metrics of a list that suit a pair."""
    return [name for name in names if MEASURES[name].refuse(pair) is None]


def check(names: Sequence[str], pair: Pair) -> None:
    """Raise ``OptionError`` if a metric is unknown or does not suit a pair; it says why."""
    for name in names:
        if name not in MEASURES:
            raise OptionError(f"no metric {name!r}: use one of {' '.join(MEASURES)}")
        why = MEASURES[name].refuse(pair)
        if why is not None:
            raise OptionError(f"{name}: {why}")


def measure(
    name: str, pair: Pair, *, resamples: int = 0, level: float = 0.95
) -> dict[str, float | Interval]:
    """Compute one metric of the suite.

    Args:
        name: of ``MEASURES``.
        pair: the samples.
        resamples: bootstrap replicates; 0 for numbers without an interval.
        level: of the intervals.

    Returns:
        Numbers, or intervals, by their full names.

    Raises:
        OptionError: there is no such metric, or the pair does not suit it; it says why.
        ShapeError: the samples are too few, or of shapes that don't fit.
    """
    check([name], pair)
    chosen = MEASURES[name]
    net = "" if chosen.on_pixels else pair.net_name
    full = (lambda key: metric_name(key, net)) if net else str
    if not (resamples and chosen.resampled):
        return {full(key): value for key, value in chosen.run(pair).items()}
    few = replace(pair, subsets=FEW_SUBSETS, projections=FEW_PROJECTIONS)
    rows = (np.arange(len(pair.real)), np.arange(len(pair.fake)))
    found = bootstrap_all(
        lambda i, j: chosen.run(replace(few, real=pair.real.take(i), fake=pair.fake.take(j))),
        *rows,
        values=chosen.run(pair),
        resamples=min(resamples, chosen.replicates),
        level=level,
        seed=pair.seed,
    )
    return {full(key): interval for key, interval in found.items()}


def as_row(values: Mapping[str, float | Interval]) -> dict[str, Any]:
    """Return numbers as JSON has them: an interval's ends are ``NAME_low`` and ``NAME_high``."""
    row: dict[str, Any] = {}
    for key, value in values.items():
        if isinstance(value, Interval):
            row |= {key: value.value, f"{key}_low": value.low, f"{key}_high": value.high}
        else:
            row[key] = value
    return row
