"""Frechet distance between two Gaussians, the formula behind FID.

    d^2 = ||mu_1 - mu_2||^2 + tr(C_1 + C_2 - 2 (C_1 C_2)^(1/2))

Heusel et al., arXiv:1706.08500, equation 6, after Dowson & Landau (1982). The trace of the root is
taken without a matrix root: with factors C_i = F_i^T F_i, the product C_1 C_2 has the eigenvalues
of (F_1 F_2^T) (F_1 F_2^T)^T, so

    tr (C_1 C_2)^(1/2) = ||F_1 F_2^T||_*,     the sum of singular values.

It is never complex, whatever the rank, and needs NumPy alone. Any factors serve: Cholesky's, those
of the eigenvectors where a covariance is singular, or the centred features themselves over
sqrt(n - 1), where those are fewer than d.

Protocol: pytorch-fid, torch-fidelity and clean-fid divide covariances by n - 1 (``ddof=1``), the
original TensorFlow code and StyleGAN's by n (``ddof=0``). They differ in how they take the root,
and agree where no rounding spoils it. A distance is FID only in the features of the Inception
network that the paper names; elsewhere it carries its features' name.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ..errors import DataError, OptionError, ShapeError
from ..kernels.arrays import Array
from ..random import Stream
from .checks import check_pair, check_points
from .moments import Moments

_EPS = float(np.finfo(np.float64).eps)
_TOLERANCE = 1e-7  # of both traces: a tenth of what packages differ by
_SMALL = 512  # rank up to which a singular value decomposition takes no tenth of a second
_ROUNDINGS = 32  # eps of the largest eigenvalue in each: measured are up to 25 at d = 1024


def gaussian_statistics(features: Array) -> tuple[Array, Array]:
    """Return mean and covariance (divided by n - 1) in float64.

    Shapes: features (N, d) -> (d,), (d, d).

    Raises:
        ShapeError: features is not a matrix of at least two rows.
        OptionError: a value is not finite.
    """
    moments = Moments.of(check_points("features", features, least=2))
    return moments.mean, moments.covariance()


def frechet_distance(mu1: Array, cov1: Array, mu2: Array, cov2: Array) -> float:
    """Compute the squared Frechet distance of N(mu1, cov1) and N(mu2, cov2), at least 0.

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
    one, two = (
        Gaussian(m, float(np.trace(c)), _factor(c)) for m, c in zip(means, covs, strict=True)
    )
    return one.distance(two)


def frechet_distance_of_moments(real: Moments, fake: Moments, *, ddof: int = 1) -> float:
    """Compute the squared Frechet distance of two sets from their moments.

    Args:
        real: moments of the real features.
        fake: of the generated ones.
        ddof: 1 or 0; see the protocol above.

    Raises:
        ShapeError: the dimensions differ, or there are too few rows.
        OptionError: the moments are of different nets, or ddof doesn't fit.
    """
    real.check_comparable(fake)
    return frechet_distance(real.mean, real.covariance(ddof), fake.mean, fake.covariance(ddof))


def frechet_distance_of_features(real: Array, fake: Array, *, ddof: int = 1) -> float:
    """Compute the squared Frechet distance of two sets; exact for fewer rows than features.

    Shapes: real (N, d), fake (M, d), each of two rows or more.

    Args:
        real: features of real images.
        fake: of generated ones.
        ddof: 1 or 0; see the protocol above.

    Raises:
        ShapeError: the sets are no such matrices, or their dimensions differ.
        OptionError: a value is not finite, or ddof doesn't fit.
    """
    real, fake = check_pair("frechet_distance", real, fake, least=2)
    return Gaussian.of(real, ddof).distance(Gaussian.of(fake, ddof))


@dataclass(frozen=True, eq=False)
class Gaussian:
    """A Gaussian by a factor of its covariance, which is all that a distance needs.

    Attributes:
        mean: (d,).
        trace: of the covariance.
        factor: F (r, d) with F^T F the covariance.
    """

    mean: Array
    trace: float
    factor: Array

    @classmethod
    def of(cls, features: Array, ddof: int = 1) -> Gaussian:
        """Fit to features, whose rows are the factor where they are fewer than the columns.

        Shapes: features (N, d), N >= 2, finite.

        Raises:
            OptionError: ddof is neither 0 nor 1.
        """
        if len(features) > features.shape[1]:
            moments = Moments.of(features)
            cov = moments.covariance(ddof)
            return cls(moments.mean, float(np.trace(cov)), _factor(cov))
        if ddof not in (0, 1):
            raise OptionError(f"ddof={ddof}: use 1 or 0")
        rows = features.astype(np.float64)
        mean = rows.mean(axis=0)
        rows = (rows - mean) / np.sqrt(len(rows) - ddof)
        return cls(mean, float(np.vdot(rows, rows)), rows)

    def distance(self, other: Gaussian) -> float:
        """Compute the squared Frechet distance, at least 0."""
        shift, traces = self.mean - other.mean, self.trace + other.trace
        root = _nuclear_norm(self.factor @ other.factor.T, _TOLERANCE * traces)
        return max(0.0, float(shift @ shift) + traces - 2.0 * root)


def _nuclear_norm(matrix: Array, tolerance: float) -> float:
    """Return the sum of the singular values.

    A large matrix's are the roots of eigenvalues, a third of the work, where their rounding (a few
    eps of the largest; a root halves it, and blows it up near 0) can't add up to the tolerance.
    """
    if min(matrix.shape) > _SMALL:
        matrix = matrix if matrix.shape[0] < matrix.shape[1] else matrix.T
        values = np.maximum(np.linalg.eigvalsh(matrix @ matrix.T), 0.0)
        error = _ROUNDINGS * _EPS * values[-1]
        if np.minimum(np.sqrt(error), error / (2.0 * np.sqrt(values + error))).sum() <= tolerance:
            return float(np.sqrt(values).sum())
    return float(np.linalg.svd(matrix, compute_uv=False).sum())


