"""Two-dimensional distributions with known structure, for watching what a GAN covers.

ring: 8 Gaussians of sigma 0.01 on the unit circle; grid: 25 of sigma 0.05 at spacing 2: the
protocol of PacGAN (arXiv:1712.04086, section 4.1), whose modes are counted within 3 sigma.
swiss_roll: t (cos t, sin t) / 7.5 with noise, as in WGAN-GP's toys (arXiv:1704.00028, figure 2).
moons: two half circles that interlock.

The angles of the ring are 2 pi k / 8 for k = 0 .. 7. ``linspace(0, 2 pi, 8)``, found in published
code, holds both ends of the circle, hence seven distinct modes.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from ..kernels.arrays import Array
from ..random import Stream

Curve = Callable[[Array, Array], Array]  # (u in [0, 1), part) -> noiseless points


@dataclass(frozen=True, eq=False)
class Toy:
    """A distribution in the plane.

    Attributes:
        name: its name on the command line.
        sigma: standard deviation of the Gaussian noise on each coordinate.
        centres: exact mode centres (K, 2), float64; K = 0 where the noise lies about a curve.
        parts: how many equally likely parts (modes, or curves); a sample's label is its part.
        curve: the noiseless points of a part, where there are no centres.
    """

    name: str
    sigma: float
    centres: Array
    parts: int
    curve: Curve | None = None

    def sample(self, n: int, stream: Stream) -> tuple[Array, Array]:
        """Draw n points; the same stream position gives the same points.

        Shapes: -> points (n, 2) float32, labels (n,) int64; both NumPy.

        Args:
            n: number of points.
            stream: random stream of the library ``numpy``.
        """
        labels = stream.integers(n, 0, self.parts)
        if self.curve is None:
            clean = self.centres[labels]
        else:
            clean = self.curve(stream.uniform(n, dtype=np.float64), labels)
        noise = stream.normal((n, 2), dtype=np.float64, std=self.sigma)
        return (clean + noise).astype(np.float32), labels


def _ring_centres(modes: int = 8) -> Array:
    angle = 2.0 * np.pi * np.arange(modes) / modes
    return np.stack([np.cos(angle), np.sin(angle)], axis=1)


def _grid_centres() -> Array:
    at = np.arange(-4.0, 5.0, 2.0)
    return np.stack(np.meshgrid(at, at, indexing="ij"), axis=-1).reshape(-1, 2)


def _swiss_roll(u: Array, part: Array) -> Array:
    t = 1.5 * np.pi * (1.0 + 2.0 * u)
    return np.stack([t * np.cos(t), t * np.sin(t)], axis=1) / 7.5


def _moons(u: Array, part: Array) -> Array:
    x, y = np.cos(np.pi * u), np.sin(np.pi * u)
    lower = part == 1
    return np.stack([np.where(lower, 1.0 - x, x), np.where(lower, 0.5 - y, y)], axis=1)


_NONE = np.zeros((0, 2))

TOYS = {
    toy.name: toy
    for toy in (
        Toy("ring", 0.01, _ring_centres(), 8),
        Toy("grid", 0.05, _grid_centres(), 25),
        Toy("swiss_roll", 0.25 / 7.5, _NONE, 1, _swiss_roll),
        Toy("moons", 0.05, _NONE, 2, _moons),
    )
}
