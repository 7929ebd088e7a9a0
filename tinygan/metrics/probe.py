"""What do features know? Accuracy of a linear probe and of the nearest neighbour on them.

The probe is multinomial logistic regression on standardised features u = (x - mean) / std:

    loss(W, b) = mean_i [ log sum_c exp(w_c u_i + b_c) - (w_{y_i} u_i + b_{y_i}) ] + l2/2 ||W||^2

It is convex; L-BFGS (Nocedal & Wright, *Numerical Optimization*, algorithm 7.4) from zero finds its
minimum, so nothing depends on a seed. Features may be a discriminator's (arXiv:1511.06434, section
5.1), or the codes of a BiGAN, whose paper reports the 1-NN accuracy (arXiv:1605.09782, table 1).

Protocol: mean and std are the training set's; a feature that never varies is left unscaled. All
sums are float64, over blocks of rows.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from ..errors import OptionError, ShapeError
from ..kernels.arrays import Array
from .checks import check_points
from .neighbours import nearest

L2 = 1e-3
_BLOCK = 4096
_MEMORY = 10  # pairs of steps and gradient changes that L-BFGS keeps
_ITERATIONS = 1000
_GRADIENT = 1e-6  # largest entry at which the minimum counts as found
_ARMIJO = 1e-4  # share of the expected decrease that a step must bring

Objective = Callable[[Array], tuple[float, Array]]


@dataclass(frozen=True, eq=False)
class LinearProbe:
    """A fitted multinomial logistic regression.

    Attributes:
        weight: (classes, d) on standardised features.
        bias: (classes,).
        mean: of the training features, (d,).
        scale: their standard deviation, (d,); 1 where that is 0.
    """

    weight: Array
    bias: Array
    mean: Array
    scale: Array

    def logits(self, features: Array) -> Array:
        """Compute the logits. Shapes: features (N, d) -> (N, classes), float64.

        Raises:
            ShapeError: the features have another width than the probe was fitted to.
        """
        if features.ndim != 2 or features.shape[1] != len(self.mean):
            raise ShapeError(f"features {features.shape}: this probe takes (N, {len(self.mean)})")
        return np.concatenate(
            [
                (features[i : i + _BLOCK] - self.mean) / self.scale @ self.weight.T + self.bias
                for i in range(0, max(1, len(features)), _BLOCK)
            ]
        )

    def predict(self, features: Array) -> Array:
        """Return the most probable class of each row. Shapes: features (N, d) -> (N,) int64."""
        found: Array = self.logits(features).argmax(1)
        return found


def fit_probe(features: Array, labels: Array, *, l2: float = L2) -> LinearProbe:
    """Fit a linear probe; see the loss above.

    Shapes: features (N, d), labels (N,) integers from 0.

    Args:
        features: of the training set.
        labels: their classes; as many classes are there as the largest label plus 1.
        l2: strength of the decay of the weights, above 0; the biases are free.

    Raises:
        ShapeError: the shapes don't fit, or a set is empty.
        OptionError: l2 is not positive, a feature is not finite, or a label is no class.
    """
    check_labelled("linear probe", features, labels)
    if not l2 > 0.0:
        raise OptionError(f"linear probe: l2={l2}; a number above 0 fits")
    mean = features.mean(axis=0, dtype=np.float64)
    scale = features.std(axis=0, dtype=np.float64)
    scale[scale == 0.0] = 1.0
    classes, d = int(labels.max()) + 1, features.shape[1]

    def objective(flat: Array) -> tuple[float, Array]:
        theta = flat.reshape(classes, d + 1)
        loss, slope = _cross_entropy(theta, features, labels, mean, scale)
        weight = theta[:, :-1]
        slope[:, :-1] += l2 * weight
        return loss + 0.5 * l2 * float((weight * weight).sum()), slope.ravel()

    theta = minimise(objective, np.zeros(classes * (d + 1))).reshape(classes, d + 1)
    return LinearProbe(theta[:, :-1], theta[:, -1], mean, scale)


def _cross_entropy(
    theta: Array, features: Array, labels: Array, mean: Array, scale: Array
) -> tuple[float, Array]:
    """Return the mean cross-entropy and its gradient; theta is (classes, d + 1), biases last."""
    loss, slope = 0.0, np.zeros_like(theta)
    for begin in range(0, len(features), _BLOCK):
        u = (features[begin : begin + _BLOCK] - mean) / scale
        y = labels[begin : begin + _BLOCK]
        logits = u @ theta[:, :-1].T + theta[:, -1]
        logits -= logits.max(axis=1, keepdims=True)
        rows = np.arange(len(u))
        total = np.exp(logits).sum(axis=1)
        loss += float((np.log(total) - logits[rows, y]).sum())
        p = np.exp(logits) / total[:, None]
        p[rows, y] -= 1.0
        slope[:, :-1] += p.T @ u
        slope[:, -1] += p.sum(axis=0)
    return loss / len(features), slope / len(features)


def minimise(objective: Objective, start: Array) -> Array:
    """Find the minimum of a smooth convex function by L-BFGS with a backtracking line search.

    Shapes: start (n,) -> (n,), float64.

    Args:
        objective: a point to its value and gradient.
        start: where to begin.
    """
    x = start.astype(np.float64)
    value, slope = objective(x)
    pairs: deque[tuple[Array, Array]] = deque(maxlen=_MEMORY)
    for _ in range(_ITERATIONS):
        if np.abs(slope).max() <= _GRADIENT:
            break
        direction = -_inverse_hessian_times(pairs, slope)
        expected, step = float(slope @ direction), 1.0
        new_value, new_slope = objective(x + direction)
        while new_value > value + _ARMIJO * step * expected and step > 1e-12:
            step *= 0.5
            new_value, new_slope = objective(x + step * direction)
        if new_value >= value:  # rounding: no lower value is to be had
            break
        s, y = step * direction, new_slope - slope
        if s @ y > 0.0:
            pairs.append((s, y))
        x, value, slope = x + s, new_value, new_slope
    return x


def _inverse_hessian_times(pairs: deque[tuple[Array, Array]], g: Array) -> Array:
    """Apply L-BFGS's approximation of the inverse Hessian: the two-loop recursion."""
    q, alphas = g.copy(), []
    for s, y in reversed(pairs):
        alpha = (s @ q) / (s @ y)
        q -= alpha * y
        alphas.append(alpha)
    if pairs:
        s, y = pairs[-1]
        q *= (s @ y) / (y @ y)
    for (s, y), alpha in zip(pairs, reversed(alphas), strict=True):
        q += (alpha - (y @ q) / (s @ y)) * s
    return q


