"""Mean and covariance of a set of features, gathered a batch at a time and mergeable.

    n = n_a + n_b,     delta = mean_b - mean_a,     mean = mean_a + delta n_b / n
    scatter = scatter_a + scatter_b + delta delta^T n_a n_b / n
    covariance = scatter / (n - ddof)

Chan, Golub & LeVeque (1979), equation 2.1. Everything is float64, and a batch is centred on its own
mean before its product is taken, so features far from zero lose no digits. Sums of shards do not
depend on the order of the shards, but for rounding.

Protocol: files are pytorch-fid's, ``mu`` (d,) and ``sigma`` (d, d) with ddof 1; ours add ``n``, and
``net`` and ``sha256`` as bytes of UTF-8, which other readers ignore. In a file without ``n`` the
number of rows is unknown: it compares, and can't be merged. torch-fidelity takes the mean in
float32, which is a defect (it loses digits at large n) that is not followed here.
"""

from __future__ import annotations

import io
import os
from pathlib import Path

import numpy as np

from ..data.npz import read_npz
from ..errors import DataError, OptionError, SaveError, ShapeError
from ..kernels.arrays import Array
from .checks import check_points, double_blocks

_FITS = "statistics as pytorch-fid writes them, mu (d,) and sigma (d, d), are needed"
_ASYMMETRY = 1e-5  # of the largest entry: float32 statistics are symmetric to 1e-7


