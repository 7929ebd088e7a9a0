"""Inception Score: are samples of a class each, and of all classes together?

    IS = exp( E_x KL(p(y|x) || p(y)) ) = exp( H(E_x p(y|x)) - E_x H(p(y|x)) )

between 1 (every sample's classes alike) and the number of classes. Salimans et al.,
arXiv:1606.03498, section 4. It sees no real image: a set of one perfect image for each class has
the best score. The name is for Inception's probabilities; of another net it carries that name.

Protocol: the score of each of 10 contiguous chunks, i N / 10 to (i + 1) N / 10, their mean and
their standard deviation (of the chunks, ddof 0), as torch-fidelity. Samples are shuffled first, as
there, since samples sorted by class would make each chunk poor; the numbers of the shuffle are
tinygan's own. A smaller chunk scores lower, so scores of other N or splits don't compare.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ..errors import OptionError
from ..kernels.arrays import Array
from ..random import Stream
from .checks import check_points

_SUM_ERROR = 1e-3  # a float32 softmax over 1008 classes sums to 1 within 1e-4


@dataclass(frozen=True)
class InceptionScore:
    """The score over the splits.

    Attributes:
        mean: of the splits' scores, 1 to the number of classes.
        std: their standard deviation.
        splits: how many.
    """

    mean: float
    std: float
    splits: int


def inception_score(
    probabilities: Array, *, splits: int = 10, shuffle: bool = True, seed: int = 0
) -> InceptionScore:
    """Compute the score from the classes' probabilities.

    Shapes: probabilities (N, classes), each row a distribution.

    Args:
        probabilities: of each sample's classes.
        splits: chunks, 1 to N.
        shuffle: whether to bring the samples into a random order first.
        seed: of the shuffle.

    Raises:
        ShapeError: the probabilities are no such matrix.
        OptionError: a row is no distribution, or splits does not fit.
    """
    p = check_points("probabilities", probabilities).astype(np.float64)
    if p.min() < 0 or np.abs(p.sum(axis=1) - 1.0).max() > _SUM_ERROR:
        raise OptionError(
            "probabilities: a row isn't at least 0 with sum 1; use a softmax's output"
        )
    n = len(p)
    if not 1 <= splits <= n:
        raise OptionError(f"splits={splits} of {n} samples: use 1 to {n}")
    if shuffle:
        p = p[Stream(seed, "inception_score").permutation(n)]
    chunks = [p[i * n // splits : (i + 1) * n // splits] for i in range(splits)]
    scores = [np.exp(_entropy(c.mean(axis=0)) - _entropy(c).mean()) for c in chunks]
    return InceptionScore(float(np.mean(scores)), float(np.std(scores)), splits)


def _entropy(p: Array) -> Array:
    """Return the entropy along the last axis, in nats; 0 log 0 is 0."""
    logs = np.log(p, out=np.zeros_like(p), where=p > 0)
    entropy: Array = -(p * logs).sum(axis=-1)
    return entropy