def linear_probe_accuracy(
    train: Array, train_labels: Array, test: Array, test_labels: Array, *, l2: float = L2
) -> float:
    """Fit a linear probe on one set and return its accuracy on another, 0 to 1.

    Shapes: train (N, d), train_labels (N,), test (M, d), test_labels (M,).

    Raises:
        ShapeError: the shapes don't fit, or a set is empty.
        OptionError: l2 is not positive, a feature is not finite, or a label is no class.
    """
    check_labelled("linear probe", test, test_labels)
    found = fit_probe(train, train_labels, l2=l2).predict(test)
    return float((found == test_labels).mean())


def nearest_neighbour_accuracy(
    train: Array, train_labels: Array, test: Array, test_labels: Array, *, k: int = 1
) -> float:
    """Return the share of test points whose k nearest training points vote for their class.

    Where classes have equally many votes, the one with the smaller label wins.

    Shapes: train (N, d), train_labels (N,), test (M, d), test_labels (M,).

    Args:
        train: the points that vote.
        train_labels: their classes.
        test: the points to classify.
        test_labels: their classes.
        k: neighbours, 1 to N.

    Raises:
        ShapeError: the shapes don't fit, or a set is empty.
        OptionError: k is out of range, a feature is not finite, or a label is no class.
    """
    check_labelled("nearest neighbours", train, train_labels)
    check_labelled("nearest neighbours", test, test_labels)
    return float((vote(train, train_labels, test, k) == test_labels).mean())


def vote(train: Array, train_labels: Array, queries: Array, k: int) -> Array:
    """Return the most frequent class among each query's k nearest training points.

    Shapes: train (N, d), train_labels (N,), queries (M, d) -> (M,) int64.
    """
    classes = train_labels[nearest(queries, train, k)[1]]
    votes = (classes[:, :, None] == np.arange(int(train_labels.max()) + 1)).sum(axis=1)
    found: Array = votes.argmax(axis=1)
    return found


def check_labelled(what: str, features: Array, labels: Array) -> None:
    """Check features (N, d) and labels (N,).

    Raises:
        ShapeError: the shapes don't fit, or the set is empty.
        OptionError: a feature is not finite, or a label is no integer of at least 0.
    """
    check_points(f"{what}: features", features)
    if labels.shape != features.shape[:1]:
        raise ShapeError(
            f"{what}: features {features.shape} and labels {labels.shape}; (N, d) and (N,) fit"
        )
    if labels.dtype.kind not in "iu" or labels.min() < 0:
        raise OptionError(f"{what}: labels must be integers of at least 0")
