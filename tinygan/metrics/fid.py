"""Frechet distance between two Gaussians, the formula behind FID.

    d^2 = ||mu_1 - mu_2||^2 + tr(C_1 + C_2 - 2 (C_1 C_2)^(1/2))

Heusel et al., arXiv:1706.08500, equation 6, after Dowson & Landau (1982). The trace of the root is
taken without a matrix root of the product: C_1 C_2 has the eigenvalues of the symmetric positive
semi-definite S C_2 S with S = C_1^(1/2), so

    tr (C_1 C_2)^(1/2) = sum_i sqrt(max(0, lambda_i(S C_2 S))).

It is never complex, whatever the rank, and needs NumPy alone. A distance is FID only in the
features of the Inception network that the paper names; elsewhere it carries its features' name.
"""

from __future__ import annotations

import numpy as np

from ..errors import OptionError, ShapeError
from ..kernels.arrays import Array


def gaussian_statistics(features: Array) -> tuple[Array, Array]:
    """Return mean and covariance (divided by n - 1) in float64.

    Shapes: features (N, d) -> (d,), (d, d).

    Raises:
        ShapeError: features is not a matrix of at least two rows.
    """
    if features.ndim != 2 or len(features) < 2:
        raise ShapeError(f"features of shape {features.shape}: use (N, d) with N >= 2")
    x = features.astype(np.float64)
    return x.mean(axis=0), np.atleast_2d(np.cov(x, rowvar=False))


def frechet_distance(mu1: Array, cov1: Array, mu2: Array, cov2: Array) -> float:
    """Squared Frechet distance of N(mu1, cov1) and N(mu2, cov2), at least 0.

    Shapes: mu1 and mu2 (d,), cov1 and cov2 (d, d), symmetric.

    Raises:
        ShapeError: the shapes don't fit.
        OptionError: a value is not finite.
    """
    means = [np.atleast_1d(np.asarray(m, dtype=np.float64)) for m in (mu1, mu2)]
    covs = [np.atleast_2d(np.asarray(c, dtype=np.float64)) for c in (cov1, cov2)]
    d = means[0].size
    if any(m.shape != (d,) for m in means) or any(c.shape != (d, d) for c in covs):
        shapes = ", ".join(str(a.shape) for a in (*means, *covs))
        raise ShapeError(f"frechet_distance takes (d,), (d,), (d, d), (d, d); got {shapes}")
    if not all(np.isfinite(a).all() for a in (*means, *covs)):
        raise OptionError("frechet_distance: a mean or covariance holds a value that isn't finite")
    shift = means[0] - means[1]
    root = _root(covs[0])
    product = np.linalg.eigvalsh(root @ covs[1] @ root)
    trace_of_root = np.sqrt(np.maximum(product, 0.0)).sum()
    distance = shift @ shift + np.trace(covs[0]) + np.trace(covs[1]) - 2.0 * trace_of_root
    return max(0.0, float(distance))


def _root(c: Array) -> Array:
    """Return the symmetric root of a positive semi-definite matrix."""
    values, vectors = np.linalg.eigh(c)
    root: Array = (vectors * np.sqrt(np.maximum(values, 0.0))) @ vectors.T
    return root