class Moments:
    """Count, mean and covariance of feature vectors, in float64.

    Args:
        net: name of the net that makes the features; empty where unknown.
        sha256: of its weights' file; empty where unknown.

    Attributes:
        count: rows seen; None where a file did not say.
        mean: (d,); empty before the first row.
    """

    def __init__(self, *, net: str = "", sha256: str = "") -> None:
        self.net, self.sha256 = net, sha256
        self.count: int | None = 0
        self.mean: Array = np.zeros(0)
        self._scatter: Array = np.zeros((0, 0))  # the covariance itself where count is None

    def __repr__(self) -> str:
        rows = "an unknown number of" if self.count is None else self.count
        return f"Moments of {rows} features of {self.net or 'an unnamed net'}, d = {self.dim}"

    @classmethod
    def of(cls, features: Array, *, net: str = "", sha256: str = "") -> Moments:
        """Return the moments of a whole set. Shapes: features (N, d); see ``update``."""
        return cls(net=net, sha256=sha256).update(features)

    @property
    def dim(self) -> int:
        """The number d of features; 0 before the first row."""
        return self.mean.size

    def update(self, features: Array) -> Moments:
        """Add rows, and return self.

        Shapes: features (N, d), N >= 1, of any real dtype.

        Raises:
            ShapeError: features is no such matrix, or its d is another than before.
            OptionError: a value is not finite, or the moments come from a file without ``n``.
        """
        features = check_points("features", features)
        if self.dim and features.shape[1] != self.dim:
            raise ShapeError(
                f"features of shape {features.shape}: these moments are of (N, {self.dim})"
            )
        for rows in double_blocks(features):
            mean = rows.mean(axis=0)
            rows -= mean
            self._add(len(rows), mean, rows.T @ rows)  # a product with itself: half the work
        return self

    def merge(self, other: Moments) -> Moments:
        """Add all rows that another one has seen, and return self.

        Raises:
            ShapeError: the dimensions differ.
            OptionError: the nets differ, or a number of rows is unknown.
        """
        if not (self.dim and other.dim):  # the empty one has nothing to compare but its net
            self._same_net(other)
        else:
            self.check_comparable(other)
        if other.count is None:
            raise OptionError(
                f"{other}: can't be merged; use a file that tinygan saved, with its n"
            )
        if other.count:
            self._add(other.count, other.mean, other._scatter)
        self.net, self.sha256 = self.net or other.net, self.sha256 or other.sha256
        return self

    def __add__(self, other: Moments) -> Moments:
        """Return the moments of both sets together; see ``merge``."""
        return Moments(net=self.net, sha256=self.sha256).merge(self).merge(other)

    def covariance(self, ddof: int = 1) -> Array:
        """Return the covariance, the scatter divided by n - ddof. Shapes: -> (d, d).

        Args:
            ddof: 1 as pytorch-fid, torch-fidelity and clean-fid, 0 as legacy-tensorflow.

        Raises:
            OptionError: ddof is neither, or it is 0 and the number of rows unknown.
            ShapeError: there are too few rows.
        """
        if ddof not in (0, 1) or (self.count is None and ddof == 0):
            raise OptionError(f"ddof={ddof} of {self}: 1 fits, or 0 where the number is known")
        if self.count is None:
            return self._scatter
        if self.count <= ddof:
            raise ShapeError(f"{self}: a covariance needs {ddof + 1} rows or more")
        return self._scatter / (self.count - ddof)

    def check_comparable(self, other: Moments) -> None:
        """Make sure that a distance between the two would mean something.

        Raises:
            ShapeError: the dimensions differ.
            OptionError: both name their net or its weights, and not the same.
        """
        if self.dim != other.dim:
            raise ShapeError(f"{self} and {other}: use statistics of one net, with one d")
        self._same_net(other)

    def _same_net(self, other: Moments) -> None:
        for mine, theirs in ((self.net, other.net), (self.sha256, other.sha256)):
            if mine and theirs and mine != theirs:
                raise OptionError(f"{self} and {other}: {mine} is not {theirs}; use one net's")

    def _add(self, count: int, mean: Array, scatter: Array) -> None:
        if self.count is None:
            raise OptionError(f"{self}: nothing can be added, for its number of rows is unknown")
        if not self.count:
            self.count, self.mean, self._scatter = count, mean.copy(), scatter.copy()
            return
        total = self.count + count
        delta = mean - self.mean
        self._scatter += scatter
        self._scatter += np.outer(delta * (self.count * count / total), delta)
        self.mean = self.mean + delta * (count / total)
        self.count = total

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write an ``.npz`` that pytorch-fid reads; at every moment the old file or the new one.

        Raises:
            ShapeError: there are fewer than two rows.
            SaveError: the file could not be written.
        """
        path = Path(path)
        arrays = {"mu": self.mean, "sigma": self.covariance()}
        if self.count is not None:
            arrays["n"] = np.array(self.count)
        for key in ("net", "sha256"):
            arrays[key] = np.frombuffer(getattr(self, key).encode(), np.uint8)
        buffer = io.BytesIO()
        np.savez(buffer, allow_pickle=False, **arrays)
        temporary = path.with_name(f".{path.name}.tmp")
        try:
            temporary.write_bytes(buffer.getbuffer())
            os.replace(temporary, path)
        except OSError as error:
            raise SaveError(f"{path}: cannot be written: {error.strerror or error}") from None

    @classmethod
    def load(cls, path: str | os.PathLike[str]) -> Moments:
        """Read statistics that pytorch-fid or ``save`` wrote; hostile bytes give an error.

        Raises:
            DataError: the file is missing or damaged, or its arrays are no statistics.
        """
        path = Path(path)
        arrays = read_npz(path)
        missing = [key for key in ("mu", "sigma") if key not in arrays]
        if missing:
            held = ", ".join(sorted(arrays))
            raise DataError(f"{path}: holds {held}, not {' and '.join(missing)}; {_FITS}")
        _check_statistics(arrays["mu"], arrays["sigma"], path)
        loaded = cls(net=_text(arrays, "net", path), sha256=_text(arrays, "sha256", path))
        loaded.count = _count(arrays, path)
        loaded.mean = arrays["mu"].astype(np.float64)
        loaded._scatter = arrays["sigma"].astype(np.float64) * max(1, (loaded.count or 2) - 1)
        return loaded


def _check_statistics(mu: Array, sigma: Array, path: Path) -> None:
    if mu.ndim != 1 or not mu.size or sigma.shape != (mu.size, mu.size):
        raise DataError(f"{path}: mu {mu.shape} and sigma {sigma.shape}; {_FITS}")
    if not (np.isfinite(mu).all() and np.isfinite(sigma).all()):
        raise DataError(f"{path}: a value of mu or sigma isn't finite; {_FITS}")
    if (
        np.abs(sigma - sigma.T).max() > _ASYMMETRY * np.abs(sigma).max()
        or (sigma.diagonal() < 0).any()
    ):
        raise DataError(f"{path}: sigma isn't symmetric, or a variance is negative; {_FITS}")


def _count(arrays: dict[str, Array], path: Path) -> int | None:
    if "n" not in arrays:
        return None
    n = arrays["n"]
    if n.shape != () or n.dtype.kind not in "iu" or n < 2:
        raise DataError(f"{path}: n is {n.dtype} {n.shape}; one integer of 2 or more fits")
    return int(n)


def _text(arrays: dict[str, Array], key: str, path: Path) -> str:
    codes = arrays.get(key, np.zeros(0, np.uint8))
    try:
        if codes.ndim != 1 or codes.dtype != np.uint8:
            raise ValueError
        text = codes.tobytes().decode()
    except ValueError:
        raise DataError(
            f"{path}: {key} is {codes.dtype} {codes.shape}; bytes of UTF-8 fit"
        ) from None
    if not text.isprintable():
        raise DataError(f"{path}: {key} holds characters that can't be printed; a name fits")
    return text