def _factor(cov: Array) -> Array:
    """Return F (r, d) with F^T F = cov, r the numerical rank.

    Cholesky's pivots tell whether the rank is full. If not, directions that are but rounding are
    left out: their roots, 1e-8 of the largest, would add up where the other covariance has more.
    """
    least = len(cov) * _EPS * max(0.0, float(cov.diagonal().max()))
    try:
        lower: Array = np.linalg.cholesky(cov)
        if lower.diagonal().min() ** 2 > least:
            return lower.T
    except np.linalg.LinAlgError:
        pass
    values, vectors = np.linalg.eigh(cov)
    kept = values > len(cov) * _EPS * max(0.0, float(values[-1]))
    factor: Array = (vectors[:, kept] * np.sqrt(values[kept])).T
    return factor


@dataclass(frozen=True, eq=False)
class Extrapolation:
    """Frechet distances by sample count, and where their line ends.

    Attributes:
        value: the distance at 1/n = 0; noise may bring it below 0.
        slope: of the distance over 1/n: the bias of a distance of n samples is slope / n.
        sizes: sample counts n of the points, (points,).
        distances: the distances there, (points,).
    """

    value: float
    slope: float
    sizes: Array
    distances: Array


def fid_infinity(
    real: Moments,
    fake: Array,
    *,
    points: int = 15,
    least: int | None = None,
    ddof: int = 1,
    seed: int = 0,
) -> Extrapolation:
    """Extrapolate the Frechet distance to infinitely many generated samples.

    A distance of n samples is biased by about c/n, with a c that depends on the generator, so
    distances of random subsets of several sizes are fitted by a line in 1/n. Chong & Forsyth,
    arXiv:1911.07023, section 4. Deviation: the samples are given, not drawn by a Sobol sequence.

    Shapes: fake (M, d).

    Args:
        real: moments of the real features.
        fake: features of the generated images, 20 rows or more.
        points: subsets, 2 or more, of sizes evenly spaced from ``least`` to M.
        least: rows of the smallest subset; M / 10 by default, as the paper's 5,000 of 50,000.
        ddof: 1 or 0; see the protocol above.
        seed: of the subsets.

    Raises:
        ShapeError: the sets do not fit.
        OptionError: points or least do not fit.
    """
    fake = check_points("fake features", fake, least=20)
    total = len(fake)
    least = total // 10 if least is None else least
    if not (2 <= least < total and points >= 2):
        raise OptionError(f"points={points}, least={least}: 2 or more, and 2 to {total - 1} fit")
    if fake.shape[1] != real.dim:
        raise ShapeError(f"fake features of shape {fake.shape} and {real}: use features of one net")
    sizes = np.unique(np.linspace(least, total, points).round().astype(np.int64))
    cov = real.covariance(ddof)
    target = Gaussian(real.mean, float(np.trace(cov)), _factor(cov))
    stream = Stream(seed, "fid_infinity")
    distances = np.array(
        [
            target.distance(Gaussian.of(fake[stream.permutation(total)[:n]], ddof))
            for n in sizes.tolist()
        ]
    )
    inverse = 1.0 / sizes
    spread = inverse - inverse.mean()
    slope = float(spread @ distances / (spread @ spread))
    value = float(distances.mean()) - slope * float(inverse.mean())
    return Extrapolation(value, slope, sizes, distances)


@dataclass(frozen=True)
class PerClass:
    """Frechet distances class by class.

    Attributes:
        mean: of the classes' distances: intra-FID, where the features are Inception's.
        classes: the distance of each class, by label.
    """

    mean: float
    classes: dict[int, float]


def per_class_frechet(
    real: Array, real_labels: Array, fake: Array, fake_labels: Array, *, ddof: int = 1
) -> PerClass:
    """Compute the Frechet distance of each class to its own, and their mean.

    Intra-FID of Miyato & Koyama, arXiv:1802.05637, section 5: it sees a generator that ignores its
    class, which the distance of whole sets doesn't.

    Shapes: real (N, d), real_labels (N,), fake (M, d), fake_labels (M,), labels integers.

    Raises:
        ShapeError: features or labels have another shape.
        OptionError: a value is not finite, or labels aren't integers.
        DataError: a class of either set has fewer than two rows of each; all such are named.
    """
    real, fake = check_pair("frechet_distance", real, fake, least=2)
    labels = [np.asarray(a) for a in (real_labels, fake_labels)]
    for features, own in zip((real, fake), labels, strict=True):
        if own.shape != (len(features),):
            raise ShapeError(f"labels {own.shape} of features {features.shape}: use one for each")
        if own.dtype.kind not in "iu":
            raise OptionError(f"labels are {own.dtype}; integers fit")
    classes = np.union1d(*labels).tolist()
    few = [k for k in classes if min(int((own == k).sum()) for own in labels) < 2]
    if few:
        named = ", ".join(map(str, few[:10])) + ", ..." * (len(few) > 10)
        raise DataError(f"class {named}: fewer than 2 real or 2 fake rows; 2 of each class fit")
    found = {
        k: frechet_distance_of_features(real[labels[0] == k], fake[labels[1] == k], ddof=ddof)
        for k in classes
    }
    return PerClass(float(np.mean(list(found.values()))), found)
