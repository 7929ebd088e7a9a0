"""Divergences between shares: vectors of K non-negative numbers whose sum is 1; all in nats."""

from __future__ import annotations

import numpy as np

from ..kernels.arrays import Array


def kl(p: Array, q: Array) -> float:
    """Return KL(p || q), with 0 log 0 = 0; q must be positive wherever p is."""
    held = p > 0.0
    return float((p[held] * np.log(p[held] / q[held])).sum())


def jensen_shannon(p: Array, q: Array) -> float:
    """Return the mean divergence of p and q from their mean, 0 to log 2."""
    middle = (p + q) / 2.0
    return (kl(p, middle) + kl(q, middle)) / 2.0


def entropy(p: Array) -> float:
    """Return the entropy, 0 to log K."""
    held = p[p > 0.0]
    return float(-(held * np.log(held)).sum())
